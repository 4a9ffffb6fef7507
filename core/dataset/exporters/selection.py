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
from ..records import ObjectFile, RenderedView


@dataclass(frozen=True)
class SelectedObject:
    """An object to export. number: its own in the whole set, from 1. pinhole: indices of its views with perspective.

    cut_out: whether its pictures lack what was put behind and before it.
    """

    number: int
    split: str
    file: ObjectFile
    cut_out: bool = False

    @property
    def name(self) -> str:
        return self.file.record.name

    @cached_property
    def pinhole_views(self) -> list[int]:
        return [
            index
            for index, view in enumerate(self.file.record.views)
            if not view.camera.orthographic
        ]

    def read_image(self, view: RenderedView) -> NDArray[np.uint8]:
        """One of its views as the format shows it: (H, W, 4) uint8, straight alpha."""
        return view.colour if self.cut_out else passes.composite_image(view)


@dataclass(frozen=True)
class Selection:
    """Objects of a training set, read one at a time. splits: of every object of the set. names: of those chosen.

    places: where the objects of the set lie. cut_out: see :class:`SelectedObject`.
    """

    folder: Path
    splits: Mapping[str, str]
    names: tuple[str, ...]
    places: Mapping[str, ObjectLocation]
    cut_out: bool = False

    def __iter__(self) -> Iterator[SelectedObject]:
        numbers = {name: number for number, name in enumerate(sorted(self.splits), 1)}
        for name in self.names:
            yield SelectedObject(
                numbers[name], self.splits[name], self.places[name].open_object(), self.cut_out
            )

    def family_names(self) -> list[str]:
        """Families of the whole set, sorted, so that exports of its parts agree about them."""
        return sorted(
            {
                family
                for name in self.splits
                for family in self.places[name].read_record().family_names()
            }
        )

    def shape_numbers(self) -> dict[tuple[str, str], int]:
        """Number of each shape of the instances of whole scenes, by the scene's name and the shape's.

        They follow those of the objects and are of the whole set as well.
        """
        found = {
            (name, one.shape or one.name)
            for name in self.splits
            for one in self.places[name].read_record().instances
        }
        return {key: number for number, key in enumerate(sorted(found), len(self.splits) + 1)}


def select_objects(
    folder: Path, split: str | None = None, limit: int | None = None, cut_out: bool = False
) -> Selection:
    """Objects of ``split`` (all), and of these only ``limit``, drawn as by chance but always the same.

    Args:
        cut_out: see :class:`SelectedObject`.

    Raises:
        DatasetError: the folder holds no training set with splits, or there is no such object.
    """
    assigned = splits.read_splits(folder)
    names = [name for name, own in assigned.items() if split in (None, own)]
    names.sort(key=splits.hash_key)
    if not names:
        raise DatasetError(
            f"{folder} contains no objects in the split {split!r}"
            if split
            else f"{folder} contains no objects"
        )
    places = build_index(folder)
    gone = sorted(set(assigned) - set(places.by_name))
    if gone:
        why = "; ".join(places.damaged.values()) or "its file is missing"
        raise DatasetError(
            f"{folder}: {gone[0]} is listed in a split but could not be found: {why}"
        )
    return Selection(folder, assigned, tuple(sorted(names[:limit])), places.by_name, cut_out)


def write_each(
    selection: Selection, out: Path, write_object: Callable[[SelectedObject, Path], None]
) -> Iterator[tuple[int, int]]:
    """Write each object that has a perspective view into a folder of its own; yields views written and left out."""
    for item in selection:
        if item.pinhole_views:
            write_object(item, out / item.name)
        yield len(item.pinhole_views), len(item.file.record.views) - len(item.pinhole_views)
