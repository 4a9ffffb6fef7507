import torch
from maquette.core.model.networks.image_trunk import ImageTrunk, masked_mean, pooled_features
from maquette.core.model.networks.single_view import SingleViewNetwork


def small_trunk():
    torch.manual_seed(0)
    return ImageTrunk(SingleViewNetwork((32, 24, 16, 8), 8))


def test_the_maps_are_those_that_the_outputs_of_reconstruction_are_computed_from():
    trunk = small_trunk()
    images = torch.rand(2, 4, 64, 64)
    cameras = torch.zeros(2, 1, 5, 4)
    cameras[:, 0, 4, 3] = 1  # perspective
    maps = trunk(images)
    depth_logits, up = trunk.network(images, cameras)
    assert torch.equal(trunk.network.depth_head(maps.stride4)[:, None], depth_logits)
    assert torch.equal(trunk.network._up_vectors(maps.stride32[:, :320]), up)
    assert [values.shape[-1] for values in maps] == [2, 4, 8, 16]
    assert trunk.channels == (320 + 32, 24, 16, 8)


def test_nothing_of_the_trunk_is_trained():
    trunk = small_trunk()
    maps = trunk(torch.rand(1, 4, 32, 32, requires_grad=True))
    assert not any(values.requires_grad for values in maps)
    assert not any(value.requires_grad for value in trunk.parameters())


def test_the_fingerprint_tells_trunks_apart():
    trunk = small_trunk()
    before = trunk.fingerprint()
    assert small_trunk().fingerprint() == before
    trunk.network.depth_head.bias.data[0] += 1
    assert trunk.fingerprint() != before


def test_a_mean_over_the_object_leaves_the_background_out():
    values = torch.zeros(1, 1, 2, 2)
    values[0, 0, 0, 0] = 3
    values[0, 0, 1, 1] = 100
    masks = torch.zeros(1, 1, 64, 64)
    masks[..., :32, :32] = 1
    assert abs(masked_mean(values, masks).item() - 3) < 0.05


def test_pooled_features_have_unit_length_and_differ_between_images():
    trunk = small_trunk()
    images = torch.rand(2, 4, 64, 64)
    features = pooled_features(trunk(images), images[:, 3:])
    assert torch.allclose(features.norm(dim=1), torch.ones(2))
    assert (features[0] - features[1]).abs().max() > 1e-4
