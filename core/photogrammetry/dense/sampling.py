"""Projection of points and values of images between their pixels, in PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...cameras import Camera


def project(points: torch.Tensor, camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels (P, 2) and plane depths (P,) of ``points`` (P, 3) in a perspective camera."""
    from_world = torch.from_numpy(camera.from_world).to(points)
    local = points @ from_world[:3, :3].T + from_world[:3, 3]
    depth = local[:, 2]

    # Points behind the camera keep their sign; its plane is kept away from.
    safe = torch.where(depth.abs() < 1e-9, 1e-9, depth)
    intrinsics = torch.from_numpy(camera.intrinsics).to(points)
    pixels = local[:, :2] / safe[:, None] @ intrinsics[:2, :2].T + intrinsics[:2, 2]
    return pixels, depth


def unproject(pixels: torch.Tensor, depth: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Return the world points (P, 3) at ``pixels`` (P, 2) and plane depths (P,)."""
    rays = pixel_rays(pixels, camera)
    origin = torch.from_numpy(camera.to_world[:3, 3]).to(pixels)
    return origin + rays * depth[:, None]


def pixel_rays(pixels: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Return the world vectors (P, 3) from a camera to plane depth 1 at ``pixels`` (P, 2)."""
    inverse: NDArray[np.float64] = np.linalg.inv(camera.intrinsics)
    to_world = camera.to_world[:3, :3] @ np.diag((1.0, -1.0, -1.0))
    matrix = torch.from_numpy(to_world @ inverse).to(pixels)
    return pixels @ matrix[:, :2].T + matrix[:, 2]


def pixel_centers(height: int, width: int) -> torch.Tensor:
    """Return the centers (H * W, 2) of all pixels, row by row."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((columns.ravel(), rows.ravel()), dim=1) + 0.5


def sample_image(image: torch.Tensor, pixels: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """Return the values (C, P) of ``image`` (C, H, W) at ``pixels`` (P, 2); the border goes on."""
    size = pixels.new_tensor((image.shape[2], image.shape[1]))
    grid = pixels * 2 / size - 1
    values = functional.grid_sample(
        image[None].float(),
        grid[None, None],
        mode=mode,
        padding_mode="border",
        align_corners=False,
    )
    return values[0, :, 0]
