"""Batches of the dense network: which objects and views, drawn ahead of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import count

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .images import AugmentationConfig
from .objects import DenseObject
from .samples import DenseSample, ViewChoice, draw_dense_sample

FRONT = "front"
FREE = "free"


@dataclass(frozen=True)
class SamplingConfig:
    """What batches are made of.

    Attributes:
        objects: objects of a batch. views: images of each.
        side: of the images, pixels; a multiple of 32.
        posed: share of images that see a side straight on; the others are free.
        front: share of lone sides that are the front; it is what artists have.
        several: share of images that are one of several, whose masks bound a hull.
        most: images of an object at most.
        workers: processes that draw ahead; 0 for a thread, which is enough beside a CPU.
    """

    objects: int = 32
    views: int = 2
    side: int = 128
    posed: float = 0.5
    front: float = 0.7
    several: float = 0.45
    most: int = 6
    workers: int = 0


@dataclass(frozen=True)
class DenseBatch:
    """B samples; see :class:`~.samples.DenseSample` for their parts.

    Attributes:
        family: (B,) int64 index of the object's class.
    """

    image: Tensor
    conditions: Tensor
    shown: Tensor
    first_depth: Tensor
    intervals: Tensor
    layers: Tensor
    ray_occupancy: Tensor
    front_normal: Tensor
    back_normal: Tensor
    parts: Tensor
    up: Tensor
    mirror_plane: Tensor
    field_of_view: Tensor
    depth_extent: Tensor
    free: Tensor
    family: Tensor

    def to(self, device: torch.device) -> DenseBatch:
        """Return the batch on ``device``."""
        parts = {}
        for part in fields(self):
            values = getattr(self, part.name)
            parts[part.name] = values.to(device, non_blocking=True)
        return DenseBatch(**parts)

    def pin_memory(self) -> DenseBatch:
        """Return the batch in memory that a GPU reads from directly."""
        parts = {part.name: getattr(self, part.name).pin_memory() for part in fields(self)}
        return DenseBatch(**parts)


@dataclass(frozen=True)
class BatchSource:
    """All that a batch depends on, besides its step.

    Attributes:
        objects: to draw from. families: names of the classes, in the order of their indices.
        seed: of the run. reach: depth of an unknown hull, ``DenseConfig.depth_reach``.
    """

    objects: Sequence[DenseObject]
    families: Sequence[str]
    seed: int = 0
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    reach: float = 1.0

    def batch(self, step: int) -> DenseBatch:
        """Return the batch of ``step``: the same whenever and wherever it is drawn."""
        rng = np.random.default_rng((self.seed, step))
        augmentation = self.augmentation
        if step < augmentation.clean_steps:
            augmentation = augmentation.clean()

        # A set with fewer objects than a batch has repeats them.
        wanted = self.sampling.objects
        picks = rng.choice(len(self.objects), wanted, replace=len(self.objects) < wanted)
        samples = []

        for pick in picks:
            item = self.objects[pick]
            for _ in range(self.sampling.views):
                choice = draw_view_choice(item, rng, self.sampling)
                side = self.sampling.side
                placed = draw_dense_sample(item, choice, rng, augmentation, side, self.reach)
                samples.append(placed.sample)

        return collate(samples, self.families)


def draw_view_choice(
    item: DenseObject, rng: np.random.Generator, sampling: SamplingConfig
) -> ViewChoice:
    """Draw which view of ``item`` is seen, and which others bound its hull."""
    sides = [index for index, kind in enumerate(item.kinds) if kind != FREE]
    free = [index for index, kind in enumerate(item.kinds) if kind == FREE]
    posed = rng.random() < sampling.posed
    pool = sides if (posed and sides) or not free else free

    # One of several images of the object.
    if len(pool) > 1 and rng.random() < sampling.several:
        most = min(sampling.most, len(pool))
        images = int(rng.integers(2, most + 1))
        chosen = rng.permutation(pool)[:images]
        return ViewChoice(int(chosen[0]), tuple(int(index) for index in chosen[1:]))

    # Alone.
    if pool is sides and FRONT in item.kinds and rng.random() < sampling.front:
        return ViewChoice(item.kinds.index(FRONT))
    return ViewChoice(int(rng.choice(pool)))


def collate(samples: Sequence[DenseSample], families: Sequence[str]) -> DenseBatch:
    """Return ``samples`` as one batch. A family that is not among ``families`` becomes -1."""
    indices = {name: index for index, name in enumerate(families)}
    parts = {}
    for part in fields(DenseBatch):
        values = [getattr(sample, part.name) for sample in samples]
        if part.name == "family":
            parts[part.name] = torch.tensor([indices.get(value, -1) for value in values])
        elif part.name == "free":
            parts[part.name] = torch.tensor(values, dtype=torch.bool)
        elif isinstance(values[0], float):
            parts[part.name] = torch.tensor(values, dtype=torch.float32)
        else:
            parts[part.name] = torch.from_numpy(np.stack(values))

    return DenseBatch(**parts)


class _Steps(Dataset[DenseBatch]):
    """The batches of a source by step, for the workers of a ``DataLoader``."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source

    def __getitem__(self, step: int) -> DenseBatch:
        return self._source.batch(step)


def batches_from(source: BatchSource, step: int, device: torch.device) -> Iterator[DenseBatch]:
    """Yield the batches of ``step`` and those after it for ever, on ``device``, drawn ahead."""
    if source.sampling.workers:
        yield from _from_workers(source, step, device)
        return
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(source.batch, step)
        for following in count(step + 1):
            batch = coming.result()
            coming = pool.submit(source.batch, following)
            yield batch.to(device)


def _from_workers(source: BatchSource, step: int, device: torch.device) -> Iterator[DenseBatch]:
    loader = DataLoader(
        _Steps(source),
        batch_size=None,
        sampler=count(step),
        num_workers=source.sampling.workers,
        prefetch_factor=2,
        pin_memory=device.type == "cuda",
    )
    for batch in loader:
        yield batch.to(device)
