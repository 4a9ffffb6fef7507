import numpy as np
import pytest
from maquette.core import cameras
from maquette.core.arrays import SymmetryPlane, View
from maquette.core.geometry.silhouette import render_silhouette
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.symmetry import (
    MAX_DEVIATION,
    choose_half,
    find_symmetry_plane,
    looks_symmetric,
)


def shape(long_arm=0):
    """A T along y, symmetric about the plane across y; ``long_arm`` more cells at +y."""
    cells = np.zeros((24, 40, 24))
    cells[8:16, 10 : 30 + long_arm, 16:20] = 1
    cells[8:20, 17:23, 2:16] = 1
    return surface_nets(cells, 0.5, spacing=1 / 24)


def turned(mesh, angle):
    c, s = np.cos(angle), np.sin(angle)
    return type(mesh)(
        (mesh.vertices @ np.array(((c, s, 0), (-s, c, 0), (0, 0, 1)))).astype(np.float32),
        mesh.faces,
    )


def test_the_plane_of_a_symmetric_object_is_found():
    plane = find_symmetry_plane(shape())
    assert abs(plane.normal[1]) == pytest.approx(1) and plane.deviation < 5e-4
    assert plane.point[1] == pytest.approx(19.5 / 24, abs=1e-3)
    assert plane.summary() == "plane across Y, 0.0% off"


def test_the_plane_of_a_rotated_object_is_found():
    plane = find_symmetry_plane(turned(shape(), 0.6))
    assert abs(plane.normal @ (-np.sin(0.6), np.cos(0.6), 0)) > 0.999 and plane.deviation < 0.002


def test_the_plane_of_a_damaged_object_is_that_of_the_rest():
    """An arm is longer than the other one, so that the center lies beside the plane."""
    mesh = turned(shape(long_arm=4), 0.6)
    plane = find_symmetry_plane(mesh)
    normal = np.array((-np.sin(0.6), np.cos(0.6), 0))
    assert abs(plane.normal @ normal) > 0.999
    assert plane.point @ normal == pytest.approx(19.5 / 24, abs=0.02)
    assert 0.002 < plane.deviation < MAX_DEVIATION and looks_symmetric(plane)


def test_size_and_place_do_not_matter():
    mesh = shape(long_arm=4)
    plane = find_symmetry_plane(mesh)
    moved = find_symmetry_plane(mesh.offset_and_scaled(np.array((5, -3, 7)), 20))
    assert moved.deviation == pytest.approx(plane.deviation, rel=0.1)
    np.testing.assert_allclose(
        abs(moved.normal @ (moved.point / 20 - (5, -3, 7) - plane.point)), 0, atol=0.01
    )


def test_a_shape_of_no_symmetry_is_not_symmetric():
    cells = np.zeros((32, 24, 32))
    cells[4:28, 4:20, 4:10] = cells[4:10, 4:10, 10:28] = cells[20:28, 14:20, 10:16] = 1
    assert not looks_symmetric(find_symmetry_plane(surface_nets(cells, 0.5, spacing=1 / 32)))


def test_a_turned_over_object_has_its_plane_in_any_direction():
    """The mirror plane of the T is horizontal once it lies on its side."""
    mesh = shape()
    lying = type(mesh)(mesh.vertices[:, [0, 2, 1]], mesh.faces[:, ::-1])
    shear = np.array(((1, 0, 0), (0.6, 1, 0), (0, 0, 1)), np.float32)
    cut = type(lying)(lying.vertices @ shear, lying.faces)
    assert find_symmetry_plane(cut).deviation > 0.02
    plane = find_symmetry_plane(cut, upright=False)
    assert abs(plane.normal[2]) > 0.999 and plane.deviation < 2e-3


def seen(mesh, side, image_of=None):
    """The view of ``side``; its mask is that of ``image_of``."""
    camera = cameras.side_camera(side, 1.5, 128)
    image = np.ones((128, 128, 4), np.float32)
    image[..., 3] = render_silhouette(image_of or mesh, camera)
    return View(image, camera)


def test_images_decide_on_what_is_guessed():
    """The mirror image of what the right side shows is in its mask, unless an arm is missing."""
    mesh = shape().offset_and_scaled(np.array((-0.5, -19.5 / 24, -0.5)), 1)
    assert find_symmetry_plane(mesh, [seen(mesh, "right")]).is_confirmed

    # A mask that lacks the end of an arm.
    one_arm = type(mesh)(mesh.vertices.clip(-9, (9, 0.2, 9)).astype(np.float32), mesh.faces)
    plane = find_symmetry_plane(mesh, [seen(mesh, "right", one_arm)])
    assert not plane.is_confirmed and not looks_symmetric(plane)

    # Planes that face the camera are not confirmed: one half hides the other.
    facing = find_symmetry_plane(mesh, [seen(mesh, "front")])
    assert abs(facing.normal[1]) < 0.9 or not facing.is_confirmed


def test_a_plane_moves_with_its_mesh():
    plane = SymmetryPlane(np.array((1.0, 2, 3)), np.array((0.6, 0.8, 0)), 0.01)
    mesh = type(shape())(np.zeros((3, 3), np.float32), np.array(((0, 1, 2),)), symmetry=plane)
    moved = mesh.offset_and_scaled(np.array((1, 1, 1)), 2).symmetry
    np.testing.assert_allclose(moved.point, (4, 6, 8))
    assert (moved.normal == plane.normal).all() and moved.deviation == 0.01


def test_the_deviation_measures_the_difference():
    assert find_symmetry_plane(shape(long_arm=6)).deviation > 0.01


def test_mirroring_and_the_frame_agree():
    plane = SymmetryPlane(np.array((1.0, 2, 3)), np.array((0.6, 0.8, 0)), 0)
    point = np.array(((4.0, 5, 6),))
    local, image = (
        (p - plane.point) @ plane.frame_rotation().T for p in (point, plane.mirror_points(point))
    )
    np.testing.assert_allclose(image, local * (-1, 1, 1))
    assert np.linalg.det(plane.frame_rotation()) == pytest.approx(1)


def test_the_better_half_is_the_one_of_higher_confidence():
    mesh = shape(long_arm=6)
    across = SymmetryPlane(np.array((0.5, 19.5 / 24, 0.5)), np.array((0.0, 1, 0)), 0)
    is_low = mesh.vertices[:, 1] < 19.5 / 24
    for high, expected in ((0.4, -1), (0.6, 1), (0.5, 1)):  # alike: the one with more volume
        confidence = np.where(is_low, 0.5, high).astype(np.float32)
        assert (
            choose_half(type(mesh)(mesh.vertices, mesh.faces, None, confidence), across) == expected
        )


def test_the_better_half_is_the_one_that_is_seen_else_the_fuller():
    mesh = shape(long_arm=6)
    across = SymmetryPlane(np.array((0.5, 19.5 / 24, 0.5)), np.array((0.0, 1, 0)), 0)
    assert choose_half(mesh, across) == 1
    assert choose_half(mesh, across, [cameras.side_camera("front", 1, 8)]) == -1
    assert (
        choose_half(
            mesh, across, [cameras.side_camera("front", 1, 8), cameras.side_camera("back", 1, 8)]
        )
        == 1
    )
