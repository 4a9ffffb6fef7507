"""Show the cameras of a training set in the 3D Viewport before anything is rendered."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from bpy.props import StringProperty
from bpy.types import Context
from numpy.typing import NDArray

from ..core.cameras import frustum_lines
from ..core.jobs.task import SteppedTask, Task
from ..core.scene.datagen.objects import preview_views
from ..core.scene.datagen.sources import scene_sources
from ..core.synthesis import camera_rigs
from ._task_operator import TaskOperator
from .properties.dataset import DatasetProperties

LENGTH = 0.4  # of a drawn frustum, in radii of its object
_COLOR = (1.0, 0.55, 0.1, 1.0)  # orange, as Blender's selected cameras


class _Drawing:
    """Lines in the 3D viewports of one scene, until they are removed."""

    def __init__(self, scene: bpy.types.Scene, lines: NDArray[np.float32]) -> None:
        self.scene = scene.session_uid  # not the scene, since another file may be loaded
        self.lines = lines
        self._batch: Any = None
        self._handle = bpy.types.SpaceView3D.draw_handler_add(
            self._draw_lines, (), 'WINDOW', 'POST_VIEW'
        )

    def remove_handler(self) -> None:
        bpy.types.SpaceView3D.draw_handler_remove(self._handle, 'WINDOW')

    def _draw_lines(self) -> None:
        import gpu  # only in a Blender with a window
        from gpu_extras.batch import batch_for_shader

        if bpy.context.scene.session_uid != self.scene:
            return
        shader = gpu.shader.from_builtin('UNIFORM_COLOR')
        if self._batch is None:
            self._batch = batch_for_shader(shader, 'LINES', {"pos": self.lines})
        gpu.state.depth_test_set('LESS_EQUAL')
        shader.uniform_float("color", _COLOR)
        self._batch.draw(shader)
        gpu.state.depth_test_set('NONE')


_drawing: _Drawing | None = None


def drawn_lines(scene: bpy.types.Scene) -> NDArray[np.float32] | None:
    """Return the ends (2 N, 3) of the lines shown for ``scene``, meters; None if none are shown."""
    if _drawing is None or _drawing.scene != scene.session_uid:
        return None
    return _drawing.lines


def _show_lines(scene: bpy.types.Scene, lines: NDArray[np.float32] | None) -> None:
    """Show ``lines`` (2 N, 3) instead of those shown so far; None to show none."""
    global _drawing
    if _drawing:
        _drawing.remove_handler()
    _drawing = None if lines is None else _Drawing(scene, lines)

    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == 'VIEW_3D':
                area.tag_redraw()


class MAQUETTE_OT_preview_cameras(DatasetProperties, TaskOperator, bpy.types.Operator):
    """Show the cameras that the selected objects would be rendered from in the 3D Viewport"""

    bl_idname = "maquette.preview_cameras"
    bl_label = "Preview Cameras"
    bl_options = {'REGISTER'}
    driver = SteppedTask

    cameras: StringProperty(
        name="Cameras",
        description="Camera rigs, as in Render Dataset",
        default=" ".join(map(str, camera_rigs.DEFAULT)),
    )

    def start(self, context: Context) -> Task[Any]:
        sources = scene_sources(context.selected_objects)
        return preview_views(sources, self.dataset_settings(self.cameras))

    def finish(self, context: Context, result: Any) -> None:
        # Frusta are as large as their object, so that those of small objects can be seen.
        lines = []
        for bounds, views in result:
            radius = float(np.linalg.norm(bounds[1] - bounds[0])) / 2
            lines += [frustum_lines(view.camera, LENGTH * radius) for view in views]
        _show_lines(context.scene, np.concatenate(lines).reshape(-1, 3).astype(np.float32))
        self.report({'INFO'}, f"{len(lines)} cameras for {len(result)} objects")


class MAQUETTE_OT_hide_cameras(bpy.types.Operator):
    """Remove the previewed cameras from the 3D Viewport"""

    bl_idname = "maquette.hide_cameras"
    bl_label = "Hide Cameras"
    bl_options = {'REGISTER'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if drawn_lines(context.scene) is None:
            cls.poll_message_set("No cameras are shown")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        _show_lines(context.scene, None)
        return {'FINISHED'}


register, _unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_preview_cameras, MAQUETTE_OT_hide_cameras)
)


def unregister() -> None:
    """Remove the lines and the operators."""
    _show_lines(bpy.context.scene, None)
    _unregister()
