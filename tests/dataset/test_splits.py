import pytest
from maquette.core.dataset.splits import HELD_OUT_FAMILIES, assign, check_no_leak, groups
from maquette.core.errors import DatasetError

THINGS = {f"thing_{i:03d}": (i * 0.013, 0.5, 1 - i * 0.002) for i in range(400)}
FAMILIES = dict.fromkeys(THINGS, "chair")


def test_shares_and_stability():
    first = assign(THINGS, FAMILIES)
    count = {split: list(first.values()).count(split) for split in ("train", "validation", "test")}
    assert 290 < count["train"] < 350 and 20 < count["validation"] < 65 and 20 < count["test"] < 65
    more = {**THINGS, "another": (9.0, 9.0, 9.0)}
    assert assign(more, {**FAMILIES, "another": "mug"}).items() >= first.items()


def test_copies_stay_together():
    copies = {f"copy_of_{name}": (a + 0.004, b - 0.004, c) for name, (a, b, c) in THINGS.items()}
    both = {**THINGS, **copies}
    split = assign(both, dict.fromkeys(both, "chair"))
    assert all(split[name] == split[f"copy_of_{name}"] for name in THINGS)
    check_no_leak(split, both)


def test_near_chains_are_one_group():
    assert groups({"a": (0.0,), "b": (0.009,), "c": (0.018,), "d": (0.1,)}) == [["a", "b", "c"], ["d"]]


def test_held_out_families_are_never_trained_on():
    split = assign(THINGS, dict.fromkeys(THINGS, sorted(HELD_OUT_FAMILIES)[0]))
    assert set(split.values()) == {"test"}


def test_a_leak_is_refused_by_name():
    with pytest.raises(DatasetError, match=r"chair_a .*chair_b"):
        check_no_leak({"chair_a": "train", "chair_b": "test"}, {"chair_a": (0.5, 0.5), "chair_b": (0.502, 0.5)})
