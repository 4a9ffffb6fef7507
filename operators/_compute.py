"""Choose where long work runs, and keep its last results.

The model runs in this process, in a worker process of this Python, or in one of another Python, as
the preferences choose. Work that needs Blender's operators runs in a second Blender, so that the
window of this one stays responsive, or in this process.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import bpy

from ..core.errors import StartError
from ..core.jobs import dependencies, messages, package_install, temporary_folders
from ..core.jobs.interpreters import BlenderInterpreter, PythonInterpreter
from ..core.jobs.task import Progress, Task, in_thread
from ..core.jobs.worker_pool import WorkerPool

T = TypeVar("T")

_PACKAGE = __package__.rpartition(".")[0]
_IDLE_SECONDS = 300.0  # without preferences, as in a script
_workers = WorkerPool()
_blenders = WorkerPool()
_last_results: dict[
    str, tuple[bytes, Any]
] = {}  # by function: the key of its arguments, its result


def addon_preferences() -> bpy.types.AddonPreferences | None:
    """Return the add-on's preferences; None in a script that imports the package only."""
    addon = bpy.context.preferences.addons.get(_PACKAGE)
    return addon.preferences if addon else None


def shows_training() -> bool:
    """Return whether the panels of training data and training are wanted in the sidebar."""
    preferences = addon_preferences()
    return bool(preferences and preferences.show_training)


def named_python() -> PythonInterpreter | None:
    """Return the Python chosen in the preferences; None for Blender's."""
    preferences = addon_preferences()
    if not preferences or not preferences.python:
        return None
    return PythonInterpreter(bpy.path.abspath(preferences.python))


def packages_root() -> Path:
    """Return the folder of the packages that were installed by a button, which may not exist."""
    try:
        return Path(bpy.utils.extension_path_user(_PACKAGE, path="python"))
    except ValueError:  # it is no extension, as in a script
        return Path(bpy.utils.user_resource('DATAFILES', path="maquette_python"))


def model_python() -> PythonInterpreter:
    """Return the Python that runs the model: the named one, or Blender's.

    Blender's has the packages that were installed by a button on its path, before all others.
    """
    current = PythonInterpreter.current()
    installed = package_install.installed_folder(packages_root())
    if installed:
        current = replace(current, packages=str(installed))
    return named_python() or current


def chosen_device() -> str:
    """Return the device chosen in the preferences, as ``core.model.inference.devices`` names it."""
    preferences = addon_preferences()
    return preferences.device.lower() if preferences else "auto"


def missing_packages(*packages: str) -> list[str]:
    """Return those of ``packages`` that the Python of the model lacks.

    A Python chosen in the preferences is assumed to have them all.

    Args:
        packages: Import names, of ``dependencies.PACKAGES``; without any those of the model.
    """
    if named_python():
        return []
    missing = dependencies.missing_packages(*(packages or dependencies.MODEL))
    if not missing:
        return []  # the panels ask at each redraw, so the disk is left alone
    root = packages_root()
    return [name for name in missing if not package_install.is_installed_apart(root, name)]


@dataclass(frozen=True)
class ComputeTarget:
    """Where functions of ``core.model`` run. It may be used on any thread.

    named: the Python chosen in the preferences, on which results depend; None for Blender's.
    worker: the Python of the worker process to run in; None for this process.
    idle_seconds: time without a job after which the worker process ends.
    """

    named: PythonInterpreter | None
    worker: PythonInterpreter | None
    idle_seconds: float

    def run(self, function: Callable[..., Task[T]], *arguments: Any) -> Task[T]:
        """Run ``function(*arguments)``, or return its last result if the arguments are the same.

        Args:
            function: of a module of ``core``; see
                ``core.jobs.worker_process.WorkerProcess.run_function``.
            *arguments: what ``core.jobs.messages`` can send.
        """
        return _memoized(self._begin(function), self.named, function, arguments)

    def run_anew(self, function: Callable[..., Task[T]], *arguments: Any) -> Task[T]:
        """Run ``function(*arguments)``, also where the last arguments were the same.

        For functions that write files. See :meth:`run`.
        """
        return self._begin(function)(*arguments)

    def _begin(self, function: Callable[..., Task[T]]) -> Callable[..., Task[T]]:
        """Return what starts ``function``: itself, or its run in the worker process."""
        if self.worker is None:
            return function
        return partial(_workers.run_function, self.worker, function, idle=self.idle_seconds)


def compute_target(window: bool = False) -> ComputeTarget:
    """Read from the preferences where the model runs. Call it on the main thread.

    Args:
        window: a user waits at the window, so this Python's PyTorch runs in a worker process, too.
    """
    named = named_python()
    # PyTorch blocks Python's lock for long, so it is kept out of the process with the window.
    # Packages of their own folder are for worker processes only.
    worker = named
    is_installed_apart = package_install.installed_folder(packages_root()) is not None
    if worker is None and (is_installed_apart or (window and not missing_packages())):
        worker = model_python()
    return ComputeTarget(named, worker, _idle_seconds())


def run_function(
    function: Callable[..., Task[T]], *arguments: Any, window: bool = False
) -> Task[T]:
    """Run ``function(*arguments)`` where the preferences choose.

    Args:
        function: see :meth:`ComputeTarget.run`.
        *arguments: of ``function``.
        window: see :func:`compute_target`.
    """
    return compute_target(window).run(function, *arguments)


def process_target() -> ComputeTarget:
    """Return a target that runs functions in a worker process, in scripts as well.

    For functions of native libraries that may abort: neither Blender nor a script ends with them.
    Call it on the main thread.
    """
    return ComputeTarget(named_python(), model_python(), _idle_seconds())


def run_in_blender(
    function: Callable[..., Task[T]], *arguments: Any, window: bool = False
) -> Task[T]:
    """Run ``function(*arguments)``, which uses bpy but no data of the open file.

    Its last result is returned if the arguments are the same. The steps of the task are taken on
    the main thread; they are short if a second Blender does the work.

    Args:
        function: see :meth:`ComputeTarget.run`.
        *arguments: of ``function``.
        window: a user waits at the window, so it runs in a second Blender if one can be started.
    """
    program = bpy.app.binary_path if window else ""  # empty for the module bpy
    return _beside_window(program, _idle_seconds(), function, arguments)


def is_worker_alive() -> bool:
    """Return whether a worker process holds memory."""
    return bool(_workers.alive_workers() or _blenders.alive_workers())


def end_workers() -> None:
    """End all worker processes."""
    _workers.end_all()
    _blenders.end_all()


def _idle_seconds() -> float:
    preferences = addon_preferences()
    return preferences.idle if preferences else _IDLE_SECONDS


def _beside_window(
    program: str, idle: float, function: Callable[..., Task[T]], arguments: tuple[Any, ...]
) -> Task[T]:
    """Run in the Blender ``program``, or in this process if there is none or it does not start."""
    if program:
        begin = partial(_blenders.run_function, BlenderInterpreter(program), function, idle=idle)
        try:
            return (yield from in_thread(_memoized(begin, None, function, arguments), 0.0))
        except StartError:
            pass  # this process can do it as well, but blocks the window
    return (yield from _memoized(function, None, function, arguments))


def _memoized(
    begin: Callable[..., Task[T]],
    named: PythonInterpreter | None,
    function: Callable[..., Task[T]],
    arguments: tuple[Any, ...],
) -> Task[T]:
    """Run ``begin(*arguments)``, which does what ``function`` does, or return the last result.

    Uses no bpy, so that it may run on a thread.
    """
    yield Progress(0.0, "Starting")
    # One result of each function is kept: enough for Adjust Last Operation, and little memory.
    name = f"{function.__module__}.{function.__qualname__}"
    key = _cache_key(named, name, arguments)
    last_key, last_result = _last_results.get(name, (b"", None))
    if last_key == key:
        return last_result

    result = yield from begin(*arguments)
    _last_results[name] = key, result
    return result


def _cache_key(named: PythonInterpreter | None, name: str, arguments: tuple[Any, ...]) -> bytes:
    """Return a digest of all that the result depends on; files count by their size and time."""
    # The message that a worker would get holds the values of all arguments, arrays included.
    message = io.BytesIO()
    messages.send_message(message, arguments)
    # Of files it holds the paths alone, so what tells their contents apart is added.
    stamps = [_file_stamp(path) for path in _file_paths(arguments)]
    text = f"{name} {named} {stamps}"
    return hashlib.sha256(text.encode() + message.getbuffer()).digest()


def _file_stamp(path: Path) -> tuple[int, int]:
    """Return the time and the size of a file; zeros if it cannot be read."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # missing, or a path that is too long or cannot be
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _file_paths(value: Any) -> list[Path]:
    """Return the paths within ``value``, in its containers and dataclasses as well."""
    match value:
        case Path():
            return [value]
        case list() | tuple():
            return [path for item in value for path in _file_paths(item)]
        case dict():
            return _file_paths(list(value.values()))
    if is_dataclass(value):
        return _file_paths(list(vars(value).values()))
    return []


def register() -> None:
    """Remove what killed processes have left in the temporary folder; there are no classes here."""
    temporary_folders.sweep_folders()


def unregister() -> None:
    """End the worker processes and drop their results."""
    end_workers()
    _last_results.clear()
