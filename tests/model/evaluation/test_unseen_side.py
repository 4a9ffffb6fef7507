"""The unseen side of an object of which everything is known: a sphere, seen from the front."""

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.cameras import look_at, orthographic_camera
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.model.evaluation import unseen_side
from maquette.core.model.evaluation.unseen_side import UnseenSide


@pytest.fixture(scope="module")
def sphere():
    line = np.linspace(-0.55, 0.55, 49)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1)
    field = 0.5 - np.linalg.norm(points, axis=-1)
    return surface_nets(field.astype(np.float32), 0.0, np.full(3, -0.55), 1.1 / 48)


def _camera(direction):
    pose = look_at(np.array(direction) * 3.0, np.zeros(3))
    return orthographic_camera(pose, 1.2, 64)


def _directions(count=4000):
    normals = np.random.default_rng(0).normal(size=(count, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_the_far_half_of_a_sphere_is_hidden(sphere):
    normals = _directions()
    hidden = unseen_side.hidden_from_cameras(sphere, [_camera((0, -1, 0))], normals / 2, normals)
    assert hidden[normals[:, 1] > 0.2].all()
    assert not hidden[normals[:, 1] < -0.2].any()


def test_two_opposite_cameras_hide_almost_nothing(sphere):
    normals = _directions()
    cameras = [_camera((0, -1, 0)), _camera((0, 1, 0))]
    hidden = unseen_side.hidden_from_cameras(sphere, cameras, normals / 2, normals)
    assert hidden.mean() < 0.05  # the rim is seen too obliquely


def test_only_the_hidden_half_counts():
    """A dent in the seen half costs nothing, one in the hidden half what it covers."""
    normals = _directions()
    points = normals / 2
    is_far = normals[:, 1] > 0
    for dented, expected in ((~is_far, 1.0), (is_far, 0.0)):
        wrong = np.where(dented[:, None], points * 0.8, points)
        score, agreement = unseen_side.hidden_surface_scores(
            (wrong, normals), (points, normals), (is_far, is_far)
        )
        assert score == pytest.approx(expected, abs=0.08)
        assert agreement > 0.95


def test_nothing_hidden_has_no_score():
    normals = _directions(10)
    nowhere = np.zeros(10, bool)
    scores = unseen_side.hidden_surface_scores(
        (normals, normals), (normals, normals), (nowhere, nowhere)
    )
    assert np.isnan(scores).all()


def test_silhouettes_are_compared_in_world_space(sphere):
    """The mesh's frame is half as large, and displaced."""
    camera = _camera((1, 0, 0))
    rows, columns = np.indices((64, 64)) + 0.5
    radius = np.hypot(rows - 32, columns - 32) / 64 * 1.2
    true_mask = radius < 0.5
    to_world = np.diag((2.0, 2.0, 2.0, 1.0))
    to_world[:3, 3] = (0, 0.3, 0)
    small = MeshArrays((sphere.vertices - (0, 0.3, 0)).astype(np.float32) / 2, sphere.faces)
    unseen = UnseenSide(np.ones(1, bool), (true_mask,), (camera,), to_world)
    assert unseen_side.silhouette_agreement(small, unseen) > 0.97
    assert unseen_side.silhouette_agreement(sphere, unseen) < 0.6
