"""Where the objects of a training set are: each in its own file, many in a shard, or both.

All of them are read alike. The members of an object are contiguous in a shard, so they are a tar by
themselves.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from ..errors import DatasetError
from . import splits
from .names import check_name
from .object_file import ObjectFile, read_record
from .reading import limits
from .reading.archives import iterate_members, open_archive, require_archive_size
from .reading.files import describe_damage, open_regular, stream_size
from .records import Record

_LENT_SHARE = 0.1  # of the objects, for a split without any


@dataclass(frozen=True)
class ObjectLocation:
    """An object's own file, or the part of a shard that is an object.

    Attributes:
        file: The object's file, or the shard.
        packed_name: Name of the object in a shard; "" for an object's own file.
        start: Byte of the shard at which the object begins.
        end: Byte of the shard after the object.
    """

    file: Path
    packed_name: str = ""
    start: int = 0
    end: int = -1

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.packed_name or self.file.stem

    @property
    def path(self) -> Path:
        """Path for messages: in a shard ``SHARD/NAME.tar``."""
        return self.file / f"{self.packed_name}.tar" if self.packed_name else self.file

    def read_tar(self) -> bytes:
        """Return the object as a tar; from a shard without the empty blocks that end one.

        Raises:
            DatasetError: The file cannot be read.
        """
        problem = f"{self.path} is not a complete object of a training set"
        try:
            with open_regular(self.file) as file, describe_damage(problem):
                size = stream_size(file)
                if self.packed_name:
                    size = self.end - self.start
                require_archive_size(file, self.start, size)
                file.seek(self.start)
                return file.read(size)
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be read: {error.strerror}") from error

    def open_object(self) -> ObjectFile:
        """Return the object, to read its parts.

        Raises:
            DatasetError: The file is missing, damaged, or of another version of the format.
        """
        return ObjectFile(self.path, self.read_tar())

    def read_record(self) -> Record:
        """Return the object's record without reading its other parts.

        Raises:
            DatasetError: As :meth:`open_object`.
        """
        return read_record(self.path, self.file, self.start)


@dataclass(frozen=True)
class DatasetIndex:
    """All objects of a training set.

    Attributes:
        files: The objects' own files, by the names of the objects, in order.
        packed: The places in shards where each object is.
        damaged: Shards that cannot be read, files of objects with unsafe names, and why.
    """

    files: Mapping[str, ObjectLocation]
    packed: Mapping[str, tuple[ObjectLocation, ...]]
    damaged: Mapping[Path, str]

    @cached_property
    def by_name(self) -> dict[str, ObjectLocation]:
        """Where to read each object, in order of the names: its own file if there is one."""
        locations = {name: places[0] for name, places in self.packed.items()}
        locations |= self.files
        return dict(sorted(locations.items()))


def build_index(folder: Path) -> DatasetIndex:
    """Find the objects of the training set in ``folder``.

    Raises:
        DatasetError: There is no object.
    """
    # Files of single objects
    files = {}
    damaged = {}
    for path in sorted((folder / "objects").glob("*.tar")):
        try:
            files[check_name(path.stem)] = ObjectLocation(path)
        except ValueError as error:
            damaged[path] = str(error)

    # Shards; an object may be in several
    packed: dict[str, tuple[ObjectLocation, ...]] = {}
    for shard in sorted((folder / "shards").glob("*.tar")):
        try:
            for location in _locations_in_shard(shard):
                packed[location.name] = (*packed.get(location.name, ()), location)
        except DatasetError as error:
            damaged[shard] = str(error)

    if not files and not packed and not damaged:
        raise DatasetError(
            f"{folder} contains no training set. Neither {folder / 'objects'} nor the shards "
            "hold an object"
        )

    return DatasetIndex(files, packed, damaged)


def locations_of_split(folder: Path, split: str) -> list[ObjectLocation]:
    """Return where the objects of a split are, in order of their names.

    Args:
        folder: Of the training set.
        split: One of ``splits.SPLITS``.

    Raises:
        DatasetError: The set is missing or damaged, or has changed since it was packed.
    """
    # Shards need not be read if every object has a file.
    assigned = splits.read_splits(folder)
    names = sorted(name for name, other in assigned.items() if other == split)
    files = {name: ObjectLocation(folder / "objects" / f"{name}.tar") for name in names}
    shards = sorted((folder / "shards").glob(f"{split}-*.tar"))
    if not shards or all(location.file.is_file() for location in files.values()):
        return list(files.values())

    packed = {}
    for shard in shards:
        for location in _locations_in_shard(shard):
            packed[location.name] = location

    # An object's own file comes first.
    locations = []
    for name in names:
        if files[name].file.is_file():
            locations.append(files[name])
        elif name in packed:
            locations.append(packed[name])
        else:
            raise DatasetError(
                f"{folder} changed after it was packed, {name} is in no shard. Pack it again"
            )

    return locations


def split_locations(folders: Sequence[Path], split: str) -> list[ObjectLocation]:
    """Return where the objects of a split of several sets are, also of very small sets.

    Splits are drawn by hashes of names, so that all of a few objects may be in one of them. Where
    the sets have no object to validate on, a tenth of those to train on are lent, at least one, and
    the rest is trained on; likewise the other way around. Copies of one shape stay together.

    Args:
        folders: Of the training sets.
        split: One of ``splits.SPLITS``. Of "train", copies of objects of the other splits are left
            out, see :func:`training_locations`.

    Raises:
        DatasetError: As :func:`training_locations`, or there are too few objects to lend one.
    """
    if split == "test":
        return _locations_of_sets(folders, split)
    assigned = set()
    for folder in folders:
        assigned |= set(splits.read_splits(folder).values())

    if {"train", "validation"} <= assigned or not assigned & {"train", "validation"}:
        if split == "train":
            return training_locations(folders)
        return _locations_of_sets(folders, split)

    lender = "train" if "train" in assigned else "validation"
    pool = training_locations(folders) if lender == "train" else _locations_of_sets(folders, lender)
    to_train, to_validate = _divide(pool, folders)
    return to_train if split == "train" else to_validate


def _divide(
    pool: Sequence[ObjectLocation], folders: Sequence[Path]
) -> tuple[list[ObjectLocation], list[ObjectLocation]]:
    """Divide the objects of one split into those to train on and a tenth to validate on.

    Raises:
        DatasetError: There is one shape only.
    """
    # Numbers stand for the objects, since names may repeat in several sets.
    fingerprints = {}
    for index, location in enumerate(pool):
        fingerprints[str(index)] = location.read_record().fingerprint
    groups = splits.group_duplicates(fingerprints)
    if len(groups) < splits.MIN_TRAINING_OBJECTS:
        raise DatasetError(splits.too_few_text(folders, len(groups)))

    # The same ones each time: by a hash of the first name of each group.
    groups.sort(key=lambda group: splits.hash_key(pool[int(group[0])].name))
    lent: set[int] = set()
    while groups[1:] and len(lent) < _LENT_SHARE * len(pool):
        lent |= {int(index) for index in groups.pop(0)}
    to_train = [location for index, location in enumerate(pool) if index not in lent]
    to_validate = [location for index, location in enumerate(pool) if index in lent]

    return to_train, to_validate


def _locations_of_sets(folders: Sequence[Path], split: str) -> list[ObjectLocation]:
    """Return :func:`locations_of_split` of all sets."""
    locations = []
    for folder in folders:
        locations += locations_of_split(folder, split)
    return locations


def training_locations(folders: Sequence[Path]) -> list[ObjectLocation]:
    """Return where the objects of the split "train" of several sets are.

    Copies of objects that any of the sets uses for validation or testing are left out. A set keeps
    its own copies together, but it does not know those of another set, such as another part of the
    same meshes.

    Args:
        folders: Of the training sets.

    Raises:
        DatasetError: As :func:`locations_of_split`, or an object is damaged.
    """
    if len(folders) == 1:
        return locations_of_split(folders[0], "train")

    # All objects of all sets, known by their numbers since names may repeat
    candidates = [
        (split, location)
        for folder in folders
        for split in splits.SPLITS
        for location in locations_of_split(folder, split)
    ]
    split_of = {}
    fingerprints = {}
    for index, (split, location) in enumerate(candidates):
        split_of[str(index)] = split
        fingerprints[str(index)] = location.read_record().fingerprint

    copies = splits.duplicates_of_held_out(split_of, fingerprints)
    return [
        location
        for index, (split, location) in enumerate(candidates)
        if split == "train" and str(index) not in copies
    ]


def read_end(archive: tarfile.TarFile) -> int:
    """Return where the end of a tar begins, after all of its members have been read.

    Raises:
        tarfile.ReadError: Something else is there, such as a damaged header, which tarfile takes
            for the end, or more empty blocks than fill a record.
    """
    end = archive.offset
    stream = archive.fileobj
    if stream is None:
        raise tarfile.ReadError("the archive is closed")

    # At least two empty blocks, and nothing else, up to a multiple of the size of a record
    stream.seek(end)
    rest: bytes = stream.read(2 * tarfile.RECORDSIZE + 1)
    if (
        len(rest) < 2 * tarfile.BLOCKSIZE
        or any(rest)
        or (end + len(rest)) % tarfile.RECORDSIZE
        or len(rest) > tarfile.RECORDSIZE + 2 * tarfile.BLOCKSIZE
    ):
        raise tarfile.ReadError(f"there is damage {end} bytes after its beginning")

    return end


def _locations_in_shard(shard: Path) -> list[ObjectLocation]:
    """Return the objects of ``shard``, by the headers of its members alone.

    Raises:
        DatasetError: The shard cannot be read to its end.
    """
    # An object begins with its first member and ends where the next object begins.
    names: list[str] = []
    offsets: list[int] = []
    with (
        describe_damage(f"{shard} is not a complete training set file"),
        open_regular(shard) as stream,
        open_archive(stream) as archive,
    ):
        for member in iterate_members(archive, limits.SHARD_MEMBERS):
            name = member.name.partition(".")[0]
            if not names or name != names[-1]:
                names.append(check_name(name))
                offsets.append(member.offset)
        end = read_end(archive)

    spans = pairwise((*offsets, end))
    return [
        ObjectLocation(shard, name, start, stop)
        for name, (start, stop) in zip(names, spans, strict=True)
    ]
