"""The dense network in place of the single-view network."""

import pytest
import torch
from maquette.core.model.networks.dense_single_view import (
    RAY_BINS,
    RAY_EDGES,
    DenseOutput,
    DenseSingleViewNetwork,
)
from maquette.core.model.networks.dense_trunk import DenseConfig
from maquette.core.model.networks.ray_volume import (
    DEPTHS,
    RaySingleViewNetwork,
    dense_inputs,
    ray_volume,
)
from maquette.core.model.networks.single_view import DEPTH_LIMIT, sample_depth_logits

TINY = DenseConfig(widths=(32, 32, 32, 32), blocks=(1, 1, 1, 1), decoder_blocks=1, head_width=32)


def slab(first, thickness, weights=(1.0, 0.0), scale=0.004):
    """Return an output of one ray with a solid of ``thickness`` behind the depths ``first``."""
    edges = RAY_EDGES
    middles = (edges[1:] + edges[:-1]) / 2
    occupancy = torch.where(middles < thickness, 8.0, -8.0)
    unused = {name: torch.zeros(1) for name in DenseOutput.__dataclass_fields__}
    values = {
        "first_depth": torch.tensor(first).reshape(1, 2, 1, 1),
        "first_scale": torch.full((1, 2, 1, 1), scale),
        "first_log_weight": torch.tensor(weights).clamp(1e-9).log().reshape(1, 2, 1, 1),
        "ray_occupancy": occupancy.reshape(1, RAY_BINS, 1, 1),
    }
    return DenseOutput(**{**unused, **values})


def solid_depths(volume):
    """Return the depths at which the first ray of ``volume`` is solid."""
    cells = torch.linspace(-DEPTH_LIMIT, DEPTH_LIMIT, 2 * DEPTHS + 1)[1::2]
    return cells[volume[0, :, 0, 0] > 0]


@pytest.mark.parametrize("shift", [0.0, 0.15])
def test_a_slab_begins_at_the_first_surface_and_ends_behind_it(shift):
    volume = ray_volume(slab((-0.2, 0.4), 0.3), torch.tensor([shift]))
    solid = solid_depths(volume)
    assert volume.shape == (1, DEPTHS, 1, 1)
    assert float(solid.min()) == pytest.approx(-0.2 + shift, abs=0.013)
    assert float(solid.max()) == pytest.approx(0.1 + shift, abs=0.03)


def test_two_possible_surfaces_count_by_their_weights():
    volume = ray_volume(slab((-0.4, 0.1), 0.2, weights=(0.7, 0.3)), torch.zeros(1))
    probability = volume.sigmoid()[0, :, 0, 0]
    cells = torch.linspace(-DEPTH_LIMIT, DEPTH_LIMIT, 2 * DEPTHS + 1)[1::2]
    nearer = probability[(cells > -0.35) & (cells < -0.25)]
    farther = probability[(cells > 0.15) & (cells < 0.25)]
    torch.testing.assert_close(nearer, torch.full_like(nearer, 0.7), atol=0.01, rtol=0)
    torch.testing.assert_close(farther, torch.full_like(farther, 0.3), atol=0.01, rtol=0)


def test_an_unsure_surface_is_soft():
    sure = ray_volume(slab((0.0, 0.0), 0.5), torch.zeros(1)).sigmoid()
    unsure = ray_volume(slab((0.0, 0.0), 0.5, scale=0.1), torch.zeros(1)).sigmoid()
    before = DEPTHS // 2 - 8  # 0.1 in front of the surface
    assert float(sure[0, before]) < 0.01
    assert float(unsure[0, before]) == pytest.approx(0.5 * 0.3679, abs=0.03)


def test_the_network_gets_what_it_was_trained_on():
    images = torch.rand(2, 4, 64, 64)
    images[:, 3, :20] = 0
    inputs, conditions = dense_inputs(images, torch.tensor([1.0, 0.0]), 1.5)
    assert inputs.shape == (2, 8, 64, 64)
    assert (inputs[:, :3, :20] == 0.5).all()
    assert (inputs[:, 4] == -1.5).all() and (inputs[:, 5] == 1.5).all()
    assert inputs[0, 6, 0, 0] == inputs[0, 7, 0, 0] == -1 + 1 / 64
    assert inputs[0, 6, 0, -1] == 1 - 1 / 64
    torch.testing.assert_close(conditions, torch.tensor([[1, 0, 1, 1 / 6], [0, 0, 0, 1 / 6]]))


def test_a_mirrored_image_gives_the_mirrored_solid():
    torch.manual_seed(0)
    network = RaySingleViewNetwork(DenseSingleViewNetwork(TINY).eval())
    images = torch.rand(1, 4, 64, 64)
    cameras = torch.zeros(1, 1, 5, 4)
    cameras[..., :4, :] = torch.eye(4)
    with torch.inference_mode():
        logits, up = network.forward_with_mirror(images, cameras)
        mirrored, _ = network.forward_with_mirror(images.flip(-1), cameras)
    assert logits.shape == (1, 1, DEPTHS, 32, 32)
    assert up.shape == (1, 3)
    torch.testing.assert_close(mirrored, logits.flip(-1), atol=1e-4, rtol=1e-4)
    points = torch.rand(1, 5, 3) - 0.5
    assert sample_depth_logits(logits, cameras, points).shape == (1, 5)
