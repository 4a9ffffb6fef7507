"""Conditions that checks require, and tolerances that they share."""

from __future__ import annotations

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
