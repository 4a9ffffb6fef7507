import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.errors import MeshError
from maquette.core.geometry.surface_nets import surface_nets, taubin_smooth


def grid(size, bound=1.0):
    line = np.linspace(-bound, bound, size)
    return np.meshgrid(line, line, line, indexing="ij"), 2 * bound / (size - 1)


def ball(size=40, center=(0, 0, 0), radius=0.6):
    (x, y, z), spacing = grid(size)
    field = radius - np.sqrt((x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2)
    return field, np.full(3, -1.0), spacing


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.to_triangles()[:, k]].astype(float) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def check_manifold(mesh):
    """Each edge in two faces that run it in opposite directions; each vertex with one fan."""
    quads = mesh.faces
    edges = np.stack((quads, np.roll(quads, -1, 1)), axis=2).reshape(-1, 2)
    assert len(np.unique(edges, axis=0)) == len(edges), (
        "two faces run an edge in the same direction"
    )
    reverse = np.unique(edges[:, ::-1], axis=0)
    np.testing.assert_array_equal(np.unique(edges, axis=0), reverse)
    after = {}  # around each vertex: from the edge a face comes in by to the edge it leaves by
    for quad in quads.tolist():
        for k, vertex in enumerate(quad):
            after.setdefault(vertex, {})[quad[k - 1]] = quad[(k + 1) % 4]
    for ring in after.values():
        start = at = next(iter(ring))
        for _ in range(len(ring)):
            at = ring[at]
            if at == start:
                break
        seen, at = 1, ring[start]
        while at != start:
            seen, at = seen + 1, ring[at]
        assert seen == len(ring), "a vertex has two fans"


def test_ball():
    mesh = surface_nets(ball()[0], 0.0, *ball()[1:])
    check_manifold(mesh)
    assert mesh.faces.shape[1] == 4
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 0.6, atol=0.01)
    assert volume(mesh) == pytest.approx(
        4 / 3 * np.pi * 0.6**3, rel=0.02
    )  # positive: it faces outwards


def test_torus_has_one_hole():
    (x, y, z), spacing = grid(48)
    mesh = surface_nets(0.2 - np.hypot(np.hypot(x, y) - 0.6, z), 0.0, np.full(3, -1.0), spacing)
    check_manifold(mesh)
    assert len(mesh.vertices) - 2 * len(mesh.faces) + len(mesh.faces) == 0  # V - E + F, E = 2 F


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("share", [0.08, 0.5, 0.92])
def test_noise_stays_manifold(seed, share):
    field = np.random.default_rng(seed).random((9, 10, 11)) - (1 - share)
    mesh = surface_nets(field)
    check_manifold(mesh)
    assert volume(mesh) > 0


@pytest.mark.parametrize("seed", range(6))
def test_smooth_noise_stays_manifold(seed):
    """Thin bridges and sheets close to each other, as fields of a network have them."""
    field = np.random.default_rng(seed).standard_normal((20, 20, 20))
    for axis in (0, 1, 2, 0, 1, 2):
        field = (np.roll(field, 1, axis) + 2 * field + np.roll(field, -1, axis)) / 4
    check_manifold(surface_nets(field, 0.1))


def test_the_check_of_manifolds_sees_a_shared_edge():
    """Two voxels that share an edge: the naive surface would run it twice."""
    voxels = np.zeros((4, 4, 4))
    voxels[1, 1, 1] = voxels[2, 2, 1] = 1
    check_manifold(surface_nets(voxels, 0.5))
    one = surface_nets(np.ones((1, 1, 1)))
    pair = (
        np.concatenate((one.vertices, one.vertices + 9)),
        np.concatenate((one.faces, one.faces + 8)),
    )
    check_manifold(MeshArrays(*pair))
    with pytest.raises(AssertionError, match="two fans"):
        check_manifold(MeshArrays(pair[0], np.where(pair[1] == 8, 0, pair[1])))
    with pytest.raises(AssertionError):
        check_manifold(MeshArrays(pair[0], pair[1][1:]))


def test_what_touches_the_border_is_closed():
    mesh = surface_nets(np.ones((3, 4, 5)))
    check_manifold(mesh)
    assert mesh.vertices.min() > -1


def test_a_field_without_inside_is_refused():
    with pytest.raises(MeshError, match="No surface was found"):
        surface_nets(-np.ones((4, 4, 4)))


def test_smoothing_irons_steps_out_and_keeps_the_volume():
    """A ball of whole voxels, whose steps are half a cell."""
    line = np.linspace(-1, 1, 41)
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    rough = surface_nets(
        np.where(x * x + y * y + z * z < 0.64, 1.0, -1.0), 0.0, np.full(3, -1.0), 0.05
    )
    even = taubin_smooth(rough)

    def radii(mesh):
        return np.linalg.norm(mesh.vertices, axis=1)

    assert radii(even).std() < 0.8 * radii(rough).std()
    assert radii(even).mean() == pytest.approx(radii(rough).mean(), rel=0.01)
    np.testing.assert_array_equal(even.faces, rough.faces)
