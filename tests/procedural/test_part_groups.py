"""Every part that a generator makes is in a group."""

import pytest
from maquette.core.procedural import FAMILIES, make_object
from maquette.core.procedural.part_groups import GROUP_NAMES, GROUPS, part_group

SEEDS = range(3)


def test_every_label_of_every_family_has_a_group():
    without = {
        (family, part.label)
        for family in FAMILIES
        for seed in SEEDS
        for part in make_object(family, seed).parts
        if part_group(part.label, family) not in GROUP_NAMES
    }
    assert not without


def test_groups_are_few_and_keep_their_numbers():
    assert len(GROUP_NAMES) == 44 and len(GROUPS) == 230
    assert [GROUP_NAMES.index(name) for name in ("seat", "leg", "handle", "wheel")] == [0, 2, 9, 29]
    assert GROUP_NAMES[-1] == "piece"


@pytest.mark.parametrize(
    ("family", "label", "group"),
    [
        ("chair", "arm", "arm"),
        ("figure", "arm", "limb"),
        ("table", "leg", "leg"),
        ("animal", "leg", "limb"),
        ("sword", "grip", "handle"),
        ("car", "tyre", "wheel"),
        ("chair", "no such label", None),
    ],
)
def test_a_group_is_what_the_part_is(family, label, group):
    assert part_group(label, family) == group
