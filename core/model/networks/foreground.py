"""Finds the object in a picture that has no alpha."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import CHANNELS, Backbone
from .layers import conv_norm_relu, upsample_like

SIDE = 192  # pixels: of the square pictures that it learns from


class ForegroundNetwork(nn.Module):
    """A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) on a backbone, from colour to the foreground's logits."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four, five = CHANNELS
        self.backbone = Backbone(extra=2)
        self.up4 = conv_norm_relu(2, five + four, 96)
        self.up3 = conv_norm_relu(2, 96 + three, 64)
        self.up2 = conv_norm_relu(2, 64 + two, 40)
        self.up1 = conv_norm_relu(2, 40 + one, 24)
        self.last = nn.Sequential(conv_norm_relu(2, 24 + 5, 16), nn.Conv2d(16, 1, 1))
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, 1, H, W) of the mask for sRGB ``pictures`` (B, 3, H, W) in 0..1; H and W multiples of 32."""
        pictures = torch.cat((pictures, _distance_to_border_color(pictures)), dim=1)
        *maps, x = self.backbone(pictures.contiguous(memory_format=torch.channels_last))
        for up, finer in zip((self.up4, self.up3, self.up2, self.up1), reversed(maps), strict=True):
            x = up(torch.cat((upsample_like(x, finer), finer), dim=1))
        return self.last(torch.cat((upsample_like(x, pictures), pictures), dim=1))


def _distance_to_border_color(pictures: Tensor) -> Tensor:
    """How far each pixel is from the border's median colour and from the corners', blended: (B, 2, H, W)."""
    border = torch.cat(
        (pictures[:, :, 0], pictures[:, :, -1], pictures[:, :, :, 0], pictures[:, :, :, -1]), dim=2
    )
    median = border.median(dim=2).values[:, :, None, None]
    corners = F.interpolate(
        F.adaptive_avg_pool2d(pictures, 8)[:, :, ::7, ::7],
        size=pictures.shape[2:],
        mode="bilinear",
        align_corners=True,
    )
    return torch.stack([(pictures - other).abs().amax(1) for other in (median, corners)], dim=1)
