"""Between light and the numbers of pictures (IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_linear(srgb: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear light of sRGB values, both in 0..1, any shape."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)


def from_linear(light: NDArray[np.floating]) -> NDArray[np.floating]:
    """SRGB values of linear light, both in 0..1, any shape; what is beyond is cut off."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
