import numpy as np
from maquette.core.arrays import MeshArrays
from maquette.core.geometry.connectivity import (
    remove_small_components,
    submesh,
    vertex_components,
)
from maquette.core.geometry.surface_nets import surface_nets

from .test_surface_nets import ball, check_manifold


def test_small_components_are_removed():
    field = np.maximum(ball(40, (-0.3, 0, 0), 0.5)[0], ball(40, (0.7, 0, 0), 0.15)[0])
    mesh = surface_nets(field, 0.0, *ball()[1:])
    assert vertex_components(mesh).max() == 1
    remaining = remove_small_components(mesh, 0.1, 0.5)
    check_manifold(remaining)
    assert vertex_components(remaining).max() == 0 and remaining.vertices[:, 0].max() < 0.25
    assert remove_small_components(mesh, 0.01, 0.5) is mesh


def test_a_thin_leg_is_not_a_small_component():
    line = np.linspace(-0.5, 0.5, 61)
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    top, leg = z > 0.4, (np.hypot(x - 0.3, y) < 0.02) & (z < 0.35)
    mesh = surface_nets(np.where(top | leg, 1.0, -1.0), 0.0, np.full(3, -0.5), line[1] - line[0])
    assert vertex_components(mesh).max() == 1
    assert remove_small_components(mesh, 0.01, 0.5) is mesh
    assert vertex_components(remove_small_components(mesh, 0.01, 0.9)).max() == 0


def test_colors_stay_with_their_vertices():
    field = np.maximum(ball(40, (-0.3, 0, 0), 0.5)[0], ball(40, (0.7, 0, 0), 0.15)[0])
    mesh = surface_nets(field, 0.0, *ball()[1:])
    mesh = MeshArrays(mesh.vertices, mesh.faces, mesh.vertices.copy())
    remaining = remove_small_components(mesh, 0.1, 0.5)
    np.testing.assert_array_equal(remaining.vertices, remaining.colors)


def test_a_submesh_has_the_selected_faces_and_no_other_vertices():
    mesh = surface_nets(*ball()[:1], 0.0, *ball()[1:])
    mesh = MeshArrays(mesh.vertices, mesh.faces, confidence=mesh.vertices[:, 0].copy())
    selected = np.arange(len(mesh.faces)) % 7 == 0
    part = submesh(mesh, selected)
    np.testing.assert_array_equal(part.vertices[part.faces], mesh.vertices[mesh.faces[selected]])
    assert set(part.faces.ravel().tolist()) == set(range(len(part.vertices)))
    np.testing.assert_array_equal(part.confidence, part.vertices[:, 0])
