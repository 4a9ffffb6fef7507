"""Which points of an object's surface its views show, at which pixels, and in which color."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import passes
from .object_file import ObjectFile
from .records import Instance, Record, RenderedView, Shape

_TOLERANCE = 0.01  # of the longest side: a pixel of an image of 100 pixels
_UNSEEN_GRAY = 128  # color of points that no view shows
_SEED = 0  # of the points of whole scenes, so that exports are reproducible
Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Visibility:
    """Surface points in V views.

    Attributes:
        pixels: (V, P, 2) float64.
        seen: (V, P) bool, whether the view shows the point.
        color: (P, 3) uint8 sRGB, mean over the views that show the point; gray if none does.
    """

    pixels: NDArray[np.float64]
    seen: NDArray[np.bool_]
    color: NDArray[np.uint8]


@dataclass(frozen=True)
class _Projection:
    """Surface points in one view.

    Attributes:
        view: The view.
        pixels: (P, 2) float64.
        seen: (P,) bool, whether the view shows the point.
    """

    view: RenderedView
    pixels: NDArray[np.float64]
    seen: NDArray[np.bool_]


def visible_points(file: ObjectFile, views: Sequence[int], count: int) -> Shape:
    """Choose surface points that views show, evenly from all of the views.

    Args:
        file: Of the object.
        views: Indices of the views.
        count: Approximate number of points.

    Returns:
        A shape that has only these points as its surface.
    """
    # The same number from each view
    rng = np.random.default_rng(_SEED)
    no_points = np.zeros((0, 3), np.float32)
    no_flags = np.zeros(0, bool)
    count_per_view = -(-count // len(views))
    surface = [no_points]
    normals = [no_points]

    for index in views:
        view = file.read_view(index)
        is_shown = (view.depth > 0) & passes.object_mask(view)
        rows, columns = np.nonzero(is_shown)
        order = rng.permutation(len(rows))
        chosen = order[:count_per_view]
        rows = rows[chosen]
        columns = columns[chosen]
        points = passes.world_points(view)[rows, columns]
        surface.append(points.astype(np.float32))
        normals.append(view.normal[rows, columns].astype(np.float32))

    return Shape(
        uniform=no_points,
        uniform_inside=no_flags,
        near=no_points,
        near_inside=no_flags,
        surface=np.concatenate(surface),
        surface_normals=np.concatenate(normals),
    )


def project_surface(file: ObjectFile, shape: Shape, views: Sequence[int]) -> Visibility:
    """Find out where views show the surface points of a shape.

    Args:
        file: Of the object.
        shape: With a surface.
        views: Indices of the views.
    """
    rendered_views = (file.read_view(index) for index in views)
    return project_surface_views(rendered_views, shape, file.record.bounds)


def project_surface_views(
    views: Iterable[RenderedView], shape: Shape, bounds: NDArray[np.float64]
) -> Visibility:
    """Find out where views show the surface points of a shape; one view is in memory at a time.

    Args:
        views: Of the object.
        shape: With a surface.
        bounds: (2, 3) low and high corner of the object, meters.
    """
    pixels = []
    seen = []
    mean = _RunningMean(len(shape.surface))

    for view in views:
        projection = _project_shape(view, shape, bounds)
        pixels.append(projection.pixels)
        seen.append(projection.seen)
        mean.accumulate(projection)

    color, _ = mean.result()
    return Visibility(
        pixels=np.stack(pixels),
        seen=np.stack(seen),
        color=color,
    )


def surface_colors(
    views: Iterable[RenderedView], shape: Shape, bounds: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the colors of the surface points of a shape; one view is in memory at a time.

    Args:
        views: Of the object.
        shape: With a surface of P points.
        bounds: (2, 3) low and high corner of the object, meters.

    Returns:
        (P, 3) uint8 sRGB, mean over the views that show the point, and (P,) whether any does.
    """
    projections = (_project_shape(view, shape, bounds) for view in views)
    return _mean_color(projections, len(shape.surface))


def instance_colors(
    views: Iterable[RenderedView], record: Record, surfaces: Mapping[int, tuple[Points, Points]]
) -> dict[int, tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Return :func:`surface_colors` of the shapes of a whole scene.

    The means are taken over the views and the instances that show a point.

    Args:
        views: Of the scene, in the order of the record.
        record: Of the scene.
        surfaces: Points (P, 3) and normals (P, 3), by the indices of the record's shapes, in their
            frames.
    """
    # Numbers of the shapes by name, and a mean for each surface
    shape_numbers = {shape.name: number for number, shape in enumerate(record.shapes)}
    means = {}
    for number, (points, _) in surfaces.items():
        means[number] = _RunningMean(len(points))

    for view_index, view in enumerate(views):
        index_image = passes.instance_index(view)
        shown_indices = set(np.unique(index_image).tolist())
        for instance in record.instances_in(view_index):
            # Instances that are not in the image, or whose shape has no surface, are skipped.
            shape_number = shape_numbers.get(instance.shape)
            if shape_number is None or shape_number not in surfaces:
                continue
            if instance.index not in shown_indices:
                continue
            points, normals = surfaces[shape_number]
            projection = _project_instance(view, instance, points, normals)
            means[shape_number].accumulate(projection)

    return {number: mean.result() for number, mean in means.items()}


def _project_instance(
    view: RenderedView, instance: Instance, points: Points, normals: Points
) -> _Projection:
    """Find out where a view shows the surface of an instance.

    Args:
        view: With an index.
        instance: With its pose in the view.
        points: (P, 3) in the frame of the instance.
        normals: (P, 3) likewise.
    """
    # Pose in the view
    rotation = instance.to_world[:3, :3]
    translation = instance.to_world[:3, 3]

    # A point may be off by the tolerance and by the size of a pixel at the instance's center.
    center = instance.bounds.mean(0) @ rotation.T + translation
    distance = 1.0
    if not view.camera.orthographic:
        _, center_depth = view.camera.project(center[None])
        distance = abs(float(center_depth[0]))
    pixel_size = distance / view.camera.intrinsics[0, 0]
    longest_side = float(np.ptp(instance.bounds, axis=0).max())
    tolerance = _TOLERANCE * longest_side + pixel_size

    # Other instances may be at the same depth, so the index must be right, too.
    world_points = points @ rotation.T + translation
    world_normals = normals @ rotation.T
    pixels, seen = passes.visible_pixels(view, world_points, world_normals, tolerance)
    columns, rows = pixels[seen].astype(int).T
    shown_index = passes.instance_index(view)[rows, columns]
    seen[seen] = shown_index == instance.index

    return _Projection(view, pixels, seen)


def _project_shape(view: RenderedView, shape: Shape, bounds: NDArray[np.float64]) -> _Projection:
    """Find out where a view shows the surface of the object."""
    tolerance = _TOLERANCE * float((bounds[1] - bounds[0]).max())
    pixels, seen = passes.visible_pixels(view, shape.surface, shape.surface_normals, tolerance)
    return _Projection(view, pixels, seen)


def _mean_color(
    projections: Iterable[_Projection], count: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the result of :func:`surface_colors` for ``count`` points."""
    mean = _RunningMean(count)
    for projection in projections:
        mean.accumulate(projection)
    return mean.result()


class _RunningMean:
    """Mean of the colors in which ``count`` points are seen."""

    def __init__(self, count: int) -> None:
        self._sums = np.zeros((count, 3))
        self._counts = np.zeros((count, 1), int)

    def accumulate(self, projection: _Projection) -> None:
        """Add the colors of the points that a view shows."""
        seen = projection.seen
        columns, rows = projection.pixels[seen].astype(int).T
        color = projection.view.colour[rows, columns, :3]
        self._sums[seen] += color
        self._counts[seen] += 1

    def result(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return colors (P, 3) uint8, and whether each point (P,) was seen."""
        is_seen = self._counts > 0
        rounded_means = self._sums / np.maximum(self._counts, 1) + 0.5
        color = np.where(is_seen, rounded_means, _UNSEEN_GRAY)
        return color.astype(np.uint8), is_seen[:, 0]
