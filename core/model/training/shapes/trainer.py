"""Trains the shape space: resumable to the bit, on a CPU or a GPU.

The learning rate is warmed up and then stays, until it falls to zero in the last ``decay_steps``
(Hu et al. 2024, arXiv:2404.06395).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ....atomic_files import write_json
from ....errors import DatasetError
from ....geometry.shape_cube.splatting import POINT_CHANNELS, SPLAT_SIDE
from ....jobs.task import Task, subtask
from ...networks.shape_autoencoder import ShapeAutoencoder, ShapeSpaceConfig
from ..checkpoints import Stored, load_parts, save_parts
from ..config_file import MAY_CHANGE, check_run_config
from ..dense.log import DenseLog, dense_log_lines
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
from .losses import ShapeLossConfig, shape_losses
from .rivals import fit_rivals
from .samples import BatchRequest, CorruptionConfig, ShapeBatch, batches_from
from .store import ShapeStore, StoredShape, StoreRequest, make_store
from .validation import rival_scores, validate_shapes

_STORE_SHARE = 0.01  # of the progress shown, for making the store


@dataclass(frozen=True)
class ShapeTrainingConfig:
    """A run of training.

    Attributes:
        steps: in all. batch: shapes of a step.
        learning_rate: after ``warmup_steps``. decay_steps: at the end, in which it falls to zero.
        betas, weight_decay: of AdamW. clip: largest norm of the gradient.
        average: share that the moving average of the weights keeps of itself in a step.
        seed: of the first weights and all batches.
        precision: "float32", "bfloat16", or "automatic": what the device computes faster.
        checkpoint_seconds: between two checkpoints.
        validate_every: steps between two validations. validation: shapes to validate on.
        threads: of a CPU; 0 for as many as there are.
        most: shapes to train on, evenly chosen; 0 for all.
    """

    steps: int = 20_000
    batch: int = 8
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    decay_steps: int = 2_000
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.998
    seed: int = 0
    precision: str = "automatic"
    checkpoint_seconds: float = 600.0
    validate_every: int = 1000
    validation: int = 48
    threads: int = 0
    most: int = 0


@dataclass(frozen=True)
class ShapeRunConfig:
    """All that a run can be repeated from, besides its training sets; its ``config.json``."""

    training: ShapeTrainingConfig = field(default_factory=ShapeTrainingConfig)
    network: ShapeSpaceConfig = field(default_factory=ShapeSpaceConfig)
    corruption: CorruptionConfig = field(default_factory=CorruptionConfig)
    losses: ShapeLossConfig = field(default_factory=ShapeLossConfig)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return settings


class ShapeTrainer:
    """The network, its moving average and the optimizer, to step, save and load together.

    Args:
        config: of the run. device: to train on.
    """

    def __init__(self, config: ShapeRunConfig, device: torch.device) -> None:
        torch.manual_seed(config.training.seed)
        self.config = config
        self.device = device
        self.step = 0
        self.network = ShapeAutoencoder(config.network).to(device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.mixed = uses_bfloat16(config.training.precision, device)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(),
            betas=config.training.betas,
            weight_decay=config.training.weight_decay,
        )
        self._guard = GradientGuard(config.training.clip)

    def train_step(self, batch: ShapeBatch) -> dict[str, float]:
        """Take one step; returns the losses by name."""
        config = self.config.training

        # The network may compute in bfloat16, its losses do not.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            values, latent = self.network(batch.points.to(self.device), batch.noise.to(self.device))
        losses = shape_losses(values, batch.field.to(self.device), latent, self.config.losses)
        losses["all"].backward()

        # Move the weights, and their average after them.
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate()
        if self._guard.clip(self.network.parameters(), self.step):
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        update_ema(self.average, self.network, config.average, self.step)

        return loss_values(losses)

    def learning_rate(self) -> float:
        """Return the rate of the next step."""
        return stable_rate(self.config.training, self.step)

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        save_parts(path, self.step, self._stored_parts(), config=self.config.as_dict())

    def load(self, path: Path) -> None:
        """Continue from what :meth:`save` wrote.

        Raises:
            DatasetError: there is no checkpoint, or it is of another network.
        """
        self.step = load_parts(path, self._stored_parts(), self.device)

    def _stored_parts(self) -> dict[str, Stored]:
        """Return all that a checkpoint holds besides the step and the settings, by its keys."""
        return {
            "network": self.network,
            "average": self.average,
            "optimizer": self._optimizer,
        }


@dataclass(frozen=True)
class _RunData:
    """What the steps of a run use."""

    store: ShapeStore
    seen: Sequence[StoredShape]
    unseen: Sequence[StoredShape]


def train_shapes(run: Path, config: ShapeRunConfig, request: StoreRequest) -> Task[Path]:
    """Train on the split "train" of a store, or continue from the checkpoint in ``run``.

    Writes into the folder ``run``: ``checkpoint.pt`` every ten minutes and at the end,
    ``log.jsonl`` and ``config.json``. Batches follow from seed and step alone, so a resumed run
    equals an undisturbed one. It stops after the step during which a file ``run/stop`` appears.

    Args:
        run: folder of the run.
        config: its settings.
        request: the shapes; they are made first if they are not there.

    Returns:
        The checkpoint's path.

    Raises:
        DatasetError: a set is missing, damaged, or without grids; or ``run`` belongs to another
            configuration.
        OutputError: another process trains in ``run``, or the disk is full.
    """
    with lock_run(run):
        StopFile(run).remove()
        training = config.training

        # Shapes first: a store that fails should leave no configuration behind.
        store = yield from subtask(make_store(request), 0.0, _STORE_SHARE)
        _write_config(run, config)
        data = _choose_shapes(store, training)
        if training.threads:
            torch.set_num_threads(training.threads)

        # A new trainer, or one that continues.
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        trainer = ShapeTrainer(config, device)
        checkpoint = run / CHECKPOINT
        if checkpoint.exists():
            trainer.load(checkpoint)
        yield from _steps(run, trainer, data)

        return checkpoint


def _choose_shapes(store: ShapeStore, config: ShapeTrainingConfig) -> _RunData:
    """Return the shapes of a run.

    Raises:
        DatasetError: there are none to train or to validate on.
    """
    seen = store.of_split("train")
    if config.most:
        seen = evenly_spaced(seen, config.most)
    unseen = evenly_spaced(store.of_split("validation"), config.validation)
    if not seen or not unseen:
        raise DatasetError("The training sets have too few shapes. Add more sets or objects")
    return _RunData(store, seen, unseen)


def _steps(run: Path, trainer: ShapeTrainer, data: _RunData) -> Task[None]:
    """Step until the end or until ``run/stop`` is there, and write down what is due."""
    config = trainer.config.training
    request = BatchRequest(
        store=data.store,
        shapes=data.seen,
        batch=config.batch,
        seed=config.seed,
        latent_shape=trainer.network.latent_shape(config.batch),
        corruption=trainer.config.corruption,
    )
    batches = batches_from(request, trainer.step)
    flop = config.batch * shape_flop(trainer.config.network)
    log = DenseLog(run, trainer.step, config.batch, flop)

    def validate(step: int) -> None:
        if step % config.validate_every == 0 or step == config.steps:
            _validate(run, trainer, data, log)

    with closing(batches), log:
        yield from steps_until_stopped(trainer, batches, run, log.step, validate)


def _validate(run: Path, trainer: ShapeTrainer, data: _RunData, log: DenseLog) -> None:
    """Write the scores of the moving average; at the first time those of the rivals, too."""
    scores = validate_shapes(trainer.average, data.store, data.unseen)

    # The rivals do not learn: their scores are computed once.
    known = [line for line in dense_log_lines(run) if "pca_iou" in line]
    if not known:
        rivals = fit_rivals(data.store, data.seen)
        scores.update(rival_scores(rivals, data.store, data.unseen))
    log.validated(trainer.step, scores)


def shape_flop(config: ShapeSpaceConfig) -> float:
    """Return the operations of a step for one shape: thrice those of the forward pass."""
    network = ShapeAutoencoder(config).eval()
    points = torch.zeros(1, POINT_CHANNELS, SPLAT_SIDE, SPLAT_SIDE, SPLAT_SIDE)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(points, torch.zeros(network.latent_shape(1)))
    return 3.0 * int(counter.get_total_flops())


def _write_config(run: Path, config: ShapeRunConfig) -> None:
    """Write ``config.json``, or check that the one that is there is of the same run.

    Raises:
        DatasetError: it is of another.
    """
    settings = config.as_dict()
    check_run_config(run, settings, ShapeRunConfig().as_dict(), MAY_CHANGE)
    write_json(run / "config.json", settings)
