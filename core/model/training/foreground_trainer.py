"""Train the foreground network on images of training objects composited onto backgrounds."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...atomic_files import LineFile, write_json
from ...errors import DatasetError
from ...jobs.task import Progress, Task
from ..inference import weights
from ..networks.foreground import ForegroundNetwork
from ..photo_compositing import Panoramas, held_out_panorama
from .ema import update_ema
from .log import drop_later_lines
from .loop import (
    LEARNING_RATE_FLOOR,
    StopFile,
    TrainingState,
    cosine_decay,
    lock_run,
    prefetch_batches,
)
from .mixed_precision import enable_mixed_precision
from .objects import TrainingObject, evenly_spaced, load_split
from .photo_augmentation import PhotoAugmentationConfig, augment_photo

# Of the images on which every validation evaluates: always the same ones.
_VALIDATION_SEED = 1

_MaskedBatch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class ForegroundConfig:
    """How the foreground network is trained.

    Attributes:
        steps: number of steps; over them the learning rate falls to zero along a cosine.
        batch_size: images of a step.
        learning_rate: at the end of the warm-up.
        pretrained: whether the backbone starts from weights trained on ImageNet.
        warmup: steps over which the learning rate rises from zero.
        weight_decay: of AdamW (arXiv:1711.05101).
        ema_decay: of the moving average of the weights, which is validated and exported.
        seed: of the initial weights and of all batches.
        eval_every: steps between validations and checkpoints.
        val_objects: number of unseen objects that validation draws from.
        val_images: number of images of a validation.
        augmentation: how images are composited and varied.
    """

    steps: int = 3000
    batch_size: int = 12
    learning_rate: float = 2e-3
    pretrained: bool = True
    warmup: int = 100
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    seed: int = 0
    eval_every: int = 100
    val_objects: int = 96
    val_images: int = 48
    augmentation: PhotoAugmentationConfig = field(default_factory=PhotoAugmentationConfig)

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            DatasetError: a number is too small.
        """
        for name in ("steps", "batch_size", "warmup", "eval_every", "val_objects", "val_images"):
            if getattr(self, name) < 1:
                raise DatasetError(f"{name} is {getattr(self, name)}, but must be at least 1")


def train_mask(
    datasets: Sequence[Path],
    run: Path,
    config: ForegroundConfig | None = None,
    panoramas: Panoramas = (),
    start: Path | None = None,
) -> Task[Path]:
    """Train a :class:`ForegroundNetwork`; continues from ``run/mask.pt`` if it exists.

    Writes into the folder ``run``: ``mask.pt``, ``mask.csv`` (step, loss, IoU on unseen objects)
    and ``mask_config.json``. The moving average of the weights is validated and exported. It ends
    after the step during which a file ``run/stop`` appears.

    Args:
        datasets: folders of training sets.
        run: folder of the run.
        config: how to train.
        panoramas: equirectangular images (H, W, 3) of backgrounds; the last of eight or more is
            kept for validation.
        start: a file of weights whose foreground network to start from.

    Returns:
        The path of the checkpoint.

    Raises:
        DatasetError: a set is missing or damaged.
        DependencyError: the package of ImageNet's weights is missing.
        WeightsError: ``start`` is missing or damaged.
        OutputError: another process trains in ``run``, or the disk is full.
    """
    with lock_run(run):
        return (
            yield from _train_alone(datasets, run, config or ForegroundConfig(), panoramas, start)
        )


def _train_alone(
    datasets: Sequence[Path],
    run: Path,
    config: ForegroundConfig,
    panoramas: Panoramas,
    start: Path | None,
) -> Task[Path]:
    """Do :func:`train_mask` in the folder ``run``, which is locked."""
    # Objects and backgrounds; those of validation are not trained on.
    StopFile(run).remove()
    yield Progress(0, "Reading the training set")
    objects = load_split(datasets, "train")
    unseen = evenly_spaced(load_split(datasets, "validation"), config.val_objects)
    held_out = held_out_panorama(panoramas)
    if len(panoramas) > len(held_out):
        panoramas = panoramas[:-1]

    # Weights and optimizer, from the checkpoint if there is one.
    checkpoint = run / "mask.pt"
    trainer = _ForegroundTrainer(config, start, checkpoint)
    write_json(run / "mask_config.json", asdict(config))
    drop_later_lines(run / "mask.csv", trainer.state.step)

    def sample(step: int) -> _MaskedBatch:
        rng = np.random.default_rng((config.seed, step))
        return sample_masked_batch(objects, panoramas, config.batch_size, rng, config.augmentation)

    # The same images for all validations.
    validation_rng = np.random.default_rng(_VALIDATION_SEED)
    validation = sample_masked_batch(
        unseen, held_out, config.val_images, validation_rng, config.augmentation
    )
    with closing(prefetch_batches(sample, trainer.state.step)) as batches:
        yield from _training_loop(trainer, batches, validation, run)
    return checkpoint


class _ForegroundTrainer:
    """The network, its moving average and the optimizer."""

    def __init__(self, config: ForegroundConfig, start: Path | None, checkpoint: Path) -> None:
        """Build the network and take the weights of ``checkpoint``, ``start`` or ImageNet."""
        torch.manual_seed(config.seed)
        self.config = config
        self.model = ForegroundNetwork()
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

        if start:
            self.model.load_state_dict(weights.load_weights(start)[1].state_dict())
        elif config.pretrained and not checkpoint.exists():
            self.model.backbone.start_from_imagenet()

        self.average = copy.deepcopy(self.model)
        self.state = TrainingState(self.model, self.average, optimizer)
        if checkpoint.exists():
            self.state.load(checkpoint)
        enable_mixed_precision(self.model, "automatic", torch.device("cpu"))

    def train_step(self, batch: _MaskedBatch) -> float:
        """Do one step; return its loss."""
        images, masks = batch
        self.model.train()
        self.state.set_learning_rate(self._learning_rate())
        loss = _mask_loss(self.model(images), masks)
        self.state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.state.optimizer.step()
        update_ema(self.average, self.model, self.config.ema_decay, self.state.step)
        self.state.step += 1

        return float(loss.detach())

    def _learning_rate(self) -> float:
        """Return the learning rate of the next step: the lower of a linear warm-up and a cosine."""
        config = self.config
        step = self.state.step
        cosine = cosine_decay(np.pi * step / config.steps)
        return config.learning_rate * min((step + 1) / config.warmup, cosine) + LEARNING_RATE_FLOOR


def _training_loop(
    trainer: _ForegroundTrainer,
    batches: Iterator[_MaskedBatch],
    validation: _MaskedBatch,
    run: Path,
) -> Task[None]:
    """Step through ``batches``; validate, log and save now and then, and before the run ends."""
    config = trainer.config
    stop_file = StopFile(run)
    for step in range(trainer.state.step, config.steps):
        loss = trainer.train_step(next(batches))
        # A stopped run is validated, too: its log has a line for each checkpoint.
        stopped = stop_file.exists()
        if (step + 1) % config.eval_every == 0 or step + 1 == config.steps or stopped:
            iou = mask_iou(trainer.average, *validation)
            with closing(LineFile(run / "mask.csv")) as log:
                log.write_line(f"{step + 1},{loss:.5f},{iou:.5f}")
            trainer.state.save(run / "mask.pt")
        yield Progress(step / config.steps, f"Step {step}, loss {loss:.3f}")
        if stopped:
            stop_file.remove()
            return


@torch.inference_mode()
def mask_iou(network: ForegroundNetwork, images: Tensor, masks: Tensor) -> float:
    """Return the mean IoU of the network's masks with the true ones (B, 1, H, W)."""
    network.eval()
    predicted = network(images) > 0
    true = masks > 0.5

    # Of each image, then the mean.
    intersection = (predicted & true).sum((1, 2, 3))
    union = (predicted | true).sum((1, 2, 3))
    ious = intersection / union.clamp(min=1)
    return float(ious.mean())


def sample_masked_batch(
    objects: Sequence[TrainingObject],
    panoramas: Panoramas,
    count: int,
    rng: np.random.Generator,
    augmentation: PhotoAugmentationConfig,
) -> _MaskedBatch:
    """Draw images (B, 3, H, W) with a background and their masks (B, 1, H, W)."""
    photos = []
    masks = []
    for _ in range(count):
        photo, mask = augment_photo(objects, panoramas, rng, augmentation)
        photos.append(photo)
        masks.append(mask)
    return torch.from_numpy(np.stack(photos)), torch.from_numpy(np.stack(masks))


def _mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the cross-entropy plus 1 - soft IoU of masks (B, 1, H, W)."""
    probability = logits.sigmoid()
    intersection = (probability * masks).sum((1, 2, 3))
    union = (probability + masks - probability * masks).sum((1, 2, 3))
    iou_loss = (1 - (intersection + 1) / (union + 1)).mean()
    return F.binary_cross_entropy_with_logits(logits, masks) + iou_loss
