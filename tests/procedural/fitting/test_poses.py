import numpy as np
import pytest
from maquette.core.procedural.fitting.poses import fill_bounds, stretch, turned_bounds


@pytest.mark.parametrize("yaw", [0.0, np.pi / 2, 0.7])
def test_an_object_fills_the_box_of_the_target_at_any_turn(yaw):
    rng = np.random.default_rng(0)
    target = rng.normal(size=(50, 3)) * (1.0, 2.0, 0.5) + (3.0, -1.0, 0.0)
    points = rng.normal(size=(40, 3)) + (5.0, 5.0, 5.0)
    wanted = turned_bounds(target, yaw)
    pose = fill_bounds(np.stack((points.min(0), points.max(0))), wanted, yaw)
    np.testing.assert_allclose(turned_bounds(pose.apply(points), yaw), wanted, atol=1e-9)


def test_stretch_of_an_even_scale_is_nothing():
    assert stretch(np.array((2.0, 2.0, 2.0))) == 0
    assert stretch(np.array((1.0, 2.0, 1.5))) == pytest.approx(np.log(2))
