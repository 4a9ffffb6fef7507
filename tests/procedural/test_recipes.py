import json

import numpy as np
import pytest
from maquette.core.errors import MeshError
from maquette.core.procedural import edit_object, make_from_draws, make_object
from maquette.core.procedural.recipes import Recipe, make, parse_recipe, reset_value, set_value


def _extent(obj):
    vertices = np.concatenate([part.mesh.vertices for part in obj.parts])
    return vertices.min(0), vertices.max(0)


def _vertices(obj):
    return np.concatenate([part.mesh.vertices for part in obj.parts]).tobytes()


def test_a_wider_table_is_wider_and_nothing_else():
    low, high = _extent(edit_object("table", 3, {"width": 1.0}))
    wide_low, wide_high = _extent(edit_object("table", 3, {"width": 2.0}))
    assert (wide_high - wide_low)[0] == pytest.approx(2 * (high - low)[0], rel=1e-5)
    np.testing.assert_allclose((wide_high - wide_low)[1:], (high - low)[1:], rtol=1e-5)
    assert wide_low[2] == pytest.approx(low[2], abs=1e-6)
    np.testing.assert_allclose((wide_low + wide_high)[:2], 0, atol=1e-6)

    # Made to one size instead, the wider table is also lower.
    low, high = _extent(make_from_draws("table", 3, {"width": 2.0}))
    assert (high - low).max() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("family", ["chair", "plant", "gun"])
def test_without_changes_it_is_the_object_of_the_seed_to_the_bit(family):
    assert _vertices(edit_object(family, 5, {})) == _vertices(make_object(family, 5))
    assert _vertices(edit_object(family, 5, {"no.such": 1.0})) == _vertices(make_object(family, 5))


def test_the_same_recipe_gives_the_same_mesh_to_the_bit():
    recipe = set_value(Recipe("chair", 3), "width", 0.123456789 + 0.3)
    again = parse_recipe(recipe.to_json())
    assert again == recipe
    assert _vertices(edit_object("chair", 3, again.values)) == _vertices(make(recipe))


def test_the_form_of_the_text_is_as_documented():
    recipe = Recipe("table", 3, 2.0, "OBJECTS", {"width": 1.4})
    assert json.loads(recipe.to_json()) == {
        "family": "table",
        "seed": 3,
        "size": 2.0,
        "parts": "OBJECTS",
        "values": {"width": 1.4},
    }
    assert parse_recipe('{"family": "table", "seed": 3}') == Recipe("table", 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"family": "chair"}',
        '{"family": "nosuch", "seed": 1}',
        '{"family": "chair", "seed": -1}',
        '{"family": "chair", "seed": 1, "parts": "SOME"}',
        '{"family": "chair", "seed": 1, "values": {"width": "wide"}}',
        '{"family": "chair", "seed": 1, "values": {"width": NaN}}',
        '{"family": "chair", "seed": 1, "size": Infinity}',
    ],
)
def test_damaged_texts_are_refused(text):
    with pytest.raises(MeshError, match="recipe"):
        parse_recipe(text)


def test_values_are_limited_to_their_range():
    recipe = Recipe("chair", 3)
    assert set_value(recipe, "width", 99).values == {"width": 0.6}
    assert set_value(recipe, "make_legs.kind", 2.4).values == {"make_legs.kind": 2}
    assert set_value(recipe, "seed", -3).seed == 0
    with pytest.raises(MeshError, match="not a number"):
        set_value(recipe, "width", float("nan"))


def test_an_unknown_address_names_the_nearest_ones():
    with pytest.raises(MeshError, match=r"make_legs\.thik.*make_legs\.thick"):
        set_value(Recipe("table", 3), "make_legs.thik", 0.1)
    with pytest.raises(MeshError, match="width"):
        reset_value(Recipe("table", 3), "widht")


def test_values_of_another_branch_are_kept_and_come_back():
    recipe = Recipe("chair", 3)
    back = "make_back_rest.count2"
    assert back in {draw.address for draw in make(recipe).draws}
    recipe = set_value(recipe, back, 4)
    other = set_value(recipe, "make_back_rest.kind", 4)
    assert back not in {draw.address for draw in make(other).draws}
    assert other.values[back] == 4

    # It can also be set and reset while it has no effect.
    assert set_value(other, back, 3).values[back] == 3
    assert back not in reset_value(other, back).values
    again = reset_value(other, "make_back_rest.kind")
    assert {draw.address: draw.value for draw in make(again).draws}[back] == 4
