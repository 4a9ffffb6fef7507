import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.jobs.task import run_to_end
from maquette.core.library.records import EmbeddingInfo
from maquette.core.model.inference.meaning import appearance, embedding, semantics
from maquette.core.model.inference.meaning.embedding import (
    Embedder,
    embed_renders,
    load_embedder,
    with_appearance,
)
from maquette.core.model.jobs import embedding as embedding_job
from maquette.core.model.jobs.embedding import ImageQuery, crop_region


@pytest.fixture
def masks():
    """An embedder whose vectors are the masks of 8 x 8 blocks, without their length."""

    def embed(windows):
        blocks = windows[:, 3].reshape(-1, 8, 16, 8, 16).mean((2, 4))
        return blocks.reshape(len(windows), -1)

    return Embedder(EmbeddingInfo("masks 1", 64), embed)


def disk(size=64, radius=20, alpha=True):
    """A gray disk, cut out or on white."""
    rows, columns = np.mgrid[0:size, 0:size] + 0.5 - size / 2
    mask = np.hypot(rows, columns) < radius
    image = np.ones((size, size, 4), np.float32)
    image[mask, :3] = 0.5
    if alpha:
        image[~mask] = 0
    return image


def test_views_that_show_nothing_have_no_direction(masks):
    images = np.zeros((3, 64, 64, 4), np.uint8)
    images[1] = disk() * 255
    vectors = embed_renders(masks, images)
    assert (vectors[0] == 0).all() and (vectors[2] == 0).all()
    assert vectors[1].max() > 0.9


def test_an_object_is_embedded_alike_wherever_it_is_in_the_image(masks):
    image = (disk() * 255).astype(np.uint8)
    moved = np.roll(image, (7, -9), (0, 1))
    first, second = embed_renders(masks, np.stack((image, moved)))
    np.testing.assert_allclose(first, second, atol=0.02)


def test_views_are_embedded_in_parts(masks, monkeypatch):
    monkeypatch.setattr(embedding, "load_embedder", lambda part: masks)
    monkeypatch.setattr(embedding_job, "_BATCH", 2)
    images = np.stack([(disk(radius=radius) * 255).astype(np.uint8) for radius in range(8, 13)])
    vectors = run_to_end(embedding_job.embed_views(images))
    np.testing.assert_array_equal(vectors, embed_renders(with_appearance(masks), images))
    assert run_to_end(embedding_job.embed_views(images[:0])).shape == (0, 64 + appearance.COUNT)


def test_an_image_is_cut_out_of_its_region(masks, monkeypatch):
    monkeypatch.setattr(embedding, "load_embedder", lambda part: masks)
    alone = run_to_end(embedding_job.embed_image(ImageQuery(disk())))
    scene = np.concatenate((disk(radius=8, alpha=False), disk(alpha=False)), axis=1)
    region = (0.5, 0.0, 1.0, 1.0)
    query = run_to_end(embedding_job.embed_image(ImageQuery(scene, region)))
    assert query.embedding == "masks 1, appearance 1" and not query.is_mesh
    np.testing.assert_allclose(query.vectors, alone.vectors, atol=0.1)


def test_the_outline_of_a_drawing_is_filled(masks, monkeypatch):
    monkeypatch.setattr(embedding, "load_embedder", lambda part: masks)
    outline = disk(160, 60, alpha=False)
    outline[..., :3] = 1 - (1 - outline[..., :3]) + (1 - disk(160, 54, alpha=False)[..., :3])
    query = ImageQuery(outline, is_drawing=True)
    filled = run_to_end(embedding_job.embed_image(query)).vectors
    assert (filled[:, 64:] == 0).all()
    np.testing.assert_allclose(
        filled[:, :64] / np.sqrt(appearance.TOTAL),
        embed_renders(masks, (disk() * 255).astype(np.uint8)[None]),
        atol=0.15,
    )


def test_objects_of_one_shape_are_told_apart_by_their_colors_but_not_in_drawings(masks):
    embedder = with_appearance(masks)
    images = np.stack([disk(), disk(), disk()])
    images[0, ..., :3] *= (1.9, 0.2, 0.2)
    images[1, ..., :3] *= (1.8, 0.1, 0.3)
    images[2, ..., :3] *= (0.2, 0.2, 1.9)
    vectors = embed_renders(embedder, (images * 255).astype(np.uint8))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1
    drawing = embedding.embed_cut_out(embedder, images[0], is_drawing=True).vectors[0]
    assert drawing @ vectors[1] == pytest.approx(drawing @ vectors[2], rel=1e-4)
    shape = masks.embed(embedding._channels_first([semantics.window_image(images[0])]))[0]
    assert drawing @ vectors[0] == pytest.approx(shape @ shape, rel=1e-3)


def test_an_empty_region_is_an_error():
    with pytest.raises(ImageError, match="smaller than"):
        crop_region(disk(), (0.5, 0.0, 0.5, 1.0))
    assert crop_region(disk(), (-1.0, 0.25, 9.0, 0.75)).shape == (32, 64, 4)


def test_without_a_head_the_features_of_the_trunk_tell_shapes_apart():
    embedder = load_embedder("")
    assert embedder.info.version.startswith("features")
    tall = disk(radius=28)
    tall[:, :26] = 0
    tall[:, 38:] = 0
    images = np.stack((disk(), disk(radius=26), tall))
    vectors = embed_renders(embedder, (images * 255).astype(np.uint8))
    assert vectors.shape == (3, embedder.info.dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.01


@pytest.fixture
def write_heads(tmp_path, monkeypatch):
    """Returns a function that makes untrained heads of a seed those of the bundled weights."""
    import torch
    from maquette.core.model.inference import meaning_weights
    from maquette.core.model.inference.meaning import semantics
    from maquette.core.model.networks.semantics import SemanticHeads, SemanticsConfig
    from maquette.core.procedural.draw_targets import draw_targets
    from maquette.core.procedural.object_families import OTHER

    trunk = semantics.load_trunk()
    path = tmp_path / "meaning.safetensors"
    for module in (embedding, meaning_weights, semantics):
        monkeypatch.setattr(module, "MEANING_WEIGHTS", path)

    def write(seed):
        torch.manual_seed(seed)
        config = SemanticsConfig(
            trunk_channels=trunk.channels,
            trunk=trunk.fingerprint(),
            families=("mug", OTHER),
            draws={"mug": draw_targets()["mug"]},
            groups=("body",),
        )
        state = SemanticHeads(config).state_dict()
        meaning_weights.save_part(path, meaning_weights.HEADS, config.as_dict(), state)

    return write


def test_a_head_makes_the_vectors_and_its_weights_are_the_version(write_heads):
    write_heads(0)
    first = load_embedder("heads")
    assert first.info.version.startswith("head ") and first.info.dimensions == 192
    vectors = embed_renders(first, (disk() * 255).astype(np.uint8)[None])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    write_heads(0)
    assert load_embedder("heads").info == first.info
    write_heads(1)
    assert load_embedder("heads").info.version != first.info.version


def test_a_projection_makes_shorter_vectors_of_its_own_version(tmp_path, monkeypatch):
    import torch
    from maquette.core.errors import WeightsError
    from maquette.core.model.inference import meaning_weights
    from maquette.core.model.inference.meaning import semantics

    path = tmp_path / "meaning.safetensors"
    for module in (embedding, meaning_weights):
        monkeypatch.setattr(module, "MEANING_WEIGHTS", path)
    count = load_embedder("").info.dimensions
    state = {"mean": torch.zeros(count), "matrix": torch.eye(count)[:, :5]}
    config = {"trunk": semantics.load_trunk().fingerprint()}
    meaning_weights.save_part(path, embedding.RETRIEVAL, config, state)
    embedder = load_embedder(embedding.RETRIEVAL)
    assert embedder.info.version.startswith("projection ") and embedder.info.dimensions == 5
    images = (disk() * 255).astype(np.uint8)[None]
    features = embed_renders(load_embedder(""), images)[:, :5]
    expected = features / np.linalg.norm(features)
    np.testing.assert_allclose(embed_renders(embedder, images), expected, atol=1e-4)

    meaning_weights.save_part(path, embedding.RETRIEVAL, {"trunk": "another"}, state)
    with pytest.raises(WeightsError, match="does not belong"):
        load_embedder(embedding.RETRIEVAL)
