import numpy as np
import pytest
from maquette.core.cameras import SIDES
from maquette.core.library.views import turn_to_front, view_cameras, view_directions


@pytest.fixture
def vertices():
    """The corners of a box that is neither at the origin nor a cube."""
    corners = np.indices((2, 2, 2)).reshape(3, -1).T
    return corners * (1.0, 2.0, 0.5) + (5.0, -3.0, 1.0)


def test_the_cameras_look_along_the_directions(vertices):
    cameras = view_cameras(vertices, 64)
    directions = view_directions()
    assert len(cameras) == len(directions) == 12
    for camera, direction in zip(cameras, directions, strict=True):
        np.testing.assert_allclose(camera.to_world[:3, 2], direction, atol=1e-6)


def test_the_first_six_are_the_sides():
    for direction, (side, _) in zip(view_directions(), SIDES.values(), strict=False):
        np.testing.assert_array_equal(direction, side)


def test_each_view_shows_all_of_the_asset_as_large_as_it_fits(vertices):
    for camera in view_cameras(vertices, 64):
        pixels, depth = camera.project(vertices)
        assert depth.min() > 0
        assert pixels.min() >= 0 and pixels.max() <= 64
        assert np.ptp(pixels, axis=0).max() > 0.2 * 64
    around = [camera.project(vertices)[0] for camera in view_cameras(vertices, 64)[6:]]
    assert all(0.89 < np.ptp(pixels, axis=0).max() / 64 < 0.91 for pixels in around)


@pytest.mark.parametrize("row", range(12))
def test_a_turned_asset_looks_from_the_front_as_from_the_direction(row):
    direction = view_directions()[row]
    angle = turn_to_front(direction)
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = np.array(((cosine, -sine), (sine, cosine))) @ direction[:2]
    expected = (0.0, -np.hypot(*direction[:2]))
    np.testing.assert_allclose(turned, expected, atol=1e-6)


def test_from_above_nothing_turns():
    assert turn_to_front(np.array((0.0, 0.0, 1.0))) == 0.0
