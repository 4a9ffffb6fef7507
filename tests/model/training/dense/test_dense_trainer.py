"""Training of the dense network: it learns, goes on to the bit, and writes down what it did."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.weights import load_weights
from maquette.core.model.training.checkpoints import read_checkpoint
from maquette.core.model.training.dense.batches import BatchSource
from maquette.core.model.training.dense.config_file import read_dense_config, updated
from maquette.core.model.training.dense.log import dense_log_lines
from maquette.core.model.training.dense.objects import load_dense_split
from maquette.core.model.training.dense.trainer import DenseTrainer, train_dense
from maquette.core.model.training.dense.validation import (
    look_at_views,
    placed_views,
    ray_logits,
)
from PIL import Image

CPU = torch.device("cpu")


def with_steps(config, steps, **more):
    return replace(config, training=replace(config.training, steps=steps, **more))


def equal_states(one, two):
    flat = [json.dumps(sorted(state)) for state in (one, two)]
    assert flat[0] == flat[1]
    for name in ("network", "average", "prototypes"):
        for key, value in one[name].items():
            assert torch.equal(value, two[name][key]), f"{name} {key}"


def test_a_resumed_run_equals_an_undisturbed_one_to_the_bit(relightable, dense_config, tmp_path):
    whole = run_to_end(train_dense([relightable], tmp_path / "whole", with_steps(dense_config, 4)))
    parts = tmp_path / "parts"
    run_to_end(train_dense([relightable], parts, with_steps(dense_config, 2)))
    resumed = run_to_end(train_dense([relightable], parts, with_steps(dense_config, 4)))
    equal_states(read_checkpoint(whole), read_checkpoint(resumed))


def test_a_run_writes_its_log_config_samples_and_checkpoint(relightable, dense_config, tmp_path):
    run = tmp_path / "run"
    run_to_end(train_dense([relightable], run, dense_config))
    lines = list(dense_log_lines(run))
    train = [line for line in lines if line["kind"] == "train"]
    scores = [line for line in lines if line["kind"] == "validation"]
    assert train[-1]["step"] == 3
    assert train[-1]["images_per_second"] > 0
    assert train[-1]["gflop_per_second"] > 0
    for name in ("depth", "gross", "normal", "iou", "iou_shifted"):
        assert np.isfinite(scores[0][f"front_{name}"])
        assert np.isfinite(scores[0][f"free_{name}"])
    assert Image.open(run / "samples.png").width == 13 * 128
    assert read_dense_config(run / "config.json") == dense_config
    assert read_checkpoint(run / "checkpoint.pt")["step"] == 3


def test_a_run_goes_on_with_more_objects_and_classes(relightable, dense_config, tmp_path):
    run = tmp_path / "run"
    run_to_end(train_dense([relightable], run, with_steps(dense_config, 1)))
    config = json.loads((run / "config.json").read_text())
    assert config["families"] == ["kind0", "kind1"]
    config["families"] = ["kind1"]  # as if the set had not had the other then
    (run / "config.json").write_text(json.dumps(config))
    path = run_to_end(train_dense([relightable], run, with_steps(dense_config, 2)))
    assert json.loads((run / "config.json").read_text())["families"] == ["kind1", "kind0"]
    assert read_checkpoint(path)["step"] == 2


def test_a_file_named_stop_ends_a_run_with_a_checkpoint(relightable, dense_config, tmp_path):
    run = tmp_path / "run"
    work = train_dense([relightable], run, with_steps(dense_config, 50))
    for progress in work:
        if progress.stage.startswith("Step 1,"):
            (run / "stop").touch()
    assert read_checkpoint(run / "checkpoint.pt")["step"] < 5
    assert not (run / "stop").exists()


def test_another_configuration_in_the_same_folder_is_refused(relightable, dense_config, tmp_path):
    run = tmp_path / "run"
    run_to_end(train_dense([relightable], run, with_steps(dense_config, 1)))
    other = replace(dense_config, losses=replace(dense_config.losses, ray_occupancy=2.0))
    with pytest.raises(DatasetError, match="different configuration"):
        run_to_end(train_dense([relightable], run, other))


def test_a_run_from_before_a_setting_was_added_goes_on(relightable, dense_config, tmp_path):
    run_to_end(train_dense([relightable], tmp_path, with_steps(dense_config, 2)))
    path = tmp_path / "config.json"
    stored = json.loads(path.read_text())
    del stored["network"]["trunk"]
    path.write_text(json.dumps(stored))

    # Its default is what the run has; another value is another run.
    network = replace(dense_config.network, trunk="pyramid")
    with pytest.raises(DatasetError, match="different configuration"):
        run_to_end(train_dense([relightable], tmp_path, replace(dense_config, network=network)))
    run_to_end(train_dense([relightable], tmp_path, dense_config))
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 3


def test_a_release_begins_with_another_runs_checkpoint_and_decays(
    relightable, dense_config, tmp_path
):
    start = run_to_end(train_dense([relightable], tmp_path / "long", with_steps(dense_config, 2)))
    release = with_steps(dense_config, 4, decay_steps=2)
    trainer = DenseTrainer(release, CPU)
    trainer.load(start)
    rates = []
    while trainer.step < 4:
        rates.append(trainer.learning_rate())
        trainer.step += 1
    rate = release.training.learning_rate
    assert rates == pytest.approx([rate, rate / 2])
    path = run_to_end(train_dense([relightable], tmp_path / "release", release, start))
    assert read_checkpoint(path)["step"] == 4


def test_the_rate_warms_up_and_then_stays(dense_config):
    config = with_steps(dense_config, 10**6, warmup_steps=10)
    trainer = DenseTrainer(config, CPU)
    rate = config.training.learning_rate
    assert trainer.learning_rate() == pytest.approx(rate / 10)
    for step in (10, 1000, 999_999):
        trainer.step = step
        assert trainer.learning_rate() == pytest.approx(rate)


def test_steps_on_one_batch_bring_its_losses_down(ellipsoids, dense_config):
    config = with_steps(dense_config, 40, learning_rate=3e-3)
    trainer = DenseTrainer(config, CPU)
    batch = BatchSource(ellipsoids, ["kind0", "kind1"], sampling=config.sampling).batch(0)
    losses = [trainer.train_step(batch) for _ in range(25)]
    for name in ("all", "first_depth", "ray_occupancy", "normals"):
        assert losses[-1][name] < losses[0][name], name


def test_right_labels_as_output_give_the_object_back(relightable, dense_config):
    trainer = DenseTrainer(dense_config, CPU)
    item = load_dense_split([relightable], "validation")[0]
    for kind in ("front", "free"):
        placed = placed_views(trainer.average, [item], kind)
        output, _ = look_at_views(trainer.average, placed, CPU)
        sample = placed[0].sample
        depth = torch.from_numpy(np.nan_to_num(sample.first_depth, nan=5.0))[None]
        exact = replace(
            output,
            first_depth=torch.stack((depth, depth), dim=1),
            ray_occupancy=torch.from_numpy(sample.ray_occupancy.astype(np.float32) - 127.5)[None],
        )
        points, inside = item.points()
        predicted = ray_logits(exact, placed[0], points, 0.0) > 0
        overlap = (predicted & inside).sum() / (predicted | inside).sum()
        assert overlap > 0.9


def test_settings_are_read_nested_and_wrong_ones_are_refused(dense_config, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[training]\nsteps = 7\n[augmentation.light]\nlamp_share = 1\n")
    config = read_dense_config(path)
    assert config.training.steps == 7
    assert config.augmentation.light.lamp_share == 1.0
    for text, reason in (("[training]\nstep = 7", "unknown setting 'step'"), ("training = 3", "3")):
        path.write_text(text)
        with pytest.raises(DatasetError, match=reason):
            read_dense_config(path)
    with pytest.raises(ValueError, match="steps"):
        updated(dense_config, {"training": {"steps": "many"}})


def test_a_pyramid_begins_as_the_bundled_network_and_resumes(relightable, dense_config, tmp_path):
    network = replace(dense_config.network, trunk="pyramid")
    config = replace(dense_config, network=network)
    begun = DenseTrainer(config, CPU).network.trunk.state_dict()
    bundled = load_weights()[0].single_view.state_dict()
    kernel = "merge3.1.first.conv.weight"
    assert torch.equal(begun[kernel], bundled[kernel])

    # The stem reads four channels as before, and nothing else at first.
    stem = "backbone.stem.0.conv.weight"
    assert torch.equal(begun[stem][:, :4], bundled[stem])
    assert not begun[stem][:, 4:].any()

    checkpoint = run_to_end(train_dense([relightable], tmp_path, config))
    resumed = DenseTrainer(config, CPU)
    resumed.load(checkpoint)
    assert resumed.step == config.training.steps
    assert resumed.network.trunk.state_dict()[stem][:, 4:].any()


def test_a_run_that_tells_parts_apart_shows_them(relightable, dense_config, tmp_path):
    run = tmp_path / "run"
    config = replace(dense_config, network=replace(dense_config.network, groups=5))
    run_to_end(train_dense([relightable], run, config))
    assert Image.open(run / "samples.png").width == 15 * 128
    (scores,) = (line for line in dense_log_lines(run) if line["kind"] == "validation")
    assert "front_parts" not in scores  # none of the objects has parts
