"""Training sets as a stream of tensors, for networks of any kind.

    objects = TrainingStream(folder, "train", views=4, points=1024)
    for batch in torch.utils.data.DataLoader(objects, batch_size=8, num_workers=1):
        ...

One item is one object, with V of its views and P of its points of each kind. Only the present
object and the shuffle buffer are in memory, so sets may be of any size. Streams
``shards/SPLIT-*.tar`` if the set has been packed (``core.dataset.shards``), else ``objects/*.tar``.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from ...dataset import passes, shards, splits
from ...dataset.object_file import ObjectFile
from ...dataset.records import RenderedView
from ...errors import DatasetError

Item = dict[str, Any]
# Arrays that belong to each kind of points, by the endings of their stored names.
_POINT_KINDS = ("uniform", "near", "surface")
_POINT_ARRAYS = ("", "_inside", "_distance", "_normals", "_colour", "_seen")


class TrainingStream(IterableDataset[Item]):
    """The objects of one split, in another order each epoch, divided among ranks and workers.

    For a seed, an epoch and a number of ranks and workers the stream is always the same; which
    views and points of an object are drawn depends on seed, epoch and the object only. Call
    :meth:`set_epoch` before each epoch; it also reaches workers that persist. All ranks get the
    same number of files, so that none waits for another: up to ``ranks - 1`` files are left out of
    an epoch, others in each.

    Items hold, ready for torch's collation:
        name, family: str. kinds: str, those of the views separated by commas.
        colour: (V, 4, H, W) uint8, straight alpha. mask: (V, H, W) bool, see
            ``passes.object_mask``.
        depth: (V, H, W) float32 meters, 0 where there is no surface.
        normal: (V, 3, H, W) float32, world space.
        intrinsics: (V, 3, 3) float32. camera_to_world: (V, 4, 4) float32, OpenGL's axes.
        albedo: (V, 3, H, W) uint8. occlusion: (V, H, W) uint8.
        grid: (96, 96, 96) bool, see ``core.geometry.occupancy_grid``.
        orthographic: (V,) bool. bounds: (2, 3) float32 meters.
        uniform, near: (P, 3) float32 meters. uniform_inside, near_inside: (P,) bool.
        uniform_distance, near_distance: (P,) float32 meters, negative inside.
        surface, surface_normals: (P, 3) float32. surface_colour: (P, 3) uint8. surface_seen: (P,)
            bool.
    What an older set or a scene with motion does not hold is left out.

    Raises:
        DatasetError: the set is missing or damaged, or the split is empty. Iterating raises it too.
    """

    def __init__(  # noqa: PLR0913 one keyword an option, as DataLoader has them
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
        """Find the files of a split.

        Args:
            folder: the training set.
            split: "train", "validation" or "test".
            views: number of views of each object, drawn anew each epoch; None for all, in order.
            points: number of points of each kind, drawn anew each epoch; None for all.
            composite: whether color also shows what is behind and in front of the object.
            seed: of the order, the views and the points.
            shuffle: whether to shuffle the files, and the objects of packed shards through a
                buffer.
            buffer: number of objects in that buffer; only packed shards need it, files of single
                objects mix well.
            rank: number of this process; by default torch.distributed's, if it runs.
            ranks: number of processes; by default torch.distributed's, if it runs.
        """
        self._rank = rank if rank is not None else 0
        self._ranks = ranks if ranks is not None else 1
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            self._rank = rank if rank is not None else torch.distributed.get_rank()
            self._ranks = ranks if ranks is not None else torch.distributed.get_world_size()

        # Packed shards hold objects of one split, single files are chosen by name.
        self._files = shards.shard_files(folder, split)
        all_splits = splits.read_splits(folder)
        self._names = {name for name, object_split in all_splits.items() if object_split == split}
        self._views = views
        self._points = points
        self._composite = composite
        self._seed = seed
        self._shuffle = shuffle
        self._buffer = buffer

        # Shared with persistent workers, which otherwise would not learn of a new epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the order, views and points of an epoch."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Item]:
        # Which worker of which rank this is.
        worker = 0
        workers = 1
        info = get_worker_info()
        if info:
            worker = info.id
            workers = info.num_workers
        epoch = int(self._epoch)

        # The files of this rank, then those of this worker.
        files = list(self._files)
        if self._shuffle:
            random.Random(f"{self._seed} {epoch}").shuffle(files)
        if self._ranks > 1:
            shared_count = len(files) // self._ranks * self._ranks
            files = files[:shared_count][self._rank :: self._ranks]
        objects = _objects_in_files(files[worker::workers])
        if self._shuffle and self._buffer > 1:
            order = random.Random(f"{self._seed} {epoch} {self._rank} {worker}")
            objects = _shuffled(objects, self._buffer, order)

        for file in objects:
            if file.record.name not in self._names:
                raise DatasetError(
                    f"{file.path.parent} does not match the splits. Run \"maquette dataset pack\" "
                    "again"
                )

            # The draws of an object do not depend on its place in the stream.
            key = zlib.crc32(file.record.name.encode())
            yield self._read_item(file, np.random.default_rng((self._seed, epoch, key)))

    def _read_item(self, file: ObjectFile, rng: np.random.Generator) -> Item:
        """Read one object: some views, and some points."""
        record = file.record

        # Views are drawn with repetition only if there are too few.
        view_count = len(record.views)
        indices = np.arange(view_count)
        if self._views is not None:
            indices = rng.choice(view_count, self._views, replace=self._views > view_count)
        views = [file.read_view(int(index)) for index in indices]

        item: Item = {"name": record.name, "family": record.family}
        item["kinds"] = ",".join(view.kind for view in views)
        item |= self._image_tensors(views, record.name)
        item |= _relighting_tensors(views)
        item |= _camera_tensors(views)
        item["bounds"] = _to_tensor(record.bounds.astype(np.float32))
        if file.has_ground_truth or not record.instances:
            item |= self._point_tensors(file, rng)
        return item

    def _image_tensors(self, views: Sequence[RenderedView], name: str) -> Item:
        """Return color, mask, depth and normal of the views.

        Raises:
            DatasetError: the images differ in size.
        """
        images = []
        for view in views:
            images.append(passes.composite_image(view) if self._composite else view.colour)
        if len({image.shape for image in images}) > 1:
            raise DatasetError(
                f"{name} has images of several sizes, which do not fit into one tensor. Request "
                "one view"
            )

        normals = np.stack([view.normal for view in views]).transpose(0, 3, 1, 2)
        return {
            "colour": _to_tensor(np.stack(images).transpose(0, 3, 1, 2)),
            "mask": _to_tensor(np.stack([passes.object_mask(view) for view in views])),
            "depth": _to_tensor(np.stack([view.depth for view in views])),
            "normal": _to_tensor(normals.astype(np.float32)),
        }

    def _point_tensors(self, file: ObjectFile, rng: np.random.Generator) -> Item:
        """Return the grid, and some points of each kind with all that is known of them."""
        shape = file.read_shape()
        item = {}
        if shape.grid is not None:
            item["grid"] = _to_tensor(shape.grid)

        for kind in _POINT_KINDS:
            # The same points of all arrays of a kind.
            count = len(getattr(shape, kind))
            pick: slice | NDArray[np.int64] = slice(None)
            if self._points is not None:
                pick = rng.integers(0, count, self._points)
            for ending in _POINT_ARRAYS:
                values = getattr(shape, f"{kind}{ending}", None)
                if values is not None:
                    item[f"{kind}{ending}"] = _to_tensor(values[pick])

        return item


def _camera_tensors(views: Sequence[RenderedView]) -> Item:
    """Return the cameras of the views."""
    cameras = [view.camera for view in views]
    intrinsics = np.stack([camera.intrinsics for camera in cameras])
    poses = np.stack([camera.to_world for camera in cameras])

    return {
        "intrinsics": _to_tensor(intrinsics.astype(np.float32)),
        "camera_to_world": _to_tensor(poses.astype(np.float32)),
        "orthographic": torch.tensor([camera.orthographic for camera in cameras]),
    }


def _relighting_tensors(views: Sequence[RenderedView]) -> Item:
    """Return albedo and occlusion of the views; nothing if the set is not relightable."""
    albedos = [view.albedo for view in views if view.albedo is not None]
    occlusions = [view.occlusion for view in views if view.occlusion is not None]
    if len(albedos) < len(views):
        return {}

    return {
        "albedo": _to_tensor(np.stack(albedos).transpose(0, 3, 1, 2)),
        "occlusion": _to_tensor(np.stack(occlusions)),
    }


def _objects_in_files(files: Sequence[Path]) -> Iterator[ObjectFile]:
    """Yield the objects of all files."""
    for path in files:
        yield from shards.objects_in_shard(path)


def _shuffled(objects: Iterator[ObjectFile], size: int, rng: random.Random) -> Iterator[ObjectFile]:
    """Yield ``objects`` through a buffer: each takes the place of a random one of ``size``."""
    buffer: list[ObjectFile] = []
    for incoming in objects:
        if len(buffer) < size:
            buffer.append(incoming)
            continue

        # The buffer is full: one leaves for each that comes.
        slot = rng.randrange(size)
        outgoing = buffer[slot]
        buffer[slot] = incoming
        yield outgoing

    rng.shuffle(buffer)
    yield from buffer


def _to_tensor(array: NDArray[Any]) -> torch.Tensor:
    """Return a tensor with memory of its own: arrays of Pillow are read-only."""
    return torch.from_numpy(np.array(array, order="C"))
