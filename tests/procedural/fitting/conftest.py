import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.procedural import make_from_draws
from maquette.core.procedural.fitting.candidates import join_parts
from maquette.core.procedural.primitives import make_ellipsoid


@pytest.fixture(scope="session")
def mesh_of():
    """Return a function that returns a procedural object as one mesh."""

    def make(family, seed, **values):
        vertices, triangles = join_parts(make_from_draws(family, seed, values))
        return MeshArrays(vertices.astype(np.float32), triangles)

    return make


@pytest.fixture(scope="session")
def creature():
    """A body with a head, two long ears, paws and a tail, such as no generator makes."""
    parts = (
        ((0.30, 0.42, 0.27), (0.0, 0.0, 0.27)),
        ((0.19, 0.20, 0.19), (0.05, -0.38, 0.50)),
        ((0.05, 0.05, 0.30), (0.13, -0.35, 0.80)),
        ((0.05, 0.24, 0.06), (-0.16, -0.18, 0.72)),
        ((0.12, 0.12, 0.12), (0.16, 0.44, 0.22)),
        ((0.10, 0.26, 0.07), (0.26, -0.30, 0.07)),
    )
    vertices = []
    triangles = []
    count = 0
    for radii, center in parts:
        ball = make_ellipsoid(radii)
        vertices.append(ball.vertices + np.array(center, np.float32))
        triangles.append(ball.to_triangles() + count)
        count += len(ball.vertices)
    joined = np.concatenate(vertices).astype(np.float32)
    return MeshArrays(joined, np.concatenate(triangles).astype(np.int32))
