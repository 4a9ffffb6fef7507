"""Trains the heads of meaning: resumable to the bit, on a CPU or a GPU.

The trunk is frozen, and computed anew for each batch: images are never the same twice. The learning
rate is warmed up, stays, and falls at the end (warm-up, stable, decay; arXiv:2404.06395).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....atomic_files import write_json
from ....dataset.splits import HELD_OUT_FAMILIES
from ....errors import DatasetError
from ....jobs.task import Progress, Task
from ....procedural import FAMILIES
from ....procedural.draw_targets import draw_targets
from ....procedural.object_families import OTHER
from ....procedural.part_groups import GROUP_NAMES
from ....procedural.sensitivity import read_sensitivities
from ...inference.meaning.semantics import load_trunk
from ...inference.meaning_weights import HEADS, load_part, save_part
from ...networks.image_trunk import ImageTrunk, TrunkMaps
from ...networks.semantics import SemanticHeads, SemanticsConfig
from ..checkpoints import Stored, load_parts, save_parts
from ..config_file import MAY_CHANGE, check_run_config
from ..dense.images import AugmentationConfig
from ..dense.log import DenseLog
from ..dense.losses import part_losses
from ..dense.objects import DenseObject, load_dense_split
from ..ema import update_ema
from ..loop import (
    CHECKPOINT,
    GradientGuard,
    StopFile,
    lock_run,
    loss_values,
    prefetch_batches,
    stable_rate,
    steps_until_stopped,
)
from ..mixed_precision import uses_bfloat16
from ..objects import evenly_spaced
from .batches import VIEWS, SemanticBatch, SemanticSampling, SemanticSource
from .labels import LabeledObject, draw_counts, is_unsure, label_objects
from .losses import (
    DrawLoss,
    SemanticLossConfig,
    alike_loss,
    family_loss,
    view_loss,
)
from .preview import draw_part_samples
from .replay import BatchReplay, SeenBatch
from .samples import DEFAULT_AUGMENTATION
from .validation import MeaningScores, UnseenObjects, evaluate_meaning

WEIGHTS = "meaning.safetensors"
# The heads that each task of the command line trains.
TASKS = {
    "parts": ("parts",),
    "retrieval": ("embedding",),
    "procedural": ("family", "draws"),
    "meaning": ("family", "parts", "embedding", "draws"),
}
# Families that no head learns, to judge by as objects of new kinds.
_NOT_LEARNED = HELD_OUT_FAMILIES | {"lantern", "mailbox", "wheelbarrow"}
_KNOWN_SHARE = 0.95  # of images of known families that are to be accepted
_RAREST = 4.0  # how many times as much as the mean a rare class counts at most


@dataclass(frozen=True)
class SemanticTrainingConfig:
    """A run of training.

    Attributes:
        heads: That are trained, see ``TASKS``; the others stay as they are.
        named_parts: Whether parts that artists have named are learned, see ``part_words``.
        steps: In all.
        learning_rate: After ``warmup_steps``.
        decay_steps: At the end, in which it falls to zero.
        weight_decay: Of AdamW.
        clip: Largest norm of the gradient.
        average: Share that the moving average of the weights keeps of itself in a step.
        uses: Steps that an image serves on average, see ``replay``.
        kept: Batches that are kept for this; 64 images with their maps take 35 MB.
        seed: Of the first weights and all batches.
        precision: "float32", "bfloat16", or "automatic": what the device computes faster.
        checkpoint_seconds: Between two checkpoints.
        validate_every: Steps between two validations.
        validation: Objects to validate on.
        threads: Of a CPU; 0 for as many as there are.
    """

    heads: tuple[str, ...] = TASKS["meaning"]
    named_parts: bool = False
    steps: int = 4000
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_steps: int = 1000
    weight_decay: float = 0.05
    clip: float = 5.0
    average: float = 0.998
    uses: int = 4
    kept: int = 32
    seed: int = 0
    precision: str = "automatic"
    checkpoint_seconds: float = 600.0
    validate_every: int = 500
    validation: int = 150
    threads: int = 0


@dataclass(frozen=True)
class SemanticRunConfig:
    """All that a run can be repeated from, besides its training sets; its ``config.json``."""

    training: SemanticTrainingConfig = field(default_factory=SemanticTrainingConfig)
    sampling: SemanticSampling = field(default_factory=SemanticSampling)
    augmentation: AugmentationConfig = DEFAULT_AUGMENTATION
    losses: SemanticLossConfig = field(default_factory=SemanticLossConfig)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return settings


@dataclass(frozen=True)
class ClassWeights:
    """How much the classes count, so that rare ones are learned.

    Attributes:
        families: (F,), the mean is about 1.
        groups: (G,).
    """

    families: Tensor
    groups: Tensor


class SemanticTrainer:
    """The heads, their moving average and the optimizer, to step, save and load together.

    Args:
        config: Of the run.
        heads: To train.
        trunk: On which they stand.
        weights: Of the classes.
        device: To train on.
    """

    def __init__(
        self,
        config: SemanticRunConfig,
        heads: SemanticHeads,
        trunk: ImageTrunk,
        weights: ClassWeights,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.step = 0
        self.trunk = trunk.to(device).eval()
        self.heads = heads.to(device)

        # What is evaluated and exported.
        self.average = copy.deepcopy(self.heads).eval().requires_grad_(False)
        self.mixed = uses_bfloat16(config.training.precision, device)
        self._families = weights.families.to(device)
        self._groups = weights.groups.to(device)

        # Draws that hardly change a shape hardly count.
        draw_loss = DrawLoss(heads.config, read_sensitivities(), config.losses.neighbors)
        self._draw_loss = draw_loss.to(device)
        self._optimizer = torch.optim.AdamW(self._groups_of_parameters(), betas=(0.9, 0.99))
        self._guard = GradientGuard(config.training.clip)

    def train_step(self, seen: SeenBatch) -> dict[str, float]:
        """Take one step; returns the losses by name."""
        # Dropout depends on the step alone, so that a resumed run equals an undisturbed one.
        torch.manual_seed(self.config.training.seed * 1_000_003 + self.step)
        self._train_mode()
        losses = self._losses(seen.batch, seen.maps)
        losses["all"].backward()
        self._update()
        return loss_values(losses)

    def learning_rate(self) -> float:
        """Return the rate of the next step."""
        return stable_rate(self.config.training, self.step)

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        save_parts(path, self.step, self._stored_parts(), config=self.config.as_dict())

    def load(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote.

        Raises:
            DatasetError: There is no checkpoint, or it is of other heads.
        """
        self.step = load_parts(path, self._stored_parts(), self.device)

    def _stored_parts(self) -> dict[str, Stored]:
        """Return all that a checkpoint holds besides the step and the settings, by its keys."""
        return {
            "heads": self.heads,
            "average": self.average,
            "optimizer": self._optimizer,
        }

    def _losses(self, batch: SemanticBatch, maps: TrunkMaps) -> dict[str, Tensor]:
        """Return the losses of ``batch`` by name, "all" last."""
        weights = self.config.losses
        trained = self.config.training.heads
        losses: dict[str, Tensor] = {}
        total = torch.zeros((), device=self.device)

        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            masks = batch.images[:, 3:]
            if "family" in trained:
                # Losses are computed in float32.
                logits = self.heads.family(maps, masks).float()
                families = self._families
                loss = family_loss(logits, batch.families, families, weights.smoothing)
                losses["family"] = loss
                total = total + weights.family * loss
            if "parts" in trained:
                entropy, dice = self._part_losses(batch, maps)
                losses["parts"] = entropy
                losses["dice"] = dice
                total = total + weights.parts * entropy + weights.dice * dice

            if "draws" in trained:
                draw_logits = self.heads.draws(maps, batch.draws).float()
                losses["draws"] = self._draw_loss(draw_logits, batch)
                total = total + weights.draws * losses["draws"]
            if "embedding" in trained:
                vectors = self.heads.embed(maps, masks).float()
                losses.update(self._embedding_losses(vectors, batch))
                total = total + weights.embedding * losses["views"]
                total = total + weights.alike * losses["alike"]

        losses["all"] = total
        return losses

    def _part_losses(self, batch: SemanticBatch, maps: TrunkMaps) -> tuple[Tensor, Tensor]:
        """Return the losses of parts, of the images that have some."""
        rows = (batch.parts >= 0).any(2).any(1)
        if not rows.any():
            rows[0] = True  # for a loss of zero

        # The decoder of parts is costly: only these images go through it.
        chosen_maps = TrunkMaps(*(values[rows] for values in maps))
        chosen_images = batch.images[rows]
        logits = self.heads.parts(chosen_maps, chosen_images).float()
        return part_losses(logits, batch.parts[rows], self._groups)

    def _embedding_losses(self, vectors: Tensor, batch: SemanticBatch) -> dict[str, Tensor]:
        """Return the losses of embeddings (B, E)."""
        # A larger scale would make a single pair decide.
        scale = self.heads.log_scale.clamp(max=float(np.log(100.0))).exp()
        return {
            "views": view_loss(vectors, batch.identities, scale),
            "alike": alike_loss(vectors, batch.families, batch.known, scale),
        }

    def _update(self) -> None:
        """Move the weights by the gradients that are there, and their average after them."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate()
        parameters = [value for group in self._optimizer.param_groups for value in group["params"]]

        # A step without finite gradients counts, but changes nothing.
        if self._guard.clip(parameters, self.step):
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        update_ema(self.average, self.heads, self.config.training.average, self.step)

    def _train_mode(self) -> None:
        """Switch on dropout and the statistics of batches, of the heads that are trained alone."""
        self.heads.eval()
        for name in self.config.training.heads:
            getattr(self.heads, name).train()

    def _groups_of_parameters(self) -> list[dict[str, Any]]:
        """Return weights of layers, which decay, and all others, of the heads to train."""
        values = []
        for name in self.config.training.heads:
            values += list(getattr(self.heads, name).parameters())
        if "embedding" in self.config.training.heads:
            values.append(self.heads.log_scale)

        # Biases and norms do not decay.
        decaying = [value for value in values if value.dim() > 1]
        others = [value for value in values if value.dim() <= 1]

        return [
            {"params": decaying, "weight_decay": self.config.training.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]


def train_semantics(
    datasets: Sequence[Path], run: Path, config: SemanticRunConfig, start: Path | None = None
) -> Task[Path]:
    """Train on the split "train" of ``datasets``, or go on from the checkpoint in ``run``.

    Writes into the folder ``run``: ``checkpoint.pt`` every ten minutes and at the end,
    ``log.jsonl``, ``samples.png``, ``config.json``, and at the end ``meaning.safetensors``. Batches
    are drawn from seed and step alone, so a resumed run equals an undisturbed one. It stops after
    the step during which a file ``run/stop`` appears.

    Args:
        datasets: Relightable training sets; those with parts teach parts.
        run: Folder of the run.
        config: Its settings.
        start: Weights file whose heads to begin with; all are untrained without one.

    Returns:
        The weights file.

    Raises:
        DatasetError: A set is missing, damaged, or without what training needs; or ``run`` belongs
            to another configuration.
        WeightsError: ``start`` cannot be read, or the weights of reconstruction.
        OutputError: Another process trains in ``run``, or the disk is full.
    """
    with lock_run(run):
        return (yield from _train_alone(datasets, run, config, start))


def base_config(trunk: ImageTrunk) -> SemanticsConfig:
    """Return what heads predict that are trained from the beginning."""
    # Families in a fixed order, the draws of each with it.
    families = tuple(sorted(set(FAMILIES) - _NOT_LEARNED))
    draws = {}
    for family, targets in draw_targets().items():
        if family in families:
            draws[family] = targets

    return SemanticsConfig(
        trunk_channels=trunk.channels,
        trunk=trunk.fingerprint(),
        families=(*families, OTHER),
        draws=draws,
        groups=GROUP_NAMES,
    )


def class_weights(objects: Sequence[LabeledObject], config: SemanticsConfig) -> ClassWeights:
    """Return how much classes count: by the root of their rarity, within limits.

    Args:
        objects: To train on.
        config: Of the heads.
    """
    families = np.zeros(len(config.families))
    groups = np.zeros(len(config.groups))
    for item in objects:
        if item.family >= 0:
            families[item.family] += 1
        if item.groups is not None:
            # Counted in one view: the shares matter, not their exactness.
            numbers = np.bincount(item.item.parts(0).ravel(), minlength=256)
            is_group = item.groups >= 0
            np.add.at(groups, item.groups[is_group], numbers[is_group])

    return ClassWeights(_rarity_weights(families), _rarity_weights(groups))


def _rarity_weights(counts: np.ndarray[Any, np.dtype[np.float64]]) -> Tensor:
    """Return weights (C,) of classes by how often they are."""
    present = counts[counts > 0]
    if not len(present):
        return torch.ones(len(counts))

    # Classes that do not occur count as the rarest ones.
    weights = np.sqrt(present.mean() / np.maximum(counts, 1))
    return torch.from_numpy(weights.clip(1 / _RAREST, _RAREST)).float()


def _train_alone(
    datasets: Sequence[Path], run: Path, config: SemanticRunConfig, start: Path | None
) -> Task[Path]:
    """Do :func:`train_semantics` in the folder ``run``, which is locked."""
    StopFile(run).remove()
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    torch.manual_seed(config.training.seed)
    trunk = load_trunk()

    # The configuration is compared before sets are read, since reading takes long.
    heads = _first_heads(trunk, config.training.heads, start)
    _write_config(run, config, datasets)

    yield Progress(0.0, "Reading the training set")
    items = load_dense_split(datasets, "train")
    objects = label_objects(items, heads.config, config.training.named_parts)

    # What to judge on, and how often each draw is in training.
    records = [item.item.record for item in objects]
    judged = load_judged(datasets, heads.config, config.training.validation)
    unseen = UnseenObjects(judged, draw_counts(records, heads.config))

    if "parts" in config.training.heads and all(item.groups is None for item in objects):
        raise DatasetError(
            "None of the training sets has parts of procedural objects. Render one with --parts"
        )

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # A new trainer, or one that continues.
    weights = class_weights(objects, heads.config)
    trainer = SemanticTrainer(config, heads, trunk, weights, device)
    checkpoint = run / CHECKPOINT
    if checkpoint.exists():
        trainer.load(checkpoint)

    # Batches follow from seed and step.
    source = SemanticSource(
        objects, heads.config, config.training.seed, config.sampling, config.augmentation
    )
    yield from _steps(run, trainer, source, unseen)

    return run / WEIGHTS


def load_judged(
    datasets: Sequence[Path], config: SemanticsConfig, limit: int | None, split: str = "validation"
) -> list[LabeledObject]:
    """Return labeled objects to judge on; those whose family their name leaves open are left out.

    Parts that artists have named are judged, whether they are learned or not.

    Args:
        datasets: Training sets.
        config: Of the heads.
        limit: Number of objects; None for all.
        split: Of the sets.
    """
    items: list[DenseObject] = []
    for item in load_dense_split(datasets, split):
        if not is_unsure(item.record):
            items.append(item)

    chosen: Sequence[DenseObject] = items
    if limit:
        chosen = evenly_spaced(items, limit)
    return label_objects(chosen, config, named_parts=True)


def export_heads(path: Path, trainer: SemanticTrainer, unseen: UnseenObjects) -> MeaningScores:
    """Write the averaged heads to the weights file ``path``, calibrated on ``unseen``.

    Returns:
        Their scores.
    """
    scores = evaluate_meaning(unseen, trainer.trunk, trainer.average, trainer.mixed)
    config = calibrated(trainer.average.config, scores)
    save_part(path, HEADS, config.as_dict(), trainer.average.state_dict())
    return scores


def calibrated(config: SemanticsConfig, scores: MeaningScores) -> SemanticsConfig:
    """Return ``config`` with the threshold of known families and the temperature of logits.

    Args:
        config: Of the heads.
        scores: On objects that they were not trained on.
    """
    if not len(scores.known_margins):
        return config

    # The margin that nearly all images of known families have.
    threshold = float(np.quantile(scores.known_margins, 1 - _KNOWN_SHARE))
    logits, families = scores.calibration

    # The temperature under which the right families are most probable.
    temperatures = np.geomspace(0.25, 4.0, 33).tolist()
    losses = []
    for temperature in temperatures:
        loss = torch.nn.functional.cross_entropy(logits / temperature, families)
        losses.append(float(loss))
    best = temperatures[int(np.argmin(losses))]

    return replace(config, known_margin=threshold, temperature=best)


def _first_heads(trunk: ImageTrunk, trained: Sequence[str], start: Path | None) -> SemanticHeads:
    """Return the heads that a run begins with.

    Raises:
        DatasetError: Those of ``start`` are of another trunk.
        WeightsError: ``start`` cannot be read.
    """
    if start is None:
        return SemanticHeads(base_config(trunk))

    # Heads read maps of one trunk only.
    stored, state = load_part(HEADS, start)
    config = SemanticsConfig.from_dict(stored)

    if config.trunk != trunk.fingerprint():
        raise DatasetError(
            f"The heads in {start} were trained for other weights of reconstruction. Train "
            f"{', '.join(trained)} from the beginning, without --start"
        )

    heads = SemanticHeads(config)
    heads.load_state_dict(state)
    return heads


def _steps(
    run: Path, trainer: SemanticTrainer, source: SemanticSource, unseen: UnseenObjects
) -> Task[None]:
    """Step until the end or until ``run/stop`` is there, and write down what is due."""
    config = trainer.config.training
    images = source.sampling.objects * VIEWS
    replay = BatchReplay(source, trainer.trunk, config.uses, config.kept, trainer.mixed)
    batches = prefetch_batches(replay.batch, trainer.step)
    log = DenseLog(run, trainer.step, images, 0.0)

    def validate(step: int) -> None:
        if step % config.validate_every == 0 and step < config.steps:
            _validate(run, trainer, unseen, log)

    with closing(batches), log:
        yield from steps_until_stopped(trainer, batches, run, log.step, validate)
        _validate(run, trainer, unseen, log)


def _validate(run: Path, trainer: SemanticTrainer, unseen: UnseenObjects, log: DenseLog) -> None:
    """Write scores, weights so far and a picture of parts."""
    scores = export_heads(run / WEIGHTS, trainer, unseen)
    log.validated(trainer.step, scores.values)
    draw_part_samples(run / "samples.png", trainer.trunk, trainer.average, unseen.objects)


def _write_config(run: Path, config: SemanticRunConfig, datasets: Sequence[Path]) -> None:
    """Write ``config.json``, or see that the one that is there is of the same run.

    Raises:
        DatasetError: It is of another.
    """
    settings = config.as_dict()
    check_run_config(run, settings, SemanticRunConfig().as_dict(), (*MAY_CHANGE, "datasets"))
    settings["datasets"] = [str(folder) for folder in datasets]
    write_json(run / "config.json", settings)
