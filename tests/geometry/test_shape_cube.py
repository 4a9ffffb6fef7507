import numpy as np
import pytest
from maquette.core.errors import MeshError
from maquette.core.geometry.shape_cube.box import CUBE_SIDE, FIELD_SIDE, ShapeBox, field_coordinates
from maquette.core.geometry.shape_cube.distances import (
    resample_field,
    surface_points,
    truncated_distance,
    unsigned_distance,
)
from maquette.core.geometry.shape_cube.fields import solid_field
from maquette.core.geometry.shape_cube.splatting import SPLAT_SIDE, splat_points
from maquette.core.geometry.winding_number import OrientedSolid


def ball_cells(side, radius):
    """Which cells of a cube of side 1 have their centers in a ball about its middle."""
    steps = (np.arange(side) + 0.5) / side - 0.5
    x, y, z = np.meshgrid(steps, steps, steps, indexing="ij")
    length = np.sqrt(x**2 + y**2 + z**2)
    return length < radius, length


def box_solid(size):
    """An axis-aligned box about the origin."""
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    vertices = (corners - 0.5) * size
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [(q[0], q[i], q[i + 1]) for q in quads for i in (1, 2)]
    return OrientedSolid(vertices, np.array(triangles, np.int32), 0.0)


def test_a_box_stretches_each_side_to_one_and_back():
    box = ShapeBox.of_bounds(np.array(((0, 0, 0), (4.0, 2.0, 3.0))))
    unit = box.to_unit(np.array(((0, 0, 0), (4.0, 2.0, 3.0), (2.0, 1.0, 1.5))))
    np.testing.assert_allclose(unit, ((-0.5,) * 3, (0.5,) * 3, (0, 0, 0)))
    np.testing.assert_allclose(box.from_unit(unit)[1], (4, 2, 3))


def test_a_flat_side_is_stretched_four_times_at_most():
    box = ShapeBox.of_bounds(np.array(((0, 0, 0), (4.0, 4.0, 0.01))))
    np.testing.assert_allclose(box.size, (4, 4, 1))


def test_what_has_no_extent_has_no_box():
    with pytest.raises(MeshError, match="no extent"):
        ShapeBox.of_points(np.zeros((3, 3)))


def test_distances_of_a_ball_are_right_to_a_cell():
    inside, length = ball_cells(40, 0.3)
    distance = truncated_distance(inside, (1 / 40,) * 3, 0.1)
    true = (0.3 - length).clip(-0.1, 0.1)
    assert np.abs(distance - true).max() < 1 / 40
    assert ((distance > 0) == inside).all()


def test_distances_know_cells_of_another_shape():
    inside = np.zeros((3, 9, 5), bool)
    inside[1, 4, 2] = True
    distance = truncated_distance(inside, (0.1, 0.02, 0.05), 0.09)
    # The surface is half the smallest step from the center.
    assert distance[1, 4, 2] == pytest.approx(0.02 - 0.01)
    assert distance[1, 6, 2] == pytest.approx(0.01 - 0.04)
    assert distance[1, 4, 3] == pytest.approx(0.01 - 0.05)
    assert distance[0, 0, 0] == pytest.approx(-0.09)


def test_unsigned_distances_reach_across_the_grid():
    marked = np.zeros((8, 8, 8), bool)
    marked[0, 0, 0] = True
    distance = unsigned_distance(marked, 0.5, 8.0)
    assert distance[7, 7, 7] == pytest.approx(0.5 * 7 * 3**0.5)


def test_the_field_of_a_box_fills_the_cube_whatever_its_sides():
    for size in ((1.0, 1.0, 1.0), (2.0, 1.0, 0.7)):
        field, box = solid_field(box_solid(np.array(size)))
        np.testing.assert_allclose(box.size, size)
        expected = int((np.abs(field_coordinates()) < 0.5).sum())
        for axis in range(3):
            length = (field > 0).any(tuple({0, 1, 2} - {axis})).sum()
            assert abs(length - expected) <= 2  # the cells of its lattice are wider than a point's


def test_surface_points_lie_on_the_surface_with_outward_normals():
    coordinates = field_coordinates()
    grid = np.stack(np.meshgrid(coordinates, coordinates, coordinates, indexing="ij"), -1)
    field = (0.4 - np.linalg.norm(grid, axis=-1)).astype(np.float32)
    points, normals = surface_points(field, 500, np.random.default_rng(0))
    length = np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(length, 0.4, atol=2e-3)
    assert ((points / length[:, None] * normals).sum(1) > 0.99).all()


def test_nothing_inside_has_no_surface_points():
    points, normals = surface_points(np.full((8, 8, 8), -1.0), 10, np.random.default_rng(0))
    assert points.shape == normals.shape == (0, 3)


def test_resampling_a_linear_field_is_exact():
    steps = np.linspace(-CUBE_SIDE / 2, CUBE_SIDE / 2, 9)
    field = np.broadcast_to(steps[:, None, None], (9, 9, 9)).astype(np.float32)
    spacing = steps[1] - steps[0]
    result = resample_field(field, (steps[0],) * 3, (spacing,) * 3, 0.0)
    expected = np.broadcast_to(field_coordinates()[:, None, None], (FIELD_SIDE,) * 3)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_splatting_keeps_offset_normal_and_what_is_known():
    center = (np.array((3, 4, 5)) + 0.5) / SPLAT_SIDE - 0.5
    points = (center + np.array(((0.1, 0, 0), (0.3, 0, 0))) / SPLAT_SIDE) * CUBE_SIDE
    outside = np.array(((9.0, 0, 0),))
    normals = np.array(((0, 0, 1.0), (0, 1.0, 0), (1.0, 0, 0)))
    known = np.zeros((SPLAT_SIDE,) * 3, bool)
    known[0, 0, 0] = True
    cells = splat_points(np.concatenate((points, outside)), normals, known)
    assert cells.shape == (8, SPLAT_SIDE, SPLAT_SIDE, SPLAT_SIDE)
    np.testing.assert_allclose(cells[1:4, 3, 4, 5], (0.2, 0, 0), atol=1e-6)
    np.testing.assert_allclose(cells[4:7, 3, 4, 5], (0, 0.5, 0.5), atol=1e-6)
    assert (cells[0] > 0).sum() == 1
    assert cells[7].sum() == 1 and cells[7, 0, 0, 0] == 1
