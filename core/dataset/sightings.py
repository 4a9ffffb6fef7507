"""Which points of an object's surface its pictures show, where, and in which colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import passes
from .records import ObjectFile, RenderedView, Shape

_TOLERANCE = 0.01  # of the longest side: a pixel of a picture of 100
_UNSEEN = 128
_Seen = tuple[RenderedView, NDArray[np.float64], NDArray[np.bool_]]  # and as ``passes.sees`` tells


@dataclass(frozen=True)
class Sightings:
    """Surface points in V views.

    pixels: (V, P, 2) float64. seen: (V, P) bool. colour: (P, 3) uint8, the mean over the views that see the point,
    grey if none does.
    """

    pixels: NDArray[np.float64]
    seen: NDArray[np.bool_]
    colour: NDArray[np.uint8]


def points_shown(file: ObjectFile, views: Sequence[int], count: int) -> Shape:
    """About ``count`` points that the views with the indices ``views`` show, evenly from all of them.

    Returns:
        A shape with these alone as its surface.
    """
    rng, nothing = np.random.default_rng(0), np.zeros((0, 3), np.float32)
    surface, normals = [nothing], [nothing]
    for index in views:
        view = file.view(index)
        rows, columns = np.nonzero((view.depth > 0) & passes.mask(view))
        pick = rng.permutation(len(rows))[: -(-count // len(views))]
        surface.append(passes.world_points(view)[rows[pick], columns[pick]].astype(np.float32))
        normals.append(view.normal[rows[pick], columns[pick]].astype(np.float32))
    bits = np.zeros(0, bool)
    return Shape(nothing, bits, nothing, bits, np.concatenate(surface), np.concatenate(normals))


def sightings(file: ObjectFile, shape: Shape, views: Sequence[int]) -> Sightings:
    """Where the views with the indices ``views`` see ``shape.surface``."""
    return sighted([file.view(index) for index in views], shape, file.record.bounds)


def sighted(views: Sequence[RenderedView], shape: Shape, bounds: NDArray[np.float64]) -> Sightings:
    """Where ``views`` see ``shape.surface``. bounds: (2, 3) of the object, metres."""
    found = [_seen(view, shape, bounds) for view in views]
    _, pixels, seen = zip(*found, strict=True)
    return Sightings(np.stack(pixels), np.stack(seen), _mean(found, len(shape.surface))[0])


def colours(
    views: Iterable[RenderedView], shape: Shape, bounds: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colour (P, 3) of ``shape.surface``, the mean over the views that see the point, and whether (P,) any does.

    One view at a time need be in memory. bounds: (2, 3) of the object, metres.
    """
    return _mean((_seen(view, shape, bounds) for view in views), len(shape.surface))


def _mean(found: Iterable[_Seen], count: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """As :func:`colours`, of ``count`` points."""
    light, times = np.zeros((count, 3)), np.zeros((count, 1), int)
    for view, pixels, seen in found:
        columns, rows = pixels[seen].astype(int).T
        light[seen] += view.colour[rows, columns, :3]
        times[seen] += 1
    colour = np.where(times > 0, light / np.maximum(times, 1) + 0.5, _UNSEEN)
    return colour.astype(np.uint8), times[:, 0] > 0


def _seen(view: RenderedView, shape: Shape, bounds: NDArray[np.float64]) -> _Seen:
    tolerance = _TOLERANCE * float((bounds[1] - bounds[0]).max())
    return view, *passes.sees(view, shape.surface, shape.surface_normals, tolerance)
