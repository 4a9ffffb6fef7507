from dataclasses import replace

import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense import geometric_masks
from maquette.core.photogrammetry.dense.records import DenseSettings
from maquette.core.photogrammetry.dense.view_reading import read_views
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from PIL import Image

SETTINGS = DenseSettings(max_side=64)


def sparse_cloud(ball):
    """Points of the ball, of the floor around it, and of a wall far behind."""
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(60, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    floor = generator.uniform((-2, -2, 0), (2, 2, 0), (60, 3))
    wall = generator.uniform((-6, 5, 0), (6, 6, 3), (60, 3))
    points = np.concatenate((ball.CENTER + ball.RADIUS * directions, floor, wall))
    count = len(points)
    return SparseCloud(
        points=points.astype(np.float32),
        colors=np.full((count, 3), 0.5, np.float32),
        track_length=np.full(count, 3, np.int32),
        error=np.zeros(count, np.float32),
    )


def write_scene(ball, folder, cameras, with_alpha):
    """Write photographs and return their scene; only those of ``with_alpha`` have a mask."""
    photographs = []
    for index, camera in enumerate(cameras):
        color, shown, _ = ball.cast(camera)
        channels = [color]
        if with_alpha[index]:
            channels.append(shown[..., None])
        pixels = (np.concatenate(channels, 2) * 255).astype(np.uint8)
        path = folder / f"{index}.png"
        Image.fromarray(pixels).save(path)
        photographs.append(SolvedPhotograph(path, camera))
    return SolvedScene(tuple(photographs), sparse_cloud(ball), floor_found=True)


def test_alpha_is_the_mask(ball, tmp_path):
    cameras = ball.make_cameras(3, 96)
    views = run_to_end(read_views(write_scene(ball, tmp_path, cameras, [True] * 3), SETTINGS))
    assert len(views.views) == len(views.photographs) == 3 and views.floor
    for view, photograph in zip(views.views, views.photographs, strict=True):
        _, shown, _ = ball.cast(view.camera)
        assert ((view.mask > 0.5) == shown).mean() > 0.98
        assert photograph.camera.width >= view.camera.width


def test_few_photographs_without_an_outline_are_left_out(ball, tmp_path):
    cameras = ball.make_cameras(4, 96)
    scene = write_scene(ball, tmp_path, cameras, [True, True, False, True])
    views = run_to_end(read_views(scene, SETTINGS))
    assert len(views.views) == 3
    assert views.notes == ("1 photographs without an outline were not used for the surface",)


def test_the_box_holds_the_ball_and_not_the_wall(ball, tmp_path):
    cameras = ball.make_cameras(6, 96)
    scene = write_scene(ball, tmp_path, cameras, [False] * 6)
    box = geometric_masks.object_box(cameras, scene)
    upper = box.origin + (np.array(box.values.shape) - 1) * box.spacing
    assert (box.origin < (-0.5, -0.5, 0)).all() and (upper > (0.5, 0.5, 1)).all()
    assert (upper < 1.2).any() and upper[1] < 1.2 and box.origin[2] < -0.02


def test_without_a_floor_the_box_is_around_the_points(ball, tmp_path):
    cameras = ball.make_cameras(6, 96)
    scene = replace(write_scene(ball, tmp_path, cameras, [False] * 6), floor_found=False)
    directions = scene.cloud.points[:60] - ball.CENTER.astype(np.float32)
    cloud = replace(scene.cloud, points=directions + np.float32((0, 0, -3)))
    moved = [camera.moved(translation(-3 - ball.CENTER[2])) for camera in cameras]
    box = geometric_masks.object_box(moved, replace(scene, cloud=cloud))
    upper = box.origin + (np.array(box.values.shape) - 1) * box.spacing
    assert np.allclose((box.origin + upper) / 2, (0, 0, -3), atol=0.1)


def translation(height):
    matrix = np.eye(4)
    matrix[2, 3] = height
    return matrix


def test_nothing_in_the_middle_is_refused(ball, tmp_path):
    cameras = ball.make_cameras(3, 96)
    scene = write_scene(ball, tmp_path, cameras, [False] * 3)
    cloud = replace(scene.cloud, points=scene.cloud.points * np.float32((1, 1, 0)))
    with pytest.raises(ImageError, match="No object stands in the middle"):
        geometric_masks.object_box(cameras, replace(scene, cloud=cloud))


def test_what_stands_on_the_floor_is_cut_out(ball, tmp_path):
    cameras = ball.make_cameras(12, 96, elevation=30.0)[:5] + ball.make_cameras(12, 96, 55.0)[:5]
    scene = write_scene(ball, tmp_path, cameras, [False] * 10)
    views = run_to_end(read_views(scene, SETTINGS))
    assert views.notes == ("The object was cut out by what stands on the floor",)
    overlaps = []
    for view in views.views:
        _, shown, _ = ball.cast(view.camera)
        mask = view.mask > 0.5
        overlaps.append((mask & shown).sum() / (mask | shown).sum())
    assert min(overlaps) > 0.8 and np.mean(overlaps) > 0.84
