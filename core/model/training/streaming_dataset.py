"""Training sets as a stream of tensors, for networks of any kind.

    objects = TrainingStream(folder, "train", views=4, points=1024)
    for batch in torch.utils.data.DataLoader(objects, batch_size=8, num_workers=1):
        ...

One item is one object; V of its views, P of its points of each kind. Nothing of a set but the object at hand and the
shuffle buffer is in memory, so sets may be of any size. Streams ``shards/SPLIT-*.tar`` if the set has been packed
(``core.dataset.shards``), else ``objects/*.tar``.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ...dataset import passes, shards, splits
from ...dataset.records import ObjectFile, RenderedView
from ...errors import DatasetError

Item = dict[str, Any]


class TrainingStream(IterableDataset[Item]):
    """The objects of one split, in another order each epoch, parted among ranks and workers.

    For a seed, an epoch and a number of ranks and workers the stream is always the same; which views and points of an
    object are drawn depends on seed, epoch and the object alone. Call :meth:`set_epoch` before each epoch; it reaches
    workers that live on. Each rank gets as many files, so that none waits for another: up to ``ranks - 1`` files are
    left out of an epoch, others in each.

    Args:
        folder: the training set.
        split: "train", "validation" or "test".
        views: of each object, drawn anew each epoch; None for all, in order.
        points: of each kind, drawn anew each epoch; None for all.
        composite: whether colour shows what was put behind and before the object, too.
        shuffle: whether to shuffle the files, and the objects of packed shards through a buffer.
        buffer: how many objects that holds; only packed shards need it, objects of their own file are well mixed.
        rank, ranks: this process's place; by default torch.distributed's, if that runs.

    Items hold, for the collating of torch:
        name, family: str. kinds: str, those of the views with commas between.
        colour: (V, 4, H, W) uint8, straight alpha. mask: (V, H, W) bool, see ``passes.object_mask``.
        depth: (V, H, W) float32 metres, 0 where nothing is.
        normal: (V, 3, H, W) float32, world space. intrinsics: (V, 3, 3), camera_to_world: (V, 4, 4; OpenGL's) float32.
        albedo: (V, 3, H, W) uint8, occlusion: (V, H, W) uint8. grid: (96, 96, 96) bool, see ``core.geometry.occupancy_grid``.
        orthographic: (V,) bool. bounds: (2, 3) float32 metres.
        uniform, near: (P, 3) float32 metres. uniform_inside, near_inside: (P,) bool.
        uniform_distance, near_distance: (P,) float32 metres, negative inside.
        surface, surface_normals: (P, 3) float32. surface_colour: (P, 3) uint8. surface_seen: (P,) bool.
        What an older set or a scene in which something moves does not hold is left out.

    Raises:
        DatasetError: the set is missing or damaged, or the split is empty. Iterating raises it too.
    """

    def __init__(
        self,
        folder: Path,
        split: str = "train",
        *,
        views: int | None = None,
        points: int | None = None,
        composite: bool = False,
        seed: int = 0,
        shuffle: bool = True,
        buffer: int = 64,
        rank: int | None = None,
        ranks: int | None = None,
    ) -> None:
        running = torch.distributed.is_available() and torch.distributed.is_initialized()
        self._rank = rank if rank is not None else torch.distributed.get_rank() if running else 0
        self._ranks = (
            ranks if ranks is not None else torch.distributed.get_world_size() if running else 1
        )
        self._files = shards.shard_files(folder, split)
        self._names = {name for name, own in splits.read_splits(folder).items() if own == split}
        self._views = views
        self._points = points
        self._composite = composite
        self._seed = seed
        self._shuffle = shuffle
        self._buffer = buffer
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the order, views and points of epoch ``epoch``."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Item]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        epoch = int(self._epoch)
        files = list(self._files)
        if self._shuffle:
            random.Random(f"{self._seed} {epoch}").shuffle(files)
        if self._ranks > 1:
            files = files[: len(files) // self._ranks * self._ranks][self._rank :: self._ranks]
        objects = (
            item for path in files[worker::workers] for item in shards.objects_in_shard(path)
        )
        if self._shuffle and self._buffer > 1:
            objects = _shuffled(
                objects, self._buffer, random.Random(f"{self._seed} {epoch} {self._rank} {worker}")
            )
        for file in objects:
            if file.record.name not in self._names:
                raise DatasetError(
                    f"{file.path.parent} does not match the splits. Run \"maquette dataset "
                    "pack\" again"
                )
            key = zlib.crc32(file.record.name.encode())
            yield self._read_item(file, np.random.default_rng((self._seed, epoch, key)))

    def _read_item(self, file: ObjectFile, rng: np.random.Generator) -> Item:
        record = file.record
        count = len(record.views)
        pick = range(count)
        if self._views is not None:
            pick = rng.choice(count, self._views, replace=self._views > count)
        views = [file.read_view(int(index)) for index in pick]
        cameras = [view.camera for view in views]
        pictures = [
            passes.composite_image(view) if self._composite else view.colour for view in views
        ]
        if len({picture.shape for picture in pictures}) > 1:
            raise DatasetError(
                f"{record.name} has images of several sizes, which do not fit into one tensor. "
                "Request one view"
            )
        return {
            "name": record.name,
            "family": record.family,
            "kinds": ",".join(view.kind for view in views),
            "colour": _to_tensor(np.stack(pictures).transpose(0, 3, 1, 2)),
            "mask": _to_tensor(np.stack([passes.object_mask(view) for view in views])),
            "depth": _to_tensor(np.stack([view.depth for view in views])),
            "normal": _to_tensor(
                np.stack([view.normal for view in views]).transpose(0, 3, 1, 2).astype(np.float32)
            ),
            **_relit(views),
            "intrinsics": _to_tensor(
                np.stack([camera.intrinsics for camera in cameras]).astype(np.float32)
            ),
            "camera_to_world": _to_tensor(
                np.stack([camera.to_world for camera in cameras]).astype(np.float32)
            ),
            "orthographic": torch.tensor([camera.orthographic for camera in cameras]),
            "bounds": _to_tensor(record.bounds.astype(np.float32)),
            **(
                self._read_truth(file, rng) if file.has_ground_truth or not record.instances else {}
            ),
        }

    def _read_truth(self, file: ObjectFile, rng: np.random.Generator) -> Item:
        shape = file.read_shape()
        result = {}
        if shape.grid is not None:
            result["grid"] = _to_tensor(shape.grid)
        for kind in ("uniform", "near", "surface"):
            count = len(getattr(shape, kind))
            pick = slice(None) if self._points is None else rng.integers(0, count, self._points)
            for name in (
                kind,
                *(f"{kind}_{more}" for more in ("inside", "distance", "normals", "colour", "seen")),
            ):
                values = getattr(shape, name, None)
                if values is not None:
                    result[name] = _to_tensor(values[pick])
        return result


def _relit(views: Sequence[RenderedView]) -> Item:
    """Albedo and occlusion of ``views``, or nothing where the set was made without."""
    if any(view.albedo is None for view in views):
        return {}
    return {
        "albedo": _to_tensor(np.stack([view.albedo for view in views]).transpose(0, 3, 1, 2)),
        "occlusion": _to_tensor(np.stack([view.occlusion for view in views])),
    }


def _shuffled(objects: Iterator[ObjectFile], size: int, rng: random.Random) -> Iterator[ObjectFile]:
    """``objects`` through a buffer: each time one of ``size`` goes out and the next takes its place."""
    held: list[ObjectFile] = []
    for item in objects:
        if len(held) < size:
            held.append(item)
            continue
        place = rng.randrange(size)
        held[place], item = item, held[place]
        yield item
    rng.shuffle(held)
    yield from held


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, order="C"))  # one of its own: PIL's are not writable
