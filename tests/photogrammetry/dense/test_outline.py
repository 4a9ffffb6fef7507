import numpy as np
import pytest
from maquette.core.geometry.topology import check_topology
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense import outline
from maquette.core.photogrammetry.dense.records import DenseSettings
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from PIL import Image

SETTINGS = DenseSettings(resolution=40, max_side=64)


@pytest.fixture
def solved(ball, tmp_path):
    """Eight photographs of a ball with alpha, and one above it."""
    photographs = []
    cameras = ball.make_cameras(8, 64) + ball.make_cameras(1, 64, elevation=60.0)
    for index, camera in enumerate(cameras):
        color, shown, _ = ball.cast(camera)
        pixels = (np.concatenate((color, shown[..., None]), 2) * 255).astype(np.uint8)
        path = tmp_path / f"{index}.png"
        Image.fromarray(pixels).save(path)
        photographs.append(SolvedPhotograph(path, camera))
    count = np.zeros(0)
    empty = np.zeros((0, 3), np.float32)
    cloud = SparseCloud(empty, empty, count.astype(np.int32), count.astype(np.float32))
    return SolvedScene(tuple(photographs), cloud, floor_found=True)


def test_the_outline_is_a_closed_mesh_around_the_ball(ball, solved):
    mesh = run_to_end(outline.outline_surface(solved, SETTINGS))
    assert check_topology(mesh).boundary == 0
    distance = np.linalg.norm(mesh.vertices - ball.CENTER, axis=1) / ball.RADIUS
    assert distance.min() > 0.93 and distance.max() < 1.5


def test_the_surface_of_the_same_scene_finds_the_photographs_read(solved, monkeypatch):
    run_to_end(outline.outline_surface(solved, SETTINGS))
    kept = outline._kept.views
    assert run_to_end(outline.views_once(solved, SETTINGS)) is kept
    assert outline._kept is None  # they are handed over once
    read = run_to_end(outline.views_once(solved, SETTINGS))
    assert read is not kept and len(read.views) == 9


def test_views_of_other_settings_are_read_anew(solved):
    run_to_end(outline.outline_surface(solved, SETTINGS))
    kept = outline._kept.views
    views = run_to_end(outline.views_once(solved, DenseSettings(resolution=40, max_side=32)))
    assert views is not kept and max(views.views[0].color.shape[:2]) <= 32


def test_a_painted_mask_gives_the_outline(ball, solved):
    """The lower half of the ball alone."""
    photographs = []
    for photograph in solved.photographs:
        _, shown, _ = ball.cast(photograph.camera)
        rows = np.arange(shown.shape[0])[:, None]
        lower = shown & (rows > np.flatnonzero(shown.any(1)).mean())
        path = photograph.path.with_suffix(".mask.png")
        Image.fromarray(lower).save(path)
        photographs.append(SolvedPhotograph(photograph.path, photograph.camera, mask=path))
    whole = run_to_end(outline.outline_surface(solved, SETTINGS))
    painted = SolvedScene(tuple(photographs), solved.cloud, floor_found=True)
    half = run_to_end(outline.outline_surface(painted, SETTINGS))
    assert half.vertices[:, 2].max() < whole.vertices[:, 2].max() - 0.3 * ball.RADIUS
