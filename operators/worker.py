"""The worker process of the model: test its Python, free its memory."""

from __future__ import annotations

import bpy
from bpy.types import Context

from ..core.errors import Cancelled, MaquetteError
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
        store_test_result(result)
        self.report({'INFO'}, result.status_text())

    def report_error(self, error: MaquetteError) -> set[str]:
        store_problem(error)
        return super().report_error(error)


def store_test_result(result: PythonInfo | None) -> None:
    """Keep what a test or an installation found in the preferences, which show it.

    Args:
        result: None to forget the last one.
    """
    preferences = _compute.addon_preferences()
    if preferences:
        preferences.found_devices = " ".join(result.devices) if result else ""
        preferences.told = result.status_text() if result else ""
        preferences.failed = False


def store_problem(error: MaquetteError) -> None:
    """Keep why a test or an installation failed for the preferences and the panels.

    Being stopped by the user is no problem: what was known before stays.
    """
    preferences = _compute.addon_preferences()
    if preferences and not isinstance(error, Cancelled):
        preferences.found_devices = ""
        preferences.told = str(error)
        preferences.failed = True


def last_problem() -> str:
    """Return why the last test or installation failed; "" if it did not."""
    preferences = _compute.addon_preferences()
    return preferences.told if preferences and preferences.failed else ""


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
