"""The worker process of the model: test its Python, free its memory."""

from __future__ import annotations

import bpy
from bpy.types import Context

from ..core.jobs import python_probe
from ..core.jobs.python_probe import PythonInfo
from ..core.jobs.task import Task
from . import _compute, _task_operator
from ._task_operator import TaskOperator


class MAQUETTE_OT_test_python(TaskOperator, bpy.types.Operator):
    """Test the chosen Python."""

    bl_idname = "maquette.test_python"
    bl_label = "Test"
    bl_description = (
        "Start the chosen Python and show its version, its PyTorch version and the available "
        "devices"
    )
    bl_options = {'INTERNAL'}

    def start(self, context: Context) -> Task[PythonInfo]:
        return python_probe.probe_python(_compute.model_python())

    def finish(self, context: Context, result: PythonInfo) -> None:
        store_test_result(result.status_text(), " ".join(result.devices))
        self.report({'INFO'}, result.status_text())

    def report_error(self, error: Exception) -> set[str]:
        store_test_result(str(error), "")
        return super().report_error(error)


def store_test_result(text: str, devices: str) -> None:
    """Keep the result of the test in the preferences, which show it."""
    preferences = _compute.addon_preferences()
    if preferences:
        preferences.found_devices = devices
        preferences.told = text


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


register, unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_test_python, MAQUETTE_OT_release_memory)
)
