"""What the training loops of both networks share."""

from itertools import islice

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError, TrainingError
from maquette.core.model.training.loop import (
    MOST_SKIPPED,
    GradientGuard,
    StopFile,
    TrainingState,
    cosine_decay,
    lock_run,
    prefetch_batches,
)


def test_batches_come_in_order_one_ahead():
    drawn = []

    def sample(step):
        drawn.append(step)
        return step

    batches = prefetch_batches(sample, 5)
    assert list(islice(batches, 3)) == [5, 6, 7]
    batches.close()
    assert drawn == [5, 6, 7, 8]


def test_an_error_of_sampling_reaches_the_loop():
    def sample(step):
        raise DatasetError("damaged")

    with pytest.raises(DatasetError, match="damaged"):
        next(prefetch_batches(sample, 0))


def state_of_a_layer():
    model = torch.nn.Linear(3, 2)
    groups = [{"params": [model.weight], "share": 0.5}, {"params": [model.bias]}]
    return TrainingState(model, torch.nn.Linear(3, 2), torch.optim.AdamW(groups))


def test_a_checkpoint_brings_all_of_the_state_back(tmp_path):
    torch.manual_seed(0)
    state = state_of_a_layer()
    state.model(torch.ones(1, 3)).sum().backward()
    state.optimizer.step()
    state.step = 7
    state.save(tmp_path / "c.pt", network={"a": 1})
    other = state_of_a_layer()
    other.load(tmp_path / "c.pt")
    assert other.step == 7
    for name in ("model", "average"):
        for key, value in getattr(state, name).state_dict().items():
            assert torch.equal(getattr(other, name).state_dict()[key], value)
    first, second = (each.optimizer.state_dict()["state"] for each in (state, other))
    assert torch.equal(first[0]["exp_avg"], second[0]["exp_avg"])
    stored = torch.load(tmp_path / "c.pt", weights_only=True)
    assert list(stored) == ["step", "model", "average", "optimiser", "network"]


def test_groups_have_their_share_of_the_learning_rate():
    state = state_of_a_layer()
    state.set_learning_rate(0.1)
    assert [group["lr"] for group in state.optimizer.param_groups] == [0.05, 0.1]


def test_the_cosine_falls_from_one_to_zero():
    values = [cosine_decay(angle) for angle in np.linspace(0, np.pi, 5)]
    assert values == sorted(values, reverse=True)
    assert values[::2] == pytest.approx([1, 0.5, 0])


def test_a_stop_file_ends_a_run_once(tmp_path):
    stop_file = StopFile(tmp_path)
    assert not stop_file.exists()
    (tmp_path / "stop").touch()
    assert stop_file.exists()
    stop_file.remove()
    stop_file.remove()
    assert not stop_file.exists()


def test_steps_without_finite_gradients_are_skipped_until_there_are_many():
    parameter = torch.nn.Parameter(torch.ones(3))
    bad = torch.tensor((1.0, float("nan"), 0.0))
    guard = GradientGuard(1.0)
    for step in range(3):
        parameter.grad = bad.clone()
        assert not guard.clip([parameter], step)
    parameter.grad = torch.tensor((3.0, 4.0, 0.0))
    assert guard.clip([parameter], 3)
    assert parameter.grad.norm().item() == pytest.approx(1.0, abs=1e-5)

    for step in range(MOST_SKIPPED - 1):
        parameter.grad = bad.clone()
        assert not guard.clip([parameter], step)
    parameter.grad = bad.clone()
    with pytest.raises(TrainingError, match="diverged: up to step 8 "):
        guard.clip([parameter], 7)


def test_a_new_folder_in_which_nothing_was_written_is_removed(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(DatasetError), lock_run(run):
        raise DatasetError("the set is damaged")
    assert not run.exists()
    with lock_run(run):
        (run / "log.csv").touch()
    assert [path.name for path in run.iterdir()] == ["log.csv"]
