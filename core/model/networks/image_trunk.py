"""The frozen trunk: feature maps of an image, on which all heads of meaning stand.

Today it is the single-view network of reconstruction. Heads depend on the numbers of channels
alone, so that another trunk can take its place; they are trained for one trunk, which its
fingerprint tells.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .single_view import SingleViewNetwork

SIDE = 128  # of the images, pixels


class TrunkMaps(NamedTuple):
    """Feature maps (B, C, H/s, W/s) of images at the strides s of their names."""

    stride32: Tensor
    stride16: Tensor
    stride8: Tensor
    stride4: Tensor


class ImageTrunk(nn.Module):
    """Feature maps of images, without gradients.

    Args:
        network: The single-view network of reconstruction. Its weights are not changed.
    """

    def __init__(self, network: SingleViewNetwork) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> TrunkMaps:
        """Return the feature maps of ``images``.

        The coarsest map is that of the backbone, which knew ImageNet, beside that of the pyramid.
        All cameras count as perspective ones, since nothing is known of them.

        Args:
            images: (B, 4, H, W), sRGB and mask in 0..1; H and W are multiples of 32.
        """
        maps = self.network.pyramid(images, images.new_zeros(len(images)))
        coarsest = torch.cat((maps.backbone32, maps.stride32), 1)
        return TrunkMaps(coarsest, maps.stride16, maps.stride8, maps.stride4)

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of the maps at strides 32, 16, 8 and 4."""
        device = next(self.network.parameters()).device
        with torch.device(device):
            maps = self(torch.zeros(1, 4, 32, 32))
        return tuple(values.shape[1] for values in maps)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that differ where the weights do."""
        total = hashlib.sha256()
        for value in self.network.state_dict().values():
            total.update(value.detach().half().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()[:16]


def masked_mean(values: Tensor, masks: Tensor) -> Tensor:
    """Return the mean (B, C) of maps over the object.

    Args:
        values: (B, C, h, w).
        masks: (B, 1, H, W) in 0..1; H and W are multiples of h and w.
    """
    stride = masks.shape[-1] // values.shape[-1]
    weights = F.avg_pool2d(masks, stride) + 1e-4
    total = (values * weights).sum((2, 3))
    return total / weights.sum((2, 3))


def pooled_features(maps: TrunkMaps, masks: Tensor) -> Tensor:
    """Return features (B, F) of unit length that describe images before any head is trained.

    Args:
        maps: Of the images.
        masks: (B, 1, H, W) in 0..1.
    """
    means = []
    for values in (maps.stride32, maps.stride16, maps.stride8):
        mean = masked_mean(values, masks)
        means.append(F.normalize(mean, dim=1))
    return F.normalize(torch.cat(means, 1), dim=1)
