import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.surface_outputs import sample_surface, voxel_mesh, voxelize
from maquette.core.geometry.topology import check_topology, piece_volumes


@pytest.fixture(scope="module")
def ball():
    """A ball of radius 1 about (0, 0, 1), blue below and red above, sure above only."""
    x, y, z = np.mgrid[-1.2:1.2:32j, -1.2:1.2:32j, -0.2:2.2:32j]
    field = (1 - np.sqrt(x**2 + y**2 + (z - 1) ** 2)).astype(np.float32)
    mesh = surface_nets(field, origin=np.array((-1.2, -1.2, -0.2)), spacing=2.4 / 31)
    height = mesh.vertices[:, 2:] / 2
    colors = np.concatenate((height, 0 * height, 1 - height), 1).clip(0, 1)
    return MeshArrays(mesh.vertices, mesh.faces, colors.astype(np.float32), height[:, 0].clip(0, 1))


def test_points_are_spread_evenly_over_the_surface(ball):
    sampled = sample_surface(ball, 3000)
    away = sampled.points - (0, 0, 1)
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), 1, atol=0.02)
    np.testing.assert_allclose((sampled.normals * away).sum(1), 1, atol=0.03)
    # By Archimedes each band of equal height has the same area.
    counts, _ = np.histogram(sampled.points[:, 2], 6, (0, 2))
    assert counts.min() > 0.9 * 500 and counts.max() < 1.1 * 500
    np.testing.assert_allclose(sampled.colors[:, 0], sampled.points[:, 2] / 2, atol=0.01)
    np.testing.assert_allclose(sampled.confidence, sampled.points[:, 2] / 2, atol=0.01)


def test_the_same_seed_gives_the_same_points(ball):
    first, second, other = (sample_surface(ball, 50, seed).points for seed in (3, 3, 4))
    assert (first == second).all() and (first != other).any()


def test_a_mesh_without_colors_is_gray(ball):
    sampled = sample_surface(MeshArrays(ball.vertices, ball.faces), 20)
    assert (sampled.colors == 0.5).all() and (sampled.confidence == 1).all()


def test_voxels_are_the_cells_inside(ball):
    voxels = voxelize(ball, 20)
    assert voxels.occupancy.shape == (22, 22, 22)
    volume = voxels.occupancy.sum() * voxels.spacing**3
    assert volume == pytest.approx(4 / 3 * np.pi, rel=0.03)
    cells = np.indices(voxels.occupancy.shape).reshape(3, -1).T
    centers = voxels.origin + cells * voxels.spacing
    distance = np.linalg.norm(centers - (0, 0, 1), axis=1)
    inside = voxels.occupancy.ravel()
    assert inside[distance < 0.97].all() and not inside[distance > 1.03].any()


def test_outer_faces_of_voxels_close_their_volume(ball):
    voxels = voxelize(ball, 12)
    mesh = voxel_mesh(voxels, ball)
    report = check_topology(mesh)
    assert mesh.faces.shape[1] == 4 and report.boundary == report.flipped == 0
    volume = voxels.occupancy.sum() * voxels.spacing**3
    assert sum(piece_volumes(mesh)) == pytest.approx(volume, rel=1e-4)
    top = mesh.vertices[:, 2] > 1.6
    assert mesh.colors[top, 0].min() > mesh.colors[top, 2].max()
