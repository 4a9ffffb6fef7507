"""Parts of both training loops: state, learning rates, batches drawn ahead, the stop file."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from ...atomic_files import make_folder, report_write_errors
from ...errors import TrainingError
from ...folder_lock import lock_folder
from . import checkpoints

# Added to the learning rate so that the last steps of a cosine still move the weights.
LEARNING_RATE_FLOOR = 1e-6
MOST_SKIPPED = 20  # steps in a row without finite gradients before a training ends
T = TypeVar("T")


@dataclass
class TrainingState:
    """What steps change and a checkpoint holds.

    Attributes:
        model: network that is trained.
        average: moving average of its weights, a network of the same kind.
        optimizer: of the model's parameters. A parameter group may hold its "share" of the learning
            rate.
        step: number of steps done.
    """

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group.get("share", 1.0)

    def save(self, path: Path, **extra: Any) -> None:
        """Write all that a resumed run needs, atomically; ``extra`` becomes part of it.

        Raises:
            OutputError: the disk is full.
        """
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimizer.state_dict(),
        }
        checkpoints.write_checkpoint(path, {**state, **extra})

    def load(self, path: Path, device: torch.device | str = "cpu") -> None:
        """Read what :meth:`save` wrote.

        Raises:
            DatasetError: there is no such file, or it is no checkpoint of this network.
        """
        entries = ("step", "model", "average", "optimiser")
        state = checkpoints.read_checkpoint(path, device, entries)
        with checkpoints.blame_checkpoint(path):
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimiser"])
            self.step = int(state["step"])


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Keep other trainings out of the folder ``run``, which is made, while the context is active.

    A new folder is removed again if nothing was written, as where a training set is damaged. Of the
    processes that ``torchrun`` started, the first one holds the lock for all.

    Raises:
        OutputError: another process trains there, or the folder cannot be made.
    """
    is_new = not run.exists()
    make_folder(run)
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    try:
        with lock_folder(run):
            yield
    finally:
        if is_new:
            with suppress(OSError):  # it is not empty
                run.rmdir()


class StopFile:
    """The file ``stop`` in a run's folder, which ends the run after its present step."""

    def __init__(self, run: Path) -> None:
        self._path = run / "stop"

    def exists(self) -> bool:
        """Return whether the run is to end."""
        return self._path.exists()

    def remove(self) -> None:
        """Remove the file, if it is there.

        Raises:
            OutputError: it cannot be removed.
        """
        with report_write_errors(self._path):
            self._path.unlink(missing_ok=True)


def cosine_decay(angle: float) -> float:
    """Return the learning rate's factor: 1 at an angle of 0, 0 at pi (arXiv:1608.03983)."""
    return 0.5 + 0.5 * float(np.cos(angle))


def prefetch_batches(sample: Callable[[int], T], first_step: int) -> Generator[T, None, None]:
    """Yield the batches of ``first_step`` and later steps, drawn by a thread one step ahead.

    Close the generator to end the thread.
    """
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(sample, first_step)
        for next_step in count(first_step + 1):
            batch = upcoming.result()
            upcoming = pool.submit(sample, next_step)
            yield batch


class GradientGuard:
    """Scales gradients down, and keeps those that are no numbers from the weights.

    A single batch may give such gradients, above all in bfloat16; its step is skipped.
    """

    def __init__(self, most: float) -> None:
        """Allow norms of at most ``most``."""
        self._most = most
        self._skipped = 0  # steps in a row

    def clip(self, parameters: Iterable[nn.Parameter], step: int) -> bool:
        """Scale the gradients of step ``step``; return whether to do the step with them.

        Raises:
            TrainingError: There have been no finite gradients for many steps.
        """
        norm = nn.utils.clip_grad_norm_(parameters, self._most)
        if torch.isfinite(norm):
            self._skipped = 0
            return True

        self._skipped += 1
        if self._skipped >= MOST_SKIPPED:
            raise TrainingError(
                f"The training diverged: up to step {step + 1} there were no finite gradients for "
                f"{MOST_SKIPPED} steps. Train with a lower learning rate, with more objects, or in "
                "float32"
            )
        return False
