"""Brings the index of a library up to date: what the button, scripts and the command line run.

    files -> unchanged? -> kept
              changed   -> list assets -> render 12 views -> embed -> added
                           (second Blender)               (worker process)

The index is written every now and then, and when the task is stopped, so that the next run goes on
where this one ended.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...core import atomic_files
from ...core.errors import LibraryError, MeshError
from ...core.folder_lock import lock_folder
from ...core.jobs import temporary_folders
from ...core.jobs.task import Progress, Task, subtask
from ...core.library.index_file import LibraryIndex, is_index, read_index, write_index
from ...core.library.records import (
    AssetName,
    AssetRender,
    FileStamp,
    LibraryFile,
    content_digest,
    read_stamp,
)
from ...core.library.update import IndexBuilder, list_files
from ...core.model.jobs import embedding as embedding_job  # without torch, until it runs
from ...core.scene.importing.mesh_import import SUFFIXES
from ...core.scene.library.asset_files import BLEND, list_assets
from ...core.scene.library.asset_rendering import render_assets
from ...core.scene.library.scene_assets import SceneAssets
from .._compute import ComputeTarget
from ._rendering import AssetRenderer

ASSETS = 'ASSETS'
FOLDER = 'FOLDER'
COLLECTION = 'COLLECTION'

_ASSETS_PER_JOB = 4  # so that little is lost by a stop
_SAVE_SECONDS = 30.0  # between two times that the index is written
_SAVE_SHARE = 0.05  # of the time that writing the index may take
_RENDERED = 0.9  # share of the time of an asset until it is embedded
_SCANNED = 0.05  # share of the progress until all files are compared


@dataclass(frozen=True)
class LibrarySource:
    """A library to index.

    Attributes:
        kind: ASSETS for marked assets of the .blend files of a folder, FOLDER for all mesh files
            of it, COLLECTION for objects of a scene.
        root: The folder; the .blend file of the scene, or an empty path if it was not saved.
        index: File of the index.
        scene: Of a collection its objects.
    """

    kind: str
    root: Path
    index: Path
    scene: SceneAssets | None = None


@dataclass(frozen=True)
class IndexReport:
    """What indexing has done.

    Attributes:
        count: Assets in the index.
        added: Of these, new or rendered again.
        removed: Assets that are no longer in the library.
        problems: Why files or assets were left out, by their names.
        seconds: That it took.
        reason: Why all assets were rendered again; "" if they were not.
    """

    count: int
    added: int
    removed: int
    problems: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""

    def summary(self) -> str:
        """Return it in one line."""
        text = f"{self.count:,} assets, {self.added:,} rendered, {self.removed:,} removed"
        if self.problems:
            text += f", {len(self.problems):,} left out"
        return f"{text}, {self.seconds:.0f} s"


def index_libraries(
    sources: Sequence[LibrarySource],
    target: ComputeTarget,
    renderer: AssetRenderer,
    rebuild: bool = False,
) -> Task[list[IndexReport]]:
    """Bring the indexes of libraries up to date, one after the other; see :func:`index_library`."""
    reports = []
    try:
        with renderer:
            for position, source in enumerate(sources):
                task = index_library(source, target, renderer, rebuild)
                start = position / len(sources)
                end = (position + 1) / len(sources)
                reports.append((yield from subtask(task, start, end)))
    finally:
        for source in sources:
            if source.scene:
                temporary_folders.remove_folder(source.scene.file.parent)

    return reports


def index_library(
    source: LibrarySource, target: ComputeTarget, renderer: AssetRenderer, rebuild: bool = False
) -> Task[IndexReport]:
    """Bring the index of a library up to date.

    The task uses no bpy, so that it can run on a thread.

    Args:
        source: The library.
        target: Where the embedding is computed.
        renderer: Renders the assets.
        rebuild: Render all assets again.

    Raises:
        LibraryError: There is no such folder, or the file of the index is something else.
        OutputError: The index cannot be written, or another process writes it.
        WeightsError: The model's weights are missing or damaged.
        DependencyError: A package is missing.
    """
    atomic_files.make_folder(source.index.parent)
    with lock_folder(source.index.parent, source.index.name):
        run = _IndexRun(source, target, renderer)
        return (yield from run.update(rebuild))


class _IndexRun:
    """One update of an index."""

    def __init__(
        self, source: LibrarySource, target: ComputeTarget, renderer: AssetRenderer
    ) -> None:
        self._source = source
        self._target = target
        self._renderer = renderer
        self._saved_at = time.monotonic()
        self._save_took = 0.0

    def update(self, rebuild: bool) -> Task[IndexReport]:
        """See :func:`index_library`."""
        begun = time.monotonic()

        # What an index of another model holds is of no use.
        info = yield from self._target.run_anew(embedding_job.describe_embedding)
        old, reason = self._read_old(info.version, rebuild)
        root = str(self._source.root) if self._source.root.parts else ""
        self._builder = IndexBuilder(info, root, self._source.kind, old)

        # What has not changed is kept before anything else, so that a stop loses nothing.
        changed = yield from self._compare_files()
        try:
            if self._source.scene:
                yield from self._render_scene(self._source.scene)
            else:
                yield from self._render_files(changed)
        finally:
            self._save()

        index = self._builder.to_index()
        return IndexReport(
            count=len(index.entries),
            added=self._builder.added_count(),
            removed=self._builder.removed_count(),
            problems=self._builder.problems(),
            seconds=time.monotonic() - begun,
            reason=reason,
        )

    def _read_old(self, embedding: str, rebuild: bool) -> tuple[LibraryIndex | None, str]:
        """Return the old index, and why it cannot be used if all is rendered again.

        Raises:
            LibraryError: The file is something else than an index.
        """
        path = self._source.index
        if not path.exists():
            return None, ""

        # What is no index is never replaced, not even if all is rendered again.
        if not is_index(path):
            raise LibraryError(f"{path} is not an index of a library. Choose another file")
        if rebuild:
            return None, ""

        try:
            old = read_index(path, with_thumbnails=True)
        except LibraryError:
            return None, "The index was damaged, so all assets are rendered again"

        if old.embedding != embedding:
            return None, "The model has changed, so all assets are rendered again"
        if old.source != self._source.kind:
            return None, "The index was of other assets, so all are rendered again"
        return old, ""

    def _compare_files(self) -> Task[list[tuple[str, FileStamp]]]:
        """Keep what has not changed; return the other files with their stamps."""
        if self._source.scene:
            return []
        suffixes = (BLEND,) if self._source.kind == ASSETS else SUFFIXES
        paths = list_files(self._source.root, suffixes)
        changed = []

        for position, path in enumerate(paths):
            yield Progress(_SCANNED * position / len(paths), "Comparing files")
            name = path.relative_to(self._source.root).as_posix()
            try:
                # The content is read only where time or size have changed.
                stamp = read_stamp(path)
                known = self._builder.known_file(name, stamp)
                if known is None:
                    stamp = replace(stamp, digest=content_digest(path))
                    known = self._builder.known_file(name, stamp)
            except OSError as error:
                self._leave_out(name, FileStamp(0, 0), f"It cannot be read: {error.strerror}")
                continue

            if known:
                self._builder.keep_file(known, name, stamp)
            if not known or self._builder.missing_assets(name):
                changed.append((name, stamp))

        return changed

    def _render_files(self, changed: Sequence[tuple[str, FileStamp]]) -> Task[None]:
        """List and render the assets of files that are new or have changed."""
        for position, (name, stamp) in enumerate(changed):
            start = _SCANNED + (1 - _SCANNED) * position / len(changed)
            share = (1 - _SCANNED) / len(changed)
            yield Progress(start, name)
            path = self._source.root / name

            # A file that is not known yet is listed first.
            if not self._builder.has_file(name):
                try:
                    is_marked = self._source.kind == ASSETS
                    listing = self._renderer.run(list_assets, path, is_marked)
                    assets = yield from subtask(listing, start, start)
                except MeshError as error:
                    self._leave_out(name, stamp, str(error))
                    continue
                self._builder.set_file(LibraryFile(name, stamp, assets))

            yield from self._render_missing(name, path, start, share)

    def _render_scene(self, scene: SceneAssets) -> Task[None]:
        """Render the objects of a collection that are new or have changed."""
        stamp = FileStamp(0, 0)
        yield Progress(0.0, "Comparing objects")
        self._builder.set_scene(LibraryFile("", stamp, tuple(scene.digests)), scene.digests)
        yield from self._render_missing("", scene.file, 0.0, 1.0)

    def _render_missing(self, name: str, path: Path, start: float, share: float) -> Task[None]:
        """Render and embed the assets of a file that are not indexed.

        Args:
            name: Of the file within the library.
            path: Of the file that has the assets.
            start: Progress at the beginning.
            share: Of the progress that this file takes.
        """
        missing = self._builder.missing_assets(name)
        for position in range(0, len(missing), _ASSETS_PER_JOB):
            assets = missing[position : position + _ASSETS_PER_JOB]
            next_position = position + len(assets)
            done = start + share * position / len(missing)
            end = start + share * next_position / len(missing)

            rendering = self._render_and_embed(name, path, assets)
            yield from subtask(rendering, done, end)
            self._save_in_time()

    def _render_and_embed(self, name: str, path: Path, assets: Sequence[AssetName]) -> Task[None]:
        rendering = self._render_separately(path, assets)
        renders = yield from subtask(rendering, 0.0, _RENDERED)
        usable = []

        # One that failed is noted, and not tried again until its file changes.
        for render in renders:
            if render.problem:
                self._builder.note_problem(name, render.asset, render.problem)
            else:
                usable.append(render)

        if not usable:
            return

        # The views of all these assets in one go.
        images = np.concatenate([render.images for render in usable])
        embedding = self._target.run_anew(embedding_job.embed_views, images)
        vectors = yield from subtask(embedding, _RENDERED, 1.0)
        per_asset = vectors.reshape(len(usable), -1, vectors.shape[1])
        for render, asset_vectors in zip(usable, per_asset, strict=True):
            self._builder.add_asset(name, render.asset, asset_vectors, render.images)

    def _render_separately(
        self, path: Path, assets: Sequence[AssetName]
    ) -> Task[list[AssetRender]]:
        """Render assets of a file; if that ends the process, one by one, to find which does."""
        root = path.parent if self._source.scene else self._source.root
        try:
            # All at once, as long as none of them ends the process.
            return (yield from self._renderer.run(render_assets, path, root, list(assets)))
        except MeshError as error:
            if len(assets) == 1:
                nothing = np.zeros((0, 0, 0, 4), np.uint8)
                return [AssetRender(assets[0], nothing, str(error))]

        renders = []
        for asset in assets:
            renders += yield from self._render_separately(path, [asset])
        return renders

    def _leave_out(self, name: str, stamp: FileStamp, reason: str) -> None:
        """Note why a file is left out."""
        self._builder.set_file(LibraryFile(name, stamp))
        self._builder.note_problem(name, None, " ".join(reason.split()))

    def _save_in_time(self) -> None:
        """Write the index if that was long ago, compared with the time it takes."""
        interval = max(_SAVE_SECONDS, self._save_took / _SAVE_SHARE)
        if time.monotonic() - self._saved_at > interval:
            self._save()

    def _save(self) -> None:
        begun = time.monotonic()
        write_index(self._source.index, self._builder.to_index())
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - begun
