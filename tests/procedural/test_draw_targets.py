import pytest
from maquette.core.procedural import FAMILIES, make_object
from maquette.core.procedural.draw_targets import BINS, MOST_TARGETS, draw_targets


def test_targets_are_draws_of_the_shape_with_a_range():
    targets = draw_targets()
    assert set(targets) < set(FAMILIES)
    assert "zeroverse" not in targets, "a random composition has too many draws"
    for family_targets in targets.values():
        assert len(family_targets) <= MOST_TARGETS
        for target in family_targets:
            assert "_material." not in target.address
            assert target.low < target.high and 2 <= target.count <= BINS
    addresses = [target.address for target in targets["barrel"]]
    assert "radius" in addresses and "look.wood_material.hue" not in addresses


@pytest.mark.parametrize("family", ["barrel", "chair", "mug", "sofa"])
def test_each_target_takes_the_values_that_objects_draw(family):
    targets = {target.address: target for target in draw_targets()[family]}
    drawn = [draw for draw in make_object(family, 3).draws if draw.address in targets]
    assert drawn
    for draw in drawn:
        target = targets[draw.address]
        back = target.value_of(target.class_of(draw.value))
        tolerance = 0 if target.is_category else (target.high - target.low) / target.count
        assert abs(back - draw.value) <= tolerance


def test_values_outside_the_range_are_clipped_to_its_ends():
    target = next(each for each in draw_targets()["barrel"] if each.address == "radius")
    assert target.class_of(target.low - 1) == 0
    assert target.class_of(target.high + 1) == target.count - 1
    assert target.value_of(0, 0.0) == target.low
    assert target.value_of(target.count - 1, 1.0) == pytest.approx(target.high)
