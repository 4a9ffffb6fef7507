"""Connectivity and orientation are mended without moving the surface."""

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.geometry.repair import mesh_repair
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.topology import check_topology, piece_volumes


def block(*boxes):
    """A mesh of triangles around some boxes of cells."""
    cells = np.zeros((12, 12, 12))
    for box in boxes:
        cells[box] = 1
    mesh = surface_nets(cells, 0.5)
    return MeshArrays(mesh.vertices, mesh.to_triangles())


SOLID = np.s_[2:8, 2:8, 2:8]


def apart(mesh):
    """The mesh with every face by itself."""
    faces = np.arange(mesh.faces.size, dtype=np.int32).reshape(-1, 3)
    return MeshArrays(mesh.vertices[mesh.faces.ravel()], faces)


@pytest.mark.parametrize("noise", [0.0, 4e-5])
def test_faces_that_are_apart_are_welded(noise):
    mesh = block(SOLID)
    pieces = apart(mesh)
    jitter = np.random.default_rng(0).uniform(-noise / 2, noise / 2, pieces.vertices.shape)
    moved = MeshArrays((pieces.vertices + jitter).astype(np.float32), pieces.faces)
    welded = mesh_repair.weld_open_vertices(moved, 1e-4)
    assert len(welded.vertices) == len(mesh.vertices)
    assert check_topology(welded).is_watertight


def test_closed_parts_that_touch_are_not_welded():
    mesh = block(SOLID)
    both = MeshArrays(
        np.concatenate((mesh.vertices, mesh.vertices)),
        np.concatenate((mesh.faces, mesh.faces + len(mesh.vertices))),
    )
    assert mesh_repair.weld_open_vertices(both, 1e-4) is both


def test_turned_faces_are_turned_back():
    mesh = block(SOLID)
    rng = np.random.default_rng(0)
    is_turned = rng.random(len(mesh.faces)) < 0.3
    messy = np.where(is_turned[:, None], mesh.faces[:, ::-1], mesh.faces)
    oriented, count = mesh_repair.orient_patches(MeshArrays(mesh.vertices, messy))
    assert count == is_turned.sum()
    assert check_topology(oriented).is_watertight


def test_a_fin_is_cut_from_a_closed_surface():
    """Also where it goes on straight from a side."""
    mesh = block(SOLID)
    start, end = mesh.faces[0, :2]
    tip = mesh.vertices[start] * 2 - mesh.vertices[mesh.faces[0, 2]]
    fin = np.array([[start, end, len(mesh.vertices)]], np.int32)
    finned = MeshArrays(
        np.concatenate((mesh.vertices, tip[None])), np.concatenate((mesh.faces, fin))
    )
    cut = mesh_repair.cut_crowded_edges(finned)
    report = check_topology(cut)
    assert (report.non_manifold, report.boundary, report.pieces) == (0, 3, 2)


def test_doubles_of_faces_are_dropped():
    mesh = block(SOLID)
    doubled = MeshArrays(mesh.vertices, np.concatenate((mesh.faces, mesh.faces[:5, [1, 2, 0]])))
    assert len(mesh_repair.drop_double_faces(doubled, either_side=False).faces) == len(mesh.faces)
    turned = MeshArrays(mesh.vertices, np.concatenate((mesh.faces, mesh.faces[:5, ::-1])))
    assert mesh_repair.drop_double_faces(turned, either_side=False) is turned
    assert len(mesh_repair.drop_degenerate_faces(turned).faces) == len(mesh.faces)


def test_hollows_face_inward_and_parts_outward():
    first = block(SOLID)
    second = block(np.s_[4:6, 4:6, 4:6])
    third = block(np.s_[9:11, 9:11, 9:11])
    counts = np.cumsum([0, len(first.vertices), len(second.vertices)])
    mesh = MeshArrays(
        np.concatenate((first.vertices, second.vertices, third.vertices)),
        np.concatenate(
            (
                first.faces,
                second.faces[:, ::-1] + counts[1],
                third.faces[:, ::-1] + counts[2],
            )
        ).astype(np.int32),
    )
    volumes = piece_volumes(mesh_repair.turn_pieces_outward(mesh))
    assert volumes[0] > 0 > volumes[1] and volumes[2] > 0
    assert check_topology(mesh_repair.turn_pieces_outward(mesh)).is_watertight

    inside = MeshArrays(mesh.vertices, np.abs(mesh.faces))
    inside.faces[len(first.faces) : len(first.faces) + len(second.faces)] = second.faces + counts[1]
    turned = mesh_repair.turn_pieces_outward(inside)
    assert mesh_repair.buried_pieces(turned).tolist() == [False, True, False]


def test_subdivided_triangles_keep_the_volume():
    mesh = block(SOLID)
    finer = mesh_repair.subdivide_triangles(mesh)
    assert len(finer.faces) == 4 * len(mesh.faces) and check_topology(finer).is_watertight
    assert check_topology(finer).volume == pytest.approx(check_topology(mesh).volume, rel=1e-5)


def test_faces_without_numbers_are_dropped():
    mesh = block(SOLID)
    vertices = mesh.vertices.copy()
    vertices[3] = np.nan
    kept = mesh_repair.drop_invalid_faces(MeshArrays(vertices, mesh.faces))
    assert np.isfinite(kept.vertices).all()
    assert len(kept.faces) == (mesh.faces != 3).all(axis=1).sum()
