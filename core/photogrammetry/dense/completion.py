r"""Depth where nothing has pattern: continued from the measured depth around, along like colors.

A white seat between two seams has depth at its seams alone. Inverse depth is linear in the image
on a plane, so that the smoothest inverse depth between the seams is the seat:

      1/depth     measured   ____----+
                 +----____---         \         Values spread between pixels of like color
                 |  continued          \        alone: not from the arm rest in front to
      -----------+----------------------+--     the seat behind it.
              seam       seat         seam

What is continued is a guess, which other photographs must confirm by their own (``consistency``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...cameras import Camera
from ...jobs.task import Progress, Task, subtask
from .consistency import check_depths
from .records import DenseView, DepthMap

_COLOR_SIGMA = 0.08  # mean difference of colors at which neighbors are alike by 1/e only
_LEAST_WEIGHT = 1e-4  # between neighbors, so that values reach all pixels
_ROUNDS = (100, 60, 30, 10)  # of smoothing on each level, the coarsest first; each halves the next
_RIM = 2  # pixels, to which masks are exact
_FIRMNESS = 4.0  # weight of a measured value against those of its neighbors


@dataclass(frozen=True)
class _Level:
    """Images of one view at one size.

    Attributes:
        color: (3, H, W).
        mask: (1, H, W) share of the object.
        known: (1, H, W) share of the pixels with depth.
        inverse: (1, H, W) sum of their inverse depths, divided like ``known``.
    """

    color: torch.Tensor
    mask: torch.Tensor
    known: torch.Tensor
    inverse: torch.Tensor

    def halved(self) -> _Level:
        """Return the level with half as many pixels a side."""
        return _Level(
            color=functional.avg_pool2d(self.color, 2),
            mask=functional.avg_pool2d(self.mask, 2),
            known=functional.avg_pool2d(self.known, 2),
            inverse=functional.avg_pool2d(self.inverse, 2),
        )


def fill_depths(views: list[DenseView], maps: list[DepthMap], size: float) -> Task[list[DepthMap]]:
    """Fill pixels without depth by what is continued from around, where other views confirm it.

    Args:
        views: As measured.
        maps: Their checked depth maps.
        size: Longest side of the object, world units.

    Returns:
        The depth maps with more pixels; those of ``maps`` are unchanged.
    """
    completed = []
    for index, (view, depths) in enumerate(zip(views, maps, strict=True)):
        yield Progress(0.3 * index / len(views), f"Filling depths {index + 1}/{len(views)}")
        completed.append(_complete(view, depths))
    no_costs = [np.zeros_like(depths.depth) for depths in maps]
    checking = check_depths(views, completed, no_costs, size)
    confirmed = yield from subtask(checking, 0.3, 1.0)

    return [_fill(*pair) for pair in zip(maps, confirmed, strict=True)]


def _fill(measured: DepthMap, confirmed: DepthMap) -> DepthMap:
    """Return ``measured`` with the other's values where it has none."""
    missing = measured.confidence == 0
    return DepthMap(
        depth=np.where(missing, confirmed.depth, measured.depth),
        normal=np.where(missing[..., None], confirmed.normal, measured.normal),
        confidence=np.where(missing, confirmed.confidence, measured.confidence),
    )


def _complete(view: DenseView, depths: DepthMap) -> DepthMap:
    """Return a depth map with depth in all of the mask but its rim; what is measured remains."""
    known = depths.confidence > 0
    if not known.any():
        return depths
    inverse = np.zeros(known.shape, np.float32)
    inverse[known] = 1 / depths.depth[known]
    levels = [
        _Level(
            color=torch.from_numpy(view.color).permute(2, 0, 1),
            mask=torch.from_numpy((view.mask > 0.5).astype(np.float32))[None],
            known=torch.from_numpy(known.astype(np.float32))[None],
            inverse=torch.from_numpy(inverse)[None],
        )
    ]
    for _ in range(len(_ROUNDS) - 1):
        levels.append(levels[-1].halved())

    # From the coarsest level to the finest, each of which begins with the last one's values.
    values = torch.full_like(levels[-1].inverse, float(inverse[known].mean()))
    for level, rounds in zip(reversed(levels), _ROUNDS, strict=True):
        size = level.inverse.shape[1:]
        values = functional.interpolate(values[None], size, mode="bilinear")[0]
        values = _smooth(values, level, rounds)

    # At the mask's edge there may be background, which must not be continued.
    sure = 1 - functional.max_pool2d(1 - levels[0].mask, 2 * _RIM + 1, 1, _RIM)
    filled = (sure[0].numpy() > 0) & ~known
    depth = np.where(filled, 1 / values[0].clamp_min(1e-9).numpy(), depths.depth)
    normal = np.where(filled[..., None], _normals(values[0], view.camera), depths.normal)

    return replace(depths, depth=depth.astype(np.float32), normal=normal.astype(np.float32))


def _smooth(values: torch.Tensor, level: _Level, rounds: int) -> torch.Tensor:
    """Return ``values`` (1, H, W) near the measured ones, and smooth between like colors."""
    to_right = _likeness(level, 2)
    to_below = _likeness(level, 1)
    total = _FIRMNESS * level.known + to_right + to_below
    total[:, :, 1:] += to_right[:, :, :-1]
    total[:, 1:] += to_below[:, :-1]
    total = total.clamp_min(1e-9)

    for _ in range(rounds):
        mean = _FIRMNESS * level.inverse
        mean = mean + to_right * values.roll(-1, 2) + to_below * values.roll(-1, 1)
        mean[:, :, 1:] += to_right[:, :, :-1] * values[:, :, :-1]
        mean[:, 1:] += to_below[:, :-1] * values[:, :-1]
        values = mean / total

    return values


def _likeness(level: _Level, axis: int) -> torch.Tensor:
    """Return how alike each pixel and the next one along ``axis`` are, 0 at the border."""
    difference = (level.color.roll(-1, axis) - level.color).abs().mean(0, keepdim=True)
    likeness = torch.exp(-difference / _COLOR_SIGMA) + _LEAST_WEIGHT
    likeness = likeness * level.mask * level.mask.roll(-1, axis)
    likeness.narrow(axis, likeness.shape[axis] - 1, 1).zero_()
    return likeness


def _normals(inverse: torch.Tensor, camera: Camera) -> NDArray[np.float32]:
    """Return the unit normals (H, W, 3) in world space of an image of inverse depth."""
    along_v, along_u = torch.gradient(inverse)
    height, width = inverse.shape
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    linear = torch.stack((along_u, along_v, inverse - along_u * u - along_v * v), 2)
    to_world = camera.to_world[:3, :3] @ np.diag((1.0, -1.0, -1.0))
    matrix = torch.from_numpy(to_world @ camera.intrinsics.T).float()
    normals: NDArray[np.float32] = -functional.normalize(linear @ matrix.T, dim=2).numpy()

    return normals
