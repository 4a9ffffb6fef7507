import torch
from maquette.core.model.networks.shape_autoencoder import (
    ShapeAutoencoder,
    ShapeSpaceConfig,
    cells_to_channels,
    channels_to_cells,
)

SMALL = ShapeSpaceConfig(widths=(8, 8, 8), latent=4)


def test_sizes_of_latent_and_field():
    network = ShapeAutoencoder(SMALL).eval()
    values, latent = network(torch.zeros(2, 8, 32, 32, 32), torch.zeros(network.latent_shape(2)))
    assert values.shape == (2, 64, 64, 64)
    assert latent.mean.shape == (2, 4, 4, 4, 4)


def test_channels_become_neighbors_and_back():
    x = torch.arange(2 * 3 * 8**3).float().reshape(2, 3, 8, 8, 8)
    apart = cells_to_channels(x, 2)
    assert apart.shape == (2, 24, 4, 4, 4)
    assert torch.equal(channels_to_cells(apart, 2), x)
    # The second cell along the last axis is the second channel.
    assert apart[0, 1, 0, 0, 0] == x[0, 0, 0, 0, 1]


def test_a_standard_normal_latent_diverges_by_nothing():
    network = ShapeAutoencoder(SMALL)
    latent = network.encoder(torch.zeros(1, 8, 32, 32, 32))
    assert (latent.divergence() > 0).all()
    latent.mean.data.zero_()
    latent.log_variance.data.zero_()
    assert latent.divergence().abs().max() == 0
