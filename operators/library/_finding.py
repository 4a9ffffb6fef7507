"""Searches libraries: what the button, scripts and the command line run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import LibraryError, MeshError
from ...core.jobs import temporary_folders
from ...core.jobs.task import Progress, Task, subtask
from ...core.library.index_file import read_index_once, read_thumbnails
from ...core.library.records import AssetName
from ...core.library.search import Match, Query, find_matches
from ...core.model.jobs import embedding as embedding_job  # without torch, until it runs
from ...core.model.jobs.embedding import ImageQuery
from ...core.scene import images as scene_images
from ...core.scene.library.asset_rendering import render_assets
from .._compute import ComputeTarget
from ._rendering import AssetRenderer

_EMBEDDED = 0.9  # share of the time until the query is embedded


@dataclass(frozen=True)
class MeshQuery:
    """An object to search for.

    Attributes:
        path: The file with the object.
        asset: Where it is in the file.
        is_temporary: Whether to remove the folder of the file afterwards.
    """

    path: Path
    asset: AssetName
    is_temporary: bool = False


@dataclass(frozen=True)
class FoundAsset:
    """A match with its thumbnail (S, S, 4) uint8, sRGB with straight alpha."""

    match: Match
    thumbnail: NDArray[np.uint8]


def find_by_image(
    query: ImageQuery,
    values: scene_images.ImageValues | None,
    indexes: Sequence[Path],
    count: int,
    target: ComputeTarget,
) -> Task[list[FoundAsset]]:
    """Return the assets that are most similar to an image.

    The task uses no bpy, so that it can run on a thread.

    Args:
        query: The image.
        values: Those of an image of the open file, in place of the one in ``query``.
        indexes: Files of the libraries' indexes.
        count: Of assets at most.
        target: Where the embedding is computed.

    Raises:
        LibraryError: An index is missing, damaged or of another model.
        ImageError: The image cannot be read, or shows no object.
        WeightsError: The model's weights are missing or damaged.
        DependencyError: A package is missing.
    """
    yield Progress(0.0, "Reading")
    _require_indexes(indexes)

    # An image of the open file was read on the main thread.
    if values is not None:
        query = replace(query, image=values.to_pixels())
    embedding = target.run(embedding_job.embed_image, query)
    vectors = yield from subtask(embedding, 0.0, _EMBEDDED)
    return (yield from _search(vectors, indexes, count))


def find_by_mesh(
    query: MeshQuery,
    indexes: Sequence[Path],
    count: int,
    target: ComputeTarget,
    renderer: AssetRenderer,
) -> Task[list[FoundAsset]]:
    """Return the assets that are most similar to an object; see :func:`find_by_image`.

    Args:
        query: The object.
        indexes: Files of the libraries' indexes.
        count: Of assets at most.
        target: Where the embedding is computed.
        renderer: Renders the object; its process is ended.

    Raises:
        MeshError: The object has no faces.
    """
    yield Progress(0.0, "Reading")
    try:
        _require_indexes(indexes)
        with renderer:
            rendering = renderer.run(render_assets, query.path, query.path.parent, [query.asset])
            (render,) = yield from subtask(rendering, 0.0, _EMBEDDED / 2)
    finally:
        if query.is_temporary:
            temporary_folders.remove_folder(query.path.parent)

    if render.problem:
        raise MeshError(f"{query.asset.name}: {render.problem}")

    # From the views to vectors.
    embedding = target.run(embedding_job.embed_mesh, render.images)
    vectors = yield from subtask(embedding, _EMBEDDED / 2, _EMBEDDED)
    return (yield from _search(vectors, indexes, count))


def _require_indexes(indexes: Sequence[Path]) -> None:
    """Raise LibraryError if none of the indexes is there: nothing needs to be computed then."""
    if not any(path.is_file() for path in indexes):
        raise LibraryError("The library is not indexed yet. Press Index Library first")


def _search(query: Query, indexes: Sequence[Path], count: int) -> Task[list[FoundAsset]]:
    """Search all indexes that are there."""
    yield Progress(_EMBEDDED, "Searching")
    opened = [(path, read_index_once(path)) for path in indexes if path.is_file()]
    matches = find_matches(opened, query, count)
    thumbnails = _read_thumbnails(matches)
    return [FoundAsset(match, thumbnails[match.index, match.row]) for match in matches]


def _read_thumbnails(
    matches: Sequence[Match],
) -> Mapping[tuple[Path, int], NDArray[np.uint8]]:
    """Return the thumbnails of matches by index and row."""
    rows_of: dict[Path, list[int]] = {}
    for match in matches:
        rows_of.setdefault(match.index, []).append(match.row)

    # Each index is opened once.
    thumbnails = {}
    for path, rows in rows_of.items():
        images = read_thumbnails(path, rows)
        for row, image in zip(rows, images, strict=True):
            thumbnails[path, row] = image
    return thumbnails
