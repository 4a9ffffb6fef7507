import numpy as np
import pytest
from maquette.core.cameras import (
    SIDES,
    look_at,
    orthographic_camera,
    perspective_camera,
    side_camera,
)

POSE = look_at(np.array((3.0, -4.0, 2.0)), np.zeros(3))


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


def test_moving_and_scaling_the_world_keeps_the_picture():
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
    """Numpad views of Blender: in the right view +Y points right, in the bottom view -Y points up."""
    pixels, _ = side_camera(name, 2.0, 64).project(np.array((right, up)) * 0.5)
    np.testing.assert_allclose(pixels, ((48, 32), (32, 16)), atol=1e-9)
    assert name in SIDES
