"""Rays of a picture's pixels: where behind each something is likeliest, and maps of how much to raise them there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..networks.projection import unproject_points

MAP = 64  # pixels along each side of the maps of rays
TIMES = 2  # places that a ray may be raised at, apart in the hull, as two legs of a table behind each other are
_DEPTHS = 48  # points along a ray
_REACH = 0.65  # of a ray before and behind the origin; in an upright frame it runs askew
REACHED = 0.3  # the logit that a pixel's ray is brought to
_MOST = 4.0  # the most that a ray is raised: a mask may be wrong
_ALIKE = 1.5  # in logits: by how much less likely the second may be
_FAR = 1e3  # a logit that is none
_THIN = 3  # points of a ray: so short are the ways through the hull of what may be twice there
_SHARPNESS = 0.2  # in logits: how much likelier a depth must be to outweigh the others


@dataclass(frozen=True)
class PixelRays:
    """Rays of the pixels ``rows`` (R,), ``columns`` (R,) of a map, from ``near`` (R, 3) to ``far`` (R, 3)."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    near: NDArray[np.floating]
    far: NDArray[np.floating]

    @classmethod
    def through_pixels(cls, matrix: NDArray[np.floating], covered: NDArray[np.bool_]) -> PixelRays:
        """Those of the pixels that are ``covered`` (64, 64), of the camera ``matrix``, see ``projection``."""
        rows, columns = np.nonzero(covered)
        where = (np.stack((columns, rows), 1) + 0.5) / MAP * 2 - 1
        near, far = (
            unproject_points(matrix, where, np.full(len(rows), depth))
            for depth in (-_REACH, _REACH)
        )
        return cls(rows, columns, near, far)

    def select_rays(self, wanted: NDArray[np.bool_]) -> PixelRays:
        return PixelRays(
            self.rows[wanted], self.columns[wanted], self.near[wanted], self.far[wanted]
        )

    def sample_points(self) -> NDArray[np.float32]:
        """(48, R, 3) evenly along them."""
        along = np.linspace(0, 1, _DEPTHS)[:, None, None]
        return (self.near + (self.far - self.near) * along).astype(np.float32)

    def points_at_depth(self, depth: NDArray[np.floating]) -> NDArray[np.floating]:
        """Their points (R, 3) at ``depth`` (R,)."""
        return self.near + (self.far - self.near) * ((depth + _REACH) / (2 * _REACH))[:, None]


def _segment_index(within: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which time, from 1 on, each ray is ``within`` (D, R), or was last."""
    return np.cumsum(np.diff(within.astype(np.int8), axis=0, prepend=0) > 0, axis=0)


def thin_rays(within: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rays (R,) that are ``within`` (D, R) for but a short way each time."""
    return within.sum(0) <= _THIN * _segment_index(within)[-1]


def most_likely_hits(
    found: NDArray[np.float32], within: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much to raise each ray, and at what depth: (2, R) each, the second in another stretch of the ray.

    That is the first once more if nothing else is as likely. In order of depth, as their neighbours' are, since what
    lies between two rays has a share of both.

    Args:
        found: (D, R) logits of the points of rays, of those ``within`` (D, R).
    """
    stretch = _segment_index(within)
    ray = np.arange(found.shape[1])
    depths = np.linspace(-_REACH, _REACH, _DEPTHS)
    rest = np.where(within, found, -np.inf).astype(np.float32)
    least = np.minimum(rest.max(0), REACHED) - _ALIKE
    most, at = np.zeros((2, TIMES, len(ray)), np.float32)
    for time in range(TIMES):
        best = rest.max(0)
        own = within & (stretch == stretch[rest.argmax(0), ray])
        likely = np.exp((np.where(own, rest, -_FAR) - best.clip(-_FAR)) / _SHARPNESS)
        depth = (likely * depths[:, None]).sum(0) / likely.sum(0).clip(
            1e-9
        )  # not all have a second place
        there = rest[np.abs(depths[:, None] - depth).argmin(0), ray]
        lift = (REACHED - there).clip(0, _MOST) * (best < REACHED)
        most[time], at[time] = np.where(best > least, (lift, depth), (most[0], at[0]))
        rest[own] = -np.inf
    order = at.argsort(0)
    return np.take_along_axis(most, order, 0), np.take_along_axis(at, order, 0)


def boost_map(
    rays: PixelRays, most: NDArray[np.float32], depth: NDArray[np.float32], kept: NDArray[np.bool_]
) -> Tensor:
    """The map (2, 64, 64) of ``rays`` that are raised by ``most`` (R,) at ``depth`` (R,).

    It goes on for a pixel around, but in pixels that are ``kept`` (64, 64).
    """
    raised = torch.zeros(2, MAP, MAP)
    known = torch.from_numpy(kept.copy())
    raised[:, rays.rows, rays.columns] = torch.from_numpy(np.stack((most, most * depth)))
    known[rays.rows, rays.columns] = True
    total = F.avg_pool2d(raised[None], 3, 1, 1)[0]
    spread = F.max_pool2d(raised[None, :1], 3, 1, 1)[0, 0]
    depth_there = torch.where(
        raised[0] > 0, raised[1] / raised[0], total[1] / total[0].clamp(min=1e-6)
    )
    return torch.stack((torch.where(known, raised[0], spread), depth_there))
