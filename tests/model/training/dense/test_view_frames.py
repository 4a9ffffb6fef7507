"""The network's image of a stretched object is what a true camera would have taken of it."""

import numpy as np
import pytest
from maquette.core.cameras import look_at, orthographic_camera, perspective_camera
from maquette.core.model.networks.projection import camera_matrix
from maquette.core.model.training.dense.view_frames import Window, frame_view

HALF = np.array((0.5, 0.3, 0.4))


def corners():
    return np.stack(np.meshgrid(*[(-1, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * HALF


def projected(camera, points):
    rows = points @ camera[:3, :3].T + camera[:3, 3]
    return rows[:, :2] / rows[:, 2:]


def cameras():
    pose = look_at(np.array((1.3, -2.5, 1.1)), np.array((0.05, 0, -0.03)))
    return {
        "orthographic": orthographic_camera(pose, 1.4, 128),
        "pinhole": perspective_camera(pose, 0.5, 128),
    }


def network_ndc(frame, points):
    """Where points of the stretched object are in the network's image, from its frame alone."""
    local = (points - frame.middle) @ frame.directions.T * frame.scale
    window = 1.1
    if not frame.field_of_view:
        return local[:, (0, 2)] * (2, -2) / window
    distance = window / 2 / np.tan(frame.field_of_view / 2)
    return local[:, (0, 2)] * (2, -2) / window * distance / (distance + local[:, 1:2])


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("kind", ["orthographic", "pinhole"])
@pytest.mark.parametrize("stretch", [(1.0, 1, 1), (1.3, 0.8, 0.9)])
def test_the_window_shows_the_stretched_object_as_a_true_camera_does(kind, mirror, stretch):
    camera = camera_matrix(cameras()[kind]).astype(float)
    stretch = np.array(stretch)
    points = corners()
    frame = frame_view(camera, stretch, projected(camera, points), HALF, Window(mirror=mirror))

    # from the network's frame to its image, and from there to the stored picture, is the camera
    ndc = network_ndc(frame, points * stretch)
    aside = projected(camera, points)
    assert np.abs(frame.stored(ndc) - aside).max() < 1e-4

    # it is square and the longest visible side is 1.1 times in it
    assert np.ptp(ndc, axis=0).max() == pytest.approx(2 / 1.1, abs=1e-3)
    assert ndc.min(axis=0) == pytest.approx(-ndc.max(axis=0), abs=1e-3)


@pytest.mark.parametrize("kind", ["orthographic", "pinhole"])
def test_depth_grows_away_from_the_camera_in_units_of_the_frame(kind):
    camera = camera_matrix(cameras()[kind]).astype(float)
    stretch = np.array((1.2, 0.7, 1.0))
    points = corners()
    frame = frame_view(camera, stretch, projected(camera, points), HALF, Window(room=0.6))
    depth = points @ frame.depth[:3] + frame.depth[3]
    away = (points * stretch) @ frame.directions[1] * frame.scale
    assert np.allclose(depth, away)
    assert frame.directions[1] @ (1.3, -2.5, 1.1) < 0
    assert np.allclose(frame.directions @ frame.directions.T, np.eye(3), atol=1e-6)


def test_among_several_sides_the_longest_side_of_the_object_is_one():
    camera = camera_matrix(
        orthographic_camera(look_at(np.array((0, -2.0, 0)), np.zeros(3)), 1.4, 128)
    )
    frame = frame_view(camera, np.ones(3), np.zeros((1, 2)), HALF, Window(whole_object=True))
    assert frame.scale == pytest.approx(1)
    assert np.allclose(frame.middle, 0)
    assert np.allclose(frame.directions, ((1, 0, 0), (0, 1, 0), (0, 0, 1)), atol=1e-6)


def test_normals_of_a_stretched_plane_stay_perpendicular_to_it():
    camera = camera_matrix(cameras()["pinhole"])
    stretch = np.array((1.4, 0.7, 1.1))
    frame = frame_view(camera, stretch, np.array(((-1.0, -1), (1, 1))), HALF, Window())
    normal = np.array((1.0, 2, -1)) / np.sqrt(6)
    along = np.array(((2.0, -1, 0), (1, 0, 1)))
    assert np.allclose((along * stretch) @ frame.normals(normal[None])[0], 0, atol=1e-6)
