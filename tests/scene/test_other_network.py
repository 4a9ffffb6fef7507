"""Another kind of network learns from a rendered set, through the stream."""

import json

import pytest
import torch
from maquette.core.jobs.task import run_to_end
from maquette.core.synthesis.camera_rigs import parse_rigs
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

FAMILIES = ("car", "chair", "mug")
EACH, UNSEEN = 16, 4
EPOCHS = 40


def small_classifier():
    layers = [nn.Conv2d(4, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1), nn.Conv2d(32, 64, 3, 2, 1)]
    steps = [step for layer in layers for step in (layer, nn.ReLU())]
    return nn.Sequential(
        *steps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, len(FAMILIES))
    )


def pictures(batch):
    """Colour (B * V, 4, H, W) in 0..1, and the number of each picture's family."""
    views = batch["colour"].shape[1]
    truth = torch.tensor([FAMILIES.index(family) for family in batch["family"]])
    return batch["colour"].flatten(0, 1) / 255.0, truth.repeat_interleave(views)


@pytest.mark.slow
def test_a_classifier_beats_chance_on_objects_it_never_saw(addon, tmp_path):
    from maquette.core.console import silence_stdout
    from maquette.core.model.training.streaming_dataset import TrainingStream
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import procedural_sources

    sources = procedural_sources(FAMILIES, EACH * len(FAMILIES), 0)
    settings = DatasetSettings(size=32, samples=2, points=512, cameras=parse_rigs(["free:4"]))
    with silence_stdout():
        assert run_to_end(render_dataset(sources, tmp_path, settings)).written == len(sources)
    names = [source.name for source in sources]
    unseen = set(names[-UNSEEN * len(FAMILIES) :])
    splits = {name: "test" if name in unseen else "train" for name in names}
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    torch.manual_seed(0)
    network = small_classifier()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    stream = TrainingStream(tmp_path, "train", points=1)
    for epoch in range(EPOCHS):
        stream.set_epoch(epoch)
        for batch in DataLoader(stream, batch_size=12):
            color, truth = pictures(batch)
            optimizer.zero_grad()
            F.cross_entropy(network(color), truth).backward()
            optimizer.step()
    (batch,) = DataLoader(TrainingStream(tmp_path, "test", points=1), batch_size=len(unseen))
    color, truth = pictures(batch)
    with torch.no_grad():
        right = (network(color).argmax(1) == truth).float().mean()
    assert len(truth) == 48 and right > 0.6, right
