import numpy as np
import pytest
from maquette.core.alignment.reference import (
    camera_of_image_plane,
    describe_direction,
    face_side,
    rectify_view,
)
from maquette.core.arrays import View
from maquette.core.cameras import SIDES, Camera

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "text"),
    [
        (25, 10, "25° right of front, 10° from above"),
        (-30, 0, "30° left of front"),
        (70, -5, "20° front of right, 5° from below"),
        (120, 0, "30° back of right"),
        (0, 45, "front, 45° from above"),
        (181, 0, "back"),
        (13, 89, "top"),
    ],
)
def test_directions_are_described(azimuth, elevation, text):
    a, e = np.radians((azimuth, elevation))
    assert (
        describe_direction(np.array((np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e))))
        == text
    )


def test_sides_are_described_by_name():
    assert [
        describe_direction(np.array(direction, float)) for direction, _ in SIDES.values()
    ] == list(SIDES)


@pytest.mark.parametrize(
    "edges", [((3, 0, 0), (0, 0, 2)), ((-3, 0, 0), (0, 0, 2)), ((3, 0, 1), (0.5, 0, 2))]
)
def test_the_camera_of_an_image_plane_sees_it_where_it_is(edges):
    edges, corner = np.array(edges, float), np.array((1.0, 2.0, 3.0))
    camera = camera_of_image_plane(edges, corner, np.array((0.0, -1.0, 0.0)), 60, 40)
    # Any depth gives the same pixels.
    points = np.array([corner, corner + edges[0], corner + edges[1]]) + (0, 7, 0)
    np.testing.assert_allclose(camera.project(points)[0], ((0, 40), (60, 40), (0, 0)), atol=1e-9)
    np.testing.assert_allclose(camera.to_world[:3, 2], (0, -1, 0), atol=1e-9)
    assert np.linalg.det(camera.to_world) == pytest.approx(1)


def blob():
    """A smooth image, so that neighboring pixels are alike."""
    y, x = np.mgrid[0:60, 0:80] / 10
    image = np.stack((np.sin(x), np.cos(y), np.sin(x + y), np.ones_like(x)), axis=2) * 0.4 + 0.5
    image[..., 3] = 1
    return image.astype(np.float32)


@pytest.mark.parametrize(
    "linear", [((20, 0), (0, 25)), ((-20, 0), (0, -25)), ((15, 8), (-5, 20)), ((0, -9), (12, 0))]
)
def test_a_rectified_view_shows_each_point_alike(linear):
    intrinsics = np.eye(3)
    intrinsics[:2, :2], intrinsics[:2, 2] = linear, (37, 29)
    view = View(blob(), Camera(np.eye(4), intrinsics, 80, 60, orthographic=True))
    result = rectify_view(view)
    assert result.camera.intrinsics[0, 1] == result.camera.intrinsics[1, 0] == 0
    assert (np.diag(result.camera.intrinsics) > 0).all()
    assert result.image.shape == (result.camera.height, result.camera.width, 4)
    pixels = RNG.uniform((10, 10), (70, 50), (50, 2))
    points = view.camera.unproject(pixels, np.ones(50))
    new_pixels = result.camera.project(points)[0]
    np.testing.assert_allclose(
        pixel_values(result.image, new_pixels), pixel_values(view.image, pixels), atol=0.04
    )


def pixel_values(image, pixels):
    i, j = np.floor(pixels).astype(int).T
    return image[j, i]


def test_facing_a_side_keeps_the_scale():
    camera = camera_of_image_plane(
        np.array(((3, 0, 0), (0, 0, 2.0))), np.zeros(3), np.array((0, -1.0, 0)), 60, 40
    )
    right = face_side(camera, "right")
    np.testing.assert_allclose(right.to_world[:3, 2], (1, 0, 0))
    np.testing.assert_allclose(right.intrinsics, camera.intrinsics)
