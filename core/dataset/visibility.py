"""Which points of an object's surface its pictures show, where, and in which colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import passes
from .records import Instance, ObjectFile, Record, RenderedView, Shape

_TOLERANCE = 0.01  # of the longest side: a pixel of a picture of 100
_UNSEEN = 128
Points = NDArray[np.floating]
_Seen = tuple[
    RenderedView, NDArray[np.float64], NDArray[np.bool_]
]  # and as ``passes.visible_pixels`` tells


@dataclass(frozen=True)
class Visibility:
    """Surface points in V views.

    pixels: (V, P, 2) float64. seen: (V, P) bool. colour: (P, 3) uint8, the mean over the views that see the point,
    grey if none does.
    """

    pixels: NDArray[np.float64]
    seen: NDArray[np.bool_]
    color: NDArray[np.uint8]


def visible_points(file: ObjectFile, views: Sequence[int], count: int) -> Shape:
    """About ``count`` points that the views with the indices ``views`` show, evenly from all of them.

    Returns:
        A shape with these alone as its surface.
    """
    rng = np.random.default_rng(0)
    nothing = np.zeros((0, 3), np.float32)
    surface = [nothing]
    normals = [nothing]
    for index in views:
        view = file.read_view(index)
        rows, columns = np.nonzero((view.depth > 0) & passes.object_mask(view))
        pick = rng.permutation(len(rows))[: -(-count // len(views))]
        surface.append(passes.world_points(view)[rows[pick], columns[pick]].astype(np.float32))
        normals.append(view.normal[rows[pick], columns[pick]].astype(np.float32))
    bits = np.zeros(0, bool)
    return Shape(nothing, bits, nothing, bits, np.concatenate(surface), np.concatenate(normals))


def project_surface(file: ObjectFile, shape: Shape, views: Sequence[int]) -> Visibility:
    """Where the views with the indices ``views`` see ``shape.surface``."""
    return project_surface_views(
        [file.read_view(index) for index in views], shape, file.record.bounds
    )


def project_surface_views(
    views: Sequence[RenderedView], shape: Shape, bounds: NDArray[np.float64]
) -> Visibility:
    """Where ``views`` see ``shape.surface``. bounds: (2, 3) of the object, metres."""
    found = [_surface_seen(view, shape, bounds) for view in views]
    _, pixels, seen = zip(*found, strict=True)
    return Visibility(np.stack(pixels), np.stack(seen), _mean_color(found, len(shape.surface))[0])


def surface_colors(
    views: Iterable[RenderedView], shape: Shape, bounds: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colour (P, 3) of ``shape.surface``, the mean over the views that see the point, and whether (P,) any does.

    One view at a time need be in memory. bounds: (2, 3) of the object, metres.
    """
    return _mean_color((_surface_seen(view, shape, bounds) for view in views), len(shape.surface))


def instance_colors(
    views: Iterable[RenderedView], record: Record, surfaces: Mapping[int, tuple[Points, Points]]
) -> dict[int, tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """As :func:`surface_colors` of the shapes of a whole scene: the mean over the views and instances that show a point.

    Args:
        surfaces: points (P, 3) and normals (P, 3), by the indices of the record's shapes, in their own frames.
    """
    numbers = {one.name: number for number, one in enumerate(record.shapes)}
    means = {number: _RunningMean(len(points)) for number, (points, _) in surfaces.items()}
    for place, view in enumerate(views):
        shown = set(np.unique(view.index).tolist())
        for one in record.instances_in(place):
            number = numbers.get(one.shape)
            if one.index in shown and number in surfaces:
                means[number].accumulate(*_seen_instance(view, one, *surfaces[number]))
    return {number: mean.result() for number, mean in means.items()}


def _seen_instance(view: RenderedView, one: Instance, points: Points, normals: Points) -> _Seen:
    turn = one.to_world[:3, :3]
    middle = one.bounds.mean(0) @ one.to_world[:3, :3].T + one.to_world[:3, 3]
    far = 1.0 if view.camera.orthographic else float(view.camera.project(middle[None])[1][0])
    pixel = abs(far) / view.camera.intrinsics[0, 0]
    tolerance = _TOLERANCE * float(np.ptp(one.bounds, axis=0).max()) + pixel
    pixels, seen = passes.visible_pixels(
        view, points @ turn.T + one.to_world[:3, 3], normals @ turn.T, tolerance
    )
    columns, rows = pixels[seen].astype(int).T
    seen[seen] = view.index[rows, columns] == one.index
    return view, pixels, seen


def _mean_color(found: Iterable[_Seen], count: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """As :func:`surface_colors`, of ``count`` points."""
    mean = _RunningMean(count)
    for each in found:
        mean.accumulate(*each)
    return mean.result()


class _RunningMean:
    """Of the colours in which ``count`` points are seen."""

    def __init__(self, count: int) -> None:
        self._light = np.zeros((count, 3))
        self._times = np.zeros((count, 1), int)

    def accumulate(
        self, view: RenderedView, pixels: NDArray[np.float64], seen: NDArray[np.bool_]
    ) -> None:
        columns, rows = pixels[seen].astype(int).T
        self._light[seen] += view.colour[rows, columns, :3]
        self._times[seen] += 1

    def result(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        color = np.where(self._times > 0, self._light / np.maximum(self._times, 1) + 0.5, _UNSEEN)
        return color.astype(np.uint8), self._times[:, 0] > 0


def _surface_seen(view: RenderedView, shape: Shape, bounds: NDArray[np.float64]) -> _Seen:
    tolerance = _TOLERANCE * float((bounds[1] - bounds[0]).max())
    return view, *passes.visible_pixels(view, shape.surface, shape.surface_normals, tolerance)
