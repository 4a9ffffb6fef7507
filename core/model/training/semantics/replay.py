"""Batches with the trunk's maps, some of them seen before.

To draw, light and look at an image takes three times as long as a step of the heads. So each batch
serves several steps: one when it is new, others at random among the latest batches. Which batch a
step gets depends on seed and step alone, and a batch that is not kept any more, as in a run that is
resumed, is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ...networks.image_trunk import ImageTrunk, TrunkMaps
from .batches import SemanticBatch, SemanticSource


@dataclass(frozen=True)
class SeenBatch:
    """A batch and what the trunk says of its images.

    Attributes:
        batch: Images are float16 while they are kept.
        maps: Of the images, in the precision of the trunk.
    """

    batch: SemanticBatch
    maps: TrunkMaps


class BatchReplay:
    """Returns the batch of each step.

    Args:
        source: Of new batches.
        trunk: To look at them with.
        uses: Steps that a batch serves on average.
        kept: Number of the latest batches to choose from.
        mixed: Whether the trunk computes in bfloat16.
    """

    def __init__(
        self, source: SemanticSource, trunk: ImageTrunk, uses: int, kept: int, mixed: bool
    ) -> None:
        self._source = source
        self._trunk = trunk
        self._uses = uses
        self._kept = kept
        self._mixed = mixed
        self._batches: dict[int, SeenBatch] = {}

    def number_at(self, step: int) -> int:
        """Return the number of the batch of ``step``: a new one, or one of the latest."""
        # The first of every few steps gets a new batch.
        newest, turn = divmod(step, self._uses)
        if turn == 0:
            return newest
        rng = np.random.default_rng((self._source.seed, step, self._uses))
        oldest = max(0, newest + 1 - self._kept)
        return int(rng.integers(oldest, newest + 1))

    def batch(self, step: int) -> SeenBatch:
        """Return the batch of ``step``, its images in float32."""
        number = self.number_at(step)
        if number not in self._batches:
            self._batches[number] = self._look(number)
        seen = self._batches[number]

        # Batches that no later step can get are forgotten.
        oldest = step // self._uses + 1 - self._kept
        for other in [other for other in self._batches if other < oldest]:
            del self._batches[other]
        images = seen.batch.images.float()
        return SeenBatch(replace(seen.batch, images=images), seen.maps)

    @torch.no_grad()
    def _look(self, number: int) -> SeenBatch:
        """Draw the batch ``number`` and look at it."""
        device = next(self._trunk.network.parameters()).device
        batch = self._source.batch(number).to(device)

        # Half precision, since many batches are kept.
        images = batch.images.half()
        with torch.autocast(device.type, torch.bfloat16, enabled=self._mixed):
            maps = self._trunk(images.float())
        return SeenBatch(replace(batch, images=images), maps)
