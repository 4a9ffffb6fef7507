"""The reconstruction network with parts left out or replaced, to know what each is worth.

All keep the encoder, its depths and what they are trained on, and pick a surface point's color from
the images.
"""

import torch
from maquette.core.model.networks.projection import interpolate_maps, project_points, sample_maps
from maquette.core.model.networks.reconstruction import BOUND, ReconstructionNetwork
from torch import nn
from torch.nn import functional as F

_LATENT = 256
_POOLED = 4  # cells along each side of a picture's maps
_WIDTH = 128  # of the decoder of a global latent
_VOXEL = 8  # channels of the 32^3 grid


class Both(ReconstructionNetwork):
    """Reads one image as it reads several: the volume, and the features at a point's pixel."""

    def predict_occupancy(self, features, points):
        return self.occupancy_head(self._point_features(features, points)[0]).squeeze(-1)


class PixelAligned(Both):
    """No volume: what the pictures say where a point falls on them (as PIFu, arXiv:1905.05172)."""

    def __init__(self, config=None):
        super().__init__(config)
        self.volume = nn.Identity()

    def _lift_to_volume(self, pixel, *_):
        return pixel.new_zeros(len(pixel), self.config.volume_channels[0], 1, 1, 1)


class _Blind(Both):
    """Predicts occupancy from what ``_said`` returns, not from features at a point's pixels."""

    def __init__(self, config=None):
        super().__init__(config)
        del self.view_mlp

    def _point_features(self, features, points):
        seen = sample_maps(features.images, project_points(features.cameras, points)[0])
        views = seen.new_zeros(*seen.shape[:3], self.config.hidden)
        return self._said(features, points), views, seen[..., :3] / seen[..., 3:].clamp(min=0.1)


class VolumeOnly(_Blind):
    """The lifted volume after its U-Net, and the place in it (as Kar et al., arXiv:1708.05375)."""

    def __init__(self, config=None):
        super().__init__(config)
        hidden = self.config.hidden
        self.point_mlp = nn.Sequential(
            nn.Linear(self.config.volume_channels[0] + 3, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )

    def _said(self, features, points):
        return self.point_mlp(
            torch.cat((interpolate_maps(features.voxels, points / BOUND), points), dim=-1)
        )


class GlobalLatent(_Blind):
    """One vector for all images, the mean of theirs, that conditions a network of the position.

    As Occupancy Networks (arXiv:1812.03828), but with more input from each image: its maps pooled
    to 4 x 4 rather than to one, the hull's depths, and the camera. Normalized by layer rather than
    by batch, as our volume is by groups.
    """

    def __init__(self, config=None):
        super().__init__(config)
        sizes = self.config
        maps = sizes.pixel_channels + sizes.depth_bins * sizes.bin_channels + 6
        self.latent = nn.Sequential(
            nn.Linear(_POOLED**2 * maps + 20, 512), nn.ReLU(), nn.Linear(512, _LATENT)
        )
        self.volume = nn.Unflatten(1, (_LATENT, 1, 1, 1))
        self.point_mlp = _Conditioned(sizes.hidden)

    def _lift_to_volume(self, pixel, bins, cover, cameras):
        maps = torch.cat((pixel[:, :, :-3], bins.flatten(2, 3), pixel[:, :, -3:], cover), dim=2)
        pooled = F.adaptive_avg_pool2d(maps.flatten(0, 1), _POOLED).reshape(*maps.shape[:2], -1)
        return self.latent(torch.cat((pooled, cameras.flatten(2)), dim=-1)).mean(1)

    def _said(self, features, points):
        return self.point_mlp(features.voxels.flatten(1), points)


class Voxels(GlobalLatent):
    """The same vector unfolded into a grid of 32^3, interpolated (as 3D-R2N2, arXiv:1604.00449)."""

    def __init__(self, config=None):
        super().__init__(config)
        widths = (64, 32, 16)
        layers = [nn.Linear(_LATENT, widths[0] * 64), nn.Unflatten(1, (widths[0], 4, 4, 4))]
        for inputs, outputs in zip(widths, (*widths[1:], _VOXEL), strict=True):
            layers += [
                nn.GroupNorm(8, inputs),
                nn.ReLU(),
                nn.ConvTranspose3d(inputs, outputs, 4, 2, 1),
            ]
        self.volume = nn.Sequential(*layers)
        self.point_mlp = nn.Linear(
            _VOXEL, self.config.hidden
        )  # nothing bends after it: occupancy is a grid of logits

    def _said(self, features, points):
        return self.point_mlp(interpolate_maps(features.voxels, points / BOUND))


class _Conditioned(nn.Module):
    """Three residual blocks, modulated by a latent (B, 256): points (B, P, 3) to (B, P, C)."""

    def __init__(self, outputs):
        super().__init__()
        self.enter, self.leave = nn.Linear(3, _WIDTH), nn.Linear(_WIDTH, outputs)
        self.bend = nn.ModuleList(nn.Linear(_LATENT, 2 * _WIDTH) for _ in range(3))
        self.layers = nn.ModuleList(nn.Linear(_WIDTH, _WIDTH) for _ in range(3))

    def forward(self, latent, points):
        x = self.enter(points)
        for bend, layer in zip(self.bend, self.layers, strict=True):
            scale, shift = bend(latent)[:, None].chunk(2, dim=-1)
            x = x + layer(F.relu(F.layer_norm(x, (_WIDTH,)) * (1 + scale) + shift))
        return F.relu(self.leave(x))
