"""Training: networks learn, runs resume to the bit, and wrong inputs are refused."""

import copy
import csv
import json

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference import weights
from maquette.core.model.training.config_file import TrainingConfig, TrainingRecipe
from maquette.core.model.training.export import export_run
from maquette.core.model.training.log import log_lines
from maquette.core.model.training.losses import LossConfig
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.batches import SamplingConfig, sample_batch
from maquette.core.model.training.trainer import Trainer, train_network
from maquette.core.model.training.validation import validation_scores

from ..conftest import write_set


def test_learns_ellipsoids_it_has_not_seen(dataset, tiny):
    """From one image and from four, which have their own heads."""
    sampling = SamplingConfig(
        points=1024,
        view_counts=(1, 4),
        view_count_shares=(0.35, 0.65),
        batch_sizes=(6, 6),
        image_size=tiny.picture,
    )
    config = TrainingConfig(steps=100, learning_rate=1e-2, warmup=10, ema_decay=0.9)
    trainer = Trainer(config, tiny)
    objects, unseen = load_split([dataset], "train"), load_split([dataset], "validation")
    # At the best level, so what the masks alone show.
    before = validation_scores(trainer.average, unseen)
    for step in range(config.steps):
        trainer.train_step(sample_batch(objects, 0, step, sampling))
    after = validation_scores(trainer.average, unseen)
    assert after[0] > before[0] + 0.2 and after[2] > before[2] + 0.03 > 0.5


@pytest.mark.slow
def test_one_picture_alone_is_trained_and_the_rest_stays_as_it_is(dataset, tiny):
    small = SamplingConfig(points=512, color_points=1, batch_size=16, image_size=tiny.picture)
    config = TrainingConfig(
        steps=80, learning_rate=5e-3, warmup=5, ema_decay=0.9, single_view_only=True
    )
    trainer = Trainer(config, tiny)
    start = copy.deepcopy(trainer.average.state_dict())
    objects, unseen = load_split([dataset], "train"), load_split([dataset], "validation")
    before = validation_scores(trainer.average, unseen)
    for step in range(50):
        batch = sample_batch(objects, 0, step, small)
        assert batch.images.shape[:2] == (16, 1)
        trainer.train_step(batch)
    after = validation_scores(trainer.average, unseen)
    assert after[0] > before[0] + 0.1 and after[1:3] == before[1:3]
    for name, value in trainer.average.state_dict().items():
        assert name.startswith("tubes.") or torch.equal(value, start[name]), name


@pytest.mark.parametrize("single_view_only", [False, True])
def test_sets_of_few_views_are_learned_from_as_far_as_they_go(tiny, tmp_path, single_view_only):
    """Sets of two sides and two unposed views train: nothing needs three or four images."""
    folder = write_set(tmp_path / "few", sides=("front", "right"))
    config = TrainingConfig(steps=6, eval_every=6, warmup=1, single_view_only=single_view_only)
    run_to_end(train_network([folder], tmp_path / "run", config, tiny))
    ((_, scores),) = log_lines(tmp_path / "run", "validation")
    is_known = [not np.isnan(score) for score in scores]
    assert is_known == [True, not single_view_only, False, True]
    export_run(tmp_path / "run", [folder], tmp_path / "found.safetensors")
    curves = weights.load_weights(tmp_path / "found.safetensors")[0].calibration_curves
    untouched = torch.tensor((1.0, 0.0))
    assert [torch.equal(curve, untouched) for curve in curves] == [False, False, False, True, True]


def test_the_weights_of_the_losses_are_used(dataset, tiny):
    """The total is the weighted sum of the losses in the log."""
    batch = sample_batch(load_split([dataset], "train"), 0, 0)
    config = TrainingConfig(steps=2, pretrained=False, precision="float32")
    for losses in (LossConfig(), LossConfig(color=3.0, depth=0.0, up_direction=1.5, soft_iou=0.0)):
        total, occupancy, color, depth, up = Trainer(config, tiny, losses=losses).train_step(batch)
        expected = occupancy + losses.color * color + losses.depth * depth
        assert total == pytest.approx(expected + losses.up_direction * up, rel=1e-5)


@pytest.mark.parametrize("content", [b"", b"some text", b"PK\x03\x04 cut short"])
def test_what_is_no_checkpoint_is_refused(dataset, tmp_path, content):
    start = tmp_path / "start.pt"
    start.write_bytes(content)
    with pytest.raises(DatasetError, match=r"start\.pt is not a checkpoint"):
        run_to_end(train_network([dataset], tmp_path / "run", TrainingConfig(steps=1), start=start))


def test_another_networks_checkpoint_is_refused(dataset, tmp_path):
    start = tmp_path / "mask.pt"
    torch.save({"step": 1}, start)
    with pytest.raises(
        DatasetError, match=r"mask\.pt is not a checkpoint of the reconstruction network"
    ):
        run_to_end(train_network([dataset], tmp_path / "run", TrainingConfig(steps=1), start=start))


def test_sets_without_a_view_to_ask_with_are_refused(tiny, tmp_path):
    folder = write_set(tmp_path / "orbit", sides=(), free="orbit")
    with pytest.raises(DatasetError, match=r"free:6"):
        run_to_end(train_network([folder], tmp_path / "run", TrainingConfig(steps=1), tiny))


def test_resumed_run_equals_an_undisturbed_one_to_the_bit(dataset, tiny, tmp_path):
    config = TrainingConfig(steps=4, eval_every=2, warmup=1, val_objects=2)
    undisturbed = torch.load(
        run_to_end(train_network([dataset], tmp_path / "whole", config, tiny)), weights_only=True
    )
    task = train_network([dataset], tmp_path / "stopped", config, tiny)
    for _ in range(4):  # reading, then three steps: the checkpoint is of the second
        next(task)
    task.close()
    resumed = torch.load(
        run_to_end(train_network([dataset], tmp_path / "stopped", config, tiny)), weights_only=True
    )
    assert resumed["step"] == undisturbed["step"] == 4
    for part in ("model", "average"):
        for name, value in undisturbed[part].items():
            assert torch.equal(value, resumed[part][name]), name
    with (tmp_path / "whole/log.csv").open() as file:
        lines = list(csv.reader(file))
    assert [line[0] for line in lines if line[1] == "validation"] == ["2", "4"]
    assert [line[0] for line in lines if line[1] == "train"] == ["1", "2", "3", "4"]


def small_run(dataset, run, tiny, steps=1, recipe=None):
    config = TrainingConfig(steps=steps, eval_every=1, val_objects=1)
    return run_to_end(train_network([dataset], run, config, tiny, recipe=recipe))


def test_another_configuration_in_the_same_folder_is_refused(dataset, tiny, tmp_path):
    small_run(dataset, tmp_path, tiny)
    with pytest.raises(DatasetError, match="different configuration"):
        small_run(dataset, tmp_path, tiny, steps=2)
    other_recipe = TrainingRecipe(losses=LossConfig(color=1.0))
    with pytest.raises(DatasetError, match="different configuration"):
        small_run(dataset, tmp_path, tiny, recipe=other_recipe)


def test_a_run_of_an_older_version_resumes(dataset, tiny, tmp_path):
    """Its config.json holds no losses, sampling and augmentation, and not all settings of today."""
    path = tmp_path / "config.json"
    small_run(dataset, tmp_path, tiny)
    content = json.loads(path.read_text())
    old = {"training": dict(content["training"]), "network": dict(content["network"])}
    assert old["training"].keys() >= {"rate", "imagenet", "backbone", "one_picture", "every"}
    del old["training"]["precision"]
    path.write_text(json.dumps(old))
    state = torch.load(small_run(dataset, tmp_path, tiny), weights_only=True)
    assert state["step"] == 1
    assert json.loads(path.read_text()) == content


def test_missing_and_empty_sets_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"splits\.json"):
        load_split([tmp_path], "train")
    (tmp_path / "splits.json").write_text("{}")
    with pytest.raises(DatasetError, match="no object"):
        load_split([tmp_path], "train")
