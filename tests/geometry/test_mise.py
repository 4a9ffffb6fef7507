import numpy as np
import pytest
from maquette.core.geometry.mise import evaluate_multiresolution
from maquette.core.jobs.task import run_to_end


class Counted:
    """A field that counts the evaluated points, and checks that they are not too many at once."""

    def __init__(self, field):
        self.field, self.points = field, 0

    def __call__(self, points):
        assert points.dtype == np.float32 and len(points) <= 16384
        self.points += len(points)
        return self.field(*points.T.astype(float)).astype(np.float32)


def dense(field, resolution, bound):
    line = np.linspace(-bound, bound, resolution + 1)
    return field(*np.meshgrid(line, line, line, indexing="ij"))


FIELDS = {
    "ball": lambda x, y, z: 100 * (0.4 - np.sqrt(x * x + y * y + z * z)),
    "torus": lambda x, y, z: 100 * (0.1 - np.hypot(np.hypot(x, y) - 0.35, z)),
    "rod": lambda x, y, z: (
        100 * (0.008 - np.maximum(np.hypot(x - 0.11, y - 0.07), np.abs(z) - 0.4))
    ),
    "table": lambda x, y, z: (
        100
        * np.maximum(
            np.minimum(0.02 - np.abs(z - 0.3), 0.4 - np.maximum(np.abs(x), np.abs(y))),
            np.minimum(
                0.006 - np.maximum(np.abs(np.abs(x) - 0.35), np.abs(np.abs(y) - 0.35)),
                0.3 - np.abs(z),
            ),
        )
    ),
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("resolution", [64, 96, 128])
def test_equals_the_dense_field(name, resolution):
    found = run_to_end(evaluate_multiresolution(Counted(FIELDS[name]), resolution, 0.55))
    assert found.shape == (resolution + 1,) * 3
    true = dense(FIELDS[name], resolution, 0.55)
    np.testing.assert_array_equal(found > 0, true > 0)
    near = np.abs(true) < 100 * 0.55 / resolution
    np.testing.assert_allclose(found[near], true[near], atol=1e-3)


@pytest.mark.parametrize("resolution", [64, 128, 256])
def test_what_no_coarse_grid_shows_is_found_about_seeds(resolution):
    """A rod whose ends touch nothing, in a field that falls off at once."""

    def rod(x, y, z):
        return np.where((np.hypot(x - 0.12, y - 0.085) < 0.01) & (np.abs(z) < 0.3), 5.0, -5.0)

    inside = dense(rod, resolution, 0.55) > 0
    heights = np.arange(-0.29, 0.3, 0.017)
    seeds = np.stack((np.full(len(heights), 0.127), np.full(len(heights), 0.079), heights), axis=1)
    alone, field = (
        run_to_end(evaluate_multiresolution(Counted(rod), resolution, 0.55)),
        Counted(rod),
    )
    found = run_to_end(evaluate_multiresolution(field, resolution, 0.55, seeds=seeds, reach=0.0086))
    np.testing.assert_array_equal(found > 0, inside)
    assert inside.any() and not (alone > 0).any()


def test_cost_grows_like_the_surface():
    counts = []
    for resolution in (128, 256):
        field = Counted(FIELDS["ball"])
        run_to_end(evaluate_multiresolution(field, resolution, 0.55))
        counts.append(field.points)
    assert counts[1] < 5 * counts[0]
    assert counts[0] < 0.2 * 129**3


def test_odd_resolutions_are_dense():
    field = Counted(FIELDS["ball"])
    run_to_end(evaluate_multiresolution(field, 33, 0.55))
    assert field.points == 34**3


def test_closing_it_stops_the_evaluation():
    field = Counted(FIELDS["ball"])
    work = evaluate_multiresolution(field, 64, 0.55)
    next(work)
    next(work)
    work.close()
    assert field.points == 16384
