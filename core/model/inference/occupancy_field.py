"""Occupancy field that agrees with the masks: empty outside of them, solid behind every pixel.

The network gives a logit at every point. On its own, the surface where the logits cross a threshold
contradicts the masks in two ways: parts stick out of a silhouette, and where the network is unsure
of the depth of something thin, such as a leg, it puts nothing at all. The field corrects both. The
ray of one pixel that a mask covers, with two stretches in the visual hull (Laurentini 1994), such
as a front and a back leg of a table:

    camera                                                              depth
       o - - - - [===================================] - - - - [=======] - ->
                               stretch 1                       stretch 2

    mask gate  -5    5      5      5      5      5        -5       5     -5
    logits         -2.5   -1.6   -1.0   -1.4   -2.0              -2.6         all below 0: a hole
    boost            0     0.8    1.3    0.8     0                 0          at the best depth
    field      -5  -2.5   -0.8    0.3   -0.6   -2.0       -5     -2.6    -5   above 0: no hole

    field = min(stretch * (logits + boost), mask gate)      (in the drawing, ``stretch`` is 1)

How each line comes about:

1. Logits, relative to a threshold. :meth:`HullConstrainedField.prepare` evaluates a coarse grid.
   The less sure the network is of an object, the lower is the threshold with the highest expected
   IoU, see :func:`expected_iou_threshold`. That holds for independent errors of points. A single
   view leaves the depth of all points open at once: its threshold is shifted by a calibrated
   amount.
2. Mask gate. A steep ramp of the lowest mask value at the point, over all views. It is 0 at the
   edge of a mask.
3. Boost. For each view, the coarse grid shows behind which pixels nothing is above the threshold.
   Along their rays, ``ray_evidence`` finds the most likely depth in the hull, or two depths in
   different stretches that are about as likely (in the drawing, stretch 2 is too unlikely). Maps of
   64 x 64 pixels hold by how much to raise the logits, and at which depth; towards other depths the
   boost falls to 0 within ``_BOOST_HALF_WIDTH``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...jobs.task import Progress, Task
from ..networks.projection import INSIDE_MASK, project_depth, sample_maps
from ..networks.reconstruction import BOUND, Features, ReconstructionNetwork
from .mask_outline import widen_ramps
from .outline_warp import outline_shift, shifted_volume
from .ray_evidence import (
    BOOSTED_LOGIT,
    MAP_SIZE,
    MAX_HITS,
    SINGLE_BOOSTED_LOGIT,
    PixelRays,
    boost_map,
    most_likely_hits,
    thin_rays,
)

Floats = NDArray[np.float32] | NDArray[np.float64]

CHUNK = 16384  # points at a time, so that a step stays well under 0.3 s
_GATE_SLOPE = 10.0  # logits for the full range of a mask
_MIN_GATE = -1.0  # points further outside of a mask are not evaluated by the network
_GRID = 49  # cells along each side of the coarse grid; odd, so that some are in the very middle
_BOOST_HALF_WIDTH = 0.06  # units in front of and behind the depth of a boost
_COVERED_LOGIT = 2 * BOOSTED_LOGIT  # above it a coarse cell is solid enough to fill its pixels
_SOLID_LOGIT = 1.0  # of rays that the coarse grid has shown to be solid
_STRETCH = 4.0  # of the logits, so that their range is about that of the mask gate


def expected_iou_threshold(logits: Floats) -> float:
    """Return the threshold on logits with the highest expected IoU.

    For points above a threshold, the expected IoU is about the expected number that are inside,
    divided by the expected number that are above the threshold or inside (Nowozin 2014,
    doi:10.1109/CVPR.2014.77). If the best IoU is one half, for example, points with a probability
    above one third should count as inside.

    Args:
        logits: (P,), of evenly distributed points; may be empty.
    """
    if not len(logits):
        return 0.0
    descending = np.sort(logits)[::-1].astype(float)
    count_above = np.arange(1, len(descending) + 1)
    probabilities = 1 / (1 + np.exp(-descending))
    inside_above = np.cumsum(probabilities)
    inside_below = inside_above[-1] - inside_above
    expected_iou = inside_above / (count_above + inside_below)
    best = expected_iou.argmax()

    # Halfway to the next lower logit.
    extended = np.append(descending, descending[-1] - 1)
    next_lower = extended[best + 1]
    return float((descending[best] + next_lower) / 2)


class Outlines(NamedTuple):
    """Masks of N views, which may be more than the network looks at.

    masks: (1, N, 1, H, H), at any resolution.
    cameras: (1, N, 5, 4), see ``projection``.
    """

    masks: Tensor
    cameras: Tensor


class _Projected(NamedTuple):
    """Points in the views.

    points: (1, P, 3).
    ndc: (1, N, P, 2), image coordinates in -1..1.
    depth: (1, N, P, 1).
    mask_coverage: (P,), the lowest mask value of all views.
    """

    points: Tensor
    ndc: Tensor
    depth: Tensor
    mask_coverage: Tensor


class HullConstrainedField:
    """Occupancy logits that agree with the masks.

    Call :meth:`prepare` once, then the field at any points.

    seeds: (S, 3), points on boosted rays. Thin parts, which a grid may miss, are within ``reach``
        of them.

    Args:
        network: The reconstruction network.
        features: Of the views that the network looks at.
        outlines: Of all views.
        resolution: Cells along each side of the grid at which the field will be evaluated.
    """

    reach = BOUND / MAP_SIZE  # half a pixel of the boost maps

    def __init__(
        self,
        network: ReconstructionNetwork,
        features: Features,
        outlines: Outlines,
        resolution: int,
    ) -> None:
        masks, self._cameras = outlines
        self._network = network
        self._features = features
        half_cell = max(masks.shape[-1] // (2 * resolution), 1)
        self._masks = _thicken_thin_masks(masks, half_cell)
        self._views = masks.shape[1]
        if self._views == 1:
            self._masks = widen_ramps(self._masks)
        self.seeds: Floats = np.empty((0, 3))
        self._threshold = 0.0

        # Boost and depth of the boost, for each hit, view and pixel.
        self._boost_maps = torch.zeros(
            MAX_HITS, self._views, 2, MAP_SIZE, MAP_SIZE, device=masks.device
        )
        # Of a single view, where its pixels are looked up instead: x and y, in -1..1.
        self._shift_map: Tensor | None = None

    def __call__(self, points: Floats) -> NDArray[np.float32]:
        """Return values (P,) at ``points`` (P, 3); above 0 is inside.

        The surface between two points is placed in proportion to their values. Stretching the
        logits to the range of the mask gate keeps it from being drawn into the object at the edge
        of a mask.
        """
        return self._values_within_hull(self._masks, points, _STRETCH)

    def inside_probability(self, points: Floats) -> NDArray[np.float32]:
        """Return the network's probability (P,) that points (P, 3) are inside; 0 off any mask."""
        logits = self._network_logits(self._masks, points)
        return np.asarray(1 / (1 + np.exp(-logits)))

    def prepare(self, max_cut_share: float = 1.0) -> Task[float]:
        """Find the threshold and the boosts from a coarse grid.

        Args:
            max_cut_share: There are no boosts if a larger share of the rays is cut off, since the
                field is not final.

        Returns:
            The share of the first mask's rays along which the solid leaves the volume.
        """
        centers = ((np.arange(_GRID) + 0.5) / _GRID * 2 - 1) * BOUND
        axes = np.meshgrid(centers, centers, centers, indexing="ij")
        grid = np.stack(axes, axis=-1).reshape(-1, 3).astype(np.float32)

        # The threshold, from all points within the masks.
        logits = yield from _evaluate_chunks(self._logits_within(self._masks), grid)
        hull_logits = logits[np.isfinite(logits)]
        if not len(hull_logits):  # the object is thinner than these cells
            hull_logits = yield from self._logits_along_rays()
        self._threshold = expected_iou_threshold(hull_logits)
        if self._views == 1:
            self._threshold += float(self._network.threshold_shift)

        # Boosts, for the pixels behind which no cell is solid.
        values = logits - np.float32(self._threshold)
        cut_share = self._cut_share(grid, values)
        if cut_share <= max_cut_share:
            for view in range(self._views):
                uncovered = self._uncovered_pixels(view, grid, values)
                yield from self._complete_silhouette(view, uncovered)

        return cut_share

    @torch.inference_mode()
    def _values_within_hull(
        self, masks: Tensor, points: Floats, stretch: float = 1.0
    ) -> NDArray[np.float32]:
        """Return values (P,) at ``points`` (P, 3), see the module."""
        projected = self._project(masks, points)

        # Outside every mask there is nothing: a steep ramp that is 0 at the mask's edge.
        mask_gate = _GATE_SLOPE * (projected.mask_coverage - INSIDE_MASK)
        candidates = (mask_gate > _MIN_GATE).nonzero()[:, 0]
        if len(candidates):
            ndc = projected.ndc[:, :, candidates]
            depth = projected.depth[:, :, candidates]
            candidate_points = self._shift_points(projected.points[:, candidates], ndc)
            logits = self._network.predict_occupancy(self._features, candidate_points)[0]
            logits = logits - self._threshold
            boost = self._boost(ndc, depth)
            boosted = stretch * (logits + boost)
            mask_gate[candidates] = torch.minimum(boosted, mask_gate[candidates])

        values: NDArray[np.float32] = mask_gate.cpu().numpy()
        return values

    def _shift_points(self, points: Tensor, ndc: Tensor) -> Tensor:
        """Return the points (1, P, 3) at which to evaluate the network instead of ``points``.

        Args:
            points: (1, P, 3).
            ndc: (1, N, P, 2), of the points.
        """
        if self._shift_map is None:
            return points
        shift = sample_maps(self._shift_map, ndc)[0, 0]
        camera = self._cameras[0, 0]
        local = points[0] @ camera[:4, :3].T + camera[:4, 3]

        # Image coordinates and depth after the shift; a perspective divides by the depth.
        moved_ndc = ndc[0, 0] + shift[:, :2]
        divisor_per_depth = camera[2, :3] @ camera[3, :3]
        divisor = local[:, 2:3] + divisor_per_depth * shift[:, 2:]
        moved_depth = local[:, 3:] + shift[:, 2:]
        moved = torch.cat((moved_ndc * divisor, moved_depth), dim=1)

        # Back to the frame of the points; beyond the volume logits mean nothing.
        rows = camera[[0, 1, 3]]
        to_points = torch.linalg.inv(rows[:, :3]).T
        moved_points = (moved - rows[:, 3]) @ to_points
        is_in_volume = (moved_points.abs() <= BOUND).all(1, keepdim=True)

        return torch.where(is_in_volume, moved_points, points[0])[None]

    def _boost(self, ndc: Tensor, depth: Tensor) -> Tensor:
        """Return the boost (P,) at points: highest at its depth, less in front and behind.

        Args:
            ndc: (1, N, P, 2), the points in the views.
            depth: (1, N, P, 1).
        """
        samples = sample_maps(self._boost_maps, ndc.expand(MAX_HITS, -1, -1, -1))
        boost, boost_depth = samples.unbind(-1)
        distance = (depth[0, ..., 0] - boost_depth) / _BOOST_HALF_WIDTH
        falloff = (1 - distance**2).clamp(min=0)
        return (boost * falloff).amax((0, 1))

    @torch.inference_mode()
    def _network_logits(self, masks: Tensor, points: Floats) -> NDArray[np.float32]:
        """Return the network's logits (P,) at points (P, 3); minus infinity off any mask."""
        projected = self._project(masks, points)
        coverage = projected.mask_coverage
        logits = torch.full_like(coverage, -torch.inf)
        within = (coverage > INSIDE_MASK).nonzero()[:, 0]

        if len(within):
            points_within = self._shift_points(
                projected.points[:, within], projected.ndc[:, :, within]
            )
            prediction = self._network.predict_occupancy(self._features, points_within)
            logits[within] = prediction[0]

        values: NDArray[np.float32] = logits.cpu().numpy()
        return values

    def _logits_within(self, masks: Tensor) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return lambda points: self._network_logits(masks, points)

    def _logits_along_rays(self) -> Task[NDArray[np.float32]]:
        """Return the network's logits (P,) along the first view's rays, within all masks."""
        covered = self._covered_pixels(0)
        rays = PixelRays.through_pixels(self._camera_matrix(0), covered)
        points = rays.sample_points().reshape(-1, 3)
        is_in_volume = (np.abs(points) <= BOUND).all(1)

        evaluate = self._logits_within(self._widened_masks())
        logits = yield from _evaluate_chunks(evaluate, points[is_in_volume])
        hull_logits: NDArray[np.float32] = logits[np.isfinite(logits)]
        return hull_logits

    def _camera_matrix(self, view: int) -> NDArray[np.float32]:
        matrix: NDArray[np.float32] = self._cameras[0, view].cpu().numpy()
        return matrix

    def _project(self, masks: Tensor, points: Floats) -> _Projected:
        """Project ``points`` (P, 3) into the views, and sample ``masks`` there."""
        tensor = torch.from_numpy(np.ascontiguousarray(points, np.float32))[None].to(masks.device)
        ndc, depth = project_depth(self._cameras, tensor)
        mask_coverage = sample_maps(masks, ndc)[0, ..., 0].amin(0)
        return _Projected(tensor, ndc, depth, mask_coverage)

    def _grid_pixels(self, view: int, points: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the index (P,) of each point's pixel on a 49 x 49 map of ``view``; -1 outside."""
        tensor = torch.from_numpy(points)[None].to(self._masks.device)
        ndc, _ = project_depth(self._cameras[:, view : view + 1], tensor)
        column_row = np.floor((ndc[0, 0].cpu().numpy() + 1) / 2 * _GRID).astype(int)
        is_within = ((column_row >= 0) & (column_row < _GRID)).all(1)
        return np.where(is_within, column_row[:, 1] * _GRID + column_row[:, 0], -1)

    def _cut_share(self, grid: NDArray[np.float32], values: NDArray[np.float32]) -> float:
        """Return the share of the first view's solid pixels whose solid reaches the volume's end.

        Args:
            grid: (P, 3), the coarse grid.
            values: (P,), there; above 0 is solid.
        """
        pixel = self._grid_pixels(0, grid)
        is_in_view = pixel >= 0
        is_solid = (values > 0) & is_in_view
        solid_pixels = np.unique(pixel[is_solid])

        # Solid cells in the outermost layer of the volume.
        cell = 2 * BOUND / _GRID
        is_outermost = np.abs(grid).max(1) > BOUND - cell
        cut_pixels = np.unique(pixel[is_solid & is_outermost])
        return len(cut_pixels) / max(len(solid_pixels), 1)

    def _uncovered_pixels(
        self, view: int, grid: NDArray[np.float32], values: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Return the pixels (64, 64) with nothing solid behind them or behind a neighbor.

        Args:
            view: Index of the view.
            grid: (P, 3), the coarse grid.
            values: (P,), there; above 0 is solid.
        """
        # The highest value behind each pixel; one more pixel is for points outside.
        pixel = self._grid_pixels(view, grid)
        highest = np.full(_GRID**2 + 1, -np.inf, np.float32)
        np.maximum.at(highest, pixel, values)
        highest_map = highest[:-1].reshape(_GRID, _GRID)

        # The nearest of these pixels for each pixel of the boost maps.
        centers = np.arange(MAP_SIZE) + 0.5
        nearest = (centers * _GRID / MAP_SIZE).astype(int)
        resized = highest_map[np.ix_(nearest, nearest)]

        # One pixel more, since the coarse grid is not exact there.
        is_uncovered = torch.from_numpy(resized <= _COVERED_LOGIT)
        dilated = _dilate(is_uncovered[None].float(), 1)
        return np.asarray(dilated[0].numpy() > 0)

    def _complete_silhouette(self, view: int, uncovered: NDArray[np.bool_]) -> Task[None]:
        """Boost the most likely depths of rays with nothing solid, to fill the silhouette.

        With several views, rays of thin parts are boosted as well: the coarse grid misses these.

        Args:
            view: Index of the view.
            uncovered: (64, 64), see :meth:`_uncovered_pixels`.
        """
        covered = self._covered_pixels(view)
        if not covered.any():
            return
        has_several_views = self._views > 1

        # Points along the rays of the mask's pixels, and which of them are in the hull.
        rays = PixelRays.through_pixels(self._camera_matrix(view), covered)
        points = rays.sample_points()
        masks = self._widened_masks()
        coverage = yield from _evaluate_chunks(
            lambda part: self._project(masks, part).mask_coverage.cpu().numpy(),
            points.reshape(-1, 3),
        )
        is_in_hull = coverage.reshape(points.shape[:2]) > INSIDE_MASK
        is_in_hull &= (np.abs(points) <= BOUND).all(2)

        # The rays to complete.
        is_chosen = uncovered[rays.rows, rays.columns] | (thin_rays(is_in_hull) & has_several_views)
        is_chosen &= is_in_hull.any(0)
        rays = rays.select_rays(is_chosen)
        points = points[:, is_chosen]
        is_in_hull = is_in_hull[:, is_chosen]

        # Their most likely depths.
        values = np.full(is_in_hull.shape, -np.inf, np.float32)
        values[is_in_hull] = yield from _evaluate_chunks(
            lambda part: self._values_within_hull(masks, part), points[is_in_hull]
        )
        boosted_logit = BOOSTED_LOGIT
        if not has_several_views:
            values = self._stretch_outline(rays, values)
            boosted_logit = SINGLE_BOOSTED_LOGIT
        boosts, depths = most_likely_hits(values, is_in_hull, boosted_logit)

        # A single view's rim is at a depth that nobody knows: it is neither spread nor sought by
        # the grid.
        fixed = covered & (not has_several_views)
        for hit in range(MAX_HITS):
            if has_several_views:
                hit_points = rays.points_at_depth(depths[hit])[boosts[hit] > 0]
                self.seeds = np.concatenate((self.seeds, hit_points))
            self._boost_maps[hit, view] = boost_map(rays, boosts[hit], depths[hit], fixed)

    def _stretch_outline(self, rays: PixelRays, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Stretch a single view up to its outline, and return the logits (D, R) along its rays.

        Args:
            rays: R rays, of pixels with little or nothing solid.
            logits: (D, R), along them before; minus infinity off the mask.
        """
        coverage = F.adaptive_avg_pool2d(self._masks[0, 0], MAP_SIZE)[0].cpu().numpy()
        covered = self._covered_pixels(0)
        volume = np.full((len(logits), MAP_SIZE, MAP_SIZE), -np.inf, np.float32)
        volume[:, covered] = _SOLID_LOGIT  # unless it is one of the rays
        volume[:, rays.rows, rays.columns] = logits
        is_ray = np.zeros((MAP_SIZE, MAP_SIZE), bool)
        is_ray[rays.rows, rays.columns] = True

        shift = outline_shift(coverage, volume, is_ray)
        self._shift_map = torch.from_numpy(shift.astype(np.float32))[None, None].to(self._masks)
        self._shift_map[:, :, :2] *= 2 / MAP_SIZE
        return shifted_volume(volume, shift)[:, rays.rows, rays.columns]

    def _covered_pixels(self, view: int) -> NDArray[np.bool_]:
        """Return the pixels (64, 64) of the boost maps that the mask of ``view`` covers in part."""
        highest = F.adaptive_max_pool2d(self._masks[0, view], MAP_SIZE)[0]
        return np.asarray(highest.cpu().numpy() > INSIDE_MASK)

    def _widened_masks(self) -> Tensor:
        """Return the masks, widened by a pixel of the boost maps.

        Rays pass through the centers of these pixels only, and are sampled at some depths only.
        What is in between has to count.
        """
        reach = self._masks.shape[-1] // MAP_SIZE
        widened = _dilate(self._masks.flatten(0, 1), reach)
        return widened.reshape(self._masks.shape)


def _evaluate_chunks(
    function: Callable[[NDArray[np.float32]], NDArray[np.float32]], points: NDArray[np.float32]
) -> Task[NDArray[np.float32]]:
    """Return ``function`` of ``points`` (P, 3), a chunk a step."""
    values = [np.empty(0, np.float32)]
    for start in range(0, len(points), CHUNK):
        yield Progress(start / len(points), "Encoding images")
        values.append(function(points[start : start + CHUNK]))
    return np.concatenate(values)


def _thicken_thin_masks(masks: Tensor, reach: int) -> Tensor:
    """Return ``masks`` (B, N, 1, H, W) with thin parts ``reach`` pixels wider on either side.

    Parts of less than 2 * reach + 1 pixels could otherwise pass between the corners of a grid.
    """
    flat = masks.flatten(0, 1)
    eroded = 1 - _dilate(1 - flat, reach)
    opened = _dilate(eroded, reach)
    thin_parts = (flat - opened).clamp(min=0)
    return torch.maximum(flat, _dilate(thin_parts, reach)).reshape(masks.shape)


def _dilate(maps: Tensor, reach: int) -> Tensor:
    """Return the highest value within ``reach`` pixels of each pixel of ``maps`` (..., H, W)."""
    return F.max_pool2d(maps, 2 * reach + 1, 1, reach)
