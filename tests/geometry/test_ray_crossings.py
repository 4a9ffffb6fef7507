import numpy as np
from maquette.core.geometry.ray_crossings import count_ray_crossings, expand, split_by_work

from .test_winding_number import ball, joined

DIRECTION = np.array((0.53, 0.31, 0.79)) / np.linalg.norm((0.53, 0.31, 0.79))


def test_crossings_of_two_balls_around_each_other():
    """From between them the ray ahead leaves the outer ball, and that behind crosses both."""
    vertices, faces = joined(ball(0.4), ball(0.2))
    points = np.array((0.3 * DIRECTION, 0.01 * DIRECTION, -0.5 * DIRECTION, (0.0, 0.9, 0.0)))
    crossings = count_ray_crossings(vertices, faces, points, DIRECTION)
    assert crossings.ahead.tolist() == [1, 2, 4, 0]
    assert crossings.behind.tolist() == [3, 2, 0, 0]
    assert crossings.signed_ahead.tolist() == [1, 2, 0, 0]
    assert crossings.signed_behind.tolist() == [1, 2, 0, 0]


def test_flipped_faces_change_the_sign_only():
    vertices, faces = ball()
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 3))
    crossings = count_ray_crossings(vertices, faces, points, DIRECTION)
    flipped = count_ray_crossings(vertices, faces[:, ::-1], points, DIRECTION)
    np.testing.assert_array_equal(flipped.ahead, crossings.ahead)
    np.testing.assert_array_equal(flipped.signed_ahead, -crossings.signed_ahead)
    assert set(crossings.signed_ahead.tolist()) == {0, 1}


def test_items_of_groups_are_numbered():
    group, rank = expand(np.array((2, 0, 3)))
    assert group.tolist() == [0, 0, 2, 2, 2] and rank.tolist() == [0, 1, 0, 1, 2]


def test_work_is_split_in_order():
    work = np.random.default_rng(0).integers(0, 9, 200)
    parts = split_by_work(work, 50)
    assert np.concatenate(parts).tolist() == list(range(200))
    assert max(work[part].sum() for part in parts) < 50 + 9
