"""The network: pictures and their cameras in, occupancy and colour at points out.

Pixel-aligned features (PIFu, arXiv:1905.05172) beside features lifted into a volume and passed through a 3D U-Net
(in the manner of Kar et al., arXiv:1708.05375), with the pictures' own masks and colours read at every point.
Any number of views in any order: what the views say of a point is pooled by mean and maximum.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Residual, conv, grow
from .projection import project, sample

BOUND = 0.55  # the volume is the cube [-BOUND, BOUND]^3; the object's longest side is about 1


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. ``picture``: side of the input, pixels. ``volume``: side of the lifted grid, voxels."""

    picture: int = 128
    volume: int = 32
    encoder: tuple[int, int, int, int] = (24, 48, 96, 128)
    pixel_channels: int = 32
    fine_channels: int = 16
    lifted_channels: int = 24
    volume_channels: tuple[int, int, int] = (32, 64, 128)
    voxel_channels: int = 16
    hidden: int = 64

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Features:
    """What the network knows after it has seen the pictures.

    cameras: (B, N, 5, 4). pictures: (B, N, 4, H, W) colour times mask, and mask.
    pixel: (B, N, C, H/4, W/4). fine: (B, N, C, H/2, W/2).
    blurred: masks at two blurs, (B, N, 2, H/2, W/2). voxels: (B, C, D, D, D) and half as fine, indexed z, y, x.
    up: (B, 3) unit vector that is up in the world, in the frame of the cameras.
    """

    cameras: Tensor
    pictures: Tensor
    pixel: Tensor
    fine: Tensor
    blurred: Tensor
    voxels: tuple[Tensor, Tensor]
    up: Tensor


class PictureEncoder(nn.Module):
    """A small residual network with a feature pyramid (Lin et al. 2017, arXiv:1612.03144)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c, d = config.encoder
        self.stem = nn.Sequential(conv(2, 4, a, stride=2), Residual(2, a))
        self.down1 = nn.Sequential(conv(2, a, b, stride=2), Residual(2, b))
        self.down2 = nn.Sequential(conv(2, b, c, stride=2), Residual(2, c), Residual(2, c))
        self.down3 = nn.Sequential(conv(2, c, d, stride=2), Residual(2, d), Residual(2, d))
        self.across3 = nn.Conv2d(d, b, 1)
        self.across2 = nn.Conv2d(c, b, 1)
        self.across1 = nn.Conv2d(b, b, 1)
        self.pixel = nn.Sequential(conv(2, b, b), nn.Conv2d(b, config.pixel_channels, 1))
        self.fine = nn.Conv2d(a, config.fine_channels, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pixel features (M, C, H/4, W/4), fine features (M, C, H/2, W/2) and a summary (M, C) of (M, 4, H, W)."""
        one = self.stem(pictures)
        two = self.down1(one)
        three = self.down2(two)
        four = self.down3(three)
        x = self.across3(four)
        x = self.across2(three) + grow(x, three)
        x = self.across1(two) + grow(x, two)
        return self.pixel(x), self.fine(one), four.amax((2, 3))


class VolumeNetwork(nn.Module):
    """A 3D U-Net over the lifted features, run at half their fineness (Cicek et al. 2016, arXiv:1606.06650)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c = config.volume_channels
        lifted = 2 * config.lifted_channels + 5
        self.enter = nn.Sequential(conv(3, lifted, a, size=2, stride=2), Residual(3, a))
        self.down1 = nn.Sequential(conv(3, a, b, size=2, stride=2), Residual(3, b))
        self.down2 = nn.Sequential(conv(3, b, c, size=2, stride=2), Residual(3, c))
        self.up2 = conv(3, c + b, b)
        self.up1 = conv(3, b + a, a)
        self.leave = nn.Conv3d(a, config.voxel_channels, 1)
        self.skip = nn.Conv3d(lifted, config.voxel_channels, 1)

    def forward(self, lifted: Tensor) -> tuple[Tensor, Tensor]:
        one = self.enter(lifted)
        two = self.down1(one)
        three = self.down2(two)
        two = self.up2(torch.cat((grow(three, two), two), dim=1))
        one = self.up1(torch.cat((grow(two, one), one), dim=1))
        fine = grow(self.leave(one), lifted) + self.skip(lifted)
        return F.relu(fine), one


class ReconstructionNetwork(nn.Module):
    """See the module. ``encode`` once for a set of pictures, then ``occupancy`` and ``colour`` at any points."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        geometry = 4
        self.encoder = PictureEncoder(config)
        self.to_voxel = nn.Linear(config.pixel_channels + geometry, config.lifted_channels)
        self.volume = VolumeNetwork(config)
        seen = config.pixel_channels + config.fine_channels + 6 + geometry  # colour, mask, its two blurs, geometry
        pooled = 2 * config.hidden + 6 + config.voxel_channels + config.volume_channels[0] + 3
        self.view = nn.Sequential(nn.Linear(seen, config.hidden), nn.ReLU(inplace=True))
        self.point = nn.Sequential(
            nn.Linear(pooled, config.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(inplace=True),
        )
        self.occupied = nn.Linear(config.hidden, 1)
        self.own_colour = nn.Linear(config.hidden, 4)  # colour, and how far to trust it
        self.trust = nn.Linear(2 * config.hidden, 1)
        self.upright = nn.Linear(config.encoder[3] + 4, 3)
        self.encoder.to(memory_format=torch.channels_last)
        self.volume.to(memory_format=torch.channels_last_3d)

    def encode(self, pictures: Tensor, cameras: Tensor) -> Features:
        """Look at the pictures.

        Args:
            pictures: (B, N, 4, H, W) in 0..1: sRGB colour (anything where the mask is 0) and mask.
            cameras: (B, N, 5, 4), see ``projection``.
        """
        batch, views = pictures.shape[:2]
        mask = pictures[:, :, 3:]
        pictures = torch.cat((pictures[:, :, :3] * mask, mask), dim=2)
        flat = pictures.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        pixel, fine, summary = self.encoder(flat)
        half = F.avg_pool2d(flat[:, 3:], 2)
        blurred = torch.cat([F.avg_pool2d(half, k, 1, k // 2, count_include_pad=False) for k in (3, 9)], dim=1)
        pixel, fine, blurred = (x.unflatten(0, (batch, views)) for x in (pixel, fine, blurred))
        first = summary.unflatten(0, (batch, views))[:, 0]
        up = F.normalize(self.upright(torch.cat((first, cameras[:, 0, 4]), dim=1)), dim=1)
        voxels = self.volume(self._lift(pixel, mask, cameras))
        return Features(cameras, pictures, pixel, fine, blurred, voxels, up)

    def occupancy(self, features: Features, points: Tensor) -> Tensor:
        """Logits (B, P) at ``points`` (B, P, 3) within the volume; above zero is inside."""
        return self.occupied(self._describe(features, points)[0]).squeeze(-1)

    def colour(self, features: Features, points: Tensor) -> Tensor:
        """sRGB colour (B, P, 3) in 0..1 at ``points`` (B, P, 3) of the surface.

        A mixture of what each picture shows there and a colour of its own for what none of them sees.
        """
        described, views, seen = self._describe(features, points)
        own = self.own_colour(described)
        pairs = torch.cat((views, described[:, None].expand_as(views)), dim=-1)
        votes = torch.cat((self.trust(pairs)[..., 0], own[:, None, :, 3]), dim=1).softmax(dim=1)
        choices = torch.cat((seen, own[:, None, :, :3].sigmoid()), dim=1)
        return (votes[..., None] * choices).sum(1)

    def _lift(self, pixel: Tensor, mask: Tensor, cameras: Tensor) -> Tensor:
        side = self.config.volume
        line = torch.linspace(-1, 1, 2 * side + 1, device=pixel.device)[1::2] * BOUND
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        points = torch.stack((x, y, z), dim=-1).reshape(1, -1, 3).expand(len(pixel), -1, -1)
        where, geometry = project(cameras, points)
        features = F.relu(self.to_voxel(torch.cat((sample(pixel, where), geometry), dim=-1)))
        cover = sample(F.avg_pool2d(mask.flatten(0, 1), 4).unflatten(0, mask.shape[:2]), where)
        lifted = torch.cat((features.mean(1), features.amax(1), cover.mean(1), cover.amin(1), points), dim=-1)
        grid = lifted.transpose(1, 2).reshape(len(pixel), -1, side, side, side)
        return grid.contiguous(memory_format=torch.channels_last_3d)

    def _describe(self, features: Features, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For points (B, P, 3): their description (B, P, C), the views' (B, N, P, C) and colours (B, N, P, 3)."""
        where, geometry = project(features.cameras, points)
        pixel, fine = sample(features.pixel, where), sample(features.fine, where)
        seen, blurs = sample(features.pictures, where), sample(features.blurred, where)
        cover = torch.cat((seen[..., 3:], blurs), dim=-1)
        views = self.view(torch.cat((pixel, fine, seen, blurs, geometry), dim=-1))
        place = (points / BOUND)[:, :, None, None]
        voxels = [F.grid_sample(v, place, align_corners=False)[..., 0, 0].transpose(1, 2) for v in features.voxels]
        pooled = (views.mean(1), views.amax(1), cover.mean(1), cover.amin(1), *voxels, points)
        colour = seen[..., :3] / seen[..., 3:].clamp(min=0.1)
        return self.point(torch.cat(pooled, dim=-1)), views, colour
