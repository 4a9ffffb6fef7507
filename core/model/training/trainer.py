"""Trains the reconstruction network: resumable to the bit, with a log and validation on unseen objects."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ...dataset.atomic_files import make_folder
from ...errors import DatasetError, OutputError
from ...jobs.task import Progress, Task, run_to_end
from ..evaluation.confidence import calibrate_confidence
from ..inference import weights
from ..inference.occupancy_field import expected_iou_threshold
from ..networks.foreground import ForegroundNetwork
from ..networks.projection import DEPTH_REACH, project_points, sample_maps
from ..networks.reconstruction import BOUND, Features, NetworkConfig, ReconstructionNetwork
from . import checkpoints
from .batches import (
    SINGLE_VIEW,
    Batch,
    FramedObject,
    SamplingConfig,
    frame_object,
    has_views,
    is_usable,
    sample_batch,
)
from .distributed import SINGLE_PROCESS, DistributedContext, distributed_context
from .ema import update_ema
from .log import RunLog
from .mixed_precision import enable_mixed_precision
from .objects import TrainingObject, evenly_spaced, load_split
from .preview import draw_samples

_CALIBRATED_ON = 128  # objects
_CONFIDENCE_ON = 48  # objects, five questions each
_NOTHING = -99.0  # the logit of what no picture shows
_AS_GOOD = 0.001  # of IoU
_SHIFTS = np.linspace(-2, 2, 81)  # logits


@dataclass(frozen=True)
class TrainingConfig:
    """A run. steps: in all; the learning rate falls to zero over them (cosine) after ``warmup``.

    imagenet: whether the backbone starts from what it learned there. backbone: its learning rate, of the others'.
    one_picture: whether to train nothing but what answers for one picture, which is fast and leaves the rest as it is.
    average: of the weights' exponential moving average. every: steps between validations and checkpoints.
    validation: how many unseen objects to validate on. precision: see ``precision.PRECISIONS``.
    """

    steps: int = 5000
    rate: float = 1.5e-3
    imagenet: bool = True
    backbone: float = 0.3
    one_picture: bool = False
    warmup: int = 100
    decay: float = 0.02
    clip: float = 1.0
    average: float = 0.995
    seed: int = 0
    every: int = 250
    validation: int = 96
    precision: str = "automatic"


def train_network(
    datasets: Sequence[Path],
    run: Path,
    config: TrainingConfig,
    network: NetworkConfig | None = None,
    start: Path | None = None,
) -> Task[Path]:
    """Train on the split "train" of ``datasets``; goes on from ``run/checkpoint.pt`` if it is there.

    Writes into the folder ``run``: ``checkpoint.pt``, ``log.csv`` (a line a step and a line a validation),
    ``config.json``, ``curve.png`` and ``samples.png``. Steps are drawn from seed and number alone, so a resumed run
    equals an undisturbed one. It stops after the step during which a file ``run/stop`` appears.

    On a GPU if there is one; in as many processes as ``torchrun`` started, each with its part of every batch.

    Args:
        network: its sizes; by default those of ``start``.
        start: what to begin with: a checkpoint of an earlier run, or a file of weights.

    Returns:
        The checkpoint's path.

    Raises:
        DatasetError: a set is missing, damaged or leaks, none of its objects has a view that is asked for, a number of
            ``config`` is too small, or ``run`` belongs to another configuration.
        DependencyError: there is nothing to begin with: no ``start`` and no package of ImageNet's weights.
        WeightsError: ``start`` is missing or damaged.
    """
    for name in ("steps", "every", "validation"):
        if getattr(config, name) < 1:
            raise DatasetError(f"{name} is {getattr(config, name)}, but must be at least 1")
    make_folder(run)
    (run / "stop").unlink(missing_ok=True)
    yield Progress(0.0, "Reading the training set")
    objects = _usable_objects(datasets, "train")
    unseen = evenly_spaced(_usable_objects(datasets, "validation"), config.validation)
    with distributed_context() as ranks:
        yield from _training_loop(
            objects, unseen, run, Trainer(config, network or network_config_of(start), ranks), start
        )
    return run / "checkpoint.pt"


def _usable_objects(datasets: Sequence[Path], split: str) -> list[TrainingObject]:
    """The objects of ``split`` that have a view that one picture can be asked with: a front, or a free one."""
    found = [thing for thing in load_split(datasets, split) if is_usable(thing, 1)]
    if not found:
        raise DatasetError(
            f"No object in the split {split!r} has side views or handheld views. Render some "
            "(--cameras sides free:6)"
        )
    return found


def _training_loop(
    objects: list[TrainingObject],
    unseen: list[TrainingObject],
    run: Path,
    trainer: Trainer,
    start: Path | None,
) -> Task[None]:
    config = trainer.config
    ranks = trainer.ranks
    checkpoint = run / "checkpoint.pt"
    stop = run / "stop"
    if ranks.is_main:
        _write_config(run, config, trainer.model.config)
    if checkpoint.exists():
        trainer.load_checkpoint(checkpoint)
    else:
        trainer.initialize_weights(start)
    with RunLog(run, trainer.step, ranks.is_main) as log, ThreadPoolExecutor(1) as pool:
        sampling = replace(
            SINGLE_VIEW if config.one_picture else SamplingConfig(),
            picture=trainer.model.config.picture,
        )
        coming = pool.submit(sample_batch, objects, config.seed, trainer.step, sampling)
        stopped = False
        while trainer.step < config.steps and not stopped:
            began = time.perf_counter()
            batch = coming.result()
            coming = pool.submit(sample_batch, objects, config.seed, trainer.step + 1, sampling)
            losses = trainer.train_step(batch)
            stopped = ranks.any_rank(stop.exists())
            log.log_step(trainer.step, losses, time.perf_counter() - began)
            due = trainer.step % config.every == 0 or trainer.step == config.steps
            if due and ranks.is_main:
                judged = trainer.averaged_model()
                log.log_validation(
                    trainer.step, validation_scores(judged, unseen, config.one_picture)
                )
                draw_samples(run / "samples.png", judged, unseen)
            if (due or stopped) and ranks.is_main:
                trainer.save_checkpoint(checkpoint)
            yield Progress(
                trainer.step / config.steps, f"Step {trainer.step}, loss {losses[0]:.3f}"
            )
    if ranks.is_main:
        stop.unlink(missing_ok=True)


class Trainer:
    """The network, its moving average and the optimiser, as one thing to step, save and load."""

    def __init__(
        self,
        config: TrainingConfig,
        network: NetworkConfig,
        ranks: DistributedContext = SINGLE_PROCESS,
        kind: type[ReconstructionNetwork] = ReconstructionNetwork,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.ranks = ranks
        self.step = 0
        self.model = kind(network)
        self.average = kind(network).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.average.to(ranks.device)
        enable_mixed_precision(self.model, config.precision, ranks.device)
        self.model.requires_grad_(not config.one_picture)
        self.model.tubes.requires_grad_()
        self._losses = ranks.wrap_module(_Losses(self.model, config.one_picture))
        named = [
            (name, value) for name, value in self.model.named_parameters() if value.requires_grad
        ]
        known = [value for name, value in named if ".backbone." in name]
        others = [value for name, value in named if ".backbone." not in name]
        groups = [{"params": known, "share": config.backbone}, {"params": others, "share": 1.0}]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=config.decay, betas=(0.9, 0.98))

    def initialize_weights(self, start: Path | None) -> None:
        """Take the weights of ``start``, see :func:`train_network`, or else those that the configuration begins with."""
        if start and start.suffix == ".safetensors":
            self.model.load_state_dict(weights.load_weights(start)[0].state_dict())
            self.model.shift.zero_()  # it is calibrated anew once the run is exported
        elif start:
            self.model.load_state_dict(checkpoints.read_checkpoint(start)["average"])
        elif self.config.imagenet:
            for part in (self.model.encoder, self.model.tubes):
                part.backbone.start_from_imagenet()
        self.average.load_state_dict(self.model.state_dict())

    def train_step(self, batch: Batch) -> tuple[float, ...]:
        """One step; returns the losses: all, occupancy, colour, depth, up."""
        self.model.train(not self.config.one_picture)
        self.model.tubes.train()
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate() * group["share"]
        part, share = self.ranks.shard_batch(batch)
        losses = self._losses(part)
        total = losses[0] + 0.5 * losses[1] + 2 * losses[2] + 6 * losses[3]
        self._optimizer.zero_grad(set_to_none=True)
        (share * total).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self._optimizer.step()
        self.step += 1
        update_ema(self.average, self.model, self.config.average, self.step)
        return tuple(self.ranks.all_reduce_mean([share * loss for loss in (total, *losses)]))

    def averaged_model(self) -> ReconstructionNetwork:
        """The moving average, on the CPU."""
        return (
            self.average if self.ranks.device.type == "cpu" else copy.deepcopy(self.average).cpu()
        )

    def save_checkpoint(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
        }
        rest = {"optimiser": self._optimizer.state_dict(), "network": self.model.config.as_dict()}
        checkpoints.write_checkpoint(path, {**state, **rest})

    def load_checkpoint(self, path: Path) -> None:
        state = checkpoints.read_checkpoint(path, self.ranks.device)
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimiser"])

    def _learning_rate(self) -> float:
        config = self.config
        if self.step < config.warmup:
            return config.rate * (self.step + 1) / config.warmup
        done = (self.step - config.warmup) / max(config.steps - config.warmup, 1)
        return config.rate * (0.5 + 0.5 * float(np.cos(np.pi * min(done, 1.0)))) + 1e-6


class _Losses(nn.Module):
    """:func:`compute_losses` as what a module says of a batch, as DDP wants it; of one picture those of occupancy and up."""

    def __init__(self, model: ReconstructionNetwork, one_picture: bool) -> None:
        super().__init__()
        self.model = model
        self._one_picture = one_picture

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if not self._one_picture:
            return compute_losses(self.model, batch)
        logits, up = self.model.predict_single_view(batch.images, batch.cameras, batch.points)
        nothing = logits.new_zeros(())
        return _occupancy_loss(logits, batch), nothing, nothing, up_error(up, batch.up_direction)


def compute_losses(
    model: ReconstructionNetwork, batch: Batch
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Losses of a batch: occupancy (cross-entropy and soft IoU), colour and depth of what is seen (mean absolute
    errors), and up of free pictures (one less cosine).
    """
    features = model.encode_views(batch.images, batch.cameras)
    occupancy = _occupancy_loss(model.predict_occupancy(features, batch.points), batch)
    color = F.l1_loss(model.predict_color(features, batch.surface), batch.color)
    where, geometry = project_points(
        batch.cameras.flatten(0, 1)[:, None], batch.visible_points.flatten(0, 1)
    )
    depth = _depth_error(
        sample_maps(features.expected_depth.flatten(0, 1)[:, None], where), geometry[..., :1]
    )
    up = depth.new_zeros(()) if features.up is None else up_error(features.up, batch.up_direction)
    return occupancy, color, depth, up


def _occupancy_loss(logits: Tensor, batch: Batch) -> Tensor:
    loss = F.binary_cross_entropy_with_logits(logits, batch.occupancy)
    return (
        loss + 0.3 * (1 - soft_iou(logits, batch.occupancy)) if batch.images.shape[1] < 3 else loss
    )


def up_error(found: Tensor, true: Tensor) -> Tensor:
    """Mean of one less the cosine between unit vectors (B, 3), nothing for those whose ``true`` one is zero."""
    return (true.norm(dim=1) - (found * true).sum(1)).mean()


def _depth_error(found: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error of depths (M, 1, P, 1): mostly of the relief, less of how far each picture's whole is off."""
    off = found - true.clamp(-DEPTH_REACH, DEPTH_REACH)
    relief = off - off.detach().median(dim=2, keepdim=True).values
    return relief.abs().mean() + 0.3 * off.abs().mean()


def soft_iou(logits: Tensor, inside: Tensor) -> Tensor:
    """Mean over a batch of the intersection over union of probabilities (B, P) and truth (B, P).

    Where cross-entropy leaves all of an uncertain part outside, this asks for the likelier half of it.
    """
    found = logits.sigmoid()
    both = (found * inside).sum(1)
    return ((both + 1) / ((found + inside).sum(1) - both + 1)).mean()


# What validation asks: name, number of views, free or posed.
QUESTIONS = (
    ("front", 1, False),
    ("front_right", 2, False),
    ("front_right_back_top", 4, False),
    ("free", 1, True),
)


@torch.inference_mode()
def validation_scores(
    model: ReconstructionNetwork, unseen: Sequence[TrainingObject], one_picture: bool = False
) -> list[float]:
    """Mean IoU over unseen objects for each of ``QUESTIONS``, on the uniform points of their box.

    At the levels of reconstruction: each object's own, where there is one view with the shift that is best for all, as
    :func:`calibrate_level` will leave the network. Over the objects that have the views; NaN if none has.

    Args:
        one_picture: leave out what asks for several, NaN.
    """
    model.eval()
    scores = []
    for _, views, free in QUESTIONS:
        able = [
            thing
            for thing in unseen
            if has_views(thing, views, free) and not (one_picture and views > 1)
        ]
        if not able:
            scores.append(float("nan"))
        elif views == 1:
            scores.append(float(_shift_scores(model, able, (free,)).max()))
        else:
            scores.append(_mean_iou(model, able, views, free))
    return scores


def object_logits(
    model: ReconstructionNetwork, thing: TrainingObject, views: int, free: bool
) -> NDArray[np.float32]:
    """What the network says of the uniform points (P,) of ``thing``; far outside beyond the volume and the masks."""
    placed, features = _encode_object(model, thing, views, free)
    if free and views == 1:  # as reconstruction does: the first look tells what is up
        placed, features = _encode_object(model, thing, views, free, features.up[0].numpy())
    points = placed.move(thing.uniform[:])
    asked = torch.from_numpy(points.astype(np.float32))[None]
    cover = (
        sample_maps(features.pictures[:, :, 3:], project_points(features.cameras, asked)[0])
        .amin(1)[0, :, 0]
        .numpy()
    )
    within = (np.abs(points) < BOUND).all(1) & (cover > 0.5)
    return np.where(within, model.predict_occupancy(features, asked)[0].numpy(), _NOTHING)


def _encode_object(
    model: ReconstructionNetwork,
    thing: TrainingObject,
    views: int,
    free: bool,
    guess: NDArray[np.float32] | None = None,
) -> tuple[FramedObject, Features]:
    placed = frame_object(
        thing, views, free, np.random.default_rng(0), False, guess, model.config.picture
    )
    return placed, model.encode_views(
        torch.from_numpy(placed.pictures)[None], torch.from_numpy(placed.cameras)[None]
    )


def _iou_per_level(
    logits: NDArray[np.float32], inside: NDArray[np.bool_], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """IoU (L,) of the points above each of ``levels`` (L,) with the truth."""
    found = logits > levels[:, None]
    return (found & inside).sum(1) / np.maximum((found | inside).sum(1), 1)


def _mean_iou(
    model: ReconstructionNetwork, unseen: Sequence[TrainingObject], views: int, free: bool
) -> float:
    """From several views, at the level that is expected to be best for each object."""
    found = []
    for thing in unseen:
        logits = object_logits(model, thing, views, free)
        level = expected_iou_threshold(logits[logits > _NOTHING])
        found.append(_iou_per_level(logits, thing.uniform_inside, np.array([level]))[0])
    return float(np.mean(found))


def _shift_scores(
    model: ReconstructionNetwork, unseen: Sequence[TrainingObject], free: Sequence[bool]
) -> NDArray[np.float64]:
    """Mean IoU over ``unseen`` with the best levels shifted by each of ``_SHIFTS``, from one view, posed or free or
    both, as each has it.
    """
    asked = [(thing, kind) for thing in unseen for kind in free if has_views(thing, 1, kind)]
    logits = [(object_logits(model, thing, 1, kind), thing.uniform_inside) for thing, kind in asked]
    levels = [expected_iou_threshold(found[found > _NOTHING]) + _SHIFTS for found, _ in logits]
    return np.mean(
        [_iou_per_level(*of, own) for of, own in zip(logits, levels, strict=True)], axis=0
    )


@torch.inference_mode()
def calibrate_level(model: ReconstructionNetwork, unseen: Sequence[TrainingObject]) -> None:
    """Set the shift of the level from one view to that of the best mean IoU on ``unseen``; of as good ones, the
    least.
    """
    model.eval()
    scores = _shift_scores(model, unseen, (False, True))
    good = _SHIFTS[scores > scores.max() - _AS_GOOD]
    model.shift.fill_(float(good[np.abs(good).argmin()]))


def network_config_of(start: Path | None) -> NetworkConfig:
    """The sizes of the network of ``start``, see :func:`train_network`."""
    if start is None:
        return NetworkConfig()
    if start.suffix == ".safetensors":
        return weights.load_weights(start)[0].config
    known = checkpoints.read_checkpoint(start)
    if "network" not in known:
        raise DatasetError(
            f"{start} is not a checkpoint of the reconstruction network. Choose another file"
        )
    return NetworkConfig(**known["network"])


def _write_config(run: Path, config: TrainingConfig, network: NetworkConfig) -> None:
    path = run / "config.json"
    own = json.loads(json.dumps({"training": asdict(config), "network": network.as_dict()}))
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        for part, added in (
            ("training", asdict(TrainingConfig())),
            ("network", NetworkConfig().as_dict()),
        ):
            known[part] = (
                json.loads(json.dumps(added)) | known[part]
            )  # what an older version did not know of
        if known != own:
            raise DatasetError(
                f"{run} contains a run with a different configuration. Choose another folder"
            )
    path.write_text(json.dumps(own, indent=1), encoding="utf-8")


def export_run(run: Path, datasets: Sequence[Path], target: Path) -> None:
    """Write the networks of ``run`` (``checkpoint.pt`` and ``mask.pt``, their moving averages) as weights.

    What ``run`` has not trained is the bundled one. Of a reconstruction network of its own the surface's level and the
    confidence are calibrated on the split "validation" of ``datasets``.

    Raises:
        DatasetError: nothing has been trained there. OutputError: ``target`` cannot be written.
    """
    own = run / "checkpoint.pt"
    own_mask = run / "mask.pt"
    if not own.is_file() and not own_mask.is_file():
        raise DatasetError(
            f"{run} has neither checkpoint.pt nor mask.pt: train there first (maquette train)"
        )
    reconstruction, mask = weights.load_weights()
    if own_mask.is_file():
        mask = ForegroundNetwork()
        mask.load_state_dict(checkpoints.read_checkpoint(own_mask)["average"])
    if own.is_file():
        state = checkpoints.read_checkpoint(own)
        reconstruction = ReconstructionNetwork(NetworkConfig(**state["network"]))
        reconstruction.load_state_dict(state["average"])
        calibrate_level(
            reconstruction, evenly_spaced(_usable_objects(datasets, "validation"), _CALIBRATED_ON)
        )
        run_to_end(calibrate_confidence(reconstruction, datasets, _CONFIDENCE_ON))
    try:
        weights.save_weights(target, reconstruction, mask)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}") from error
