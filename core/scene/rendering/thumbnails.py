"""Pictures of one object, from all around."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera, look_at, orthographic_camera
from .. import importing
from .studio import LightSettings, render_studio

# Degrees about Z from the front, and above the horizon.
FOUR_SIDES = ((0, 0), (90, 0), (180, 0), (35, 25))


def render_thumbnails(
    obj: bpy.types.Object,
    size: int,
    directions: Sequence[tuple[float, float]] = FOUR_SIDES,
    samples: int = 16,
) -> list[NDArray[np.float32]]:
    """Pictures (size, size, 4) in 0..1 of ``obj``: from the front, the right, the back, and from above the right front.

    Args:
        directions: azimuth and elevation in degrees; (90, 0) looks at the object's right, from +X.
    """
    mesh = importing.world_triangles([obj])
    low = mesh.vertices.min(0).astype(float)
    high = mesh.vertices.max(0).astype(float)
    cameras = [
        _thumbnail_camera((low + high) / 2, float(np.linalg.norm(high - low)), *angles, size)
        for angles in directions
    ]
    with render_studio(samples) as stage:
        stage.set_objects([obj])
        stage.set_light(LightSettings(level=0.75, sun=1.5, sun_tilt=0.7, sun_turn=0.6))
        return [
            stage.render_view("portrait", camera).colour.astype(np.float32) / 255
            for camera in cameras
        ]


def _thumbnail_camera(
    center: NDArray[np.float64], diagonal: float, azimuth: float, elevation: float, size: int
) -> Camera:
    a = np.radians(azimuth)
    e = np.radians(elevation)
    back = np.array((np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)))
    return orthographic_camera(look_at(center + 2 * diagonal * back, center), diagonal, size)
