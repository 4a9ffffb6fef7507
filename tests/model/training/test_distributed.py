"""Several processes learn what one does."""

import os
import subprocess
import sys
from dataclasses import make_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.model.training.distributed import DistributedContext
from maquette.core.model.training.log import log_lines
from maquette.core.model.training.losses import up_error
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.batches import sample_batch

Several = make_dataclass("Several", [("found", torch.Tensor), ("true", torch.Tensor)])
ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("two_processes.py")
STEPS = 5


def started(processes, dataset, run):
    """A run of so many processes, by torchrun."""
    words = [sys.executable]
    if processes > 1:
        words += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    words = [*words, SCRIPT, ROOT, dataset, run, STEPS]
    return subprocess.Popen(
        [str(word) for word in words], env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(dataset, tmp_path):
    runs = [
        (started(count, dataset, tmp_path / str(count)), tmp_path / str(count)) for count in (1, 2)
    ]
    curves = []
    for process, run in runs:
        _, said = process.communicate(timeout=280)
        assert process.returncode == 0, said
        assert [step for step, _ in log_lines(run, "train")] == list(
            range(1, STEPS + 1)
        )  # one of them writes
        curves.append(np.array([values[:-1] for _, values in log_lines(run, "train")]))
        assert (run / "curve.png").exists() and (run / "samples.png").exists()
    # The same samples give the same means. Depth, of an untrained encoder, also differs by 4e-5
    # between one thread and two.
    np.testing.assert_allclose(curves[0][0, 1:3], curves[1][0, 1:3], atol=2e-5)
    np.testing.assert_allclose(curves[0][0, 3], curves[1][0, 3], atol=1e-4)
    np.testing.assert_allclose(curves[0][:, 1:4], curves[1][:, 1:4], rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(
        curves[0][:, 4], curves[1][:, 4], atol=0.1
    )  # the direction of a short vector: rounding
    one, two = (torch.load(run / "checkpoint.pt", weights_only=True)["model"] for _, run in runs)
    means = [name for name in one if name.endswith("running_mean")]
    assert means and all(
        torch.allclose(one[name], two[name], rtol=0.05, atol=0.02) for name in means
    )


def test_parts_make_the_whole_batch_and_their_weighted_means_its_mean(dataset):
    batch = sample_batch(load_split([dataset], "train"), 0, 3)
    count = next(n for n in (3, 5, 7) if len(batch.points) % n)  # parts of unequal size
    parts = [DistributedContext(rank, count).shard_batch(batch) for rank in range(count)]
    assert sum(len(part.points) for part, _ in parts) == len(batch.points)
    mean = sum(weight * part.occupancy.mean() for part, weight in parts) / count
    torch.testing.assert_close(mean, batch.occupancy.mean())


def test_what_is_up_counts_alike_in_parts_of_unequally_many_free_pictures():
    torch.manual_seed(0)
    found, true = torch.nn.functional.normalize(torch.randn(2, 9, 3), dim=2)
    true[:4] = 0  # posed
    whole = Several(found, true)
    parts = [DistributedContext(rank, 2).shard_batch(whole) for rank in range(2)]
    mean = sum(weight * up_error(part.found, part.true) for part, weight in parts) / 2
    torch.testing.assert_close(mean, up_error(found, true))


def test_more_processes_than_samples_are_refused(dataset):
    with pytest.raises(DatasetError, match="Start fewer"):
        DistributedContext(0, 1000).shard_batch(sample_batch(load_split([dataset], "train"), 0, 0))
