"""A transformer of TripoSR's size (Tochilkin et al. 2024, arXiv:2403.02151; LRM, Hong et al. 2023, arXiv:2311.04400).

A ViT-B/16 looks at 512 x 512 pixels; 3 x 32 x 32 tokens of 1024 channels pass through 16 layers of attention to each
other and to the picture; the planes that they become are asked for density by a small network at every point of a grid.
Equal layers take equal time, so one of each kind is built and timed, and counted as often as there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PICTURE_TOKENS = 1 + 32 * 32
_PICTURE_WIDTH = 768
_PICTURE_LAYERS = 12
_PICTURE_HEADS = 12
_TOKENS = 3 * 32 * 32
_WIDTH = 1024
_LAYERS = 16
_HEADS = 16
_PLANES = 40
_PLANE_SIDE = 64
_NEURONS = 64
_DEPTH = 9
_CHUNK = 2**16


class Attention(nn.Module):
    """Attention of (B, T, width) to (B, S, seen)."""

    def __init__(self, width: int, seen: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)
        self.key = nn.Linear(seen, width)
        self.value = nn.Linear(seen, width)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        parts = (self.query(x), self.key(seen), self.value(seen))
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        return self.leave(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class PictureLayer(nn.Module):
    """A layer of ViT-B (Dosovitskiy et al. 2020, arXiv:2010.11929)."""

    def __init__(self) -> None:
        super().__init__()
        width = _PICTURE_WIDTH
        self.first = nn.LayerNorm(width)
        self.second = nn.LayerNorm(width)
        self.attention = Attention(width, width, _PICTURE_HEADS)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        normal = self.first(x)
        x = x + self.attention(normal, normal)
        return x + self.feed(self.second(x))


class PlaneLayer(nn.Module):
    """A layer of the decoder: attention to itself, to the picture, and a gated network (GEGLU, arXiv:2002.05202)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(_WIDTH) for _ in range(3))
        self.own = Attention(_WIDTH, _WIDTH, _HEADS)
        self.cross = Attention(_WIDTH, _PICTURE_WIDTH, _HEADS)
        self.gate = nn.Linear(_WIDTH, 8 * _WIDTH)
        self.leave = nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        normal = self.norms[0](x)
        x = x + self.own(normal, normal)
        x = x + self.cross(self.norms[1](x), picture)
        value, gate = self.gate(self.norms[2](x)).chunk(2, dim=-1)
        return x + self.leave(value * F.gelu(gate))


class PlaneField(nn.Module):
    """From tokens to planes, and from planes to density and colour at points."""

    def __init__(self) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(_WIDTH, _PLANES, 2, 2)
        widths = [3 * _PLANES, *[_NEURONS] * _DEPTH]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.network = nn.Sequential(*layers, nn.Linear(_NEURONS, 4))

    def upsample_planes(self, tokens: Tensor) -> Tensor:
        """(3, C, 64, 64) of tokens (1, 3 * 32 * 32, 1024)."""
        return self.enlarge(tokens.reshape(3, 32, 32, _WIDTH).permute(0, 3, 1, 2))

    def forward(self, planes: Tensor, points: Tensor) -> Tensor:
        """Density and colour (P, 4) at points (P, 3) in -1..1."""
        where = torch.stack((points[:, [0, 1]], points[:, [0, 2]], points[:, [1, 2]]))[:, :, None]
        seen = F.grid_sample(planes, where, align_corners=False)[..., 0]
        return self.network(seen.flatten(0, 1).transpose(0, 1))


@torch.inference_mode()
def estimate_seconds(resolution: int) -> tuple[float, float, float]:
    """About how long a picture takes at ``resolution`` on this machine: for looking, for the planes, for the grid."""
    picture = torch.randn(1, _PICTURE_TOKENS, _PICTURE_WIDTH)
    tokens = torch.randn(1, _TOKENS, _WIDTH)
    look = PictureLayer().eval()
    layer = PlaneLayer().eval()
    field = PlaneField().eval()
    looking = _PICTURE_LAYERS * _best_time(lambda: look(picture))
    planes = _LAYERS * _best_time(lambda: layer(tokens, picture)) + _best_time(
        lambda: field.upsample_planes(tokens)
    )
    found = field.upsample_planes(tokens)
    points = torch.rand(_CHUNK, 3) * 2 - 1
    return looking, planes, resolution**3 / _CHUNK * _best_time(lambda: field(found, points))


def parameter_count() -> int:
    """How many weights the whole would have."""
    kinds = ((PictureLayer(), _PICTURE_LAYERS), (PlaneLayer(), _LAYERS), (PlaneField(), 1))
    return sum(count * sum(value.numel() for value in layer.parameters()) for layer, count in kinds)


def _best_time(work: Callable[[], object], times: int = 2) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
