"""Many objects in one file each: ``shards/SPLIT-NNNNNN.tar``, for disks and networks that are slow with small files.

A shard is the objects' members one after the other, as the WebDataset convention has it: members with the same name
up to the first dot are one object. Objects lie in an order as by chance, each split in shards of its own.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from ..errors import DatasetError
from ..jobs.task import Progress, Task
from . import atomic_files, splits
from .index import DatasetIndex, read_end
from .records import ObjectFile

_PACKED = "splits.json"  # beside the shards: which objects they hold
AGAIN = "run maquette dataset pack again"


def pack_shards(folder: Path, most: int) -> Task[list[Path]]:
    """Write the objects of the training set in ``folder`` into shards, in place of older shards.

    Args:
        most: bytes of a shard; only an object that is larger by itself has a larger one.

    Raises:
        DatasetError: the set is missing or damaged. OutputError: the disk is full or the folder cannot be written.
    """
    assigned = splits.read_splits(folder)
    parts = []
    for split in sorted(set(assigned.values())):
        names = sorted(
            (name for name, own in assigned.items() if own == split), key=splits.hash_key
        )
        parts += [
            (f"{split}-{i:06d}.tar", part)
            for i, part in enumerate(_parts_by_size(folder, names, most))
        ]
    target = folder / "shards"
    written = []
    atomic_files.write_json(target / _PACKED, {})  # so that a part of them is not taken for all
    for index, (name, names) in enumerate(parts):
        yield Progress(index / len(parts), name)
        written.append(target / name)
        _write_shard(written[-1], [folder / "objects" / f"{name}.tar" for name in names])
    for old in set(target.glob("*.tar")) - set(written):
        old.unlink()
    atomic_files.write_json(target / _PACKED, assigned)
    return written


def shard_files(folder: Path, split: str) -> list[Path]:
    """The files that hold the objects of ``split``, in order of their names: shards, or files of one object each.

    Raises:
        DatasetError: the set is missing or damaged, or has changed since it was packed, or the split is empty.
    """
    names = sorted(name for name, own in splits.read_splits(folder).items() if own == split)
    found = sorted((folder / "shards").glob(f"{split}-*.tar"))
    packed = folder / "shards" / _PACKED
    if found and packed.is_file():
        kept = {name for name, own in splits.read_splits(packed.parent).items() if own == split}
        if kept != set(names):
            raise DatasetError(f"{folder} has changed since it was packed: {AGAIN}")
    if not found:
        found = [folder / "objects" / f"{name}.tar" for name in names]
    if not found:
        raise DatasetError(f"{folder} has no objects in the split {split!r}")
    return found


def objects_in_shard(path: Path) -> Iterator[ObjectFile]:
    """The objects of a shard, or the one of an object's own file, one after the other.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    try:
        with tarfile.open(path) as archive:
            members = (
                (m.name.partition("."), archive.extractfile(m)) for m in archive if m.isfile()
            )
            for name, own in groupby(members, key=lambda member: member[0][0]):
                parts = {kind: stored.read() for (_, _, kind), stored in own}  # type: ignore[union-attr]
                yield ObjectFile(path.with_name(f"{name}.tar"), parts)
            read_end(archive)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{path} is not a complete training set file: {error}") from error


def validate_shards(folder: Path, places: DatasetIndex) -> None:
    """See that the shards in ``folder`` hold the objects of the set, each once and by its split.

    Raises:
        DatasetError: the first thing that is wrong.
    """
    packed = splits.read_splits(folder / "shards")
    gone = sorted(set(packed) - set(places.packed))
    changed = sorted({name for name, _ in packed.items() ^ splits.read_splits(folder).items()})
    if not packed:
        raise DatasetError(f"they were not written to the end: {AGAIN}")
    if gone:
        raise DatasetError(
            f"{len(gone)} objects are in no shard that can be read: {', '.join(gone[:3])}"
        )
    if changed:
        raise DatasetError(
            f"the set has changed since it was packed ({', '.join(changed[:3])}): {AGAIN}"
        )
    for name, (place, *others) in places.packed.items():
        if others or not place.file.name.startswith(f"{packed.get(name)}-"):
            raise DatasetError(
                f"{name} is in several shards, or in one of another split, or in no split: {AGAIN}"
            )


def _parts_by_size(folder: Path, names: Sequence[str], most: int) -> list[list[str]]:
    """``names`` in their order, in parts of at most ``most`` bytes."""
    parts: list[list[str]] = []
    filled = most
    for name in names:
        path = folder / "objects" / f"{name}.tar"
        size = (
            path.stat().st_size if path.is_file() else 0
        )  # one that is missing is told of when it is read
        if filled + size > most:
            parts.append([])
            filled = 0
        parts[-1].append(name)
        filled += size
    return parts


def _write_shard(path: Path, sources: Sequence[Path]) -> None:
    with atomic_files.atomic_write(path) as partial, tarfile.open(partial, "w") as shard:
        for source in sources:
            _copy_members(source, shard)


def _copy_members(source: Path, shard: tarfile.TarFile) -> None:
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                shard.addfile(member, archive.extractfile(member))
    except (FileNotFoundError, tarfile.TarError, EOFError) as error:
        raise DatasetError(
            f"{source} is not a complete object of a training set: {error}"
        ) from error
