"""Solid and up direction from a single view: a 2D network whose output channels are depths.

Voxel tubes (Richter and Roth 2018, arXiv:1804.10975). A single view leaves the depth open. To
decide it, a network has to see the entire image rather than the neighborhood of a voxel, which is
cheap in 2D.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import CHANNELS, Backbone, composite_on_gray
from .layers import Residual, conv_norm_relu, set_memory_format, upsample_like
from .projection import project_depth, sample_depth

DEPTH_LIMIT = 0.6  # the depth channels range from -DEPTH_LIMIT to DEPTH_LIMIT about the origin
_UP_CELLS = 4  # the up direction is estimated from 4 x 4 cells of the coarsest map
_UP_CHANNELS = 64


class SingleViewPyramid(NamedTuple):
    """Feature maps of images: (B, C, H/s, W/s) at the strides s of their names.

    backbone32: Of the backbone, 320 channels.
    stride32: And below: after the levels of the pyramid, whose widths are the network's.
    """

    backbone32: Tensor
    stride32: Tensor
    stride16: Tensor
    stride8: Tensor
    stride4: Tensor


class SingleViewNetwork(nn.Module):
    """Occupancy logits at fixed depths behind every pixel, and the up direction, from one image.

    Args:
        widths: Channels at strides 32, 16, 8 and 4.
        depths: Number K of depths behind a pixel.
    """

    def __init__(self, widths: tuple[int, int, int, int], depths: int) -> None:
        super().__init__()
        width32, width16, width8, width4 = widths
        _, channels4, channels8, channels16, channels32 = CHANNELS
        self.backbone = Backbone(extra=1)

        # The coarsest level.
        self.global_context = nn.Linear(channels32, width32)
        self.lateral5 = nn.Conv2d(channels32 + 1, width32, 1)
        self.merge5 = nn.Sequential(Residual(2, width32), Residual(2, width32))

        # Finer levels: the enlarged level below and the backbone's map of the same size.
        self.merge4 = nn.Sequential(
            conv_norm_relu(2, width32 + channels16, width16), Residual(2, width16)
        )
        self.merge3 = nn.Sequential(
            conv_norm_relu(2, width16 + channels8, width8),
            Residual(2, width8),
            Residual(2, width8),
        )
        self.merge2 = nn.Sequential(
            conv_norm_relu(2, width8 + channels4 + 4, width4), Residual(2, width4)
        )

        # The outputs.
        self.depth_head = nn.Conv2d(width4, depths, 1)
        self.up_head = nn.Sequential(
            nn.Conv2d(channels32, _UP_CHANNELS, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(_UP_CELLS),
            nn.Flatten(),
            nn.Linear(_UP_CHANNELS * _UP_CELLS**2, 128),
            nn.ReLU(inplace=True),
            nn.Linear(128, 3),
        )
        set_memory_format(self, torch.channels_last)

    def forward(self, images: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        """Return depth logits (B, 1, K, H/4, W/4) and unit up vectors (B, 3).

        The depths run from -DEPTH_LIMIT to DEPTH_LIMIT. For the frame of the up vectors see
        ``Features``.

        Args:
            images: (B, 4, H, W), sRGB and mask in 0..1.
            cameras: (B, 1, 5, 4), see ``projection``.
        """
        pyramid = self.pyramid(images, 1 - cameras[:, 0, 4, 3])
        depth_logits = self.depth_head(pyramid.stride4)[:, None]
        return depth_logits, self._up_vectors(pyramid.backbone32)

    def pyramid(self, images: Tensor, is_orthographic: Tensor) -> SingleViewPyramid:
        """Return the feature maps that the outputs are computed from.

        Args:
            images: (B, 4, H, W), sRGB and mask in 0..1.
            is_orthographic: (B,), 1 where the camera is orthographic, else 0.
        """
        _, map4, map8, map16, map32 = self.backbone(composite_on_gray(images))

        # The coarsest map also knows whether the camera is orthographic, and the mean over the
        # image.
        is_orthographic = is_orthographic[:, None, None, None]
        is_orthographic = is_orthographic.expand(-1, 1, *map32.shape[2:])
        x = self.lateral5(torch.cat((map32, is_orthographic), 1))
        mean = map32.mean((2, 3))
        context = self.global_context(mean)[:, :, None, None]
        x32 = self.merge5(F.relu(x + context))

        # From coarse to fine; the finest level also gets the mask, each pixel's 2 x 2 parts as
        # channels.
        x16 = self.merge4(torch.cat((upsample_like(x32, map16), map16), 1))
        x8 = self.merge3(torch.cat((upsample_like(x16, map8), map8), 1))
        half_mask = F.avg_pool2d(images[:, 3:], 2)
        mask_parts = F.pixel_unshuffle(half_mask, 2)
        x4 = self.merge2(torch.cat((upsample_like(x8, map4), map4, mask_parts), 1))

        return SingleViewPyramid(map32, x32, x16, x8, x4)

    def forward_with_mirror(self, images: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        """Return :meth:`forward` with depth logits averaged over the image and its mirror image.

        Test-time augmentation: the average has less noise than either, and a mirrored image gives
        the mirrored solid.
        """
        mirrored_pair = torch.cat((images, images.flip(-1)))
        depth_logits, up = self(mirrored_pair, cameras.repeat(2, 1, 1, 1))
        direct, mirrored = depth_logits.chunk(2)
        return (direct + mirrored.flip(-1)) / 2, up[: len(images)]

    def estimate_up(self, images: Tensor) -> Tensor:
        """Return only the up vectors (B, 3) of :meth:`forward`."""
        maps = self.backbone(composite_on_gray(images))
        return self._up_vectors(maps[-1])

    def _up_vectors(self, map32: Tensor) -> Tensor:
        return F.normalize(self.up_head(map32), dim=1)


def sample_depth_logits(depth_logits: Tensor, cameras: Tensor, points: Tensor) -> Tensor:
    """Return the logits (B, P) at ``points``.

    Args:
        depth_logits: (B, 1, K, H, W).
        cameras: (B, 1, 5, 4).
        points: (B, P, 3).
    """
    ndc, depth = project_depth(cameras, points)
    return sample_depth(depth_logits[:, None], ndc, depth, DEPTH_LIMIT)[:, 0, :, 0]
