"""Which objects of a training set are exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from .. import passes, splits
from ..index import ObjectLocation, build_index
from ..object_file import ObjectFile
from ..records import RenderedView


@dataclass(frozen=True)
class SelectedObject:
    """An object to export.

    Attributes:
        number: Of the object in the complete set, from 1.
        split: Of the object.
        file: Of the object.
        cut_out: Whether to leave out what is behind and in front of the object in its images.
    """

    number: int
    split: str
    file: ObjectFile
    cut_out: bool = False

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.file.record.name

    @cached_property
    def pinhole_views(self) -> list[int]:
        """Indices of the views with perspective."""
        views = self.file.record.views
        return [index for index, view in enumerate(views) if not view.camera.orthographic]

    @property
    def orthographic_count(self) -> int:
        """Number of the views without perspective."""
        return len(self.file.record.views) - len(self.pinhole_views)

    def read_image(self, view: RenderedView) -> NDArray[np.uint8]:
        """Return the image of one of its views to export: (H, W, 4) uint8, straight alpha."""
        return view.colour if self.cut_out else passes.composite_image(view)


@dataclass(frozen=True)
class Selection:
    """Objects of a training set, read one at a time by iteration.

    Attributes:
        folder: Of the training set.
        splits: Of every object of the set.
        names: Of the selected objects.
        places: Where the objects of the set are.
        cut_out: See :class:`SelectedObject`.
    """

    folder: Path
    splits: Mapping[str, str]
    names: tuple[str, ...]
    places: Mapping[str, ObjectLocation]
    cut_out: bool = False

    def __iter__(self) -> Iterator[SelectedObject]:
        # Numbers of all objects of the set
        all_names = sorted(self.splits)
        numbers = {name: number for number, name in enumerate(all_names, 1)}
        for name in self.names:
            yield SelectedObject(
                number=numbers[name],
                split=self.splits[name],
                file=self.places[name].open_object(),
                cut_out=self.cut_out,
            )

    def family_names(self) -> list[str]:
        """Return the sorted families of the complete set, so that exports of its parts agree."""
        families: set[str] = set()
        for name in self.splits:
            families.update(self.places[name].read_record().family_names())
        return sorted(families)

    def part_names(self) -> list[tuple[str, str]]:
        """Return family and name of all named parts of the complete set, sorted."""
        pairs: set[tuple[str, str]] = set()
        for name in self.splits:
            record = self.places[name].read_record()
            pairs.update((record.family, part) for part in record.parts if part)
        return sorted(pairs)

    def shape_numbers(self) -> dict[tuple[str, str], int]:
        """Return the number of each shape of the instances of whole scenes.

        They follow the numbers of the objects, and they are also those of the complete set.

        Returns:
            Numbers by the names of the scene and of the shape.
        """
        keys = set()
        for name in self.splits:
            for instance in self.places[name].read_record().instances:
                keys.add((name, instance.shape or instance.name))
        return {key: number for number, key in enumerate(sorted(keys), len(self.splits) + 1)}


def select_objects(
    folder: Path, split: str | None = None, limit: int | None = None, cut_out: bool = False
) -> Selection:
    """Select objects of a training set.

    Args:
        folder: Of the training set.
        split: Only objects of this split; None for all.
        limit: Greatest number of objects, a choice that looks random and is reproducible; None for
            all.
        cut_out: See :class:`SelectedObject`.

    Raises:
        DatasetError: The folder contains no training set with splits, or there is no such object.
    """
    # Names in the order of their hashes, so that a limit takes a random choice
    assigned = splits.read_splits(folder)
    names = [name for name, other in assigned.items() if split in (None, other)]
    names.sort(key=splits.hash_key)
    if not names:
        suffix = f" in the split {split!r}" if split else ""
        raise DatasetError(f"{folder} contains no objects{suffix}")

    # Every object must exist, since numbers are those of the complete set.
    index = build_index(folder)
    missing = sorted(set(assigned) - set(index.by_name))
    if missing:
        reason = "; ".join(index.damaged.values()) or "its file is missing"
        raise DatasetError(
            f"{folder}: {missing[0]} is listed in a split but could not be found: {reason}"
        )

    return Selection(
        folder=folder,
        splits=assigned,
        names=tuple(sorted(names[:limit])),
        places=index.by_name,
        cut_out=cut_out,
    )


def write_each(
    selection: Selection, out: Path, write_object: Callable[[SelectedObject, Path], None]
) -> Iterator[tuple[int, int]]:
    """Write each object that has a perspective view into its own folder.

    Args:
        selection: The objects.
        out: Folder to write.
        write_object: Writes one object into a folder.

    Yields:
        After each object how many of its views were written and left out.
    """
    for item in selection:
        if item.pinhole_views:
            write_object(item, out / item.name)
        yield len(item.pinhole_views), item.orthographic_count
