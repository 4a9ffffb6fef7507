"""Cameras project as Blender's do, and what undoes a projection undoes it."""

import numpy as np
import pytest
from maquette.core.cameras import (
    SIDES,
    frustum_lines,
    look_at,
    orthographic_camera,
    perspective_camera,
    side_camera,
)

POSE = look_at(np.array((3.0, -4.0, 2.0)), np.zeros(3))
OBLIQUE_POSE = look_at(np.array((2.0, -3, 1.5)), np.zeros(3))


def test_camera_faces_the_target():
    np.testing.assert_allclose(-POSE[:3, 2], np.array((-3.0, 4.0, -2.0)) / np.sqrt(29))


def test_pose_is_a_rotation():
    np.testing.assert_allclose(POSE[:3, :3] @ POSE[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(POSE[:3, :3]) == pytest.approx(1)


def test_looking_along_up_is_refused():
    with pytest.raises(ValueError, match="along up"):
        look_at(np.array((0.0, 0.0, 5.0)), np.zeros(3))


@pytest.mark.parametrize(
    "camera",
    [orthographic_camera(POSE, 2.0, 64), perspective_camera(POSE, 0.7, 64)],
    ids=["flat", "pinhole"],
)
def test_unproject_undoes_project_also_when_cropped_resized_and_moved(camera):
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    turn = np.eye(4)
    turn[:3, :3] = POSE[:3, :3]
    for changed, moved in (
        (camera, points),
        (camera.cropped(-5, 9, 30, 50), points),
        (camera.resized(32, 128), points),
        (camera.moved(turn), points @ turn[:3, :3].T),
        (camera.scaled(3.0), points * 3),
    ):
        pixels, depth = changed.project(moved)
        np.testing.assert_allclose(changed.unproject(pixels, depth), moved, atol=1e-9)


def test_moving_and_scaling_the_world_keeps_the_image():
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    for camera in (orthographic_camera(POSE, 2.0, 64), perspective_camera(POSE, 0.7, 64)):
        np.testing.assert_allclose(
            camera.scaled(3.0).project(points * 3)[0], camera.project(points)[0], atol=1e-9
        )


@pytest.mark.parametrize(
    ("name", "right", "up"),
    [
        ("front", (1, 0, 0), (0, 0, 1)),
        ("right", (0, 1, 0), (0, 0, 1)),
        ("back", (-1, 0, 0), (0, 0, 1)),
        ("left", (0, -1, 0), (0, 0, 1)),
        ("top", (1, 0, 0), (0, 1, 0)),
        ("bottom", (1, 0, 0), (0, -1, 0)),
    ],
)
def test_sides_are_what_blender_calls_them(name, right, up):
    """Numpad views of Blender: +Y points right in the right view, -Y up in the bottom view."""
    pixels, _ = side_camera(name, 2.0, 64).project(np.array((right, up)) * 0.5)
    np.testing.assert_allclose(pixels, ((48, 32), (32, 16)), atol=1e-9)
    assert name in SIDES


@pytest.mark.parametrize(
    "camera",
    [
        perspective_camera(OBLIQUE_POSE, 0.8, 96).cropped(9, -5, 96, 64),
        orthographic_camera(OBLIQUE_POSE, 2.5, 96),
    ],
)
def test_lines_end_at_the_corners_of_the_image(camera):
    lines = frustum_lines(camera, 0.7)
    assert lines.shape == (9, 2, 3)
    pixels, depth = camera.project(lines[:4, 1])
    width, height = camera.width, camera.height
    np.testing.assert_allclose(
        pixels, [(0, 0), (width, 0), (width, height), (0, height)], atol=1e-9
    )
    np.testing.assert_allclose(depth, 0.7)
    if not camera.orthographic:
        np.testing.assert_allclose(
            lines[:4, 0], np.tile(camera.to_world[:3, 3], (4, 1)), atol=1e-12
        )
    np.testing.assert_allclose(lines[4:8, 0], lines[:4, 1])
    assert camera.project(lines[8])[0][1, 1] < 0  # the mark is above the image
