"""Copy a training set into the compact form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .. import atomic_files
from ..atomic_files import make_folder
from ..errors import DatasetError
from ..folder_lock import lock_folder
from ..jobs.task import Progress, Task
from . import splits
from .index import ObjectLocation, build_index
from .object_file import write_compact_object
from .record_json import read_settings


def copy_compact(folder: Path, target: Path) -> Task[int]:
    """Write the objects of a training set to another set in the compact form; one step an object.

    Objects that the target contains already are kept.

    Args:
        folder: Of the training set.
        target: Folder of the new set.

    Returns:
        The number of objects.

    Raises:
        DatasetError: The set is missing or damaged, contains a whole scene, or ``target`` contains
            another set.
        OutputError: The disk is full or the folder cannot be written.
    """
    # Fail before anything is written if the set has no splits.
    assigned = splits.read_splits(folder)
    make_folder(target)
    with lock_folder(target):
        return (yield from _copy_objects(folder, target, assigned))


def _copy_objects(folder: Path, target: Path, assigned: Mapping[str, str]) -> Task[int]:
    """Copy the objects into the folder ``target``, which is locked."""
    _write_settings(folder, target)
    index = build_index(folder)
    for path, reason in index.damaged.items():
        raise DatasetError(f"{path} cannot be copied: {reason}")
    locations = index.by_name

    for number, (name, location) in enumerate(locations.items()):
        yield Progress(number / len(locations), name)
        if not (target / "objects" / f"{name}.tar").is_file():
            _copy_object(location, target)

    # Last, so that an incomplete set cannot be trained on
    atomic_files.write_json(target / "splits.json", assigned)
    return len(locations)


def _write_settings(folder: Path, target: Path) -> None:
    """Write ``dataset.json`` of the compact set.

    Raises:
        DatasetError: ``target`` contains a set with other settings.
    """
    settings = {**read_settings(folder / "dataset.json"), "compact": True}

    # An earlier run must have had the same settings.
    path = target / "dataset.json"
    if path.exists() and read_settings(path) != settings:
        raise DatasetError(
            f"{target} contains a training set with different settings. Choose another folder"
        )

    atomic_files.write_json(path, settings)


def _copy_object(location: ObjectLocation, target: Path) -> None:
    """Write one object to the set ``target`` in the compact form."""
    file = location.open_object()
    if file.record.instances:
        raise DatasetError(f"{location.path} is a whole scene, which has no compact form")
    views = (file.read_view(index) for index in range(len(file.record.views)))
    write_compact_object(target, file.record, file.read_shape(), views)
