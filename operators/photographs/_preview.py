"""What is known of a running solve, drawn in the 3D viewports: no data of the file.

So there is nothing to undo or to clean up when the solve is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...core.arrays import MeshArrays
from ...core.cameras import frustum_lines
from ...core.photogrammetry.records import SolvedScene

_CAMERA_LENGTH = 0.15  # of drawn cameras, in units of the object's longest side
_POINT_SIZE = 0.01
_CAMERA_COLOR = (0.05, 0.05, 0.05)
_HULL_COLOR = np.array((0.62, 0.66, 0.72))
_LIGHT = np.array((0.35, -0.6, 0.72))  # unit vector towards the light
_AMBIENT = 0.35
_TETRAHEDRON = np.array(((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)), float)
_TETRAHEDRON_FACES = ((0, 1, 2), (0, 3, 1), (0, 2, 3), (1, 3, 2))

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """Primitives of one kind with a color for each corner.

    Attributes:
        kind: 'TRIS' or 'LINES'.
        positions: (N, 3) world space, meters.
        colors: (N, 4) in 0..1.
    """

    kind: str
    positions: Floats
    colors: Floats


def solved_layers(solved: SolvedScene, size: float) -> list[Layer]:
    """Return cameras and points of a solve, for an object of ``size``."""
    lines = [frustum_lines(each.camera, _CAMERA_LENGTH) for each in solved.photographs]
    ends = np.concatenate(lines).reshape(-1, 3) * size
    corners = _TETRAHEDRON[np.array(_TETRAHEDRON_FACES)].reshape(-1, 3) * (_POINT_SIZE / 2)
    points = (solved.cloud.points[:, None] + corners).reshape(-1, 3) * size
    point_colors = np.repeat(solved.cloud.colors, len(corners), axis=0)
    camera_colors = np.broadcast_to(np.array(_CAMERA_COLOR), ends.shape)
    return [_layer('LINES', ends, camera_colors), _layer('TRIS', points, point_colors)]


def hull_layer(mesh: MeshArrays, size: float) -> Layer:
    """Return a mesh as triangles that are lit from the front, for an object of ``size``."""
    corners = mesh.vertices[mesh.to_triangles()].astype(float)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    brightness = _AMBIENT + (1 - _AMBIENT) * (normals @ _LIGHT).clip(0)
    colors = np.repeat(brightness[:, None] * _HULL_COLOR, 3, axis=0)
    return _layer('TRIS', corners.reshape(-1, 3) * size, colors)


def _layer(kind: str, positions: NDArray[Any], colors: NDArray[Any]) -> Layer:
    opaque = np.ones((len(colors), 1))
    rgba = np.concatenate((colors, opaque), axis=1).astype(np.float32)
    return Layer(kind, np.ascontiguousarray(positions, np.float32), rgba)


class _Drawing:
    """Layers in the 3D viewports of one scene, until they are removed."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self.scene = scene.session_uid  # not the scene, since another file may be loaded
        self.layers: list[Layer] = []
        self._batches: list[Any] = []
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), 'WINDOW', 'POST_VIEW')

    def remove_handler(self) -> None:
        bpy.types.SpaceView3D.draw_handler_remove(self._handle, 'WINDOW')

    def _draw(self) -> None:
        import gpu  # only in a Blender with a window
        from gpu_extras.batch import batch_for_shader

        if bpy.context.scene.session_uid != self.scene:
            return
        shader = gpu.shader.from_builtin('SMOOTH_COLOR')
        for layer in self.layers[len(self._batches) :]:
            content = {"pos": layer.positions, "color": layer.colors}
            self._batches.append(batch_for_shader(shader, layer.kind, content))
        mask_before = gpu.state.depth_mask_get()
        gpu.state.depth_test_set('LESS_EQUAL')
        gpu.state.depth_mask_set(True)
        for batch in self._batches:
            batch.draw(shader)
        gpu.state.depth_mask_set(mask_before)
        gpu.state.depth_test_set('NONE')


_drawing: _Drawing | None = None


def shown_layers() -> list[Layer]:
    """Return what is drawn now."""
    return _drawing.layers if _drawing else []


def show_layers(scene: bpy.types.Scene, layers: list[Layer]) -> None:
    """Draw ``layers`` as well in the 3D viewports of ``scene``."""
    global _drawing
    if _drawing is None:
        _drawing = _Drawing(scene)
    _drawing.layers += layers
    _redraw()


def hide_layers() -> None:
    """Draw nothing any more."""
    global _drawing
    if _drawing:
        _drawing.remove_handler()
        _drawing = None
        _redraw()


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == 'VIEW_3D':
                area.tag_redraw()
