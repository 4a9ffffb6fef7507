"""Parts of both training loops: state, learning rates, batches drawn ahead, the stop file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...atomic_files import make_folder, report_write_errors
from ...errors import TrainingError
from ...folder_lock import lock_folder
from ...jobs.task import Progress, Task
from . import checkpoints

# Added to the learning rate so that the last steps of a cosine still move the weights.
LEARNING_RATE_FLOOR = 1e-6
CHECKPOINT = "checkpoint.pt"  # in the folder of a run
MOST_SKIPPED = 20  # steps in a row without finite gradients before a training ends
T = TypeVar("T")
Batch = TypeVar("Batch", contravariant=True)


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
        checkpoints.save_parts(path, self.step, self._parts(), **extra)

    def load(self, path: Path, device: torch.device | str = "cpu") -> None:
        """Read what :meth:`save` wrote.

        Raises:
            DatasetError: there is no such file, or it is no checkpoint of this network.
        """
        self.step = checkpoints.load_parts(path, self._parts(), device)

    def _parts(self) -> dict[str, checkpoints.Stored]:
        """Return all that a checkpoint holds, by its keys."""
        return {"model": self.model, "average": self.average, "optimiser": self.optimizer}


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


class StableSchedule(Protocol):
    """Settings of a learning rate that is warmed up, stays, and falls to zero at the end."""

    @property
    def steps(self) -> int:
        """In all."""

    @property
    def learning_rate(self) -> float:
        """After the warm-up."""

    @property
    def warmup_steps(self) -> int:
        """In which it grows."""

    @property
    def decay_steps(self) -> int:
        """At the end, in which it falls to zero; 0 if it stays."""


def stable_rate(config: StableSchedule, step: int) -> float:
    """Return the rate of the step after ``step`` steps.

    Warm-up, stable, decay (Hu et al. 2024, arXiv:2404.06395).
    """
    warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    left = 1.0
    if config.decay_steps:
        left = min(1.0, (config.steps - step) / config.decay_steps)
    return config.learning_rate * warm * left


def loss_values(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Return losses as numbers, read from the device at once."""
    values = torch.stack([loss.detach().float() for loss in losses.values()]).tolist()
    return dict(zip(losses, values, strict=True))


class SteppedConfig(Protocol):
    """When a run ends, and the seconds between two checkpoints."""

    @property
    def steps(self) -> int:
        """Steps in all."""

    @property
    def checkpoint_seconds(self) -> float:
        """Seconds between two checkpoints."""


class RunConfig(Protocol):
    """Settings of a run."""

    @property
    def training(self) -> SteppedConfig:
        """Settings of the training."""


class SteppedTrainer(Protocol[Batch]):
    """What :func:`steps_until_stopped` drives."""

    step: int

    @property
    def config(self) -> RunConfig:
        """Settings of the run."""

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Take one step; returns the losses by name, "all" among them."""

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""


def steps_until_stopped(
    trainer: SteppedTrainer[T],
    batches: Iterator[T],
    run: Path,
    log_step: Callable[[int, Mapping[str, float], float], None],
    after_step: Callable[[int], None] | None = None,
) -> Task[None]:
    """Step until the end, or until the stop file is there, and write checkpoints.

    Args:
        trainer: Whose settings have the number of steps and the seconds between two checkpoints.
        batches: One for each step.
        run: Folder of the run.
        log_step: Called after each step with the step, its losses, and its seconds.
        after_step: Called after that with the step; it validates where that is due.
    """
    config = trainer.config.training
    stop = StopFile(run)
    saved = time.monotonic()

    while trainer.step < config.steps:
        began = time.perf_counter()
        losses = trainer.train_step(next(batches))
        log_step(trainer.step, losses, time.perf_counter() - began)

        # The stop file is looked for once a step, so that what follows agrees on it.
        is_stopped = stop.exists()
        if after_step:
            after_step(trainer.step)
        if is_stopped:
            break
        if time.monotonic() - saved > config.checkpoint_seconds:
            trainer.save(run / CHECKPOINT)
            saved = time.monotonic()
        text = f"Step {trainer.step}, loss {losses['all']:.3f}"
        yield Progress(trainer.step / config.steps, text)

    trainer.save(run / CHECKPOINT)
    stop.remove()


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
