import copy
import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference import weights
from maquette.core.model.inference.occupancy_field import expected_iou_threshold
from maquette.core.model.metrics import iou
from maquette.core.model.networks.reconstruction import ReconstructionNetwork
from maquette.core.model.training import batches
from maquette.core.model.training.batches import (
    SamplingConfig,
    frame_object,
    sample_batch,
    sample_object,
)
from maquette.core.model.training.log import log_lines
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.trainer import (
    Trainer,
    TrainingConfig,
    calibrate_level,
    export_run,
    object_logits,
    train_network,
    validation_scores,
)

from ..conftest import write_set


def inside_by_pictures(pictures, cameras, points):
    """Whether each point falls on the mask of every view: what must hold for points inside."""
    homogeneous = np.c_[points, np.ones(len(points))]
    result = np.ones(len(points), bool)
    for picture, camera in zip(pictures, cameras, strict=True):
        at = homogeneous @ camera[:3].T
        i, j = ((at[:, :2] / at[:, 2:] + 1) * 64).astype(int).clip(0, 127).T
        result &= picture[3, j, i] > 0.5
    return result


@pytest.mark.parametrize(("views", "free"), [(1, False), (4, False), (1, True), (2, True)])
@pytest.mark.parametrize("vary", [False, True])
def test_samples_agree_with_their_pictures(dataset, views, free, vary):
    """What a view shows falls on its mask, also after mirroring, turning and stretching, and so do all points."""
    objects = load_split([dataset], "train")
    for seed, thing in enumerate(objects):
        sample = sample_object(
            thing, views, free, np.random.default_rng(seed), SamplingConfig(vary=vary)
        )
        pictures, cameras, points, inside, _, _, shown, up = sample
        for view, there in enumerate(shown):
            on = inside_by_pictures(pictures[view : view + 1], cameras[view : view + 1], there)
            assert on.mean() > 0.8  # the cameras vary by a pixel
        on = inside_by_pictures(pictures, cameras, points)
        assert on.mean() > 0.85 and on[inside > 0].mean() > 0.88
        assert (np.abs(points) <= 0.55).all() and inside.mean() > 0.05
        assert np.linalg.norm(up) == pytest.approx(float(free), abs=1e-5)


@pytest.mark.parametrize(("views", "free"), [(1, False), (1, True), (2, True)])
def test_moves_there_and_back(dataset, views, free):
    thing = load_split([dataset], "train")[0]
    placed = frame_object(thing, views, free, np.random.default_rng(3), vary=True)
    np.testing.assert_allclose(
        placed.back(placed.move(thing.near_points[:50])), thing.near_points[:50], atol=1e-5
    )


def test_up_of_a_view_from_above_leans_towards_the_viewer(dataset):
    thing = load_split([dataset], "train")[0]
    up = sample_object(thing, 1, True, np.random.default_rng(0), SamplingConfig(vary=False))[-1]
    lift = np.arctan(0.4)
    np.testing.assert_allclose(up, (0, -np.sin(lift), np.cos(lift)), atol=1e-5)


def test_a_free_picture_is_seen_upright(dataset):
    thing = load_split([dataset], "train")[0]
    placed = frame_object(thing, 1, True, np.random.default_rng(0), vary=False)
    low, high = placed.move(np.array(((0, 0, -0.05), (0, 0, 0.05))))
    rise = (high - low) / np.linalg.norm(high - low)
    np.testing.assert_allclose(
        rise, (0, 0, 1), atol=0.02
    )  # but for the perspective that is not known


def test_batches_depend_on_seed_and_step_alone(dataset):
    objects = load_split([dataset], "train")
    one, two, three = (sample_batch(objects, 0, step) for step in (5, 5, 6))
    torch.testing.assert_close(one.points, two.points, rtol=0, atol=0)
    assert one.points.shape != three.points.shape or not torch.equal(one.points, three.points)


def test_learns_ellipsoids_it_has_not_seen(dataset, tiny, monkeypatch):
    """From one picture and from four, which have their own heads."""
    monkeypatch.setattr(batches, "_VIEWS", ((1, 0.35), (4, 0.65)))
    trainer = Trainer(TrainingConfig(steps=160, rate=5e-3, warmup=10, average=0.9), tiny)
    objects, unseen = load_split([dataset], "train"), load_split([dataset], "validation")
    before = validation_scores(
        trainer.average, unseen
    )  # at the best level, so what the masks alone tell
    for step in range(150):
        trainer.train_step(sample_batch(objects, 0, step))
    after = validation_scores(trainer.average, unseen)
    assert after[0] > before[0] + 0.2 and after[2] > before[2] + 0.03 > 0.5


def test_one_picture_alone_is_trained_and_the_rest_stays_as_it_is(dataset, tiny):
    small = SamplingConfig(points=512, colors=1, batch=16)
    trainer = Trainer(
        TrainingConfig(steps=80, rate=5e-3, warmup=5, average=0.9, one_picture=True), tiny
    )
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


@pytest.mark.parametrize("one_picture", [False, True])
def test_sets_of_few_views_are_learned_from_as_far_as_they_go(tiny, tmp_path, one_picture):
    """Two sides and two free views: nothing is asked of three or four pictures, and what was known of it stays."""
    folder = write_set(tmp_path / "few", sides=("front", "right"))
    config = TrainingConfig(steps=6, every=6, warmup=1, one_picture=one_picture)
    run_to_end(train_network([folder], tmp_path / "run", config, tiny))
    ((_, scores),) = log_lines(tmp_path / "run", "validation")
    assert [not np.isnan(score) for score in scores] == [True, not one_picture, False, True]
    export_run(tmp_path / "run", [folder], tmp_path / "found.safetensors")
    curves = weights.load_weights(tmp_path / "found.safetensors")[0].curves
    untouched = torch.tensor((1.0, 0.0))
    assert [torch.equal(curve, untouched) for curve in curves] == [False, False, False, True, True]


@pytest.mark.parametrize(("views", "free"), [(1, False), (4, False), (1, True), (2, True)])
def test_pictures_of_another_size_are_seen_as_use_shows_them(dataset, tmp_path, views, free):
    """Those of the same objects at twice the size are all but the same, and go into one batch with them."""
    large = load_split([write_set(tmp_path / "large", size=256)], "train")
    small = load_split([dataset], "train")
    for one, two in zip(small, large, strict=True):
        seen, again = (
            frame_object(thing, views, free, np.random.default_rng(0), vary=False)
            for thing in (one, two)
        )
        assert again.pictures.shape == seen.pictures.shape == (views, 4, 128, 128)
        assert np.abs(again.pictures - seen.pictures).mean() < 0.02
        np.testing.assert_allclose(again.cameras, seen.cameras, atol=0.1)
    steps = range(4)
    assert {sample_batch(small + large, 0, step).images.shape[-1] for step in steps} == {128}


@pytest.mark.parametrize("name", ["steps", "every", "validation"])
def test_settings_too_small_are_refused(dataset, tiny, tmp_path, name):
    with pytest.raises(DatasetError, match=f"{name} is 0"):
        run_to_end(train_network([dataset], tmp_path, replace(TrainingConfig(), **{name: 0}), tiny))


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


def test_posed_and_free_pictures_share_a_batch(dataset):
    """What is normalised over a batch is so over both kinds, as it will be in use."""
    batch = sample_batch(
        load_split([dataset], "train"), 0, 0, SamplingConfig(points=64, colors=1, batch=32)
    )
    perspective, tilted = batch.cameras[:, 0, 4, 3], batch.up_direction.norm(dim=1)
    torch.testing.assert_close(perspective, tilted, atol=1e-5, rtol=0)
    assert 0.2 < perspective.mean() < 0.9


def test_resumed_run_equals_an_undisturbed_one_to_the_bit(dataset, tiny, tmp_path):
    config = TrainingConfig(steps=4, every=2, warmup=1, validation=2)
    whole = torch.load(
        run_to_end(train_network([dataset], tmp_path / "whole", config, tiny)), weights_only=True
    )
    work = train_network([dataset], tmp_path / "stopped", config, tiny)
    for _ in range(4):  # reading, then three steps: the checkpoint is of the second
        next(work)
    work.close()
    resumed = torch.load(
        run_to_end(train_network([dataset], tmp_path / "stopped", config, tiny)), weights_only=True
    )
    assert resumed["step"] == whole["step"] == 4
    for part in ("model", "average"):
        for name, value in whole[part].items():
            assert torch.equal(value, resumed[part][name]), name
    with (tmp_path / "whole/log.csv").open() as file:
        lines = list(csv.reader(file))
    assert [line[0] for line in lines if line[1] == "validation"] == ["2", "4"]
    assert [line[0] for line in lines if line[1] == "train"] == ["1", "2", "3", "4"]


def test_another_configuration_in_the_same_folder_is_refused(dataset, tiny, tmp_path):
    run_to_end(
        train_network([dataset], tmp_path, TrainingConfig(steps=1, every=1, validation=1), tiny)
    )
    with pytest.raises(DatasetError, match="different configuration"):
        run_to_end(
            train_network([dataset], tmp_path, TrainingConfig(steps=2, every=1, validation=1), tiny)
        )


def test_missing_and_empty_sets_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"splits\.json"):
        load_split([tmp_path], "train")
    (tmp_path / "splits.json").write_text("{}")
    with pytest.raises(DatasetError, match="no object"):
        load_split([tmp_path], "train")


def mean_iou(model, objects):
    with torch.inference_mode():
        found = [
            (object_logits(model, thing, 1, free), thing)
            for thing in objects
            for free in (False, True)
        ]
    scores = []
    for logits, thing in found:
        level = expected_iou_threshold(logits[logits > -99]) + float(model.shift)
        scores.append(iou(logits > level, thing.uniform_inside))
    return np.mean(scores)


def test_calibration_lifts_iou_on_what_it_sees(dataset, tiny):
    objects = load_split([dataset], "validation")
    model = ReconstructionNetwork(tiny).eval()
    torch.nn.init.constant_(model.occupied.bias, -0.8)
    before = mean_iou(model, objects)
    calibrate_level(model, objects)
    assert model.shift != 0
    assert mean_iou(model, objects) > before
