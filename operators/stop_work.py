"""Stop a running or queued task."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty
from bpy.types import Context

from . import _task_operator


class MAQUETTE_OT_stop_work(bpy.types.Operator):
    """Stop this job. The scene is not changed"""

    bl_idname = "maquette.stop_work"
    bl_label = "Stop"
    bl_options = {'INTERNAL'}

    place: IntProperty(
        name="Queue Position",
        description="Position of the job in the queue; 0 is the running job",
        min=0,
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not _task_operator.running_task():
            cls.poll_message_set("No job is running")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        _task_operator.queue.cancel(self.place)
        return {'FINISHED'}


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_stop_work,))
