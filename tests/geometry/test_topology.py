import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.geometry.connectivity import submesh
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.topology import check_topology, fill_holes, split_non_manifold

CUBE = MeshArrays(
    np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32),
    np.array(
        [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]],
        np.int32,
    ),
)


def counts(mesh):
    state = check_topology(mesh)
    return state.boundary, state.non_manifold, state.flipped, state.pinched, state.inward


def joined(first, second):
    """Both meshes in one, vertices at the same position merged."""
    vertices = np.concatenate((first.vertices, second.vertices))
    faces = np.concatenate((first.faces, second.faces + len(first.vertices)))
    vertices, which = np.unique(vertices, axis=0, return_inverse=True)
    return MeshArrays(vertices, which.reshape(-1)[faces].astype(np.int32))


def moved(x, y, z):
    return CUBE.offset_and_scaled(np.array((x, y, z)))


def test_a_cube_is_watertight():
    state = check_topology(CUBE)
    assert state.is_watertight and state.summary() == "closed, manifold, outward"
    assert (state.volume, state.pieces) == (pytest.approx(1), 1)


def test_what_is_wrong_is_counted():
    assert counts(submesh(CUBE, np.arange(6) != 2)) == (4, 0, 0, 0, 0)
    turned = CUBE.faces.copy()
    turned[0] = turned[0, ::-1]
    assert counts(MeshArrays(CUBE.vertices, turned))[:3] == (0, 0, 4)
    assert counts(MeshArrays(CUBE.vertices, CUBE.faces[:, ::-1])) == (0, 0, 0, 0, 1)
    assert counts(joined(CUBE, moved(1, 1, 0))) == (0, 1, 0, 0, 0)
    assert counts(joined(CUBE, moved(1, 1, 1))) == (0, 0, 0, 1, 0)
    assert (
        "1 edges with more than two faces" in check_topology(joined(CUBE, moved(1, 1, 0))).summary()
    )


def test_vertices_that_no_face_uses_do_not_count():
    loose = MeshArrays(
        np.concatenate((np.full((1, 3), 9, np.float32), CUBE.vertices)), CUBE.faces + 1
    )
    assert check_topology(loose).is_watertight


@pytest.mark.parametrize("place", [(1, 1, 0), (1, 1, 1)], ids=["edge", "vertex"])
def test_what_touches_is_split_along_the_solid(place):
    mesh = joined(CUBE, moved(*place))
    result = split_non_manifold(mesh)
    state = check_topology(result)
    assert state.is_watertight and state.pieces == 2 and len(result.vertices) == 16
    assert abs(state.volume - 2) < 0.1
    apart = np.unique(result.vertices, axis=0)
    assert len(apart) == 16  # merging by distance must not undo it


def test_a_hollow_stays_whole_where_its_corner_touches_the_outside():
    """Two voids of a block meet at an edge: the solid, not the voids, is what holds together."""
    block = np.ones((4, 4, 4))
    block[1, 1, 1] = block[2, 2, 1] = 0
    assert check_topology(surface_nets(block, 0.5)).boundary == 0
    assert check_topology(split_non_manifold(surface_nets(block, 0.5))).boundary == 0


def test_watertight_meshes_are_not_changed():
    assert split_non_manifold(CUBE) is CUBE
    assert fill_holes(CUBE) is CUBE


@pytest.mark.parametrize("gone", [[0], [0, 2], [0, 2, 4]])
def test_holes_are_closed_with_quads(gone):
    grid = surface_nets(np.ones((3, 3, 3)), 0.5)
    corner = np.flatnonzero((grid.faces == grid.faces[0, 0]).any(1))[: len(gone)]
    opened = submesh(grid, ~np.isin(np.arange(len(grid.faces)), corner))
    assert check_topology(opened).boundary
    closed = fill_holes(opened)
    assert check_topology(closed).is_watertight and closed.faces.shape[1] == 4
