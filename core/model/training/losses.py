"""Losses of the reconstruction network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.projection import DEPTH_REACH, project_points, sample_maps
from ..networks.reconstruction import ReconstructionNetwork
from .sampling.batches import Batch


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; that of the occupancy's cross-entropy is 1.

    Attributes:
        color: absolute error of colors in 0..1; a half, since shape matters more than color.
        depth: absolute error of visible depths, in longest sides: numbers much smaller than a
            cross-entropy.
        up_direction: 1 - cosine, which is small (0.03 at 14 degrees) and present in unposed views
            alone.
        soft_iou: 1 - soft IoU. Cross-entropy leaves all of an uncertain part outside; this asks for
            its likelier half.
        soft_iou_views: largest number of views that has the soft IoU: more views leave little
            uncertain.
        depth_offset: of the depth loss, the part of an image's common offset, which one image
            cannot show.
    """

    color: float = 0.5
    depth: float = 2.0
    up_direction: float = 6.0
    soft_iou: float = 0.3
    soft_iou_views: int = 2
    depth_offset: float = 0.3


class Losses(NamedTuple):
    """Losses of a batch, scalars. Those that were not trained are 0."""

    occupancy: Tensor
    color: Tensor
    depth: Tensor
    up_direction: Tensor

    def total(self, config: LossConfig) -> Tensor:
        """Return the weighted sum, which is minimized."""
        weighted_color = config.color * self.color
        weighted_depth = config.depth * self.depth
        weighted_up = config.up_direction * self.up_direction
        return self.occupancy + weighted_color + weighted_depth + weighted_up


class LossModule(nn.Module):
    """The losses as the output of a module, which is what DistributedDataParallel wraps."""

    def __init__(
        self, model: ReconstructionNetwork, single_view_only: bool, config: LossConfig
    ) -> None:
        super().__init__()
        self.model = model
        self._single_view_only = single_view_only
        self._config = config

    def forward(self, batch: Batch) -> Losses:
        """Return all losses, or those of the single-view network alone."""
        if self._single_view_only:
            return compute_single_view_losses(self.model, batch, self._config)
        return compute_losses(self.model, batch, self._config)


_DEFAULT = LossConfig()


def compute_losses(
    model: ReconstructionNetwork, batch: Batch, config: LossConfig = _DEFAULT
) -> Losses:
    """Return the losses of a batch: occupancy, color, depth, and up of unposed views."""
    features = model.encode_views(batch.images, batch.cameras)
    occupancy = occupancy_loss(model.predict_occupancy(features, batch.points), batch, config)
    color = F.l1_loss(model.predict_color(features, batch.surface), batch.color)

    # The depth that each view expects at the pixels of its visible points, against their true
    # depth.
    cameras = batch.cameras.flatten(0, 1)[:, None]
    ndc, geometry = project_points(cameras, batch.visible_points.flatten(0, 1))
    depth_maps = features.expected_depth.flatten(0, 1)[:, None]
    depth = depth_loss(sample_maps(depth_maps, ndc), geometry[..., :1], config.depth_offset)

    up_direction = depth.new_zeros(())
    if features.up is not None:
        up_direction = up_error(features.up, batch.up_direction)
    return Losses(occupancy, color, depth, up_direction)


def compute_single_view_losses(
    model: ReconstructionNetwork, batch: Batch, config: LossConfig = _DEFAULT
) -> Losses:
    """Return the losses of a batch of single views: occupancy and up."""
    logits, up_direction = model.predict_single_view(batch.images, batch.cameras, batch.points)
    zero = logits.new_zeros(())

    return Losses(
        occupancy=occupancy_loss(logits, batch, config),
        color=zero,
        depth=zero,
        up_direction=up_error(up_direction, batch.up_direction),
    )


def occupancy_loss(logits: Tensor, batch: Batch, config: LossConfig) -> Tensor:
    """Return the cross-entropy of logits (B, P), and of few views the soft IoU as well."""
    loss = F.binary_cross_entropy_with_logits(logits, batch.occupancy)
    if batch.images.shape[1] > config.soft_iou_views:
        return loss
    return loss + config.soft_iou * (1 - soft_iou(logits, batch.occupancy))


def up_error(predicted: Tensor, true: Tensor) -> Tensor:
    """Return the mean of 1 - cosine between unit vectors (B, 3); 0 where the true one is zero."""
    cosine = (predicted * true).sum(1)
    true_norm: Tensor = true.norm(dim=1)  # 1, or 0 of a zero vector
    return (true_norm - cosine).mean()


def depth_loss(predicted: Tensor, true: Tensor, offset_weight: float) -> Tensor:
    """Return the mean absolute error of depths (M, 1, P, 1), mostly without each image's offset.

    Args:
        predicted: depths of the P points of each of M images.
        true: depths; beyond the reach of the depth bins they count as at its end.
        offset_weight: of the error with the offset.
    """
    error = predicted - true.clamp(-DEPTH_REACH, DEPTH_REACH)
    relief_error = error - error.detach().median(dim=2, keepdim=True).values
    return relief_error.abs().mean() + offset_weight * error.abs().mean()


def soft_iou(logits: Tensor, occupancy: Tensor) -> Tensor:
    """Return the mean over a batch of the IoU of probabilities and truth, both (B, P)."""
    probability = logits.sigmoid()
    intersection = (probability * occupancy).sum(1)
    union = (probability + occupancy).sum(1) - intersection
    return ((intersection + 1) / (union + 1)).mean()
