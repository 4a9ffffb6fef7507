import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.photogrammetry.hull_check import AGREEMENT, bounding_sphere, check_outlines

AXES = np.array(
    (0.5, 0.3, 0.2)
)  # of an ellipsoid that no turn by less than 180 degrees maps onto itself
CENTER = np.array((0.1, -0.2, 0.3))


def turn_about_z(degrees):
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
    return turn


@pytest.fixture(scope="module")
def views():
    """Cameras around an ellipsoid, and its exact masks."""
    cameras = []
    masks = []
    for index in range(12):
        angle = np.radians(30 * index)
        eye = CENTER + 3 * np.array((np.sin(angle), -np.cos(angle), 0.4 + 0.3 * (index % 2)))
        camera = perspective_camera(look_at(eye, CENTER), 0.5, 120)
        rows, columns = np.mgrid[0:120, 0:120] + 0.5
        pixels = np.stack((columns.ravel(), rows.ravel()), 1)
        rays = (camera.unproject(pixels, np.ones(len(pixels))) - eye) / AXES
        start = (eye - CENTER) / AXES
        a, b, c = (rays**2).sum(1), rays @ start, start @ start - 1
        cameras.append(camera)
        masks.append((b**2 > a * c).reshape(120, 120))
    return cameras, masks


def test_true_cameras_agree(views):
    check = check_outlines(*views)
    assert check.accepted and check.dropped == [] and check.agreement.min() > 0.98


def test_a_camera_at_a_wrong_place_is_dropped(views):
    cameras, masks = views
    wrong = list(cameras)
    wrong[4] = cameras[4].moved(turn_about_z(50))
    check = check_outlines(wrong, masks)
    assert check.accepted and check.dropped == [4]


def test_a_ring_folded_by_look_alike_sides_is_refused(views):
    cameras, masks = views
    wrong = [
        camera.moved(turn_about_z(-40)) if index % 2 else camera
        for index, camera in enumerate(cameras)
    ]
    check = check_outlines(wrong, masks)
    assert not check.accepted and check.agreement.min() < AGREEMENT


def test_the_sphere_holds_the_object(views):
    center, radius = bounding_sphere(*views)
    assert np.linalg.norm(center - CENTER) < 0.05
    assert AXES.max() < radius < 3 * AXES.max()
