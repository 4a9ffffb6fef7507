"""Training as the panel starts it: in a process, stopped, resumed, its weights used."""

import importlib.util
import json
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from maquette.core.folder_lock import lock_folder
from maquette.core.jobs import dependencies
from maquette.core.jobs.training_process import TrainingProcess, steps_of, write_settings

_spec = importlib.util.spec_from_file_location(
    "ellipsoids", Path(__file__).parents[1] / "model/conftest.py"
)
_ellipsoids = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_ellipsoids)
dataset, tiny = _ellipsoids.dataset, _ellipsoids.tiny


@pytest.fixture(scope="module")
def start(tiny, tmp_path_factory):
    """The folder of a run that holds a network of small size, which has learned nothing."""
    from maquette.core.model.training.config_file import TrainingConfig
    from maquette.core.model.training.trainer import Trainer

    folder = tmp_path_factory.mktemp("start")
    Trainer(TrainingConfig(), tiny).save_checkpoint(folder / "checkpoint.pt")
    return folder


@pytest.fixture
def name_a_python(addon, monkeypatch):
    """Lets the preferences name a Python, this one at first, where Blender's own has no PyTorch."""
    from maquette.operators import _compute

    ours = SimpleNamespace(python=sys.executable, device='CPU', idle=60, weights="")

    def name(executable=sys.executable):
        ours.python = str(executable)
        monkeypatch.setattr(_compute, "addon_preferences", lambda: ours)
        monkeypatch.setattr(dependencies, "is_installed", lambda package: False)

    return name


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_script_trains_and_takes_the_weights(addon, name_a_python, dataset, start, tmp_path):
    from maquette.core.model.inference import weights
    from maquette.operators import _compute

    run = tmp_path / "run"
    done = bpy.ops.maquette.train(
        folder=str(dataset),
        others=str(dataset),
        run=str(run),
        start='RUN',
        start_run=str(start),
        steps=2,
        rate=1e-3,
    )
    assert done == {'FINISHED'} and steps_of(run) == (2, 2)
    assert json.loads((run / "settings.json").read_text())["datasets"] == [str(dataset)] * 2
    assert {path.name for path in run.iterdir()} >= {
        "checkpoint.pt",
        "log.csv",
        "curve.png",
        "samples.png",
    }
    with pytest.raises(RuntimeError, match="already contains a run"):
        bpy.ops.maquette.train(folder=str(dataset), run=str(run), steps=3)
    name_a_python()  # the export runs in it
    assert bpy.ops.maquette.use_trained_weights(run=str(run)) == {'FINISHED'}
    assert _compute.is_worker_alive()
    made, mask = weights.load_weights(run / "run.safetensors")
    assert made.threshold_shift != 0  # calibrated
    kept = weights.load_weights()[1].state_dict()
    assert all((value == kept[name]).all() for name, value in mask.state_dict().items())


@pytest.mark.skipif(sys.platform == "win32", reason="a program of one line")
def test_the_python_of_the_preferences_trains(name_a_python, dataset, tmp_path):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho called > {tmp_path}/called\n")
    python.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dependencies, "is_installed", lambda package: False)
        with pytest.raises(RuntimeError, match="PyTorch is not installed in this Python"):
            bpy.ops.maquette.train(folder=str(dataset), run=str(tmp_path / "run"), steps=1)
    name_a_python(python)
    with pytest.raises(RuntimeError, match=r"ended before its training did \(exit code 0\)"):
        bpy.ops.maquette.train(folder=str(dataset), run=str(tmp_path / "run"), steps=1)
    assert (tmp_path / "called").read_text() == "called\n"
    name_a_python(tmp_path / "none")
    with pytest.raises(RuntimeError, match="none could not be started"):
        bpy.ops.maquette.train(folder=str(dataset), run=str(tmp_path / "run"), steps=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("folder", ["/", "//", "set"])
def test_the_run_lies_beside_any_folder(addon, folder):
    from maquette.operators.train import run_folder

    assert run_folder(folder, "").name.endswith("_run")


def test_the_state_of_a_run(addon, tmp_path):
    from maquette.operators.train import RunState, run_state

    assert run_state(None) == run_state(tmp_path) == RunState.NEW
    write_settings(tmp_path, {"training": {"steps": 2}})
    assert run_state(tmp_path) == RunState.PAUSED  # before its first step
    for done, state in ((1, RunState.PAUSED), (2, RunState.FINISHED)):
        (tmp_path / "log.csv").write_text(f"{done},train,1\n")
        assert run_state(tmp_path) == state


@pytest.mark.parametrize(
    "damage", ["77", "77,tra", "\0" * 50, "\n\n", "\0\0\n", "\u00b2,train,1\n"]
)
def test_the_steps_of_a_damaged_log_are_those_of_its_last_complete_line(tmp_path, damage):
    write_settings(tmp_path, {"training": {"steps": 9}})
    (tmp_path / "log.csv").write_text("6,train,1\n7,train,1\n" + damage)
    assert steps_of(tmp_path) == (7, 9)


def test_a_run_in_a_folder_in_use_is_refused_and_leaves_it_alone(addon, dataset, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "output.txt").write_text("of the other run")
    with lock_folder(tmp_path):
        for resume in (True, False):
            with pytest.raises(RuntimeError, match="Another process is writing into"):
                bpy.ops.maquette.train(folder=str(dataset), run=str(tmp_path), resume=resume)
    assert (tmp_path / "settings.json").read_text() == "{}"
    assert (tmp_path / "output.txt").read_text() == "of the other run"


def test_what_is_missing_is_named(addon, dataset, tmp_path):
    with pytest.raises(RuntimeError, match="There is no training set"):
        bpy.ops.maquette.train(folder=str(tmp_path))
    with pytest.raises(RuntimeError, match="There is no checkpoint"):
        bpy.ops.maquette.train(
            folder=str(dataset), run=str(tmp_path), start='RUN', start_run=str(tmp_path)
        )
    with pytest.raises(RuntimeError, match="There is no run"):
        bpy.ops.maquette.train(run=str(tmp_path), resume=True)
    with pytest.raises(RuntimeError, match="Train first"):
        bpy.ops.maquette.use_trained_weights(run=str(tmp_path))


def set_of(dataset, folder, splits):
    """A copy of the first objects of a training set, in the splits of ``splits`` by turns."""
    names = sorted(json.loads((dataset / "splits.json").read_text()))[: len(splits)]
    shutil.copytree(dataset, folder)
    assigned = dict(zip(names, splits, strict=True))
    (folder / "splits.json").write_text(json.dumps(assigned))
    return folder


@pytest.mark.parametrize("splits", [["train"], ["test", "test", "validation"]])
def test_too_few_objects_are_refused_with_the_number_that_is_needed(
    addon, dataset, tmp_path, splits
):
    few = set_of(dataset, tmp_path / "set", splits)
    with pytest.raises(RuntimeError, match=r"has 1 object to train on, .* at least 2 different"):
        bpy.ops.maquette.train(folder=str(few))
    assert not (tmp_path / "set_run").exists()


@pytest.mark.slow
def test_three_objects_in_one_split_are_trained_on_and_calibrated_by(
    addon, dataset, start, tmp_path
):
    few = set_of(dataset, tmp_path / "set", ["train"] * 3)
    options = {"start": 'RUN', "start_run": str(start), "steps": 1}
    assert bpy.ops.maquette.train(folder=str(few), **options) == {'FINISHED'}
    run = tmp_path / "set_run"
    assert steps_of(run) == (1, 1)
    assert bpy.ops.maquette.use_trained_weights(run=str(run)) == {'FINISHED'}
    assert (run / "set_run.safetensors").is_file()


def test_a_run_that_ends_before_its_first_step_leaves_no_folder(addon, dataset, tmp_path):
    damaged = set_of(dataset, tmp_path / "set", ["train", "train", "validation"])
    for path in (damaged / "objects").glob("*.tar"):
        path.write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"\.tar"):
        bpy.ops.maquette.train(folder=str(damaged), steps=1)
    assert not (tmp_path / "set_run").exists()


@pytest.mark.slow
def test_a_run_stops_after_a_step_and_goes_on(dataset, start, tmp_path):
    import torch

    own = {"steps": 100000, "every": 100000, "validation": 1}
    write_settings(
        tmp_path,
        {
            "datasets": [str(dataset)],
            "run": ".",
            "start": str(start / "checkpoint.pt"),
            "training": own,
        },
    )
    last = 0
    for _ in range(2):
        process = TrainingProcess(tmp_path)
        until(lambda last=last: steps_of(tmp_path)[0] > last)
        assert process.progress().stage.startswith("Step ")
        process.request_stop()
        process.wait(60)
        assert not process.is_running() and process.failure_text() is None
        done = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
        assert done == steps_of(tmp_path)[0] > last and not (tmp_path / "stop").exists()
        last = done
    steps = [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()]
    assert steps == [str(step) for step in range(1, last + 1)]


@pytest.mark.slow
def test_a_run_that_crashed_stops_after_a_step_too(dataset, start, tmp_path):
    """Its log is ahead of its checkpoint."""
    import torch

    own = {"steps": 100000, "every": 100000, "validation": 1}
    write_settings(
        tmp_path,
        {
            "datasets": [str(dataset)],
            "run": ".",
            "start": str(start / "checkpoint.pt"),
            "training": own,
        },
    )
    process = TrainingProcess(tmp_path)
    until(lambda: steps_of(tmp_path)[0] > 0)
    process.request_stop()
    process.wait(60)
    done = steps_of(tmp_path)[0]
    with (tmp_path / "log.csv").open("a") as log:
        log.writelines(f"{step},train,1,1,1,1,1,1\n" for step in range(done + 1, done + 9000))
    process = TrainingProcess(tmp_path)
    until(lambda: process.progress().stage.startswith("Step "))
    process.request_stop()
    process.wait(60)
    assert process.failure_text() is None
    assert (
        torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
        == steps_of(tmp_path)[0]
        > done
    )


def test_a_run_that_cannot_says_why(tmp_path):
    settings = {"datasets": ["nowhere"], "run": ".", "training": {"steps": 1}}
    write_settings(tmp_path, settings)
    process = TrainingProcess(tmp_path)
    process.wait(60)
    assert "nowhere" in process.failure_text()
    assert json.loads((tmp_path / "settings.json").read_text()) == settings


def test_the_command_line_trains_by_a_file_of_settings(addon, dataset, start, tmp_path):
    from maquette.operators.cli import main

    settings = {
        "run": "one",
        "start": str(start / "checkpoint.pt"),
        "training": {"steps": 5, "rate": 1e-4},
    }
    (tmp_path / "run.json").write_text(json.dumps(settings))
    words = [
        "train",
        str(dataset),
        "--config",
        str(tmp_path / "run.json"),
        "--run",
        str(tmp_path / "two"),
    ]
    assert main.run_command([*words, "--steps", "1", "--every", "1"]) == 0
    own = json.loads((tmp_path / "two/config.json").read_text())["training"]
    assert (own["steps"], own["rate"], own["every"]) == (1, 1e-4, 1) and not (
        tmp_path / "one"
    ).exists()
    assert main.run_command(["train", str(dataset)]) == 1  # neither --run nor --config
