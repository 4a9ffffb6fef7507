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


def box(camera, extent=EXTENT, name="A", **options):
    """A reference of an ellipsoid of that extent at the middle."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = np.stack((columns.ravel(), rows.ravel()), 1)
    near, far = (camera.unproject(pixels, np.full(len(pixels), depth)) for depth in (1.0, 2.0))
    start, along = (near - MIDDLE) / extent * 2, (far - near) / extent * 2
    nearest = start - along * ((start * along).sum(1) / (along**2).sum(1))[:, None]
    image = np.zeros((camera.height, camera.width, 4), np.float32)
    image[..., 3] = ((nearest**2).sum(1) <= 1).reshape(camera.height, camera.width)
    return Reference(name, View(image, camera), **options)


def standing(name, **options):
    return box(moved(side_camera(name, 2.0, 400)), name=name, **options)


def test_three_sides_give_place_and_size():
    fitted = align_references([standing("front"), standing("right"), standing("top")], NEAR)
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=5e-3)
    np.testing.assert_allclose(fitted.to_world[:3, :3], 1.2 * np.eye(3), atol=1e-2)
    assert fitted.disagreements == ()
    ends = np.array([(0, 0, 0.5), (0, 0, -0.5)])
    for view in fitted.views[:2]:
        rows = np.flatnonzero(view.image[..., 3].any(1))
        np.testing.assert_allclose(
            view.camera.project(ends)[0][:, 1], (rows[0], rows[-1] + 1), atol=1e-6
        )


def test_what_is_seen_from_aside_tells_of_the_depth():
    aside = orthographic_camera(
        look_at(np.array((np.sin(0.6), -np.cos(0.6), 0)) * 3, np.zeros(3)), 2.0, 400
    )
    fitted = align_references([standing("front"), box(moved(aside), name="aside")], NEAR)
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=0.02)
    assert frame_axes([view.camera for view in fitted.views]) == pytest.approx(np.eye(3))


def test_perspective_cameras_give_place_and_size():
    eyes = np.array(((0.5, -4, 0.4), (4, 0.3, 1), (-2, 3, 2.0)))
    views = [
        box(moved(perspective_camera(look_at(eye, np.array((0.2, 0, 0.1))), 0.7, 300)))
        for eye in eyes
    ]
    fitted = align_references(views, NEAR)
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=0.03)
    assert fitted.to_world[0, 0] == pytest.approx(1.2, rel=0.05)
    for view, given in zip(fitted.views, views, strict=True):  # the same rays as before
        there = np.array(((0.1, 0.2, 0.3), (-0.2, 0.1, 0.4)))
        world = there @ fitted.to_world[:3, :3].T + fitted.to_world[:3, 3]
        np.testing.assert_allclose(
            view.camera.project(there)[0], given.view.camera.project(world)[0], atol=1e-6
        )


def test_one_from_aside_is_the_front_of_its_own_frame():
    aside = orthographic_camera(
        look_at(np.array((np.sin(0.6), -np.cos(0.6), 0)) * 3, np.zeros(3)), 2.0, 400
    )
    fitted = align_references([box(moved(aside))], MIDDLE)
    np.testing.assert_allclose(fitted.views[0].camera.to_world[:3, 2], (0, -1, 0), atol=1e-9)
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=0.01)


def test_the_sides_that_the_world_does_not_know_are_found():
    """Turned together by any turn, they are sides of a frame turned so."""
    turn = look_at(np.array((1.0, 2, 3)), np.zeros(3), np.array((0.3, 1, 0)))
    cameras = [side_camera(name, 2.0, 64).moved(turn) for name in ("front", "right", "back")]
    axes = frame_axes(cameras)
    np.testing.assert_allclose(axes, turn[:3, :3], atol=1e-9)
    assert frame_axes([side_camera("right", 1, 8)]) == pytest.approx(np.eye(3))


def test_disagreement_is_measured():
    small = box(moved(side_camera("right", 2.0, 400)), EXTENT * (1, 1, 0.95), "right")
    fitted = align_references([standing("front"), small], NEAR)
    assert len(fitted.disagreements) == 1 and fitted.disagreements[0].endswith(
        "% taller than right"
    )
    assert float(fitted.disagreements[0].split()[2].rstrip("%")) == pytest.approx(
        100 / 0.95 - 100, abs=0.7
    )


def test_far_off_the_first_is_believed():
    high = box(moved(side_camera("right", 3.0, 400), MIDDLE + (0, 0, 0.3)), name="right")
    twice = Reference("right", View(high.view.image, high.view.camera.scaled(2.0)))
    fitted = align_references([standing("front"), twice], NEAR)
    assert fitted.to_world[0, 0] == pytest.approx(1.2, rel=0.02)
    assert fitted.to_world[2, 3] == pytest.approx(3, abs=0.02)
    assert "taller" in fitted.disagreements[0] and "higher" in fitted.disagreements[1]


def test_of_one_that_is_not_placed_only_the_scale_counts():
    elsewhere = Reference(
        "right", View(standing("right").view.image, side_camera("right", 2.0, 400)), placed=False
    )
    fitted = align_references([standing("front"), elsewhere], np.array((0, -1.0, 0)))
    np.testing.assert_allclose(fitted.to_world[:3, 3], MIDDLE, atol=5e-3)
    assert fitted.disagreements == ()


def test_a_view_is_stretched_only_along_what_it_shows_straight_on():
    tilted = orthographic_camera(look_at(np.array((0, -3, 1.0)), np.zeros(3)), 2.0, 400)
    fitted = align_references([standing("front"), box(moved(tilted), name="tilted")], NEAR)
    camera: Camera = fitted.views[1].camera
    assert camera.intrinsics[1, 1] == pytest.approx(200 * 1.2, rel=0.01)
