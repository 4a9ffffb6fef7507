import numpy as np
import pytest
from maquette.core.model.inference.meaning import embedding
from maquette.core.model.inference.meaning.embedding import load_embedder, project_features
from maquette.core.model.inference.meaning_weights import load_part
from maquette.core.model.jobs.meaning import has_part
from maquette.core.model.training.semantics import retrieval_projection
from maquette.core.model.training.semantics.retrieval_projection import fit_projection


def recall(gallery, queries):
    """Share of ``queries`` (N, D) that are most like their own row of ``gallery`` (N, D)."""
    return ((queries @ gallery.T).argmax(1) == np.arange(len(queries))).mean()


@pytest.fixture
def objects():
    """Features (60, 6, 24): the first half tells the object, the other half the view, loudly."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 6, 24)) * 3 + 5
    features[..., :12] = rng.normal(size=(60, 1, 12)) + rng.normal(size=(60, 6, 12)) * 0.2
    return features.astype(np.float32)


def test_what_differs_within_objects_counts_little(objects):
    """Fitted to half of the objects, it tells the others apart."""
    mean, matrix = fit_projection(list(objects[:30]))
    unseen = objects[30:]
    raw = unseen / np.linalg.norm(unseen, axis=2, keepdims=True)
    projected = np.stack([project_features(each, mean, matrix) for each in unseen])
    np.testing.assert_allclose(np.linalg.norm(projected, axis=2), 1, rtol=1e-4)
    assert recall(raw[:, 0], raw[:, 1]) < 0.5
    assert recall(projected[:, 0], projected[:, 1]) > 0.75


def test_only_the_most_telling_directions_are_kept(objects, monkeypatch):
    monkeypatch.setattr(retrieval_projection, "DIMENSIONS", 5)
    _, matrix = fit_projection(list(objects))
    assert matrix.shape == (24, 5)
    assert np.abs(matrix[:12]).sum() > 5 * np.abs(matrix[12:]).sum()
    assert np.abs(matrix).max() == pytest.approx(1)


@pytest.mark.skipif(not has_part(embedding.RETRIEVAL), reason="it is not in the bundled weights")
def test_the_bundled_projection_belongs_to_the_bundled_trunk():
    _, state = load_part(embedding.RETRIEVAL)
    assert load_embedder(embedding.RETRIEVAL).info.dimensions == state["matrix"].shape[1]
