"""Building blocks of the networks."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_GROUPS = 8  # of the group normalization in 3D


def conv_norm_relu(
    dimensions: int, inputs: int, outputs: int, size: int = 3, stride: int = 1
) -> nn.Sequential:
    """Return convolution, normalization and ReLU in 2 or 3 dimensions.

    In 3D, groups of channels are normalized (Wu and He 2018, arXiv:1803.08494). Features lifted
    from one view and from four differ too much for the statistics of a batch or a running mean.

    Args:
        dimensions: 2 or 3.
        inputs: Number of input channels.
        outputs: Number of output channels.
        size: Side of the kernel, pixels.
        stride: Step of the kernel, pixels.
    """
    # An even kernel with a stride covers the input without padding.
    padding = 0
    if stride == 1 or size % 2 == 1:
        padding = (size - 1) // 2

    if dimensions == 2:
        convolution: nn.Module = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        norm: nn.Module = nn.BatchNorm2d(outputs)
    else:
        convolution = nn.Conv3d(inputs, outputs, size, stride, padding, bias=False)
        groups = min(MAX_GROUPS, outputs // 2)
        norm = nn.GroupNorm(groups, outputs)

    layers = OrderedDict(conv=convolution, norm=norm, relu=nn.ReLU(inplace=True))
    return nn.Sequential(layers)


class Residual(nn.Module):
    """Two convolutions with a skip connection (He et al. 2016, arXiv:1512.03385).

    Args:
        dimensions: 2 or 3.
        channels: Number of input and output channels.
    """

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        self.first = conv_norm_relu(dimensions, channels, channels)
        self.second = conv_norm_relu(dimensions, channels, channels)
        del self.second.relu  # the ReLU comes after the sum

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of ``x`` (B, C, ...)."""
        return F.relu(x + self.second(self.first(x)))


def upsample_like(x: Tensor, like: Tensor) -> Tensor:
    """Return ``x`` (B, C, ...), linearly interpolated to the spatial size of ``like``."""
    mode = "bilinear" if x.dim() == 4 else "trilinear"
    return F.interpolate(x, size=like.shape[2:], mode=mode, align_corners=False)


def channels_last(maps: Tensor) -> Tensor:
    """Return ``maps`` with the channels of a pixel adjacent in memory.

    Reading all channels at a point then touches few cache lines.

    Args:
        maps: (M, C, H, W) or (M, C, D, H, W).
    """
    memory_format = torch.channels_last if maps.dim() == 4 else torch.channels_last_3d
    return maps.contiguous(memory_format=memory_format)


def set_memory_format(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Store the kernels of ``module`` in ``memory_format``."""
    module.to(memory_format=memory_format)  # type: ignore[call-overload]  # torch's stubs lack it


def split_batch(maps: Tensor, batch: int, views: int) -> Tensor:
    """Return ``maps`` (B * N, ...) as (B, N, ...)."""
    return maps.reshape(batch, views, *maps.shape[1:])


def device_of(network: nn.Module) -> torch.device:
    """Return the device of the weights of ``network``, where its inputs must be."""
    return next(network.parameters()).device
