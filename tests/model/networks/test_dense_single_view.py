"""The dense network: sizes, and what its heads promise."""

import pytest
import torch
from maquette.core.model.evaluation.flops import CostCounter
from maquette.core.model.networks.dense_single_view import (
    MIN_SCALE,
    RAY_BINS,
    RAY_EDGES,
    DenseSingleViewNetwork,
)
from maquette.core.model.networks.dense_trunk import M1, M1_SMALL, DenseConfig

TINY = DenseConfig(widths=(32, 32, 32, 32), blocks=(1, 1, 1, 1), decoder_blocks=1, head_width=32)


def images(count, side, entry=-1.0, leave=1.0):
    result = torch.rand(count, 8, side, side)
    result[:, 4] = entry
    result[:, 5] = leave
    return result


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return DenseSingleViewNetwork(TINY).eval()


def test_m1_costs_what_it_was_designed_to():
    for config, parameters, flop in ((M1, 21.5e6, 6.47e9), (M1_SMALL, 11.7e6, 3.53e9)):
        network = DenseSingleViewNetwork(config).eval()
        with torch.inference_mode(), CostCounter() as count:
            network(images(1, 128), torch.zeros(1, 4))
        assert sum(value.numel() for value in network.parameters()) == pytest.approx(
            parameters, rel=0.01
        )
        assert count.flops == pytest.approx(flop, rel=0.01)


@torch.inference_mode()
def test_maps_have_half_the_side_of_any_image(network):
    for side in (64, 96):
        output = network(images(2, side), torch.zeros(2, 4))
        half = side // 2
        assert output.ray_occupancy.shape == (2, RAY_BINS, half, half)
        assert output.first_depth.shape == (2, 2, half, half)
        assert output.likeliest_depth().shape == (2, half, half)
        assert output.embedding.shape == (2, 128)
    with pytest.raises(ValueError, match="32 must divide"):
        network(images(1, 72), torch.zeros(1, 4))


@torch.inference_mode()
def test_the_first_surface_lies_in_the_hull(network):
    output = network(images(2, 64, 0.1, 0.3), torch.zeros(2, 4))
    assert output.first_depth.min() > 0.1 - 0.06
    assert output.first_depth.max() < 0.3 + 0.06


@torch.inference_mode()
def test_directions_are_unit_vectors_scales_positive_and_weights_sum_to_one(network):
    output = network(images(2, 64), torch.rand(2, 4))
    for vectors in (output.front_normal, output.back_normal, output.up, output.embedding):
        assert torch.allclose(vectors.norm(dim=1), torch.ones(()), atol=1e-5)
    assert output.first_scale.min() > MIN_SCALE
    assert torch.allclose(output.first_log_weight.exp().sum(1), torch.ones(()), atol=1e-5)


@torch.inference_mode()
def test_the_likeliest_depth_is_the_mode_of_the_heavier_distribution_not_a_mean(network):
    output = network(images(1, 64), torch.zeros(1, 4))
    weights = output.first_log_weight.exp()
    expected = torch.where(
        weights[:, 0] > weights[:, 1], output.first_depth[:, 0], output.first_depth[:, 1]
    )
    assert torch.equal(output.likeliest_depth(), expected)


def test_bins_are_fine_behind_the_surface_and_end_at_one_and_a_tenth():
    assert len(RAY_EDGES) == RAY_BINS + 1 == 49
    assert RAY_EDGES[:5].tolist() == pytest.approx([0, 0.01, 0.02, 0.03, 0.04])
    assert RAY_EDGES[-1] == pytest.approx(1.1)
    assert (RAY_EDGES.diff() > 0).all()


def test_what_is_known_of_the_camera_changes_the_maps_once_trained():
    torch.manual_seed(0)
    network = DenseSingleViewNetwork(TINY).eval()
    for modulation in (network.trunk.modulate8, network.trunk.modulate16):
        torch.nn.init.normal_(modulation.linear.weight, std=0.1)
    with torch.inference_mode():
        posed = network(images(1, 64) * 0 + 0.5, torch.tensor([[1.0, 0, 1, 1 / 6]]))
        free = network(images(1, 64) * 0 + 0.5, torch.tensor([[0.0, 0, 0, 1 / 6]]))
    assert (posed.ray_occupancy - free.ray_occupancy).abs().max() > 1e-4


def test_gradients_in_bfloat16_are_those_in_float32_but_for_rounding():
    torch.manual_seed(0)
    network = DenseSingleViewNetwork(TINY).train()
    x = images(4, 64)
    gradients = []
    for enabled in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = network(x, torch.zeros(4, 4))
        (
            output.ray_occupancy.mean() + output.first_depth.square().mean() + output.up.sum()
        ).backward()
        gradients.append([value.grad.clone() for value in network.parameters()])
    for exact, mixed in zip(*gradients, strict=True):
        assert mixed.isfinite().all()
        if exact.norm() > 1e-4:  # of less most is rounding
            assert torch.cosine_similarity(exact.flatten(), mixed.flatten(), dim=0) > 0.6
    exact, mixed = (torch.cat([value.flatten() for value in part]) for part in gradients)
    assert torch.cosine_similarity(exact, mixed, dim=0) > 0.9
