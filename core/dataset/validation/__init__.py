"""Check that every file of a training set is complete and consistent.

``members`` checks which members an object's file has, ``record`` its metadata, ``shapes`` its
ground truth and ``views`` its images. The latter two are tables of what each array must be.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DatasetError
from ...jobs.task import Progress, Task
from .. import shards, splits
from ..index import DatasetIndex, ObjectLocation, build_index
from ..members import shape_kind
from ..object_file import ObjectFile
from ..reading.files import DAMAGE_ERRORS
from ..reading.json_files import parse_json
from ..record_json import read_settings
from ..records import Record
from .members import check_members
from .record import check_camera, check_instance_shapes, check_instances
from .requirements import require_that
from .shapes import check_truth
from .views import check_view

_TAR_END = bytes(2 * tarfile.BLOCKSIZE)  # two empty blocks close a tar
_NAMED_AT_MOST = 3  # objects in an error text
# What reading raises, and what computing with odd numbers may
_BAD = (DatasetError, *DAMAGE_ERRORS)


@dataclass(frozen=True)
class Problem:
    """A damaged or inconsistent file.

    Attributes:
        path: Of the file; in a shard ``SHARD/NAME.tar``.
        what: The first problem of the file.
    """

    path: Path
    what: str


def validate_dataset(folder: Path) -> Task[list[Problem]]:
    """Check every file of a training set; one step an object.

    In a packed set each object in each shard is checked, too. It must equal the object's own file,
    if that exists. Each file is reported once.

    Args:
        folder: Of the training set.

    Returns:
        The problems.

    Raises:
        DatasetError: There is no training set.
    """
    # Shards that cannot be read
    index = build_index(folder)
    problems = []
    for path, reason in index.damaged.items():
        text = _error_text(DatasetError(reason), path)
        problems.append(Problem(path, text))

    # Objects
    fingerprints: dict[str, tuple[float, ...]] = {}
    for number, (name, location) in enumerate(index.by_name.items()):
        yield Progress(number / len(index.by_name), name)
        packed_locations = index.packed.get(name, ())
        locations = list(dict.fromkeys((location, *packed_locations)))
        record, object_problems = _check_locations(locations)
        problems += object_problems
        if record is not None:
            fingerprints[name] = record.fingerprint

    # Files of the set
    checks: dict[str, Callable[[], None]] = {
        "dataset.json": lambda: _check_settings(folder),
        "splits.json": lambda: _check_splits(folder, index, fingerprints),
    }
    if (folder / "shards").is_dir():
        checks["shards/splits.json"] = lambda: shards.validate_shards(folder, index)
    for file, check in checks.items():
        try:
            check()
        except _BAD as error:
            problems.append(Problem(folder / file, _error_text(error, folder / file)))

    return problems


def _check_locations(
    locations: Sequence[ObjectLocation],
) -> tuple[Record | None, list[Problem]]:
    """Check one object at all its locations, which must agree.

    Returns:
        The record of the first good one, and the problems.
    """
    # The first good file is checked completely; others need only equal it.
    good_file: ObjectFile | None = None
    problems = []
    for location in locations:
        try:
            if good_file is None:
                good_file = check_object(location)
            elif location.open_object().parts != good_file.parts:
                check_object(location)  # damage explains more than a difference
                raise DatasetError(f"differs from {good_file.path}: {shards.AGAIN}")
        except _BAD as error:
            text = _error_text(error, location.path)
            problems.append(Problem(location.path, text))

    record = good_file.record if good_file else None
    return record, problems


def check_object(location: ObjectLocation) -> ObjectFile:
    """Check one object.

    Raises:
        DatasetError: The first problem. Numbers of another form raise others, such as ValueError.
    """
    data = location.read_tar()
    if not location.packed_name:
        ends = len(data) % tarfile.RECORDSIZE == 0 and data.endswith(_TAR_END)
        require_that(ends, "the end of the file is missing")
    file = ObjectFile(location.path, data)
    record = file.record
    check_members(data, file)

    # The record
    for index, view in enumerate(parse_json(file.read_member("json"))["views"]):
        check_camera(view, f"view {index}")
    check_instances(record)
    check_instance_shapes(record)

    # Ground truth of the object and of the shapes of its instances
    check_truth(file, "", record.bounds)
    for number, shape in enumerate(record.shapes):
        check_truth(file, f"{shape_kind(number)}.", shape.bounds)

    for index in range(len(record.views)):
        check_view(file, index)
    return file


def _check_settings(folder: Path) -> None:
    """Check ``dataset.json``."""
    read_settings(folder / "dataset.json")


def _check_splits(
    folder: Path, index: DatasetIndex, fingerprints: Mapping[str, Sequence[float]]
) -> None:
    """Check that ``splits.json`` lists the objects of the set, and that no shape is in two splits.

    Args:
        folder: Of the training set.
        index: Its objects.
        fingerprints: Of the objects that are not damaged.
    """
    # Every object is in a split.
    assigned = splits.read_splits(folder)
    for name in index.files or index.by_name:
        require_that(
            assigned.get(name) in splits.SPLITS, f"{name} is in none of {', '.join(splits.SPLITS)}"
        )

    # Every object of a split exists. A damaged shard has been reported already.
    missing = sorted(set(assigned) - set(index.by_name))
    require_that(
        bool(index.damaged) or not missing,
        f"{len(missing)} objects are in a split but not in the set: "
        f"{', '.join(missing[:_NAMED_AT_MOST])}",
    )

    # No shape is in two splits.
    checked = {name: assigned[name] for name in fingerprints if name in assigned}
    splits.check_no_leak(checked, fingerprints)


def _error_text(error: Exception, path: Path) -> str:
    """Return the text of an error in one line, without the path, which is printed before it."""
    text = str(error) if isinstance(error, DatasetError) else f"{type(error).__name__}: {error}"
    return text.removeprefix(f"{path} ").removeprefix(f"{path}: ").replace("\n", " ")
