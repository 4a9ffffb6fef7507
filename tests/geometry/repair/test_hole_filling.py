"""Holes are filled, and what is open on purpose is given a wall."""

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.geometry.repair.hole_filling import close_surface
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.topology import check_topology

UP = np.array((0.0, 0.0, 1.0))


def no_triangles(points):
    """Leave the polygon to the fan."""
    return np.empty((0, 3), np.int64)


def block(chosen):
    """A block of 8 x 8 x 8 without the faces whose center is chosen."""
    cells = np.zeros((10, 10, 10))
    cells[1:9, 1:9, 1:9] = 1
    mesh = surface_nets(cells, 0.5)
    faces = mesh.to_triangles()
    centers = mesh.vertices[faces].mean(axis=1)
    return MeshArrays(mesh.vertices, faces[~chosen(*centers.T)])


WHOLE = check_topology(block(lambda x, y, z: x > 100)).volume


def test_a_hole_in_a_side_is_filled():
    mesh = block(lambda x, y, z: (z > 8) & (abs(x - 4.5) < 2) & (abs(y - 4.5) < 2))
    closed, report = close_surface(mesh, 0.1, UP, no_triangles)
    assert (report.holes, report.sheets, report.vessels) == (1, 0, 0)
    topology = check_topology(closed)
    assert topology.is_watertight and topology.volume == pytest.approx(WHOLE, rel=0.001)


@pytest.mark.parametrize("up, vessels", [(UP, 1), (-UP, 0)])
def test_a_missing_lid_makes_a_vessel_unless_it_faces_down(up, vessels):
    mesh = block(lambda x, y, z: z > 8.1)
    closed, report = close_surface(mesh, 0.1, up, no_triangles)
    topology = check_topology(closed)
    assert report.vessels == vessels and topology.is_watertight
    right = (64 + 4 * 8 * 7.3) * 0.1 if vessels else WHOLE
    assert topology.volume == pytest.approx(right, rel=0.06)


def test_a_mouth_that_would_be_no_wider_than_its_wall_is_filled():
    mesh = block(lambda x, y, z: z > 8.1)
    assert close_surface(mesh, 2.0, UP, no_triangles)[1].holes == 1


def test_a_sheet_gets_the_least_thickness():
    vertices = np.array(((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)), np.float32)
    mesh = MeshArrays(vertices, np.array(((0, 1, 2), (0, 2, 3)), np.int32))
    for least, thickness in ((0.0, 0.1), (0.2, 0.2)):
        closed, report = close_surface(mesh, 0.5, UP, no_triangles, least)
        assert report.sheets == 1 and check_topology(closed).is_watertight
        assert np.ptp(closed.vertices[:, 2]) == pytest.approx(thickness)


def test_a_curved_hole_is_filled_with_the_least_area():
    """The missing corner of a block: three squares, of which the cut is smaller than any fan."""
    mesh = block(lambda x, y, z: (x > 6) & (y > 6) & (z > 6))
    closed, _ = close_surface(mesh, 0.1, UP, no_triangles)
    topology = check_topology(closed)
    assert topology.is_watertight
    assert WHOLE - 8 < topology.volume < WHOLE
