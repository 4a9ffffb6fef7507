"""Render a training set on a cluster by Ray: tasks of a few objects, which any machine can take.

    names without a file -> tasks -> workers (bpy) -> bytes of objects -> files of the set

The driver alone writes into the set, so that machines need not share its disk, and a task that is
lost with its machine is simply run again. An object is drawn from its name and the seed: it is the
same wherever it is rendered.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ...core import atomic_files
from ...core.errors import DatasetError, WorkerError, failure_reason
from ...core.jobs.dependencies import require_packages
from ...core.jobs.task import Progress, Task, run_to_end
from ...core.jobs.temporary_folders import temporary_folder
from ...core.scene.datagen.dataset_folder import (
    DatasetSettings,
    RenderSummary,
    lock_dataset,
    prepare_folder,
    write_splits,
)
from ...core.scene.datagen.objects import render_dataset
from ...core.scene.datagen.skip_notes import SkipNote
from ...core.scene.datagen.sources import ObjectSource, subset
from . import object_sources

_OBJECTS_AT_ONCE = 4  # of a task: what is lost with a machine is small beside what a start costs
_WAITING = 2  # tasks for each core that are handed out, so that no core waits for the driver
_RETRIES = 3  # of a task whose worker has died
_POLL_SECONDS = 0.5
_CONNECT_SECONDS = 10.0
_ENDED = "Every process that rendered it ended"


@dataclass(frozen=True)
class _Rendered:
    """What a task returns: bytes of objects by name, reasons of skipped ones, and notes."""

    objects: dict[str, bytes] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def render_on_cluster(
    chosen: argparse.Namespace, folder: Path, settings: DatasetSettings, address: str
) -> Task[RenderSummary]:
    """Render objects of mesh files and generators on a cluster into ``folder``.

    A set that was stopped is continued. Mesh files and HDRIs must be at the same paths on every
    machine, and the same version of Maquette installed.

    Args:
        chosen: meshes, procedural, count, seed and limit, as the command has them.
        folder: Of the set, on the machine of the driver.
        settings: Of the set.
        address: Of the cluster, such as "auto" or "ray://HOST:10001"; "local" starts one here.

    Raises:
        DependencyError: Ray or Pillow is not installed.
        WorkerError: There is no cluster at the address.
        DatasetError: As ``core.scene.datagen.objects.render_dataset``.
        OutputError: The folder cannot be written.
    """
    require_packages("ray")
    yield Progress(0.0, "Looking for objects")
    sources = subset(object_sources.object_sources(chosen, settings), chosen.limit)
    sources = sorted(sources, key=lambda source: source.name)
    prepare_folder(folder, settings)

    with lock_dataset(folder, settings):
        missing = [source for source in sources if not _object_path(folder, source).is_file()]
        run = _ClusterRun(chosen, folder, settings)
        with _cluster(address):
            written, skipped, notes = yield from _render_missing(missing, run)
        write_splits(folder)

    return RenderSummary(written, len(sources) - len(missing), skipped, notes)


@dataclass(frozen=True)
class _ClusterRun:
    """What all tasks of a run have in common."""

    chosen: argparse.Namespace
    folder: Path
    settings: DatasetSettings


def _object_path(folder: Path, source: ObjectSource) -> Path:
    return folder / "objects" / f"{source.name}.tar"


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Join the cluster, and leave it on exit; tasks that still run there are canceled by that."""
    import ray

    where = {} if address == "local" else {"address": address}
    try:
        _require_listener(address)
        ray.init(**where, log_to_driver=False, include_dashboard=False, configure_logging=False)
    except Exception as error:  # Ray raises many kinds
        raise WorkerError(
            f"There is no Ray cluster at {address}: {failure_reason(error)}. Start one with "
            "\"ray start --head\", or use --ray local"
        ) from error

    try:
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT, since Ray itself waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()


def _render_missing(
    missing: Sequence[ObjectSource], run: _ClusterRun
) -> Task[tuple[int, dict[str, str], dict[str, str]]]:
    """Render ``missing`` by tasks; return how many were written, reasons of others, and notes."""
    import ray

    remote = ray.remote(num_cpus=1, max_retries=_RETRIES)(_render_names)
    starts = range(0, len(missing), _OBJECTS_AT_ONCE)
    batches = [list(missing[start : start + _OBJECTS_AT_ONCE]) for start in starts]
    cores = max(int(ray.cluster_resources().get("CPU", 1)), 1)
    shared = ray.put((run.chosen, run.settings))

    written = 0
    skipped: dict[str, str] = {}
    notes: dict[str, str] = {}
    pending: dict[Any, Sequence[ObjectSource]] = {}

    while batches or pending:
        while batches and len(pending) < _WAITING * cores:
            batch = batches.pop(0)
            pending[remote.remote(shared, [source.name for source in batch])] = batch
        ready, _ = ray.wait(list(pending), num_returns=1, timeout=_POLL_SECONDS)
        for reference in ready:
            batch = pending.pop(reference)
            rendered = _result_of(reference, batch)
            if rendered is None:  # whichever object ends its worker, the others are rendered
                batches += [[source] for source in batch]
                continue
            _write_rendered(rendered, batch, run)
            written += len(rendered.objects)
            skipped |= rendered.skipped
            notes |= rendered.notes

        done = written + len(skipped)
        yield Progress(done / len(missing), f"{done:,} of {len(missing):,} objects")

    return written, skipped, notes


def _result_of(reference: Any, batch: Sequence[ObjectSource]) -> _Rendered | None:
    """Return what a task rendered; None if its workers have died, unless of a single object."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise DatasetError(failure_reason(error.cause)) from error
    except ray.exceptions.RayError:
        if len(batch) > 1:
            return None
        return _Rendered(skipped={batch[0].name: _ENDED})


def _write_rendered(rendered: _Rendered, batch: Sequence[ObjectSource], run: _ClusterRun) -> None:
    for source in batch:
        note = SkipNote(run.folder, source.name, source.path)
        if source.name in rendered.objects:
            data = rendered.objects[source.name]
            atomic_files.write_bytes(_object_path(run.folder, source), data)
            note.remove()
        elif source.name in rendered.skipped:
            note.write(rendered.skipped[source.name])


def _render_names(
    shared: tuple[argparse.Namespace, DatasetSettings], names: list[str]
) -> _Rendered:
    """Render the objects called ``names`` into a temporary folder of a worker; return the files."""
    chosen, settings = shared
    by_name = _sources_by_name(tuple(vars(chosen).items()))
    sources = [by_name[name] for name in names]

    with temporary_folder() as scratch:
        summary = run_to_end(render_dataset(sources, scratch, replace(settings, shard=(0, 1))))
        paths = (scratch / "objects").glob("*.tar")
        objects = {path.stem: path.read_bytes() for path in paths}

    return _Rendered(objects, summary.skipped, summary.notes)


@cache
def _sources_by_name(choices: tuple[tuple[str, Any], ...]) -> dict[str, ObjectSource]:
    """Return all objects of a command's choices; a worker lists them for its first task alone."""
    chosen = argparse.Namespace(**dict(choices))
    sources = object_sources.object_sources(chosen, DatasetSettings())
    return {source.name: source for source in sources}
