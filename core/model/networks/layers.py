"""The blocks that the networks are built of."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_norm_relu(
    dimensions: int, inputs: int, outputs: int, size: int = 3, stride: int = 1
) -> nn.Sequential:
    """Convolution, normalisation and ReLU in 2 or 3 dimensions.

    In 3D the normalisation is over groups of channels (Wu and He 2018, arXiv:1803.08494): what is lifted from one
    view and from four differs too much for statistics that a batch or a running mean shares.
    """
    padding = (size - 1) // 2 if stride == 1 or size % 2 else 0
    if dimensions == 2:
        convolution: nn.Module = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        norm: nn.Module = nn.BatchNorm2d(outputs)
    else:
        convolution = nn.Conv3d(inputs, outputs, size, stride, padding, bias=False)
        norm = nn.GroupNorm(min(8, outputs // 2), outputs)
    return nn.Sequential(OrderedDict(conv=convolution, norm=norm, relu=nn.ReLU(inplace=True)))


class Residual(nn.Module):
    """Two convolutions around which the input is carried (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        self.first = conv_norm_relu(dimensions, channels, channels)
        self.second = conv_norm_relu(dimensions, channels, channels)
        del self.second.relu

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def upsample_like(x: Tensor, like: Tensor) -> Tensor:
    """``x`` enlarged to the size of ``like``, linearly between the old values."""
    mode = "bilinear" if x.dim() == 4 else "trilinear"
    return F.interpolate(x, size=like.shape[2:], mode=mode, align_corners=False)


def device_of(network: nn.Module) -> torch.device:
    """Where the weights of ``network`` are, and its inputs must be."""
    return next(network.parameters()).device
