"""The world's frame: which way is up, where the floor is, and how large the object is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera

_TRIALS = 500
_THICKNESS = (
    0.01  # of the median distance from the cameras: how far points of a floor may be off it
)
_LEAST_POINTS = 40
_LEAST_SHARE = 0.25  # of the candidates, on the plane
_REFINEMENTS = 5
_QUARTER_TURN = (
    2.0  # times as spread must the vertical axes of images be, to be taken for level ones
)
_CLEAR = 0.3  # cosine
_SAME_SIDE = 0.9  # share of the cameras above the floor
_CORE = (2, 98)  # percentiles of the object's points: some points are always far off
_ON_OBJECT = 0.9  # of the masks that must hold a point of the object
_ON_FLOOR = (
    0.3  # of the masks that may hold a point of the floor: it lies behind the object in some
)
_HEIGHT = 0.02  # of the cameras' distance: points lower belong to the floor
_INNER = 0.6  # of the cameras' distance: points farther from their middle stand around the object


@dataclass(frozen=True)
class WorldFrame:
    """A similarity from the solver's space to the world: first ``rigid``, then a scale.

    rigid: (4, 4) rotation and offset.
    factor: the scale.
    floor_found: whether z = 0 is a plane of points.
    """

    rigid: NDArray[np.float64]
    factor: float
    floor_found: bool

    def apply(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return ``points`` (P, 3) of the solver's space in the world."""
        moved: NDArray[np.float64] = points @ self.rigid[:3, :3].T + self.rigid[:3, 3]
        return moved * self.factor


def find_world_frame(
    cameras: list[Camera], points: NDArray[np.float64], on_object: NDArray[np.floating[Any]]
) -> WorldFrame:
    """Return the frame in which the object stands on z = 0 at the origin.

    The first camera sees it from -Y.

    Args:
        cameras: perspective, in the solver's space.
        points: (P, 3) in the solver's space.
        on_object: (P,) share of the masks that hold the point: 1 of the object, 0 not, NaN unknown.
    """
    places = np.array([camera.to_world[:3, 3] for camera in cameras])
    middle = np.median(points, axis=0)
    distance = float(np.median(np.linalg.norm(places - middle, axis=1)))
    candidates = points[~(on_object > _ON_FLOOR)]
    plane = fit_floor(candidates, places, _THICKNESS * distance)

    # Up and the object, whose points give the place and the size.
    floor_found = plane is not None
    up = upright_direction(cameras) if plane is None else plane[0]
    heights = points @ up - (0.0 if plane is None else plane[1])
    middle_offset = points - looked_at_point(cameras)
    is_inner = np.linalg.norm(middle_offset, axis=1) < _INNER * distance
    is_standing = floor_found & is_inner & (heights > _HEIGHT * distance)
    core = _object_points(points, on_object, is_standing)
    low, high = np.percentile(core @ up, _CORE)
    bottom = float(low) if plane is None else plane[1]
    center, longest = _level_box(core, _upright_axes(up, places[0] - core.mean(0)))

    # The first camera is in front of the middle of the object.
    turn = _upright_axes(up, places[0] - center)
    rigid = np.eye(4)
    rigid[:3, :3] = turn
    rigid[:3, 3] = -turn @ center
    rigid[2, 3] = -bottom
    size = max(longest, float(high) - bottom, 1e-9 * distance)

    return WorldFrame(rigid, 1 / size, floor_found)


def fit_floor(
    points: NDArray[np.float64], places: NDArray[np.float64], thickness: float
) -> tuple[NDArray[np.float64], float] | None:
    """Find the plane that most points lie on, with nearly all cameras on one side, by RANSAC.

    Args:
        points: (P, 3) candidates, not of the object where that is known.
        places: (N, 3) positions of the cameras.
        thickness: how far points of the floor may be off the plane.

    Returns:
        The unit normal (3,) towards the cameras and the offset, normal @ point; None if there is
        no such plane.
    """
    if len(points) < _LEAST_POINTS:
        return None

    # Planes through three points each; the one that most points are near wins.
    generator = np.random.default_rng(0)
    best = np.zeros(len(points), bool)
    for _ in range(_TRIALS):
        plane = _plane_through(points[generator.choice(len(points), 3, replace=False)], places)
        if plane is not None:
            near = np.abs(points @ plane[0] - plane[1]) < thickness
            if near.sum() > best.sum():
                best = near

    if best.sum() < max(_LEAST_POINTS, _LEAST_SHARE * len(points)):
        return None

    # Least squares through the inliers, which are chosen anew each time.
    for _ in range(_REFINEMENTS):
        center = points[best].mean(0)
        normal = np.linalg.svd(points[best] - center, full_matrices=False)[2][2]
        offset = float(normal @ center)
        spread = np.median(np.abs(points[best] @ normal - offset))
        best = np.abs(points @ normal - offset) < min(thickness, max(4 * spread, thickness / 10))

    if (places @ normal < offset).mean() > 0.5:
        return -normal, -offset
    return normal, offset


def _plane_through(
    corners: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float] | None:
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    length = np.linalg.norm(normal)
    if length < 1e-12:
        return None
    normal = normal / length
    offset = float(normal @ corners[0])
    above = float((places @ normal > offset).mean())

    return (normal, offset) if max(above, 1 - above) >= _SAME_SIDE else None


def upright_direction(cameras: list[Camera]) -> NDArray[np.float64]:
    """Return the direction (3,) that is up, if photographs are level or all turned by a quarter.

    The level axis of images is perpendicular to up in each of them. It is the one that points in
    many directions as the camera goes around; the other one is always near up or down. Photographs
    may be upside down.
    """
    axes = np.array([camera.to_world[:3, :3] for camera in cameras])
    spreads = [np.linalg.eigh(axes[:, :, axis].T @ axes[:, :, axis]) for axis in (0, 1)]
    turned = spreads[1][0][1] > _QUARTER_TURN * spreads[0][0][1]
    up: NDArray[np.float64] = spreads[1 if turned else 0][1][:, 0]

    # Up is where most images have it; if that is not clear, cameras look down.
    agreement = float((axes[:, :, 1] @ up).mean())
    if turned or abs(agreement) < _CLEAR:
        agreement = float((axes[:, :, 2] @ up).mean())
    return up if agreement >= 0 else -up


def looked_at_point(cameras: list[Camera]) -> NDArray[np.float64]:
    """Return the point (3,) nearest to the optical axes of all cameras, by least squares."""
    origins = np.array([camera.to_world[:3, 3] for camera in cameras])
    directions = np.array([camera.to_world[:3, 2] for camera in cameras])
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    right = (across @ origins[:, :, None]).sum(0)[:, 0]
    point: NDArray[np.float64] = np.linalg.lstsq(across.sum(0), right, rcond=None)[0]
    return point


def _object_points(
    points: NDArray[np.float64],
    on_object: NDArray[np.floating[Any]],
    is_standing: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the points (K, 3) of the object: by masks, else what is above the floor, else all."""
    for chosen in (on_object > _ON_OBJECT, is_standing):
        if chosen.sum() >= 10:
            return points[chosen]
    return points


def _level_box(
    points: NDArray[np.float64], axes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the middle (3,) and the longer side of the smallest box around points from above.

    Args:
        points: (K, 3).
        axes: (3, 3), rows are the axes of space, of which the last is up.
    """
    level = points @ axes.T
    # The box of the least area among turns about up.
    best = (np.inf, np.zeros(3), 0.0)
    for angle in np.radians(np.arange(0, 90, 2)):
        across = np.array((np.cos(angle), np.sin(angle)))
        sides = np.stack((across, (-across[1], across[0])))
        low, high = np.percentile(level[:, :2] @ sides.T, _CORE, axis=0)
        area = float(np.prod(high - low))
        if area < best[0]:
            middle = np.append((low + high) / 2 @ sides, np.median(level[:, 2]))
            best = (area, middle @ axes, float((high - low).max()))

    return best[1], best[2]


def _upright_axes(up: NDArray[np.float64], back: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation (3, 3) that takes ``up`` to +Z and the level part of ``back`` to -Y."""
    level = back - (back @ up) * up
    length = np.linalg.norm(level)
    if length < 1e-9:
        level = np.cross(up, (1.0, 0.0, 0.0) if abs(up[0]) < 0.9 else (0.0, 1.0, 0.0))
        length = np.linalg.norm(level)
    y_axis = -level / length
    return np.stack((np.cross(y_axis, up), y_axis, up))
