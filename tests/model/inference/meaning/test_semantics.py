import numpy as np
import pytest
import torch
from maquette.core.errors import ImageError, WeightsError
from maquette.core.model.inference.meaning import semantics
from maquette.core.model.inference.meaning_weights import HEADS, save_part
from maquette.core.model.networks.semantics import SemanticHeads, SemanticsConfig
from maquette.core.procedural.draw_targets import draw_targets
from maquette.core.procedural.object_families import OTHER


@pytest.fixture(scope="module")
def image():
    """A gray ellipse, cut out."""
    rows, columns = np.mgrid[0:90, 0:120]
    inside = ((rows - 40) / 30) ** 2 + ((columns - 70) / 40) ** 2 < 1
    image = np.full((90, 120, 4), 0.5, np.float32)
    image[..., 3] = inside
    return image


@pytest.fixture(scope="module")
def heads(weights, tmp_path_factory):
    """A file of untrained heads for the trunk of ``weights``."""
    torch.manual_seed(0)
    trunk = semantics.load_trunk(weights)
    names = ("mug", "barrel", "chair", "sofa")
    config = SemanticsConfig(
        trunk_channels=trunk.channels,
        trunk=trunk.fingerprint(),
        families=(*names, OTHER),
        draws={name: draw_targets()[name] for name in names},
        groups=("body", "handle"),
    )
    path = tmp_path_factory.mktemp("heads") / "meaning.safetensors"
    save_part(path, HEADS, config.as_dict(), SemanticHeads(config).state_dict())
    return path


def test_an_image_gets_families_draws_parts_and_an_embedding(image, heads, weights):
    meaning = semantics.describe_image(image, heads, weights)
    probabilities = [probability for _, probability in meaning.families]
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert probabilities == sorted(probabilities, reverse=True)
    known = [name for name, _ in meaning.families if name != OTHER]
    assert list(meaning.draws) == known[:3]

    targets = draw_targets()[known[0]]
    distributions = meaning.draws[known[0]]
    assert tuple(each.target for each in distributions) == targets
    for each in distributions:
        assert each.probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert len(each.probabilities) == each.target.count
        for value in (each.mean(), each.most_likely(), each.sample(np.random.default_rng(0))):
            assert each.target.low <= value <= each.target.high

    assert meaning.parts.shape == (64, 64, 3)
    assert np.allclose(meaning.parts.sum(2), 1, atol=1e-5)
    assert meaning.parts[0, 0, 0] == pytest.approx(1) and meaning.parts[32, 32, 0] < 0.01
    assert np.linalg.norm(meaning.embedding) == pytest.approx(1, abs=1e-5)


def test_embeddings_of_many_images_are_those_of_each(image, heads, weights):
    window = semantics.window_image(image).transpose(2, 0, 1)
    vectors = semantics.embed_images(np.stack((window, window[..., ::-1])), heads, weights)
    alone = semantics.describe_image(image, heads, weights).embedding
    assert np.allclose(vectors[0], alone, atol=1e-5)
    features = semantics.trunk_features(window[None], weights)
    assert np.linalg.norm(features[0]) == pytest.approx(1, abs=1e-5)


def test_a_mirror_image_has_the_same_families_and_mirrored_parts(image, heads, weights):
    window = semantics.window_image(image)
    window[40:70, 30:50, :3] = (0.9, 0.2, 0.1)  # a patch at one side
    meaning = semantics.describe_window(window, heads, weights)
    mirrored = semantics.describe_window(window[:, ::-1].copy(), heads, weights)
    assert np.allclose(mirrored.parts[:, ::-1], meaning.parts, atol=1e-4)
    assert not np.allclose(mirrored.parts, meaning.parts, atol=1e-4)
    for name, probability in meaning.families:
        assert dict(mirrored.families)[name] == pytest.approx(probability, abs=1e-4)


def test_an_empty_mask_is_told(heads, weights):
    with pytest.raises(ImageError, match="no object"):
        semantics.describe_image(np.zeros((32, 32, 4), np.float32), heads, weights)


def test_missing_heads_and_heads_of_another_trunk_are_told(image, heads, weights, tmp_path):
    with pytest.raises(WeightsError, match="missing"):
        semantics.describe_image(image, tmp_path / "none.safetensors", weights)
    with pytest.raises(WeightsError, match="other weights of reconstruction"):
        semantics.describe_image(image, heads)


def test_heads_are_loaded_once(heads, weights):
    assert semantics.load_heads(heads, weights)[1] is semantics.load_heads(heads, weights)[1]


def test_parts_do_not_alternate_from_pixel_to_pixel():
    first = torch.full((64, 64), 0.7)
    first[::2, ::2] = 0.4
    mask = torch.zeros(128, 128)
    mask[32:96, 32:96] = 1.0
    parts = semantics._with_background(torch.stack((first, 1 - first)), mask)
    inside = parts[16:48, 16:48]
    assert (inside[..., 1] > 0.5).all() and np.allclose(parts.sum(2), 1, atol=1e-5)
    assert (parts[:16, :, 0] == 1).all()
