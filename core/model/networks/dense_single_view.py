"""The dense single-view network: what one image shows of the surfaces along each pixel's ray.

All depths are plane depths in the frame of the image: along the axis of the camera, growing away
from it, 0 at the depth of the middle of the object's bounding box. Their unit is a 1.1th of the
image's window, so the longest visible side is about 1. Directions are (right, away, up).

Heads at half the input's resolution predict where the ray first meets the object, what lies behind
that, and which way the surfaces face. The occupancy behind the first surface is given by bins
along the ray (Richter and Roth 2018, arXiv:1804.10975), which here are relative: they begin at the
first surface, so that an error of its depth does not blur them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dense_trunk import DenseConfig, DenseTrunk
from .pyramid_trunk import PyramidTrunk

# Edges of the bins behind the first surface: fine where legs and walls end, then even to 1.1.
_FINE_EDGES = (0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08)
RAY_EDGES = torch.cat((torch.tensor(_FINE_EDGES), torch.linspace(0.1, 1.1, 42)))
RAY_BINS = len(RAY_EDGES) - 1

_TRUNKS: dict[str, type[DenseTrunk] | type[PyramidTrunk]] = {
    "dense": DenseTrunk,
    "pyramid": PyramidTrunk,
}  # by their names in DenseConfig

MIN_SCALE = 0.004  # of Laplace distributions: half of a cell of the grid that labels come from
_MAX_SCALE = 0.5
_HULL_MARGIN = 0.05  # by which the first surface may leave the hull: masks and cameras are inexact
_MAX_LAYER = 2.5  # depth behind the first surface at which a layer may lie


@dataclass(frozen=True)
class DenseOutput:
    """What the network predicts of B images, float32; h and w are half the input's sides.

    Attributes:
        first_depth: (B, 2, h, w) modes of the depth of the first surface, in the hull's interval.
        first_scale: (B, 2, h, w) scales of their Laplace distributions, above ``MIN_SCALE``.
        first_log_weight: (B, 2, h, w) log of their weights, which sum to 1.
        ray_occupancy: (B, RAY_BINS, h, w) logits of the occupancy between ``RAY_EDGES`` behind the
            first surface.
        layers: (B, 3, h, w) depth behind the first surface of the first exit, the second entry
            and the last exit.
        layer_scale: (B, 3, h, w) scales of their Laplace distributions.
        interval_logits: (B, max_intervals + 1, h, w) of 0, 1, ... intervals along the ray, the
            last for that many or more.
        front_normal, back_normal: (B, 3, h, w) unit normals where the ray enters first and where
            it leaves last, outward, as (right, away, up).
        part_logits: (B, groups, h, w) of the groups of parts, see ``procedural.part_groups``.
        up: (B, 3) unit direction that is up in the world, as (right, away, up).
        field_of_view: (B,) over the window of the image, radians.
        depth_extent: (B,) log of how deep the object is.
        shift: (B,) depth to add to ``first_depth`` of free images, and scale: (B,) log of the
            factor of its relief.
        embedding: (B, E) of unit length, of the class.
        mirror_plane: (B, 4) unit normal of the mirror plane and its distance from the origin.
        mirror_logit: (B,) of whether there is one.
    """

    first_depth: Tensor
    first_scale: Tensor
    first_log_weight: Tensor
    ray_occupancy: Tensor
    layers: Tensor
    layer_scale: Tensor
    interval_logits: Tensor
    front_normal: Tensor
    back_normal: Tensor
    part_logits: Tensor
    up: Tensor
    field_of_view: Tensor
    depth_extent: Tensor
    shift: Tensor
    scale: Tensor
    embedding: Tensor
    mirror_plane: Tensor
    mirror_logit: Tensor

    def likeliest_depth(self) -> Tensor:
        """Return the mode (B, h, w) of the heavier of the two distributions, not a mean of both."""
        heavier = self.first_log_weight.argmax(dim=1, keepdim=True)
        return self.first_depth.gather(1, heavier)[:, 0]

    def at(self, index: int) -> DenseOutput:
        """Return the output of the image ``index`` alone, as a batch of one."""
        parts = {}
        for field in fields(self):
            values = getattr(self, field.name)
            parts[field.name] = values[index : index + 1]
        return DenseOutput(**parts)


class DenseSingleViewNetwork(nn.Module):
    """A dense trunk and its heads.

    Args:
        config: sizes; by default those of M1.
    """

    def __init__(self, config: DenseConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DenseConfig()
        if config.trunk not in _TRUNKS:
            raise ValueError(f"The trunk {config.trunk!r} is none of {', '.join(_TRUNKS)}")
        self.trunk: DenseTrunk | PyramidTrunk = _TRUNKS[config.trunk](config)
        self._counts = config.max_intervals + 1
        self._pixel_parts = (2, 2, 2, RAY_BINS, 3, 3, self._counts, 3, 3, config.groups)
        self.pixel_heads = nn.Conv2d(config.head_width, sum(self._pixel_parts), 1)
        self._image_parts = (3, 1, 1, 1, 1, config.embedding, 4, 1)
        self.image_heads = nn.Linear(self.trunk.out_features, sum(self._image_parts))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its types

    def forward(self, images: Tensor, conditions: Tensor) -> DenseOutput:
        """Return the prediction for ``images``.

        Args:
            images: (B, 8, H, W) float32: sRGB color in 0..1, gray where the mask is 0, the mask,
                depths at which the pixels' rays enter and leave the visual hull
                (-+``depth_reach`` where it is not known), x and y in -1..1, right and down.
            conditions: (B, 4) float32: 1 if the camera is known to see a side straight on, the
                field of view in radians, 1 if that is known (it is 0 if not), and a sixth of the
                number of images of the object.
        """
        features, image_features = self.trunk(images, conditions)
        pixels = self.pixel_heads(features).float()
        image = self.image_heads(image_features).float()
        hull = F.avg_pool2d(images[:, 4:6].float(), 2)
        return self._output(pixels, image, hull)

    def _output(self, pixels: Tensor, image: Tensor, hull: Tensor) -> DenseOutput:
        """Give raw values of the heads their meaning. hull: (B, 2, h, w) entry and exit."""
        pixel_parts = pixels.split(self._pixel_parts, dim=1)
        depth, spread, weight, ray_occupancy, layers, layer_spread = pixel_parts[:6]
        counts, front, back, part_logits = pixel_parts[6:]
        image_parts = image.split(self._image_parts, dim=1)
        up, view, extent, shift, scale, embedding, plane, mirror = image_parts

        # The first surface is within the hull, but for a margin.
        entry = hull[:, :1] - _HULL_MARGIN
        leave = hull[:, 1:] + _HULL_MARGIN
        first_depth = entry + (leave - entry) * depth.sigmoid()

        plane_normal = F.normalize(plane[:, :3], dim=1)
        mirror_plane = torch.cat((plane_normal, plane[:, 3:]), dim=1)

        return DenseOutput(
            first_depth=first_depth,
            first_scale=_scale(spread),
            first_log_weight=F.log_softmax(weight, dim=1),
            ray_occupancy=ray_occupancy,
            layers=_MAX_LAYER * (layers - 2).sigmoid(),
            layer_scale=_scale(layer_spread),
            interval_logits=counts,
            front_normal=F.normalize(front, dim=1),
            back_normal=F.normalize(back, dim=1),
            part_logits=part_logits,
            up=F.normalize(up, dim=1),
            field_of_view=F.softplus(view[:, 0]),
            depth_extent=extent[:, 0],
            shift=shift[:, 0],
            scale=scale[:, 0],
            embedding=F.normalize(embedding, dim=1),
            mirror_plane=mirror_plane,
            mirror_logit=mirror[:, 0],
        )


def _scale(raw: Tensor) -> Tensor:
    """Return scales between ``MIN_SCALE`` and ``_MAX_SCALE``, about 0.05 at first."""
    return MIN_SCALE + _MAX_SCALE * (raw - 2).sigmoid()
