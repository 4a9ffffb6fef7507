"""Projection of points into views, and sampling of feature maps there.

Perspective and orthographic cameras share one formula. A camera is a (5, 4) matrix over homogeneous
points:

    rows 0, 1, 2   image coordinates after division by the third: x to the right, y down, each in
                   -1..1 within the image ("ndc"); the third is the constant 1 if orthographic
    row 3          depth along the camera's unit view axis, 0 at the origin
    row 4          the camera's center (cx, cy, cz, 1), or the unit direction towards it
                   (dx, dy, dz, 0) if orthographic
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...cameras import Camera
from .layers import split_batch

Floats = NDArray[np.float32] | NDArray[np.float64]

DEPTH_REACH = 0.7  # the depth bins range from this far in front of the origin to this far behind
INSIDE_MASK = 0.5  # coverage above which a point is inside a mask
_HULL_STEPS = 29  # points along a ray at which the hull is evaluated
_MIN_COVERAGE_STEP = 1e-3


def camera_matrix(camera: Camera) -> NDArray[np.float32]:
    """Return ``camera`` as the (5, 4) float32 matrix of this module."""
    to_ndc_x = (2 / camera.width, 0, -1)
    to_ndc_y = (0, 2 / camera.height, -1)
    pixels_to_ndc = np.array((to_ndc_x, to_ndc_y, (0, 0, 1.0)))
    normalized_intrinsics = pixels_to_ndc @ camera.intrinsics

    pose = camera.from_world[:3].copy()
    matrix = np.empty((5, 4))
    depth_at_origin = (0, 0, 0, pose[2, 3])
    matrix[3] = pose[2] - depth_at_origin

    if camera.orthographic:
        pose[2] = (0, 0, 0, 1)  # no division by depth
        matrix[4] = (*camera.to_world[:3, 2], 0)
    else:
        matrix[4] = (*camera.to_world[:3, 3], 1)

    matrix[:3] = normalized_intrinsics @ pose
    return matrix.astype(np.float32)


def transform_camera(matrix: Floats, transform: Floats) -> NDArray[np.float32]:
    """Return the camera after the world moved by ``transform``.

    Args:
        matrix: (5, 4).
        transform: (4, 4), affine; it may also scale and mirror.
    """
    result = matrix.astype(np.float64) @ np.linalg.inv(transform)

    # Depth keeps its unit, and its zero at the origin.
    result[3] /= np.linalg.norm(result[3, :3])
    result[3, 3] = 0

    result[4] = transform @ matrix[4]
    is_orthographic = not matrix[4, 3]
    if is_orthographic:
        result[4] /= np.linalg.norm(result[4])
    return result.astype(np.float32)


def unproject_points(matrix: Floats, ndc: Floats, depth: Floats) -> NDArray[np.float64]:
    """Return the points (P, 3) at given image coordinates and depths.

    A point is where three planes meet: those of its x, its y and its depth. The formula is
    Cramer's rule. The cross products of the planes' normals are linear in x and y, so they are
    computed once for the camera.

    Args:
        matrix: (5, 4), the camera.
        ndc: (P, 2), in -1..1.
        depth: (P,).
    """
    row_x, row_y, row_w, row_depth = matrix[:4, :3]
    offset_x, offset_y, offset_w, offset_depth = matrix[:4, 3]
    zero = np.zeros(3)
    one_x_y = np.concatenate((np.ones((len(ndc), 1)), ndc), axis=1)

    # The ray of each pixel: where its planes of x and y meet.
    cross_xy = np.cross(row_x, row_y)
    cross_yw = np.cross(row_y, row_w)
    cross_wx = np.cross(row_w, row_x)
    rays = one_x_y @ np.stack((cross_xy, cross_yw, cross_wx))

    # What the offsets of the planes of x and of y contribute.
    cross_yd = np.cross(row_y, row_depth)
    cross_dx = np.cross(row_depth, row_x)
    cross_x = np.stack((cross_yd, zero, np.cross(row_depth, row_w)))
    cross_y = np.stack((cross_dx, np.cross(row_w, row_depth), zero))
    weight_x = one_x_y @ np.array((offset_x, -offset_w, 0))
    weight_y = one_x_y @ np.array((offset_y, 0, -offset_w))
    start = weight_x[:, None] * (one_x_y @ cross_x)
    start += weight_y[:, None] * (one_x_y @ cross_y)

    determinant = (rays @ row_depth)[:, None]
    points: NDArray[np.float64] = (rays * (depth - offset_depth)[:, None] - start) / determinant
    return points


def project_points(cameras: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return image coordinates (B, N, P, 2) and geometry (B, N, P, 4) of ``points`` in all views.

    The geometry is the depth and the unit direction towards the camera.

    Args:
        cameras: (B, N, 5, 4).
        points: (B, P, 3).
    """
    ndc, depth = project_depth(cameras, points)
    center = cameras[:, :, None, 4]
    to_camera = F.normalize(center[..., :3] - center[..., 3:] * points[:, None], dim=-1)
    return ndc, torch.cat((depth, to_camera), dim=-1)


def project_depth(cameras: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return only image coordinates (B, N, P, 2) and depths (B, N, P, 1), which is cheaper.

    Args:
        cameras: (B, N, 5, 4).
        points: (B, P, 3).
    """
    rotations = cameras[:, :, :4, :3].transpose(-1, -2)
    offsets = cameras[:, :, None, :4, 3]
    local = points[:, None] @ rotations + offsets
    return local[..., :2] / local[..., 2:3], local[..., 3:]


def hull_interval(cameras: Tensor, masks: Tensor, size: int) -> Tensor:
    """Return the depths at which the rays of pixels enter and leave the visual hull.

    They are -DEPTH_REACH and DEPTH_REACH where nothing is known: with a single view, or where a
    ray misses the hull.

    Args:
        cameras: (B, N, 5, 4).
        masks: (B, N, 1, H, W), in 0..1.
        size: Width and height of the returned maps, pixels.

    Returns:
        (B, N, 2, size, size).
    """
    batch, views = cameras.shape[:2]
    unknown = torch.tensor((-DEPTH_REACH, DEPTH_REACH), device=masks.device)
    if views == 1:
        return unknown[:, None, None].expand(batch, 1, 2, size, size)

    # How much the masks cover of points at even depths along each pixel's ray.
    origins, directions = _pixel_rays(cameras, size)
    depths = torch.linspace(-DEPTH_REACH, DEPTH_REACH, _HULL_STEPS, device=masks.device)
    coverages = []

    for view in range(views):
        start = origins[:, view, :, None]
        step = directions[:, view, :, None]
        ray_points = start + depths[:, None] * step
        coverages.append(_mask_coverage(cameras, masks, ray_points.flatten(1, 2)))

    coverage = torch.stack(coverages, dim=1).reshape(batch, views, size * size, _HULL_STEPS)

    # The first crossing from the front is the entry, the first from the back the exit.
    entry = _first_inside(coverage)
    exit_ = 1 - _first_inside(coverage.flip(-1))
    ends = torch.stack([(2 * fraction - 1) * DEPTH_REACH for fraction in (entry, exit_)], dim=2)

    misses_hull = (coverage <= INSIDE_MASK).all(-1)[:, :, None]
    interval = torch.where(misses_hull, unknown[:, None], ends)
    return interval.reshape(batch, views, 2, size, size)


def _mask_coverage(cameras: Tensor, masks: Tensor, points: Tensor) -> Tensor:
    """Return the lowest value (B, P) that any mask has at each of the points.

    Args:
        cameras: (B, N, 5, 4).
        masks: (B, N, 1, H, W).
        points: (B, P, 3).
    """
    coverages = []
    for view in range(cameras.shape[1]):
        camera = cameras[:, view]
        rotation = camera[:, :3, :3].transpose(1, 2)
        local = points @ rotation + camera[:, None, :3, 3]
        ndc = local[..., :2] / local[..., 2:]
        coverage = F.grid_sample(masks[:, view], ndc[:, :, None], align_corners=False)
        coverages.append(coverage[:, 0, :, 0])

    lowest = coverages[0]
    for coverage in coverages[1:]:
        lowest = torch.minimum(lowest, coverage)
    return lowest


def _pixel_rays(cameras: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the rays of each view's pixels, two arrays (B, N, size^2, 3).

    They are the points at depth 0, and the steps per unit of depth.
    Cramer's rule as in :func:`unproject_points`, with the planes of x, y and depth of each pixel.
    """
    pixels = torch.linspace(-1, 1, 2 * size + 1, device=cameras.device)
    centers = pixels[1::2]
    grid_y, grid_x = torch.meshgrid(centers, centers, indexing="ij")
    y = grid_y.reshape(-1, 1)
    x = grid_x.reshape(-1, 1)

    # The planes of each pixel: normal and offset.
    row_x, row_y, row_w, row_depth, _ = cameras[:, :, None].unbind(-2)
    plane_x = row_x - x * row_w
    plane_y = row_y - y * row_w
    plane_depth = row_depth.expand_as(plane_x)
    normal_x, offset_x = torch.split(plane_x, [3, 1], dim=-1)
    normal_y, offset_y = torch.split(plane_y, [3, 1], dim=-1)
    normal_depth, offset_depth = torch.split(plane_depth, [3, 1], dim=-1)

    cross_xy = torch.linalg.cross(normal_x, normal_y)
    cross_yd = torch.linalg.cross(normal_y, normal_depth)
    cross_dx = torch.linalg.cross(normal_depth, normal_x)
    determinant = (cross_xy * normal_depth).sum(-1, keepdim=True)

    offsets = offset_x * cross_yd + offset_y * cross_dx + offset_depth * cross_xy
    return -offsets / determinant, cross_xy / determinant


def _first_inside(coverage: Tensor) -> Tensor:
    """Return the fraction (...), in 0..1, of a ray at which it first enters the masks.

    Args:
        coverage: (..., K), at K even steps along the rays.
    """
    first = (coverage > INSIDE_MASK).float().argmax(-1, keepdim=True)
    value = coverage.gather(-1, first)
    previous_value = coverage.gather(-1, (first - 1).clamp(min=0))

    # Between two steps the coverage is taken to be linear.
    rise = (value - previous_value).clamp(min=_MIN_COVERAGE_STEP)
    step_back = torch.where(first > 0, (value - INSIDE_MASK) / rise, 0)
    return (first - step_back)[..., 0] / (coverage.shape[-1] - 1)


def sample_maps(maps: Tensor, ndc: Tensor) -> Tensor:
    """Return bilinear values (B, N, P, C) of ``maps``, zero outside of them.

    Args:
        maps: (B, N, C, H, W).
        ndc: (B, N, P, 2), in -1..1 within the maps.
    """
    values = interpolate_maps(maps.flatten(0, 1), ndc.flatten(0, 1))
    return split_batch(values, *maps.shape[:2])


def sample_depth(bins: Tensor, ndc: Tensor, depth: Tensor, reach: float = DEPTH_REACH) -> Tensor:
    """Return trilinear values (B, N, P, C) of depth bins; outside of them the nearest value.

    Args:
        bins: (B, N, C, K, H, W), at K depths from -reach to reach.
        ndc: (B, N, P, 2), in -1..1 within the bins.
        depth: (B, N, P, 1).
        reach: Largest depth of the bins.
    """
    positions = torch.cat((ndc, depth / reach), dim=-1).flatten(0, 1)
    values = interpolate_maps(bins.flatten(0, 1), positions, padding_mode="border")
    return split_batch(values, *bins.shape[:2])


def interpolate_maps(maps: Tensor, positions: Tensor, padding_mode: str = "zeros") -> Tensor:
    """Return linearly interpolated values (M, P, C).

    Args:
        maps: (M, C, H, W) or (M, C, D, H, W).
        positions: (M, P, 2 or 3), x, y (and z), in -1..1 within the maps.
        padding_mode: "zeros", or "border" for the nearest value, outside of the maps.
    """
    has_fast_path = maps.shape[1] > 1 and maps.device.type == "cpu"
    if has_fast_path and not torch.is_grad_enabled():
        return _gather_linear(maps, positions, padding_mode)
    count, points, dimensions = positions.shape
    single_cells = [1] * (dimensions - 1)
    grid = positions.reshape(count, points, *single_cells, dimensions)
    values = F.grid_sample(maps, grid, padding_mode=padding_mode, align_corners=False)

    return values.flatten(2).transpose(1, 2)


def _gather_linear(maps: Tensor, positions: Tensor, padding_mode: str) -> Tensor:
    """Interpolate on CPUs and without gradients, several times as fast as ``grid_sample``.

    ``grid_sample`` walks through each channel separately. Here the maps are a table with one row a
    pixel, and the 2, 4 or 8 rows around each point are summed with their weights, all channels at
    a time. It is fastest if the channels of a pixel are adjacent in memory.
    """
    count, channels, *sizes = maps.shape
    if padding_mode == "zeros":
        maps = F.pad(maps, (1, 1) * len(sizes))

    # Axis by axis, slowest first: the row of the lower corner, and all corners' offsets from it
    # and weights.
    row = torch.arange(count, dtype=torch.int32)[:, None]
    weights = [torch.ones(1)]
    offsets = [0]

    for axis, (size, padded_size) in enumerate(zip(sizes, maps.shape[2:], strict=True)):
        coordinate = positions[..., -1 - axis]
        center = padded_size / 2 - 0.5
        pixel = torch.add(center, coordinate, alpha=size / 2)
        pixel = pixel.clamp(0, padded_size - 1)
        lower = pixel.int().clamp(0, padded_size - 2)
        fraction = pixel - lower
        shares = (1 - fraction, fraction)
        row = row * padded_size + lower
        weights = [weight * share for weight in weights for share in shares]
        offsets = [offset * padded_size + end for offset in offsets for end in (0, 1)]

    # The weighted sum of the corners' rows.
    corner_offsets = torch.tensor(offsets, dtype=torch.int32)
    corner_rows = (row[..., None] + corner_offsets).flatten(0, 1)
    corner_weights = torch.stack(weights, -1).flatten(0, 1)
    table = maps.movedim(1, -1).reshape(-1, channels)
    values = F.embedding_bag(corner_rows, table, per_sample_weights=corner_weights, mode="sum")

    return split_batch(values, count, positions.shape[1])
