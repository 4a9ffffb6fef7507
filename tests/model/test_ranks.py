"""Several processes learn what one does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.model.data import load_split
from maquette.core.model.ranks import Ranks
from maquette.core.model.run_log import log_lines
from maquette.core.model.sampling import draw_batch

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("two_processes.py")
STEPS = 5


def started(processes, dataset, run):
    """A run of so many processes, by torchrun."""
    words = [sys.executable]
    if processes > 1:
        words += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
    words = [*words, SCRIPT, ROOT, dataset, run, STEPS]
    return subprocess.Popen([str(word) for word in words], env=environment, stderr=subprocess.PIPE, text=True)


def test_two_processes_have_the_losses_of_one(dataset, tmp_path):
    runs = [(started(count, dataset, tmp_path / str(count)), tmp_path / str(count)) for count in (1, 2)]
    curves = []
    for process, run in runs:
        _, said = process.communicate(timeout=280)
        assert process.returncode == 0, said
        assert [step for step, _ in log_lines(run, "train")] == list(range(1, STEPS + 1))  # one of them writes
        curves.append(np.array([values[:-1] for _, values in log_lines(run, "train")]))
        assert (run / "curve.png").exists() and (run / "samples.png").exists()
    np.testing.assert_allclose(curves[0][0], curves[1][0], atol=2e-5)  # the same samples, the same means
    np.testing.assert_allclose(curves[0][:, 1:4], curves[1][:, 1:4], rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(curves[0][:, 4], curves[1][:, 4], atol=0.1)  # the direction of a short vector: rounding
    one, two = (torch.load(run / "checkpoint.pt", weights_only=True)["model"] for _, run in runs)
    means = [name for name in one if name.endswith("running_mean")]
    assert means and all(torch.allclose(one[name], two[name], rtol=0.05, atol=0.02) for name in means)


def test_parts_make_the_whole_batch_and_their_weighted_means_its_mean(dataset):
    batch = draw_batch(load_split([dataset], "train"), 0, 3)
    count = next(n for n in (3, 5, 7) if len(batch.points) % n)  # parts of unequal size
    parts = [Ranks(rank, count).part(batch) for rank in range(count)]
    assert sum(len(part.points) for part, _ in parts) == len(batch.points)
    mean = sum(weight * part.inside.mean() for part, weight in parts) / count
    torch.testing.assert_close(mean, batch.inside.mean())


def test_more_processes_than_samples_are_refused(dataset):
    with pytest.raises(DatasetError, match="start fewer"):
        Ranks(0, 1000).part(draw_batch(load_split([dataset], "train"), 0, 0))
