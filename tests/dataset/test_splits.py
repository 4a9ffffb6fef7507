import itertools

import numpy as np
import pytest
from maquette.core.dataset.splits import (
    HELD_OUT_FAMILIES,
    assign_splits,
    check_no_leak,
    group_duplicates,
)
from maquette.core.errors import DatasetError

THINGS = {f"thing_{i:03d}": (i * 0.0013, 0.5, 1 - i * 0.0002) for i in range(400)}
FAMILIES = dict.fromkeys(THINGS, "chair")


def test_shares_and_stability():
    first = assign_splits(THINGS, FAMILIES)
    count = {split: list(first.values()).count(split) for split in ("train", "validation", "test")}
    assert 290 < count["train"] < 350 and 20 < count["validation"] < 65 and 20 < count["test"] < 65
    more = {**THINGS, "another": (9.0, 9.0, 9.0)}
    assert assign_splits(more, {**FAMILIES, "another": "mug"}).items() >= first.items()


def test_copies_stay_together():
    copies = {f"copy_of_{name}": (a + 0.0004, b - 0.0004, c) for name, (a, b, c) in THINGS.items()}
    both = {**THINGS, **copies}
    split = assign_splits(both, dict.fromkeys(both, "chair"))
    assert all(split[name] == split[f"copy_of_{name}"] for name in THINGS)
    check_no_leak(split, both)


def test_near_chains_are_one_group():
    assert group_duplicates({"a": (0.0,), "b": (0.0009,), "c": (0.0018,), "d": (0.01,)}) == [
        ["a", "b", "c"],
        ["d"],
    ]


def test_held_out_families_are_never_trained_on():
    split = assign_splits(THINGS, dict.fromkeys(THINGS, sorted(HELD_OUT_FAMILIES)[0]))
    assert set(split.values()) == {"test"}


def test_a_leak_is_refused_by_name():
    with pytest.raises(DatasetError, match=r"chair_a .*chair_b"):
        check_no_leak(
            {"chair_a": "train", "chair_b": "test"},
            {"chair_a": (0.5, 0.5), "chair_b": (0.5002, 0.5)},
        )


def test_fingerprints_of_older_sets_are_the_same_along_other_axes_and_to_a_hundredth():
    sides, middle, spread = (1, 0.98, 0.7), (0.01, -0.03, 0.02), (0.3, 0.25, 0.2)

    def of(axes, signs):
        along = [[values[axis] for axis in axes] for values in (sides, middle, spread)]
        return (*along[0], 0.53, *np.multiply(along[1], signs), *along[2])

    turns = list(
        itertools.product(itertools.permutations(range(3)), itertools.product((-1, 1), repeat=3))
    )
    copies = {f"copy_{i:02d}": of(*turn) for i, turn in enumerate(turns)}
    near = (*np.add(copies["copy_00"], 0.009),)
    other = (*np.add(copies["copy_00"], 0.03),)
    newer = dict.fromkeys(("newer", "newer too"), (0.5,) * 11)
    found = group_duplicates({**copies, "near": near, "other": other, **newer})
    assert found == [[*copies, "near"], ["newer", "newer too"], ["other"]]
