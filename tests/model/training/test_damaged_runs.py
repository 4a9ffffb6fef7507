"""What kills, full disks and others leave in the folder of a run: read on, or refused in words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from maquette.core.errors import DatasetError, OutputError
from maquette.core.folder_lock import lock_folder
from maquette.core.model.training import checkpoints
from maquette.core.model.training.config_file import (
    TrainingConfig,
    TrainingRecipe,
    read_settings,
    write_config,
)
from maquette.core.model.training.dense.log import DenseLog, dense_log_lines
from maquette.core.model.training.dense.trainer import DenseRunConfig, train_dense
from maquette.core.model.training.foreground_trainer import train_mask
from maquette.core.model.training.log import RunLog, drop_later_lines, log_lines
from maquette.core.model.training.loop import StopFile, TrainingState
from maquette.core.model.training.trainer import Trainer, network_config_of, train_network

ROOT = Path(__file__).resolve().parents[3]

# What is appended to a complete log.
DAMAGES = {
    "cut": "3,train,0.4",
    "cut in a number": "3",
    "zeros": "\0" * 200,
    "zeros, then a line": "\0" * 40 + "\n",
    "an empty line": "\n\n",
    "mixed up": "3,train,0.5;0.4,1\nabc\n,,\n",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_log_goes_on(tmp_path, damage):
    first = "1,train,0.50000,0.40000,1.0\n2,validation,0.1,0.2,0.3,0.4\n2,train,0.4,0.3,1.0\n"
    (tmp_path / "log.csv").write_text(first + damage)
    with RunLog(tmp_path, 2, first=True) as log:
        assert (tmp_path / "log.csv").read_text() == first
        log.log_step(3, (0.25, 0.125), 1.0)
    assert [step for step, _ in log_lines(tmp_path, "train")] == [1, 2, 3]
    assert list(log_lines(tmp_path, "validation")) == [(2, [0.1, 0.2, 0.3, 0.4])]
    assert (tmp_path / "curve.png").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.png", "log.csv"]


@pytest.mark.parametrize(
    "damage", ['{"step": 3, "ki', "\0" * 99, "\n[3]\n7\nnull\n", '{"kind": "train"}\n']
)
def test_a_damaged_log_of_the_dense_network_goes_on(tmp_path, damage):
    (tmp_path / "log.jsonl").write_text('{"step": 2, "kind": "train"}\n' + damage)
    with DenseLog(tmp_path, 2, 1, 1.0) as log:
        log.step(3, {"all": 0.5}, 1.0)
    assert [line["step"] for line in dense_log_lines(tmp_path)] == [2, 3]


def test_the_mask_log_of_a_killed_run_drops_what_came_after_its_checkpoint(tmp_path):
    (tmp_path / "mask.csv").write_text("100,0.5,0.7\n200,0.4,0.8\n300,0.3,0.8\n\0\0\0")
    drop_later_lines(tmp_path / "mask.csv", 200)
    assert (tmp_path / "mask.csv").read_text() == "100,0.5,0.7\n200,0.4,0.8\n"
    drop_later_lines(tmp_path / "none.csv", 200)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"tr',
        b"\0" * 50,
        b"[]",
        b"null",
        b"{}",
        b'{"training": 3, "network": {}}',
        b'{"training": [], "network": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_config_is_refused_in_words(tiny, tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"config\.json is not .*Choose another folder, or rem"):
        write_config(tmp_path, TrainingConfig(), tiny, TrainingRecipe())
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b'{"training": {}}', b'{"training": {}, "sampling": 1}'])
def test_a_damaged_config_of_the_dense_network_is_refused_in_words(tmp_path, content):
    from maquette.core.model.training.dense.trainer import _write_config

    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"config\.json is not .*Choose another folder, or rem"):
        _write_config(tmp_path, DenseRunConfig(), [tmp_path], {"chair"})


@pytest.mark.parametrize(
    "content", ['{"training": {"one_picture": 3}, "network": {"picture": "x"}, "losses": 1}']
)
def test_odd_values_are_another_configuration(tiny, tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(DatasetError, match="different configuration"):
        write_config(tmp_path, TrainingConfig(), tiny, TrainingRecipe())


def test_settings_name_folders(tmp_path):
    (tmp_path / "settings.json").write_text('{"datasets": [3]}')
    with pytest.raises(DatasetError, match="datasets holds 3, but must hold names of folders"):
        read_settings(tmp_path / "settings.json")


OTHERS = {
    "a list": [1, 2],
    "a tensor": torch.zeros(3),
    "nothing": {},
    "a step": {"step": 1},
    "other sizes": {
        "step": 1,
        "model": torch.nn.Linear(5, 2).state_dict(),
        "average": {},
        "optimiser": {},
        "network": {"unknown": 3},
    },
    "numbers": {"step": 1, "model": 3, "average": 4, "optimiser": 5, "network": 6},
    "other weights": {
        "step": 1,
        "model": {"a": torch.ones(1)},
        "average": {"a": torch.ones(1)},
        "optimiser": {},
        "network": {"a": torch.ones(1)},
    },
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_a_checkpoint_of_something_else_is_refused_in_words(tiny, tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    model = torch.nn.Linear(3, 2)
    state = TrainingState(model, torch.nn.Linear(3, 2), torch.optim.AdamW(model.parameters()))
    with pytest.raises(DatasetError, match=r"checkpoint\.pt is not a checkpoint of this network"):
        state.load(path)
    with pytest.raises(DatasetError, match="is not a checkpoint of"):
        network_config_of(path)
    with pytest.raises(DatasetError, match=r"checkpoint\.pt is not a checkpoint of this network"):
        Trainer(TrainingConfig(), tiny).initialize_weights(path)


def test_a_second_training_in_a_folder_is_refused(dataset, tiny, tmp_path):
    trainings = (
        lambda: train_network([dataset], tmp_path, TrainingConfig(), tiny),
        lambda: train_mask([dataset], tmp_path),
        lambda: train_dense([dataset], tmp_path, DenseRunConfig()),
    )
    (tmp_path / "stop").touch()
    with lock_folder(tmp_path):
        for training in trainings:
            with pytest.raises(OutputError, match="Another process is writing into"):
                next(training())
    # The other run's wish to stop is not taken away.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stop"]


def test_a_training_locks_its_folder_until_it_ends(dataset, tiny, tmp_path):
    task = train_network([dataset], tmp_path, TrainingConfig(), tiny)
    next(task)
    with pytest.raises(OutputError, match="Another process is writing into"):
        next(train_network([dataset], tmp_path, TrainingConfig(), tiny))
    task.close()
    with lock_folder(tmp_path):
        pass


FULL_DISK = """
import sys
sys.path[:0] = [{tests!r}]
import conftest, dataclasses, resource, torch
import numpy as np
from pathlib import Path
from maquette.core.errors import OutputError
from maquette.core.imaging.contact_sheet import write_contact_sheet
from maquette.core.model.inference import weights
from maquette.core.model.evaluation.evaluate import Metrics, _write_csv
from maquette.core.model.training import checkpoints, config_file
from maquette.core.model.training.dense.log import DenseLog
from maquette.core.model.training.log import RunLog
from maquette.core.jobs.training_process import write_settings
from maquette.core.model.networks.foreground import ForegroundNetwork
from maquette.core.model.networks.reconstruction import NetworkConfig, ReconstructionNetwork
run = Path({folder!r})
noise = np.random.default_rng(0).random((64, 64, 4))
tiny = NetworkConfig(picture=32, volume=4, pyramid=(8, 8), pixel_channels=4, fine_channels=4,
    depth_bins=4, bin_channels=4, volume_channels=(4, 4, 8), hidden=8,
    tube_channels=(16, 8, 8, 4), tube_depths=4)
networks = ReconstructionNetwork(tiny), ForegroundNetwork()
config = config_file.TrainingConfig(), tiny, config_file.TrainingRecipe()
scores = Metrics(*[0.5] * len(dataclasses.fields(Metrics)))

def log():
    with RunLog(run, 10**6, True) as log:
        for step in range(100):
            log.log_step(step, (1.0,) * 5, 0.1)

def dense_log():
    with DenseLog(run, 10**6, 1, 1.0) as log:
        for step in range(1, 1000):
            log.validated(step, {{"a": 0.5}})

jobs = {{
    "checkpoint.pt": lambda: checkpoints.write_checkpoint(
        run / "checkpoint.pt", {{"a": torch.zeros(9999)}}
    ),
    "config.json": lambda: config_file.write_config(run, *config),
    "settings.json": lambda: write_settings(run, {{"long": "x" * 9999}}),
    "log.csv": log,
    "log.jsonl": dense_log,
    "w.safetensors": lambda: weights.save_weights(run / "w.safetensors", *networks),
    "sheet.png": lambda: write_contact_sheet(run / "sheet.png", [("noise", [noise])], 64),
    "scores.csv": lambda: _write_csv(run / "scores.csv", [("a" * 9999, "b", "c", scores)]),
}}
config_file.write_config(run, *config)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
for name, job in jobs.items():
    try:
        job()
        print("written", name)
    except OutputError as error:
        print("refused", error)
"""


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited as POSIX does it")
def test_a_full_disk_is_reported_in_words_and_older_files_stay(tmp_path):
    older = ("checkpoint.pt", "settings.json", "w.safetensors", "sheet.png", "scores.csv")
    for name in older:
        (tmp_path / name).write_text("older")
    code = FULL_DISK.format(tests=str(ROOT / "tests"), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == 8, done.stderr
    for line in lines:
        assert line.startswith(f"refused {tmp_path}")
        assert "could not be written" in line
        assert "Free some space and run again" in line
    for name in older:
        assert (tmp_path / name).read_text() == "older"

    # What was there before is complete, and so is each line of the logs.
    assert set(json.loads((tmp_path / "config.json").read_text())) >= {"training", "network"}
    assert [step for step, _ in log_lines(tmp_path, "train")] == [0]  # then the curve is drawn
    assert (tmp_path / "log.csv").read_text().endswith("\n")
    assert [line["step"] for line in dense_log_lines(tmp_path)][:2] == [1, 2]
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name]


def test_folders_in_the_place_of_files_are_reported(tmp_path):
    for name in ("log.csv", "log.jsonl", "stop"):
        (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match=r"log\.csv could not be written"):
        RunLog(tmp_path, 0, first=True)
    with pytest.raises(OutputError, match=r"log\.jsonl could not be written"):
        DenseLog(tmp_path, 0, 1, 1.0)
    with pytest.raises(OutputError, match="stop could not be written"):
        StopFile(tmp_path).remove()


def test_a_checkpoint_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoints.write_checkpoint(path, {"step": 1})
    checkpoints.write_checkpoint(path, {"step": 2})
    assert checkpoints.read_checkpoint(path, entries=("step",)) == {"step": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
