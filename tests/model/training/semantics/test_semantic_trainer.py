import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.meaning.semantics import load_trunk
from maquette.core.model.inference.meaning_weights import load_part
from maquette.core.model.networks.semantics import SemanticHeads
from maquette.core.model.training.dense.objects import load_dense_split
from maquette.core.model.training.semantics.batches import SemanticSource
from maquette.core.model.training.semantics.labels import draw_counts, label_objects
from maquette.core.model.training.semantics.replay import BatchReplay
from maquette.core.model.training.semantics.trainer import (
    base_config,
    calibrated,
    load_judged,
    train_semantics,
)
from maquette.core.model.training.semantics.validation import (
    MeaningScores,
    UnseenObjects,
    evaluate_meaning,
)


def checkpoint_state(run):
    return torch.load(run / "checkpoint.pt", weights_only=True)


@pytest.fixture(scope="module")
def trained(meaning_set, small_run, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    weights = run_to_end(train_semantics([meaning_set], run, small_run))
    return run, weights


def test_a_run_that_is_stopped_and_resumed_equals_one_that_is_not(
    trained, meaning_set, small_run, tmp_path
):
    run = tmp_path / "parts"
    task = train_semantics([meaning_set], run, small_run)
    for progress in task:
        if progress.stage.startswith("Step 1"):
            (run / "stop").touch()
    assert checkpoint_state(run)["step"] < small_run.training.steps
    run_to_end(train_semantics([meaning_set], run, small_run))

    whole, resumed = checkpoint_state(trained[0]), checkpoint_state(run)
    assert whole["step"] == resumed["step"] == small_run.training.steps
    for part in ("heads", "average"):
        for key, value in whole[part].items():
            assert torch.equal(value, resumed[part][key]), key


def test_a_run_writes_weights_a_log_with_scores_and_a_sheet(trained, meaning_set):
    run, weights = trained
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    scores = next(line for line in lines if line["kind"] == "validation")
    assert {"part_miou_procedural", "recall1_drawing", "draw_error", "draw_error_mean"} <= set(
        scores
    )
    assert (run / "samples.png").is_file()
    config, state = load_part("heads", weights)
    assert config["families"][-1] == "other" and "hat" not in config["families"]
    assert state["draws.tokens.weight"].shape[0] == sum(map(len, config["draws"].values()))


def test_a_task_changes_its_own_head_alone(trained, meaning_set, small_run, tmp_path):
    training = replace(small_run.training, heads=("parts",), steps=2)
    config = replace(small_run, training=training)
    weights = run_to_end(train_semantics([meaning_set], tmp_path / "run", config, trained[1]))
    before, after = load_part("heads", trained[1])[1], load_part("heads", weights)[1]
    for key, value in before.items():
        is_trained = key.startswith("parts.")
        if not is_trained:
            assert torch.equal(value, after[key]), key
    key = "parts.layers.2.weight"
    assert not torch.equal(before[key], after[key])


def test_another_configuration_and_sets_without_parts_are_refused(
    trained, meaning_set, small_run, unnamed_set, tmp_path
):
    other = replace(small_run, training=replace(small_run.training, seed=9))
    with pytest.raises(DatasetError, match="different configuration"):
        run_to_end(train_semantics([meaning_set], trained[0], other))
    with pytest.raises(DatasetError, match="--parts"):
        run_to_end(train_semantics([unnamed_set], tmp_path / "run", small_run))


def test_each_batch_serves_several_steps_and_is_made_anew_when_forgotten(meaning_set, small_run):
    trunk = load_trunk()
    config = base_config(trunk)
    objects = label_objects(load_dense_split([meaning_set], "train"), config)
    source = SemanticSource(objects, config, 0, small_run.sampling, small_run.augmentation)
    replay = BatchReplay(source, trunk, uses=2, kept=2, mixed=False)
    numbers = [replay.number_at(step) for step in range(40)]
    assert numbers[::2] == list(range(20))
    for step in range(1, 40, 2):
        assert step // 2 - 1 <= numbers[step] <= step // 2

    first = replay.batch(4)
    for step in range(5, 12):
        replay.batch(step)
    again = BatchReplay(source, trunk, uses=2, kept=2, mixed=False).batch(4)
    assert torch.equal(first.batch.images, again.batch.images)
    assert torch.equal(first.maps.stride8, again.maps.stride8)


def test_an_embedding_that_tells_objects_apart_is_found_again(meaning_set):
    trunk = load_trunk()
    torch.manual_seed(0)
    heads = SemanticHeads(base_config(trunk)).eval()
    objects = label_objects(load_dense_split([meaning_set], "train"), heads.config)
    counts = draw_counts([item.item.record for item in objects], heads.config)
    scores = evaluate_meaning(UnseenObjects(objects, counts), trunk, heads)
    values = scores.values
    assert values["recall5_render"] == 1.0  # there are four objects
    assert 0 <= values["recall1_render_trunk"] <= 1
    assert values["part_accuracy_procedural"] <= 1
    assert values["part_accuracy_majority_procedural"] >= 0.4
    assert values["draw_error_mean"] < 1e-3  # all were drawn alike
    assert len(scores.known_margins) == 4


def test_parts_of_artists_are_judged_apart_and_learned_only_if_wished(
    meaning_set, unnamed_set, small_run, tmp_path
):
    trunk = load_trunk()
    torch.manual_seed(0)
    heads = SemanticHeads(base_config(trunk)).eval()
    sets = [meaning_set, unnamed_set]
    judged = load_judged(sets, heads.config, None)
    assert [item.is_procedural for item in judged] == [True, True, False, False]
    counts = draw_counts([item.item.record for item in judged], heads.config)
    values = evaluate_meaning(UnseenObjects(judged, counts), trunk, heads).values
    # Both show the same ellipsoids, and have the same names for their halves.
    apart = values["part_miou_artist"] - values["part_miou_procedural"]
    assert abs(apart) < 0.01  # backgrounds differ
    assert values["part_accuracy_majority_artist"] >= 0.4

    items = load_dense_split([unnamed_set], "train")
    assert all(item.groups is None for item in label_objects(items, heads.config))
    training = replace(small_run.training, named_parts=True, heads=("parts",), steps=1)
    config = replace(small_run, training=training)
    weights = run_to_end(train_semantics([unnamed_set], tmp_path / "run", config))
    assert weights.is_file()


def test_calibration_accepts_nineteen_of_twenty_and_softens_logits_that_are_too_sure():
    config = base_config(load_trunk())
    rng = np.random.default_rng(0)
    logits = torch.zeros(200, len(config.families))
    logits[:, 0] = 20.0
    families = torch.from_numpy(rng.integers(0, 2, 200))  # half of them are wrong
    known = np.linspace(0, 1, 200, dtype=np.float32)
    result = calibrated(config, MeaningScores({}, known, (logits, families)))
    assert result.known_margin == pytest.approx(0.05, abs=0.01)
    assert result.temperature == pytest.approx(4.0)
