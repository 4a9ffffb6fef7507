"""Train the reconstruction network: resumable to the bit, logged, validated."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ...jobs.task import Progress, Task
from ..inference import weights
from ..networks.reconstruction import NetworkConfig, ReconstructionNetwork
from . import checkpoints
from .config_file import RunSettings, TrainingConfig, TrainingRecipe, write_config
from .distributed import SINGLE_PROCESS, DistributedContext, distributed_context
from .ema import update_ema
from .log import RunLog
from .loop import (
    LEARNING_RATE_FLOOR,
    GradientGuard,
    StopFile,
    TrainingState,
    cosine_decay,
    lock_run,
    prefetch_batches,
)
from .losses import LossConfig, LossModule
from .mixed_precision import enable_mixed_precision
from .objects import TrainingObject, evenly_spaced
from .preview import draw_samples
from .sampling.batches import Batch, sample_batch
from .sampling.placement import load_usable_objects
from .validation import validation_scores

# AdamW's: the second moment forgets faster than by default (0.999), since runs are short.
_BETAS = (0.9, 0.98)
_DEFAULT_LOSSES = LossConfig()


def train_network(
    datasets: Sequence[Path],
    run: Path,
    config: TrainingConfig,
    network: NetworkConfig | None = None,
    start: Path | None = None,
    recipe: TrainingRecipe | None = None,
) -> Task[Path]:
    """Train on training sets; continues from ``run/checkpoint.pt`` if it exists.

    Writes into the folder ``run``: ``checkpoint.pt``, ``log.csv`` (a line for each step and for
    each validation), ``config.json``, ``curve.png`` and ``samples.png``. Batches are a function of
    seed and step, so a resumed run equals an undisturbed one. It ends after the step during which a
    file ``run/stop`` appears.

    On a GPU if there is one; in as many processes as ``torchrun`` started, each with its part of
    every batch.

    Args:
        datasets: folders of training sets.
        run: folder of the run.
        config: how long and how fast.
        network: sizes of the network; by default those of ``start``.
        start: a checkpoint of an earlier run, or a file of weights, to start from.
        recipe: losses and samples; by default those for ``config``.

    Returns:
        The path of the checkpoint.

    Raises:
        DatasetError: a set is missing, damaged or leaks, none of its objects has a usable view, or
            ``run`` belongs to another configuration.
        DependencyError: there is nothing to start from: no ``start`` and no package of ImageNet's
            weights.
        WeightsError: ``start`` is missing or damaged.
        OutputError: another process trains in ``run``, or the disk is full.
    """
    with lock_run(run):
        return (yield from _train_alone(datasets, run, config, network, start, recipe))


def _train_alone(
    datasets: Sequence[Path],
    run: Path,
    config: TrainingConfig,
    network: NetworkConfig | None,
    start: Path | None,
    recipe: TrainingRecipe | None,
) -> Task[Path]:
    """Do :func:`train_network` in the folder ``run``, which is locked."""
    StopFile(run).remove()
    yield Progress(0.0, "Reading the training set")
    objects = load_usable_objects(datasets, "train")
    unseen = evenly_spaced(load_usable_objects(datasets, "validation"), config.val_objects)

    # Complete the configuration: what start and config leave open.
    network = network or network_config_of(start)
    recipe = recipe or TrainingRecipe.for_training(config)
    recipe = replace(recipe, sampling=replace(recipe.sampling, image_size=network.picture))

    with distributed_context() as context:
        trainer = Trainer(config, network, context, losses=recipe.losses)
        if context.is_main:
            write_config(run, config, network, recipe)
        if (run / "checkpoint.pt").exists():
            trainer.load_checkpoint(run / "checkpoint.pt")
        else:
            trainer.initialize_weights(start)

        # Batches of the steps that remain.
        sample = partial(
            sample_batch,
            objects,
            config.seed,
            sampling=recipe.sampling,
            augmentation=recipe.augmentation,
        )
        with closing(prefetch_batches(sample, trainer.step)) as batches:
            yield from _training_loop(trainer, batches, unseen, run)

    return run / "checkpoint.pt"


def train_run(settings: RunSettings) -> Task[Path]:
    """Train the run of ``settings``, which must name its training sets and folder."""
    assert settings.run, "a run has a folder"
    return train_network(
        settings.datasets,
        settings.run,
        settings.training_config(),
        settings.network,
        weights.resolve_weights(settings.start),
        settings.training_recipe(),
    )


def _training_loop(
    trainer: Trainer, batches: Iterator[Batch], unseen: Sequence[TrainingObject], run: Path
) -> Task[None]:
    """Step through ``batches``; log, validate and save, in the main process."""
    config = trainer.config
    context = trainer.context
    stop_file = StopFile(run)

    with RunLog(run, trainer.step, context.is_main) as log:
        stopped = False
        while trainer.step < config.steps and not stopped:
            began = time.perf_counter()
            losses = trainer.train_step(next(batches))
            stopped = context.any_rank(stop_file.exists())
            log.log_step(trainer.step, losses, time.perf_counter() - began)

            # The main process validates and writes; the others wait at their next step.
            is_due = trainer.step % config.eval_every == 0 or trainer.step == config.steps
            if is_due and context.is_main:
                model = trainer.averaged_model()
                scores = validation_scores(model, unseen, config.single_view_only)
                log.log_validation(trainer.step, scores)
                draw_samples(run / "samples.png", model, unseen)
            if (is_due or stopped) and context.is_main:
                log.flush_to_disk()
                trainer.save_checkpoint(run / "checkpoint.pt")

            stage = f"Step {trainer.step}, loss {losses[0]:.3f}"
            yield Progress(trainer.step / config.steps, stage)

    if context.is_main:
        stop_file.remove()


class Trainer:
    """The network, its moving average and the optimizer, to step, save and load together."""

    def __init__(
        self,
        config: TrainingConfig,
        network: NetworkConfig,
        context: DistributedContext = SINGLE_PROCESS,
        kind: type[ReconstructionNetwork] = ReconstructionNetwork,
        losses: LossConfig = _DEFAULT_LOSSES,
    ) -> None:
        """Build the network with random weights.

        Args:
            config: how to train.
            network: sizes of the network.
            context: this process's rank and device.
            kind: class of the network.
            losses: weights of the losses.
        """
        torch.manual_seed(config.seed)
        self.config = config
        self.context = context
        self.model = kind(network)
        self.average = kind(network).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.average.to(context.device)

        enable_mixed_precision(self.model, config.precision, context.device)
        self.model.requires_grad_(not config.single_view_only)
        self.model.single_view.requires_grad_()
        self._loss_config = losses
        self._guard = GradientGuard(config.grad_clip)
        self._loss_module = context.wrap_module(
            LossModule(self.model, config.single_view_only, losses)
        )
        self._state = TrainingState(self.model, self.average, self._make_optimizer())

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW over the trained parameters; the backbone's have a lower learning rate."""
        backbone = []
        others = []
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            if ".backbone." in name:
                backbone.append(parameter)
            else:
                others.append(parameter)

        groups = [
            {"params": backbone, "share": self.config.backbone_lr_scale},
            {"params": others, "share": 1.0},
        ]
        return torch.optim.AdamW(groups, weight_decay=self.config.weight_decay, betas=_BETAS)

    @property
    def step(self) -> int:
        """Number of steps done."""
        return self._state.step

    def initialize_weights(self, start: Path | None) -> None:
        """Take the weights of ``start``, see :func:`train_network`, or those of ImageNet."""
        if start and start.suffix == ".safetensors":
            self.model.load_state_dict(weights.load_weights(start)[0].state_dict())
            self.model.threshold_shift.zero_()  # calibrated anew when the run is exported
        elif start:
            state = checkpoints.read_checkpoint(start, entries=("average",))
            with checkpoints.blame_checkpoint(start):
                self.model.load_state_dict(state["average"])
        elif self.config.pretrained:
            for part in (self.model.encoder, self.model.single_view):
                part.backbone.start_from_imagenet()

        self.average.load_state_dict(self.model.state_dict())

    def train_step(self, batch: Batch) -> tuple[float, ...]:
        """Do one step; return the losses: total, occupancy, color, depth, up."""
        # Frozen weights keep their normalization statistics, too.
        self.model.train(not self.config.single_view_only)
        self.model.single_view.train()
        self._state.set_learning_rate(self._learning_rate())

        # This process's part of the batch; DDP averages the gradients over all processes.
        shard, weight = self.context.shard_batch(batch)
        losses = self._loss_module(shard)
        total = losses.total(self._loss_config)
        self._state.optimizer.zero_grad(set_to_none=True)
        (weight * total).backward()
        if self._guard.clip(self.model.parameters(), self.step):
            self._state.optimizer.step()

        # Logged are the means over the complete batch.
        self._state.step += 1
        update_ema(self.average, self.model, self.config.ema_decay, self.step)
        weighted_losses = [weight * loss for loss in (total, *losses)]
        return tuple(self.context.all_reduce_mean(weighted_losses))

    def averaged_model(self) -> ReconstructionNetwork:
        """Return the moving average, on the CPU."""
        if self.context.device.type == "cpu":
            return self.average
        return copy.deepcopy(self.average).cpu()

    def save_checkpoint(self, path: Path) -> None:
        """Write everything that a resumed run needs, atomically."""
        self._state.save(path, network=self.model.config.as_dict())

    def load_checkpoint(self, path: Path) -> None:
        """Continue from what :meth:`save_checkpoint` wrote.

        Raises:
            DatasetError: there is no such file, or it is no checkpoint.
        """
        self._state.load(path, self.context.device)

    def _learning_rate(self) -> float:
        """Return the learning rate of the next step: a linear warm-up, then a cosine to zero."""
        config = self.config
        if self.step < config.warmup:
            return config.learning_rate * (self.step + 1) / config.warmup

        # Share of the remaining steps that is done.
        remaining_steps = max(config.steps - config.warmup, 1)
        progress = (self.step - config.warmup) / remaining_steps
        factor = cosine_decay(np.pi * min(progress, 1.0))
        return config.learning_rate * factor + LEARNING_RATE_FLOOR


def network_config_of(start: Path | None) -> NetworkConfig:
    """Return the sizes of the network in ``start``, see :func:`train_network`.

    Raises:
        DatasetError: it is a checkpoint of another network.
        WeightsError: it is missing or damaged.
    """
    if start is None:
        return NetworkConfig()
    if start.suffix == ".safetensors":
        return weights.load_weights(start)[0].config
    return checkpoints.network_config(start, checkpoints.read_checkpoint(start))
