"""A sphere with noise and a ridge, seen by cameras in front."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera, side_camera
from maquette.core.geometry.reshaping.smoothing import _Graph, smooth_surface
from maquette.core.geometry.silhouette import render_silhouette
from maquette.core.geometry.surface_nets import surface_nets

RADIUS = 0.4
FRONT = side_camera("front", 1.0, 128)


def sphere(cells=72):
    line = np.linspace(-0.5, 0.5, cells + 1)
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    values = RADIUS - np.sqrt(x**2 + y**2 + z**2)
    return surface_nets(values, 0.0, np.full(3, -0.5), 1 / cells)


def with_radii(mesh, factor):
    vertices = (mesh.vertices * factor[:, None]).astype(np.float32)
    return replace(mesh, vertices=vertices)


def volume(mesh):
    corners = mesh.vertices[mesh.to_triangles()].astype(float)
    return np.linalg.det(corners).sum() / 6


@pytest.fixture(scope="module")
def noisy():
    mesh = sphere()
    noise = np.random.default_rng(0).normal(0, 0.01, len(mesh.vertices))
    return with_radii(mesh, 1 + noise)


def roughness(mesh, chosen):
    return np.linalg.norm(mesh.vertices[chosen].astype(float), axis=1).std()


def test_hidden_parts_are_smoothed_more_than_seen_ones(noisy):
    smoothed = smooth_surface(noisy, [FRONT], 1.0)
    depth = noisy.vertices[:, 1]
    ratios = []
    for side in (depth > 0.2, depth < -0.2):
        ratios.append(roughness(smoothed, side) / roughness(noisy, side))
    hidden, seen = ratios
    assert hidden < 0.45 and hidden < seen < 0.8
    assert np.array_equal(smoothed.faces, noisy.faces)


def test_a_ridge_along_the_outline_is_smoothed_in_depth_and_the_outline_stays():
    """The front half is deeper by a step: a terrace around the object, at its outline."""
    mesh = sphere()
    step = np.where(mesh.vertices[:, 1] < 0, -0.03, 0.0)
    moved = mesh.vertices + np.stack((0 * step, step, 0 * step), axis=1)
    stepped = replace(mesh, vertices=moved.astype(np.float32))
    smoothed = smooth_surface(stepped, [FRONT], 1.0)

    # Edges across the step.
    first, second = stepped.faces[:, 0], stepped.faces[:, 1]
    is_across = (mesh.vertices[first, 1] < 0) != (mesh.vertices[second, 1] < 0)
    before, after = (
        np.abs(np.diff(m.vertices[np.stack((first, second))], axis=0)[0, is_across, 1]).mean()
        for m in (stepped, smoothed)
    )
    assert after < 0.75 * before

    silhouettes = [render_silhouette(m, FRONT) for m in (stepped, smoothed)]
    changed = (silhouettes[0] != silhouettes[1]).sum()
    assert changed < 0.002 * silhouettes[0].sum()


def test_the_outline_of_a_perspective_view_stays_from_side_to_side(noisy):
    pose = look_at(np.array((0.3, -2.0, 0.8)), np.zeros(3))
    camera = perspective_camera(pose, np.radians(30), 128)
    smoothed = smooth_surface(noisy, [camera], 1.0)
    silhouettes = [render_silhouette(m, camera) for m in (noisy, smoothed)]
    union = (silhouettes[0] | silhouettes[1]).sum()
    assert (silhouettes[0] & silhouettes[1]).sum() / union > 0.99


def test_volume_is_kept():
    mesh = sphere()
    smoothed = smooth_surface(mesh, [FRONT], 1.0)
    assert abs(volume(smoothed) / volume(mesh) - 1) < 0.005


def test_without_cameras_everything_is_smoothed_alike(noisy):
    smoothed = smooth_surface(noisy, [], 1.0)
    everything = np.ones(len(noisy.vertices), bool)
    assert roughness(smoothed, everything) < 0.4 * roughness(noisy, everything)


def test_more_is_smoother_and_zero_changes_nothing(noisy):
    everything = np.ones(len(noisy.vertices), bool)
    half = smooth_surface(noisy, [FRONT], 0.5)
    full = smooth_surface(noisy, [FRONT], 1.0)
    assert smooth_surface(noisy, [FRONT], 0.0) is noisy
    assert roughness(full, everything) < roughness(half, everything) < roughness(noisy, everything)


def test_the_graph_sums_the_neighbors_of_each_vertex():
    mesh = sphere(8)
    graph = _Graph.from_faces(mesh.faces, len(mesh.vertices))
    values = np.random.default_rng(1).random((len(mesh.vertices), 2)).astype(np.float32)
    expected = np.zeros_like(values)
    edges = {(int(face[k]), int(face[(k + 1) % 4])) for face in mesh.faces for k in range(4)}
    for start, end in edges:
        expected[start] += values[end]
    sums = np.empty_like(values)
    sums[graph.order] = graph.neighbor_sum(values[graph.order])
    assert np.allclose(sums, expected, atol=1e-5)
