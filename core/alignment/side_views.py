"""Fits pictures of an object's sides to each other: one frame, one scale, one camera a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..cameras import SIDES, Camera, look_at
from ..errors import ImageError

_AXES = {
    "front": (0, 2),
    "back": (0, 2),
    "right": (1, 2),
    "left": (1, 2),
    "top": (0, 1),
    "bottom": (0, 1),
}
LARGEST_DISAGREEMENT = 0.08  # of a side's length, between pictures said to be at one scale


def mask_bounds(mask: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high corner (x, y) of where ``mask`` (H, W) is above a half, in pixels, outer edges.

    Raises:
        ImageError: it is nowhere.
    """
    rows = np.flatnonzero((mask > 0.5).any(1))
    columns = np.flatnonzero((mask > 0.5).any(0))
    if not len(rows):
        raise ImageError(
            "No object was found in the image because its mask is empty. Give the image an "
            "alpha channel that shows the object"
        )
    return np.array((columns[0], rows[0]), float), np.array((columns[-1], rows[-1]), float) + 1


def align_side_cameras(masks: Mapping[str, NDArray[np.floating]]) -> dict[str, Camera]:
    """A camera for each side's picture, in a frame centred on the object whose longest seen side is 1.

    The pictures are taken to be at one scale; if the lengths that two of them share disagree by more than 8 %,
    each gets a scale of its own. Small disagreements are shared out: each picture is stretched to the agreed box.

    Args:
        masks: (H, W) in 0..1 by the names of ``cameras.SIDES``.

    Raises:
        ImageError: a mask is empty.
    """
    boxes = {}
    for name, mask in masks.items():
        try:
            boxes[name] = mask_bounds(mask)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from error
    extent = _reconciled_extent({name: high - low for name, (low, high) in boxes.items()})
    return {name: _side_camera(name, boxes[name], extent, masks[name].shape) for name in masks}


def _reconciled_extent(spans: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Lengths along x, y and z (3,), the longest seen one 1; what no picture shows is given as 1."""
    extent = reconcile_lengths(
        [(name, _AXES[name][k], span[k]) for name, span in spans.items() for k in (0, 1)]
    )
    return np.where(extent == 0, 1.0, extent / extent.max())


def reconcile_lengths(measures: Sequence[tuple[str, int, float]]) -> NDArray[np.float64]:
    """What pictures say together of the lengths along x, y and z (3,); 0 along an axis that none shows.

    The mean, or if two disagree by more than 8 %, as the first picture has it after each got a scale of its own.

    Args:
        measures: (picture, axis, length), at least one.
    """
    seen = {axis: [length for _, where, length in measures if where == axis] for axis in range(3)}
    if any(
        max(lengths) > (1 + LARGEST_DISAGREEMENT) * min(lengths)
        for lengths in seen.values()
        if lengths
    ):
        return _lengths_at_own_scales(measures)
    return np.array([np.mean(lengths) if lengths else 0.0 for lengths in seen.values()])


def _lengths_at_own_scales(measures: Sequence[tuple[str, int, float]]) -> NDArray[np.float64]:
    """Least squares over the logarithms of lengths and of each picture's scale (held near one another)."""
    names = list(dict.fromkeys(name for name, _, _ in measures))
    rows = np.zeros((len(measures) + len(names), 3 + len(names)))
    values = np.zeros(len(rows))
    for row, (name, axis, length) in enumerate(measures):
        rows[row, [axis, 3 + names.index(name)]] = 1
        values[row] = np.log(length)
    rows[len(measures) :, 3:] = 0.01 * np.eye(len(names))
    solution = np.linalg.lstsq(rows, values, rcond=None)[0]
    known = np.isin(np.arange(3), [axis for _, axis, _ in measures])
    return np.where(known, np.exp(solution[:3] + solution[3]), 0.0)


def _side_camera(
    name: str,
    box: tuple[NDArray[np.float64], NDArray[np.float64]],
    extent: NDArray[np.float64],
    shape: tuple[int, ...],
) -> Camera:
    low, high = box
    focal = (high - low) / extent[list(_AXES[name])]
    center = (low + high) / 2
    direction, up = (np.array(v, float) for v in SIDES[name])
    intrinsics = np.array(((focal[0], 0, center[0]), (0, focal[1], center[1]), (0, 0, 1.0)))
    return Camera(
        look_at(2 * direction, np.zeros(3), up), intrinsics, shape[1], shape[0], orthographic=True
    )
