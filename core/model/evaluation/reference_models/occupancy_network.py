"""Occupancy Networks (Mescheder et al. 2019, arXiv:1812.03828): one latent, a refined grid.

The encoder is ResNet-18 (He et al. 2016, arXiv:1512.03385) on 224 x 224 pixels, the decoder five
residual blocks with conditional batch normalization, 256 wide; the grid is refined where the
surface is (MISE, section 3.3).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGE_SIZE = 224
_LATENT = 256
_HIDDEN = 256
_CHUNK = 2**16  # points at once
_BALL = 0.35  # radius of what MISE refines: random weights have no surface of a comparable size
_COARSE_CELLS = 32
_HALF_SIDE = 0.55  # of the grid
_RESNET_WIDTHS = (64, 64, 64, 128, 128, 256, 256, 512, 512)


class OccupancyNetwork(nn.Module):
    """Encoder and decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        blocks = []
        for inputs, outputs in pairwise(_RESNET_WIDTHS):
            stride = 1 if inputs == outputs else 2
            blocks.append(_ResidualBlock(inputs, outputs, stride))
        self.blocks = nn.Sequential(*blocks)
        self.latent = nn.Linear(_RESNET_WIDTHS[-1], _LATENT)
        self.enter = nn.Conv1d(3, _HIDDEN, 1)
        self.decoder = nn.ModuleList(_ConditionalBlock() for _ in range(5))
        self.norm = _ConditionalNorm()
        self.leave = nn.Conv1d(_HIDDEN, 1, 1)

    def encode(self, images: Tensor) -> Tensor:
        """Return latents (B, 256) of images (B, 3, 224, 224)."""
        features = self.blocks(self.stem(images)).mean((2, 3))
        latent: Tensor = self.latent(features)
        return latent

    def decode(self, latent: Tensor, points: Tensor) -> Tensor:
        """Return logits (B, P) at points (B, P, 3)."""
        x = self.enter(points.transpose(1, 2))
        for block in self.decoder:
            x = block(x, latent)
        logits: Tensor = self.leave(F.relu(self.norm(x, latent)))
        return logits[:, 0]


class _ResidualBlock(nn.Module):
    """A basic block of ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()

        if inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.layers(x))


class _ConditionalNorm(nn.Module):
    """Batch normalization whose scale and shift come from the latent."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(_HIDDEN, affine=False)
        self.scale = nn.Linear(_LATENT, _HIDDEN)
        self.shift = nn.Linear(_LATENT, _HIDDEN)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        scale: Tensor = self.scale(latent)[..., None]
        shift: Tensor = self.shift(latent)[..., None]
        normalized: Tensor = self.norm(x)
        return scale * normalized + shift


class _ConditionalBlock(nn.Module):
    """A residual block of the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.first_norm = _ConditionalNorm()
        self.second_norm = _ConditionalNorm()
        self.first = nn.Conv1d(_HIDDEN, _HIDDEN, 1)
        self.second = nn.Conv1d(_HIDDEN, _HIDDEN, 1)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        inner = self.first(F.relu(self.first_norm(x, latent)))
        residual: Tensor = self.second(F.relu(self.second_norm(inner, latent)))
        return x + residual


@torch.inference_mode()
def reconstruct_mesh(network: OccupancyNetwork, image: Tensor, resolution: int) -> int:
    """Compute everything that a mesh takes before its surface is extracted.

    Args:
        network: encoder and decoder.
        image: (1, 3, 224, 224).
        resolution: cells along each side of the finest grid: 32 times a power of two.

    Returns:
        Number of points that were evaluated.
    """
    latent = network.encode(image)
    cells = _COARSE_CELLS
    grid = _grid_points(cells + 1)
    inside = _evaluate_points(network, latent, grid.reshape(-1, 3)).reshape(grid.shape[:3])
    point_count = inside.numel()

    while cells < resolution:
        corners = 2 * cells + 1
        # Cells with corners both inside and outside, and all finer corners of those.
        largest = F.max_pool3d(inside[None, None], 2, 1)
        smallest = -F.max_pool3d(-inside[None, None], 2, 1)
        active_cells = F.interpolate(largest - smallest, scale_factor=2)
        active = F.max_pool3d(active_cells, 2, 1, 1)[0, 0] > 0
        active[::2, ::2, ::2] = False  # known from the coarser grid

        finer = F.interpolate(inside[None, None], (corners,) * 3)[0, 0]
        finer[active] = _evaluate_points(network, latent, _grid_points(corners)[active])
        inside = finer
        cells = 2 * cells
        point_count += int(active.sum())

    return point_count


def _grid_points(corners: int) -> Tensor:
    """Return the corners (K, K, K, 3) of a grid."""
    line = torch.linspace(-_HALF_SIDE, _HALF_SIDE, corners)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1)


def _evaluate_points(network: OccupancyNetwork, latent: Tensor, points: Tensor) -> Tensor:
    """Decode points (P, 3), and return which of them (P,) are in the ball."""
    for chunk in points.split(_CHUNK):
        network.decode(latent, chunk[None])
    distance: Tensor = points.norm(dim=1)
    return (distance < _BALL).float()
