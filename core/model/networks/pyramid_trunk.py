"""The single-view network's backbone and pyramid as a trunk of the dense network.

Where a CPU has no matrix units, dense convolutions are hardly faster than depthwise ones, and
pretrained features are worth more than width. The trunk begins as the trained one; channels of the
input that it did not have begin with weights of 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dense_trunk import (
    CONDITIONS,
    DETAIL_CHANNELS,
    IMAGE_CHANNELS,
    POOLED_FEATURES,
    DenseConfig,
    FeatureModulation,
    unshuffle_pixels,
)
from .efficientnet import CHANNELS, Backbone
from .layers import Residual, conv_norm_relu, upsample_like
from .single_view import SingleViewNetwork

_WIDTHS = (256, 192, 128, 64)  # at strides 32, 16, 8 and 4, as those of the bundled network


class PyramidTrunk(nn.Module):
    """Features of images: maps at half their resolution, and a vector of each image.

    Args:
        config: sizes; only ``head_width`` counts.
    """

    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.backbone = Backbone(extra=IMAGE_CHANNELS - 3)
        template = SingleViewNetwork(_WIDTHS, 1)
        self.global_context = template.global_context
        self.lateral5 = template.lateral5
        self.merge5 = template.merge5
        self.merge4 = template.merge4
        self.merge3 = template.merge3
        self.merge2 = template.merge2

        _, width16, width8, width4 = _WIDTHS
        features = POOLED_FEATURES + CONDITIONS
        self.pooled = nn.Linear(CHANNELS[-1], POOLED_FEATURES)
        self.modulate16 = FeatureModulation(features, width16)
        self.modulate8 = FeatureModulation(features, width8)

        self.widen = conv_norm_relu(2, width4, 4 * config.head_width)
        self.detail = nn.Sequential(
            conv_norm_relu(2, IMAGE_CHANNELS * 4, DETAIL_CHANNELS), Residual(2, DETAIL_CHANNELS)
        )
        self.join = conv_norm_relu(2, config.head_width + DETAIL_CHANNELS, config.head_width)
        self.out_features = features

    @torch.no_grad()
    def start_from(self, network: SingleViewNetwork) -> None:
        """Take over the weights of a trained single-view network."""
        state = self.state_dict()
        for name, value in network.state_dict().items():
            if name not in state:
                continue
            if state[name].shape == value.shape:
                state[name].copy_(value)
            else:  # the stem: color and mask come first
                state[name].zero_()
                state[name][:, : value.shape[1]].copy_(value)

    def forward(self, images: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, head_width, H/2, W/2) and those of the whole image (B, 132).

        Args:
            images: (B, 8, H, W) float32, channels as ``IMAGE_CHANNELS``; 32 divides H and W.
            conditions: (B, 4) float32, see ``CONDITIONS``.
        """
        images = images.contiguous(memory_format=torch.channels_last)
        _, map4, map8, map16, map32 = self.backbone(images)

        # Features of the image as such, from the mean of the coarsest map.
        mean = map32.mean((2, 3))
        pooled = F.relu(self.pooled(mean))
        features = torch.cat((pooled, conditions.to(pooled.dtype)), dim=1)

        # The coarsest level also knows whether the camera sees a side straight on.
        posed = conditions[:, :1, None, None].to(map32.dtype)
        posed = posed.expand(-1, 1, *map32.shape[2:])
        x = self.lateral5(torch.cat((map32, posed), 1))
        x = self.merge5(F.relu(x + self.global_context(mean)[:, :, None, None]))

        # From coarse to fine.
        x = self.merge4(torch.cat((upsample_like(x, map16), map16), 1))
        x = self.modulate16(x, features)
        x = self.merge3(torch.cat((upsample_like(x, map8), map8), 1))
        x = self.modulate8(x, features)
        mask_parts = F.pixel_unshuffle(F.avg_pool2d(images[:, 3:4], 2), 2)
        x = self.merge2(torch.cat((upsample_like(x, map4), map4, mask_parts), 1))

        # To half the resolution, with the edges of the input.
        fine = F.pixel_shuffle(self.widen(x), 2)
        fine = fine.contiguous(memory_format=torch.channels_last)
        detail = self.detail(unshuffle_pixels(images, 2))
        joined = self.join(torch.cat((fine, detail), dim=1))

        return joined, features
