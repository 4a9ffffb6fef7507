"""Exact search: one matrix product of the query with the vectors of all views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LibraryError
from .index_file import LibraryIndex
from .records import AssetEntry
from .views import turn_to_front

MEAN_WEIGHT = 0.3  # of the mean over the views beside the best view
_LEVEL = 1e-3  # greatest vertical part of a level direction
_CHUNK = 8192  # assets whose vectors are converted to float32 at once: 75 MB

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Query:
    """What to search for.

    Attributes:
        vectors: (Q, D) of unit length: of one image, or of the views of a mesh.
        embedding: Name and version of what made them.
        is_mesh: Whether they are the views of a mesh, which are compared view to view.
    """

    vectors: NDArray[np.float32]
    embedding: str
    is_mesh: bool = False


@dataclass(frozen=True)
class Match:
    """An asset that is similar to the query.

    Attributes:
        index: File of the index.
        row: Of the asset in it.
        entry: The asset.
        file: Absolute path of its file; None if it is of a scene that was not saved.
        score: Similarity, at most 1.
        view: Number of the view that is most similar to the image.
        turn: Rotation about Z, radians, that shows the asset from the front as the image does, or
            as the mesh is seen from there.
    """

    index: Path
    row: int
    entry: AssetEntry
    file: Path | None
    score: float
    view: int
    turn: float


def find_matches(
    indexes: Iterable[tuple[Path, LibraryIndex]], query: Query, count: int
) -> list[Match]:
    """Return the most similar assets of several indexes, best first.

    Args:
        indexes: Files and content.
        query: What to search for.
        count: Of matches at most.

    Raises:
        LibraryError: An index was made by another embedding than the query.
    """
    matches: list[Match] = []
    for path, index in indexes:
        require_embedding(path, index, query.embedding)
        if not index.entries:
            continue
        scores, views = score_assets(index.vectors, query)

        for row in best_rows(scores, count):
            entry = index.entries[row]
            view = int(views[row])

            # Turned as in the image, or as the mesh is turned.
            turn = turn_to_front(index.directions[view])
            if query.is_mesh:
                turn = _quarter_turn(index.vectors[row], query.vectors, index.directions)
            match = Match(
                index=path,
                row=row,
                entry=entry,
                file=index.file_of(entry),
                score=float(scores[row]),
                view=view,
                turn=turn,
            )
            matches.append(match)

    matches.sort(key=lambda match: -match.score)
    return matches[:count]


def require_embedding(path: Path, index: LibraryIndex, embedding: str) -> None:
    """Raise LibraryError if an index was made by another model."""
    if index.embedding != embedding:
        raise LibraryError(
            f"The index {path} was made by another model ({index.embedding}, now {embedding}). "
            "Index the library again"
        )


def score_assets(
    vectors: NDArray[np.floating[Any]], query: Query
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the similarity (N,) of each asset to the query, and its most similar view (N,).

    Of an image it is the maximum of the cosines over the views and 0.3 times their mean, divided by
    1.3. Of a mesh each view is compared with the most similar one of the other: it is the mean of
    these cosines over the views of both (the Chamfer distance of two sets of views).

    Args:
        vectors: (N, V, D) of unit length.
        query: What to search for.
    """
    scores = np.empty(len(vectors), np.float32)
    views = np.empty(len(vectors), np.int64)
    for begin, cosines in _iterate_cosines(vectors, query.vectors):
        part = slice(begin, begin + len(cosines))
        views[part] = cosines.max(axis=2).argmax(axis=1)
        if query.is_mesh:
            # Each view of one with the most similar one of the other, both ways.
            of_asset = cosines.max(axis=2).mean(axis=1)
            of_query = cosines.max(axis=1).mean(axis=1)
            scores[part] = (of_asset + of_query) / 2
        else:
            # The best view, and a little of all.
            per_view = cosines[..., 0]
            weighted = per_view.max(axis=1) + MEAN_WEIGHT * per_view.mean(axis=1)
            scores[part] = weighted / (1 + MEAN_WEIGHT)

    return scores, views


def best_rows(scores: Floats, count: int) -> list[int]:
    """Return the positions of the highest of ``scores`` (N,), best first."""
    count = min(count, len(scores))
    if not count:
        return []

    # Sort the best ones alone.
    candidates = np.argpartition(-scores, count - 1)[:count]
    order = np.argsort(-scores[candidates], kind="stable")
    rows: list[int] = candidates[order].tolist()
    return rows


def _quarter_turn(vectors: Floats, query: Floats, directions: Floats) -> float:
    """Return the rotation about Z, radians, after which the sides of an asset are most like a mesh.

    The level views are the four sides, a quarter turn apart.

    Args:
        vectors: (V, D) of the views of the asset.
        query: (V, D) of the same views of the mesh.
        directions: (V, 3) from an object to the viewers of the views.
    """
    level = np.flatnonzero(np.abs(directions[:, 2]) < _LEVEL)
    if len(query) != len(directions) or not len(level):
        return 0.0

    # The similarity of each pair of level views.
    azimuths = np.array([-turn_to_front(directions[view]) for view in level])
    cosines = query[level].astype(np.float32) @ vectors[level].astype(np.float32).T

    best_turn = 0.0
    best_score = -np.inf
    for turn in azimuths - azimuths[0]:
        # The side of the asset that takes the place of each side of the mesh.
        offsets = azimuths[None] - azimuths[:, None] - turn
        partners = np.cos(offsets).argmax(axis=1)
        score = float(cosines[np.arange(len(level)), partners].mean())
        if score > best_score:
            best_score = score
            best_turn = float(-turn)

    return best_turn


def _iterate_cosines(vectors: Floats, queries: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield the first position of a part of the assets, and their cosines (n, V, Q).

    Vectors of half precision are converted part by part: a product of theirs would be a hundred
    times slower, and a copy of all would take twice their memory.
    """
    count, views, dimensions = vectors.shape
    columns = np.ascontiguousarray(queries.T, np.float32)
    for begin in range(0, count, _CHUNK):
        # One product for all views of many assets.
        part = vectors[begin : begin + _CHUNK]
        rows = part.astype(np.float32, copy=False).reshape(-1, dimensions)
        product = rows @ columns
        yield begin, product.reshape(len(part), views, -1)
