"""Distances, mesh and colors are stored whole, checked, and may be missing from older sets."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.dataset.ground_truth import sample_solid
from maquette.core.dataset.index import ObjectLocation
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.dataset.validation import check_object
from maquette.core.dataset.visibility import project_surface_views
from maquette.core.errors import DatasetError
from maquette.core.scene.bvh import nearest_triangle_finder

FACES = np.array([(a, b, c) for a in (0, 1) for b in (2, 3) for c in (4, 5)], np.int32)


@pytest.fixture
def parts(set_copy):
    """(folder, record, shape, views, mesh) of an ellipsoid with all that a set holds now."""
    file = ObjectFile(set_copy / "objects/egg.tar")
    shape, record = file.read_shape(), file.record
    low, high = record.bounds
    middle = np.repeat([(low + high) / 2], 6, 0)
    middle[range(6), (0, 0, 1, 1, 2, 2)] = np.stack((low, high), 1).ravel()
    views = [file.read_view(index) for index in range(len(record.views))]
    seen = project_surface_views(views, shape, record.bounds)
    shape = replace(
        shape,
        uniform_distance=np.where(shape.uniform_inside, -0.1, 0.1).astype(np.float32),
        near_distance=np.where(shape.near_inside, -0.01, 0.01).astype(np.float32),
        surface_colour=seen.color,
        surface_seen=seen.seen.any(0),
    )
    return set_copy, record, shape, views, MeshArrays(middle.astype(np.float32), FACES)


def test_what_is_written_is_read(parts):
    folder, _, shape, _, mesh = parts
    path = write_object(*parts)
    check_object(ObjectLocation(path))
    file = ObjectFile(path)
    for name in ("uniform_distance", "near_distance", "surface_colour", "surface_seen"):
        np.testing.assert_array_equal(getattr(file.read_shape(), name), getattr(shape, name))
    np.testing.assert_array_equal(file.read_mesh().vertices, mesh.vertices)
    np.testing.assert_array_equal(file.read_mesh().faces, mesh.faces)
    assert not list(folder.rglob("*.partial"))


def test_colors_of_the_surface_are_those_of_the_images(parts):
    _, record, shape, _, _ = parts
    low, high = record.bounds
    painted = (
        (shape.surface - (low + high) / 2) / ((high - low) / 2) + 1
    ) * 100 + 20  # as the fixture paints
    seen = shape.surface_seen
    assert 0.5 < seen.mean() < 1 and (shape.surface_colour[~seen] == 128).all()
    assert np.abs(shape.surface_colour[seen] - painted[seen]).mean() < 6


def test_older_sets_have_none(ellipsoids):
    file = ObjectFile(ellipsoids / "objects/egg.tar")
    shape = file.read_shape()
    assert file.read_mesh() is None and shape.uniform_distance is shape.near_distance is None
    assert shape.surface_colour is shape.surface_seen is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s, m: (replace(s, near_distance=-s.near_distance), m), "near_distance: the sign"),
        (
            lambda s, m: (replace(s, near_distance=s.near_distance[1:]), m),
            "near_distance: the shape",
        ),
        (
            lambda s, m: (replace(s, uniform_distance=s.uniform_distance * 1e4), m),
            "farther than all",
        ),
        (lambda s, m: (s, MeshArrays(m.vertices, m.faces + 1)), "vertices that are not there"),
        (
            lambda s, m: (s, MeshArrays(m.vertices * np.float32(1.1), m.faces)),
            "do not reach the bounds",
        ),
        (
            lambda s, m: (replace(s, surface_colour=s.surface_colour[1:]), m),
            "surface.npz, colour: the shape",
        ),
    ],
)
def test_what_is_wrong_is_reported(parts, change, why):
    folder, record, shape, views, mesh = parts
    shape, mesh = change(shape, mesh)
    with pytest.raises(DatasetError, match=why):
        check_object(ObjectLocation(write_object(folder, record, shape, views, mesh)))


def test_truth_of_a_box():
    """Signed distances and signs of a box, at the points that were drawn."""
    corners = np.array([(x, y, z) for z in (0, 0.6) for y in (0, 0.8) for x in (0, 1)])
    quads = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))], np.int32)
    mesh = MeshArrays(corners.astype(np.float32), faces)
    shape = sample_solid(mesh, 600, np.random.default_rng(0)).label(nearest_triangle_finder)
    for points, distance in (
        (shape.uniform, shape.uniform_distance),
        (shape.near, shape.near_distance),
    ):
        beyond = np.maximum(-points, points - (1, 0.8, 0.6))
        truth = np.linalg.norm(beyond.clip(0), axis=1) + np.minimum(beyond.max(1), 0)
        np.testing.assert_allclose(distance, truth, atol=1e-6)
