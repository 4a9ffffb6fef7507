"""Train, validation and test: by object, with copies of one shape kept together, and a check that nothing leaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError

SPLITS = ("train", "validation", "test")
# Families of our own generators that no training ever sees, for the test of what was not learned by heart.
HELD_OUT_FAMILIES = frozenset({"hat", "teapot", "rocket"})
_SAME = 0.001
_OLDER = 10  # numbers of the fingerprints of older sets, which change when an object is turned


def assign_splits(
    fingerprints: Mapping[str, Sequence[float]], families: Mapping[str, str]
) -> dict[str, str]:
    """Split of each object: 80 % train, 10 % validation, 10 % test, by a hash of its group's name.

    A group is what :func:`group_duplicates` finds to be one shape; its name is the smallest of its objects' names.
    """
    result = {}
    for group in group_duplicates(fingerprints):
        share = int.from_bytes(hash_key(min(group))[:4], "big") / 2**32
        split = "train" if share < 0.8 else "validation" if share < 0.9 else "test"
        if any(families[name] in HELD_OUT_FAMILIES for name in group):
            split = "test"
        result.update(dict.fromkeys(group, split))
    return result


def hash_key(name: str) -> bytes:
    """A key to sort names by: an order as by chance, but always the same."""
    return hashlib.sha256(name.encode()).digest()


def group_duplicates(fingerprints: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Objects whose fingerprints (see ``fingerprint``) differ by at most a thousandth in every number, together.

    So one may be the other at another place, scale or turn, mirrored, or of other triangles. A set that was begun
    with older fingerprints and gone on with has two kinds, which cannot be compared with each other.
    """
    kinds: dict[int, list[str]] = {}
    for name in sorted(fingerprints):
        kinds.setdefault(len(fingerprints[name]), []).append(name)
    return sorted(
        group for names in kinds.values() for group in _similar_groups(names, fingerprints)
    )


def _similar_groups(
    names: Sequence[str], fingerprints: Mapping[str, Sequence[float]]
) -> list[list[str]]:
    """Groups of ``names``, whose fingerprints have as many numbers."""
    table = _axis_sorted(np.array([fingerprints[name] for name in names]).reshape(len(names), -1))
    order = np.argsort(table[:, 0], kind="stable")
    leader = list(range(len(names)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        return i

    first = table[order, 0]
    for rank, i in enumerate(order):
        others = order[rank + 1 : np.searchsorted(first, first[rank] + _SAME, side="right")]
        for j in others[(np.abs(table[others] - table[i]) <= _SAME).all(1)]:
            leader[find(int(i))] = find(int(j))
    together: dict[int, list[str]] = {}
    for i, name in enumerate(names):
        together.setdefault(find(i), []).append(name)
    return list(together.values())


def _axis_sorted(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of older sets (N, 10) as they are whichever way the axes of an object lie: what is along the axes, sorted.

    These were compared to a hundredth.
    """
    if table.shape[1] != _OLDER:
        return table
    sides, area, middle, spread = np.split(table / 10, (3, 4, 7), axis=1)
    return np.concatenate((np.sort(sides), area, np.sort(np.abs(middle)), np.sort(spread)), axis=1)


def check_no_leak(splits: Mapping[str, str], fingerprints: Mapping[str, Sequence[float]]) -> None:
    """Refuse splits in which one shape, also under another name, is in two of them.

    Raises:
        DatasetError: names the first pair.
    """
    for group in group_duplicates({name: fingerprints[name] for name in splits}):
        for name in group:
            if splits[name] != splits[group[0]]:
                raise DatasetError(
                    f"{group[0]} ({splits[group[0]]}) and {name} ({splits[name]}) are copies of "
                    "one shape in different splits. Assign the splits again"
                )


def duplicates_of_held_out(
    splits: Mapping[str, str], fingerprints: Mapping[str, Sequence[float]]
) -> set[str]:
    """Those of the split "train" that are one shape with one of another split."""
    leaking = (
        group
        for group in group_duplicates(fingerprints)
        if {splits[name] for name in group} > {"train"}
    )
    return {name for group in leaking for name in group if splits[name] == "train"}


def read_splits(folder: Path) -> dict[str, str]:
    """``splits.json`` of a training set.

    Raises:
        DatasetError: it is missing or damaged.
    """
    try:
        return json.loads((folder / "splits.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder} has no readable splits.json: {error}") from error
