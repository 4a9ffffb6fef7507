import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.procedural.fitting.candidates import (
    Genome,
    feature_similarity,
    join_parts,
    place,
    target_features,
)
from maquette.core.procedural.fitting.targets import target_of_mesh
from maquette.core.procedural.parts import Part, ProceduralObject
from maquette.core.procedural.primitives import make_box


def plate_with_rod(x):
    """A plate, and on it a thin rod at ``x``."""
    parts = (
        Part("plate", make_box((1.0, 1.0, 0.1), (0.0, 0.0, 0.05)), (0.5, 0.5, 0.5)),
        Part("rod", make_box((0.04, 0.04, 0.7), (x, 0.0, 0.45)), (0.5, 0.5, 0.5)),
    )
    return ProceduralObject("plate_0", "plate", 0, parts)


def test_thin_parts_that_are_beside_each_other_are_more_similar_where_they_are_nearer():
    """The score alone is the same, since no pixel of the rods is in common."""
    vertices, triangles = join_parts(plate_with_rod(0.0))
    target = target_of_mesh(MeshArrays(vertices.astype(np.float32), triangles))
    wanted = target_features(target)
    genome = Genome("plate", 0, {}, 0.0)
    similarity = {}
    field = {}
    for x in (0.0, 0.05, 0.35):
        candidate = place(plate_with_rod(x), genome, target)
        similarity[x] = feature_similarity(candidate.features, wanted)
        field[x] = candidate.score.field
    assert similarity[0.0] == pytest.approx(1.0, abs=1e-5)
    assert field[0.05] == pytest.approx(field[0.35], abs=0.01)
    assert similarity[0.05] > similarity[0.35] + 0.005
