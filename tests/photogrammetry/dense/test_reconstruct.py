import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.geometry.topology import check_topology, piece_volumes
from maquette.core.imaging.morphology import filter3x3
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense.reconstruct import _confidence, surface_of_views
from maquette.core.photogrammetry.dense.records import DenseCloud, DenseSettings
from maquette.core.photogrammetry.dense.view_reading import ObjectViews

SETTINGS = DenseSettings(resolution=32, levels=2, iterations=(3, 1), sources=3)


@pytest.fixture(scope="module")
def ring(ball):
    """Fifteen views of 64 pixels, with masks that are a pixel too large on each side."""
    lower = ball.make_cameras(12, 64)
    upper = ball.make_cameras(3, 64, elevation=50.0)
    views = []
    for view in ball.make_views(lower + upper):
        views.append(replace(view, mask=filter3x3(view.mask, np.maximum)))
    return views


@pytest.fixture(scope="module")
def shape(ring):
    reports = []
    views = ObjectViews(ring, [], floor=True)
    result = run_to_end(surface_of_views(views, SETTINGS), reports.append)
    return result, reports


def test_the_surface_is_closed_and_that_of_the_ball(ball, shape):
    mesh = shape[0].mesh
    assert mesh.faces.shape[1] == 4
    report = check_topology(mesh)
    assert report.is_watertight
    volumes = piece_volumes(mesh)
    assert len(volumes) == 1
    assert volumes[0] == pytest.approx(4 / 3 * np.pi * ball.RADIUS**3, rel=0.06)
    distance = np.linalg.norm(mesh.vertices - ball.CENTER, axis=1) - ball.RADIUS
    seen = mesh.vertices[:, 2] > 0.35
    assert np.abs(distance[seen]).mean() < 0.01
    assert mesh.vertices[:, 2].min() > -0.03


def test_depth_is_closer_to_the_ball_than_the_hull(ball, shape):
    errors = []
    for mesh in (shape[0].mesh, shape[0].hull):
        distance = np.linalg.norm(mesh.vertices - ball.CENTER, axis=1) - ball.RADIUS
        errors.append(np.abs(distance[mesh.vertices[:, 2] > 0.2]).mean())
    assert errors[0] < 0.6 * errors[1]


def test_no_part_is_outside_the_masks(ring, shape):
    for view in ring:
        pixels, _ = view.camera.project(shape[0].mesh.vertices.astype(float))
        column, row = np.floor(pixels).astype(int).T
        around = filter3x3(view.mask, np.maximum)
        assert around[row, column].min() == 1


def test_colors_are_those_of_the_photographs(ball, shape):
    mesh = shape[0].mesh
    seen = mesh.vertices[:, 2] > 0.3
    true = ball.pattern(mesh.vertices[seen].astype(float))
    assert np.abs(mesh.colors[seen] - true).mean() < 0.05


def test_confidence_is_higher_where_depth_was_measured(shape):
    mesh = shape[0].mesh
    underside = mesh.vertices[:, 2] < 0.05
    front = mesh.vertices[:, 2] > 0.4
    assert mesh.confidence[underside].mean() < mesh.confidence[front].mean() - 0.2
    assert mesh.confidence.min() >= 0.5 - 1e-6 and mesh.confidence.max() <= 1


def test_progress_rises_and_names_the_steps(shape):
    fractions = [report.fraction for report in shape[1]]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    stages = {report.stage.split()[0] for report in shape[1]}
    assert stages >= {"Hull", "Depth", "Comparing", "Fusing", "Surface", "Colors"}


def test_without_pattern_the_hull_remains(ball, ring):
    plain = [replace(view, color=np.full_like(view.color, 0.6)) for view in ring[::3]]
    settings = replace(SETTINGS, iterations=(1, 0), levels=2, resolution=20)
    shape = run_to_end(surface_of_views(ObjectViews(plain, [], floor=True), settings))
    assert any("has depth" in note for note in shape.notes)
    assert len(shape.cloud.points) == 0
    volume = piece_volumes(shape.mesh).sum()
    assert volume == pytest.approx(piece_volumes(shape.hull).sum(), rel=0.02)


def test_closing_stops_the_threads(ring):
    settings = replace(SETTINGS, iterations=(200, 200))
    task = surface_of_views(ObjectViews(ring, [], floor=True), settings)
    while not next(task).stage.startswith("Depth"):
        pass
    began = time.monotonic()
    task.close()
    assert time.monotonic() - began < 3  # a second where nothing else runs
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("maquette-depth")]


def test_two_views_are_too_few(ring):
    with pytest.raises(ImageError, match="2 photographs only"):
        run_to_end(surface_of_views(ObjectViews(ring[:2], [], floor=True), SETTINGS))


def test_confidence_grows_with_the_photographs_that_agree():
    vertices = np.array(((0, 0, 0), (1, 0, 0), (2, 0, 0)), np.float32)
    points = np.repeat(vertices[:2], 5, axis=0)
    counts = np.repeat((3, 12), 5).astype(np.int32)
    cloud = DenseCloud(points, points, points, counts)
    few, many, none = _confidence(vertices, cloud, 0.1)
    assert none == pytest.approx(0.5)
    assert 0.7 < few < 0.8
    assert many > 0.97
