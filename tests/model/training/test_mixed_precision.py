import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.model.networks.reconstruction import ReconstructionNetwork
from maquette.core.model.training.losses import compute_losses
from maquette.core.model.training.mixed_precision import enable_mixed_precision, has_native_bfloat16
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.batches import (
    SamplingConfig,
    collate_samples,
    sample_object,
)
from maquette.core.model.training.sampling.placement import ViewQuery

CPU = torch.device("cpu")


@pytest.fixture
def batch(dataset):
    objects = load_split([dataset], "train")[:2]
    rng = np.random.default_rng(0)
    query = ViewQuery(2, unposed=False)
    sampling = SamplingConfig(points=256, color_points=32)
    return collate_samples([sample_object(item, query, rng, sampling) for item in objects])


def test_mixed_losses_and_gradients_are_those_of_float32_within_its_precision(tiny, batch):
    torch.manual_seed(0)
    network = ReconstructionNetwork(tiny).eval()  # the statistics of two objects are all noise
    found = []
    for precision in ("float32", "bfloat16"):
        assert enable_mixed_precision(network, precision, CPU) == (precision == "bfloat16")
        losses = compute_losses(network, batch)
        assert all(loss.dtype == torch.float32 for loss in losses)
        network.zero_grad()
        sum(losses).backward()
        gradients = [value.grad for value in network.parameters() if value.grad is not None]
        assert all(gradient.dtype == torch.float32 for gradient in gradients)
        found.append((torch.stack(losses).detach(), torch.cat([g.flatten() for g in gradients])))
    (losses, gradients), (mixed_losses, mixed_gradients) = found
    assert not torch.equal(losses, mixed_losses)
    torch.testing.assert_close(mixed_losses, losses, rtol=0.03, atol=0.01)
    assert torch.cosine_similarity(gradients, mixed_gradients, dim=0) > 0.9


def test_on_a_cpu_the_backbone_stays_as_exact_as_it_was(tiny):
    network, pictures = ReconstructionNetwork(tiny).eval(), torch.rand(1, 4, 64, 64)
    layers = network.single_view.backbone, network.single_view.up_head
    maps = layers[0](pictures)
    up = layers[1](maps[-1])
    enable_mixed_precision(network, "bfloat16", CPU)
    assert torch.equal(maps[-1], layers[0](pictures)[-1]) and not torch.equal(
        up, layers[1](maps[-1])
    )


def test_automatic_is_bfloat16_where_it_is_faster(tiny):
    assert enable_mixed_precision(
        ReconstructionNetwork(tiny), "automatic", CPU
    ) == has_native_bfloat16(CPU)
    with pytest.raises(DatasetError, match="bfloat16"):
        enable_mixed_precision(ReconstructionNetwork(tiny), "float8", CPU)
