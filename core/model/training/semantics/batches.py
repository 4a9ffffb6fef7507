"""Batches of the heads: two views of each of some objects, and all labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...networks.semantics import SemanticsConfig, draw_indices
from ..dense.images import AugmentationConfig
from .labels import NONE, LabeledObject
from .samples import DEFAULT_AUGMENTATION, SemanticSample, draw_semantic_sample

VIEWS = 2  # of an object in a batch
# How often views are seen, relative to free ones: people photograph fronts, and hardly bottoms.
_VIEW_WEIGHTS = {"free": 1.0, "front": 2.0, "bottom": 0.1}
_OTHER_WEIGHT = 0.5


@dataclass(frozen=True)
class SemanticSampling:
    """What batches are made of.

    Attributes:
        objects: Of a batch; each has two images.
        labeled: Share of objects that have part maps, where there are some.
    """

    objects: int = 32
    labeled: float = 0.5


@dataclass(frozen=True)
class SemanticBatch:
    """B images, two of each object, one after the other.

    Attributes:
        images: (B, 4, 128, 128) float32, see ``samples``.
        parts: (B, 64, 64) int64 groups; -1 for none.
        families: (B,) int64; -1 where unknown.
        known: (B,) bool, whether the family is not "other".
        identities: (B,) int64, equal for images of one object.
        draws: (B, D) int64 indices of draws among those of all families; -1 for none.
        classes: (B, D) int64 class of each draw; -1 for none.
    """

    images: Tensor
    parts: Tensor
    families: Tensor
    known: Tensor
    identities: Tensor
    draws: Tensor
    classes: Tensor

    def to(self, device: torch.device) -> SemanticBatch:
        """Return the batch on ``device``."""
        moved = {part.name: getattr(self, part.name).to(device) for part in fields(self)}
        return SemanticBatch(**moved)


@dataclass(frozen=True)
class SemanticSource:
    """All that a batch depends on, besides its step.

    Attributes:
        objects: To draw from.
        config: Of the heads.
        seed: Of the run.
        sampling: What batches are made of.
        augmentation: How far images are varied.
    """

    objects: Sequence[LabeledObject]
    config: SemanticsConfig
    seed: int = 0
    sampling: SemanticSampling = field(default_factory=SemanticSampling)
    augmentation: AugmentationConfig = DEFAULT_AUGMENTATION

    def batch(self, step: int) -> SemanticBatch:
        """Return the batch of ``step``: the same whenever and wherever it is drawn."""
        rng = np.random.default_rng((self.seed, step))
        chosen = []
        samples = []

        for pick in self._pick_objects(rng):
            labeled = self.objects[pick]

            # Two views of an object follow each other, as the contrastive loss expects.
            for view in pick_views(labeled.item.kinds, VIEWS, rng):
                chosen.append(labeled)
                samples.append(draw_semantic_sample(labeled, view, rng, self.augmentation))

        return collate(chosen, samples, self.config)

    def _pick_objects(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return indices of different objects; a set smaller than a batch repeats them."""
        # First some that have parts, then any others.
        with_parts = []
        for index, item in enumerate(self.objects):
            if item.groups is not None:
                with_parts.append(index)
        wanted = min(round(self.sampling.labeled * self.sampling.objects), len(with_parts))
        first = rng.choice(with_parts, wanted, replace=False) if wanted else np.zeros(0, int)

        # No object twice, unless the set is smaller than the batch.
        others = np.setdiff1d(np.arange(len(self.objects)), first)
        missing = self.sampling.objects - wanted
        if len(others) < missing:
            others = np.arange(len(self.objects))
        rest = rng.choice(others, missing, replace=len(others) < missing)

        return np.concatenate((first, rest))


def pick_views(kinds: Sequence[str], count: int, rng: np.random.Generator) -> list[int]:
    """Return the indices of different views, if there are that many.

    Args:
        kinds: Of the views.
        count: Number of views.
        rng: To draw from.
    """
    weights = np.array([_VIEW_WEIGHTS.get(kind, _OTHER_WEIGHT) for kind in kinds])
    odds = weights / weights.sum()
    picks = rng.choice(len(kinds), count, replace=len(kinds) < count, p=odds)
    return [int(pick) for pick in picks]


def collate(
    objects: Sequence[LabeledObject], samples: Sequence[SemanticSample], config: SemanticsConfig
) -> SemanticBatch:
    """Return samples as one batch.

    Args:
        objects: Of the samples.
        samples: Images and part maps.
        config: Of the heads.
    """
    indices = draw_indices(config)
    longest = max(max((len(item.draws) for item in objects), default=0), 1)

    # Families have different numbers of draws: rows are filled up.
    draws = np.full((len(objects), longest), NONE)
    classes = np.full((len(objects), longest), NONE)

    for row, item in enumerate(objects):
        if len(item.draws):
            family = config.families[item.family]
            draws[row, : len(item.draws)] = indices[family]
            classes[row, : len(item.draws)] = item.draws

    return SemanticBatch(
        images=torch.from_numpy(np.stack([sample.image for sample in samples])),
        parts=torch.from_numpy(np.stack([sample.parts for sample in samples])),
        families=torch.tensor([item.family for item in objects]),
        known=torch.tensor([item.is_known for item in objects]),
        identities=torch.tensor([item.identity for item in objects]),
        draws=torch.from_numpy(draws),
        classes=torch.from_numpy(classes),
    )
