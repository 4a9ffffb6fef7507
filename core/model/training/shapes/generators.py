"""Trains generators of codes: resumable, with a log and checkpoints, on the codes of a store."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ....atomic_files import write_json
from ....errors import DatasetError
from ....jobs.task import Task, subtask
from ...networks.shape_generators import CodeCritic, CodeFlow, CodeGenerator, GeneratorSizes
from ...shape_classes import ANY_CLASS, has_class
from ..checkpoints import Stored, load_parts, save_parts
from ..config_file import check_run_config
from ..dense.log import DenseLog
from ..ema import update_ema
from ..loop import CHECKPOINT, GradientGuard, StopFile, lock_run, steps_until_stopped
from ..objects import evenly_spaced
from .export import load_average
from .generator_losses import (
    AdversarialConfig,
    flow_loss,
    make_codes,
    relativistic_critic_loss,
    relativistic_generator_loss,
    wasserstein_critic_loss,
)
from .latents import CodeSet, code_basis, encode_shapes, load_codes, save_codes
from .store import ShapeStore, StoredShape

CODES = "codes.npz"
KINDS = ("flow", "r3gan", "wgan_gp")
_MAY_CHANGE = ("training.steps", "training.checkpoint_seconds", "training.threads")


@dataclass(frozen=True)
class GeneratorTrainingConfig:
    """A run of training.

    Attributes:
        kind: one of ``KINDS``.
        steps: in all. batch: codes of a step.
        learning_rate: after ``warmup_steps``; of the flow it falls to zero at the end.
        average: share that the moving average of the weights keeps of itself in a step.
        any_class: share of codes whose class is not told.
        noise: standard deviation of what is added to codes, so that few of them are not copied.
        seed: of the first weights and all batches.
        checkpoint_seconds: between two checkpoints.
        threads: of a CPU; 0 for as many as there are.
    """

    kind: str = "flow"
    steps: int = 12_000
    batch: int = 64
    learning_rate: float = 5e-4
    warmup_steps: int = 100
    average: float = 0.999
    any_class: float = 0.1
    noise: float = 0.05
    seed: int = 0
    checkpoint_seconds: float = 600.0
    threads: int = 0


@dataclass(frozen=True)
class GeneratorRunConfig:
    """All that a run can be repeated from, besides its shapes; its ``config.json``."""

    training: GeneratorTrainingConfig = field(default_factory=GeneratorTrainingConfig)
    sizes: GeneratorSizes = field(default_factory=GeneratorSizes)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return settings


class CodeBatch(NamedTuple):
    """The codes of a step.

    Attributes:
        codes: (P, B, N) reduced codes, one batch for each step of the critic.
        labels: (P, B) class indices.
    """

    codes: Tensor
    labels: Tensor


class _Optimizers(list[torch.optim.Optimizer]):
    """Optimizers that are stored together."""

    def state_dict(self) -> list[dict[str, Any]]:
        """Return the states of all."""
        return [optimizer.state_dict() for optimizer in self]

    def load_state_dict(self, state_dict: Sequence[dict[str, Any]]) -> None:
        """Take the states of all."""
        for optimizer, state in zip(self, state_dict, strict=True):
            optimizer.load_state_dict(state)


class GeneratorTrainer:
    """A generator of any kind, its critic if it has one, and their optimizers.

    Args:
        config: of the run.
    """

    def __init__(self, config: GeneratorRunConfig) -> None:
        training = config.training
        if training.kind not in KINDS:
            known = ", ".join(KINDS)
            raise DatasetError(f"Unknown kind {training.kind!r}. Choose one of {known}")
        torch.manual_seed(training.seed)
        self.config = config
        self.step = 0
        self.critic: CodeCritic | None = None
        self.network: nn.Module
        betas = (0.9, 0.98)

        if training.kind == "flow":
            self.network = CodeFlow(config.sizes)
        else:
            self.network = CodeGenerator(config.sizes)
            self.critic = CodeCritic(config.sizes)
            betas = (0.0, 0.99)  # momentum makes the pair circle each other

        # Their average, and an optimizer for each network.
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._optimizers = _Optimizers()
        self._optimizers.append(torch.optim.Adam(self.network.parameters(), betas=betas))
        if self.critic is not None:
            self._optimizers.append(torch.optim.Adam(self.critic.parameters(), betas=betas))
        self._guard = GradientGuard(10.0)

    def train_step(self, batch: CodeBatch) -> dict[str, float]:
        """Take one step; returns the losses by name."""
        torch.manual_seed(self._step_seed())
        codes, labels = batch
        if self.critic is None:
            loss = flow_loss(self.network, codes[0], labels[0])  # type: ignore[arg-type]
            losses = {"all": loss}
            self._update(loss, self.network, 0)
        else:
            losses = self._adversarial_step(self.critic, codes, labels)

        self.step += 1
        update_ema(self.average, self.network, self.config.training.average, self.step)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def batches_a_step(self) -> int:
        """Return how many batches a step takes."""
        if self.config.training.kind == "wgan_gp":
            return self.config.adversarial.critic_steps
        return 1

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        save_parts(path, self.step, self._stored_parts(), config=self.config.as_dict())

    def load(self, path: Path) -> None:
        """Continue from what :meth:`save` wrote.

        Raises:
            DatasetError: there is no checkpoint, or it is of another network.
        """
        self.step = load_parts(path, self._stored_parts())

    def _stored_parts(self) -> dict[str, Stored]:
        """Return all that a checkpoint holds besides the step and the settings, by its keys."""
        return {
            "network": self.network,
            "average": self.average,
            "critic": nn.Module() if self.critic is None else self.critic,
            "optimizers": self._optimizers,
        }

    def _adversarial_step(
        self, critic: CodeCritic, codes: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Take the steps of the critic and one of the generator."""
        weights = self.config.adversarial
        generator: CodeGenerator = self.network  # type: ignore[assignment]
        is_relativistic = self.config.training.kind == "r3gan"

        # The critic first, once for each batch.
        for real, label in zip(codes, labels, strict=True):
            with torch.no_grad():
                made = make_codes(generator, label)
            if is_relativistic:
                loss = relativistic_critic_loss(critic, real, made, label, weights.gamma)
            else:
                loss = wasserstein_critic_loss(critic, real, made, label, weights.penalty)
            self._update(loss, critic, 1)

        # Then the generator against the critic as it now is.
        critic.requires_grad_(False)
        made = make_codes(generator, labels[0])
        if is_relativistic:
            generator_loss = relativistic_generator_loss(critic, codes[0], made, labels[0])
        else:
            generator_loss = -critic(made, labels[0]).mean()

        self._update(generator_loss, generator, 0)
        critic.requires_grad_(True)
        return {"all": generator_loss, "critic": loss}

    def _update(self, loss: Tensor, network: nn.Module, which: int) -> None:
        """Move the weights of ``network`` down the gradient of ``loss``."""
        optimizer = self._optimizers[which]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = self._learning_rate()
        if self._guard.clip(network.parameters(), self.step):
            optimizer.step()

    def _learning_rate(self) -> float:
        training = self.config.training

        # Adversarial pairs keep their rate; that of the flow falls in the last third.
        warm = min(1.0, (self.step + 1) / max(training.warmup_steps, 1))
        left = 1.0
        if training.kind == "flow":
            left = max(0.02, min(1.0, 3 * (1 - self.step / training.steps)))
        return training.learning_rate * warm * left

    def _step_seed(self) -> int:
        """Return the seed of the random numbers of the next step."""
        sequence = np.random.SeedSequence((self.config.training.seed, self.step))
        return int(sequence.generate_state(1)[0])


def train_generator(
    run: Path, config: GeneratorRunConfig, checkpoint: Path, store: ShapeStore
) -> Task[Path]:
    """Train a generator on the codes of a store's training shapes, or continue to.

    Writes into the folder ``run``: ``codes.npz``, ``checkpoint.pt`` every ten minutes and at the
    end, ``log.jsonl`` and ``config.json``. It stops after the step during which a file
    ``run/stop`` appears.

    Args:
        run: folder of the run.
        config: its settings.
        checkpoint: of the shape space.
        store: of the shapes.

    Returns:
        The checkpoint's path.

    Raises:
        DatasetError: there is no such checkpoint, or ``run`` belongs to another configuration.
        OutputError: another process trains in ``run``, or the disk is full.
    """
    with lock_run(run):
        StopFile(run).remove()
        _write_config(run, config)
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        codes = yield from subtask(prepare_codes(run, checkpoint, store), 0.0, 0.1)
        trainer = GeneratorTrainer(config)
        path = run / CHECKPOINT
        if path.exists():
            trainer.load(path)
        yield from _steps(run, trainer, codes)
        return path


def prepare_codes(run: Path, checkpoint: Path, store: ShapeStore) -> Task[CodeSet]:
    """Return the codes of a run, which are made and kept in its folder first.

    Args:
        run: folder of the run.
        checkpoint: of the shape space.
        store: of the shapes.

    Raises:
        DatasetError: there is no such checkpoint.
    """
    codes = load_codes(run / CODES)
    if codes is None:
        network = load_average(checkpoint)
        codes = yield from encode_shapes(network, store, training_shapes(store))
        save_codes(run / CODES, codes)
    return codes


def training_shapes(store: ShapeStore) -> list[StoredShape]:
    """Return the shapes that generators are trained on: those of known classes."""
    return [shape for shape in store.of_split("train") if has_class(shape.family)]


def reference_shapes(store: ShapeStore, limit: int) -> list[StoredShape]:
    """Return shapes of known classes that were not trained on."""
    shapes = [*store.of_split("test"), *store.of_split("validation")]
    return evenly_spaced([shape for shape in shapes if has_class(shape.family)], limit)


def reduced_codes(codes: CodeSet, numbers: int) -> CodeSet:
    """Return the coefficients of codes in their own basis, see ``latents.code_basis``."""
    return CodeSet(code_basis(codes.codes, numbers).reduce(codes.codes), codes.labels)


def draw_codes(codes: CodeSet, trainer: GeneratorTrainer) -> CodeBatch:
    """Return reduced codes and labels for the trainer's next step.

    Classes are drawn evenly, since they are of different sizes.
    """
    training = trainer.config.training
    rng = np.random.default_rng((training.seed, trainer.step))
    count = trainer.batches_a_step() * training.batch

    # A class is drawn by the root of its size.
    sizes = np.bincount(codes.labels, minlength=ANY_CLASS + 1)
    weight = 1 / np.sqrt(sizes[codes.labels])
    chosen = rng.choice(len(codes.labels), count, p=weight / weight.sum())
    labels = codes.labels[chosen].copy()

    # Some codes lose their class, and all are moved a little.
    labels[rng.random(count) < training.any_class] = ANY_CLASS
    values = codes.codes[chosen]
    values = values + training.noise * rng.standard_normal(values.shape, np.float32)

    # As batches of the steps of the critic.
    shape = (trainer.batches_a_step(), training.batch)
    return CodeBatch(
        codes=torch.from_numpy(values).reshape(*shape, -1),
        labels=torch.from_numpy(labels).reshape(shape),
    )


def _draw_batches(codes: CodeSet, trainer: GeneratorTrainer) -> Iterator[CodeBatch]:
    """Yield the batch of each step, drawn when the step begins."""
    while True:
        yield draw_codes(codes, trainer)


def _steps(run: Path, trainer: GeneratorTrainer, codes: CodeSet) -> Task[None]:
    """Step until the end or until ``run/stop`` is there, and write down what is due."""
    training = trainer.config.training
    batches = _draw_batches(reduced_codes(codes, trainer.config.sizes.numbers), trainer)

    with DenseLog(run, trainer.step, training.batch, 0.0) as log:
        steps = steps_until_stopped(trainer, batches, run, log.step)
        yield from subtask(steps, 0.1, 1.0)


def _write_config(run: Path, config: GeneratorRunConfig) -> None:
    """Write ``config.json``, or check that the one that is there is of the same run.

    Raises:
        DatasetError: it is of another.
    """
    settings = config.as_dict()
    check_run_config(run, settings, GeneratorRunConfig().as_dict(), _MAY_CHANGE)
    write_json(run / "config.json", settings)
