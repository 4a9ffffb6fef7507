"""Conditions that checks require, and tolerances that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError

BOUNDS_TOLERANCE = 0.005  # of the longest side: how far depth may lead outside the bounds
UNIT_TOLERANCE = 5e-3  # of lengths that are stored in half precision or as float32


def require_that(condition: bool | np.bool_, problem: str) -> None:
    """Raise DatasetError with ``problem`` unless ``condition`` holds."""
    if not condition:
        raise DatasetError(problem)


def require_array(array: NDArray[Any], shape: Sequence[int | None], dtype: type, name: str) -> None:
    """Check shape and type of an array, and that its floats are finite.

    Args:
        array: To check.
        shape: Lengths of the axes; None for any length but 0.
        dtype: Expected type.
        name: For the error text.
    """
    fits = array.ndim == len(shape)
    for length, expected in zip(array.shape, shape, strict=False):
        has_length = length > 0 if expected is None else length == expected
        fits = fits and has_length
    require_that(fits, f"{name}: the shape is {array.shape}, not {tuple(shape)}")

    require_that(array.dtype == dtype, f"{name}: the type is {array.dtype}, not {np.dtype(dtype)}")
    is_finite = array.dtype.kind != "f" or np.isfinite(array).all()
    require_that(is_finite, f"{name}: not all values are finite")


def require_unit(normals: NDArray[np.float16], name: str) -> None:
    """Check that all vectors (..., 3) have unit length."""
    lengths = np.linalg.norm(normals.astype(float), axis=-1)
    is_unit = np.abs(lengths - 1) < UNIT_TOLERANCE
    require_that(is_unit.all(), f"{name}: not all are of unit length")


def distance_outside(
    points: NDArray[np.floating[Any]], low: NDArray[np.float64], high: NDArray[np.float64]
) -> float:
    """Return how far the farthest of ``points`` (P, 3) is outside a box, meters."""
    excess = np.maximum(low - points, points - high).clip(0)
    return float(excess.max(initial=0))
