"""Finds the object in a picture that has no alpha."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Residual, conv, grow


class MaskNetwork(nn.Module):
    """A small U-Net (Ronneberger et al. 2015, arXiv:1505.04597) from colour to the foreground's logits."""

    def __init__(self, channels: tuple[int, int, int, int, int] = (16, 24, 48, 80, 96)) -> None:
        super().__init__()
        a, b, c, d, e = channels
        self.stem = conv(2, 5, a, stride=2)
        self.down1 = nn.Sequential(conv(2, a, b, stride=2), Residual(2, b))
        self.down2 = nn.Sequential(conv(2, b, c, stride=2), Residual(2, c))
        self.down3 = nn.Sequential(conv(2, c, d, stride=2), Residual(2, d))
        self.down4 = nn.Sequential(conv(2, d, e, stride=2), Residual(2, e))
        self.whole = nn.Linear(e, e)
        self.up3, self.up2 = conv(2, e + d, d), conv(2, d + c, c)
        self.up1, self.up0 = conv(2, c + b, b), conv(2, b + a, a)
        self.last = nn.Sequential(conv(2, a + 5, a), nn.Conv2d(a, 1, 1))
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, 1, H, W) of the mask for sRGB ``pictures`` (B, 3, H, W) in 0..1; H and W multiples of 32."""
        pictures = torch.cat((pictures - 0.5, _distance_to_border_colour(pictures)), dim=1)
        zero = self.stem(pictures)
        one = self.down1(zero)
        two = self.down2(one)
        three = self.down3(two)
        four = self.down4(three)
        four = four + self.whole(four.mean((2, 3)))[:, :, None, None]
        three = self.up3(torch.cat((grow(four, three), three), dim=1))
        two = self.up2(torch.cat((grow(three, two), two), dim=1))
        one = self.up1(torch.cat((grow(two, one), one), dim=1))
        zero = self.up0(torch.cat((grow(one, zero), zero), dim=1))
        return self.last(torch.cat((grow(zero, pictures), pictures), dim=1))


def _distance_to_border_colour(pictures: Tensor) -> Tensor:
    """How far each pixel is from the border's median colour and from the corners', blended: (B, 2, H, W)."""
    border = torch.cat((pictures[:, :, 0], pictures[:, :, -1], pictures[:, :, :, 0], pictures[:, :, :, -1]), dim=2)
    median = border.median(dim=2).values[:, :, None, None]
    corners = F.interpolate(
        F.adaptive_avg_pool2d(pictures, 8)[:, :, ::7, ::7], size=pictures.shape[2:], mode="bilinear", align_corners=True
    )
    return torch.stack([(pictures - other).abs().amax(1) for other in (median, corners)], dim=1)
