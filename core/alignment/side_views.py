"""Align images of an object's sides: one frame, one scale, one camera for each image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import SIDES, Camera, look_at
from ..errors import ImageError
from ..imaging.thin_lines import strengthen_thin_lines

# The axes of the object that are horizontal and vertical in the image of each side.
_AXES = {
    "front": (0, 2),
    "back": (0, 2),
    "right": (1, 2),
    "left": (1, 2),
    "top": (0, 1),
    "bottom": (0, 1),
}
LARGEST_DISAGREEMENT = 0.08  # of a side's length, between images that are meant to have one scale
_SCALE_WEIGHT = 0.01  # of the assumption that two images have the same scale
_CAMERA_DISTANCE = 2.0  # from the object's center; its longest side is 1

Box = tuple[NDArray[np.float64], NDArray[np.float64]]  # lower and upper corner (2,), pixels


def mask_bounds(mask: NDArray[np.floating[Any]]) -> Box:
    """Return the lower and upper corner (x, y) of a mask, pixels, outer edges.

    Args:
        mask: (H, W) in 0..1; above a half is object.

    Raises:
        ImageError: The mask is empty.
    """
    is_object = mask > 0.5
    if not is_object.any():  # perhaps a sheet that is seen from its edge
        is_object = strengthen_thin_lines(mask) > 0.5
    rows = np.flatnonzero(is_object.any(1))
    columns = np.flatnonzero(is_object.any(0))

    if not len(rows):
        raise ImageError(
            "No object was found in the image because its mask is empty. Give the image an "
            "alpha channel that shows the object"
        )

    lower: NDArray[np.float64] = np.array((columns[0], rows[0]), float)
    upper: NDArray[np.float64] = np.array((columns[-1] + 1, rows[-1] + 1), float)
    return lower, upper


def align_side_cameras(masks: Mapping[str, NDArray[np.floating[Any]]]) -> dict[str, Camera]:
    """Return a camera for the image of each side, in a frame centered on the object.

    The longest visible side of the object has length 1. The images are assumed to have one scale;
    if the lengths that two of them share disagree by more than 8 %, each gets its own scale. Small
    disagreements are spread: each image is stretched to the common box.

    Args:
        masks: (H, W) in 0..1 by the names of ``cameras.SIDES``.

    Raises:
        ImageError: A mask is empty.
    """
    boxes = {}
    for name, mask in masks.items():
        try:
            boxes[name] = mask_bounds(mask)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from error

    extent = _common_extent(boxes)
    cameras = {}
    for name, mask in masks.items():
        cameras[name] = _side_camera(name, boxes[name], extent, mask.shape)
    return cameras


def reconcile_lengths(measures: Sequence[tuple[str, int, float]]) -> NDArray[np.float64]:
    """Return the object's lengths along x, y and z (3,) from what images show of them.

    That is the mean of the images. If two of them disagree by more than 8 %, each image gets its
    own scale first, and the lengths are in the scale of the first image.

    Args:
        measures: (image, axis, length), at least one.

    Returns:
        0 along an axis that no image shows.
    """
    lengths = defaultdict(list)
    for _, axis, length in measures:
        lengths[axis].append(length)

    for values in lengths.values():
        if max(values) > (1 + LARGEST_DISAGREEMENT) * min(values):
            return _lengths_at_separate_scales(measures)

    result = np.zeros(3)
    for axis, values in lengths.items():
        result[axis] = np.mean(values)
    return result


def _common_extent(boxes: Mapping[str, Box]) -> NDArray[np.float64]:
    """Return the object's lengths along x, y and z (3,), the longest visible one 1.

    An axis that no image shows has length 1 too.
    """
    measures = []
    for name, (lower, upper) in boxes.items():
        span = upper - lower
        horizontal, vertical = _AXES[name]
        measures.append((name, horizontal, span[0]))
        measures.append((name, vertical, span[1]))

    extent = reconcile_lengths(measures)
    return np.where(extent == 0, 1.0, extent / extent.max())


def _lengths_at_separate_scales(
    measures: Sequence[tuple[str, int, float]],
) -> NDArray[np.float64]:
    """Return lengths in the scale of the first image, when each image has its own scale.

    The logarithm of a measure is that of the length plus that of the image's scale; these
    equations are solved by least squares, with a weak assumption that all scales are equal.

    Args:
        measures: (image, axis, length).
    """
    names = list(dict.fromkeys(name for name, _, _ in measures))
    row_count = len(measures) + len(names)
    column_count = 3 + len(names)
    rows = np.zeros((row_count, column_count))
    values = np.zeros(row_count)

    # One equation for each measure.
    for row, (name, axis, length) in enumerate(measures):
        scale_column = 3 + names.index(name)
        rows[row, axis] = 1
        rows[row, scale_column] = 1
        values[row] = np.log(length)

    # The weak assumption: the logarithm of each scale is 0.
    rows[len(measures) :, 3:] = _SCALE_WEIGHT * np.eye(len(names))

    solution = np.linalg.lstsq(rows, values, rcond=None)[0]
    first_scale = solution[3]
    lengths = np.exp(solution[:3] + first_scale)

    # Axes that no image shows have no length.
    measured_axes = [axis for _, axis, _ in measures]
    is_measured = np.isin(np.arange(3), measured_axes)
    return np.where(is_measured, lengths, 0.0)


def _side_camera(
    name: str, box: Box, extent: NDArray[np.float64], shape: tuple[int, ...]
) -> Camera:
    """Return the orthographic camera in which the object's box fills the mask's box.

    Args:
        name: Of ``cameras.SIDES``.
        box: Of the mask.
        extent: (3,) lengths of the object.
        shape: Height and width of the image, pixels.
    """
    lower, upper = box
    image_axes = list(_AXES[name])
    focal_x, focal_y = (upper - lower) / extent[image_axes]
    center_x, center_y = (lower + upper) / 2
    intrinsics = np.array(
        (
            (focal_x, 0, center_x),
            (0, focal_y, center_y),
            (0, 0, 1.0),
        )
    )

    # The camera faces the center of the object from this side.
    side_direction, side_up = SIDES[name]
    eye: NDArray[np.float64] = _CAMERA_DISTANCE * np.array(side_direction, float)
    pose = look_at(eye, np.zeros(3), np.array(side_up, float))
    return Camera(pose, intrinsics, shape[1], shape[0], orthographic=True)
