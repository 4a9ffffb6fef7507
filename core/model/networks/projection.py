"""Where points of the volume fall in the pictures: one formula for perspective and orthographic.

A camera is a (5, 4) matrix over homogeneous points: rows 0 to 2 give the picture's coordinates (x and y in -1..1,
x to the right, y down, after division by the third; constant 1 if orthographic), row 3 the depth along the camera's
unit axis, 0 at the origin, and row 4 is the camera's centre (cx, cy, cz, 1), or the unit direction towards it
(dx, dy, dz, 0) if orthographic.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...cameras import Camera

DEPTH_REACH = 0.7  # depth bins lie between this much before and behind the origin
_HULL_STEPS = 29


def camera_matrix(camera: Camera) -> NDArray[np.float32]:
    """``camera`` as the (5, 4) float32 matrix above."""
    normal = (
        np.array(((2 / camera.width, 0, -1), (0, 2 / camera.height, -1), (0, 0, 1.0)))
        @ camera.intrinsics
    )
    pose = camera.from_world[:3].copy()
    matrix = np.empty((5, 4))
    matrix[3] = pose[2] - (0, 0, 0, pose[2, 3])
    if camera.orthographic:
        pose[2] = (0, 0, 0, 1)
        matrix[4] = (*camera.to_world[:3, 2], 0)
    else:
        matrix[4] = (*camera.to_world[:3, 3], 1)
    matrix[:3] = normal @ pose
    return matrix.astype(np.float32)


def transform_camera(
    matrix: NDArray[np.floating], transform: NDArray[np.floating]
) -> NDArray[np.float32]:
    """The camera after the world is moved by the affine ``transform`` (4, 4), which may also scale and mirror."""
    result = matrix.astype(np.float64) @ np.linalg.inv(transform)
    result[3] /= np.linalg.norm(result[3, :3])
    result[3, 3] = 0
    result[4] = transform @ matrix[4]
    if not matrix[4, 3]:
        result[4] /= np.linalg.norm(result[4])
    return result.astype(np.float32)


def unproject_points(
    matrix: NDArray[np.floating], where: NDArray[np.floating], depth: NDArray[np.floating]
) -> NDArray:
    """Points (P, 3) that the camera ``matrix`` sees at ``where`` (P, 2), in -1..1, and ``depth`` (P,)."""
    # Cramer's rule for the three planes that meet there, the products of whose normals are linear in x and y, too.
    (one, two, three, four), (a, b, c, d), zero = matrix[:4, :3], matrix[:4, 3], np.zeros(3)
    by = np.concatenate((np.ones((len(where), 1)), where), axis=1)
    rays = by @ (np.cross(one, two), np.cross(two, three), np.cross(three, one))
    start = (by @ (a, -c, 0))[:, None] * (by @ (np.cross(two, four), zero, np.cross(four, three)))
    start += (by @ (b, 0, -c))[:, None] * (by @ (np.cross(four, one), np.cross(three, four), zero))
    return (rays * (depth - d)[:, None] - start) / (rays @ four)[:, None]


def project_points(cameras: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Picture coordinates (B, N, P, 2) in -1..1 and geometry (B, N, P, 4): depth and the unit direction to the camera.

    Args:
        cameras: (B, N, 5, 4). points: (B, P, 3).
    """
    where, depth = project_depth(cameras, points)
    center = cameras[:, :, None, 4]
    back = F.normalize(center[..., :3] - center[..., 3:] * points[:, None], dim=-1)
    return where, torch.cat((depth, back), dim=-1)


def project_depth(cameras: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`project_points`, but of the geometry only the depth (B, N, P, 1), which is cheaper."""
    local = points[:, None] @ cameras[:, :, :4, :3].transpose(-1, -2) + cameras[:, :, None, :4, 3]
    return local[..., :2] / local[..., 2:3], local[..., 3:]


def hull_interval(cameras: Tensor, masks: Tensor, side: int) -> Tensor:
    """Depths at which the rays of a ``side`` x ``side`` picture enter and leave the visual hull: (B, N, 2, side, side).

    -+``DEPTH_REACH`` where nothing is known: with one view, or where a ray misses what the others see.

    Args:
        cameras: (B, N, 5, 4). masks: (B, N, 1, H, W).
    """
    batch, views = cameras.shape[:2]
    unknown = torch.tensor((-DEPTH_REACH, DEPTH_REACH), device=masks.device)
    if views == 1:
        return unknown[:, None, None].expand(batch, 1, 2, side, side)
    start, along = _pixel_rays(cameras, side)
    depths = torch.linspace(-DEPTH_REACH, DEPTH_REACH, _HULL_STEPS, device=masks.device)
    cover = torch.stack(
        [
            _mask_coverage(
                cameras,
                masks,
                (start[:, i, :, None] + depths[:, None] * along[:, i, :, None]).flatten(1, 2),
            )
            for i in range(views)
        ],
        dim=1,
    ).unflatten(2, (side * side, _HULL_STEPS))
    found = [_first_inside(cover), 1 - _first_inside(cover.flip(-1))]
    ends = torch.stack([(2 * fraction - 1) * DEPTH_REACH for fraction in found], dim=2)
    missed = (cover <= 0.5).all(-1)[:, :, None]
    return torch.where(missed, unknown[:, None], ends).reshape(batch, views, 2, side, side)


def _mask_coverage(cameras: Tensor, masks: Tensor, points: Tensor) -> Tensor:
    """The least that the masks (B, N, 1, H, W) cover of each of ``points`` (B, P, 3): (B, P)."""
    least = None
    for i in range(cameras.shape[1]):
        local = points @ cameras[:, i, :3, :3].transpose(1, 2) + cameras[:, i, None, :3, 3]
        grid = (local[..., :2] / local[..., 2:])[:, :, None]
        own = F.grid_sample(masks[:, i], grid, align_corners=False)[:, 0, :, 0]
        least = own if least is None else torch.minimum(least, own)
    return least  # type: ignore[return-value]


def _pixel_rays(cameras: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Rays of each picture's pixels (B, N, side^2, 3): their points at depth 0, and their way per unit of depth."""
    line = torch.linspace(-1, 1, 2 * side + 1, device=cameras.device)[1::2]
    y, x = (values.reshape(-1, 1) for values in torch.meshgrid(line, line, indexing="ij"))
    rows = cameras[:, :, None]
    a = rows[..., 0, :] - x * rows[..., 2, :]
    b = rows[..., 1, :] - y * rows[..., 2, :]
    c = rows[..., 3, :].expand_as(a)
    ab, bc, ca = (torch.linalg.cross(u[..., :3], v[..., :3]) for u, v in ((a, b), (b, c), (c, a)))
    volume = (ab * c[..., :3]).sum(-1, keepdim=True)
    start = -(a[..., 3:] * bc + b[..., 3:] * ca + c[..., 3:] * ab) / volume
    return start, ab / volume


def _first_inside(cover: Tensor) -> Tensor:
    """The fraction of the way (...) at which ``cover`` (..., K) along it first passes one half."""
    first = (cover > 0.5).float().argmax(-1, keepdim=True)
    after = cover.gather(-1, first)
    before = cover.gather(-1, (first - 1).clamp(min=0))
    back = torch.where(first > 0, (after - 0.5) / (after - before).clamp(min=1e-3), 0)
    return (first - back)[..., 0] / (cover.shape[-1] - 1)


def sample_maps(maps: Tensor, where: Tensor) -> Tensor:
    """Bilinear values (B, N, P, C) of ``maps`` (B, N, C, H, W) at ``where`` (B, N, P, 2); zero outside."""
    return interpolate_maps(maps.flatten(0, 1), where.flatten(0, 1)).unflatten(0, maps.shape[:2])


def sample_depth(bins: Tensor, where: Tensor, depth: Tensor, reach: float = DEPTH_REACH) -> Tensor:
    """Trilinear values (B, N, P, C) of ``bins`` (B, N, C, K, H, W) at ``where`` (B, N, P, 2), ``depth`` (B, N, P, 1).

    The bins lie between ``reach`` before and behind the origin. Beyond them and the pictures the nearest value goes on.
    """
    places = torch.cat((where, depth / reach), dim=-1).flatten(0, 1)
    return interpolate_maps(bins.flatten(0, 1), places, beyond="border").unflatten(
        0, bins.shape[:2]
    )


def interpolate_maps(maps: Tensor, places: Tensor, beyond: str = "zeros") -> Tensor:
    """Linear values (M, P, C) of ``maps`` (M, C, H, W) or (M, C, D, H, W) at ``places`` (M, P, 2 or 3) in -1..1.

    Args:
        beyond: "zeros", or "border": the nearest value goes on.
    """
    if maps.shape[1] > 1 and maps.device.type == "cpu" and not torch.is_grad_enabled():
        return _gather_linear(maps, places, beyond)
    grid = places.unflatten(1, (-1, *[1] * (places.shape[-1] - 1)))
    values = F.grid_sample(maps, grid, padding_mode=beyond, align_corners=False)
    return values.flatten(2).transpose(1, 2)


def _gather_linear(maps: Tensor, places: Tensor, beyond: str) -> Tensor:
    """As :func:`interpolate_maps`: grid_sample walks each channel by itself, this sums rows of all, many times as fast.

    It is fastest if the channels of ``maps`` lie together in memory.
    """
    count, channels, *inner = maps.shape
    if beyond == "zeros":
        maps = F.pad(maps, (1, 1) * len(inner))
    index = torch.arange(count, dtype=torch.int32)[:, None]
    weights = [torch.ones(1)]
    offsets = [0]
    for axis, (size, padded) in enumerate(zip(inner, maps.shape[2:], strict=True)):
        at = torch.add(padded / 2 - 0.5, places[..., -1 - axis], alpha=size / 2).clamp(
            0, padded - 1
        )
        low = at.int().clamp(0, padded - 2)
        part = at - low
        index = index * padded + low
        weights = [weight * share for weight in weights for share in (1 - part, part)]
        offsets = [offset * padded + end for offset in offsets for end in (0, 1)]
    rows = (index[..., None] + torch.tensor(offsets, dtype=torch.int32)).flatten(0, 1)
    table = maps.movedim(1, -1).reshape(-1, channels)
    values = F.embedding_bag(
        rows, table, per_sample_weights=torch.stack(weights, -1).flatten(0, 1), mode="sum"
    )
    return values.unflatten(0, (count, -1))
