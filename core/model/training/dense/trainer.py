"""Trains the dense single-view network: resumable to the bit, on a CPU or a GPU.

The learning rate is warmed up and then stays: no end has to be known, and the checkpoint of a run
can be trained on. For a release a short further run starts from it and lets the rate fall to
zero (warm-up, stable, decay; Hu et al. 2024, arXiv:2404.06395).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence, Set
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ....atomic_files import write_json
from ....jobs.task import Progress, Task
from ...inference.weights import load_weights
from ...networks.dense_single_view import DenseOutput, DenseSingleViewNetwork
from ...networks.dense_trunk import CONDITIONS, IMAGE_CHANNELS, DenseConfig
from ...networks.pyramid_trunk import PyramidTrunk
from ..checkpoints import Stored, load_parts, save_parts
from ..config_file import MAY_CHANGE, check_run_config
from ..ema import update_ema
from ..loop import (
    CHECKPOINT,
    GradientGuard,
    StopFile,
    lock_run,
    loss_values,
    stable_rate,
    steps_until_stopped,
)
from ..mixed_precision import uses_bfloat16
from ..objects import evenly_spaced
from .batches import BatchSource, DenseBatch, SamplingConfig, batches_from
from .images import AugmentationConfig
from .log import DenseLog
from .losses import FamilyPrototypes, LossConfig, dense_losses
from .objects import DenseObject, load_dense_split
from .preview import draw_dense_samples
from .validation import validate_dense

_OF_SETS = ("datasets", "families")  # entries of config.json that more sets may change


@dataclass(frozen=True)
class DenseTrainingConfig:
    """A run of training.

    Attributes:
        steps: in all, of the run that a ``start`` came from, too.
        learning_rate: after ``warmup_steps``. decay_steps: at the end, in which it falls to zero.
        betas, weight_decay: of AdamW. clip: largest norm of the gradient.
        average: share that the moving average of the weights keeps of itself in a step.
        seed: of the first weights and all batches.
        precision: "float32", "bfloat16", or "automatic": what the device computes faster.
        checkpoint_seconds: between two checkpoints.
        validate_every: steps between two validations. validation: objects to validate on.
        threads: of a CPU; 0 for as many as there are.
    """

    steps: int = 100_000
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    decay_steps: int = 0
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    clip: float = 1.0
    average: float = 0.999
    seed: int = 0
    precision: str = "automatic"
    checkpoint_seconds: float = 600.0
    validate_every: int = 1000
    validation: int = 64
    threads: int = 0


@dataclass(frozen=True)
class DenseRunConfig:
    """All that a run can be repeated from, besides its training sets; its ``config.json``."""

    training: DenseTrainingConfig = field(default_factory=DenseTrainingConfig)
    network: DenseConfig = field(default_factory=DenseConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    losses: LossConfig = field(default_factory=LossConfig)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return settings


class DenseTrainer:
    """The network, its moving average and the optimizer, to step, save and load together.

    Args:
        config: of the run. device: to train on.
    """

    def __init__(self, config: DenseRunConfig, device: torch.device) -> None:
        torch.manual_seed(config.training.seed)
        self.config = config
        self.device = device
        self.step = 0
        self.network = DenseSingleViewNetwork(config.network).to(device)

        # The trunk may begin with the weights of the released network.
        trunk = self.network.trunk
        if isinstance(trunk, PyramidTrunk):
            reconstruction, _ = load_weights()
            trunk.start_from(reconstruction.single_view)
        self.prototypes = FamilyPrototypes(config.network.embedding).to(device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.mixed = uses_bfloat16(config.training.precision, device)
        self._optimizer = torch.optim.AdamW(self._groups(), betas=config.training.betas)
        self._guard = GradientGuard(config.training.clip)

    def train_step(self, batch: DenseBatch) -> dict[str, float]:
        """Take one step; returns the losses by name."""
        losses = self.losses(batch)
        losses["all"].backward()
        self.update()
        return loss_values(losses)

    def losses(self, batch: DenseBatch) -> dict[str, Tensor]:
        """Return the losses of ``batch`` by name, to be differentiated."""
        self.network.train()
        output = self.look(self.network, batch)
        return dense_losses(output, batch, self.prototypes, self.config.losses)

    def update(self) -> None:
        """Move the weights by the gradients that are there, and their average after them."""
        config = self.config.training
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate()
        if self._guard.clip(self.network.parameters(), self.step):
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        update_ema(self.average, self.network, config.average, self.step)

    def look(self, network: DenseSingleViewNetwork, batch: DenseBatch) -> DenseOutput:
        """Return what ``network`` predicts of ``batch``, in the precision of the run."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            output: DenseOutput = network(batch.image, batch.conditions)
        return output

    def learning_rate(self) -> float:
        """Return the rate of the next step."""
        return stable_rate(self.config.training, self.step)

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        save_parts(path, self.step, self._stored_parts(), config=self.config.as_dict())

    def load(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote, on whatever device it was.

        Raises:
            DatasetError: there is no checkpoint, or it is of another network.
        """
        self.step = load_parts(path, self._stored_parts(), self.device)

    def _stored_parts(self) -> dict[str, Stored]:
        """Return all that a checkpoint holds besides the step and the settings, by its keys."""
        return {
            "network": self.network,
            "prototypes": self.prototypes,
            "average": self.average,
            "optimizer": self._optimizer,
        }

    def _groups(self) -> list[dict[str, Any]]:
        """Return weights of convolutions and linear layers, which decay, and all others."""
        # Biases and norms do not decay.
        values = [*self.network.parameters(), *self.prototypes.parameters()]
        decaying = [value for value in values if value.dim() > 1]
        others = [value for value in values if value.dim() <= 1]
        decay = self.config.training.weight_decay

        return [
            {"params": decaying, "weight_decay": decay},
            {"params": others, "weight_decay": 0.0},
        ]


def train_dense(
    datasets: Sequence[Path], run: Path, config: DenseRunConfig, start: Path | None = None
) -> Task[Path]:
    """Train on the split "train" of ``datasets``, or go on from the checkpoint in ``run``.

    Writes into the folder ``run``: ``checkpoint.pt`` every ten minutes and at the end,
    ``log.jsonl``, ``samples.png`` and ``config.json``. Batches are drawn from seed and step alone,
    so a resumed run equals an undisturbed one. It stops after the step during which a file
    ``run/stop`` appears.

    Args:
        datasets: training sets made to be relit and with grids.
        run: folder of the run.
        config: its settings.
        start: a checkpoint of another run to begin with, at its step.

    Returns:
        The checkpoint's path.

    Raises:
        DatasetError: a set is missing, damaged, or without what training needs; or ``run`` belongs
            to another configuration.
        OutputError: another process trains in ``run``, or the disk is full.
    """
    with lock_run(run):
        return (yield from _train_alone(datasets, run, config, start))


def _train_alone(
    datasets: Sequence[Path], run: Path, config: DenseRunConfig, start: Path | None
) -> Task[Path]:
    """Do :func:`train_dense` in the folder ``run``, which is locked."""
    StopFile(run).remove()
    yield Progress(0.0, "Reading the training set")

    # All objects stay in memory as small as in their files.
    objects = load_dense_split(datasets, "train")
    unseen = evenly_spaced(load_dense_split(datasets, "validation"), config.training.validation)
    families = _write_config(run, config, datasets, {item.family for item in objects})

    if config.training.threads:
        torch.set_num_threads(config.training.threads)

    # A new trainer, or one that continues.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = DenseTrainer(config, device)
    checkpoint = run / CHECKPOINT

    if checkpoint.exists():
        trainer.load(checkpoint)
    elif start:
        trainer.load(start)

    # Batches follow from seed and step.
    source = BatchSource(
        objects,
        families,
        config.training.seed,
        config.sampling,
        config.augmentation,
        config.network.depth_reach,
    )
    yield from _steps(run, trainer, source, unseen)
    return checkpoint


def _steps(
    run: Path, trainer: DenseTrainer, source: BatchSource, unseen: Sequence[DenseObject]
) -> Task[None]:
    """Step until the end or until ``run/stop`` is there, and write down what is due."""
    config = trainer.config.training
    images = source.sampling.objects * source.sampling.views
    flop = images * image_flop(trainer.config)

    batches = batches_from(source, trainer.step, trainer.device)
    log = DenseLog(run, trainer.step, images, flop)

    def validate(step: int) -> None:
        if step % config.validate_every == 0 or step == config.steps:
            _validate(run, trainer, unseen, log)

    with closing(batches), log:  # type: ignore[type-var]
        yield from steps_until_stopped(trainer, batches, run, log.step, validate)


def image_flop(config: DenseRunConfig) -> float:
    """Return the operations of a step for one image: thrice the counted ones of looking at it."""
    network = DenseSingleViewNetwork(config.network).eval()
    side = config.sampling.side
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, IMAGE_CHANNELS, side, side), torch.zeros(1, CONDITIONS))
    forward = int(counter.get_total_flops())
    return 3.0 * forward


def _validate(
    run: Path, trainer: DenseTrainer, unseen: Sequence[DenseObject], log: DenseLog
) -> None:
    scores = validate_dense(trainer.average, unseen, trainer.device)
    log.validated(trainer.step, scores)
    draw_dense_samples(run / "samples.png", trainer.average, unseen, trainer.device)


def _write_config(
    run: Path, config: DenseRunConfig, datasets: Sequence[Path], families: Set[str]
) -> list[str]:
    """Write ``config.json``, or see that the one that is there is of the same run.

    Returns:
        The classes by their indices: those that the run knows already keep theirs.

    Raises:
        DatasetError: it is of another.
    """
    settings = config.as_dict()
    known = check_run_config(
        run, settings, DenseRunConfig().as_dict(), (*MAY_CHANGE, "sampling.workers", *_OF_SETS)
    )
    known_families: list[str] = known.get("families", [])

    # New classes come last: the indices of the known ones are in the weights.
    all_families = known_families + sorted(families - set(known_families))
    settings["datasets"] = [folder.name for folder in datasets]
    settings["families"] = all_families
    write_json(run / "config.json", settings)

    return all_families
