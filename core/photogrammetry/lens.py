"""Radial distortion: between the pixels of a photograph and those of an ideal lens."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera

_ITERATIONS = (
    20  # of a fixed point that gains a digit or so each, for the distortion of usual lenses
)


def distort_pixels(
    camera: Camera, distortion: tuple[float, float], pixels: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return where a photograph shows the ``pixels`` of its ideal lens.

    To undistort an image, sample the photograph at these places for the pixel centers of the
    result.

    Args:
        camera: the ideal lens, a perspective camera.
        distortion: (k1, k2), see ``SolvedPhotograph``.
        pixels: (..., 2) of the ideal image.

    Returns:
        (..., 2) float64 pixels of the photograph.
    """
    ideal = _to_image_plane(camera, pixels)
    return _to_pixels(camera, ideal * _stretch(ideal, distortion))


def undistort_pixels(
    camera: Camera, distortion: tuple[float, float], pixels: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return the ideal pixels (..., 2) that a photograph shows at ``pixels`` (..., 2).

    Inverse of :func:`distort_pixels`, by fixed-point iteration.
    """
    shown = _to_image_plane(camera, pixels)
    ideal = shown
    for _ in range(_ITERATIONS):
        ideal = shown / _stretch(ideal, distortion)
    return _to_pixels(camera, ideal)


def _stretch(ideal: NDArray[np.float64], distortion: tuple[float, float]) -> NDArray[np.float64]:
    radius2 = (ideal**2).sum(-1, keepdims=True)
    radius4 = radius2 * radius2
    stretch: NDArray[np.float64] = 1.0 + distortion[0] * radius2 + distortion[1] * radius4
    return stretch


def _to_image_plane(camera: Camera, pixels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    inverse: NDArray[np.float64] = np.linalg.inv(camera.intrinsics[:2, :2])
    centered = np.asarray(pixels, np.float64) - camera.intrinsics[:2, 2]
    plane: NDArray[np.float64] = centered @ inverse.T
    return plane


def _to_pixels(camera: Camera, plane: NDArray[np.float64]) -> NDArray[np.float64]:
    pixels: NDArray[np.float64] = plane @ camera.intrinsics[:2, :2].T + camera.intrinsics[:2, 2]
    return pixels
