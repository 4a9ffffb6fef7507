"""The reconstruction network: images and their cameras in, occupancy and color at points out.

Several views. A point is described by each view with pixel-aligned features (PIFu,
arXiv:1905.05172), features of the point's depth along its ray (a frustum of depth bins as in
Lift-Splat-Shoot, arXiv:2008.05711), the depth of the visible surface, and the mask and color of
the image. Each view also knows where its rays enter and leave the visual hull of all views, since
the visible surface is between the two. The same description, lifted into a coarse volume, passes
through a 3D U-Net (in the manner of Kar et al., arXiv:1708.05375), which sees the entire object.
The number and order of views do not matter: what they contribute to a point is pooled by mean and
maximum.

A single view leaves the depth of the entire object open, which no point can decide on its own. Its
occupancy is that of another network, see ``single_view``; its color comes from the same layers as
with several views.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import CHANNELS, Backbone, composite_on_gray
from .layers import (
    Residual,
    channels_last,
    conv_norm_relu,
    set_memory_format,
    split_batch,
    upsample_like,
)
from .projection import hull_interval, interpolate_maps, project_points, sample_depth, sample_maps
from .single_view import SingleViewNetwork, sample_depth_logits
from .stored_keys import to_attribute_keys, to_stored_keys

BOUND = 0.55  # the volume is the cube [-BOUND, BOUND]^3; the object's longest side is about 1

_STRIDE = 4  # of the maps of pixel features and depth bins
_BLURS = (3, 9)  # kernels of the blurred masks, in pixels of half the image's size
_COVERAGES = 1 + len(_BLURS)  # the mask and its blurs
_GEOMETRY = 4  # depth and direction towards the camera, see ``project_points``
_DEPTHS = 3  # of the visible surface, and where the ray enters and leaves the visual hull
_POSITION = 3
_MIN_MASK = 0.1  # color times mask is divided by at least this
_CALIBRATIONS = 5  # perspective single view; orthographic views: one, two, three, four or more


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network. The names of the fields are stored in weights and runs.

    picture: Width and height of the input images, pixels.
    volume: Cells along each side of the lifted volume, at least 12. With 8, the smallest grid of
        the U-Net has 2 cells along a side, for which oneDNN of torch 2.13 leaves parts of the
        weights' gradients in bfloat16 unwritten on CPUs: they contain whatever was in that memory.
    pyramid: Channels of the encoder's feature pyramid: at strides 8 to 32, and at stride 4.
    pixel_channels: Pixel-aligned features at stride 4.
    fine_channels: Pixel-aligned features at stride 2.
    depth_bins: Depths along a ray that have features of their own.
    bin_channels: Features of a depth bin.
    volume_channels: Channels of the 3D U-Net, from fine to coarse.
    hidden: Width of the layers that decode a point.
    tube_channels: Channels of the single-view network at strides 32, 16, 8 and 4.
    tube_depths: Depths behind a pixel in the single-view network.
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
        """Return the fields by name, as stored in weights and runs."""
        return asdict(self)

    @property
    def view_channels(self) -> int:
        """Number of features of a point in a view, without fine features, mask and color."""
        return self.pixel_channels + self.bin_channels + _GEOMETRY + _DEPTHS


@dataclass(frozen=True)
class Features:
    """All that the network extracts from the views, to be sampled at points.

    cameras: (B, N, 5, 4).
    images: (B, N, 4, H, W), color times mask, and mask.
    pixel: (B, N, C + 3, H/4, W/4), features, the depth of the visible surface, and the depths at
        which the rays enter and leave the visual hull.
    bins: (B, N, C, K, H/4, W/4), features of K depth bins.
    fine: (B, N, C + 2, H/2, W/2), features, and masks at two blurs.
    voxels: (B, C, D, D, D), indexed z, y, x.
    depth_logits: (B, 1, K, H/4, W/4), occupancy logits behind each pixel of a single view; None
        for several views.
    up: (B, 3), the unit vector that points up in the world, in the frame of a single view: x
        right, y away, z up in the image; None for several views.
    """

    cameras: Tensor
    images: Tensor
    pixel: Tensor
    bins: Tensor
    fine: Tensor
    voxels: Tensor
    depth_logits: Tensor | None
    up: Tensor | None

    @property
    def expected_depth(self) -> Tensor:
        """Depth (B, N, 1, H/4, W/4) of the visible surface."""
        return self.pixel[:, :, -3:-2]


class _ViewMaps(NamedTuple):
    """Maps of views, see :class:`Features`.

    coverage: (B, N, 3, H/4, W/4), the mask and its blurs.
    """

    images: Tensor
    pixel: Tensor
    bins: Tensor
    fine: Tensor
    coverage: Tensor


class ImageEncoder(nn.Module):
    """A backbone with a feature pyramid (Lin et al. 2017, arXiv:1612.03144)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, width4 = config.pyramid
        channels2, channels4, channels8, channels16, channels32 = CHANNELS
        self._depth_bins = config.depth_bins
        self.backbone = Backbone(extra=1)
        self.global_context = nn.Linear(channels32, width)

        # From the backbone's channels to the pyramid's. Each finer level also gets the two depths
        # between which the visible surface is.
        self.lateral5 = nn.Conv2d(channels32, width, 1)
        self.lateral4 = nn.Conv2d(channels16 + 2, width, 1)
        self.lateral3 = nn.Conv2d(channels8 + 2, width, 1)
        self.lateral2 = nn.Conv2d(channels4 + 2, width4, 1)

        # After a level is added to the enlarged one below.
        self.merge4 = conv_norm_relu(2, width, width)
        self.merge3 = Residual(2, width)
        self.reduce_channels = nn.Conv2d(width, width4, 1)
        self.merge2 = Residual(2, width4)

        # The outputs.
        self.pixel_head = nn.Conv2d(width4, config.pixel_channels, 1)
        self.bin_head = nn.Conv2d(width4, config.depth_bins * config.bin_channels, 1)
        self.depth_head = nn.Conv2d(width4, 1, 1)
        self.fine_head = nn.Conv2d(channels2, config.fine_channels, 1)

    def forward(self, images: Tensor, interval: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps of pixels, depth bins and fine features, see :class:`Features`.

        Args:
            images: (M, 4, H, W), sRGB and mask in 0..1.
            interval: (M, 2, H/4, W/4), the two depths between which the visible surface is.
        """
        on_gray = composite_on_gray(images)
        map2, map4, map8, map16, map32 = self.backbone(on_gray)
        interval8 = F.avg_pool2d(interval, 2)
        interval16 = F.avg_pool2d(interval, 4)
        map4 = torch.cat((map4, interval), dim=1)
        map8 = torch.cat((map8, interval8), dim=1)
        map16 = torch.cat((map16, interval16), dim=1)

        # From coarse to fine: each level adds detail to the enlarged level below.
        x = self.lateral5(map32)
        context = self.global_context(map32.mean((2, 3)))
        x = x + context[:, :, None, None]
        x = self.merge4(self.lateral4(map16) + upsample_like(x, map16))
        x = self.merge3(self.lateral3(map8) + upsample_like(x, map8))

        # The finest level has fewer channels.
        lateral = self.lateral2(map4)
        x = self.reduce_channels(x)
        x = self.merge2(lateral + upsample_like(x, map4))

        # The visible surface is between the ray's entry into the hull and its exit.
        depth_fraction = self.depth_head(x).sigmoid()
        depth = torch.lerp(interval[:, :1], interval[:, 1:], depth_fraction)
        pixel = torch.cat((self.pixel_head(x), depth, interval), dim=1)

        flat_bins = self.bin_head(x)
        count, _, height, width = flat_bins.shape
        bins = flat_bins.reshape(count, -1, self._depth_bins, height, width)
        return pixel, bins, self.fine_head(map2)


class VolumeUNet(nn.Module):
    """A 3D U-Net over the lifted features (Cicek et al. 2016, arXiv:1606.06650)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width1, width2, width4 = config.volume_channels

        # Mean and maximum of the views' features, mean and minimum of the masks, and the position.
        lifted = 2 * config.view_channels + 2 * _COVERAGES + _POSITION

        # Down to a quarter of the resolution.
        self.stem = nn.Sequential(
            conv_norm_relu(3, lifted, width1, size=1), conv_norm_relu(3, width1, width1)
        )
        self.down1 = nn.Sequential(
            conv_norm_relu(3, width1, width2, size=2, stride=2), Residual(3, width2)
        )
        self.down2 = nn.Sequential(
            conv_norm_relu(3, width2, width4, size=2, stride=2),
            Residual(3, width4),
            Residual(3, width4),
        )

        # And up again.
        self.lateral2 = nn.Conv3d(width4, width2, 1)
        self.merge2 = conv_norm_relu(3, width2, width2)
        self.lateral1 = nn.Conv3d(width2, width1, 1)
        self.merge1 = conv_norm_relu(3, width1, width1)

    def forward(self, lifted: Tensor) -> Tensor:
        """Return features (B, C, D, D, D) of the volume ``lifted`` (B, L, D, D, D)."""
        full = self.stem(lifted)
        half = self.down1(full)
        x = self.down2(half)
        x = self.merge2(half + upsample_like(self.lateral2(x), half))
        x = self.merge1(full + upsample_like(self.lateral1(x), full))
        return channels_last(x)


class ReconstructionNetwork(nn.Module):
    """Occupancy and color from views, see the module.

    Call ``encode_views`` once for a set of views, then predict at any points.

    threshold_shift: Added to the expected-IoU threshold of a single view, see
        ``inference.occupancy_field``.
    calibration_curves: (5, 2), slopes and offsets of the confidence, see :meth:`calibration_for`.

    ``state_dict`` and ``load_state_dict`` use the keys of files, see ``stored_keys``. The order of
    the modules stays as well: checkpoints number the optimizer's state by parameter. That is why
    the single-view network is between the layers of the multi-view network.
    """

    threshold_shift: Tensor
    calibration_curves: Tensor

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        hidden = config.hidden

        # From images to features of views and of the volume.
        self.encoder = ImageEncoder(config)
        self.volume = VolumeUNet(config)

        # From these to features of a point, in each view and pooled over the views.
        image_channels = config.fine_channels + 3 + _COVERAGES
        pooled = 2 * hidden + 2 * _COVERAGES + config.volume_channels[0] + _POSITION
        self.view_mlp = nn.Sequential(
            nn.Linear(config.view_channels + image_channels, hidden), nn.ReLU(inplace=True)
        )
        self.point_mlp = nn.Sequential(
            nn.Linear(pooled, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )

        self.single_view = SingleViewNetwork(config.tube_channels, config.tube_depths)

        # From the features of a point to occupancy and color.
        self.occupancy_head = nn.Linear(hidden, 1)
        self.color_head = nn.Linear(hidden, 4)  # color where no view sees the point, and its weight
        self.view_weight_head = nn.Linear(2 * hidden, 1)

        # Calibrated after training; without effect until then.
        self.register_buffer("threshold_shift", torch.zeros(()))
        identity = torch.tensor((1.0, 0.0))
        self.register_buffer("calibration_curves", identity.repeat(_CALIBRATIONS, 1))

        set_memory_format(self.encoder, torch.channels_last)
        set_memory_format(self.volume, torch.channels_last_3d)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return all parameters and buffers by the keys of files, see ``stored_keys``."""
        return to_stored_keys(super().state_dict(*args, **kwargs))

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Copy the values of ``state_dict``, by the keys of files, see ``stored_keys``."""
        return super().load_state_dict(to_attribute_keys(state_dict), *args, **kwargs)

    def encode_views(self, images: Tensor, cameras: Tensor) -> Features:
        """Return the features of a set of views.

        Args:
            images: (B, N, 4, H, W) in 0..1: sRGB (anything where the mask is 0) and mask.
            cameras: (B, N, 5, 4), see ``projection``.
        """
        depth_logits = None
        up = None
        if images.shape[1] == 1:
            depth_logits, up = self._encode_single_view(images[:, 0], cameras)

        maps = self._encode_maps(images, cameras)
        voxels = self.volume(self._lift_to_volume(maps.pixel, maps.bins, maps.coverage, cameras))

        return Features(
            cameras=cameras,
            images=maps.images,
            pixel=maps.pixel,
            bins=maps.bins,
            fine=maps.fine,
            voxels=voxels,
            depth_logits=depth_logits,
            up=up,
        )

    def estimate_up(self, images: Tensor) -> Tensor:
        """Return only ``up`` (B, 3) of the :class:`Features` of single views (B, 1, 4, H, W)."""
        return self.single_view.estimate_up(images[:, 0])

    def predict_occupancy(self, features: Features, points: Tensor) -> Tensor:
        """Return the occupancy logits (B, P) at ``points`` (B, P, 3) within the volume."""
        if features.depth_logits is not None:
            return sample_depth_logits(features.depth_logits, features.cameras, points)
        logits: Tensor = self.occupancy_head(self._point_features(features, points)[0])
        return logits.squeeze(-1)

    def predict_single_view(
        self, images: Tensor, cameras: Tensor, points: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return logits (B, P) and up vectors (B, 3) of the single-view network, as in training.

        Nothing is encoded for colors, and there is no average with the mirror image.

        Args:
            images: (B, 1, 4, H, W).
            cameras: (B, 1, 5, 4).
            points: (B, P, 3).
        """
        depth_logits, up = self.single_view(images[:, 0], cameras)
        return sample_depth_logits(depth_logits, cameras, points), up

    def calibration_for(self, features: Features) -> Tensor:
        """Return slope and offset (2,) of the confidence for the number and kind of views."""
        views = features.cameras.shape[1]
        is_perspective = bool(features.cameras[0, 0, 4, 3])
        if views == 1 and is_perspective:
            return self.calibration_curves[0]
        return self.calibration_curves[min(views, len(self.calibration_curves) - 1)]

    def predict_color(self, features: Features, points: Tensor) -> Tensor:
        """Return sRGB colors (B, P, 3) in 0..1 at ``points`` (B, P, 3) of the surface.

        A color is a weighted mean of what each view shows at the point and of a predicted color,
        which serves for points that no view sees.
        """
        point_features, view_features, view_colors = self._point_features(features, points)
        prediction = self.color_head(point_features)
        predicted_color = prediction[:, None, :, :3].sigmoid()
        predicted_weight = prediction[:, None, :, 3]

        # The head is linear in both its inputs: the point's part is computed once for all views.
        hidden = self.config.hidden
        head = self.view_weight_head
        from_views = F.linear(view_features, head.weight[:, :hidden], head.bias)
        from_point = F.linear(point_features, head.weight[:, hidden:])
        view_weight = (from_views + from_point[:, None])[..., 0]

        weights = torch.cat((view_weight, predicted_weight), dim=1).softmax(dim=1)
        colors = torch.cat((view_colors, predicted_color), dim=1)
        return (weights[..., None] * colors).sum(1)

    def _encode_single_view(self, images: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
        if self.training:
            depth_logits, up = self.single_view(images, cameras)
            return depth_logits, up
        return self.single_view.forward_with_mirror(images, cameras)

    def _encode_maps(self, images: Tensor, cameras: Tensor) -> _ViewMaps:
        batch, views = images.shape[:2]
        mask = images[:, :, 3:]
        interval = hull_interval(cameras, mask, images.shape[-1] // _STRIDE)
        pixel, bins, fine = self.encoder(images.flatten(0, 1), interval.flatten(0, 1))

        # The mask and its blurs tell how far a point is from the outline, at three scales.
        masked_color = images[:, :, :3] * mask
        masked_images = torch.cat((masked_color, mask), dim=2).flatten(0, 1)
        flat_mask = masked_images[:, 3:]
        half_mask = F.avg_pool2d(flat_mask, 2)
        blurred = torch.cat([_blur(half_mask, kernel) for kernel in _BLURS], dim=1)
        coarse_mask = F.avg_pool2d(flat_mask, _STRIDE)
        coarse_blurred = F.avg_pool2d(blurred, 2)
        coverage = torch.cat((coarse_mask, coarse_blurred), dim=1)
        fine_maps = torch.cat((fine, blurred), dim=1)

        # From one dimension for all images to batch and views.
        view_maps = []
        for maps in (masked_images, pixel, bins, fine_maps, coverage):
            view_maps.append(split_batch(channels_last(maps), batch, views))
        return _ViewMaps(*view_maps)

    def _lift_to_volume(
        self, pixel: Tensor, bins: Tensor, coverage: Tensor, cameras: Tensor
    ) -> Tensor:
        """Return the pooled view features (B, L, D, D, D) at the centers of the volume's cells."""
        batch = len(pixel)
        cells = self.config.volume
        corners_and_centers = torch.linspace(-1, 1, 2 * cells + 1, device=pixel.device)
        centers = corners_and_centers[1::2] * BOUND
        z, y, x = torch.meshgrid(centers, centers, centers, indexing="ij")
        grid_points = torch.stack((x, y, z), dim=-1).reshape(1, -1, 3)
        points = grid_points.expand(batch, -1, -1)

        # What each view contributes.
        ndc, geometry = project_points(cameras, points)
        view_parts = _sample_view_features(pixel, bins, ndc, geometry)
        view_features = torch.cat(view_parts, dim=-1)
        covered = sample_maps(coverage, ndc)

        # Pooled over the views.
        pooled_features = (view_features.mean(1), view_features.amax(1))
        pooled_coverage = (covered.mean(1), covered.amin(1))
        lifted = torch.cat((*pooled_features, *pooled_coverage, points), dim=-1)
        grid = lifted.transpose(1, 2).reshape(batch, -1, cells, cells, cells)

        return grid.contiguous(memory_format=torch.channels_last_3d)

    def _point_features(self, features: Features, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features of points, their features in each view, and their colors in each view.

        Args:
            features: Of the views.
            points: (B, P, 3).

        Returns:
            (B, P, C), (B, N, P, C) and (B, N, P, 3).
        """
        # What each view contributes.
        ndc, geometry = project_points(features.cameras, points)
        view_parts = _sample_view_features(features.pixel, features.bins, ndc, geometry)
        pixels = sample_maps(features.images, ndc)
        fine = sample_maps(features.fine, ndc)
        fine_features = fine[..., : self.config.fine_channels]
        blurs = fine[..., self.config.fine_channels :]
        view_inputs = torch.cat((*view_parts, fine_features, pixels, blurs), dim=-1)
        view_features = self.view_mlp(view_inputs)

        # Pooled over the views, with the volume's features and the position.
        coverage = torch.cat((pixels[..., 3:], blurs), dim=-1)
        voxels = interpolate_maps(features.voxels, points / BOUND)
        pooled_features = (view_features.mean(1), view_features.amax(1))
        pooled_coverage = (coverage.mean(1), coverage.amin(1))
        point_inputs = torch.cat((*pooled_features, *pooled_coverage, voxels, points), dim=-1)

        colors = pixels[..., :3] / pixels[..., 3:].clamp(min=_MIN_MASK)
        return self.point_mlp(point_inputs), view_features, colors


def _blur(mask: Tensor, kernel: int) -> Tensor:
    return F.avg_pool2d(mask, kernel, 1, kernel // 2, count_include_pad=False)


def _sample_view_features(
    pixel: Tensor, bins: Tensor, ndc: Tensor, geometry: Tensor
) -> tuple[Tensor, ...]:
    """Return the parts (B, N, P, C) of each view's features of points.

    They are the pixel's features, those of the point's depth bin, depth and direction, and how far
    the point is behind the visible surface and the ends of the ray's interval in the hull.

    Args:
        pixel: (B, N, C + 3, H, W), see :class:`Features`.
        bins: (B, N, C, K, H, W).
        ndc: (B, N, P, 2), the points in the views.
        geometry: (B, N, P, 4), see ``project_points``.
    """
    depth = geometry[..., :1]
    sampled = sample_maps(pixel, ndc)
    behind = depth - sampled[..., -_DEPTHS:]
    return sampled[..., :-_DEPTHS], sample_depth(bins, ndc, depth), geometry, behind
