"""Check the images of a view."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .. import passes
from ..object_file import ObjectFile
from ..reading.array_rules import VIEW_ARRAYS
from ..records import Record, RenderedView
from .requirements import (
    BOUNDS_TOLERANCE,
    distance_outside,
    require_that,
    require_unit,
)

_PIXELS_AT_ONCE = 2**20  # whose points are in memory together
_PIXEL_TOLERANCE = 1.5  # pixels: how far a pixel's sample may be from its center


def check_view(file: ObjectFile, number: int) -> None:
    """Check the images of the view with the index ``number``."""
    # Shapes and types are checked by reading; of the values some may be missing.
    name = f"view {number}"
    view = file.read_view(number)
    images = {}

    for key in VIEW_ARRAYS:
        image = getattr(view, key)
        if image is not None:
            images[key] = image

    # Values
    require_that((view.depth >= 0).all(), f"{name}, depth: values are negative")
    shown = view.depth > 0
    is_zero = {"alpha": view.colour[..., 3] == 0, "depth": ~shown}

    for key, image in images.items():
        other = VIEW_ARRAYS[key].zero_where
        require_that(
            not other or not image[is_zero[other]].any(),
            f"{name}, {key}: not 0 everywhere that {other} is 0",
        )

    if view.parts is not None:
        require_that((view.parts[shown] > 0).all(), f"{name}, parts: 0 where depth is not 0")
    if view.index is not None:
        require_that(
            int(view.index.max()) <= len(file.record.instances),
            f"{name}, index: a value refers to no instance",
        )

    # The surface is within the bounds, of a whole scene within those of its instances.
    farthest = 0.0
    for band in _bands(view):
        shown = band.depth > 0
        require_unit(band.normal[shown], f"{name}, normal")
        points = passes.world_points(band)
        if band.index is not None:
            _check_index(file.record, number, band, points)
        else:
            low, high = file.record.bounds
            farthest = max(farthest, distance_outside(points[shown], low, high))

    outside = farthest / float(np.ptp(file.record.bounds, axis=0).max())
    require_that(
        outside < BOUNDS_TOLERANCE,
        f"{name}, depth: points are {outside:.1%} of the longest side outside the bounds",
    )


def _bands(view: RenderedView) -> Iterator[RenderedView]:
    """Yield the rows of a view in parts, since its points take ten times the memory of its depth.

    The parts have color, depth, normal and index only.
    """
    camera = view.camera
    rows = max(_PIXELS_AT_ONCE // camera.width, 1)
    for top in range(0, camera.height, rows):
        part = slice(top, top + rows)
        height = len(view.depth[part])
        yield RenderedView(
            kind=view.kind,
            camera=camera.cropped(0, top, camera.width, height),
            colour=view.colour[part],
            depth=view.depth[part],
            normal=view.normal[part],
            index=None if view.index is None else view.index[part],
        )


def _check_index(
    record: Record, number: int, view: RenderedView, points: NDArray[np.float64]
) -> None:
    """Check that the pixels of each instance are within its bounds, or a pixel outside.

    Args:
        record: Of the whole scene.
        number: Index of the view.
        view: Its images.
        points: (H, W, 3) of the surface, world space.
    """
    name = f"view {number}, index"
    index = passes.instance_index(view)

    # A sample may be beside the center of its pixel, by a length that grows with depth.
    margin = BOUNDS_TOLERANCE * float(np.ptp(record.bounds, axis=0).max())
    distance = np.ones_like(view.depth) if view.camera.orthographic else view.depth
    focal = view.camera.intrinsics.diagonal()[:2].min()
    pixel_size = _PIXEL_TOLERANCE * distance / focal

    # Points of each instance in its frame, against its box
    for instance in record.instances_in(number):
        shown = index == instance.index
        local = passes.local_points(points[shown], instance.to_world)
        low, high = instance.bounds
        excess = np.maximum(low - local, local - high).clip(0)
        outside = excess.max(1, initial=0)
        require_that(
            (outside <= margin + pixel_size[shown]).all(),
            f"{name}: {instance.name} is shown outside its bounds",
        )
