"""Losses of the heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....procedural.draw_targets import BINS
from ...networks.semantics import SemanticsConfig, draw_indices
from .batches import SemanticBatch

_HIDDEN_LOGIT = -1e4  # of classes that a draw does not have
_LEAST_WEIGHT = 0.1  # of a draw that changes nothing that is measured
_FULL_CHANGE = 0.2  # 1 - IoU of silhouettes above which draws weigh the same


@dataclass(frozen=True)
class SemanticLossConfig:
    """Weights of the losses.

    Attributes:
        family: Of the cross-entropy of families.
        smoothing: Of its labels: a mesh may be of two kinds.
        parts: Of the cross-entropy of pixels.
        dice: Of the overlap of groups, which counts small ones as much as large ones.
        embedding: Of the contrastive loss of views.
        alike: Of the contrastive loss of families, so that neighbors are of the same kind.
        draws: Of the cross-entropy of draws.
        neighbors: Share of a continuous draw's label that goes to each neighboring bin.
    """

    family: float = 1.0
    smoothing: float = 0.05
    parts: float = 1.0
    dice: float = 0.5
    embedding: float = 1.0
    alike: float = 0.2
    draws: float = 1.0
    neighbors: float = 0.2


def family_loss(logits: Tensor, families: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy of families, weighted by their rarity.

    Args:
        logits: (B, F).
        families: (B,) int64; -1 where unknown.
        weights: (F,) of the families.
        smoothing: Of the labels.
    """
    # A loss of zero that can be differentiated.
    if not (families >= 0).any():
        return logits.sum() * 0
    return F.cross_entropy(logits, families, weights, ignore_index=-1, label_smoothing=smoothing)


def view_loss(vectors: Tensor, identities: Tensor, scale: Tensor) -> Tensor:
    """Return the symmetric contrastive loss of two views of each object (InfoNCE).

    There is no memory of earlier batches (Wang et al. 2020, arXiv:1912.06798): while heads learn
    fast, all new vectors can move away from the old ones together, which says nothing of objects.

    Args:
        vectors: (B, E) unit vectors; two views of an object follow each other.
        identities: (B,) int64 of their objects.
        scale: Of the similarities.
    """
    logits = scale * vectors @ vectors.T

    # A vector is compared with its partner and with all of other objects.
    rows = torch.arange(len(vectors), device=vectors.device)
    partners = rows ^ 1
    is_excluded = identities[:, None] == identities
    is_excluded[rows, partners] = False

    return F.cross_entropy(logits.masked_fill(is_excluded, _HIDDEN_LOGIT), partners)


def alike_loss(vectors: Tensor, families: Tensor, known: Tensor, scale: Tensor) -> Tensor:
    """Return the supervised contrastive loss of families (Khosla et al. 2020, arXiv:2004.11362).

    Args:
        vectors: (B, E) unit vectors.
        families: (B,) int64.
        known: (B,) bool, which families say what is alike: "other" does not.
        scale: Of the similarities.
    """
    # Pairs of images of one family, an image and itself excluded.
    is_same = (families[:, None] == families) & known[:, None] & known
    is_same.fill_diagonal_(False)
    counts = is_same.sum(1)
    if not counts.any():
        return vectors.sum() * 0

    # The probability of each other image, among all others.
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    logits = (scale * vectors @ vectors.T).masked_fill(itself, _HIDDEN_LOGIT)
    log_odds = logits.log_softmax(1)
    means = (log_odds * is_same).sum(1) / counts.clamp_min(1)

    return -means[counts > 0].mean()


class DrawLoss(nn.Module):
    """Cross-entropy of draws, each weighted by how much it changes the shape.

    Args:
        config: Of the heads.
        sensitivities: Change of the shape by family and address, see ``procedural.sensitivity``.
        neighbors: Share of a continuous draw's label that goes to each neighboring bin.
    """

    targets: Tensor
    weights: Tensor
    is_hidden: Tensor

    def __init__(
        self,
        config: SemanticsConfig,
        sensitivities: dict[str, dict[str, float]],
        neighbors: float,
    ) -> None:
        super().__init__()
        tables = []
        hidden = []
        weights = []

        for family, targets in config.draws.items():
            for target in targets:
                # Draws of different lengths are filled up with hidden classes.
                tables.append(_soft_labels(target.count, neighbors, target.is_category))
                hidden.append(torch.arange(BINS) >= target.count)
                change = sensitivities.get(family, {}).get(target.address, 0.0)
                weights.append(_LEAST_WEIGHT + min(change / _FULL_CHANGE, 1.0))

        assert len(tables) == sum(len(indices) for indices in draw_indices(config).values())
        self.register_buffer("targets", torch.stack(tables), persistent=False)
        self.register_buffer("is_hidden", torch.stack(hidden), persistent=False)
        self.register_buffer("weights", torch.tensor(weights), persistent=False)

    def forward(self, logits: Tensor, batch: SemanticBatch) -> Tensor:
        """Return the loss of ``logits`` (B, D, 32)."""
        is_labeled = batch.classes >= 0
        if not is_labeled.any():
            return logits.sum() * 0

        # Each draw has its own labels, classes and weight.
        draws = batch.draws[is_labeled]
        labels = self.targets[draws, batch.classes[is_labeled]]
        shown = logits[is_labeled].masked_fill(self.is_hidden[draws], _HIDDEN_LOGIT)
        losses = -(labels * shown.log_softmax(1)).sum(1)
        weights = self.weights[draws]

        return (losses * weights).sum() / weights.sum()


def _soft_labels(count: int, neighbors: float, is_category: bool) -> Tensor:
    """Return the label (32, 32) of each class: bins next to it are nearly as right."""
    labels = torch.eye(BINS)
    if is_category or count <= 2:
        return labels
    for index in range(count):
        # At an end of the range, the neighbor that is missing is the bin itself.
        labels[index, index] = 1 - 2 * neighbors
        labels[index, max(index - 1, 0)] += neighbors
        labels[index, min(index + 1, count - 1)] += neighbors

    return labels
