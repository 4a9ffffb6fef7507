import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense.completion import fill_depths
from maquette.core.photogrammetry.dense.records import DenseView, DepthMap

HIDDEN = (slice(20, 44), slice(20, 44))  # pixels without depth


def slanted_views(heights=(0.0, 0.0, 0.0)):
    """Views of a plain level plane from three sides, and their depth with a hole in it."""
    views = []
    maps = []
    truths = []
    for eye, height in zip(((0, -3, 2), (1, -3, 2), (-1, -3, 2)), heights, strict=True):
        to_world = look_at(np.array(eye, float), np.zeros(3))
        camera = perspective_camera(to_world, 0.4, 64)
        rows, columns = np.mgrid[0:64, 0:64] + 0.5
        pixels = np.stack((columns.ravel(), rows.ravel()), 1)
        rays = camera.unproject(pixels, np.ones(len(pixels))) - camera.to_world[:3, 3]
        depth = ((height - eye[2]) / rays[:, 2]).reshape(64, 64).astype(np.float32)
        normal = np.zeros((64, 64, 3), np.float32)
        normal[..., 2] = 1
        confidence = np.full((64, 64), 3, np.float32)
        confidence[HIDDEN] = 0
        known = np.where(confidence > 0, depth, 0)
        color = np.full((64, 64, 3), 0.5, np.float32)
        views.append(DenseView(color, np.ones((64, 64), np.float32), camera))
        maps.append(DepthMap(known, normal, confidence))
        truths.append(depth)
    return views, maps, truths


def test_a_plain_plane_is_continued():
    views, maps, truths = slanted_views()
    filled = run_to_end(fill_depths(views, maps, 1.0))
    for depths, truth in zip(filled, truths, strict=True):
        assert (depths.confidence[HIDDEN] >= 2).mean() > 0.95
        error = np.abs(depths.depth - truth)[HIDDEN][depths.confidence[HIDDEN] > 0]
        assert error.max() < 0.01
        assert depths.normal[32, 32, 2] > 0.95


def test_what_is_measured_is_unchanged():
    views, maps, _ = slanted_views()
    filled = run_to_end(fill_depths(views, maps, 1.0))
    for before, after in zip(maps, filled, strict=True):
        known = before.confidence > 0
        assert (after.depth[known] == before.depth[known]).all()
        assert (after.confidence[known] == before.confidence[known]).all()


def test_what_others_do_not_confirm_is_not_filled():
    views, maps, _ = slanted_views(heights=(0.0, 0.05, 0.1))
    filled = run_to_end(fill_depths(views, maps, 1.0))
    for depths in filled:
        assert (depths.confidence[HIDDEN] > 0).mean() < 0.05


def test_depth_is_continued_along_like_colors_alone():
    views, maps, truths = slanted_views()
    for view, depths, truth in zip(views, maps, truths, strict=True):
        # A bright post in front, whose depth ends where the hole begins.
        view.color[:, :20] = 1.0
        depths.depth[:, :20] = 0.8 * truth[:, :20]
    filled = run_to_end(fill_depths(views, maps, 1.0))
    error = np.abs(filled[0].depth - truths[0])[22:42, 24:40]
    known = filled[0].confidence[22:42, 24:40] > 0
    assert known.mean() > 0.7
    assert np.median(error[known]) == pytest.approx(0, abs=0.01)
