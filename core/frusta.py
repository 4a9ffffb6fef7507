"""Cameras as lines to be drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cameras import Camera


def frustum(camera: Camera, depth: float) -> NDArray[np.float64]:
    """Line segments (9, 2, 3) in world space, metres: from the camera to the corners of its picture, and around it.

    The last one is a mark above the middle of the picture's upper edge.

    Args:
        depth: how far before the camera the picture is drawn, metres.
    """
    width, height = camera.width, camera.height
    pixels = np.array(((0, 0), (width, 0), (width, height), (0, height), (width / 2, 0), (width / 2, -height / 8)))
    far = camera.unproject(pixels.astype(float), np.full(6, depth))
    near = camera.unproject(pixels.astype(float), np.zeros(6))
    corners = far[:4]
    sides = np.stack((near[:4], corners), axis=1)
    around = np.stack((corners, np.roll(corners, -1, axis=0)), axis=1)
    return np.concatenate((sides, around, far[None, 4:]))
