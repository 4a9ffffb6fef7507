"""Normalized frames of objects and views."""

import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.dataset.frames import object_frame, view_frame


def apply(frame, points):
    return points @ frame[:3, :3].T + frame[:3, 3]


def test_an_object_is_centered_with_its_longest_side_one():
    bounds = np.array(((1.0, -2, 3), (3, 2, 4)))
    low, high = apply(object_frame(bounds), bounds)
    np.testing.assert_allclose(high - low, (0.5, 1, 0.25))
    np.testing.assert_allclose(low + high, 0, atol=1e-12)


@pytest.mark.parametrize("eye", [(0, -3, 0), (2, -2, 1)])
def test_a_view_has_its_visible_box_in_the_middle_with_its_longest_side_one(eye):
    """Corners of the box at the object's center depth are where the frame puts them; up is up."""
    camera = perspective_camera(look_at(np.array(eye, float), np.zeros(3)), 0.5, 64)
    rows, columns = np.array((20, 43)), np.array((24, 39))  # 24 x 16 pixels
    frame = view_frame(camera, rows, columns, np.zeros(3))
    depth = np.full(2, np.linalg.norm(eye))
    corners = camera.unproject(np.array(((24.0, 44), (40, 20))), depth)
    low, high = apply(frame, corners)
    np.testing.assert_allclose(low, (-1 / 3, 0, -0.5), atol=1e-9)
    np.testing.assert_allclose(high, (1 / 3, 0, 0.5), atol=1e-9)
    up = apply(frame, np.array(((0, 0, 0), (0, 0, 1.0))))
    assert up[1, 2] > up[0, 2]
