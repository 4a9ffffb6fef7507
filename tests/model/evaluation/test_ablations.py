"""The variants that the benchmark of ablations trains."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.model.networks.reconstruction import ReconstructionNetwork
from maquette.core.model.training.config_file import TrainingConfig
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.batches import (
    SamplingConfig,
    collate_samples,
    sample_object,
)
from maquette.core.model.training.sampling.placement import ViewQuery
from maquette.core.model.training.trainer import Trainer

FILE = Path(__file__).parents[2] / "benchmarks/variants.py"
NAMES = ("PixelAligned", "VolumeOnly", "GlobalLatent", "Voxels")


@pytest.fixture(scope="module")
def variants():
    spec = importlib.util.spec_from_file_location("variants", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def batch(dataset):
    objects = load_split([dataset], "train")[:2]
    rng = np.random.default_rng(0)
    query = ViewQuery(2, unposed=False)
    sampling = SamplingConfig(points=256, color_points=32)
    return collate_samples([sample_object(item, query, rng, sampling) for item in objects])


def logits(network, batch):
    with torch.inference_mode():
        return network.eval().predict_occupancy(
            network.encode_views(batch.images, batch.cameras), batch.points
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_learns_and_answers_otherwise(variants, tiny, batch, name):
    config = TrainingConfig(steps=2, learning_rate=1e-3, warmup=1, pretrained=False)
    trainer = Trainer(config, tiny, kind=getattr(variants, name))
    before = logits(trainer.model, batch)
    assert np.isfinite(trainer.train_step(batch)).all()
    after = logits(trainer.model, batch)
    assert type(trainer.averaged_model()) is getattr(variants, name)
    assert after.isfinite().all() and (after - before).abs().max() > 1e-3
    torch.manual_seed(config.seed)
    assert (before - logits(ReconstructionNetwork(tiny), batch)).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["VolumeOnly", "GlobalLatent", "Voxels"])
def test_what_a_picture_shows_at_a_point_reaches_only_what_is_aligned_with_it(
    variants, tiny, batch, name
):
    """Full-resolution maps of features are read where a point falls, but not by these."""
    for kind, reads in ((getattr(variants, name), False), (variants.PixelAligned, True)):
        torch.manual_seed(0)
        network = kind(tiny).eval()
        with torch.inference_mode():
            features = network.encode_views(batch.images, batch.cameras)
            before = network.predict_occupancy(features, batch.points)
            features.fine.normal_()
            assert (network.predict_occupancy(features, batch.points) != before).any() == reads


def test_voxels_are_a_grid_of_logits(variants, tiny, batch):
    """Between two voxels' middles occupancy is in proportion."""
    network = variants.Voxels(tiny).eval()
    with torch.inference_mode():
        features = network.encode_views(batch.images, batch.cameras)
        middles = (torch.tensor((15.5, 16.0, 16.5)) / 32 * 2 - 1) * 0.55
        line = torch.stack(
            (middles, torch.full((3,), 0.55 / 32), torch.full((3,), 0.55 / 32)), dim=1
        )
        one, half, two = network.predict_occupancy(features, line.expand(2, 3, 3)).unbind(1)
    torch.testing.assert_close(half, (one + two) / 2, atol=1e-5, rtol=1e-4)
    assert features.voxels.shape[2:] == (32, 32, 32)
