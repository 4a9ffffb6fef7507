"""Check the images of a view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import passes
from ..object_file import ObjectFile
from ..records import Record, RenderedView
from .requirements import (
    BOUNDS_TOLERANCE,
    distance_outside,
    require_array,
    require_that,
    require_unit,
)

_PIXEL_TOLERANCE = 1.5  # pixels: how far a pixel's sample may be from its center


@dataclass(frozen=True)
class _ImageRule:
    """What an image of a view must be.

    Attributes:
        channels: Their number; None for an image of two axes.
        dtype: Its type.
        zero_where: "alpha" or "depth": it is 0 wherever that is 0; "" for no such rule.
    """

    channels: int | None
    dtype: type
    zero_where: str = ""


_VIEW_ARRAYS = {
    "colour": _ImageRule(4, np.uint8),
    "depth": _ImageRule(None, np.float32, "alpha"),
    "normal": _ImageRule(3, np.float16, "depth"),
    "surroundings": _ImageRule(4, np.uint8),
    "albedo": _ImageRule(3, np.uint8, "alpha"),
    "occlusion": _ImageRule(None, np.uint8, "alpha"),
    "index": _ImageRule(None, np.uint16, "depth"),
    "flow": _ImageRule(4, np.float16, "depth"),
}


def check_view(file: ObjectFile, number: int) -> None:
    """Check the images of the view with the index ``number``."""
    # Shapes and types
    name = f"view {number}"
    view = file.read_view(number)
    images = {}
    for key in _VIEW_ARRAYS:
        image = getattr(view, key)
        if image is not None:
            images[key] = image
    size = (view.camera.height, view.camera.width)
    for key, image in images.items():
        rule = _VIEW_ARRAYS[key]
        shape = size if rule.channels is None else (*size, rule.channels)
        require_array(image, shape, rule.dtype, f"{name}, {key}")

    # Values
    require_that((view.depth >= 0).all(), f"{name}, depth: values are negative")
    shown = view.depth > 0
    require_unit(view.normal[shown], f"{name}, normal")
    is_zero = {"alpha": view.colour[..., 3] == 0, "depth": ~shown}
    for key, image in images.items():
        other = _VIEW_ARRAYS[key].zero_where
        require_that(
            not other or not image[is_zero[other]].any(),
            f"{name}, {key}: not 0 everywhere that {other} is 0",
        )

    # The surface is within the bounds, of a whole scene within those of its instances.
    points = passes.world_points(view)
    if view.index is not None:
        _check_index(file.record, number, view, points)
        return
    low, high = file.record.bounds
    size_of_box = float((high - low).max())
    outside = distance_outside(points[shown], low, high) / size_of_box
    require_that(
        outside < BOUNDS_TOLERANCE,
        f"{name}, depth: points are {outside:.1%} of the longest side outside the bounds",
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
    require_that(
        int(index.max()) <= len(record.instances), f"{name}: a value refers to no instance"
    )

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
