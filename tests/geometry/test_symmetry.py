import numpy as np
import pytest
from maquette.core import cameras
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.symmetry import SymmetryPlane, choose_half, find_symmetry_plane
from maquette.core.scene.bvh import nearest_triangle_finder


def shape(long_arm=0):
    """A T along y, symmetric about the plane across y; ``long_arm`` more cells at +y."""
    cells = np.zeros((24, 40, 24))
    cells[8:16, 10 : 30 + long_arm, 16:20] = 1
    cells[8:20, 17:23, 2:16] = 1
    return surface_nets(cells, 0.5, spacing=1 / 24)


def plane_of(mesh):
    return find_symmetry_plane(
        mesh, nearest_triangle_finder(mesh.vertices[mesh.to_triangles()].astype(float))
    )


def turned(mesh, angle):
    c, s = np.cos(angle), np.sin(angle)
    return type(mesh)(
        (mesh.vertices @ np.array(((c, s, 0), (-s, c, 0), (0, 0, 1)))).astype(np.float32),
        mesh.faces,
    )


def test_the_plane_of_a_symmetric_object_is_found():
    plane = plane_of(shape())
    assert abs(plane.normal[1]) == pytest.approx(1) and plane.deviation < 1e-4
    assert plane.point[1] == pytest.approx(19.5 / 24, abs=1e-3)
    assert plane.summary() == "plane across Y, 0.0% off"


def test_the_plane_of_a_rotated_object_is_found():
    plane = plane_of(turned(shape(), 0.6))
    assert abs(plane.normal @ (-np.sin(0.6), np.cos(0.6), 0)) > 0.999 and plane.deviation < 0.002


def test_the_deviation_measures_the_difference():
    assert plane_of(shape(long_arm=6)).deviation > 0.01


def test_mirroring_and_the_frame_agree():
    plane = SymmetryPlane(np.array((1.0, 2, 3)), np.array((0.6, 0.8, 0)), 0)
    point = np.array(((4.0, 5, 6),))
    local, image = (
        (p - plane.point) @ plane.frame_rotation().T for p in (point, plane.mirror_points(point))
    )
    np.testing.assert_allclose(image, local * (-1, 1, 1))
    assert np.linalg.det(plane.frame_rotation()) == pytest.approx(1)


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
