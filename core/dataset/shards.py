"""Many objects in one file: ``shards/SPLIT-NNNNNN.tar``.

Disks and networks that are slow with small files read them faster. A shard holds the members of the
objects one object after the other, by the WebDataset convention: members with the same name up to
the first dot are one object. The order of objects looks random, and each split has its own shards.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from .. import atomic_files
from ..atomic_files import make_folder
from ..errors import DatasetError
from ..folder_lock import lock_folder
from ..jobs.task import Progress, Task
from . import splits
from .index import DatasetIndex, read_end
from .names import check_name
from .object_file import ObjectFile, read_record
from .reading import limits
from .reading.archives import iterate_members, open_archive, read_member
from .reading.files import describe_damage, open_regular

_PACKED = "splits.json"  # in the folder of the shards: which objects they contain
_NAMED_AT_MOST = 3  # objects in an error text
AGAIN = "run maquette dataset pack again"


def pack_shards(folder: Path, most: int) -> Task[list[Path]]:
    """Write the objects of a training set into shards, which replace older ones; one step a shard.

    Args:
        folder: Of the training set.
        most: Greatest size of a shard, bytes; only a single larger object exceeds it.

    Returns:
        The shards.

    Raises:
        DatasetError: The set is missing or damaged.
        OutputError: The disk is full or the folder cannot be written.
    """
    if (folder / "shards").is_symlink():
        raise DatasetError(f"{folder / 'shards'} is a link to another folder. Remove it")

    # Which objects are in which shard
    assigned = splits.read_splits(folder)
    contents: list[tuple[str, list[str]]] = []
    for split in sorted(set(assigned.values())):
        names = [name for name, other in assigned.items() if other == split]
        names.sort(key=splits.hash_key)
        for number, part in enumerate(_parts_by_size(folder, names, most)):
            contents.append((f"{split}-{number:06d}.tar", part))

    make_folder(folder / "shards")
    with lock_folder(folder / "shards"):
        return (yield from _write_shards(folder, contents, assigned))


def _write_shards(
    folder: Path, contents: Sequence[tuple[str, list[str]]], assigned: Mapping[str, str]
) -> Task[list[Path]]:
    """Write the shards into their folder, which is locked."""
    # An empty list of objects marks the shards as incomplete until all are written.
    target = folder / "shards"
    atomic_files.write_json(target / _PACKED, {})
    written = []

    for index, (shard_name, names) in enumerate(contents):
        yield Progress(index / len(contents), shard_name)
        sources = [folder / "objects" / f"{name}.tar" for name in names]
        _write_shard(target / shard_name, sources)
        written.append(target / shard_name)

    # Shards of an earlier packing that had more of them
    for old_shard in set(target.glob("*.tar")) - set(written):
        old_shard.unlink()
    atomic_files.write_json(target / _PACKED, assigned)
    return written


def shard_files(folder: Path, split: str) -> list[Path]:
    """Return the files with the objects of a split, in order of their names.

    Args:
        folder: Of the training set.
        split: One of ``splits.SPLITS``.

    Returns:
        The shards; if there are none, the files of single objects.

    Raises:
        DatasetError: The set is missing or damaged, has changed since it was packed, or the split
            is empty.
    """
    names = _names_in_split(folder, split)
    shards = folder / "shards"
    files = sorted(shards.glob(f"{split}-*.tar"))

    # The shards must contain the objects of the set as it is now.
    if files and (shards / _PACKED).is_file():
        packed_names = set(_names_in_split(shards, split))
        if packed_names != set(names):
            raise DatasetError(f"{folder} has changed since it was packed: {AGAIN}")

    if not files:
        files = [folder / "objects" / f"{name}.tar" for name in names]
    if not files:
        raise DatasetError(f"{folder} has no objects in the split {split!r}")
    return files


def _names_in_split(folder: Path, split: str) -> list[str]:
    """Return the sorted names of a split by the ``splits.json`` in ``folder``."""
    assigned = splits.read_splits(folder)
    return sorted(name for name, other in assigned.items() if other == split)


def objects_in_shard(path: Path) -> Iterator[ObjectFile]:
    """Yield the objects of a shard, or the single one of an object's own file.

    Raises:
        DatasetError: The file is missing or damaged.
    """
    for name, parts in _read_objects(path):
        yield ObjectFile(path.with_name(f"{name}.tar"), parts)


def _read_objects(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the name of each object of a shard, and its members by their kinds."""
    with (
        describe_damage(f"{path} is not a complete training set file"),
        open_regular(path) as stream,
        open_archive(stream) as archive,
    ):
        # Members of an object are contiguous.
        file_members = _read_file_members(archive)
        for name, members in groupby(file_members, key=lambda member: member[0]):
            parts = {kind: data for _, kind, data in members}
            yield name, parts
        read_end(archive)


def _read_file_members(archive: tarfile.TarFile) -> Iterator[tuple[str, str, bytes]]:
    """Yield object name, kind and content of each member.

    Raises:
        ValueError: A member is unsafe, or an object too large to be in memory.
    """
    object_name = ""
    object_size = 0
    for member in iterate_members(archive, limits.SHARD_MEMBERS):
        name, _, kind = member.name.partition(".")
        if name != object_name:
            object_name = check_name(name)
            object_size = 0
        object_size += member.size
        if object_size > limits.ARCHIVE_BYTES:
            raise ValueError(f"{name} has more than {limits.ARCHIVE_BYTES} bytes")
        yield name, kind, read_member(archive, member)


def validate_shards(folder: Path, index: DatasetIndex) -> None:
    """Check that the shards contain the objects of the set, each once and by its split.

    Args:
        folder: Of the training set.
        index: Its objects.

    Raises:
        DatasetError: The first problem.
    """
    # All were written.
    packed = splits.read_splits(folder / "shards")
    if not packed:
        raise DatasetError(f"the shards were not written to the end: {AGAIN}")

    # They contain what they should.
    missing = sorted(set(packed) - set(index.packed))
    if missing:
        raise DatasetError(
            f"{len(missing)} objects are in no shard that can be read: "
            f"{', '.join(missing[:_NAMED_AT_MOST])}"
        )

    # The set is as it was when it was packed.
    differences = packed.items() ^ splits.read_splits(folder).items()
    changed = sorted({name for name, _ in differences})
    if changed:
        raise DatasetError(
            "the set has changed since it was packed "
            f"({', '.join(changed[:_NAMED_AT_MOST])}): {AGAIN}"
        )

    # Each object is in one shard of its split.
    for name, (location, *duplicates) in index.packed.items():
        if duplicates or not location.file.name.startswith(f"{packed.get(name)}-"):
            raise DatasetError(
                f"{name} is in several shards, or in one of another split, or in no split: {AGAIN}"
            )


def _parts_by_size(folder: Path, names: Sequence[str], most: int) -> list[list[str]]:
    """Return ``names`` in their order, in parts whose objects take at most ``most`` bytes."""
    parts: list[list[str]] = []
    part_size = 0
    for name in names:
        path = folder / "objects" / f"{name}.tar"
        # A missing file is reported when it is read.
        size = path.stat().st_size if path.is_file() else 0
        if not parts or part_size + size > most:
            parts.append([])
            part_size = 0
        parts[-1].append(name)
        part_size += size

    return parts


def _write_shard(path: Path, sources: Sequence[Path]) -> None:
    with atomic_files.atomic_write(path) as partial, tarfile.open(partial, "w") as shard:
        for source in sources:
            _copy_members(source, shard)


def _copy_members(source: Path, shard: tarfile.TarFile) -> None:
    """Append the members of an object's file to a shard.

    Raises:
        DatasetError: The file is missing or damaged, or has members of another object.
    """
    read_record(source)
    for member, content in _read_source(source):
        shard.addfile(member, io.BytesIO(content))


def _read_source(source: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield header and content of each member of an object's file."""
    with (
        describe_damage(f"{source} is not a complete object of a training set"),
        open_regular(source) as stream,
        open_archive(stream) as archive,
    ):
        for member in iterate_members(archive, limits.MEMBERS):
            # The header keeps the name, by which a shard is read.
            if not member.name.startswith(f"{source.stem}."):
                raise DatasetError(f"{source} contains {member.name}, which is of another object")
            yield member, read_member(archive, member)
