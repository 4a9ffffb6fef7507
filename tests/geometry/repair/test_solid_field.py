"""The surface of any solid is closed, and keeps thin parts."""

import numpy as np
import pytest
from maquette.core.geometry.repair.solid_field import solid_surface
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.topology import check_topology
from maquette.core.geometry.winding_number import OrientedSolid


def brute_tree(corners):
    """Nearest triangles by their centers, good enough for small ones."""
    centers = corners.mean(axis=1)

    def find_nearest(points):
        found = []
        for part in np.array_split(points, max(len(points) // 500, 1)):
            squared = ((part[:, None] - centers) ** 2).sum(axis=2)
            found.append(squared.argmin(axis=1))
        return np.concatenate(found)

    return find_nearest


def box(shape):
    cells = np.pad(np.ones(shape), 1)
    mesh = surface_nets(cells, 0.5)
    return mesh.vertices.astype(float), mesh.to_triangles()


NOTHING = np.empty((0, 3, 3))
# Of a box of 8 x 8 x 8 cells, whose edges are cut by surface nets.
BOX = 488.7


def test_boxes_that_overlap_become_one():
    vertices, faces = box((8, 8, 8))
    both = np.concatenate((vertices, vertices + (4, 0, 0)))
    solid = OrientedSolid(both, np.concatenate((faces, faces + len(vertices))), 0.0)
    topology = check_topology(solid_surface(solid, 24, brute_tree, NOTHING))
    assert topology.is_watertight and topology.pieces == 1
    assert topology.volume == pytest.approx(1.5 * BOX, rel=0.03)


def test_a_gap_does_not_leak():
    vertices, faces = box((8, 8, 8))
    solid = OrientedSolid(vertices, faces[4:], 0.0)
    surface = solid_surface(solid, 24, brute_tree, NOTHING, fill_hidden=True)
    assert check_topology(surface).is_watertight
    assert check_topology(surface).volume == pytest.approx(BOX, rel=0.03)


def test_what_is_thinner_than_the_grid_is_kept_if_named():
    vertices, faces = box((8, 8, 8))
    thin = vertices * (1, 1, 0.005)
    solid = OrientedSolid(thin, faces, 0.0)
    surface = solid_surface(solid, 16, brute_tree, thin[faces])
    extent = np.ptp(surface.vertices, axis=0)
    assert check_topology(surface).is_watertight
    np.testing.assert_allclose(extent[:2], 8, rtol=0.15)
    assert extent[2] == pytest.approx(1.8 * 8 / 16, rel=0.15)


def test_a_hollow_stays_hollow():
    vertices, faces = box((8, 8, 8))
    center = vertices.mean(axis=0)
    both = np.concatenate((vertices, center + (vertices - center) / 2))
    solid = OrientedSolid(both, np.concatenate((faces, faces[:, ::-1] + len(vertices))), 0.0)
    topology = check_topology(solid_surface(solid, 32, brute_tree, NOTHING))
    assert topology.is_watertight
    assert topology.volume == pytest.approx(BOX * 7 / 8, rel=0.03)
