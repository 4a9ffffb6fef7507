import numpy as np
import pytest
from maquette.core.model.inference.meaning.semantics import load_trunk, window_image
from maquette.core.model.training.dense.objects import load_dense_split
from maquette.core.model.training.semantics.batches import (
    SemanticSampling,
    SemanticSource,
    pick_views,
)
from maquette.core.model.training.semantics.labels import label_objects
from maquette.core.model.training.semantics.samples import draw_semantic_sample
from maquette.core.model.training.semantics.trainer import base_config
from maquette.core.model.training.semantics.validation import AS_RENDERED
from maquette.core.procedural.draw_targets import draw_targets
from maquette.core.procedural.part_groups import GROUP_NAMES


@pytest.fixture(scope="module")
def config():
    return base_config(load_trunk())


@pytest.fixture(scope="module")
def objects(meaning_set, config):
    return label_objects(load_dense_split([meaning_set], "train"), config)


def test_an_object_has_its_family_its_draws_and_the_groups_of_its_parts(objects, config):
    bowl = next(item for item in objects if item.item.family == "bowl")
    assert config.families[bowl.family] == "bowl" and bowl.is_known
    assert bowl.groups[1] == GROUP_NAMES.index("body")
    assert bowl.groups[2] == GROUP_NAMES.index("lid")
    assert bowl.groups[0] == -1

    for target, index in zip(draw_targets()["bowl"], bowl.draws, strict=True):
        stored = {"depth": 0.5, "height": 1.0, "wall": 0.05}.get(target.address)
        assert index == (-1 if stored is None else target.class_of(stored))
    assert (bowl.draws >= 0).any()


def test_the_window_is_that_of_reconstruction(objects):
    item = objects[1]
    view = item.item.view(4)
    sample = draw_semantic_sample(item, 4, np.random.default_rng(0), AS_RENDERED)
    rgba = np.dstack((view.color, view.alpha)).astype(np.float32) / 255
    window = window_image(rgba).transpose(2, 0, 1)
    masks = sample.image[3] > 0.5, window[3] > 0.5
    overlap = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert overlap > 0.95
    inside = masks[0] & masks[1]
    assert np.abs(sample.image[:3] - window[:3])[:, inside].mean() < 0.03


def test_parts_are_where_the_image_shows_them_also_mirrored(objects):
    front = objects[1].item.kinds.index("front")
    for seed in range(4):
        sample = draw_semantic_sample(objects[1], front, np.random.default_rng(seed))
        upper, lower = sample.parts[8:31], sample.parts[33:56]
        assert set(np.unique(upper)) == {-1, GROUP_NAMES.index("lid")}
        assert set(np.unique(lower)) == {-1, GROUP_NAMES.index("body")}


def test_a_batch_has_two_views_of_each_object_and_is_the_same_again(objects, config):
    source = SemanticSource(objects, config, 3, SemanticSampling(objects=3))
    batch = source.batch(7)
    assert batch.images.shape == (6, 4, 128, 128)
    assert (batch.identities[::2] == batch.identities[1::2]).all()
    assert len(set(batch.identities.tolist())) == 3
    assert (batch.draws >= 0).sum() >= (batch.classes >= 0).sum() > 0
    again = source.batch(7)
    assert (again.images == batch.images).all() and (again.parts == batch.parts).all()
    assert (source.batch(8).images != batch.images).any()


def test_bottoms_are_seldom_seen():
    rng = np.random.default_rng(0)
    kinds = ("front", "bottom", "free", "free")
    picks = [pick_views(kinds, 2, rng) for _ in range(200)]
    assert all(first != second for first, second in picks)
    counts = np.bincount(np.ravel(picks), minlength=4)
    assert counts[1] < counts[2] / 3
