import re
import zlib
from pathlib import Path

import maquette.core.procedural as procedural
import numpy as np
import pytest
from maquette.core.procedural import FAMILIES, addresses, make_from_draws, make_object
from maquette.core.procedural.recording import Draw, RecordingGenerator, run

_NEW_FAMILIES = (
    "anvil",
    "axe",
    "barrel",
    "bow",
    "bridge",
    "cannon",
    "column",
    "cooking_pot",
    "crate",
    "dumbbell",
    "fish",
    "gateway",
    "gun",
    "jar",
    "lantern",
    "mailbox",
    "pumpkin",
    "shield",
    "street_lamp",
    "sword",
    "tent",
    "traffic_cone",
    "treasure_chest",
    "well",
    "wheelbarrow",
)
_LOOKS = (".paint", ".wood", ".metal", ".dark", ".white", ".any_look")


def _plain(family, seed):
    return np.random.default_rng((seed, zlib.crc32(family.encode())))


def _same_meshes(first, second):
    return len(first.parts) == len(second.parts) and all(
        np.array_equal(a.mesh.vertices, b.mesh.vertices) and a.color == b.color
        for a, b in zip(first.parts, second.parts, strict=True)
    )


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_recording_changes_no_object(family):
    for seed in range(3):
        generator = RecordingGenerator(_plain(family, seed).bit_generator)
        recorded = run(FAMILIES[family], generator)
        plain = FAMILIES[family](_plain(family, seed))
        for a, b in zip(recorded, plain, strict=True):
            np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)
            np.testing.assert_array_equal(a.mesh.faces, b.mesh.faces)
            assert a == type(a)(b.label, a.mesh, b.color, b.roughness, b.metallic)

        names = [draw.address for draw in generator.draws]
        assert len(set(names)) == len(names) > 0
        for draw in generator.draws:
            assert draw.kind == "normal" or draw.low <= draw.value <= draw.high


def test_no_family_draws_by_a_method_that_is_not_recorded():
    recorded = set(vars(RecordingGenerator))
    for path in Path(procedural.__file__).parent.glob("*.py"):
        assert set(re.findall(r"\brng\.(\w+)", path.read_text(encoding="utf-8"))) <= recorded, path


def test_a_generator_of_its_own_draws_what_a_plain_one_draws():
    recorded = RecordingGenerator(_plain("any", 1).bit_generator)
    plain = _plain("any", 1)
    for rng, values in ((recorded, ours := []), (plain, theirs := [])):
        values.append(rng.uniform(2, 3))
        values.append(rng.choice((4, 5.5, 6)))
        values.append(rng.choice(5, p=(0.5, 0.2, 0.1, 0.1, 0.1)))
        values += rng.choice((10, 20, 30, 40), 3, replace=False).tolist()
        values.append(rng.integers(7))
        values.append(rng.integers(2, 4, endpoint=True))
        values += rng.normal(0, 2, (2, 3)).ravel().tolist()
        values.append(rng.random())
    assert ours == theirs
    assert [type(value) for value in ours] == [type(value) for value in theirs]


def test_an_address_names_what_the_value_is_for():
    draws = {draw.address: draw for draw in make_object("chair", 3).draws}
    assert draws["width"].kind == "uniform"
    assert (draws["width"].low, draws["width"].high) == (0.38, 0.6)
    assert draws["make_legs.kind"] == Draw(
        "make_legs.kind", "integers", 0, 5, draws["make_legs.kind"].value
    )
    assert "cushion.any_material.choice" in draws
    rows = [draw.address for draw in make_object("lamp", 0).draws]
    assert {"height", "foot"} <= set(rows)


def test_choices_are_recorded_as_the_index_of_an_option():
    draws = [draw for seed in range(20) for draw in make_object("board", seed).draws]
    powers = [draw for draw in draws if draw.address == "power"]
    assert {draw.options for draw in powers} == {(2, 4, 8, 20)}
    assert {draw.value for draw in powers} == {0, 1, 2, 3}


def test_surface_noise_is_left_out_but_kept_in_replay():
    rock = make_object("blob", 2)
    assert not any(".direction" in draw.address for draw in rock.draws)
    assert _same_meshes(rock, make_from_draws("blob", 2, {}))


@pytest.mark.parametrize("family", ["chair", "zeroverse", "cage", "book", "plant", "gun"])
def test_replay_of_all_draws_gives_the_object(family):
    for seed in range(3):
        thing = make_object(family, seed)
        overrides = {draw.address: draw.value for draw in thing.draws}
        assert _same_meshes(thing, make_from_draws(family, seed, {}))
        replayed = make_from_draws(family, seed, overrides)
        assert _same_meshes(thing, replayed)
        assert replayed.draws == thing.draws


def test_an_override_changes_its_draw_alone():
    before = make_object("chair", 3)
    after = make_from_draws("chair", 3, {"width": 0.6})
    changed = [
        (a.address, b.value)
        for a, b in zip(before.draws, after.draws, strict=True)
        if a.value != b.value
    ]
    assert changed == [("width", 0.6)]
    assert not _same_meshes(before, after)


def test_other_draws_stay_where_an_override_changes_their_number():
    before = {draw.address: draw.value for draw in make_object("barrel", 1).draws}
    count = next(name for name in before if name == "hoop_count")
    other = 2 if before[count] != 2 else 5
    thing = make_from_draws("barrel", 1, {count: other})
    after = {draw.address: draw.value for draw in thing.draws}
    assert {name for name in before if after.get(name) != before[name]} == {count}
    assert sum(part.label == "hoop" for part in thing.parts) == other


def test_overrides_are_clipped_and_unknown_addresses_have_no_effect():
    thing = make_from_draws("chair", 3, {"width": 99, "make_legs.kind": -4, "no.such": 1})
    values = {draw.address: draw.value for draw in thing.draws}
    assert values["width"] == 0.6
    assert values["make_legs.kind"] == 0
    assert "no.such" not in values


def test_addresses_are_frozen():
    table = addresses.read_table()
    assert set(table) == set(FAMILIES)
    assert addresses.PATH.stat().st_size < 300_000


@pytest.mark.parametrize("family", ["barrel", "bench", "bicycle", "fish", "house", "key", "mug"])
def test_draws_are_those_of_the_frozen_table(family):
    assert addresses.sites_of(family) == addresses.read_table()[family]


@pytest.mark.parametrize("family", _NEW_FAMILIES)
def test_a_family_has_ten_continuous_and_several_discrete_parameters(family):
    sites = addresses.read_table()[family]
    shape = {
        site: entry for site, entry in sites.items() if not any(look in site for look in _LOOKS)
    }
    discrete = [site for site, entry in shape.items() if entry[0] in ("integers", "choice")]
    chances = [site for site, entry in shape.items() if entry[0] == "random"]
    assert len(shape) - len(discrete) - len(chances) >= 10
    assert len(discrete) + len(chances) >= 3
    assert discrete
