"""Where the objects of a training set lie: each in a file of its own, many in a shard, or both; read one way.

The members of an object lie one after the other in a shard, so they are a tar by themselves.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from ..errors import DatasetError
from . import splits
from .records import ObjectFile, Record, read_record


@dataclass(frozen=True)
class ObjectLocation:
    """An object's file, or of a shard the bytes from ``start`` to ``end`` that are the object ``inside``."""

    file: Path
    inside: str = ""
    start: int = 0
    end: int = -1

    @property
    def name(self) -> str:
        return self.inside or self.file.stem

    @property
    def path(self) -> Path:
        """As it is told of: in a shard ``SHARD/NAME.tar``."""
        return self.file / f"{self.inside}.tar" if self.inside else self.file

    def read_tar(self) -> bytes:
        """The tar that the object is; in a shard without the empty blocks that end one.

        Raises:
            DatasetError: it cannot be read.
        """
        try:
            with self.file.open("rb") as file:
                file.seek(self.start)
                return file.read(self.end - self.start if self.inside else -1)
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be read: {error.strerror}") from error

    def open_object(self) -> ObjectFile:
        """The object, for reading its parts.

        Raises:
            DatasetError: it is missing, damaged, or of another version.
        """
        return ObjectFile(self.path, self.read_tar())

    def read_record(self) -> Record:
        """The object's record, without reading the rest of it. Raises as :meth:`open_object`."""
        return read_record(self.path, self.file, self.start)


@dataclass(frozen=True)
class DatasetIndex:
    """Of every object, in order of the names: its own file, and where it lies in shards. damaged: shards, and why."""

    own: Mapping[str, ObjectLocation]
    packed: Mapping[str, tuple[ObjectLocation, ...]]
    damaged: Mapping[Path, str]

    @cached_property
    def by_name(self) -> dict[str, ObjectLocation]:
        """Where to read each object: its own file if there is one."""
        found = {name: places[0] for name, places in self.packed.items()} | dict(self.own)
        return dict(sorted(found.items()))


def build_index(folder: Path) -> DatasetIndex:
    """The objects of the training set in ``folder``.

    Raises:
        DatasetError: there is none.
    """
    own = {path.stem: ObjectLocation(path) for path in sorted((folder / "objects").glob("*.tar"))}
    packed: dict[str, tuple[ObjectLocation, ...]] = {}
    damaged = {}
    for shard in sorted((folder / "shards").glob("*.tar")):
        try:
            for place in _in_shard(shard):
                packed[place.name] = (*packed.get(place.name, ()), place)
        except DatasetError as error:
            damaged[shard] = str(error)
    if not own and not packed and not damaged:
        raise DatasetError(
            f"{folder} contains no training set. Neither {folder / 'objects'} nor the shards "
            "hold an object"
        )
    return DatasetIndex(own, packed, damaged)


def locations_of_split(folder: Path, split: str) -> list[ObjectLocation]:
    """Where the objects of ``split`` in the training set ``folder`` lie, in order of their names.

    Raises:
        DatasetError: the set is missing or damaged, or has changed since it was packed.
    """
    names = sorted(name for name, own in splits.read_splits(folder).items() if own == split)
    own = {name: ObjectLocation(folder / "objects" / f"{name}.tar") for name in names}
    packed = sorted((folder / "shards").glob(f"{split}-*.tar"))
    if not packed or all(place.file.is_file() for place in own.values()):
        return list(own.values())
    found = {place.name: place for shard in packed for place in _in_shard(shard)}
    gone = [name for name in names if name not in found and not own[name].file.is_file()]
    if gone:
        raise DatasetError(
            f"{folder} changed after it was packed, {gone[0]} is in no shard. Pack it again"
        )
    return [own[name] if own[name].file.is_file() else found[name] for name in names]


def training_locations(folders: Sequence[Path]) -> list[ObjectLocation]:
    """Where the objects of the split "train" of ``folders`` lie, without copies of what any of these judges by.

    A set keeps copies of its own together, but of those of another, such as another part of the same meshes, it does
    not know.

    Raises:
        DatasetError: as :func:`locations_of_split`, or an object is damaged.
    """
    if len(folders) == 1:
        return locations_of_split(folders[0], "train")
    found = [
        (split, place)
        for folder in folders
        for split in splits.SPLITS
        for place in locations_of_split(folder, split)
    ]
    own = {str(index): split for index, (split, _) in enumerate(found)}
    fingerprints = {
        str(index): place.read_record().fingerprint for index, (_, place) in enumerate(found)
    }
    copies = splits.duplicates_of_held_out(own, fingerprints)
    return [
        place
        for index, (split, place) in enumerate(found)
        if split == "train" and str(index) not in copies
    ]


def read_end(archive: tarfile.TarFile) -> int:
    """Where the end of ``archive`` begins, all of whose members have been read.

    Raises:
        tarfile.ReadError: there is something else, such as a damaged header, which tarfile takes for the end.
    """
    end = archive.offset
    stream = archive.fileobj
    stream.seek(end)  # type: ignore[union-attr]
    rest = stream.read()  # type: ignore[union-attr]
    if len(rest) < 2 * tarfile.BLOCKSIZE or any(rest) or (end + len(rest)) % tarfile.RECORDSIZE:
        raise tarfile.ReadError(f"it is damaged {end} bytes after its beginning")
    return end


def _in_shard(shard: Path) -> list[ObjectLocation]:
    """The objects of ``shard``, by the headers of its members alone.

    Raises:
        DatasetError: it cannot be read to its end.
    """
    try:
        with tarfile.open(shard) as archive:
            members = [(member.name.partition(".")[0], member.offset) for member in archive]
            end = read_end(archive)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{shard} is not a complete training set file: {error}") from error
    starts = [(name, next(own)[1]) for name, own in groupby(members, key=lambda member: member[0])]
    ends = [start for _, start in starts[1:]] + [end]
    return [
        ObjectLocation(shard, name, start, stop)
        for (name, start), stop in zip(starts, ends, strict=True)
    ]
