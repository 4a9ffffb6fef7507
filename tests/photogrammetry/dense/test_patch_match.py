import numpy as np
import pytest
import torch
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense.consistency import check_depths, dense_cloud
from maquette.core.photogrammetry.dense.patch_costs import PatchMatcher
from maquette.core.photogrammetry.dense.patch_match import (
    gray_view,
    inverse_depth_range,
    match_patches,
)
from maquette.core.photogrammetry.dense.records import DenseSettings, VoxelGrid

SETTINGS = DenseSettings(levels=2, iterations=(4, 2), sources=3)


@pytest.fixture(scope="module")
def near(ball):
    """Five views of 80 pixels, 15 degrees apart, and a box as the hull."""
    cameras = ball.make_cameras(24, 80)[:5]
    box = VoxelGrid(np.ones((20, 20, 20), np.float32), np.array((-0.6, -0.6, -0.1)), 1.2 / 19)
    return ball.make_views(cameras), box


@pytest.fixture(scope="module")
def measured(near):
    """Depth maps and costs of the five views."""
    views, box = near
    results = []
    for index, view in enumerate(views):
        others = [views[other] for other in range(5) if 0 < abs(other - index) <= 2]
        results.append(match_patches(view, others, box, SETTINGS))
    return [result[0] for result in results], [result[1] for result in results]


def true_normals(ball, camera):
    _, shown, depth = ball.cast(camera)
    rows, columns = np.nonzero(shown)
    points = camera.unproject(np.stack((columns, rows), 1) + 0.5, depth[shown])
    return shown, (points - ball.CENTER) / ball.RADIUS


def test_depth_and_normals_are_right(ball, near, measured):
    views, _ = near
    for index in (1, 2, 3):
        depths = measured[0][index]
        _, shown, depth = ball.cast(views[index].camera)
        error = np.abs(depths.depth - depth)[shown]
        assert np.median(error) < 0.008
        assert (error < 0.02).mean() > 0.85
        _, normals = true_normals(ball, views[index].camera)
        cosine = (depths.normal[shown] * normals).sum(1)
        assert np.median(cosine) > 0.96


def test_the_true_plane_costs_least(ball, near):
    views, _ = near
    matcher = PatchMatcher(gray_view(views[2]), [gray_view(views[1]), gray_view(views[3])])
    _, shown, depth = ball.cast(views[2].camera)
    facing = np.zeros_like(shown)
    facing[32:48, 32:48] = True
    chosen = torch.from_numpy(facing[shown]).nonzero()[:, 0]
    inverse = torch.from_numpy(1 / depth[shown]).float()[chosen]
    flat = torch.zeros_like(inverse)
    costs = []
    for factor in (0.95, 1.0, 1.05):
        planes = torch.stack((inverse * factor, flat, flat))
        costs.append(float(matcher.costs(planes, chosen).mean()))
    assert costs[1] < 0.1
    assert costs[0] > 3 * costs[1] and costs[2] > 3 * costs[1]


def test_rays_are_searched_within_the_hull(near):
    views, box = near
    camera = views[0].camera
    middle = torch.tensor(((40.0, 40.0),))
    least, most = inverse_depth_range(middle, camera, box)
    _, depth = camera.project(np.array(((0.0, 0.0, 0.5),)))
    assert 1 / most < depth[0] < 1 / least
    assert 1.1 < 1 / least - 1 / most < 1.9


def test_points_that_others_agree_on_are_on_the_ball(ball, near, measured):
    views, _ = near
    checked = run_to_end(check_depths(views, *measured, 1.0))
    cloud = dense_cloud(views, checked)
    distance = np.abs(np.linalg.norm(cloud.points - ball.CENTER, axis=1) - ball.RADIUS)
    assert len(cloud.points) > 3000
    assert np.median(distance) < 0.005 and (distance < 0.016).mean() > 0.97
    assert cloud.view_count.min() >= 3 and cloud.view_count.max() <= 5
    outwards = ((cloud.points - ball.CENTER) * cloud.normals).sum(1) / ball.RADIUS
    assert (outwards > 0.7).mean() > 0.95


def test_a_wrong_depth_is_dropped(near, measured):
    views, _ = near
    maps, costs = measured
    moved = maps[2].depth.copy()
    moved[30:50, 30:50] -= 0.1
    wrong = [*maps]
    wrong[2] = type(maps[2])(moved, maps[2].normal, maps[2].confidence)
    checked = run_to_end(check_depths(views, wrong, costs, 1.0))
    assert (checked[2].confidence[32:48, 32:48] > 0).mean() < 0.02
