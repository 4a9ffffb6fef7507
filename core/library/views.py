"""The twelve views of an asset: its six sides, and six from all around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import SIDES, Camera
from ..synthesis.camera_rigs import Rig
from ..synthesis.camera_sampling import rig_camera, side_cameras

SIZE = 128  # pixels of the square images, as the embedding's network sees them
THUMBNAIL_VIEW = 6  # the first from around: from the right front, a little above

# Azimuth and elevation of the views from around, degrees; azimuth 0 is the front, 90 the right.
# Together with the sides they are at most 30 degrees apart. Their elevations alternate, because
# photographs are taken from eye level as well as from above.
_AROUND = ((30, 20), (90, 40), (150, 20), (210, 40), (270, 20), (330, 40))
_RIG = Rig("orbit", angle=(30.0, 30.0), fill=(0.9, 0.9))  # a lens of 67 mm, a margin of 5 %
_LEVEL = 1e-3  # horizontal part of a unit direction below which it is straight up or down


def view_cameras(vertices: NDArray[np.floating[Any]], size: int = SIZE) -> list[Camera]:
    """Return the cameras of the twelve views, in the order of :func:`view_directions`.

    Args:
        vertices: (V, 3) of the asset, meters.
        size: Of the square images, pixels.
    """
    # First the six sides.
    low = vertices.min(axis=0).astype(float)
    high = vertices.max(axis=0).astype(float)
    cameras = side_cameras(tuple(SIDES), low, high, size)

    # Nothing of this rig is drawn at random.
    rig = _RIG.with_defaults()
    rng = np.random.default_rng(0)
    for azimuth, elevation in _AROUND:
        camera, _ = rig_camera(rig, vertices, elevation, azimuth, size, rng)
        cameras.append(camera)
    return cameras


def view_directions() -> NDArray[np.float32]:
    """Return the unit vectors (12, 3) from an asset to its viewers, in the asset's frame."""
    directions = [direction for direction, _ in SIDES.values()]
    for azimuth, elevation in _AROUND:
        turn = np.radians(azimuth)
        rise = np.radians(elevation)
        level = np.cos(rise)  # length of its horizontal part
        x = np.sin(turn) * level
        y = -np.cos(turn) * level
        directions.append((x, y, np.sin(rise)))

    return np.array(directions, np.float32)


def turn_to_front(direction: NDArray[np.floating[Any]]) -> float:
    """Return the rotation about Z, radians, that turns a direction to the front (-Y).

    An asset turned so looks from the front as it does from that direction.

    Args:
        direction: (3,) from the asset to its viewer. From straight above or below nothing turns.
    """
    x = float(direction[0])
    y = float(direction[1])
    if np.hypot(x, y) < _LEVEL:
        return 0.0
    azimuth = np.arctan2(x, -y)
    return float(-azimuth)
