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

from ..cameras import Camera

DEPTH_REACH = 0.7  # depth bins lie between this much before and behind the origin


def camera_matrix(camera: Camera) -> NDArray[np.float32]:
    """``camera`` as the (5, 4) float32 matrix above."""
    normal = np.array(((2 / camera.width, 0, -1), (0, 2 / camera.height, -1), (0, 0, 1.0))) @ camera.intrinsics
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


def transformed(matrix: NDArray[np.floating], transform: NDArray[np.floating]) -> NDArray[np.float32]:
    """The camera after the world is moved by the affine ``transform`` (4, 4), which may also scale and mirror."""
    result = matrix.astype(np.float64) @ np.linalg.inv(transform)
    result[3] /= np.linalg.norm(result[3, :3])
    result[3, 3] = 0
    result[4] = transform @ matrix[4]
    if not matrix[4, 3]:
        result[4] /= np.linalg.norm(result[4])
    return result.astype(np.float32)


def unproject(matrix: NDArray[np.floating], where: NDArray[np.floating], depth: NDArray[np.floating]) -> NDArray:
    """Points (P, 3) that the camera ``matrix`` sees at ``where`` (P, 2), in -1..1, and ``depth`` (P,)."""
    rows = np.concatenate((
        matrix[None, :2] - where[:, :, None] * matrix[2],
        np.broadcast_to(matrix[3], (len(where), 1, 4)),
    ), axis=1)  # fmt: skip
    target = -rows[..., 3]
    target[:, 2] += depth
    return np.linalg.solve(rows[..., :3], target[..., None])[..., 0]


def project(cameras: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Picture coordinates (B, N, P, 2) in -1..1 and geometry (B, N, P, 4): depth and the unit direction to the camera.

    Args:
        cameras: (B, N, 5, 4). points: (B, P, 3).
    """
    homogeneous = F.pad(points, (0, 1), value=1.0)
    local = torch.einsum("bnij,bpj->bnpi", cameras[:, :, :4], homogeneous)
    where = local[..., :2] / local[..., 2:3]
    centre = cameras[:, :, None, 4]
    back = F.normalize(centre[..., :3] - centre[..., 3:] * points[:, None], dim=-1)
    return where, torch.cat((local[..., 3:4], back), dim=-1)


def sample(maps: Tensor, where: Tensor) -> Tensor:
    """Bilinear values (B, N, P, C) of ``maps`` (B, N, C, H, W) at ``where`` (B, N, P, 2); zero outside."""
    batch, views = maps.shape[:2]
    grid = where.reshape(batch * views, -1, 1, 2)
    values = F.grid_sample(maps.flatten(0, 1), grid, align_corners=False)
    return values[..., 0].transpose(1, 2).reshape(batch, views, -1, maps.shape[2])


def sample_depth(bins: Tensor, where: Tensor, depth: Tensor) -> Tensor:
    """Trilinear values (B, N, P, C) of ``bins`` (B, N, C, K, H, W) at ``where`` (B, N, P, 2), ``depth`` (B, N, P, 1).

    Beyond the bins and the pictures the nearest value goes on.
    """
    batch, views = bins.shape[:2]
    grid = torch.cat((where, depth / DEPTH_REACH), dim=-1).reshape(batch * views, -1, 1, 1, 3)
    values = F.grid_sample(bins.flatten(0, 1), grid, padding_mode="border", align_corners=False)
    return values[..., 0, 0].transpose(1, 2).reshape(batch, views, -1, bins.shape[2])
