"""Normalized frames of objects and of their views, and a dense sampling of the true surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from .object_file import ObjectFile
from .passes import world_points

# A pixel whose alpha (0 to 255) is above this shows the object.
_OPAQUE = 127


def object_frame(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the similarity (4, 4) from world space to the object's centered frame, longest side 1.

    Args:
        bounds: (2, 3) bounding box in world space, meters.
    """
    scale = 1 / float(np.ptp(bounds, axis=0).max())
    frame = np.diag((scale, scale, scale, 1.0))
    frame[:3, 3] = -bounds.mean(0) * scale
    return frame


def view_frame(
    camera: Camera,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    center: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the similarity (4, 4) from world space to the frame of a view.

    Its axes are those of the image: x right, y away from the camera, z up. The longest visible side
    of the object is 1, and the origin is where the middle of the visible bounding box meets the
    depth of the object's center.

    Args:
        camera: of the view.
        rows: (K,) of the pixels that show the object.
        columns: (K,) of the same pixels.
        center: (3,) of the object in world space, for its depth.
    """
    # The visible bounding box, pixels.
    low = np.array((columns.min(), rows.min()), float)
    high = np.array((columns.max(), rows.max()), float) + 1
    middle = (low + high) / 2

    # The corners of the visible bounding box at the depth of the object's center.
    depth = float((camera.from_world[2] * (*center, 1)).sum())
    pixels = np.stack((middle, low, high))
    origin, low_corner, high_corner = camera.unproject(pixels, np.full(3, depth))
    diagonal = high_corner - low_corner

    # Rotated to the axes of the image, scaled by the longest visible side, moved to the origin.
    right, up, back = camera.to_world[:3, :3].T
    longest_side = max(abs(diagonal @ right), abs(diagonal @ up))
    frame = np.eye(4)
    frame[:3, :3] = np.stack((right, -back, up)) / longest_side
    frame[:3, 3] = -frame[:3, :3] @ origin

    return frame


def dense_surface(file: ObjectFile) -> NDArray[np.float64]:
    """Return world-space points (P, 3) of the true surface: stored samples and visible pixels."""
    parts = [file.read_shape().surface.astype(float)]
    for index in range(len(file.record.views)):
        view = file.read_view(index)
        is_object = view.colour[..., 3] > _OPAQUE
        visible = is_object & (view.depth > 0)
        parts.append(world_points(view)[visible])
    return np.concatenate(parts)
