"""The trunk of the dense single-view network: a U-Net of dense 3x3 convolutions.

Every main width is a multiple of 32 and nothing is depthwise: on CPUs dense convolutions in
bfloat16 run twenty times as fast as depthwise ones, so a larger dense network trains in less time.

::

    input at S px    pixel_unshuffle(4), 3x3    -> S/4   widths[0]  residual blocks
                     3x3, stride 2              -> S/8   widths[1]  residual blocks
                     3x3, stride 2              -> S/16  widths[2]  residual blocks
                     3x3, stride 2              -> S/32  widths[3]  residual blocks -> pooled
    FiLM of S/16 and S/8 from pooled and conditions
    up: bilinear, concatenated, 1x1, residual blocks at S/16, S/8, S/4
    pixel_shuffle(2) -> S/2, joined by a light branch of the input at S/2
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Residual, conv_norm_relu, upsample_like

IMAGE_CHANNELS = 8  # red, green, blue, mask, hull entry, hull exit, x, y
CONDITIONS = 4  # posed, field of view, whether that is known, number of images
_STRIDE = 32  # of the coarsest maps: it must divide the side of the input
POOLED_FEATURES = 128  # features of the whole image
DETAIL_CHANNELS = 32  # channels of the branch at half the resolution


@dataclass(frozen=True)
class DenseConfig:
    """Sizes of the dense single-view network.

    Attributes:
        widths: channels at strides 4, 8, 16 and 32; multiples of 32.
        blocks: residual blocks at these strides on the way down.
        decoder_blocks: residual blocks at each of strides 16, 8 and 4 on the way up.
        head_width: channels at stride 2, of which the heads are 1x1 convolutions.
        embedding: length of the embedding of the class.
        depth_reach: depth before and behind the origin between which the first surface lies where
            no hull is known, in units of the frame (about the longest visible side). A bicycle
            from its front is three units deep.
        max_intervals: largest number of intervals along a ray that is distinguished.
        trunk: "dense", or "pyramid" for the backbone and pyramid of the single-view network, whose
            sizes are its own.
        groups: number of groups of parts that are told apart, 0 for none.
    """

    widths: tuple[int, int, int, int] = (96, 192, 320, 384)
    blocks: tuple[int, int, int, int] = (3, 3, 3, 2)
    decoder_blocks: int = 2
    head_width: int = 64
    embedding: int = 128
    depth_reach: float = 1.5
    max_intervals: int = 3
    trunk: str = "dense"
    groups: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the sizes as JSON holds them."""
        return asdict(self)


M1 = DenseConfig()
M1_SMALL = DenseConfig(widths=(64, 128, 224, 320))


class FeatureModulation(nn.Module):
    """Scale and shift the channels of a map by what is known of the image as such.

    FiLM (Perez et al. 2018, arXiv:1709.07871); it starts as the identity.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Modulate ``x`` (B, C, H, W) by ``features`` (B, F)."""
        factors = self.linear(features)[:, :, None, None]
        scale, shift = factors.chunk(2, dim=1)
        modulated: Tensor = x * (1 + scale) + shift
        return modulated


class DenseTrunk(nn.Module):
    """Features of images: maps at half their resolution, and a vector of each image.

    Args:
        config: sizes.
    """

    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        first, second, third, last = config.widths
        up_blocks = config.decoder_blocks

        self.stem = conv_norm_relu(2, IMAGE_CHANNELS * 16, first)
        self.down4 = _blocks(first, config.blocks[0])
        self.down8 = _down(first, second, config.blocks[1])
        self.down16 = _down(second, third, config.blocks[2])
        self.down32 = _down(third, last, config.blocks[3])

        self.pooled = nn.Linear(last, POOLED_FEATURES)
        features = POOLED_FEATURES + CONDITIONS
        self.modulate16 = FeatureModulation(features, third)
        self.modulate8 = FeatureModulation(features, second)

        self.up16 = _up(last + third, third, up_blocks)
        self.up8 = _up(third + second, second, up_blocks)
        self.up4 = _up(second + first, first, up_blocks)

        self.widen = conv_norm_relu(2, first, 4 * config.head_width)
        self.detail = nn.Sequential(
            conv_norm_relu(2, IMAGE_CHANNELS * 4, DETAIL_CHANNELS), Residual(2, DETAIL_CHANNELS)
        )
        self.join = conv_norm_relu(2, config.head_width + DETAIL_CHANNELS, config.head_width)
        self.out_features = features

    def forward(self, images: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, head_width, H/2, W/2) and those of the whole image (B, 132).

        Args:
            images: (B, 8, H, W) float32, channels as ``IMAGE_CHANNELS``; 32 divides H and W.
            conditions: (B, 4) float32, see ``CONDITIONS``.

        Raises:
            ValueError: 32 does not divide the height or width.
        """
        if images.shape[-1] % _STRIDE or images.shape[-2] % _STRIDE:
            raise ValueError(f"{_STRIDE} must divide the sides of images {tuple(images.shape)}")
        images = images.contiguous(memory_format=torch.channels_last)

        # Down to a thirty-second of the resolution.
        map4 = self.down4(self.stem(unshuffle_pixels(images, 4)))
        map8 = self.down8(map4)
        map16 = self.down16(map8)
        x = self.down32(map16)

        # Features of the image as such, from the mean of the coarsest map.
        pooled = F.relu(self.pooled(x.mean((2, 3))))
        features = torch.cat((pooled, conditions.to(pooled.dtype)), dim=1)

        # Up again, joined with the maps from the way down.
        x = self.up16(_joined(x, map16))
        x = self.modulate16(x, features)
        x = self.up8(_joined(x, map8))
        x = self.modulate8(x, features)
        x = self.up4(_joined(x, map4))

        # To half the resolution, with the edges of the input.
        fine = F.pixel_shuffle(self.widen(x), 2)
        fine = fine.contiguous(memory_format=torch.channels_last)
        detail = self.detail(unshuffle_pixels(images, 2))
        joined = self.join(torch.cat((fine, detail), dim=1))

        return joined, features


def _joined(coarse: Tensor, fine: Tensor) -> Tensor:
    """Return the channels of ``coarse``, at the resolution of ``fine``, and those of ``fine``."""
    return torch.cat((upsample_like(coarse, fine), fine), dim=1)


def unshuffle_pixels(images: Tensor, factor: int) -> Tensor:
    """Return the ``factor`` x ``factor`` pixels of each cell of ``images`` as channels."""
    result = F.pixel_unshuffle(images, factor)
    return result.contiguous(memory_format=torch.channels_last)


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(2, channels) for _ in range(count)))


def _down(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """Return a convolution of stride 2 and ``count`` residual blocks."""
    halved = nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
    return nn.Sequential(halved, *_blocks(outputs, count))


def _up(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """Return a 1x1 convolution and ``count`` residual blocks."""
    return nn.Sequential(conv_norm_relu(2, inputs, outputs, size=1), *_blocks(outputs, count))
