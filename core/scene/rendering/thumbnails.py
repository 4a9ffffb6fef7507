"""Pictures of one object, from all around."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera, look_at, orthographic
from .. import importing
from .studio import Light, studio

# Degrees about Z from the front, and above the horizon.
FOUR_SIDES = ((0, 0), (90, 0), (180, 0), (35, 25))


def portraits(
    obj: bpy.types.Object, size: int, directions: Sequence[tuple[float, float]] = FOUR_SIDES, samples: int = 16
) -> list[NDArray[np.float32]]:
    """Pictures (size, size, 4) in 0..1 of ``obj``: from the front, the right, the back, and from above the right front.

    Args:
        directions: azimuth and elevation in degrees; (90, 0) looks at the object's right, from +X.
    """
    mesh = importing.world_triangles([obj])
    low, high = mesh.vertices.min(0).astype(float), mesh.vertices.max(0).astype(float)
    cameras = [_camera((low + high) / 2, float(np.linalg.norm(high - low)), *angles, size) for angles in directions]
    with studio(samples) as stage:
        stage.show([obj])
        stage.light(Light(level=0.75, sun=1.5, sun_tilt=0.7, sun_turn=0.6))
        return [stage.render("portrait", camera).colour.astype(np.float32) / 255 for camera in cameras]


def _camera(centre: NDArray[np.float64], diagonal: float, azimuth: float, elevation: float, size: int) -> Camera:
    a, e = np.radians(azimuth), np.radians(elevation)
    back = np.array((np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)))
    return orthographic(look_at(centre + 2 * diagonal * back, centre), diagonal, size)
