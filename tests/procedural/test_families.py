import numpy as np
import pytest
from maquette.core.dataset.splits import HELD_OUT_FAMILIES
from maquette.core.errors import MeshError
from maquette.core.procedural import FAMILIES, make_object
from maquette.core.procedural.primitives import signed_volume


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_parts_are_closed_outward_solids_in_the_unit_box(family):
    for seed in range(8):
        thing = make_object(family, seed)
        corners = np.concatenate([part.mesh.vertices for part in thing.parts])
        low, high = corners.min(0), corners.max(0)
        np.testing.assert_allclose(low + high, 0, atol=1e-5)
        assert (high - low).max() == pytest.approx(1, abs=1e-5)
        for part in thing.parts:
            faces = part.mesh.faces
            edges = np.concatenate((faces[:, :2], faces[:, 1:], faces[:, [2, 0]]))
            assert len(np.unique(edges, axis=0)) == len(edges), (seed, part.label)
            assert np.array_equal(np.unique(edges, axis=0), np.unique(edges[:, ::-1], axis=0)), (
                seed,
                part.label,
            )
            assert signed_volume(part.mesh) > 0, (seed, part.label)
            assert np.isfinite(part.mesh.vertices).all() and all(
                0 <= c <= 1.001 for c in part.color
            )
        assert sum(len(part.mesh.faces) for part in thing.parts) < 40_000


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_seed_is_one_object_and_another_seed_another(family):
    one, two, other = make_object(family, 5), make_object(family, 5), make_object(family, 6)
    for a, b in zip(one.parts, two.parts, strict=True):
        np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)
    same = len(one.parts) == len(other.parts) and all(
        a.mesh.vertices.shape == b.mesh.vertices.shape
        and np.allclose(a.mesh.vertices, b.mesh.vertices)
        for a, b in zip(one.parts, other.parts, strict=True)
    )
    assert not same


def test_unknown_family_is_named():
    with pytest.raises(MeshError, match="'sphinx'"):
        make_object("sphinx", 0)


def test_held_out_families_exist():
    assert set(FAMILIES) >= HELD_OUT_FAMILIES
    assert len(FAMILIES) >= 30
