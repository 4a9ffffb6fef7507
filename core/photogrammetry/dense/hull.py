r"""The visual hull: all that lies within every mask, as a field with a smooth surface.

Each mask becomes a signed distance in pixels, positive inside. A point of the hull has the least
distance over all views, in world units at its depth:

      camera A  \ + /            The field at o is the smaller distance to the two cones:
                 \o/             above 0 inside both. Its zero level is the hull's surface,
      camera B --+-*---          also between the points of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...errors import ImageError
from ...jobs.task import Progress, Task, subtask
from ..hull_check import bounding_sphere
from .records import DenseView, VoxelGrid

if TYPE_CHECKING:
    import torch

_REACH = 12  # pixels to which distances to a mask's outline are known
_BAND = 4.0  # cells outside the hull to which its field is computed
_ROUGH_BAND = 1.5  # cells of the rough grid around its hull in which the fine one is computed
_ROUGH_SHARE = 0.3  # of the time
_WORTH = 0.9  # share of the points that are left, from which on dropping the others is worth it
_COARSE = 64  # cells along each side of the first, rough hull
_BORDER = 3  # cells around the hull
_SEEN = 0.5  # of the photographs must show a point, else it is outside
_FAR_OUTSIDE = -1.0  # world units: of points that are outside for sure


@dataclass(frozen=True)
class _Outline:
    """A mask's outline in a view.

    Attributes:
        camera: Of the view.
        distance: (H, W), see :func:`mask_distance`.
        cut_sides: See ``DenseView``.
    """

    camera: Camera
    distance: torch.Tensor
    cut_sides: tuple[bool, bool, bool, bool]


def build_hull(views: list[DenseView], resolution: int, floor: bool) -> Task[VoxelGrid]:
    """Return the hull's field, above 0 inside, on a grid that just holds it.

    Args:
        views: At least two.
        resolution: Grid cells along the hull's longest side.
        floor: Whether all below z = 0 is outside.

    Raises:
        ImageError: The masks have nothing in common.
    """
    yield Progress(0.0, "Hull")
    cameras = [view.camera for view in views]
    masks = [view.mask > 0.5 for view in views]
    distances = [mask_distance(mask) for mask in masks]
    cut_sides = [view.cut_sides for view in views]

    # A rough hull in the sphere that holds the object gives the box of the fine one.
    center, radius = bounding_sphere(cameras, masks)
    spacing = 2 * radius / (_COARSE - 1)
    lower = center - radius
    if floor:
        lower[2] = max(lower[2], -spacing)
    shape = np.ceil((center + radius - lower) / spacing).astype(int) + 1
    rough = VoxelGrid(np.zeros(shape.clip(1), np.float32), lower, spacing)
    everywhere = np.ones(rough.values.shape, bool)
    outlines = [_Outline(*each) for each in zip(cameras, distances, cut_sides, strict=True)]
    carving = _carve(rough, everywhere, outlines, floor)
    rough = yield from subtask(carving, 0.0, _ROUGH_SHARE)

    # A thin part may lie between the points, so points just outside count as well.
    occupied = np.argwhere(rough.values > -spacing)
    if not len(occupied):
        raise ImageError("The outlines of the object have nothing in common: check the masks")

    lower = rough.origin + (occupied.min(0) - 1) * spacing
    upper = rough.origin + (occupied.max(0) + 1) * spacing
    fine_spacing = float((upper - lower - 2 * spacing).max()) / resolution
    fine = _grid_in_box(lower, upper, fine_spacing, floor)
    near = _near_hull(rough, fine)
    carving = _carve(fine, near, outlines, floor)
    fine = yield from subtask(carving, _ROUGH_SHARE, 1.0)
    if not (fine.values > 0).any():
        raise ImageError("The outlines of the object have nothing in common: check the masks")
    return _cropped(fine)


def mask_distance(mask: NDArray[np.bool_]) -> torch.Tensor:
    """Return the signed distance (H, W) to a mask's outline, pixels, above 0 inside.

    Exact to ``_REACH`` pixels, and that beyond.
    """
    import torch

    inside = torch.from_numpy(np.ascontiguousarray(mask))
    to_outside = _distance_to(~inside)
    to_inside = _distance_to(inside)
    return torch.where(inside, to_outside - 0.5, 0.5 - to_inside)


def _distance_to(target: torch.Tensor) -> torch.Tensor:
    """Return the distance (H, W) of each pixel to the nearest one of ``target``, at most _REACH."""
    import torch

    squared = torch.where(target, 0.0, float(_REACH * _REACH))
    # The square of the distance separates into rows and columns.
    for axis in (0, 1):
        best = squared.clone()
        length = squared.shape[axis]
        for step in range(1, min(_REACH, length - 1) + 1):
            lower = squared.narrow(axis, 0, length - step) + step * step
            upper = squared.narrow(axis, step, length - step) + step * step
            ahead = best.narrow(axis, 0, length - step)
            torch.minimum(ahead, upper, out=ahead)
            behind = best.narrow(axis, step, length - step)
            torch.minimum(behind, lower, out=behind)
        squared = best

    return squared.sqrt()


def _near_hull(rough: VoxelGrid, fine: VoxelGrid) -> NDArray[np.bool_]:
    """Return which points of the fine grid are in or close to the rough hull."""
    near = rough.values > -_ROUGH_BAND * rough.spacing
    lookups = []
    for axis in range(3):
        positions = fine.origin[axis] + np.arange(fine.values.shape[axis]) * fine.spacing
        cells = np.round((positions - rough.origin[axis]) / rough.spacing).astype(int)
        lookups.append(cells.clip(0, near.shape[axis] - 1))

    found: NDArray[np.bool_] = near[np.ix_(*lookups)]
    return found


def _carve(
    grid: VoxelGrid,
    candidates: NDArray[np.bool_],
    outlines: list[_Outline],
    floor: bool,
) -> Task[VoxelGrid]:
    """Return ``grid`` with the hull's field as values; all but the candidates are outside."""
    import torch

    flat = np.flatnonzero(candidates)
    index = torch.from_numpy(flat)
    points = torch.from_numpy(grid.points(flat)).float()
    field = points[:, 2].clone() if floor else torch.full((len(flat),), _BAND * grid.spacing)
    seen = torch.zeros(len(flat))
    limit = -_BAND * grid.spacing

    # What is far outside one mask needs no further look.
    for number, outline in enumerate(outlines):
        yield Progress(number / len(outlines), "Hull")
        value, in_image, is_known = _distance_in_view(points, outline)
        field = torch.where(is_known, torch.minimum(field, value), field)
        seen += in_image
        alive = torch.nonzero(field > limit)[:, 0]
        if len(alive) < _WORTH * len(field):
            index = index[alive]
            points = points[alive]
            field = field[alive]
            seen = seen[alive]

    field[seen < _SEEN * len(outlines)] = _FAR_OUTSIDE
    values = torch.full((grid.values.size,), _FAR_OUTSIDE)
    values[index] = field
    return VoxelGrid(values.numpy().reshape(grid.values.shape), grid.origin, grid.spacing)


def _distance_in_view(
    points: torch.Tensor, outline: _Outline
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return distances (P,) to a view's cone in world units, and which points are in its image.

    The third value is for which points the distance counts: beyond the image as well, where there
    is background for sure.
    """
    import torch

    from .sampling import project, sample_image

    camera = outline.camera
    distance = outline.distance
    pixels, depth = project(points, camera)

    # At the border the mask goes on beyond the image, as far as is known.
    size = pixels.new_tensor((camera.width, camera.height))
    in_image = (depth > 0) & (pixels >= 0).all(1) & (pixels <= size).all(1)
    in_pixels = sample_image(distance[None], pixels)[0]
    beyond = torch.cat((pixels < 0, pixels > size), 1)
    is_open = (beyond & torch.tensor(outline.cut_sides)).any(1)
    is_known = (depth > 0) & ~is_open

    return in_pixels * depth / camera.intrinsics[0, 0], in_image, is_known


def _grid_in_box(
    lower: NDArray[np.float64], upper: NDArray[np.float64], spacing: float, floor: bool
) -> VoxelGrid:
    """Return an empty grid over a box; with a floor, z = 0 lies halfway between two points."""
    origin = lower - _BORDER * spacing
    if floor:
        origin[2] = (np.floor(origin[2] / spacing) + 0.5) * spacing
        origin[2] = max(origin[2], -1.5 * spacing)
    shape = np.ceil((upper - origin) / spacing).astype(int) + _BORDER + 1
    return VoxelGrid(np.zeros(shape, np.float32), origin, spacing)


def _cropped(grid: VoxelGrid) -> VoxelGrid:
    occupied = np.argwhere(grid.values > 0)
    lower = np.maximum(occupied.min(0) - _BORDER, 0)
    upper = np.minimum(occupied.max(0) + _BORDER + 1, grid.values.shape)
    window = tuple(slice(first, last) for first, last in zip(lower, upper, strict=True))
    values = np.ascontiguousarray(grid.values[window])
    return VoxelGrid(values, grid.origin + lower * grid.spacing, grid.spacing)
