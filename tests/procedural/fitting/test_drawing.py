import numpy as np
import pytest
from maquette.core.cameras import look_at, orthographic_camera, perspective_camera
from maquette.core.procedural.fitting.drawing import Lattice, draw_triangles, fill_triangles
from maquette.core.procedural.primitives import make_box, translate_mesh


def box(size, center=(0.0, 0.0, 0.0)):
    """Vertices and triangles of a box."""
    mesh = translate_mesh(make_box(size), center)
    return mesh.vertices.astype(float), mesh.to_triangles()


def test_a_box_covers_its_pixels_at_its_depth():
    camera = orthographic_camera(look_at(np.array((0.0, -3.0, 0.0)), np.zeros(3)), 2.0, 40)
    drawing = draw_triangles(*box((1.0, 0.5, 0.4)), camera)
    rows, columns = np.nonzero(drawing.mask)
    assert drawing.mask.sum() == 20 * 8
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 23, 10, 29)
    assert drawing.depth[drawing.mask] == pytest.approx(2.75, abs=1e-5)
    assert np.isinf(drawing.depth[~drawing.mask]).all()


def test_depth_in_perspective_is_that_of_the_plane():
    camera = perspective_camera(look_at(np.array((0.0, -3.0, 0.0)), np.zeros(3)), 0.8, 32)
    vertices = np.array(((-0.5, -0.5, -0.5), (0.5, 0.5, -0.5), (0.0, 0.0, 0.6)))
    drawing = draw_triangles(vertices, np.array([[0, 1, 2]], np.int32), camera)
    points = np.argwhere(drawing.mask)[:, ::-1] + 0.5
    depths = drawing.depth[drawing.mask]
    placed = camera.unproject(points, depths.astype(float))
    assert len(depths) > 50
    np.testing.assert_allclose(placed[:, 0], placed[:, 1], atol=5e-3)  # the plane x = y


def test_solids_that_overlap_are_filled_once():
    first, first_faces = box((0.6, 1.0, 1.0), (-0.2, 0.0, 0.0))
    second, second_faces = box((0.6, 1.0, 1.0), (0.2, 0.0, 0.0))
    vertices = np.concatenate((first, second))
    faces = np.concatenate((first_faces, second_faces + len(first)))
    lattice = Lattice.around(np.array(((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))), 20, 0.0)
    inside = fill_triangles(vertices, faces, lattice)
    assert inside.sum() == 10 * 10 * 10
    assert inside[5:15, 5:15, 5:15].all()


def test_a_lattice_is_as_fine_along_a_thin_side():
    lattice = Lattice.around(np.array(((0.0, 0.0, 0.0), (1.0, 1.0, 0.01))), 10, 0.1)
    np.testing.assert_allclose(lattice.cell, (0.12, 0.12, 0.0012))
    np.testing.assert_allclose(lattice.to_cells(np.array(((-0.04, -0.04, -0.0004),))), 0, atol=1e-9)
