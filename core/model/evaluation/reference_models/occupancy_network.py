"""Occupancy Networks (Mescheder et al. 2019, arXiv:1812.03828): one latent for the whole picture, and a grid refined.

The encoder is ResNet-18 (He et al. 2016, arXiv:1512.03385) on 224 x 224 pixels, the decoder five residual blocks with
conditional batch normalisation, 256 wide; the grid is refined where the surface is (MISE, section 3.3).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PICTURE = 224
_LATENT = _HIDDEN = 256
_CHUNK = 2**16  # points at once
_BALL = 0.35  # radius of what MISE refines: random weights have no surface of a size to compare
_COARSE = 32


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
        widths = (64, 64, 64, 128, 128, 256, 256, 512, 512)
        self.blocks = nn.Sequential(
            *(_Block(a, b, 2 if a != b else 1) for a, b in pairwise(widths))
        )
        self.latent = nn.Linear(512, _LATENT)
        self.enter = nn.Conv1d(3, _HIDDEN, 1)
        self.decoder = nn.ModuleList(_Conditioned() for _ in range(5))
        self.norm = _Norm()
        self.leave = nn.Conv1d(_HIDDEN, 1, 1)

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (B, 256) of pictures (B, 3, 224, 224)."""
        return self.latent(self.blocks(self.stem(pictures)).mean((2, 3)))

    def decode(self, latent: Tensor, points: Tensor) -> Tensor:
        """Logits (B, P) at points (B, P, 3)."""
        x = self.enter(points.transpose(1, 2))
        for block in self.decoder:
            x = block(x, latent)
        return self.leave(F.relu(self.norm(x, latent)))[:, 0]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        short = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.around = nn.Identity() if inputs == outputs else nn.Sequential(*short)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.around(x) + self.layers(x))


class _Norm(nn.Module):
    """Batch normalisation whose scale and shift come from the latent."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(_HIDDEN, affine=False)
        self.scale = nn.Linear(_LATENT, _HIDDEN)
        self.shift = nn.Linear(_LATENT, _HIDDEN)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        return self.scale(latent)[..., None] * self.norm(x) + self.shift(latent)[..., None]


class _Conditioned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = _Norm()
        self.second = _Norm()
        self.one = nn.Conv1d(_HIDDEN, _HIDDEN, 1)
        self.two = nn.Conv1d(_HIDDEN, _HIDDEN, 1)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        inner = self.one(F.relu(self.first(x, latent)))
        return x + self.two(F.relu(self.second(inner, latent)))


@torch.inference_mode()
def reconstruct_mesh(network: OccupancyNetwork, picture: Tensor, resolution: int) -> int:
    """All that the network computes for a mesh at ``resolution`` (32 times a power of two); how many points it asks.

    Args:
        picture: (1, 3, 224, 224).
    """
    latent = network.encode(picture)
    asked = 0
    side = _COARSE
    line = torch.linspace(-0.55, 0.55, side + 1)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1)
    inside = _decode_points(network, latent, grid.reshape(-1, 3)).reshape(grid.shape[:3])
    asked += inside.numel()
    while side < resolution:
        fine = 2 * side + 1
        line = torch.linspace(-0.55, 0.55, fine)
        active = F.max_pool3d(inside[None, None], 2, 1) - -F.max_pool3d(-inside[None, None], 2, 1)
        near = (
            F.max_pool3d(F.interpolate(active, scale_factor=2), 2, 1, 1)[0, 0] > 0
        )  # corners of the active cells
        grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1)
        near[::2, ::2, ::2] = False  # they are known
        known = F.interpolate(inside[None, None], (fine,) * 3)[0, 0]
        known[near] = _decode_points(network, latent, grid[near])
        inside = known
        side = 2 * side
        asked = asked + int(near.sum())
    return asked


def _decode_points(network: OccupancyNetwork, latent: Tensor, points: Tensor) -> Tensor:
    """Decode ``points`` (P, 3), and say which are in the ball."""
    for chunk in points.split(_CHUNK):
        network.decode(latent, chunk[None])
    return (points.norm(dim=1) < _BALL).float()
