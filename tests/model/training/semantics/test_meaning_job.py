import json
import shutil

import pytest
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.meaning_weights import load_part, save_part
from maquette.core.model.jobs import semantics


def train(task, sets, run, start=None, weights=None):
    given = {"steps": 1, "warmup_steps": 1, "decay_steps": 0, "kept": 2, "precision": "float32"}
    return run_to_end(semantics.train_meaning(task, sets, run, given, start, weights))


@pytest.fixture(scope="module")
def trained(meaning_set, tmp_path_factory):
    """A file with heads, and another part that was there before."""
    import torch

    folder = tmp_path_factory.mktemp("job")
    weights = folder / "mine.safetensors"
    save_part(weights, "shapes", {"cells": 4}, {"codes": torch.ones(2)})
    assert train("meaning", [meaning_set], folder / "run", weights=weights) == weights
    return weights


def test_heads_are_written_beside_the_other_parts(trained):
    assert load_part("shapes", trained)[0] == {"cells": 4}
    assert load_part("heads", trained)[0]["families"][-1] == "other"


def test_the_report_names_the_heads_and_their_rivals(trained, meaning_set):
    report = run_to_end(semantics.evaluate_meaning([meaning_set], "validation", None, trained))
    names = [line.split()[0] for line in report.splitlines()[1:]]
    assert report.startswith("2 objects\n")
    assert {"part_miou_procedural", "part_miou_majority_procedural"} <= set(names)
    assert {"recall1_drawing", "draw_error_mean"} <= set(names)


def test_a_set_that_only_judges_is_judged_as_well(trained, unnamed_set, tmp_path):
    folder = tmp_path / "judged"
    shutil.copytree(unnamed_set, folder)
    names = json.loads((folder / "splits.json").read_text())
    (folder / "splits.json").write_text(json.dumps(dict.fromkeys(names, "test")))
    report = run_to_end(semantics.evaluate_meaning([folder], "test", None, trained))
    assert report.startswith("6 objects\n")
    assert "part_miou_artist" in report and "part_miou_procedural" not in report


def test_a_task_of_some_heads_needs_the_others(meaning_set, tmp_path, monkeypatch):
    monkeypatch.setattr(semantics, "has_part", lambda name: False)
    with pytest.raises(DatasetError, match="--start"):
        train("parts", [meaning_set], tmp_path / "run")
    with pytest.raises(DatasetError, match="--run"):
        train("meaning", [meaning_set], None)


def test_a_task_of_some_heads_starts_from_the_bundled_ones(
    trained, meaning_set, tmp_path, monkeypatch
):
    monkeypatch.setattr(semantics, "MEANING_WEIGHTS", trained)
    monkeypatch.setattr(semantics, "has_part", lambda name: True)
    written = train("retrieval", [meaning_set], tmp_path / "run")
    before, after = load_part("heads", trained)[1], load_part("heads", written)[1]
    assert (before["parts.layers.2.weight"] == after["parts.layers.2.weight"]).all()
    assert (before["embedding.reduce.weight"] != after["embedding.reduce.weight"]).any()
