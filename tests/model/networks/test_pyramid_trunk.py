"""The trunk that begins as the trained single-view network."""

import pytest
import torch
from maquette.core.model.inference.weights import load_weights
from maquette.core.model.networks.dense_single_view import DenseSingleViewNetwork
from maquette.core.model.networks.dense_trunk import DenseConfig
from maquette.core.model.networks.pyramid_trunk import PyramidTrunk

CONFIG = DenseConfig(trunk="pyramid", head_width=32)


@pytest.fixture(scope="module")
def single_view():
    return load_weights()[0].single_view


@torch.inference_mode()
def test_it_begins_with_the_features_of_the_trained_network(single_view):
    """Whatever the channels hold that the trained network does not have."""
    trunk = PyramidTrunk(CONFIG).eval()
    trunk.start_from(single_view)
    features = []
    trunk.merge2.register_forward_hook(lambda module, inputs, output: features.append(output))

    images = torch.rand(2, 8, 128, 128)
    images[:, 3] = (images[:, 3] > 0.5).float()
    gray = images[:, :3] * images[:, 3:4] + 0.5 * (1 - images[:, 3:4])
    trunk(torch.cat((gray, images[:, 3:]), 1), torch.tensor([[1.0, 0, 0, 1], [0, 0.5, 1, 0]]))

    expected = single_view.pyramid(images[:, :4], torch.tensor([1.0, 0.0])).stride4
    torch.testing.assert_close(features[0], expected, rtol=1e-3, atol=1e-3)
    assert expected.std() > 0.1


@torch.inference_mode()
def test_the_dense_network_stands_on_it():
    network = DenseSingleViewNetwork(CONFIG).eval()
    assert isinstance(network.trunk, PyramidTrunk)
    output = network(torch.rand(2, 8, 64, 64), torch.zeros(2, 4))
    assert output.front_normal.shape == (2, 3, 32, 32)


def test_an_unknown_trunk_is_refused():
    with pytest.raises(ValueError, match="'plain'"):
        DenseSingleViewNetwork(DenseConfig(trunk="plain"))
