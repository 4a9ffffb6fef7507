"""The frame in which the dense network sees a view: its window, and where up, away and depth are.

The object may be stretched along its own axes. A camera that sees it then has sheared pixels and
looks past it; a homography of the picture makes of that what a true camera would have taken that
looks straight at the object, as reconstruction takes the camera of a free image to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inference.preprocessing import WINDOW_UNITS

Array = NDArray[np.float64]

_AIMS = 4  # steps of aiming a camera at the middle of what it shows, which moves as it turns


@dataclass(frozen=True)
class ViewFrame:
    """How a view of an object is brought before the network.

    Attributes:
        to_stored: (3, 3) homography from points of the network's image, in -1..1, to those of the
            picture as it is stored.
        depth: (4,) of homogeneous points of the object's frame, before it is stretched: the depth
            in the network's unit, 0 at the object's origin.
        directions: (3, 3) from vectors of the stretched object's frame to (right, away, up).
        stretch: (3,) factors along the object's axes.
        scale: network's units in a unit of the stretched object.
        middle: (3,) the origin of the network's frame, in that of the stretched object.
        field_of_view: over the window, radians; 0 of an orthographic camera.
    """

    to_stored: Array
    depth: Array
    directions: Array
    stretch: Array
    scale: float
    middle: Array
    field_of_view: float

    def stored(self, ndc: Array) -> Array:
        """Return where points (P, 2) of the network's image are in the stored picture."""
        return _mapped(self.to_stored, ndc)

    def seen(self, stored: Array) -> Array:
        """Return where points (P, 2) of the stored picture are in the network's image."""
        return _mapped(np.linalg.inv(self.to_stored), stored)

    def normals(self, normals: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return normals (P, 3) of the object as those of the stretched one, in its own frame."""
        turned = normals / self.stretch
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (turned / np.maximum(length, 1e-9)).astype(np.float32)
        return unit


@dataclass(frozen=True)
class Window:
    """Which part of the picture the network sees.

    Attributes:
        whole_object: show the object's longest side around its origin, as among several sides,
            instead of what is visible of it around the middle of that.
        room: longest visible side in the frame, 1 or less; not of ``whole_object``.
        mirror: whether the image is mirrored.
    """

    whole_object: bool = False
    room: float = 1.0
    mirror: bool = False


@dataclass(frozen=True)
class _Aimed:
    """A camera with square pixels and a focal length of 1, which sees the stretched object.

    Attributes:
        axes: (3, 3) rows right, down and away, of unit length.
        center: (3,) where it is, None of an orthographic one.
        to_stored: (3, 3) homography from its image to the picture as it is stored.
    """

    axes: Array
    center: Array | None
    to_stored: Array

    def image(self, stored: Array) -> Array:
        """Return where points (P, 2) of the stored picture are in its image."""
        return _mapped(np.linalg.inv(self.to_stored), stored)

    @property
    def distance(self) -> float:
        """Depth of the object's origin; 1 of an orthographic camera, whose image has its unit."""
        return 1.0 if self.center is None else float(-self.axes[2] @ self.center)

    def point(self, image: Array) -> Array:
        """Return the point (3,) at the depth of the object's origin that ``image`` (2,) shows."""
        lateral: Array = image @ self.axes[:2]
        if self.center is None:
            return lateral
        ray = lateral + self.axes[2]
        point: Array = self.center + self.distance * ray
        return point


def frame_view(
    camera: NDArray[np.floating[Any]], stretch: Array, shown: Array, half: Array, window: Window
) -> ViewFrame:
    """Return the frame of a view.

    Args:
        camera: (5, 4) of ``projection``, for the object's frame.
        stretch: (3,) factors along the object's axes.
        shown: (P, 2) points of the stored picture, in -1..1, whose bounds are the object's.
        half: (3,) half the object's extent, before it is stretched.
        window: what of the picture the network sees.
    """
    aimed = _aimed(camera, stretch, shown)
    points = aimed.image(shown)
    unit = 1 / aimed.distance  # of its image, for one of the object
    low = points.min(axis=0)
    high = points.max(axis=0)
    middle = (low + high) / 2
    longest_visible = float((high - low).max())
    size = WINDOW_UNITS * longest_visible / window.room

    if window.whole_object:
        middle = _origin_in_image(aimed)
        longest_half = float((half * stretch).max())
        size = WINDOW_UNITS * 2 * longest_half * unit

    # Chain the network's image to that of the aimed camera, and that to the stored image.
    flip = -1.0 if window.mirror else 1.0
    to_window = np.diag((flip * size / 2, size / 2, 1.0))
    to_window[:2, 2] = middle

    # The origin has depth 0, hence the 0 in the last place of `depth`.
    right, down, away = aimed.axes
    scale = WINDOW_UNITS * unit / size
    depth_row = scale * away * stretch
    field_of_view = 0.0
    if aimed.center is not None:
        field_of_view = 2 * float(np.arctan(size / 2))

    return ViewFrame(
        to_stored=aimed.to_stored @ to_window,
        depth=np.append(depth_row, 0.0),
        directions=np.stack((flip * right, away, -down)),
        stretch=stretch,
        scale=scale,
        middle=aimed.point(middle),
        field_of_view=field_of_view,
    )


def _origin_in_image(aimed: _Aimed) -> Array:
    """Return where the object's origin is in the image of ``aimed``: (2,)."""
    if aimed.center is None:
        return np.zeros(2)
    local: Array = -aimed.axes @ aimed.center
    pixel: Array = local[:2] / local[2]
    return pixel


def _aimed(camera: NDArray[np.floating[Any]], stretch: Array, shown: Array) -> _Aimed:
    """Return a true camera that sees the stretched object and looks at its middle."""
    rows = camera[:3, :3].astype(float) / stretch
    offset = camera[:3, 3].astype(float)
    if not camera[4, 3]:
        return _aimed_orthographic(rows[:2], offset[:2])
    inverse = np.linalg.inv(rows)
    center = -inverse @ offset

    # Turn it until the middle of what it shows is straight ahead. It starts as the stored camera
    # looks; the middle moves with each turn, so this takes several steps.
    axes = _axes(rows[2], rows[1])
    aimed = _Aimed(axes, center, rows @ axes.T)
    for _ in range(_AIMS):
        points = aimed.image(shown)
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        toward_middle = middle @ axes[:2] + axes[2]
        axes = _axes(toward_middle, axes[1])
        aimed = _Aimed(axes, center, rows @ axes.T)

    return aimed


def _aimed_orthographic(rows: Array, offset: Array) -> _Aimed:
    """Return the orthographic camera along the same rays, whose pixels are not sheared."""
    down = rows[1] / np.linalg.norm(rows[1])
    away = np.cross(rows[0], rows[1])
    axes = _axes(away, down)
    to_stored = np.eye(3)
    to_stored[:2, :2] = rows @ axes[:2].T
    to_stored[:2, 2] = offset
    return _Aimed(axes, None, to_stored)


def _axes(away: Array, down: Array) -> Array:
    """Return unit axes (3, 3) right, down and away: ``away`` as it is, ``down`` about so."""
    away = away / np.linalg.norm(away)
    along_away = (down @ away) * away
    down = down - along_away
    down = down / np.linalg.norm(down)
    return np.stack((np.cross(down, away), down, away))


def _mapped(homography: Array, points: Array) -> Array:
    """Return ``points`` (P, 2) after ``homography`` (3, 3)."""
    moved: Array = points @ homography[:, :2].T + homography[:, 2]
    return moved[:, :2] / moved[:, 2:]
