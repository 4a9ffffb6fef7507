"""Photographs as the dense steps need them: without distortion, cropped to the object, reduced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...imaging.resampling import sample_bilinear
from ..lens import distort_pixels
from .records import DenseView

_MARGIN = 4  # pixels of the crop around the mask
_MULTIPLE = 8  # sides of crops are multiples of this, so that they can be halved three times


def crop_view(
    image: NDArray[np.float32],
    camera: Camera,
    distortion: tuple[float, float],
    max_side: int,
) -> DenseView:
    """Return the part of a photograph around its mask, as an ideal lens shows it.

    Args:
        image: (H, W, 4) sRGB in 0..1 with the mask as alpha.
        camera: Of the ideal lens, with the size of ``image``.
        distortion: (k1, k2), see ``SolvedPhotograph``.
        max_side: Longer side of the result, pixels, at least 16; smaller crops are not enlarged.
    """
    rows = np.flatnonzero((image[..., 3] > 0.5).any(1))
    columns = np.flatnonzero((image[..., 3] > 0.5).any(0))
    height, width = image.shape[:2]
    if not len(rows):
        rows = np.array((0, height - 1))
        columns = np.array((0, width - 1))
    upper = np.array((columns[-1], rows[-1])) + 1 - (columns[0], rows[0])
    largest = max_side // _MULTIPLE * _MULTIPLE
    scale = min(1.0, (largest - 2 * _MARGIN) / float(upper.max()))

    # Whole pixels of the result, a little larger than the mask.
    margin = _MARGIN / scale
    size = np.ceil((upper + 2 * margin) * scale / _MULTIPLE).astype(int) * _MULTIPLE
    middle = np.array((columns[0], rows[0])) + upper / 2
    corner = middle - size / scale / 2
    crop_width, crop_height = (int(side) for side in size)
    window = camera.cropped(corner[0], corner[1], crop_width, crop_height)
    scaling = np.diag((scale, scale, 1.0))
    crop_camera = Camera(camera.to_world, scaling @ window.intrinsics, crop_width, crop_height)

    # Each pixel of the result is looked up in the photograph, which is averaged before.
    grid_rows, grid_columns = np.mgrid[0:crop_height, 0:crop_width] + 0.5
    pixels = np.stack((grid_columns.ravel(), grid_rows.ravel()), axis=1) / scale + corner
    shown = distort_pixels(camera, distortion, pixels)
    factor = max(int(1 / scale + 0.25), 1)
    reduced = block_mean(image, factor)
    values = sample_bilinear(reduced, shown / factor).reshape(crop_height, crop_width, 4)

    # What the photograph does not show is not the object.
    in_image = ((shown >= 0) & (shown <= (width, height))).all(1)
    mask = values[..., 3] * in_image.reshape(crop_height, crop_width)
    last_row = bool(rows[-1] == height - 1)
    last_column = bool(columns[-1] == width - 1)
    cut_sides = (bool(columns[0] == 0), bool(rows[0] == 0), last_column, last_row)

    return DenseView(
        color=values[..., :3].astype(np.float32),
        mask=mask.astype(np.float32),
        camera=crop_camera,
        cut_sides=cut_sides,
    )


def block_mean(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return the means of ``factor`` x ``factor`` blocks of (H, W, C); a rest is repeated."""
    if factor == 1:
        return image
    height, width, channels = image.shape
    rest = ((0, -height % factor), (0, -width % factor), (0, 0))
    padded = np.pad(image, rest, mode="edge")
    blocks = padded.reshape(
        padded.shape[0] // factor, factor, padded.shape[1] // factor, factor, channels
    )
    mean: NDArray[np.float32] = blocks.mean((1, 3))

    return mean


def choose_sources(
    cameras: list[Camera], center: NDArray[np.float64], count: int
) -> list[list[int]]:
    """Return for each camera the others to compare it with, the best first.

    The angle between two views of the object should be near 20 degrees: less gives inexact depth,
    more shows other parts. Sources in different directions see around different edges.

    Args:
        cameras: Of all views.
        center: (3,) of the object.
        count: Of sources for each.
    """
    positions = np.array([camera.to_world[:3, 3] for camera in cameras])
    directions = positions - center
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    angles = np.degrees(np.arccos((directions @ directions.T).clip(-1, 1)))
    chosen = []
    for index in range(len(cameras)):
        chosen.append(_sources_of(index, angles[index], directions, count))
    return chosen


_BEST_ANGLE = 20.0  # degrees
_LEAST_ANGLE = 6.0
_MOST_ANGLE = 48.0
_SAME_DIRECTION = 0.8  # cosine of two baselines above which a source adds little
_PENALTY = 15.0  # degrees


def _sources_of(
    index: int, angles: NDArray[np.float64], directions: NDArray[np.float64], count: int
) -> list[int]:
    usable = np.flatnonzero((angles > _LEAST_ANGLE) & (angles < _MOST_ANGLE))
    if len(usable) < 2:
        others = np.argsort(angles)
        usable = others[others != index][:2]
    penalty = np.abs(angles - _BEST_ANGLE)
    baselines = directions - directions[index]
    baselines /= np.linalg.norm(baselines, axis=1, keepdims=True) + 1e-12

    # Greedily: the best, then what lies in another direction.
    chosen: list[int] = []
    left = list(usable)
    while left and len(chosen) < count:
        costs = []
        for other in left:
            same = sum(baselines[other] @ baselines[each] > _SAME_DIRECTION for each in chosen)
            costs.append(penalty[other] + _PENALTY * same)
        chosen.append(int(left.pop(int(np.argmin(costs)))))

    return chosen
