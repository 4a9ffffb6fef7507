"""Makes the network's field agree with the pictures' masks, both ways.

Outside of any mask there is nothing (the visual hull, Laurentini 1994), and behind every pixel of a mask there is
something: where the network is too unsure to put anything on a pixel's ray, the ray's likeliest place is taken, or
two that are apart in the hull and about as likely.

Between the two, the less sure the network is of an object as a whole, the more of what it only half believes in counts
as inside: see :func:`expected_iou_threshold`. What one picture leaves open is no matter of single points but of whole depths, for
which that holds less well: it is shifted by as much as was found best.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...jobs.task import Progress, Task
from ..networks.projection import project_depth, sample_maps
from ..networks.reconstruction import BOUND, Features, ReconstructionNetwork
from .ray_evidence import MAP, REACHED, TIMES, PixelRays, boost_map, most_likely_hits, thin_rays

CHUNK = 16384  # points at once: a step stays well under 0.3 s
_EDGE = 0.5  # of a mask's cover, where the hull ends
_SURVEY = 49  # cells along each side of the first look: an odd number, so that it meets what is thin and in the middle
_THICKNESS = 0.06  # before and behind, of what a ray is raised for
_STRETCH = 4.0


def expected_iou_threshold(logits: NDArray[np.floating]) -> float:
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


class HullConstrainedField:
    """Occupancy logits that keep to the masks. Call :meth:`prepare` once, then the field itself with points.

    seeds: (S, 3) points, within ``reach`` of which rays were raised: thin parts that a grid may miss.

    Args:
        masks: (1, N, 1, H, H), as fine as wanted, in the cameras of ``features``.
        resolution: cells along each side of the grid that it will be asked at.
    """

    reach = BOUND / MAP  # half a pixel

    def __init__(
        self, network: ReconstructionNetwork, features: Features, masks: Tensor, resolution: int
    ) -> None:
        self._network = network
        self._features = features
        self._masks = _thicken_thin_masks(masks, max(masks.shape[-1] // (2 * resolution), 1))
        self.seeds: NDArray[np.floating] = np.empty((0, 3))
        self._level = 0.0
        # how much each pixel's ray is raised, and at what depth
        self._raised = torch.zeros(TIMES, masks.shape[1], 2, MAP, MAP, device=masks.device)

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Values (P,) at ``points`` (P, 3); above 0 is inside.

        The surface between two points is sought in proportion to their values. So that it is not drawn into the object
        where a mask ends, the network's logits are stretched to the range of what a mask's edge gives.
        """
        return self._values_within_hull(self._masks, points, _STRETCH)

    def inside_probability(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """How likely (P,) ``points`` (P, 3) are inside: by the network behind all masks, nothing elsewhere."""
        return 1 / (1 + np.exp(-self._network_logits(self._masks, points)))

    def prepare(self, most_cut: float = 1.0) -> Task[float]:
        """Look at the whole coarsely: find the level and, unless too much is cut off, raise the rays of pixels that
        nothing is behind.

        Returns:
            The share of the first mask's rays along which the solid leaves the volume.
        """
        line = ((np.arange(_SURVEY) + 0.5) / _SURVEY * 2 - 1) * BOUND
        grid = (
            np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
            .reshape(-1, 3)
            .astype(np.float32)
        )
        logits = yield from _evaluate_chunks(
            lambda part: self._network_logits(self._masks, part), grid
        )
        known = logits[np.isfinite(logits)]
        if not len(known):  # it is thinner than these cells
            known = yield from self._along_rays()
        self._level = expected_iou_threshold(known)
        if self._masks.shape[1] == 1:
            self._level += float(self._network.shift)
        values = logits - np.float32(self._level)
        cut = self._cut_share(grid, values)
        if cut <= most_cut:
            for view in range(self._masks.shape[1]):
                yield from self._complete_silhouette(
                    view, self._uncovered_pixels(view, grid, values)
                )
        return cut

    @torch.inference_mode()
    def _values_within_hull(
        self, masks: Tensor, points: NDArray[np.floating], stretch: float = 1.0
    ) -> NDArray[np.float32]:
        there, where, depths, cover = self._projected_points(masks, points)
        gate = 10 * (cover - _EDGE)
        near = (gate > -1).nonzero()[:, 0]
        if len(near):
            logits = (
                self._network.predict_occupancy(self._features, there[:, near])[0] - self._level
            )
            most, depth = sample_maps(
                self._raised, where[:, :, near].expand(TIMES, -1, -1, -1)
            ).unbind(-1)
            apart = (depths[0, :, near, 0] - depth) / _THICKNESS
            raised = most * (1 - apart**2).clamp(min=0)
            gate[near] = torch.minimum(stretch * (logits + raised.amax((0, 1))), gate[near])
        return gate.cpu().numpy()

    def _along_rays(self) -> Task[NDArray[np.float32]]:
        """What the network says (P,) behind the first picture's pixels, within the masks of all."""
        covered = self._covered_pixels(0)
        points = (
            PixelRays.through_pixels(self._features.cameras[0, 0].cpu().numpy(), covered)
            .sample_points()
            .reshape(-1, 3)
        )
        wide = self._widen_masks()
        logits = yield from _evaluate_chunks(
            lambda part: self._network_logits(wide, part), points[(np.abs(points) <= BOUND).all(1)]
        )
        return logits[np.isfinite(logits)]

    @torch.inference_mode()
    def _network_logits(self, masks: Tensor, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """What the network says of ``points`` (P, 3) behind all ``masks``; minus infinity elsewhere."""
        there, _, _, cover = self._projected_points(masks, points)
        logits = torch.full_like(cover, -torch.inf)
        behind = (cover > _EDGE).nonzero()[:, 0]
        if len(behind):
            logits[behind] = self._network.predict_occupancy(self._features, there[:, behind])[0]
        return logits.cpu().numpy()

    def _projected_points(
        self, masks: Tensor, points: NDArray[np.floating]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``points`` (P, 3) as a tensor (1, P, 3), where they fall and how deep, and the least that ``masks`` cover of
        them (P,).
        """
        there = torch.from_numpy(np.ascontiguousarray(points, np.float32))[None].to(masks.device)
        where, depths = project_depth(self._features.cameras, there)
        return there, where, depths, sample_maps(masks, where)[0, ..., 0].amin(0)

    def _map_pixel(self, view: int, points: NDArray[np.float32]) -> NDArray[np.int64]:
        """The pixel (P,) of the survey's map that ``points`` fall on in ``view``; -1 outside."""
        there = torch.from_numpy(points)[None].to(self._masks.device)
        where, _ = project_depth(self._features.cameras[:, view : view + 1], there)
        at = np.floor((where[0, 0].cpu().numpy() + 1) / 2 * _SURVEY).astype(int)
        within = ((at >= 0) & (at < _SURVEY)).all(1)
        return np.where(within, at[:, 1] * _SURVEY + at[:, 0], -1)

    def _cut_share(self, grid: NDArray[np.float32], values: NDArray[np.float32]) -> float:
        pixel = self._map_pixel(0, grid)
        solid = (values > 0) & (pixel >= 0)
        at_end = solid & (np.abs(grid).max(1) > BOUND - 2 * BOUND / _SURVEY)
        return len(np.unique(pixel[at_end])) / max(len(np.unique(pixel[solid])), 1)

    def _uncovered_pixels(
        self, view: int, grid: NDArray[np.float32], values: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """The pixels (64, 64) of ``view`` behind which, or behind a neighbour of which, ``values`` (P,) at ``grid``
        (P, 3) show no solid.
        """
        best = np.full(_SURVEY**2 + 1, -np.inf, np.float32)  # the last one's for what falls outside
        np.maximum.at(best, self._map_pixel(view, grid), values)
        index = ((np.arange(MAP) + 0.5) * _SURVEY / MAP).astype(int)
        bare = best[:-1].reshape(_SURVEY, _SURVEY)[np.ix_(index, index)] <= 2 * REACHED
        return F.max_pool2d(torch.from_numpy(bare)[None].float(), 3, 1, 1)[0].numpy() > 0

    def _complete_silhouette(self, view: int, bare: NDArray[np.bool_]) -> Task[None]:
        """Raise the rays of the pixels of ``view`` that are ``bare`` and, of several views, of what is thin."""
        covered = self._covered_pixels(view)
        if not covered.any():
            return
        several = self._masks.shape[1] > 1
        rays = PixelRays.through_pixels(self._features.cameras[0, view].cpu().numpy(), covered)
        points = rays.sample_points()
        wide = self._widen_masks()
        cover = yield from _evaluate_chunks(
            lambda part: self._projected_points(wide, part)[3].cpu().numpy(), points.reshape(-1, 3)
        )
        within = (cover.reshape(points.shape[:2]) > _EDGE) & (np.abs(points) <= BOUND).all(2)
        wanted = bare[rays.rows, rays.columns] | (thin_rays(within) & several)
        wanted &= within.any(0)
        rays = rays.select_rays(wanted)
        points = points[:, wanted]
        within = within[:, wanted]
        found = np.full(within.shape, -np.inf, np.float32)
        found[within] = yield from _evaluate_chunks(
            lambda part: self._values_within_hull(wide, part), points[within]
        )
        most, depth = most_likely_hits(found, within)
        for time in range(TIMES):
            if several:  # what one picture's rim asks for lies at a depth that nobody knows
                self.seeds = np.concatenate(
                    (self.seeds, rays.points_at_depth(depth[time])[most[time] > 0])
                )
            self._raised[time, view] = boost_map(
                rays, most[time], depth[time], covered & (not several)
            )

    def _covered_pixels(self, view: int) -> NDArray[np.bool_]:
        """Where the mask of ``view`` covers anything of a pixel of the maps of rays (64, 64)."""
        return F.adaptive_max_pool2d(self._masks[0, view], MAP)[0].cpu().numpy() > 0.5

    def _widen_masks(self) -> Tensor:
        """The masks so that what is between two pixels' middles, and two points of a ray, counts."""
        reach = self._masks.shape[-1] // MAP
        return F.max_pool2d(self._masks.flatten(0, 1), 2 * reach + 1, 1, reach).reshape(
            self._masks.shape
        )


def _evaluate_chunks(
    field: Callable[[NDArray[np.float32]], NDArray[np.float32]], points: NDArray[np.float32]
) -> Task[NDArray[np.float32]]:
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(points), CHUNK):
        yield Progress(start / len(points), "Encoding images")
        parts.append(field(points[start : start + CHUNK]))
    return np.concatenate(parts)


def _thicken_thin_masks(masks: Tensor, by: int) -> Tensor:
    """``masks`` (B, N, 1, H, W), where they are less than 2 ``by`` + 1 pixels across ``by`` wider on either side.

    What is thinner than the cells of a grid may else pass between its corners.
    """
    flat = masks.flatten(0, 1)
    around = (2 * by + 1, 1, by)
    opened = F.max_pool2d(1 - F.max_pool2d(1 - flat, *around), *around)
    return torch.maximum(flat, F.max_pool2d((flat - opened).clamp(min=0), *around)).reshape(
        masks.shape
    )
