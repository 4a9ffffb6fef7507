r"""Masks without a plain background: the object is what stands on the floor within the cameras.

Depth is measured in a box around the middle of the cameras, the floor included. Points that several
photographs agree on are of the object if they are above the floor, and of the floor otherwise:

          /|  box   |\         o  points of the object: seeds of its mask in every photograph,
         / |  oo    | \           also where they are hidden, since only the object hides them
    camera |  oo    |  camera  .  points of the floor: seeds of the background
           |..oo....|

Between the seeds each pixel takes what its neighbors of a similar color have (a random walker;
Grady 2006, doi:10.1109/TPAMI.2006.233).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...cameras import Camera
from ...errors import ImageError
from ...imaging.morphology import flood_fill
from ...jobs.task import Progress, Task, subtask
from ..floor import looked_at_point
from ..records import SolvedScene
from .consistency import check_depths, dense_cloud
from .depth import measure_depths
from .records import DenseCloud, DenseSettings, DenseView, VoxelGrid
from .sampling import project
from .views import crop_view

_SETTINGS = DenseSettings(max_side=208, sources=3, levels=2, iterations=(3, 2))
_INNER = 0.6  # of the cameras' distance from the middle: beyond this is what stands around
_LEAST_POINTS = 12  # sparse points of the object
_QUANTILES = (2, 98)  # percent of the sparse points, since some are always far off
_GROWN = 0.2  # of the longest side, on each side of the box of the sparse points
_BELOW = 0.06  # units below the floor to which the box reaches
_BOX_CELLS = 48
_HEIGHT = 0.015  # units above the floor from which points are of the object
_LEAST_VIEWS = 3  # photographs that agree on a seed
_WALKS = 150  # steps of the random walker
_LEAK = 0.015  # of a neighbor's weight, towards the background, where no seed is near
_COLOR_SIGMA = 0.06  # difference of color across which neighbors count 1/e
_SEED_PIXEL = 2  # points that make a pixel a seed


def find_masks(
    images: list[NDArray[np.float32]], cameras: list[Camera], solved: SolvedScene
) -> Task[list[NDArray[np.float32]]]:
    """Return the masks (H, W) in 0..1 of the object that stands on the floor.

    Without a floor all that was measured in the middle of the cameras is of the object.

    Args:
        images: (H, W, 3) sRGB in 0..1, a few hundred pixels large.
        cameras: Of them.
        solved: Their scene.

    Raises:
        ImageError: There are hardly any points in the middle of the cameras.
    """
    box = object_box(cameras, solved)
    views = [_box_view(image, camera, box) for image, camera in zip(images, cameras, strict=True)]
    cloud = yield from subtask(_points_in_box(views, box), 0.0, 0.9)
    floor_height = _HEIGHT if solved.floor_found else -np.inf

    masks = []
    for index, (image, camera) in enumerate(zip(images, cameras, strict=True)):
        yield Progress(0.9 + 0.1 * index / len(images), f"Outlines {index + 1}/{len(images)}")
        masks.append(_mask_by_points(image, camera, cloud, box, floor_height))
    return masks


def object_box(cameras: list[Camera], solved: SolvedScene) -> VoxelGrid:
    """Return a box, full of 1, that holds the object and, if there is one, some of the floor."""
    points = solved.cloud.points.astype(np.float64)
    middle = looked_at_point(cameras)
    positions = np.array([camera.to_world[:3, 3] for camera in cameras])
    reach = _INNER * np.median(np.linalg.norm(positions - middle, axis=1))
    is_inner = np.linalg.norm(points - middle, axis=1) < reach
    if solved.floor_found:
        is_inner &= points[:, 2] > _HEIGHT
    chosen = points[is_inner]

    if len(chosen) < _LEAST_POINTS:
        raise ImageError(
            "No object stands in the middle of the cameras: photograph it before a plain "
            "background, or cut it out (PNG with transparency)"
        )

    lower, upper = np.percentile(chosen, _QUANTILES, axis=0)
    grown = _GROWN * (upper - lower).max()
    lower = lower - grown
    upper = upper + grown

    if solved.floor_found:
        lower[2] = -_BELOW
    spacing = float((upper - lower).max()) / _BOX_CELLS
    shape = np.ceil((upper - lower) / spacing).astype(int) + 1
    return VoxelGrid(np.ones(shape, np.float32), lower, spacing)


def _box_view(image: NDArray[np.float32], camera: Camera, box: VoxelGrid) -> DenseView:
    """Return the part of an image in which the box is, all of it to be measured."""
    corners = _box_corners(box)
    pixels, _ = camera.project(corners)
    lower = np.floor(pixels.min(0)).astype(int).clip(0, (camera.width - 1, camera.height - 1))
    upper = np.ceil(pixels.max(0)).astype(int).clip(lower + 1, (camera.width, camera.height))
    mask = np.zeros((*image.shape[:2], 1), np.float32)
    mask[lower[1] : upper[1], lower[0] : upper[0]] = 1
    masked = np.concatenate((image, mask), axis=2)

    return crop_view(masked, camera, (0.0, 0.0), _SETTINGS.max_side)


def _points_in_box(views: list[DenseView], box: VoxelGrid) -> Task[DenseCloud]:
    """Return the points within the box on which photographs agree."""
    maps, costs = yield from subtask(measure_depths(views, box, _SETTINGS), 0.0, 0.9)
    extent = np.array(box.values.shape) * box.spacing
    checked = yield from subtask(check_depths(views, maps, costs, float(extent.max())), 0.9, 1.0)
    return dense_cloud(views, checked)


def _mask_by_points(
    image: NDArray[np.float32],
    camera: Camera,
    cloud: DenseCloud,
    box: VoxelGrid,
    floor_height: float,
) -> NDArray[np.float32]:
    """Return the mask (H, W) of one image; points of the object are above ``floor_height``."""
    sure = cloud.view_count >= _LEAST_VIEWS
    points = cloud.points[sure]
    lower = box.origin + 0.03
    upper = box.origin + (np.array(box.values.shape) - 1) * box.spacing - 0.03
    inside = ((points[:, :2] > lower[:2]) & (points[:, :2] < upper[:2])).all(1)
    is_object = inside & (points[:, 2] > floor_height)
    object_count = _count_in_pixels(points[is_object], camera)
    floor_count = _count_in_pixels(points[points[:, 2] < floor_height / 2], camera)
    object_seeds = object_count >= _SEED_PIXEL
    floor_seeds = (floor_count >= 1) & (object_count == 0)

    # What the box does not reach is background.
    pixels, _ = camera.project(_box_corners(box))
    left, top = pixels.min(0)
    right, bottom = pixels.max(0)
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    beyond = (columns < left) | (columns > right) | (rows < top) | (rows > bottom)
    background = torch.from_numpy(beyond) | floor_seeds

    return _walk(torch.from_numpy(image), object_seeds & ~torch.from_numpy(beyond), background)


def _count_in_pixels(points: NDArray[np.float32], camera: Camera) -> torch.Tensor:
    """Return how many points (H, W) each pixel shows."""
    pixels, depth = project(torch.from_numpy(points), camera)
    cells = torch.floor(pixels).long()
    size = torch.tensor((camera.width, camera.height))
    shown = (depth > 0) & (cells >= 0).all(1) & (cells < size).all(1)
    flat = cells[shown, 1] * camera.width + cells[shown, 0]
    count = torch.bincount(flat, minlength=camera.width * camera.height)
    return count.reshape(camera.height, camera.width)


def _walk(
    image: torch.Tensor, object_seeds: torch.Tensor, background: torch.Tensor
) -> NDArray[np.float32]:
    """Spread the seeds over pixels of similar color; return the object's share (H, W)."""
    color = image.permute(2, 0, 1)
    height, width = object_seeds.shape
    padded = functional.pad(color[None], (1, 1, 1, 1), mode="replicate")[0]
    shifts = ((0, 1), (2, 1), (1, 0), (1, 2))
    weights = []

    for down, right in shifts:
        other = padded[:, down : down + height, right : right + width]
        difference = (other - color).abs().amax(0)
        weights.append(torch.exp(-difference / _COLOR_SIGMA) + 1e-3)

    weight_sum = torch.stack(weights).sum(0) + _LEAK

    seeds = object_seeds | background
    fixed = object_seeds.float()
    share = fixed

    for _ in range(_WALKS):
        around = functional.pad(share[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
        total = torch.zeros_like(share)
        for weight, (down, right) in zip(weights, shifts, strict=True):
            total += weight * around[down : down + height, right : right + width]
        share = torch.where(seeds, fixed, total / weight_sum)

    return _without_holes(share.numpy() > 0.5, background.numpy())


def _without_holes(mask: NDArray[np.bool_], background: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill the holes of a mask (H, W) in which no background was seen; return it as 0 and 1."""
    outer = background.copy()
    outer[[0, -1]] = True
    outer[:, [0, -1]] = True
    outside = flood_fill(~mask, outer.astype(np.float32)) > 0
    return (~outside).astype(np.float32)


def _box_corners(box: VoxelGrid) -> NDArray[np.float64]:
    upper = box.origin + (np.array(box.values.shape) - 1) * box.spacing
    return np.array(np.meshgrid(*zip(box.origin, upper, strict=True))).reshape(3, -1).T
