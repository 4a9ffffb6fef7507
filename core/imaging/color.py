"""Conversion of color values: sRGB and linear light (IEC 61966-2-1), 0..1 and bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def to_bytes(values: Floats) -> NDArray[np.uint8]:
    """Return values in 0..1 as 0..255, rounded; those beyond are clipped."""
    return (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def to_linear(srgb: Floats) -> Floats:
    """Return the linear light of sRGB values, both in 0..1, any shape."""
    low = srgb / 12.92
    high = ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4
    return np.where(srgb <= 0.04045, low, high)


def from_linear(light: Floats) -> Floats:
    """Return the sRGB values of linear light, both in 0..1, any shape; light above 1 is clipped."""
    light = np.clip(light, 0, 1)
    low = 12.92 * light
    high = 1.055 * light ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, low, high)
