"""Network that finds the object in an image without alpha."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import CHANNELS, Backbone
from .layers import channels_last, conv_norm_relu, set_memory_format, upsample_like

SIDE = 192  # pixels: width and height of the square images in training
_CORNER_CELLS = 8  # the image's corners are averaged over cells of 1/8 of its width and height


class ForegroundNetwork(nn.Module):
    """A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) on a backbone."""

    def __init__(self) -> None:
        super().__init__()
        channels2, channels4, channels8, channels16, channels32 = CHANNELS
        self.backbone = Backbone(extra=2)
        self.up4 = conv_norm_relu(2, channels32 + channels16, 96)
        self.up3 = conv_norm_relu(2, 96 + channels8, 64)
        self.up2 = conv_norm_relu(2, 64 + channels4, 40)
        self.up1 = conv_norm_relu(2, 40 + channels2, 24)
        self.last = nn.Sequential(conv_norm_relu(2, 24 + 5, 16), nn.Conv2d(16, 1, 1))
        set_memory_format(self, torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, 1, H, W) of the mask.

        Args:
            images: (B, 3, H, W), sRGB in 0..1; H and W are multiples of 32.
        """
        inputs = torch.cat((images, _distance_to_border_color(images)), dim=1)
        *finer_maps, x = self.backbone(channels_last(inputs))

        decoders = (self.up4, self.up3, self.up2, self.up1)
        for decoder, finer_map in zip(decoders, reversed(finer_maps), strict=True):
            x = decoder(torch.cat((upsample_like(x, finer_map), finer_map), dim=1))

        logits: Tensor = self.last(torch.cat((upsample_like(x, inputs), inputs), dim=1))
        return logits


def _distance_to_border_color(images: Tensor) -> Tensor:
    """Return two distances (B, 2, H, W) of each pixel's color from the background's.

    The first is the distance to the median color of the border, the second to the colors of the
    corners, blended across the image.
    """
    top = images[:, :, 0]
    bottom = images[:, :, -1]
    left = images[:, :, :, 0]
    right = images[:, :, :, -1]
    border = torch.cat((top, bottom, left, right), dim=2)
    median = border.median(dim=2).values[:, :, None, None]

    cells = F.adaptive_avg_pool2d(images, _CORNER_CELLS)
    corner_cells = cells[:, :, :: _CORNER_CELLS - 1, :: _CORNER_CELLS - 1]
    corners = F.interpolate(
        corner_cells, size=images.shape[2:], mode="bilinear", align_corners=True
    )

    distances = [(images - background).abs().amax(1) for background in (median, corners)]
    return torch.stack(distances, dim=1)
