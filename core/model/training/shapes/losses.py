"""Losses of the shape space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...networks.shape_autoencoder import LatentDistribution

_TINY = 1e-6  # against division by zero


@dataclass(frozen=True)
class ShapeLossConfig:
    """Weights.

    Attributes:
        distance: of the absolute difference of distances. near: how much more it counts close to
            the surface.
        sign: of the cross-entropy of inside and outside. sharpness: factor of the decoder's
            values in it.
        overlap: of 1 - soft IoU, which thin parts need: they are few points.
        divergence: of the latent from the standard normal distribution, per shape.
        free_bits: divergence of a channel, in nats a cell, that costs nothing.
    """

    distance: float = 1.0
    near: float = 4.0
    sign: float = 0.5
    sharpness: float = 4.0
    overlap: float = 0.5
    divergence: float = 1e-4
    free_bits: float = 0.05


def shape_losses(
    values: Tensor, field: Tensor, latent: LatentDistribution, config: ShapeLossConfig
) -> dict[str, Tensor]:
    """Return the losses by name; "all" is their weighted sum.

    Args:
        values: (B, 64, 64, 64) of the decoder.
        field: (B, 64, 64, 64) true truncated distance in -1..1.
        latent: the distribution that was decoded.
        config: weights.
    """
    # Distances, above all near the surface.
    inside = (field > 0).float()
    weight = 1 + config.near * (field.abs() < 0.5).float()
    distance = ((torch.tanh(values) - field).abs() * weight).mean()

    # Which side a point is on.
    logits = config.sharpness * values
    sign = (F.binary_cross_entropy_with_logits(logits, inside, reduction="none") * weight).mean()

    # The overlap of both volumes.
    probability = torch.sigmoid(logits)
    axes = (1, 2, 3)
    common = (probability * inside).sum(axes)
    union = (probability + inside - probability * inside).sum(axes)
    overlap = 1 - (common / (union + _TINY)).mean()

    # By channel, so that each of them keeps something to say.
    by_channel = latent.divergence().mean((0, 2, 3, 4))
    cells = latent.mean[0, 0].numel()
    divergence = by_channel.clamp_min(config.free_bits).sum() * cells

    # The divergence is weighted per cell, whatever the size of the latent.
    total = (
        config.distance * distance
        + config.sign * sign
        + config.overlap * overlap
        + config.divergence * divergence / cells
    )
    return {
        "all": total,
        "distance": distance,
        "sign": sign,
        "overlap": overlap,
        "divergence": divergence,
    }
