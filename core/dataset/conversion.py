"""A training set again in the compact form."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import DatasetError
from ..jobs.task import Progress, Task
from . import atomic_files, splits
from . import index as dataset_index
from .records import write_object


def copy_compact(folder: Path, target: Path) -> Task[int]:
    """Write the objects of the training set ``folder`` to the set ``target`` in the compact form; returns how many.

    Those that are there already are kept.

    Raises:
        DatasetError: the set is missing or damaged, holds a whole scene, or ``target`` is of another set.
        OutputError: the disk is full or the folder cannot be written.
    """
    assigned = splits.read_splits(folder)
    settings = {
        **json.loads((folder / "dataset.json").read_text(encoding="utf-8")),
        "compact": True,
    }
    told = target / "dataset.json"
    if told.exists() and json.loads(told.read_text(encoding="utf-8")) != settings:
        raise DatasetError(
            f"{target} contains a training set with different settings. Choose another folder"
        )
    atomic_files.write_json(told, settings)
    found = dataset_index.build_index(folder).by_name
    for index, (name, place) in enumerate(found.items()):
        yield Progress(index / len(found), name)
        if (target / "objects" / f"{name}.tar").is_file():
            continue
        file = place.open_object()
        if file.record.instances:
            raise DatasetError(f"{place.path} is a whole scene, which has no compact form")
        views = (file.read_view(i) for i in range(len(file.record.views)))
        write_object(target, file.record, file.read_shape(), views, small=True)
    atomic_files.write_json(target / "splits.json", assigned)
    return len(found)
