from dataclasses import replace

import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense.hull import build_hull, mask_distance


def test_distance_to_an_outline_is_exact():
    mask = np.zeros((20, 24), bool)
    mask[5:15, 6:18] = True
    distance = mask_distance(mask).numpy()
    assert distance[5, 10] == pytest.approx(0.5)
    assert distance[9, 8] == pytest.approx(2.5)
    assert distance[4, 10] == pytest.approx(-0.5)
    assert distance[3, 4] == pytest.approx(0.5 - np.hypot(2, 2))
    assert distance[0, 23] == pytest.approx(0.5 - np.hypot(5, 6))


def test_the_hull_holds_the_ball_and_stands_on_the_floor(ball, views):
    hull = run_to_end(build_hull(views, 40, floor=True))
    points = hull.points(np.arange(hull.values.size))
    distance = np.linalg.norm(points - ball.CENTER, axis=1).reshape(hull.values.shape)
    inside = hull.values > 0
    assert inside[distance < ball.RADIUS - 1.5 * hull.spacing].all()
    assert not inside[distance > 1.25 * ball.RADIUS].any()
    assert points.reshape(*hull.values.shape, 3)[inside][:, 2].min() > 0
    volume = inside.sum() * hull.spacing**3
    assert volume == pytest.approx(4 / 3 * np.pi * ball.RADIUS**3, rel=0.12)


def test_what_most_photographs_do_not_show_is_outside(ball, views):
    # Images that end at the middle of the ball know nothing of its other half.
    cropped = []
    for view in views:
        camera = view.camera.cropped(0, 0, 32, 64)
        cropped.append(type(view)(view.color[:, :32], view.mask[:, :32], camera))
    hull = run_to_end(build_hull(cropped, 32, floor=True))
    upper = hull.origin + np.array(hull.values.shape) * hull.spacing
    assert (np.abs(upper[:2]) < 0.8).all() and (np.abs(hull.origin[:2]) < 0.8).all()


def test_masks_without_anything_in_common_are_refused(ball, views):
    shifted = []
    for index, view in enumerate(views):
        mask = np.zeros_like(view.mask)
        column = 0 if index % 2 else 58
        mask[:6, column : column + 6] = 1
        shifted.append(type(view)(view.color, mask, view.camera))
    with pytest.raises(ImageError, match="nothing in common"):
        run_to_end(build_hull(shifted, 32, floor=True))


def one_side_view_cut(ball, cut_sides):
    """The hull of two views from nearly the same side, and one from the right."""
    cameras = ball.make_cameras(24, 64, elevation=0.0)
    views = ball.make_views([cameras[0], cameras[1], cameras[6]])
    views[2] = replace(views[2], cut_sides=cut_sides)
    hull = run_to_end(build_hull(views, 40, floor=True))
    points = hull.points(np.flatnonzero(hull.values > 0))
    return np.linalg.norm(points - ball.CENTER, axis=1).max()


def test_beyond_a_photograph_is_background_unless_it_cuts_the_object(ball):
    whole = one_side_view_cut(ball, (False, False, False, False))
    cut = one_side_view_cut(ball, (True, False, True, False))
    assert cut > 1.3 * whole, (whole, cut)
