"""Derived passes against an ellipsoid, whose points and normals are known."""

import numpy as np
import pytest
from maquette.core.cameras import look_at, orthographic_camera, perspective_camera
from maquette.core.dataset import passes
from maquette.core.dataset.records import RenderedView

CENTER, HALF = np.array((0.2, 0.1, -0.3)), np.array((0.5, 0.3, 0.2))
EYE = CENTER + (1.5, -2.0, 1.0)
BOUNDS = np.stack((CENTER - HALF, CENTER + HALF))


@pytest.fixture(params=["perspective", "orthographic"])
def view(request, ellipsoid_view):
    pose = look_at(EYE, CENTER)
    camera = (
        perspective_camera(pose, 0.5, 48)
        if request.param == "perspective"
        else orthographic_camera(pose, 1.3, 48)
    )
    return ellipsoid_view("free", camera.cropped(2.5, -1, 48, 44), HALF, CENTER)


def test_points_lie_on_the_surface(view):
    on = view.depth > 0
    points = passes.world_points(view)
    assert 200 < on.sum() < on.size
    np.testing.assert_allclose(np.linalg.norm((points[on] - CENTER) / HALF, axis=1), 1, atol=1e-5)
    assert (points[~on] == 0).all()
    np.testing.assert_array_equal(passes.object_mask(view), on)


def test_ray_distance_is_from_the_eye_or_from_the_plane(view):
    on = view.depth > 0
    points = passes.world_points(view)[on]
    distance = passes.ray_distance(view)
    expected = np.linalg.norm(points - EYE, axis=1)
    if view.camera.orthographic:
        expected = (EYE - points) @ view.camera.to_world[:3, 2]
    np.testing.assert_allclose(distance[on], expected, atol=1e-5)
    assert (distance[~on] == 0).all()


def test_normals_in_both_frames(view):
    on = view.depth > 0
    points = passes.world_points(view)[on]
    world = (points - CENTER) / HALF**2
    world /= np.linalg.norm(world, axis=1, keepdims=True)
    for convention, matrix in (
        ("opengl", np.linalg.inv(view.camera.to_world)),
        ("opencv", view.camera.from_world),
    ):
        normals = passes.camera_normals(view, convention)
        np.testing.assert_allclose(normals[on], world @ matrix[:3, :3].T, atol=2e-3)
        assert (normals[~on] == 0).all()
    with pytest.raises(ValueError, match="opencv"):
        passes.camera_normals(view, "blender")


def test_a_surface_that_faces_the_camera():
    camera = orthographic_camera(look_at(np.array((0, -1.0, 0)), np.zeros(3)), 1, 2)
    facing = np.tile(np.float16((0, -1, 0)), (2, 2, 1))
    view = RenderedView(
        "front", camera, np.full((2, 2, 4), 255, np.uint8), np.ones((2, 2), np.float32), facing
    )
    np.testing.assert_allclose(passes.camera_normals(view, "opencv")[0, 0], (0, 0, -1), atol=1e-6)
    np.testing.assert_allclose(passes.camera_normals(view, "opengl")[0, 0], (0, 0, 1), atol=1e-6)
    # The front looks along +Y: right in the image is +X, up is +Z
    coordinates = passes.object_coordinates(view, np.array(((-0.5, -0.1, -0.5), (0.5, 0.1, 0.5))))
    np.testing.assert_allclose(coordinates[0, 1], (0.75, 0.5, 0.75), atol=1e-6)
    np.testing.assert_allclose(coordinates[1, 0], (0.25, 0.5, 0.25), atol=1e-6)


def test_object_coordinates_fill_the_cube_of_the_longest_side(view):
    on = view.depth > 0
    coordinates = passes.object_coordinates(view, BOUNDS)
    assert coordinates.dtype == np.float32 and coordinates.shape == (*on.shape, 3)
    np.testing.assert_allclose(
        coordinates[on] - 0.5, passes.world_points(view)[on] - CENTER, atol=1e-5
    )  # 1 m long
    assert (coordinates[~on] == 0).all()


def test_sees_the_near_side_only(view):
    direction = np.random.default_rng(0).normal(size=(500, 3))
    points = CENTER + HALF * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    normals = (points - CENTER) / HALF**2
    to_eye = view.camera.to_world[:3, 2] if view.camera.orthographic else EYE - points
    facing = (
        (normals * to_eye).sum(1) / np.linalg.norm(normals, axis=1) / np.linalg.norm(EYE - CENTER)
    )
    pixels, seen = passes.visible_pixels(view, points, normals, 0.05)
    assert not seen[facing < 0].any() and seen[facing > 0.5].all()
    np.testing.assert_allclose(pixels, view.camera.project(points)[0])
    assert not passes.visible_pixels(view, points + 5, normals, 0.02)[1].any()  # beside the image


def test_sees_nothing_behind_something(view):
    points, normals = CENTER[None], (EYE - CENTER)[None]
    assert not passes.visible_pixels(view, points, normals, 0.02)[1].any()


def test_the_complete_image_is_mixed_as_light(ellipsoid_view):
    camera = perspective_camera(look_at(CENTER - (0, 4, 0), CENTER), 0.4, 24)
    view = ellipsoid_view("free", camera, np.array((0.3, 0.3, 0.3)), CENTER)
    assert passes.composite_image(view) is view.colour
    color = np.zeros((24, 24, 4), np.uint8)
    color[0, 0] = (255, 255, 255, 128)
    color[0, 1] = (9, 8, 7, 255)
    color[0, 2] = (50, 60, 70, 128)
    behind = np.full((24, 24, 4), (0, 0, 0, 255), np.uint8)
    behind[0, 2] = 0
    image = passes.composite_image(
        RenderedView("free", camera, color, view.depth, view.normal, surroundings=behind)
    )
    assert tuple(image[0, 0]) == (188, 188, 188, 255)  # half of the light of white
    assert tuple(image[0, 1]) == (9, 8, 7, 255) and tuple(image[0, 2]) == (50, 60, 70, 128)
    assert tuple(image[1, 1]) == (0, 0, 0, 255)
