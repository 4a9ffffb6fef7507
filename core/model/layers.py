"""The blocks that the networks are built of."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F


def conv(dimensions: int, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU in 2 or 3 dimensions."""
    convolution, norm = ((nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))[dimensions - 2]
    padding = (size - 1) // 2 if stride == 1 or size % 2 else 0
    return nn.Sequential(
        OrderedDict(
            conv=convolution(inputs, outputs, size, stride, padding, bias=False),
            norm=norm(outputs),
            relu=nn.ReLU(inplace=True),
        )
    )


class Residual(nn.Module):
    """Two convolutions around which the input is carried (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        self.first = conv(dimensions, channels, channels)
        self.second = conv(dimensions, channels, channels)
        del self.second.relu

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def grow(x: Tensor, like: Tensor) -> Tensor:
    """``x`` enlarged to the size of ``like``, linearly between the old values."""
    mode = "bilinear" if x.dim() == 4 else "trilinear"
    return F.interpolate(x, size=like.shape[2:], mode=mode, align_corners=False)
