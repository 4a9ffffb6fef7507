"""End the idle worker processes."""

from __future__ import annotations

import bpy
from bpy.types import Context

from . import _compute, _task_operator


class MAQUETTE_OT_release_memory(bpy.types.Operator):
    """Stop the background processes and free their memory. They start again when needed"""

    bl_idname = "maquette.release_memory"
    bl_label = "Release Memory"

    @classmethod
    def poll(cls, context: Context) -> bool:
        if _task_operator.running_task() or not _compute.is_worker_alive():
            cls.poll_message_set("No idle background process is running")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        _compute.end_workers()
        return {'FINISHED'}


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_release_memory,))
