"""Which measured depths other photographs agree with, and the points that they give."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ...cameras import Camera
from ...jobs.task import Progress, Task
from .records import DenseCloud, DenseView, DepthMap
from .sampling import pixel_centers, project, sample_image, unproject

_MOST_COST = 0.6  # of a patch; 0 is the same pattern, 1 is none in common
_MOST_ANGLE = 60.0  # degrees between two views of the object that are compared
_TOLERANCE = 0.008  # of the object's size: distance of two points that agree
_LEAST_COSINE = 0.5  # between two normals that agree
_LEAST_VIEWS = 2  # other photographs that must agree
_CLOUD_POINTS = 400_000  # of the dense cloud, at most


@dataclass(frozen=True)
class _Surface:
    """One view's points as tensors: depth (H, W), normals (3, H, W), and its camera."""

    depth: torch.Tensor
    normal: torch.Tensor
    camera: Camera


def check_depths(
    views: list[DenseView], maps: list[DepthMap], costs: list[NDArray[np.float32]], size: float
) -> Task[list[DepthMap]]:
    """Keep the depths that at least two other photographs agree with, and average those.

    Args:
        views: As measured.
        maps: Their depth maps.
        costs: (H, W) of their patches.
        size: Longest side of the object, world units.

    Returns:
        The depth maps with the number of agreeing photographs as confidence.
    """
    surfaces = []
    for view, depths, cost in zip(views, maps, costs, strict=True):
        known = (cost < _MOST_COST) & (depths.depth > 0)
        depth = torch.from_numpy(np.where(known, depths.depth, 0).astype(np.float32))
        normal = torch.from_numpy(depths.normal).permute(2, 0, 1)
        surfaces.append(_Surface(depth, normal, view.camera))

    directions = np.array([view.camera.to_world[:3, 2] for view in views])
    close = directions @ directions.T > np.cos(np.radians(_MOST_ANGLE))
    checked = []

    for index, depths in enumerate(maps):
        yield Progress(index / len(maps), f"Comparing depths {index + 1}/{len(maps)}")
        others = [other for other in np.flatnonzero(close[index]) if other != index]
        tolerance = _TOLERANCE * size
        checked.append(
            _checked(surfaces[index], [surfaces[each] for each in others], depths, tolerance)
        )

    return checked


def _checked(
    surface: _Surface, others: list[_Surface], depths: DepthMap, tolerance: float
) -> DepthMap:
    height, width = surface.depth.shape
    known = surface.depth.ravel() > 0
    pixels = pixel_centers(height, width)[known]
    depth = surface.depth.ravel()[known]
    normal = surface.normal.reshape(3, -1)[:, known].T
    points = unproject(pixels, depth, surface.camera)

    # What each other view has where it shows the point.
    count = torch.zeros(len(depth))
    depth_sum = depth.clone()
    for other in others:
        agreed, other_depth = _agreement(points, normal, other, surface.camera, tolerance)
        count += agreed
        depth_sum += torch.where(agreed, other_depth, 0.0)

    kept = count >= _LEAST_VIEWS

    result = torch.zeros(height * width)
    confidence = torch.zeros(height * width)
    place = torch.nonzero(known)[:, 0][kept]
    result[place] = (depth_sum / (count + 1))[kept]
    confidence[place] = count[kept]

    return replace(
        depths,
        depth=result.reshape(height, width).numpy(),
        confidence=confidence.reshape(height, width).numpy(),
    )


def _agreement(
    points: torch.Tensor,
    normal: torch.Tensor,
    other: _Surface,
    camera: Camera,
    tolerance: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (P,) where ``other`` has the same points, and the depth (P,) that it gives them."""
    pixels, depth = project(points, other.camera)
    size = pixels.new_tensor((other.camera.width, other.camera.height))
    in_image = (depth > 0) & (pixels >= 0).all(1) & (pixels <= size).all(1)
    layers = torch.cat((other.depth[None], other.normal))
    values = sample_image(layers, pixels, "nearest")
    other_depth = values[0]

    # The point of the other view's patch on the ray, by the plane of its pixel.
    center = torch.floor(pixels.clamp_min(0).minimum(size - 1)) + 0.5
    other_points = unproject(center, other_depth, other.camera)
    offset = ((points - other_points) * values[1:].T).sum(1)
    distance = offset.abs()
    alike = (normal * values[1:].T).sum(1) > _LEAST_COSINE
    agreed = in_image & (other_depth > 0) & (distance < tolerance) & alike

    # Not a grazing view of a plane that runs past the point.
    agreed &= (other_depth - depth).abs() < 3 * tolerance

    # Move the point onto the other's plane along the ray of its own camera.
    rays = points - torch.from_numpy(camera.to_world[:3, 3]).to(points)
    slope = (rays * values[1:].T).sum(1)
    safe = torch.where(slope.abs() < 1e-6, 1e-6, slope)
    shift = (-offset / safe).clamp(-0.02, 0.02)
    _, own_depth = project(points, camera)

    return agreed, own_depth * (1 + shift)


def dense_cloud(views: list[DenseView], maps: list[DepthMap]) -> DenseCloud:
    """Return the points of all depth maps, each the more photographs agree the likelier kept."""
    points = []
    normals = []
    colors = []
    counts = []

    for view, depths in zip(views, maps, strict=True):
        known = depths.confidence > 0
        height, width = known.shape
        pixels = pixel_centers(height, width)[torch.from_numpy(known.ravel())]
        depth = torch.from_numpy(depths.depth[known])
        points.append(unproject(pixels, depth, view.camera).numpy())
        normals.append(depths.normal[known])
        colors.append(view.color[known])
        counts.append(depths.confidence[known])

    total = sum(len(part) for part in points)
    step = max(-(-total // _CLOUD_POINTS), 1)

    return DenseCloud(
        points=np.concatenate(points)[::step].astype(np.float32),
        normals=np.concatenate(normals)[::step].astype(np.float32),
        colors=np.concatenate(colors)[::step].astype(np.float32),
        view_count=np.concatenate(counts)[::step].astype(np.int32) + 1,
    )
