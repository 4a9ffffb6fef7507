"""From photographs to solved cameras and a cloud of points in the scene."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, StringProperty
from bpy.types import Context

from ..core.console import printable
from ..core.errors import ImageError
from ..core.jobs.task import Task
from ..core.photogrammetry.photo_files import list_photographs
from ..core.photogrammetry.records import SolvedScene, SolveSettings
from ..core.photogrammetry.solve import solve_photographs
from ..core.scene.compat import PATH_OPTIONS
from ..core.scene.solved_cameras import add_solved_scene, cloud_of
from . import _compute
from ._task_operator import TaskOperator
from .properties.photographs import CHECK_OUTLINES, FOLDER, REAL_SIZE


class MAQUETTE_OT_solve_photographs(TaskOperator, bpy.types.Operator):
    """Solve the cameras of photographs, and put them and a cloud of points into the scene."""

    bl_idname = "maquette.solve_photographs"
    bl_label = "Solve Photographs"
    bl_description = (
        "Find where photographs were taken: a camera for each, and points that stand on the floor"
    )
    bl_options = {'REGISTER', 'UNDO'}

    folder: StringProperty(**FOLDER, options={'SKIP_SAVE', *PATH_OPTIONS})
    files: CollectionProperty(
        name="Files",
        description="Names of the photographs in the folder, in the order of the walk: "
        "[{\"name\": \"1.jpg\"}]. Empty: all, in natural order",
        type=bpy.types.OperatorFileListElement,
        options={'SKIP_SAVE'},
    )
    size: FloatProperty(**REAL_SIZE)
    check_outlines: BoolProperty(**CHECK_OUTLINES)

    def start(self, context: Context) -> Task[SolvedScene]:
        if not self.folder:
            raise ImageError("Choose the folder of your photographs first")

        # Without a choice of files all photographs of the folder are solved.
        folder = Path(bpy.path.abspath(self.folder))
        names = [item.name for item in self.files]
        paths = [folder / name for name in names] or list_photographs(folder)
        return start_solving(paths, self.check_outlines)

    def finish(self, context: Context, result: SolvedScene) -> None:
        collection = add_solved_scene(context, result, self.size)

        # Select the cloud alone, so that it can be moved or deleted at once.
        cloud = cloud_of(collection)
        for obj in context.selected_objects:
            obj.select_set(False)
        context.view_layer.objects.active = cloud
        cloud.select_set(True)

        # The panel lists the photographs without a camera, and why.
        settings = context.scene.maquette_photographs
        settings.summary = solve_summary(result)
        settings.left_out.clear()
        for entry in result.left_out:
            item = settings.left_out.add()
            item.name = printable(entry.path.name)
            item.reason = printable(entry.reason)
        level = 'WARNING' if result.left_out or result.notes else 'INFO'
        self.report({level}, settings.summary)

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: what does not solve anew."""
        self.layout.use_property_split = True
        self.layout.prop(self, "size")


def start_solving(paths: list[Path], check_outlines: bool = True) -> Task[SolvedScene]:
    """Return the work that solves ``paths``, in a process of its own."""
    settings = SolveSettings(check_outlines=check_outlines)
    return _compute.run_in_process(solve_photographs, [path.resolve() for path in paths], settings)


def solve_summary(result: SolvedScene) -> str:
    """Return what was solved and what was not, in one line."""
    solved = len(result.photographs)
    total = solved + len(result.left_out)
    text = f"{solved} of {total} photographs have cameras, {len(result.cloud.points):,} points"
    if result.outline_agreement is not None:
        text += f", outlines agree to {result.outline_agreement:.0%}"
    return ". ".join((text, *result.notes))


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_solve_photographs,))
