"""Index a library, so that objects can be found in it."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context

from ...core.jobs.task import Task
from .. import _compute
from .._task_operator import TaskOperator
from ..properties.library import ASSET_LIBRARY, FOLDER, INDEX_FILE, SOURCE
from ..properties.paths import file_property, folder_property
from ._indexing import IndexReport, index_libraries
from ._rendering import AssetRenderer
from ._sources import LibraryChoice

_MOST_SHOWN = 10  # reasons in the report, each a line


class MAQUETTE_OT_index_library(LibraryChoice, TaskOperator, bpy.types.Operator):
    """Render each asset of a library from twelve sides, so that it can be found by images"""

    bl_idname = "maquette.index_library"
    bl_label = "Index Library"
    bl_options = {'REGISTER'}

    source: EnumProperty(**SOURCE)
    library: StringProperty(**ASSET_LIBRARY)
    folder: folder_property(*FOLDER)
    collection: StringProperty(
        name="Collection", description="Name of the collection whose objects are searched"
    )
    index_file: file_property(*INDEX_FILE)
    rebuild: BoolProperty(
        name="Rebuild",
        description="Render all assets again. Needed after changes that files do not show, such "
        "as of textures beside them",
        options={'SKIP_SAVE'},
    )

    def start(self, context: Context) -> Task[list[IndexReport]]:
        target = _compute.compute_target(self.interactive)
        return index_libraries(self.chosen_sources(), target, AssetRenderer(), self.rebuild)

    def finish(self, context: Context, result: list[IndexReport]) -> None:
        for report in result:
            if report.reason:
                self.report({'WARNING'}, report.reason)

            # Some reasons in full, of the others the number.
            problems = list(report.problems.items())
            for name, reason in problems[:_MOST_SHOWN]:
                self.report({'WARNING'}, f"{name} was left out: {reason}")
            if len(problems) > _MOST_SHOWN:
                more = len(problems) - _MOST_SHOWN
                self.report({'WARNING'}, f"{more} more were left out")

        self.report({'INFO'}, "; ".join(report.summary() for report in result))


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_index_library,))
