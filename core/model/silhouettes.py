"""Makes the network's field agree with the pictures' masks, both ways.

Outside of any mask there is nothing (the visual hull, Laurentini 1994), and behind every pixel of a mask there is
something: where the network is too unsure to put anything on a pixel's ray, the ray's likeliest place is taken, or
two that are apart in the hull and about as likely.

Between the two, of several pictures, the less sure the network is of an object as a whole, the more of what it only
half believes in counts as inside: see :func:`best_level`. What one picture leaves open is no matter of single points
but of whole depths, for which that does not hold; its level is the network's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..work import Progress, Work
from .network import BOUND, Features, ReconstructionNetwork
from .projection import place, sample, unproject

CHUNK = 16384  # points at once: a step stays well under 0.3 s
_EDGE = 0.5  # of a mask's cover, where the hull ends
_SURVEY = 48  # cells along each side of the first look
_MAP = 64  # pixels along each side of the maps of rays
_DEPTHS = 48  # points along a ray
_REACH = 0.65  # of a ray before and behind the origin; in an upright frame it runs askew
_REACHED = 0.3  # the logit that a pixel's ray is brought to
_MOST = 4.0  # the most that a ray is raised: a mask may be wrong
_THICKNESS = 0.06  # before and behind, of what a ray is raised for
_STRETCH = 4.0
_TIMES = 2  # places that a ray may be raised at, apart in the hull, as two legs of a table behind each other are
_ALIKE = 1.5  # in logits: by how much less likely the second may be
_FAR = 1e3  # a logit that is none
_THIN = 3  # points of a ray: so short are the ways through the hull of what may be twice there
_SHARPNESS = 0.2  # in logits: how much likelier a depth must be to outweigh the others


def best_level(logits: NDArray[np.floating]) -> float:
    """The logit that counts as the surface, for the highest IoU to be expected from ``logits`` (P,) of even points.

    Of the points above a level the expected number that are inside, over that of all that are either (Nowozin 2014,
    doi:10.1109/CVPR.2014.77). With an IoU of a half, what is inside by one third is worth it.
    """
    if not len(logits):
        return 0.0
    falling = np.sort(logits)[::-1].astype(float)
    inside = np.cumsum(1 / (1 + np.exp(-falling)))
    best = (inside / (np.arange(1, len(falling) + 1) + inside[-1] - inside)).argmax()
    return float((falling[best] + np.append(falling, falling[-1] - 1)[best + 1]) / 2)


class SilhouetteField:
    """Occupancy logits that keep to the masks. Call :meth:`survey` once, then the field itself with points.

    seeds: (S, 3) points, within ``reach`` of which rays were raised: thin parts that a grid may miss.

    Args:
        masks: (1, N, 1, H, W), as fine as wanted, in the cameras of ``features``.
    """

    reach = BOUND / _MAP  # half a pixel

    def __init__(self, network: ReconstructionNetwork, features: Features, masks: Tensor) -> None:
        self._network, self._features, self._masks = network, features, _without_threads(masks)
        self.seeds: NDArray[np.floating] = np.empty((0, 3))
        self._level = float(network.level)
        # how much each pixel's ray is raised, and at what depth
        self._raised = torch.zeros(_TIMES, masks.shape[1], 2, _MAP, _MAP, device=masks.device)

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Values (P,) at ``points`` (P, 3); above 0 is inside.

        The surface between two points is sought in proportion to their values. So that it is not drawn into the object
        where a mask ends, the network's logits are stretched to the range of what a mask's edge gives.
        """
        return self._within(self._masks, points, _STRETCH)

    @torch.inference_mode()
    def _within(self, masks: Tensor, points: NDArray[np.floating], stretch: float = 1.0) -> NDArray[np.float32]:
        tensor = torch.from_numpy(np.ascontiguousarray(points, np.float32))[None].to(masks.device)
        where, depths = place(self._features.cameras, tensor)
        gate = 10 * (sample(masks, where)[0, ..., 0].amin(0) - _EDGE)
        near = (gate > -1).nonzero()[:, 0]
        if len(near):
            logits = self._network.occupancy(self._features, tensor[:, near])[0] - self._level
            most, depth = sample(self._raised, where[:, :, near].expand(_TIMES, -1, -1, -1)).unbind(-1)
            apart = (depths[0, :, near, 0] - depth) / _THICKNESS
            raised = most * (1 - apart**2).clamp(min=0)
            gate[near] = torch.minimum(stretch * (logits + raised.amax((0, 1))), gate[near])
        return gate.cpu().numpy()

    def probability(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """How likely (P,) ``points`` (P, 3) are inside: by the network behind all masks, nothing elsewhere."""
        return 1 / (1 + np.exp(-self._logits(points)))

    @torch.inference_mode()
    def _cover(self, masks: Tensor, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The least that ``masks`` cover of ``points`` (P, 3): (P,)."""
        where, _ = place(self._features.cameras, torch.from_numpy(points)[None].to(masks.device))
        return sample(masks, where)[0, ..., 0].amin(0).cpu().numpy()

    @torch.inference_mode()
    def _logits(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """What the network says of ``points`` (P, 3) behind all masks; minus infinity elsewhere."""
        tensor = torch.from_numpy(np.ascontiguousarray(points, np.float32))[None].to(self._masks.device)
        where, _ = place(self._features.cameras, tensor)
        logits = torch.full(tensor.shape[1:2], -torch.inf, device=tensor.device)
        behind = (sample(self._masks, where)[0, ..., 0].amin(0) > _EDGE).nonzero()[:, 0]
        if len(behind):
            logits[behind] = self._network.occupancy(self._features, tensor[:, behind])[0]
        return logits.cpu().numpy()

    def survey(self, most_cut: float = 1.0) -> Work[float]:
        """Look at the whole coarsely: find the level and, unless too much is cut off, raise the rays of pixels that
        nothing is behind.

        Returns:
            The share of the first mask's rays along which the solid leaves the volume.
        """
        line = ((np.arange(_SURVEY) + 0.5) / _SURVEY * 2 - 1) * BOUND
        grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
        logits = yield from _chunked(self._logits, grid)
        if self._masks.shape[1] > 1:
            self._level = best_level(logits[np.isfinite(logits)])
        values = logits - np.float32(self._level)
        cut = self._cut_share(grid, values)
        if cut <= most_cut:
            for view in range(self._masks.shape[1]):
                yield from self._raise(view, grid, values)
        return cut

    def _seen(self, view: int, points: NDArray[np.float32]) -> NDArray[np.int64]:
        """The pixel (P,) of the survey's map that ``points`` fall on in ``view``; -1 outside."""
        there = torch.from_numpy(points)[None].to(self._masks.device)
        where, _ = place(self._features.cameras[:, view : view + 1], there)
        at = np.floor((where[0, 0].cpu().numpy() + 1) / 2 * _SURVEY).astype(int)
        within = ((at >= 0) & (at < _SURVEY)).all(1)
        return np.where(within, at[:, 1] * _SURVEY + at[:, 0], -1)

    def _cut_share(self, grid: NDArray[np.float32], values: NDArray[np.float32]) -> float:
        pixel = self._seen(0, grid)
        solid = (values > 0) & (pixel >= 0)
        at_end = solid & (np.abs(grid).max(1) > BOUND - 2 * BOUND / _SURVEY)
        return len(np.unique(pixel[at_end])) / max(len(np.unique(pixel[solid])), 1)

    def _raise(self, view: int, grid: NDArray[np.float32], values: NDArray[np.float32]) -> Work[None]:
        pixel = self._seen(view, grid)
        best = np.full(_SURVEY**2 + 1, -np.inf, np.float32)
        np.maximum.at(best, pixel, values)
        reached = best[:-1].reshape(_SURVEY, _SURVEY) > 2 * _REACHED
        index = np.arange(_MAP) * _SURVEY // _MAP
        covered = F.adaptive_max_pool2d(self._masks[0, view], _MAP)[0].cpu().numpy() > 0.5
        rows, columns = np.nonzero(covered)
        if not len(rows):
            return
        matrix = self._features.cameras[0, view].cpu().numpy()
        where = (np.stack((columns, rows), 1) + 0.5) / _MAP * 2 - 1
        near, far = (unproject(matrix, where, np.full(len(rows), depth)) for depth in (-_REACH, _REACH))
        reach = self._masks.shape[-1] // _MAP  # what is between two pixels' middles, and two points of a ray, counts
        wide = F.max_pool2d(self._masks.flatten(0, 1), 2 * reach + 1, 1, reach).reshape(self._masks.shape)
        along = np.linspace(0, 1, _DEPTHS)[:, None, None]
        rays = (near + (far - near) * along).astype(np.float32)
        cover = yield from _chunked(lambda points: self._cover(wide, points), rays.reshape(-1, 3))
        within = (cover.reshape(_DEPTHS, -1) > _EDGE) & (np.abs(rays) <= BOUND).all(2)
        stretch = np.cumsum(np.diff(within.astype(np.int8), axis=0, prepend=0) > 0, axis=0)
        several = self._masks.shape[1] > 1
        thin = several & (within.sum(0) <= _THIN * stretch[-1])
        wanted = within.any(0) & (thin | ~reached[index[rows], index[columns]])
        rays, near, far = rays[:, wanted], near[wanted], far[wanted]
        within, stretch, rows, columns = (values[..., wanted] for values in (within, stretch, rows, columns))
        found = np.full(within.shape, -np.inf, np.float32)
        found[within] = yield from _chunked(lambda points: self._within(wide, points), rays[within])
        least = np.minimum(found.max(0), _REACHED) - _ALIKE
        depths = np.linspace(-_REACH, _REACH, _DEPTHS)
        ray = np.arange(len(rows))
        picks = np.zeros((_TIMES, 2, len(rows)), np.float32)  # how much and at what depth
        for time in range(_TIMES):
            best, own = found.max(0), stretch == stretch[found.argmax(0), ray]
            likely = np.exp((np.where(own & within, found, -_FAR) - best.clip(-_FAR)) / _SHARPNESS)
            depth = (likely * depths[:, None]).sum(0) / likely.sum(0).clip(1e-9)  # not all have a second place
            there = found[np.abs(depths[:, None] - depth).argmin(0), ray]
            most = (_REACHED - there).clip(0, _MOST) * (best < _REACHED)
            picks[time] = np.where(best > least, (most, depth), picks[0])
            found[own] = -np.inf
        for most, depth in picks:
            at = near + (far - near) * ((depth + _REACH) / (2 * _REACH))[:, None]
            if several:  # what one picture's rim asks for lies at a depth that nobody knows
                self.seeds = np.concatenate((self.seeds, at[most > 0]))
        order = picks[:, 1].argsort(0)  # as their neighbours', since what lies between two rays has a share of both
        for time in range(_TIMES):
            self._raised[time, view] = _around(rows, columns, *picks[order[time], :, ray].T, covered & (not several))


def _around(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    most: NDArray[np.float32],
    depth: NDArray[np.float32],
    kept: NDArray[np.bool_],
) -> Tensor:
    """The map (2, 64, 64) of rays that are raised by ``most`` (R,) at ``depth`` (R,).

    It goes on for a pixel around, but in pixels that are ``kept`` (64, 64).
    """
    raised, known = torch.zeros(2, _MAP, _MAP), torch.from_numpy(kept.copy())
    raised[:, rows, columns] = torch.from_numpy(np.stack((most, most * depth)))
    known[rows, columns] = True
    total = F.avg_pool2d(raised[None], 3, 1, 1)[0]
    spread = F.max_pool2d(raised[None, :1], 3, 1, 1)[0, 0]
    depth_there = torch.where(raised[0] > 0, raised[1] / raised[0], total[1] / total[0].clamp(min=1e-6))
    return torch.stack((torch.where(known, raised[0], spread), depth_there))


def _chunked(
    field: Callable[[NDArray[np.float32]], NDArray[np.float32]], points: NDArray[np.float32]
) -> Work[NDArray[np.float32]]:
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(points), CHUNK):
        yield Progress(start / len(points), "Looking")
        parts.append(field(points[start : start + CHUNK]))
    return np.concatenate(parts)


def _without_threads(masks: Tensor) -> Tensor:
    """``masks`` (B, N, 1, H, W), where they are less than three pixels across a pixel wider on either side.

    What is thinner than the cells of a grid may else pass between its corners.
    """
    flat = masks.flatten(0, 1)
    opened = F.max_pool2d(1 - F.max_pool2d(1 - flat, 3, 1, 1), 3, 1, 1)
    return torch.maximum(flat, F.max_pool2d((flat - opened).clamp(min=0), 3, 1, 1)).reshape(masks.shape)
