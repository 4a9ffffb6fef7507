"""The network: pictures and their cameras in, occupancy and colour at points out.

What a picture says of a point: pixel-aligned features (PIFu, arXiv:1905.05172), features of the point's depth along
its ray (a frustum of depth bins, as Lift-Splat-Shoot has, arXiv:2008.05711), the depth of what is seen there, and the
picture's own mask and colour. Of several pictures each also knows where its rays enter and leave the visual hull of
all, between which lies what is seen. The same, lifted into a coarse volume, passes through a 3D U-Net (in the manner
of Kar et al., arXiv:1708.05375) that sees the whole. Any number of views in any order: what they say of a point is
pooled by mean and maximum.

One picture leaves open how deep all of it is, which no point can decide by itself: it is asked as a whole, see
``tubes``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import CHANNELS, Backbone, composite_on_gray
from .layers import Residual, conv_norm_relu, upsample_like
from .projection import hull_interval, interpolate_maps, project_points, sample_depth, sample_maps
from .single_view import SingleViewNetwork, sample_depth_logits

BOUND = 0.55  # the volume is the cube [-BOUND, BOUND]^3; the object's longest side is about 1


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. ``picture``: side of the input, pixels. ``volume``: side of the lifted grid, voxels, at least 12.

    Of 8 the smallest grid has 2 to a side, for which oneDNN of torch 2.13 leaves parts of the weights' gradients in
    bfloat16 unwritten on CPUs: whatever lay in memory there.
    """

    picture: int = 128
    volume: int = 16
    pyramid: tuple[int, int] = (96, 48)
    pixel_channels: int = 32
    fine_channels: int = 16
    depth_bins: int = 16
    bin_channels: int = 12
    volume_channels: tuple[int, int, int] = (32, 64, 128)
    hidden: int = 64
    tube_channels: tuple[int, int, int, int] = (256, 192, 128, 64)
    tube_depths: int = 32

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Features:
    """What the network knows after it has seen the pictures.

    cameras: (B, N, 5, 4). pictures: (B, N, 4, H, W) colour times mask, and mask.
    pixel: (B, N, C + 3, H/4, W/4): features, the depth of what is seen, and those at which the rays enter and leave
    the visual hull. bins: (B, N, C, K, H/4, W/4). fine: (B, N, C + 2, H/2, W/2): features, and masks at two blurs.
    voxels: (B, C, D, D, D), indexed z, y, x.
    tubes, up: of one picture, else None: (B, 1, K, H/4, W/4), and (B, 3) the unit vector that is up in the world, in
    the picture's own frame: x right, y away, z up in the picture.
    """

    cameras: Tensor
    pictures: Tensor
    pixel: Tensor
    bins: Tensor
    fine: Tensor
    voxels: Tensor
    tubes: Tensor | None
    up: Tensor | None

    @property
    def expected_depth(self) -> Tensor:
        """(B, N, 1, H/4, W/4) of what is seen."""
        return self.pixel[:, :, -3:-2]


class ImageEncoder(nn.Module):
    """A backbone with a feature pyramid (Lin et al. 2017, arXiv:1612.03144)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b = config.pyramid
        fine, two, three, four, five = CHANNELS
        self._bins = config.depth_bins
        self.backbone = Backbone(extra=1)
        self.whole = nn.Linear(five, a)
        self.across5 = nn.Conv2d(five, a, 1)
        self.across4 = nn.Conv2d(four + 2, a, 1)
        self.across3 = nn.Conv2d(three + 2, a, 1)
        self.across2 = nn.Conv2d(two + 2, b, 1)
        self.join4 = conv_norm_relu(2, a, a)
        self.join3 = Residual(2, a)
        self.narrow = nn.Conv2d(a, b, 1)
        self.join2 = Residual(2, b)
        self.pixel = nn.Conv2d(b, config.pixel_channels, 1)
        self.bins = nn.Conv2d(b, config.depth_bins * config.bin_channels, 1)
        self.depth = nn.Conv2d(b, 1, 1)
        self.fine = nn.Conv2d(fine, config.fine_channels, 1)

    def forward(self, pictures: Tensor, interval: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of pixels, depth bins and fine features, see :class:`Features`, of ``pictures`` (M, 4, H, W).

        Args:
            interval: (M, 2, H/4, W/4), between whose two depths lies what is seen.
        """
        one, two, three, four, five = self.backbone(composite_on_gray(pictures))
        known = (interval, F.avg_pool2d(interval, 2), F.avg_pool2d(interval, 4))
        two, three, four = (
            torch.cat(pair, dim=1) for pair in zip((two, three, four), known, strict=True)
        )
        x = self.across5(five) + self.whole(five.mean((2, 3)))[:, :, None, None]
        x = self.join4(self.across4(four) + upsample_like(x, four))
        x = self.join3(self.across3(three) + upsample_like(x, three))
        x = self.join2(self.across2(two) + upsample_like(self.narrow(x), two))
        depth = torch.lerp(interval[:, :1], interval[:, 1:], self.depth(x).sigmoid())
        pixel = torch.cat((self.pixel(x), depth, interval), dim=1)
        return pixel, self.bins(x).unflatten(1, (-1, self._bins)), self.fine(one)


class VolumeUNet(nn.Module):
    """A 3D U-Net over the lifted features (Cicek et al. 2016, arXiv:1606.06650)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c = config.volume_channels
        lifted = 2 * (config.pixel_channels + config.bin_channels + 7) + 6 + 3
        self.enter = nn.Sequential(conv_norm_relu(3, lifted, a, size=1), conv_norm_relu(3, a, a))
        self.down1 = nn.Sequential(conv_norm_relu(3, a, b, size=2, stride=2), Residual(3, b))
        self.down2 = nn.Sequential(
            conv_norm_relu(3, b, c, size=2, stride=2), Residual(3, c), Residual(3, c)
        )
        self.across2 = nn.Conv3d(c, b, 1)
        self.join2 = conv_norm_relu(3, b, b)
        self.across1 = nn.Conv3d(b, a, 1)
        self.join1 = conv_norm_relu(3, a, a)

    def forward(self, lifted: Tensor) -> Tensor:
        one = self.enter(lifted)
        two = self.down1(one)
        x = self.down2(two)
        x = self.join2(two + upsample_like(self.across2(x), two))
        return _channels_last(self.join1(one + upsample_like(self.across1(x), one)))


class ReconstructionNetwork(nn.Module):
    """See the module. ``encode`` once for a set of pictures, then ``occupancy`` and ``colour`` at any points."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        self.encoder = ImageEncoder(config)
        self.volume = VolumeUNet(config)
        said = config.pixel_channels + config.bin_channels + 7
        seen = said + config.fine_channels + 6  # colour, mask and its two blurs
        pooled = 2 * config.hidden + 6 + config.volume_channels[0] + 3
        self.view = nn.Sequential(nn.Linear(seen, config.hidden), nn.ReLU(inplace=True))
        self.point = nn.Sequential(
            nn.Linear(pooled, config.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(inplace=True),
        )
        self.tubes = SingleViewNetwork(config.tube_channels, config.tube_depths)
        self.occupied = nn.Linear(config.hidden, 1)
        self.own_colour = nn.Linear(config.hidden, 4)  # colour, and how far to trust it
        self.trust = nn.Linear(2 * config.hidden, 1)
        self.register_buffer(
            "shift", torch.zeros(())
        )  # of one picture's ``best_level``, see ``silhouettes``
        self.register_buffer("curves", torch.tensor((1.0, 0.0)).repeat(5, 1))  # of the confidence
        self.encoder.to(memory_format=torch.channels_last)
        self.volume.to(memory_format=torch.channels_last_3d)

    def encode_views(self, pictures: Tensor, cameras: Tensor) -> Features:
        """Look at the pictures.

        Args:
            pictures: (B, N, 4, H, W) in 0..1: sRGB colour (anything where the mask is 0) and mask.
            cameras: (B, N, 5, 4), see ``projection``.
        """
        batch, views = pictures.shape[:2]
        mask = pictures[:, :, 3:]
        tubes, up = (
            self._encode_single_view(pictures[:, 0], cameras) if views == 1 else (None, None)
        )
        interval = hull_interval(cameras, mask, pictures.shape[-1] // 4)
        pixel, bins, fine = self.encoder(pictures.flatten(0, 1), interval.flatten(0, 1))
        flat = torch.cat((pictures[:, :, :3] * mask, mask), dim=2).flatten(0, 1)
        half = F.avg_pool2d(flat[:, 3:], 2)
        blurred = torch.cat(
            [F.avg_pool2d(half, k, 1, k // 2, count_include_pad=False) for k in (3, 9)], dim=1
        )
        cover = torch.cat((F.avg_pool2d(flat[:, 3:], 4), F.avg_pool2d(blurred, 2)), dim=1)
        maps = flat, pixel, bins, torch.cat((fine, blurred), dim=1), cover
        pictures, pixel, bins, fine, cover = (
            _channels_last(x).unflatten(0, (batch, views)) for x in maps
        )
        lifted = self._lift_to_volume(pixel, bins, cover, cameras)
        return Features(cameras, pictures, pixel, bins, fine, self.volume(lifted), tubes, up)

    def estimate_up(self, pictures: Tensor) -> Tensor:
        """Only ``up`` of the :class:`Features` of pictures (B, 1, 4, H, W): (B, 3)."""
        return self.tubes.estimate_up(pictures[:, 0])

    def predict_occupancy(self, features: Features, points: Tensor) -> Tensor:
        """Logits (B, P) of the probability that ``points`` (B, P, 3) within the volume are inside."""
        if features.tubes is not None:
            return sample_depth_logits(features.tubes, features.cameras, points)
        return self.occupied(self._point_features(features, points)[0]).squeeze(-1)

    def predict_single_view(
        self, pictures: Tensor, cameras: Tensor, points: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, P) and ``up`` (B, 3) of one picture (B, 1, 4, H, W) as they are trained: without its mirror image,
        and nothing else.
        """
        tubes, up = self.tubes(pictures[:, 0], cameras)
        return sample_depth_logits(tubes, cameras, points), up

    def calibration_for(self, features: Features) -> Tensor:
        """The curve (2,) of the confidence by the number of views; the first is for one in perspective."""
        views = features.cameras.shape[1]
        perspective = bool(features.cameras[0, 0, 4, 3])
        return self.curves[0 if views == 1 and perspective else min(views, len(self.curves) - 1)]

    def predict_color(self, features: Features, points: Tensor) -> Tensor:
        """SRGB colour (B, P, 3) in 0..1 at ``points`` (B, P, 3) of the surface.

        A mixture of what each picture shows there and a colour of its own for what none of them sees.
        """
        described, views, seen = self._point_features(features, points)
        own = self.own_colour(described)
        by_view, by_point = self.trust.weight.split(self.config.hidden, dim=1)
        trust = F.linear(views, by_view, self.trust.bias) + F.linear(described, by_point)[:, None]
        votes = torch.cat((trust[..., 0], own[:, None, :, 3]), dim=1).softmax(dim=1)
        choices = torch.cat((seen, own[:, None, :, :3].sigmoid()), dim=1)
        return (votes[..., None] * choices).sum(1)

    def _encode_single_view(self, pictures: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        """Of pictures (B, 4, H, W), one each; once trained, of the solid the mean of what they and their mirror images
        say.
        """
        if self.training:
            return self.tubes(pictures, cameras)
        both = torch.cat((pictures, pictures.flip(-1)))
        tubes, up = self.tubes(both, cameras.repeat(2, 1, 1, 1))
        found, mirrored = tubes.chunk(2)
        return (found + mirrored.flip(-1)) / 2, up[: len(pictures)]

    def _lift_to_volume(
        self, pixel: Tensor, bins: Tensor, cover: Tensor, cameras: Tensor
    ) -> Tensor:
        side = self.config.volume
        line = torch.linspace(-1, 1, 2 * side + 1, device=pixel.device)[1::2] * BOUND
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        points = torch.stack((x, y, z), dim=-1).reshape(1, -1, 3).expand(len(pixel), -1, -1)
        where, geometry = project_points(cameras, points)
        said = torch.cat(_sample_view_features(pixel, bins, where, geometry), dim=-1)
        covered = sample_maps(cover, where)
        lifted = torch.cat(
            (said.mean(1), said.amax(1), covered.mean(1), covered.amin(1), points), dim=-1
        )
        grid = lifted.transpose(1, 2).reshape(len(pixel), -1, side, side, side)
        return grid.contiguous(memory_format=torch.channels_last_3d)

    def _point_features(self, features: Features, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For points (B, P, 3): their description (B, P, C), the views' (B, N, P, C) and colours (B, N, P, 3)."""
        where, geometry = project_points(features.cameras, points)
        said = _sample_view_features(features.pixel, features.bins, where, geometry)
        seen = sample_maps(features.pictures, where)
        fine = sample_maps(features.fine, where)
        blurs = fine[..., self.config.fine_channels :]
        cover = torch.cat((seen[..., 3:], blurs), dim=-1)
        views = self.view(
            torch.cat((*said, fine[..., : self.config.fine_channels], seen, blurs), dim=-1)
        )
        voxels = interpolate_maps(features.voxels, points / BOUND)
        color = seen[..., :3] / seen[..., 3:].clamp(min=0.1)
        pooled = (views.mean(1), views.amax(1), cover.mean(1), cover.amin(1), voxels, points)
        return self.point(torch.cat(pooled, dim=-1)), views, color


def _channels_last(maps: Tensor) -> Tensor:
    """``maps`` (M, C, ...), a pixel's channels together in memory: what is sampled at a point lies in a few places."""
    return maps.contiguous(
        memory_format=torch.channels_last if maps.dim() == 4 else torch.channels_last_3d
    )


def _sample_view_features(
    pixel: Tensor, bins: Tensor, where: Tensor, geometry: Tensor
) -> tuple[Tensor, ...]:
    """What each view says (B, N, P, C), in parts, of points from their place in its picture, depth and direction."""
    own = geometry[..., :1]
    found = sample_maps(pixel, where)
    behind = own - found[..., -3:]
    return found[..., :-3], sample_depth(bins, where, own), geometry, behind
