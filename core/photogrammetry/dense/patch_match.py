r"""Depth and normal of each pixel by PatchMatch with slanted planes, coarse to fine.

Each pixel has a plane: at first the best of some random ones within the hull. Then good planes
spread to neighbors and are varied at random (Bleyer et al. 2011, doi:10.5244/C.25.14):

      o x o x o       The pixels of a chessboard's x take planes of o, and then o those of x. In
      x o x o x       each of four directions the plane with the least cost among some neighbors
      o x(o)x o       is tried (as in ACMH; Xu and Tao 2019, arXiv:1904.08103), then variations
      x o x o x       of the pixel's own plane.

The pyramid's coarsest level is where most rounds are made; each finer level begins with its result.
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...cameras import Camera
from ...errors import Cancelled
from .patch_costs import GrayView, PatchMatcher
from .records import DenseSettings, DenseView, DepthMap, VoxelGrid
from .sampling import pixel_rays

_DRAWS = 12  # random planes that each pixel begins with
_STEEPEST = 0.25  # cosine between a normal and the direction to the camera, at least
_DEPTH_STEP = 0.15  # of the range of inverse depth, by which planes are varied at first
_NORMAL_STEP = 0.4
_RAY_SAMPLES = 160  # along each ray through the hull
_DECAY = 0.5  # of the variation, from round to round
# Neighbors in each of four directions as rows and columns, all of the other color of the board.
_UPWARDS = ((-1, 0), (-3, 0), (-2, -1), (-2, 1), (-5, 0))
_DIRECTIONS = (
    _UPWARDS,
    tuple((-row, column) for row, column in _UPWARDS),
    tuple((column, row) for row, column in _UPWARDS),
    tuple((column, -row) for row, column in _UPWARDS),
)


def gray_view(view: DenseView) -> GrayView:
    """Return the gray values of a view, with its colors."""
    weights = np.array((0.299, 0.587, 0.114), np.float32)
    gray = torch.from_numpy(np.ascontiguousarray(view.color @ weights))
    color = torch.from_numpy(np.ascontiguousarray(view.color))
    return GrayView(gray, color, torch.from_numpy(view.mask > 0.5), view.camera)


def match_patches(
    view: DenseView,
    sources: list[DenseView],
    hull: VoxelGrid,
    settings: DenseSettings,
    stop: threading.Event | None = None,
) -> tuple[DepthMap, NDArray[np.float32]]:
    """Measure the depth of a view's masked pixels.

    Args:
        view: To measure.
        sources: Photographs of the same surface from other directions.
        hull: The surface is within it.
        settings: Levels and iterations are used.
        stop: Set by another thread to stop the measurement before its next round.

    Returns:
        Depth and normals, whose confidence is 0 everywhere yet, and the cost (H, W) in 0..2.

    Raises:
        Cancelled: ``stop`` was set.
    """
    pyramid = [[gray_view(each) for each in (view, *sources)]]
    for _ in range(settings.levels - 1):
        pyramid.append([each.halved() for each in pyramid[-1]])

    generator = torch.Generator().manual_seed(0)
    state: PlaneSearch | None = None
    for level, rounds in enumerate(settings.iterations):
        views = pyramid[settings.levels - 1 - level]
        search = PlaneSearch(views[0], views[1:], hull, generator)
        search.begin(state)
        for number in range(rounds):
            if stop is not None and stop.is_set():
                raise Cancelled("Stopped")
            search.improve(_DECAY ** (number + 1.5 * level))
        state = search

    assert state is not None, "there is at least one level"
    return state.depth_map(), state.cost_image()


class PlaneSearch:
    """The planes of one view's pixels on one pyramid level, and their costs."""

    def __init__(
        self,
        view: GrayView,
        sources: list[GrayView],
        hull: VoxelGrid,
        generator: torch.Generator,
    ) -> None:
        """Prepare the pixels, the range of each and its neighbors."""
        self.matcher = PatchMatcher(view, sources)
        self.camera = view.camera
        self.generator = generator
        centers = torch.stack((self.matcher.columns, self.matcher.rows), 1) + 0.5
        self.least, self.most = inverse_depth_range(centers, view.camera, hull)
        self.rays = _camera_rays(centers, view.camera)
        self.planes = torch.zeros(3, len(self.matcher))
        self.cost = torch.full((len(self.matcher),), torch.inf)
        self.boards = [self._board(color) for color in (0, 1)]

    def begin(self, coarser: PlaneSearch | None) -> None:
        """Take the planes of the next coarser level, or random ones."""
        everywhere = torch.arange(len(self.matcher))
        if coarser is not None:
            self._try(coarser.planes_for(self), everywhere)
            return
        for _ in range(_DRAWS):
            share = torch.rand(len(everywhere), generator=self.generator)
            inverse = self.least + share * (self.most - self.least)
            facing = -_unit(self.rays)
            normal = self._vary_normals(facing, 0.7)
            self._try(self._planes(inverse, normal), everywhere)

    def improve(self, scale: float) -> None:
        """Make one round: spread planes, and vary them by ``scale`` times the first steps."""
        for pixels, neighbors in self.boards:
            self._spread(pixels, neighbors)
            self._vary(pixels, scale)

    def planes_for(self, finer: PlaneSearch) -> torch.Tensor:
        """Return the planes (3, Q) at the pixels of the level with twice the pixels."""
        fine_rows = finer.matcher.rows
        fine_columns = finer.matcher.columns
        rows = (fine_rows // 2).clamp_max(self.matcher.shape[0] - 1)
        columns = (fine_columns // 2).clamp_max(self.matcher.shape[1] - 1)
        pixels = self._numbers()[rows, columns]
        inverse, along_u, along_v = self.planes[:, pixels]

        # From the center of the coarse pixel to that of the fine one.
        du = (fine_columns + 0.5) / 2 - (columns + 0.5)
        dv = (fine_rows + 0.5) / 2 - (rows + 0.5)
        moved = inverse + along_u * du + along_v * dv
        return torch.stack((moved, along_u / 2, along_v / 2))

    def depth_map(self) -> DepthMap:
        """Return depth and normals of the pixels."""
        height, width = self.matcher.shape
        place = (self.matcher.rows, self.matcher.columns)
        depth = torch.zeros(height, width)
        depth[place] = 1 / self.planes[0]
        normal = torch.zeros(height, width, 3)
        to_world = self.camera.to_world[:3, :3] @ np.diag((1.0, -1.0, -1.0))
        rotation = torch.from_numpy(to_world).float()
        normal[place] = (rotation @ self._normals(torch.arange(len(self.matcher)))).T
        confidence = np.zeros((height, width), np.float32)

        return DepthMap(depth.numpy(), normal.numpy(), confidence)

    def cost_image(self) -> NDArray[np.float32]:
        """Return the costs (H, W), 2 where there is no pixel."""
        image = torch.full(self.matcher.shape, 2.0)
        image[self.matcher.rows, self.matcher.columns] = self.cost
        return image.numpy()

    def _board(self, color: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the pixels (Q,) of one color, and for each direction their neighbors (K, Q).

        A missing neighbor has the number P.
        """
        rows = self.matcher.rows
        columns = self.matcher.columns
        pixels = torch.nonzero((rows + columns) % 2 == color)[:, 0]
        padding = 5
        numbers = functional.pad(self._numbers(), (padding,) * 4, value=len(self.matcher))
        neighbors = []

        for direction in _DIRECTIONS:
            places = []
            for down, right in direction:
                row = rows[pixels] + down + padding
                column = columns[pixels] + right + padding
                places.append(numbers[row, column])
            neighbors.append(torch.stack(places))

        return pixels, neighbors

    def _numbers(self) -> torch.Tensor:
        """Return the number (H, W) of each pixel, P where there is none."""
        numbers = torch.full(self.matcher.shape, len(self.matcher))
        numbers[self.matcher.rows, self.matcher.columns] = torch.arange(len(self.matcher))
        return numbers

    def _spread(self, pixels: torch.Tensor, neighbors: list[torch.Tensor]) -> None:
        """Try for ``pixels`` the plane of the best neighbor in each direction."""
        for numbers in neighbors:
            # A missing neighbor has the infinite cost at the end.
            costs = functional.pad(self.cost, (0, 1), value=torch.inf)
            best = costs[numbers].argmin(0)
            chosen = numbers.gather(0, best[None])[0]
            usable = torch.nonzero(chosen < len(self.matcher))[:, 0]
            source = chosen[usable]
            target = pixels[usable]
            du = self.matcher.columns[target] - self.matcher.columns[source]
            dv = self.matcher.rows[target] - self.matcher.rows[source]
            planes = self.planes[:, source].clone()
            planes[0] += planes[1] * du + planes[2] * dv
            self._try(planes, target)

    def _vary(self, pixels: torch.Tensor, scale: float) -> None:
        """Try random variations of the pixels' planes: in depth, in normal, in both."""
        for vary_depth, vary_normal in ((True, False), (False, True), (True, True)):
            inverse = self.planes[0, pixels]
            normal = self._normals(pixels)
            if vary_depth:
                noise = torch.randn(len(pixels), generator=self.generator)
                step = _DEPTH_STEP * scale * (self.most - self.least)[pixels]
                inverse = inverse + noise * step
            if vary_normal:
                normal = self._vary_normals(normal, _NORMAL_STEP * scale**0.5)
            self._try(self._planes(inverse, normal, pixels), pixels)

    def _try(self, planes: torch.Tensor, pixels: torch.Tensor) -> None:
        """Take the planes (3, Q) for ``pixels`` where they are better and within the hull."""
        valid = (planes[0] >= self.least[pixels]) & (planes[0] <= self.most[pixels])
        chosen = torch.nonzero(valid)[:, 0]
        planes = planes[:, chosen]
        pixels = pixels[chosen]
        if not len(pixels):
            return
        cost = self.matcher.costs(planes, pixels)
        better = cost < self.cost[pixels]
        self.cost[pixels[better]] = cost[better]
        self.planes[:, pixels[better]] = planes[:, better]

    def _vary_normals(self, normal: torch.Tensor, amount: float) -> torch.Tensor:
        noise = torch.randn(normal.shape, generator=self.generator)
        return _unit(normal + amount * noise)

    def _normals(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the unit normals (3, Q) towards the camera, in OpenCV's camera frame."""
        inverse, along_u, along_v = self.planes[:, pixels]
        u = self.matcher.columns[pixels] + 0.5
        v = self.matcher.rows[pixels] + 0.5
        linear = torch.stack((along_u, along_v, inverse - along_u * u - along_v * v))
        intrinsics = torch.from_numpy(self.camera.intrinsics).float()
        return -_unit(intrinsics.T @ linear)

    def _planes(
        self, inverse: torch.Tensor, normal: torch.Tensor, pixels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the planes (3, Q) of an inverse depth (Q,) and normals (3, Q)."""
        rays = self.rays if pixels is None else self.rays[:, pixels]
        cosine = (normal * rays).sum(0)
        limit = -_STEEPEST * rays.norm(dim=0)

        # Normals turned too far away are leaned back along the ray.
        excess = (cosine - limit).clamp_min(0) / (rays * rays).sum(0)
        normal = normal - rays * excess
        cosine = (normal * rays).sum(0)
        slope = inverse / cosine
        along_u = slope * normal[0] / self.camera.intrinsics[0, 0]
        along_v = slope * normal[1] / self.camera.intrinsics[1, 1]

        return torch.stack((inverse, along_u, along_v))


def inverse_depth_range(
    centers: torch.Tensor, camera: Camera, hull: VoxelGrid
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the least and most inverse depth (P,) within the hull along the rays of pixels.

    A ray that misses the hull has the range of its whole box.

    Args:
        centers: (P, 2) pixels.
        camera: Of them.
        hull: Above 0 inside.
    """
    nearest, farthest = _box_depths(camera, hull)
    depths = torch.linspace(nearest, farthest, _RAY_SAMPLES)
    first, last = _depths_inside(centers, camera, hull, depths)

    # The surface may lie a step before the first point inside, or a step behind the last.
    missed = first == torch.inf
    step = float(depths[1] - depths[0])
    first = torch.where(missed, nearest, first - step)
    last = torch.where(missed, farthest, last + step)

    return 1 / last, 1 / first.clamp_min(nearest / 2)


def _box_depths(camera: Camera, hull: VoxelGrid) -> tuple[float, float]:
    """Return the least and most depth of the hull's box, both in front of the camera."""
    upper = hull.origin + (np.array(hull.values.shape) - 1) * hull.spacing
    corners = np.array(np.meshgrid(*zip(hull.origin, upper, strict=True))).reshape(3, -1).T
    _, depth = camera.project(corners)
    farthest = float(depth.max())
    nearest = max(float(depth.min()), 1e-3 * farthest)
    return nearest, farthest


def _depths_inside(
    centers: torch.Tensor, camera: Camera, hull: VoxelGrid, depths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first and the last of ``depths`` at which each ray (P,) is in the hull.

    They are infinite and minus infinite where a ray misses it.
    """
    margin = 1.5 * hull.spacing
    inside = torch.from_numpy(hull.values > -margin)
    origin = torch.from_numpy(camera.to_world[:3, 3] - hull.origin).float() / hull.spacing
    rays = pixel_rays(centers, camera) / hull.spacing
    size = torch.tensor(hull.values.shape)
    first = torch.full((len(centers),), torch.inf)
    last = torch.full((len(centers),), -torch.inf)

    # All rays are marched at once.
    for depth in depths.tolist():
        cell = (origin + rays * depth).round().long()
        in_grid = ((cell >= 0) & (cell < size)).all(1)
        cell = torch.where(in_grid[:, None], cell, 0)
        hit = inside[cell[:, 0], cell[:, 1], cell[:, 2]] & in_grid
        first = torch.where(hit & (first == torch.inf), depth, first)
        last = torch.where(hit, depth, last)

    return first, last


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    """Return vectors (3, Q) scaled to length 1; several times faster than PyTorch's own."""
    x, y, z = vectors
    square = x * x + y * y + z * z
    units: torch.Tensor = vectors * square.clamp_min(1e-20).rsqrt()
    return units


def _camera_rays(centers: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Return rays (3, P) to plane depth 1 in OpenCV's camera frame."""
    inverse = torch.from_numpy(np.linalg.inv(camera.intrinsics)).float()
    return inverse[:, :2] @ centers.T + inverse[:, 2:]
