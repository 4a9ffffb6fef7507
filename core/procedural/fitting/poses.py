"""How a procedural object is turned, stretched and moved to where the target is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Pose:
    """Stretched along its own axes, then turned about Z, then leaned, then moved.

    Attributes:
        yaw: Radians, counter-clockwise seen from above.
        scale: (3,) along the object's axes.
        offset: (3,) where its origin goes.
        lean: Radians about X and about Y: by how much the frame of the target is not upright.
    """

    yaw: float
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    lean: tuple[float, float] = (0.0, 0.0)

    def apply(self, points: Floats) -> NDArray[np.float64]:
        """Return points (P, 3) of the object in the frame of the target."""
        turn = leaning(self.lean) @ rotation(self.yaw)
        placed: NDArray[np.float64] = (points * self.scale) @ turn.T + self.offset
        return placed


def rotation(yaw: float) -> NDArray[np.float64]:
    """Return the rotation (3, 3) about Z by ``yaw`` radians."""
    cosine = np.cos(yaw)
    sine = np.sin(yaw)
    return np.array(((cosine, -sine, 0.0), (sine, cosine, 0.0), (0.0, 0.0, 1.0)))


def leaning(lean: tuple[float, float]) -> NDArray[np.float64]:
    """Return the rotation (3, 3) about X and then about Y, radians."""
    about_x = rotation(lean[0])[np.ix_((2, 0, 1), (2, 0, 1))]
    about_y = rotation(lean[1])[np.ix_((1, 2, 0), (1, 2, 0))]
    turn: NDArray[np.float64] = about_y @ about_x
    return turn


def turned_bounds(points: Floats, yaw: float) -> NDArray[np.float64]:
    """Return the bounds (2, 3) of points (P, 3) along the axes of an object turned by ``yaw``."""
    turned = points @ rotation(yaw)
    return np.stack((turned.min(0), turned.max(0)))


def fill_bounds(bounds: Floats, target_bounds: Floats, yaw: float) -> Pose:
    """Return the pose in which the box of an object is that of the target.

    Args:
        bounds: (2, 3) of the object in its own frame.
        target_bounds: (2, 3) from :func:`turned_bounds`.
        yaw: Of the object, radians.
    """
    length = np.maximum(bounds[1] - bounds[0], 1e-6)
    scale = np.maximum(target_bounds[1] - target_bounds[0], 1e-6) / length
    center = bounds.mean(0)
    target_center = target_bounds.mean(0)
    offset = rotation(yaw) @ (target_center - scale * center)
    return Pose(yaw, scale, offset)


def stretch(scale: Floats) -> float:
    """Return how far an object is distorted: the logarithm of its largest by its least scale."""
    return float(np.log(scale.max() / scale.min()))
