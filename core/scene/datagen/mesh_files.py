"""Mesh files as objects of a training set: tried in another process, then imported.

MeshFile.check   another process imports the file, within a time and a memory limit
MeshFile.open    this process imports it, and moves it to the origin if it is far from it
MeshFile.more    what the record says of both
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from ...errors import MeshError, StartError, WorkerError
from ...jobs.interpreters import BlenderInterpreter, PythonInterpreter
from ...jobs.process_memory import resident_bytes
from ...jobs.task import Task
from ...jobs.worker_pool import WorkerPool
from ..importing import import_check, mesh_import
from .object_randomization import evaluated_copies

IMPORTER = "Blender's importer "  # begins the reasons that tell of a file that ends processes
_START_SECONDS = 120.0  # that a second Blender may take to get ready
_IDLE_SECONDS = 120.0  # after which the process ends by itself
_FILES_PER_PROCESS = 300  # Blender's importers keep some memory of each file
_LOST_PRECISION = 1e5  # sizes from the origin beyond which Blender's numbers do not show the shape
_TINY = 1e-3  # meters: what is smaller is enlarged, because cameras do not come that near
_HUGE = 1e7  # meters: what is larger is scaled down

_pool = WorkerPool()
_files_checked = 0


class MeshFile:
    """One mesh file.

    Args:
        path: Of the file.
        root: The folder that it may read from.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._report: import_check.ImportReport | None = None

    def check(self) -> Task[None]:
        """Import the file in another process, so that it cannot end this one.

        Raises:
            MeshError: It cannot be used. The text begins with IMPORTER if it ended the process.
            StartError: The process cannot be started.
        """
        try:
            if self._path.is_file():  # else opening it says so
                self._report = yield from _check_in_process(self._path, self._root)
        except OSError as error:
            raise MeshError(f"{self._path} cannot be read: {error.strerror}") from error

    @contextmanager
    def open(self) -> Iterator[Sequence[bpy.types.Object]]:
        """Yield the objects that the file shows, where cameras can see them.

        Raises:
            MeshError: It cannot be used.
        """
        report = self._report
        if report is None:
            with mesh_import.imported_objects(self._path) as objects:
                yield objects
            return

        try:
            placement = _placement(report)
            with mesh_import.imported_objects(
                report.source, report.scene, report.unreadable
            ) as objects:
                if placement is None and not report.is_posed:
                    yield objects
                    return
                mesh_import.show_as_rendered(objects)
                transform = placement or mathutils.Matrix.Identity(4)
                graph = _posed_graph(objects) if report.is_posed else None
                with evaluated_copies(objects, transform, (), graph) as copies:
                    yield copies
        finally:
            if report.source != self._path:
                shutil.rmtree(report.source.parent, ignore_errors=True)

    def more(self) -> dict[str, Any]:
        """Return further fields of the record, as JSON: none for most files.

        "lost_textures" are the names of images that could not be read. "placed" has the "offset"
        (3,) in meters and the "scale" with which the file was moved: scale * (point + offset).
        """
        report = self._report
        if report is None:
            return {}
        fields: dict[str, Any] = {}
        if report.lost_textures:
            fields["lost_textures"] = list(report.lost_textures)
        offset, scale = _offset_and_scale(report)
        if scale != 1.0 or (offset - report.offset).any():
            fields["placed"] = {"offset": (offset - report.offset + 0.0).tolist(), "scale": scale}
        return fields

    def notes(self) -> list[str]:
        """Return what a user should know about the rendered object, one sentence each."""
        fields = self.more()
        notes = []
        if "lost_textures" in fields:
            names = ", ".join(fields["lost_textures"])
            notes.append(f"These textures cannot be read, so plain colors are shown: {names}")

        if "placed" in fields:
            notes.append(
                "It is too small, too large or too far from the origin for cameras, so it was "
                "moved there"
            )

        return notes


def end_import_process() -> None:
    """End the process that tries files, which frees its memory."""
    _pool.end_all()


def _check_in_process(path: Path, root: Path) -> Task[import_check.ImportReport]:
    """Return what ``check_mesh_file`` reports on a file, from another process.

    Raises:
        MeshError: The file cannot be imported within the limits.
        StartError: The process cannot be started.
    """
    global _files_checked
    _files_checked += 1
    if _files_checked % _FILES_PER_PROCESS == 0:
        end_import_process()

    limit = import_check.time_limit(path)
    task = _pool.run_function(
        _interpreter(), import_check.check_mesh_file, path, root, idle=_IDLE_SECONDS
    )
    begun = time.monotonic()
    is_open = False

    try:
        while True:
            progress = next(task)

            # The time counts from when the process is ready.
            if progress.stage == import_check.OPENING and not is_open:
                is_open = True
                begun = time.monotonic()
            _check_limits(time.monotonic() - begun, limit if is_open else None)
            yield progress
    except StopIteration as stop:
        return stop.value
    except StartError:
        raise
    except WorkerError as error:
        raise MeshError(f"{IMPORTER}crashed") from error
    except RuntimeError as error:  # a bug there, whatever the file made of it
        raise MeshError(f"It cannot be imported: {mesh_import.one_line(error)}") from error
    finally:
        task.close()


def _check_limits(seconds: float, limit: float | None) -> None:
    """Raise an error if the process takes too long or too much memory.

    Args:
        seconds: Since the file was opened, or since the process was started.
        limit: Seconds that the file may take; None while the process starts.

    Raises:
        MeshError: The file takes too much.
        StartError: The process does not get ready.
    """
    if limit is None:
        if seconds > _START_SECONDS:
            raise StartError(f"Blender did not get ready within {_START_SECONDS:.0f} seconds")
        return
    if seconds > limit:
        raise MeshError(f"{IMPORTER}took more than {limit:.0f} seconds")
    if _occupied_memory() > import_check.MEMORY_LIMIT:
        gigabytes = import_check.MEMORY_LIMIT / 1e9
        raise MeshError(f"{IMPORTER}took more than {gigabytes:.0f} GB of memory")


def _interpreter() -> PythonInterpreter:
    """Return what runs a second Blender: a program, or the Python of the module bpy."""
    if bpy.app.binary_path:
        return BlenderInterpreter(bpy.app.binary_path)
    return PythonInterpreter.current()


def _occupied_memory() -> int:
    """Return the memory in bytes of the process that tries files."""
    return max((resident_bytes(worker.pid) for worker in _pool.alive_workers()), default=0)


def _posed_graph(objects: Sequence[bpy.types.Object]) -> bpy.types.Depsgraph | None:
    """Return the evaluation of a .blend file's objects at the frame that it opens with."""
    scene = mesh_import.file_scene(objects)
    if scene is None:
        return None
    layer = scene.view_layers[0]
    layer.update()
    return layer.depsgraph


def _placement(report: import_check.ImportReport) -> mathutils.Matrix | None:
    """Return the transform that brings the objects of a file before cameras; None for most.

    Raises:
        MeshError: The file is so far from the origin that its shape is lost.
    """
    offset, scale = _offset_and_scale(report)
    if scale == 1.0 and not offset.any():
        return None

    distance = import_check.distance_in_sizes(report.bounds)
    if distance > _LOST_PRECISION:
        raise MeshError(
            f"It is {distance:,.0f} times its size away from the origin, where Blender's numbers "
            "do not show its shape. Move it to the origin"
        )

    return mathutils.Matrix.Scale(scale, 4) @ mathutils.Matrix.Translation(offset)


def _offset_and_scale(
    report: import_check.ImportReport,
) -> tuple[NDArray[np.float64], float]:
    """Return the offset (3,) and then the scale that are applied to the imported objects."""
    if not len(report.bounds):
        return np.zeros(3), 1.0

    center = report.bounds.mean(axis=0)
    size = float(np.ptp(report.bounds, axis=0).max())
    is_scaled = 0 < size < _TINY or size > _HUGE
    is_far = import_check.distance_in_sizes(report.bounds) > import_check.FAR
    if not (is_scaled or is_far):
        return np.zeros(3), 1.0
    return -center, 1 / size if is_scaled else 1.0
