import itertools

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.dataset.splits import HELD_OUT_FAMILIES, assign, check_no_leak, groups
from maquette.core.dataset.truth import fingerprint
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


def test_a_shape_is_known_again_turned_scaled_mirrored_and_moved():
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(60, 3)) * (1, 0.98, 0.7)
    faces = rng.integers(0, 60, (90, 3)).astype(np.int32)

    def of(axes, signs, scale, move):
        return fingerprint(MeshArrays((vertices[:, axes] * signs * scale + move).astype(np.float32), faces))

    copies = {
        f"{''.join(map(str, axes))}_{signs}": of(list(axes), signs, rng.uniform(0.01, 30), rng.normal(size=3))
        for axes in itertools.permutations(range(3))
        for signs in itertools.product((-1, 1), repeat=3)
    }
    others = {f"other_{i}": fingerprint(MeshArrays(np.float32(rng.normal(size=(60, 3))), faces)) for i in range(20)}
    found = groups({**copies, **others})
    assert sorted(map(len, found)) == [1] * 20 + [48]
    leaking = {name: "test" if i == 7 else "train" for i, name in enumerate(copies)}
    with pytest.raises(DatasetError, match="are one shape"):
        check_no_leak(leaking, copies)
