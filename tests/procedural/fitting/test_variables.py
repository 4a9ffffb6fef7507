import numpy as np
import pytest
from maquette.core.procedural import make_object
from maquette.core.procedural.fitting.candidates import Genome
from maquette.core.procedural.fitting.draw_space import axes_of
from maquette.core.procedural.fitting.poses import Pose
from maquette.core.procedural.fitting.variables import DrawVariable, pose_variables

GENOME = Genome("chair", 3, {}, 0.0)


def variables():
    return [DrawVariable(axis) for axis in axes_of(make_object("chair", 3))]


def test_each_draw_is_its_place_in_its_range():
    for variable in variables():
        axis = variable.axis
        assert variable.set_in(GENOME, variable.start).values[axis.address] == pytest.approx(
            axis.value
        )
        assert variable.set_in(GENOME, -1.0).values[axis.address] == axis.low
        assert variable.set_in(GENOME, 2.0).values[axis.address] == axis.high


def test_colors_are_no_variables():
    assert not [v.axis.address for v in variables() if "_material" in v.axis.address]


def test_other_options_are_near_or_few():
    for variable in variables():
        others = variable.axis.alternatives()
        assert variable.axis.value not in others
        assert all(variable.axis.low <= value <= variable.axis.high for value in others)
        assert bool(others) == variable.axis.is_stepped


def test_each_number_of_the_pose_changes_alone():
    names = []
    for variable in pose_variables():
        shift = variable.set_in(GENOME, 0.5).shift
        numbers = (shift.yaw, *shift.scale, *shift.offset, *shift.lean)
        changed = [number for number in numbers if number]
        assert changed == [pytest.approx(variable.reach / 2)]
        names.append(np.flatnonzero(numbers)[0])
    assert sorted(names) == list(range(9))


def test_an_object_leans_about_the_axes_of_the_target():
    up = np.array(((0.0, 0.0, 1.0),))
    still = np.zeros(3)
    about_x = Pose(0.7, np.ones(3), still, (0.3, 0.0)).apply(up)[0]
    np.testing.assert_allclose(about_x, (0, -np.sin(0.3), np.cos(0.3)), atol=1e-12)
    about_y = Pose(0.7, np.ones(3), still, (0.0, 0.3)).apply(up)[0]
    np.testing.assert_allclose(about_y, (np.sin(0.3), 0, np.cos(0.3)), atol=1e-12)
