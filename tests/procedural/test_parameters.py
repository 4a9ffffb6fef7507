import pytest
from maquette.core.procedural import make_object
from maquette.core.procedural.parameters import (
    MOST_SHOWN,
    group_parameters,
    list_parameters,
    readable_label,
    split_parameters,
)


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("width", "Width"),
        ("legs.thick", "Legs Thick"),
        ("make_legs.thick", "Legs Thick"),
        ("hoop_look2", "Hoop Look 2"),
        ("slat#2", "Slat #3"),
        ("size[1]", "Size (2)"),
        ("make_back_rest.uniform2", "Back Rest Amount 2"),
        ("random", "Chance"),
        ("cushion.any_material.choice", "Cushion Material"),
        ("cushion.any_material.metal_material.hue", "Cushion Metal Hue"),
    ],
)
def test_an_address_becomes_words(address, label):
    assert readable_label(address) == label


def test_a_choice_of_material_has_names():
    parameters = {each.address: each for each in list_parameters(make_object("chair", 3))}
    choice = parameters["cushion.any_material.choice"]
    assert (choice.kind, choice.low, choice.high) == ("choice", 0, 4)
    assert choice.options == ("Paint", "Wood", "Metal", "Dark", "White")
    assert parameters["make_legs.kind"].kind == "whole"
    assert parameters["make_legs.kind"].group == "Legs"


def test_the_shape_comes_first_and_nothing_is_left_out():
    obj = make_object("figure", 1)
    parameters = list_parameters(obj)
    shown, others = split_parameters(parameters)
    assert len(parameters) > len(shown) == MOST_SHOWN
    assert sorted(each.address for each in shown + others) == sorted(
        each.address for each in parameters
    )
    assert not any(each.is_material for each in shown)
    assert next(each.group for each in shown if each.is_named) == ""
    assert sum(map(len, group_parameters(shown).values())) == len(shown)


def test_draws_without_a_range_are_no_parameters():
    obj = make_object("barrel", 1)
    addresses = {each.address for each in list_parameters(obj)}
    assert addresses == {draw.address for draw in obj.draws if draw.low < draw.high}
