import numpy as np
import pytest
from maquette.core.photogrammetry.dense.views import block_mean, choose_sources, crop_view
from maquette.core.photogrammetry.lens import undistort_pixels


def test_a_crop_shows_points_where_its_camera_projects_them(ball):
    camera = ball.make_cameras(1, 160)[0]
    color, shown, _ = ball.cast(camera)
    image = np.concatenate((color, shown[..., None]), 2).astype(np.float32)
    view = crop_view(image, camera, (0.0, 0.0), 64)
    assert max(view.mask.shape) <= 64 and not np.any(np.array(view.mask.shape) % 8)
    assert view.mask.shape == (view.camera.height, view.camera.width)
    expected, expected_shown, _ = ball.cast(view.camera)
    inside = (view.mask > 0.99) & expected_shown
    assert ((view.mask > 0.5) == expected_shown).mean() > 0.98
    assert np.abs(view.color - expected)[inside].mean() < 0.04


def test_distortion_is_removed(ball):
    camera = ball.make_cameras(1, 160)[0]
    distortion = (0.4, 0.0)
    rows, columns = np.mgrid[0:160, 0:160] + 0.5
    ideal = undistort_pixels(camera, distortion, np.stack((columns, rows), 2))
    image = np.ones((160, 160, 4), np.float32)
    image[..., 0] = ideal[..., 0] / 160
    image[..., 1] = ideal[..., 1] / 160
    view = crop_view(image, camera, distortion, 160)
    width = view.mask.shape[1]
    scale = camera.intrinsics[0, 0] / view.camera.intrinsics[0, 0]
    known = view.mask > 0.5
    x = (np.arange(width) + 0.5 - view.camera.intrinsics[0, 2]) * scale + camera.intrinsics[0, 2]
    shown = np.abs(view.color[..., 0] - x / 160)[known]
    assert shown.max() < 0.01


def test_means_of_blocks_repeat_the_border():
    image = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    mean = block_mean(image, 2)
    assert mean.shape == (2, 2, 1)
    assert mean[0, 0, 0] == pytest.approx((0 + 1 + 4 + 5) / 4)
    assert mean[1, 1, 0] == pytest.approx((10 + 11) / 2)


def test_sources_are_neighbors_on_both_sides(ball):
    cameras = ball.make_cameras(16, 64)
    chosen = choose_sources(cameras, ball.CENTER, 4)
    for index, sources in enumerate(chosen):
        assert index not in sources
        assert set(sources[:2]) == {(index - 1) % 16, (index + 1) % 16}
        assert all(min((index - each) % 16, (each - index) % 16) <= 2 for each in sources)


def test_a_crop_knows_where_the_photograph_cuts_the_object(ball):
    camera = ball.make_cameras(1, 64)[0]
    image = np.zeros((64, 64, 4), np.float32)
    image[20:, 10:40, 3] = 1
    assert crop_view(image, camera, (0.0, 0.0), 64).cut_sides == (False, False, False, True)
    image[20:, 10:40, 3] = 0
    image[10:20, :20, 3] = 1
    assert crop_view(image, camera, (0.0, 0.0), 64).cut_sides == (True, False, False, False)
