"""Training, validation and test objects.

Splits are assigned by object. Copies of one shape stay in one split, which is checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .names import check_name
from .reading.json_files import read_json_object

SPLITS = ("train", "validation", "test")
# Procedural families that are never trained on, to test on kinds of objects that are new.
HELD_OUT_FAMILIES = frozenset({"hat", "teapot", "rocket"})
# Different objects that a training needs at least: one to learn from and one to validate on.
MIN_TRAINING_OBJECTS = 2
_TRAIN_SHARE = 0.8
_NOT_TEST_SHARE = 0.9  # train and validation
_SAME = 0.001  # greatest difference between numbers of the fingerprints of copies
_OLDER_LENGTH = 10  # numbers of an older fingerprint, which changes when an object is rotated
_OLDER_SCALE = 10  # older fingerprints were compared to a hundredth


def assign_splits(
    fingerprints: Mapping[str, Sequence[float]], families: Mapping[str, str]
) -> dict[str, str]:
    """Assign 80 % of the objects to train, 10 % to validation and 10 % to test.

    Groups of :func:`group_duplicates` stay together; a hash of the smallest name of each decides.

    Args:
        fingerprints: By the names of the objects.
        families: By the names of the objects; held-out families are in the test split.

    Returns:
        Split of each object.
    """
    assigned = {}
    for group in group_duplicates(fingerprints):
        # The first four bytes of the hash as a number in 0..1
        prefix = hash_key(min(group))[:4]
        position = int.from_bytes(prefix, "big") / 2**32
        is_held_out = any(families[name] in HELD_OUT_FAMILIES for name in group)
        if is_held_out or position >= _NOT_TEST_SHARE:
            split = "test"
        elif position >= _TRAIN_SHARE:
            split = "validation"
        else:
            split = "train"
        assigned.update(dict.fromkeys(group, split))

    return assigned


def hash_key(name: str) -> bytes:
    """Return a sort key for ``name`` that gives an order which looks random and is reproducible."""
    return hashlib.sha256(name.encode()).digest()


def group_duplicates(fingerprints: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Group objects whose fingerprints differ by at most a thousandth in every number.

    Such objects are copies at another place, scale or rotation, mirrored, or triangulated
    differently. A set that was begun with older fingerprints and then continued has two kinds,
    which cannot be compared with each other.

    Args:
        fingerprints: By the names of the objects, see ``core.geometry.fingerprint``.

    Returns:
        Sorted groups of sorted names.
    """
    # Older fingerprints have another length.
    names_by_length: dict[int, list[str]] = {}
    for name in sorted(fingerprints):
        length = len(fingerprints[name])
        names_by_length.setdefault(length, []).append(name)

    # Only fingerprints of one length can be compared.
    groups = []
    for names in names_by_length.values():
        similar = _similar_groups(names, fingerprints)
        groups += similar
    return sorted(groups)


def _similar_groups(
    names: Sequence[str], fingerprints: Mapping[str, Sequence[float]]
) -> list[list[str]]:
    """Group ``names`` by fingerprints of one length.

    Union-find over all pairs that are similar. Objects are sorted by their first number, so that
    each is compared only with those whose first number is close.
    """
    numbers = np.array([fingerprints[name] for name in names]).reshape(len(names), -1)
    table = _axis_sorted(numbers)
    parent = list(range(len(names)))

    # The root of an object's tree stands for its group.
    def find_root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    # Join each object with those that follow it in the order and are similar.
    order = np.argsort(table[:, 0], kind="stable")
    first_numbers = table[order, 0]
    for rank, i in enumerate(order):
        end = np.searchsorted(first_numbers, first_numbers[rank] + _SAME, side="right")
        candidates = order[rank + 1 : end]
        differences = np.abs(table[candidates] - table[i])
        is_similar = (differences <= _SAME).all(1)
        for j in candidates[is_similar]:
            parent[find_root(int(i))] = find_root(int(j))

    # Collect the names of each root.
    groups: dict[int, list[str]] = {}
    for i, name in enumerate(names):
        groups.setdefault(find_root(i), []).append(name)
    return list(groups.values())


def _axis_sorted(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make older fingerprints independent of the order and direction of the object's axes.

    Args:
        table: (N, numbers); those of newer fingerprints are returned as they are.
    """
    if table.shape[1] != _OLDER_LENGTH:
        return table

    # Numbers along the axes are sorted; the position of the middle loses its sign.
    sides, area, middle, spread = np.split(table / _OLDER_SCALE, (3, 4, 7), axis=1)
    sorted_middle = np.sort(np.abs(middle))
    return np.concatenate((np.sort(sides), area, sorted_middle, np.sort(spread)), axis=1)


def too_few_text(folders: Sequence[Path], count: int) -> str:
    """Return that ``folders`` have too few different objects to train on, and what to do."""
    names = ", ".join(map(str, folders))
    objects = "1 object" if count == 1 else f"{count} objects"
    return (
        f"{names} has {objects} to train on, but training needs at least {MIN_TRAINING_OBJECTS} "
        "different ones, one of them to validate on. Render more: some dozens give useful weights"
    )


def check_no_leak(splits: Mapping[str, str], fingerprints: Mapping[str, Sequence[float]]) -> None:
    """Refuse splits in which one shape, also under another name, is in two of them.

    Args:
        splits: Of the objects.
        fingerprints: Of the objects.

    Raises:
        DatasetError: Names the first pair.
    """
    # All of a group must be where its first object is.
    known = {name: fingerprints[name] for name in splits}
    for group in group_duplicates(known):
        first = group[0]
        first_split = splits[first]
        for name in group:
            split = splits[name]
            if split != first_split:
                raise DatasetError(
                    f"{first} ({first_split}) and {name} ({split}) are copies of one shape in "
                    "different splits. Assign the splits again"
                )


def duplicates_of_held_out(
    splits: Mapping[str, str], fingerprints: Mapping[str, Sequence[float]]
) -> set[str]:
    """Return the objects of the split "train" that are copies of one of another split.

    Args:
        splits: Of the objects.
        fingerprints: Of the objects.
    """
    copies = set()
    for group in group_duplicates(fingerprints):
        training = {name for name in group if splits[name] == "train"}
        if len(training) < len(group):
            copies |= training
    return copies


def read_splits(folder: Path) -> dict[str, str]:
    """Read ``splits.json`` of a training set.

    Raises:
        DatasetError: The file is missing or damaged, a name is unsafe as that of a file, or a split
            is none of :data:`SPLITS`.
    """
    try:
        assigned = read_json_object(folder / "splits.json")
    except DatasetError as error:
        raise DatasetError(f"{folder} has no readable splits.json: {error}") from error

    # Both become names of files.
    for name, split in assigned.items():
        try:
            check_name(name)
        except ValueError as error:
            raise DatasetError(f"{folder / 'splits.json'} is damaged: {error}") from error
        if split not in SPLITS:
            raise DatasetError(
                f"{folder / 'splits.json'} is damaged: {name} is in none of {', '.join(SPLITS)}"
            )

    return assigned
