"""Which cameras see an object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera, look_at, orthographic, perspective, side

SHEET_SCALE = 1.1  # an orthographic side shows this many longest sides of the object


def sides(names: Sequence[str], low: NDArray[np.float64], high: NDArray[np.float64], size: int) -> list[Camera]:
    """Orthographic cameras of ``names`` (of ``cameras.SIDES``), all at one scale, aimed at the box's centre.

    Args:
        low, high: (3,) corners of the object's bounding box, metres. size: of the picture, pixels.
    """
    longest = float((high - low).max())
    move = np.eye(4)
    move[:3, 3] = (low + high) / 2
    return [side(name, SHEET_SCALE, size).scaled(longest).moved(move) for name in names]


def free(vertices: NDArray[np.floating], size: int, rng: np.random.Generator) -> Camera:
    """A camera as a person would hold it: a little above the horizon, the object filling most of the picture.

    Elevation N(18, 15) degrees within -10..75, any azimuth, roll N(0, 2); three in ten are orthographic, the
    others see 10 to 65 degrees; the object fills 75 to 95 % of the picture.

    Args:
        vertices: (V, 3) of the object, metres. size: of the square picture, pixels.
    """
    low, high = vertices.min(0).astype(float), vertices.max(0).astype(float)
    centre, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    elevation = np.radians(np.clip(rng.normal(18, 15), -10, 75))
    azimuth, roll = rng.uniform(0, 2 * np.pi), np.radians(rng.normal(0, 2))
    back = np.array((np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)))
    flat, angle, fill = rng.random() < 0.3, np.radians(rng.uniform(10, 65)), rng.uniform(0.75, 0.95)
    distance = 4 * radius if flat else 1.05 * radius / np.sin(angle / 2)
    pose = look_at(centre + distance * back, centre) @ _roll(roll)
    camera = orthographic(pose, 2 * radius, size) if flat else perspective(pose, angle, size)
    return _framed(camera, vertices, fill)


def _framed(camera: Camera, vertices: NDArray[np.floating], fill: float) -> Camera:
    """``camera`` with its focal length changed and its picture shifted so that the object fills and centres it."""
    pixels, _ = camera.project(vertices)
    low, high = pixels.min(0), pixels.max(0)
    zoom = fill * camera.width / float((high - low).max())
    window = camera.width / zoom
    centre = (low + high) / 2
    return camera.cropped(*(centre - window / 2), camera.width, camera.height).zoomed(zoom)  # type: ignore[misc]


def _roll(angle: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:2, :2] = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
    return matrix
