"""Where long work computes. The model: in this process, in one of its own, or with another Python, as the preferences
say. What needs Blender's own operators: in a second Blender, so that the window of this one stays usable, or here.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import bpy
from bpy.types import Context

from ..core.errors import StartError
from ..core.jobs import dependencies, messages, python_probe
from ..core.jobs.python_probe import PythonInfo
from ..core.jobs.task import Progress, Task, in_thread
from ..core.jobs.worker_pool import BlenderInterpreter, PythonInterpreter, WorkerPool
from . import _task_operator
from ._task_operator import TaskOperator

T = TypeVar("T")

_PACKAGE = __package__.rpartition(".")[0]
_IDLE = 300.0  # seconds, where there are no preferences
_workers = WorkerPool()
_blenders = WorkerPool()
_kept: dict[
    str, tuple[bytes, Any]
] = {}  # the last result of each function, under what it was asked with


def addon_preferences() -> bpy.types.AddonPreferences | None:
    """Ours; None in a script that only imports us."""
    addon = bpy.context.preferences.addons.get(_PACKAGE)
    return addon.preferences if addon else None


def named_python() -> PythonInterpreter | None:
    """The Python that is named in the preferences, if one is."""
    ours = addon_preferences()
    return PythonInterpreter(bpy.path.abspath(ours.python)) if ours and ours.python else None


def chosen_device() -> str:
    """The device that the preferences choose, as ``core.model.inference.devices`` names it."""
    ours = addon_preferences()
    return ours.device.lower() if ours else "auto"


def missing_packages() -> list[str]:
    """The packages of the model that are nowhere to be had: a named Python is taken at its word."""
    return [] if named_python() else dependencies.missing_packages(*dependencies.MODEL)


def run_function(
    function: Callable[..., Task[T]], *arguments: Any, window: bool = False
) -> Task[T]:
    """``function(*arguments)`` where the preferences say, or its last result if it is asked the same again.

    Args:
        function: of a module of ``core``, and what it takes: see ``core.jobs.worker_pool.WorkerProcess.run_function``. An argument
            may be a function that makes it when it is time, without bpy.
        window: somebody waits at the window: then this Python's PyTorch, too, runs in a process of its own.
    """
    named = named_python()
    ours = addon_preferences()
    place = named or (PythonInterpreter.current() if window and not missing_packages() else None)
    idle = ours.idle if ours else _IDLE
    begin = partial(_workers.run_function, place, function, idle=idle) if place else function
    return _memoized(begin, named, function, arguments)


def run_in_process(function: Callable[..., Task[T]], *arguments: Any) -> Task[T]:
    """Run ``function(*arguments)`` in a process of its own, or return its last result as in :func:`run_function`.

    For functions of native libraries that may abort: neither Blender nor a script ends with them.
    """
    named = named_python()
    place = named or PythonInterpreter.current()
    ours = addon_preferences()
    idle = ours.idle if ours else _IDLE
    begin = partial(_workers.run_function, place, function, idle=idle)
    return _memoized(begin, named, function, arguments)


def run_in_blender(
    function: Callable[..., Task[T]], *arguments: Any, window: bool = False
) -> Task[T]:
    """``function(*arguments)``, which uses bpy but nothing of the open file, or its last result as in :func:`run_function`.

    Takes its steps on the main thread, and they are short, if there is a second Blender to be had.

    Args:
        window: somebody waits at the window: then it runs in a second Blender, if one can be started.
    """
    ours = addon_preferences()
    program = bpy.app.binary_path if window else ""  # which is empty for the module bpy
    return _beside_window(program, ours.idle if ours else _IDLE, function, arguments)


def _beside_window(
    program: str, idle: float, function: Callable[..., Task[T]], arguments: tuple[Any, ...]
) -> Task[T]:
    if program:
        begin = partial(_blenders.run_function, BlenderInterpreter(program), function, idle=idle)
        try:
            return (yield from in_thread(_memoized(begin, None, function, arguments), 0.0))
        except StartError:
            pass
    return (yield from _memoized(function, None, function, arguments))


def _memoized(
    begin: Callable[..., Task[T]],
    named: PythonInterpreter | None,
    function: Callable[..., Task[T]],
    arguments: tuple[Any, ...],
) -> Task[T]:
    """What ``begin`` returns for ``arguments``, as ``function`` does, or its last result.

    Knows nothing of bpy: it may run on a thread, all but what its callers do before the first step.
    """
    yield Progress(0.0, "Starting")
    arguments = tuple(argument() if callable(argument) else argument for argument in arguments)
    name = f"{function.__module__}.{function.__qualname__}"
    key = _cache_key(named, name, arguments)
    if name in _kept and _kept[name][0] == key:
        return _kept[name][1]
    result = yield from begin(*arguments)
    _kept[name] = key, result
    return result


def is_worker_alive() -> bool:
    """Whether a worker process holds memory."""
    return bool(_workers.alive_workers() or _blenders.alive_workers())


def _cache_key(named: PythonInterpreter | None, name: str, arguments: tuple[Any, ...]) -> bytes:
    """Changes with all that the result depends on: files count by their size and time."""
    message = io.BytesIO()
    messages.send_message(message, arguments)
    stamps = [
        (path.stat().st_mtime_ns, path.stat().st_size)
        for path in _file_paths(arguments)
        if path.exists()
    ]
    text = f"{name} {named} {stamps}"
    return hashlib.sha256(text.encode() + message.getbuffer()).digest()


def _file_paths(value: Any) -> list[Path]:
    match value:
        case Path():
            return [value]
        case list() | tuple():
            return [path for item in value for path in _file_paths(item)]
        case dict():
            return _file_paths(list(value.values()))
    return _file_paths(list(vars(value).values())) if hasattr(value, "__dataclass_fields__") else []


class MAQUETTE_OT_test_python(TaskOperator, bpy.types.Operator):
    """Start the Python that the model will run in and ask for its version, its PyTorch and the devices there"""

    bl_idname = "maquette.test_python"
    bl_label = "Test"
    bl_options = {'INTERNAL'}

    def start(self, context: Context) -> Task[PythonInfo]:
        return python_probe.probe_python(named_python() or PythonInterpreter.current())

    def finish(self, context: Context, result: PythonInfo) -> None:
        ours = addon_preferences()
        if ours:
            ours.found_devices = " ".join(result.devices)
            ours.told = result.status_text()
        self.report({'INFO'}, result.status_text())

    def report_error(self, error: Exception) -> set[str]:
        ours = addon_preferences()
        if ours:
            ours.told = str(error)
            ours.found_devices = ""
        return super().report_error(error)


class MAQUETTE_OT_release_memory(bpy.types.Operator):
    """End the processes beside this one, with the model and a second Blender. What needs them starts them again"""

    bl_idname = "maquette.release_memory"
    bl_label = "Release Memory"

    @classmethod
    def poll(cls, context: Context) -> bool:
        if _task_operator.running_task() or not is_worker_alive():
            cls.poll_message_set("No process holds memory, or it is working")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        _end_workers()
        return {'FINISHED'}


register, _unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_test_python, MAQUETTE_OT_release_memory)
)


def unregister() -> None:
    _end_workers()
    _kept.clear()
    _unregister()


def _end_workers() -> None:
    _workers.end_all()
    _blenders.end_all()
