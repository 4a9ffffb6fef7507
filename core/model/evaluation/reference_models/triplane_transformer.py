"""A transformer of TripoSR's size (arXiv:2403.02151; LRM, arXiv:2311.04400).

A ViT-B/16 encodes 512 x 512 pixels; 3 x 32 x 32 tokens of 1024 channels pass through 16 layers of
attention to each other and to the image; from the planes that they become, a small network decodes
density at every point of a grid. Equal layers take equal time, so one of each kind is built and
timed, and counted as often as it occurs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_IMAGE_TOKENS = 1 + 32 * 32
_IMAGE_WIDTH = 768
_IMAGE_LAYERS = 12
_IMAGE_HEADS = 12
_TOKENS = 3 * 32 * 32
_WIDTH = 1024
_LAYERS = 16
_HEADS = 16
_PLANE_CHANNELS = 40
_NEURONS = 64
_DEPTH = 9
CHUNK = 2**16  # points at once


class Attention(nn.Module):
    """Attention of (B, T, width) to (B, S, context_width)."""

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)
        self.key = nn.Linear(context_width, width)
        self.value = nn.Linear(context_width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Return (B, T, width)."""
        query = self._split_heads(self.query(x))
        key = self._split_heads(self.key(context))
        value = self._split_heads(self.value(context))
        attended = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.leave(attended.transpose(1, 2).flatten(2))
        return result

    def _split_heads(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(2, (self.heads, -1))
        return heads.transpose(1, 2)


class ImageLayer(nn.Module):
    """A layer of ViT-B (Dosovitskiy et al. 2020, arXiv:2010.11929)."""

    def __init__(self) -> None:
        super().__init__()
        width = _IMAGE_WIDTH
        self.first_norm = nn.LayerNorm(width)
        self.second_norm = nn.LayerNorm(width)
        self.attention = Attention(width, width, _IMAGE_HEADS)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, width)."""
        normalized = self.first_norm(x)
        x = x + self.attention(normalized, normalized)
        mlp: Tensor = self.mlp(self.second_norm(x))
        return x + mlp


class PlaneLayer(nn.Module):
    """A layer of the decoder: self- and cross-attention, then GEGLU (arXiv:2002.05202)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(_WIDTH) for _ in range(3))
        self.self_attention = Attention(_WIDTH, _WIDTH, _HEADS)
        self.cross_attention = Attention(_WIDTH, _IMAGE_WIDTH, _HEADS)
        self.gate = nn.Linear(_WIDTH, 8 * _WIDTH)
        self.leave = nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Return tokens (B, T, 1024), given those of the image (B, S, 768)."""
        normalized = self.norms[0](x)
        x = x + self.self_attention(normalized, normalized)
        x = x + self.cross_attention(self.norms[1](x), image)
        value, gate = self.gate(self.norms[2](x)).chunk(2, dim=-1)
        gated: Tensor = self.leave(value * F.gelu(gate))
        return x + gated


class PlaneField(nn.Module):
    """From tokens to planes, and from planes to density and color at points."""

    def __init__(self) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(_WIDTH, _PLANE_CHANNELS, 2, 2)
        widths = [3 * _PLANE_CHANNELS] + [_NEURONS] * _DEPTH
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.SiLU()]
        self.network = nn.Sequential(*layers, nn.Linear(_NEURONS, 4))

    def upsample_planes(self, tokens: Tensor) -> Tensor:
        """Return planes (3, C, 64, 64) of tokens (1, 3 * 32 * 32, 1024)."""
        grids = tokens.reshape(3, 32, 32, _WIDTH).permute(0, 3, 1, 2)
        planes: Tensor = self.enlarge(grids)
        return planes

    def forward(self, planes: Tensor, points: Tensor) -> Tensor:
        """Return density and color (P, 4) at points (P, 3) in -1..1."""
        projections = (points[:, [0, 1]], points[:, [0, 2]], points[:, [1, 2]])
        positions = torch.stack(projections)[:, :, None]
        features = F.grid_sample(planes, positions, align_corners=False)[..., 0]
        result: Tensor = self.network(features.flatten(0, 1).transpose(0, 1))
        return result


@torch.inference_mode()
def estimate_seconds(resolution: int) -> tuple[float, float, float]:
    """Estimate how long an image takes on this machine, in seconds: encoder, planes, grid.

    Args:
        resolution: cells along each side of the grid.
    """
    image = torch.randn(1, _IMAGE_TOKENS, _IMAGE_WIDTH)
    tokens = torch.randn(1, _TOKENS, _WIDTH)
    image_layer = ImageLayer().eval()
    plane_layer = PlaneLayer().eval()
    field = PlaneField().eval()

    encoder_seconds = _IMAGE_LAYERS * _best_time(lambda: image_layer(image))
    layer_seconds = _LAYERS * _best_time(lambda: plane_layer(tokens, image))
    upsampling_seconds = _best_time(lambda: field.upsample_planes(tokens))

    planes = field.upsample_planes(tokens)
    points = torch.rand(CHUNK, 3) * 2 - 1
    chunk_seconds = _best_time(lambda: field(planes, points))
    grid_seconds = resolution**3 / CHUNK * chunk_seconds

    return encoder_seconds, layer_seconds + upsampling_seconds, grid_seconds


def parameter_count() -> int:
    """Return the number of weights of the complete network."""
    layers = ((ImageLayer(), _IMAGE_LAYERS), (PlaneLayer(), _LAYERS), (PlaneField(), 1))
    total = 0
    for layer, count in layers:
        total += count * sum(value.numel() for value in layer.parameters())
    return total


def _best_time(work: Callable[[], object], times: int = 2) -> float:
    """Return the shortest duration of ``work``, seconds."""
    durations = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        durations.append(time.perf_counter() - began)
    return min(durations)
