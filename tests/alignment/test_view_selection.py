"""Which views are looked at."""

import numpy as np
import pytest
from maquette.core.alignment.view_selection import most_different_views
from maquette.core.cameras import look_at, perspective_camera, side_camera

SIX = ("front", "right", "back", "top", "left", "bottom")


def sides(*names):
    return [side_camera(name, 1.1, 64) for name in names]


def turntable(count):
    cameras = []
    for angle in np.arange(count) * 2 * np.pi / count:
        eye = 3 * np.array((np.sin(angle), -np.cos(angle), 0))
        cameras.append(perspective_camera(look_at(eye, np.zeros(3)), 0.6, 64))
    return cameras


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_views_are_all_taken(count):
    assert most_different_views(sides(*SIX[:count]), 4) == list(range(count))


def test_three_axes_come_before_the_other_side_of_one():
    assert most_different_views(sides(*SIX), 4) == [0, 1, 2, 3]
    assert most_different_views(sides("front", "back", "left", "right", "top"), 3) == [0, 2, 4]


def test_views_around_an_object_are_a_quarter_turn_apart():
    assert most_different_views(turntable(8), 4) == [0, 2, 4, 6]
    assert most_different_views(turntable(8), 2) == [0, 2]
