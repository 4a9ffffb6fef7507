"""Images of one object from several directions."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera, look_at, orthographic_camera
from ..importing import mesh_import
from .lighting import LightSettings
from .studio import render_studio

# Azimuth from the front about Z, and elevation above the horizon, degrees: the front, the right,
# the back, and from above the right front.
FOUR_SIDES = ((0, 0), (90, 0), (180, 0), (35, 25))
_LIGHT = LightSettings(level=0.75, sun=1.5, sun_tilt=0.7, sun_turn=0.6)
_DISTANCE = 2  # of the camera from the center, in diagonals of the bounding box


def render_thumbnails(
    obj: bpy.types.Object,
    size: int,
    directions: Sequence[tuple[float, float]] = FOUR_SIDES,
    samples: int = 16,
) -> list[NDArray[np.float32]]:
    """Render ``obj`` from several directions.

    Args:
        obj: To render.
        size: Of the square images, pixels.
        directions: Azimuth and elevation in degrees; (90, 0) is the object's right, from +X.
        samples: Of Cycles a pixel.

    Returns:
        An image (size, size, 4) in 0..1 for each direction, sRGB with straight alpha.
    """
    vertices = mesh_import.world_triangles([obj]).vertices
    low = vertices.min(0).astype(float)
    high = vertices.max(0).astype(float)

    # The diagonal of the bounding box fits into the image from any direction.
    center = (low + high) / 2
    diagonal = float(np.linalg.norm(high - low))

    # One studio for all directions.
    images = []
    with render_studio(samples) as stage:
        stage.set_objects([obj])
        stage.set_light(_LIGHT)
        for azimuth, elevation in directions:
            direction = _viewer_direction(azimuth, elevation)
            camera = _thumbnail_camera(center, diagonal, direction, size)
            view = stage.render_view("portrait", camera)
            images.append(view.colour.astype(np.float32) / 255)

    return images


def _viewer_direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Return the unit vector (3,) from an object to its viewer; angles in degrees."""
    a = np.radians(azimuth)
    e = np.radians(elevation)
    return np.array((np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)))


def _thumbnail_camera(
    center: NDArray[np.float64], diagonal: float, direction: NDArray[np.float64], size: int
) -> Camera:
    """Return an orthographic camera that shows ``diagonal`` meters around ``center`` (3,)."""
    eye = center + _DISTANCE * diagonal * direction
    return orthographic_camera(look_at(eye, center), diagonal, size)
