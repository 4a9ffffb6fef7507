r"""Depth maps and hull to one field: the hull carved where enough photographs see free space.

Along the ray of a pixel with a known depth:

    camera ----- free ----- | -- near -- surface -- near -- | ..... unknown .....
                            2 cells

In front of the surface is free space, near it the signed distance is known, behind it nothing is.
The field is the mean of what the views have measured (after Curless and Levoy 1996,
doi:10.1145/237170.237269) with a prior: the hull is solid. So a part without depth stays as the
hull has it, one wrong depth carves nothing, and nothing is ever outside the hull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ...jobs.task import Progress, Task
from .records import DenseView, DepthMap, VoxelGrid
from .sampling import project, sample_image

_FULL_CONFIDENCE = 4.0  # photographs that agree, from which on a depth counts fully


@dataclass(frozen=True)
class FusionSettings:
    """Weights of the evidence.

    Attributes:
        band: Cells on each side of a depth in which it gives a distance.
        free_weight: Of free space beyond the band, by view.
        enough: Weight from which on the evidence counts alone, and the hull not.
        edge: Pixels around a voxel's whose nearest depth counts for free space.
        slack: Cells by which depth must be behind the hull of a thin part to count.
        thin: Cells from the middle of a part to its surface: at the first number or less it counts
            as thin, at the second or more not at all.
    """

    band: float = 3.0
    free_weight: float = 0.5
    enough: float = 0.5
    edge: int = 1
    slack: float = 2.0
    thin: tuple[float, float] = (3.0, 6.0)


_DEFAULTS = FusionSettings()


def fuse_depths(
    hull: VoxelGrid,
    views: list[DenseView],
    maps: list[DepthMap],
    settings: FusionSettings = _DEFAULTS,
) -> Task[VoxelGrid]:
    """Return the field of the surface on the hull's grid, above 0 inside, world units.

    Args:
        hull: Above 0 inside.
        views: The photographs.
        maps: Their checked depth maps.
        settings: Weights.
    """
    spacing = hull.spacing
    band = settings.band * spacing
    index = np.flatnonzero(hull.values > -2 * spacing)
    points = torch.from_numpy(hull.points(index)).float()
    hull_value = torch.from_numpy(hull.values.ravel()[index])

    total = torch.zeros(len(index))
    weight_sum = torch.zeros(len(index))
    for number, (view, depths) in enumerate(zip(views, maps, strict=True)):
        yield Progress(number / len(views), f"Fusing {number + 1}/{len(views)}")
        value, weight = _evidence(points, view, depths, band, settings)
        total += value * weight
        weight_sum += weight

    # Where there is little evidence, the hull counts; and nothing is outside the hull.
    share = (weight_sum / settings.enough).clamp_max(1)
    measured = total / weight_sum.clamp_min(1e-6)
    near_hull = hull_value.clamp_max(band)
    field = share * measured + (1 - share) * near_hull

    # Depth that differs from the hull by less than its error does not: the hull is exact there.
    gap = near_hull - field
    slack = settings.slack * spacing * _thinness(hull, settings.thin)[index]
    trust = ((gap - slack / 2) / (slack / 2).clamp_min(1e-9)).clamp(0, 1)
    field = torch.minimum(near_hull - trust * gap, hull_value)
    values = torch.from_numpy(hull.values.copy()).clamp_max(band).ravel()
    values[torch.from_numpy(index)] = field

    return VoxelGrid(values.numpy().reshape(hull.values.shape), hull.origin, spacing)


def _thinness(hull: VoxelGrid, limits: tuple[float, float]) -> torch.Tensor:
    """Return for each grid point (P,) how thin the hull is around it, from 0 to 1.

    The windows by which depth is measured are as large as thin parts, and wrong at their edges.
    """
    inner = torch.from_numpy(hull.values)[None].clamp_min(0)
    # The largest distance to the surface nearby, by one pass an axis.
    radius = int(np.ceil(limits[1]))
    for axis in range(3):
        kernel = [1, 1, 1]
        kernel[axis] = 2 * radius + 1
        padding = [side // 2 for side in kernel]
        inner = functional.max_pool3d(inner, kernel, stride=1, padding=padding)

    half_width = inner.ravel() / hull.spacing
    return ((limits[1] - half_width) / (limits[1] - limits[0])).clamp(0, 1)


def _evidence(
    points: torch.Tensor,
    view: DenseView,
    depths: DepthMap,
    band: float,
    settings: FusionSettings,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the signed distances (P,) that a view gives points, above 0 inside, and weights."""
    camera = view.camera
    pixels, depth = project(points, camera)
    size = pixels.new_tensor((camera.width, camera.height))
    in_image = (depth > 0) & (pixels >= 0).all(1) & (pixels < size).all(1)
    layers = _layers(view, depths, settings.edge)
    surface, nearest, confidence, *normal = sample_image(layers, pixels, "nearest")

    # Distance to the patch's plane near it, along the ray far from it.
    origin = torch.from_numpy(camera.to_world[:3, 3]).to(points)
    rays = points - origin
    length = rays.norm(dim=1)
    along = (surface / depth - 1) * length
    cosine = -(rays * torch.stack(normal, 1)).sum(1) / length
    cosine = cosine.clamp(0.1, 1)
    distance = along * cosine
    known = in_image & (confidence > 0)

    # In front of an edge, the nearest depth around decides whether space is free.
    nearest_along = (nearest / depth - 1) * length
    is_near = known & (distance.abs() < band)
    is_free = known & (distance >= band) & (nearest_along > band)
    weight = (confidence / _FULL_CONFIDENCE).clamp_max(1) * cosine
    value = torch.where(is_near, -distance, -band)
    share = torch.where(is_near, 1.0, settings.free_weight)

    return value, torch.where(is_near | is_free, weight * share, 0.0)


def _layers(view: DenseView, depths: DepthMap, edge: int) -> torch.Tensor:
    """Return (6, H, W): depth, nearest depth around, confidence, normal."""
    depth = torch.from_numpy(depths.depth)
    known = torch.from_numpy(depths.confidence > 0)
    nearness = torch.where(known, -depth, -torch.inf)
    side = 2 * edge + 1
    nearest = -functional.max_pool2d(nearness[None], side, stride=1, padding=edge)[0]
    normal = torch.from_numpy(depths.normal).permute(2, 0, 1)
    confidence = torch.from_numpy(depths.confidence)
    nearest = torch.where(nearest.isinf(), 0.0, nearest)

    return torch.cat((depth[None], nearest[None], confidence[None], normal))
