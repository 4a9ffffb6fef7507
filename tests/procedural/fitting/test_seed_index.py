import numpy as np
import pytest
from maquette.core.procedural import FAMILIES
from maquette.core.procedural.fitting import seed_index
from maquette.core.procedural.fitting.targets import target_of_mesh


def test_holds_every_family_that_means_something():
    index = seed_index.read_index()
    assert set(index.families) == set(FAMILIES) - seed_index.ABSTRACT
    assert len(index.seed) == seed_index.SEEDS * len(index.families)
    np.testing.assert_allclose(np.linalg.norm(index.cover, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("family", ["bottle", "chair", "house", "mug", "traffic_cone"])
def test_describes_what_the_generators_make_now(family):
    """After a change of the generators the file must be built anew."""
    index = seed_index.read_index()
    row = index.families.index(family) * seed_index.SEEDS + 5
    counts, lengths = seed_index.describe_seed(family, 5)
    stored = index.cover[row] * index.norms[row] * 27
    np.testing.assert_allclose(stored, counts, atol=0.01)
    np.testing.assert_allclose(index.lengths[row], lengths, rtol=1e-5)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_seed_is_nearest_to_itself_at_its_turn(mesh_of, turn):
    mesh = mesh_of("chair", 7)
    if turn:
        turned = mesh.vertices @ np.array(((0, 1, 0), (-1, 0, 0), (0, 0, 1)), np.float32)
        mesh = type(mesh)(turned, mesh.faces)
    neighbors = seed_index.read_index().nearest(target_of_mesh(mesh), 3, 1)
    first = neighbors[0]
    assert (first.family, first.seed) == ("chair", 7)
    assert first.yaw == pytest.approx(turn * np.pi / 2)
    assert first.similarity > 0.9 > neighbors[1].similarity
    assert len({neighbor.family for neighbor in neighbors}) == 3


def test_may_be_asked_for_one_family(mesh_of):
    target = target_of_mesh(mesh_of("chair", 7))
    neighbors = seed_index.read_index().nearest(target, 4, 4, ("mug",))
    assert [neighbor.family for neighbor in neighbors] == ["mug"] * 4
