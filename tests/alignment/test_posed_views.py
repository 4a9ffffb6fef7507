import numpy as np
import pytest
from maquette.core.alignment.posed_views import align_references, frame_axes
from maquette.core.alignment.reference import Reference
from maquette.core.arrays import View
from maquette.core.cameras import (
    Camera,
    look_at,
    orthographic_camera,
    perspective_camera,
    side_camera,
)

NEAR = np.array((9.0, 9.0, 9.0))
MIDDLE, EXTENT = np.array((2.0, -1.0, 3.0)), np.array((0.8, 0.5, 1.2))


def moved(camera, by=MIDDLE):
    transform = np.eye(4)
    transform[:3, 3] = by
    return camera.moved(transform)


def reference_of(camera, extent=EXTENT, name="A", **options):
    """A reference that shows an ellipsoid of that extent at the middle."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = np.stack((columns.ravel(), rows.ravel()), 1)
    near, far = (camera.unproject(pixels, np.full(len(pixels), depth)) for depth in (1.0, 2.0))
    start, along = (near - MIDDLE) / extent * 2, (far - near) / extent * 2
    nearest = start - along * ((start * along).sum(1) / (along**2).sum(1))[:, None]
    image = np.zeros((camera.height, camera.width, 4), np.float32)
    image[..., 3] = ((nearest**2).sum(1) <= 1).reshape(camera.height, camera.width)
    return Reference(name, View(image, camera), **options)


def side_reference(name, **options):
    return reference_of(moved(side_camera(name, 2.0, 400)), name=name, **options)


def test_three_sides_give_position_and_size():
    fitted = align_references(
        [side_reference("front"), side_reference("right"), side_reference("top")], NEAR
    )
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=5e-3)
    np.testing.assert_allclose(fitted.to_world[:3, :3], 1.2 * np.eye(3), atol=1e-2)
    assert fitted.disagreements == ()
    ends = np.array([(0, 0, 0.5), (0, 0, -0.5)])
    for view in fitted.views[:2]:
        rows = np.flatnonzero(view.image[..., 3].any(1))
        np.testing.assert_allclose(
            view.camera.project(ends)[0][:, 1], (rows[0], rows[-1] + 1), atol=1e-6
        )


def test_a_view_at_an_angle_gives_the_depth():
    aside = orthographic_camera(
        look_at(np.array((np.sin(0.6), -np.cos(0.6), 0)) * 3, np.zeros(3)), 2.0, 400
    )
    fitted = align_references(
        [side_reference("front"), reference_of(moved(aside), name="aside")], NEAR
    )
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=0.02)
    assert frame_axes([view.camera for view in fitted.views]) == pytest.approx(np.eye(3))


def test_perspective_cameras_give_position_and_size():
    eyes = np.array(((0.5, -4, 0.4), (4, 0.3, 1), (-2, 3, 2.0)))
    views = [
        reference_of(moved(perspective_camera(look_at(eye, np.array((0.2, 0, 0.1))), 0.7, 300)))
        for eye in eyes
    ]
    fitted = align_references(views, NEAR)
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=0.03)
    assert fitted.to_world[0, 0] == pytest.approx(1.2, rel=0.05)
    for view, given in zip(fitted.views, views, strict=True):  # the same rays as before
        points = np.array(((0.1, 0.2, 0.3), (-0.2, 0.1, 0.4)))
        world = points @ fitted.to_world[:3, :3].T + fitted.to_world[:3, 3]
        np.testing.assert_allclose(
            view.camera.project(points)[0], given.view.camera.project(world)[0], atol=1e-6
        )


def test_a_single_view_at_an_angle_is_the_front_of_its_frame():
    aside = orthographic_camera(
        look_at(np.array((np.sin(0.6), -np.cos(0.6), 0)) * 3, np.zeros(3)), 2.0, 400
    )
    fitted = align_references([reference_of(moved(aside))], MIDDLE)
    np.testing.assert_allclose(fitted.views[0].camera.to_world[:3, 2], (0, -1, 0), atol=1e-9)
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=0.01)


def test_sides_of_a_rotated_frame_are_found():
    """Rotated together by any rotation, they are sides of a frame rotated likewise."""
    turn = look_at(np.array((1.0, 2, 3)), np.zeros(3), np.array((0.3, 1, 0)))
    cameras = [side_camera(name, 2.0, 64).moved(turn) for name in ("front", "right", "back")]
    axes = frame_axes(cameras)
    np.testing.assert_allclose(axes, turn[:3, :3], atol=1e-9)
    assert frame_axes([side_camera("right", 1, 8)]) == pytest.approx(np.eye(3))


def test_disagreement_is_measured():
    small = reference_of(moved(side_camera("right", 2.0, 400)), EXTENT * (1, 1, 0.95), "right")
    fitted = align_references([side_reference("front"), small], NEAR)
    assert len(fitted.disagreements) == 1 and fitted.disagreements[0].endswith(
        "% taller than right"
    )
    assert float(fitted.disagreements[0].split()[2].rstrip("%")) == pytest.approx(
        100 / 0.95 - 100, abs=0.7
    )


def test_at_large_disagreement_the_first_counts():
    high = reference_of(moved(side_camera("right", 3.0, 400), MIDDLE + (0, 0, 0.3)), name="right")
    twice = Reference("right", View(high.view.image, high.view.camera.scaled(2.0)))
    fitted = align_references([side_reference("front"), twice], NEAR)
    assert fitted.to_world[0, 0] == pytest.approx(1.2, rel=0.02)
    assert fitted.to_world[2, 3] == pytest.approx(3, abs=0.02)
    assert "taller" in fitted.disagreements[0] and "higher" in fitted.disagreements[1]


def test_of_one_that_is_not_placed_only_the_scale_counts():
    unplaced = Reference(
        "right",
        View(side_reference("right").view.image, side_camera("right", 2.0, 400)),
        placed=False,
    )
    fitted = align_references([side_reference("front"), unplaced], np.array((0, -1.0, 0)))
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=5e-3)
    assert fitted.disagreements == ()


def test_a_view_is_stretched_only_along_what_it_shows_straight_on():
    tilted = orthographic_camera(look_at(np.array((0, -3, 1.0)), np.zeros(3)), 2.0, 400)
    fitted = align_references(
        [side_reference("front"), reference_of(moved(tilted), name="tilted")], NEAR
    )
    camera: Camera = fitted.views[1].camera
    assert camera.intrinsics[1, 1] == pytest.approx(200 * 1.2, rel=0.01)
