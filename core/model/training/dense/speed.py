"""Times the steps of training the dense network on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import torch

from ...networks.dense_single_view import RAY_BINS
from ...networks.dense_trunk import CONDITIONS, IMAGE_CHANNELS
from .batches import BatchSource, DenseBatch, batches_from
from .objects import load_dense_split
from .trainer import DenseRunConfig, DenseTrainer, image_flop

_WARM_STEPS = 2


@dataclass(frozen=True)
class StepTimes:
    """Median seconds of the parts of a step, and of the whole.

    Attributes:
        forward: with losses. backward: gradients. rest: optimizer and moving average.
    """

    forward: float
    backward: float
    rest: float
    whole: float


def training_report(datasets: Sequence[Path], config: DenseRunConfig, steps: int) -> str:
    """Return a table of how long a step takes, and drawing its batch if ``datasets`` are named.

    Args:
        datasets: training sets to draw batches from, or none.
        config: of the run whose steps are timed.
        steps: to take the median of.

    Raises:
        DatasetError: a set is missing, damaged, or without what training needs.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = DenseTrainer(config, device)
    images = config.sampling.objects * config.sampling.views
    times = step_times(trainer, random_batch(images, config.sampling.side).to(device), steps)
    flop = images * image_flop(config)
    parameters = sum(value.numel() for value in trainer.network.parameters()) / 1e6
    precision = "bfloat16 (mixed)" if trainer.mixed else "float32"
    lines = [
        f"{'network':24}{parameters:10.1f} M parameters",
        f"{'an image':24}{flop / images / 3e9:10.2f} GFLOP forward at {config.sampling.side} px",
        f"{'precision':24}{precision:>10}",
        f"{'forward and losses':24}{1e3 * times.forward:10.0f} ms a step of {images} images",
        f"{'backward':24}{1e3 * times.backward:10.0f} ms",
        f"{'optimizer, average':24}{1e3 * times.rest:10.0f} ms",
        f"{'all':24}{1e3 * times.whole:10.0f} ms",
        f"{'speed':24}{images / times.whole:10.1f} images/s",
        f"{'':24}{flop / times.whole / 1e9:10.0f} GFLOP/s",
    ]

    if datasets:
        seconds = loader_seconds(datasets, config, steps)
        lines.append(f"{'loader alone':24}{1e3 * seconds:10.0f} ms a step")
        lines.append(f"{'':24}{images / seconds:10.1f} images/s")

    lines.append(f"{device.type}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    return "\n".join(lines)


def random_batch(images: int, side: int) -> DenseBatch:
    """Return a batch of noise in which a third of each image is known to show something."""
    generator = torch.Generator().manual_seed(0)
    half = side // 2
    shown = torch.rand(images, half, half, generator=generator) < 0.3
    normals = torch.nn.functional.normalize(torch.randn(images, 3, half, half), dim=1)
    plane = torch.zeros(images, 4)

    return DenseBatch(
        image=torch.rand(images, IMAGE_CHANNELS, side, side, generator=generator),
        conditions=torch.rand(images, CONDITIONS, generator=generator),
        shown=shown,
        first_depth=torch.rand(images, half, half, generator=generator) - 0.5,
        intervals=shown.to(torch.uint8),
        layers=torch.rand(images, 3, half, half, generator=generator),
        ray_occupancy=torch.zeros(images, RAY_BINS, half, half, dtype=torch.uint8),
        front_normal=normals * shown[:, None],
        back_normal=normals * shown[:, None],
        parts=shown.long() - 1,
        up=torch.tensor((0.0, 0.0, 1.0)).expand(images, 3).clone(),
        mirror_plane=plane,
        field_of_view=torch.full((images,), 0.5),
        depth_extent=torch.zeros(images),
        free=torch.arange(images) % 2 == 0,
        family=torch.zeros(images, dtype=torch.int64),
    )


def step_times(trainer: DenseTrainer, batch: DenseBatch, steps: int) -> StepTimes:
    """Return the median seconds of the parts of ``steps`` steps, after two to warm up."""
    rows = []
    for _ in range(_WARM_STEPS + steps):
        began = _now(trainer.device)
        losses = trainer.losses(batch)
        looked = _now(trainer.device)
        losses["all"].backward()
        differentiated = _now(trainer.device)
        trainer.update()
        ended = _now(trainer.device)
        parts = (looked - began, differentiated - looked, ended - differentiated, ended - began)
        rows.append(parts)

    return StepTimes(*(median(part) for part in zip(*rows[_WARM_STEPS:], strict=True)))


def loader_seconds(datasets: Sequence[Path], config: DenseRunConfig, steps: int) -> float:
    """Return the mean seconds between two batches if nothing else is done."""
    objects = load_dense_split(datasets, "train")
    families = sorted({item.family for item in objects})
    source = BatchSource(
        objects, families, config.training.seed, config.sampling, config.augmentation
    )
    first = config.augmentation.clean_steps  # where all is varied
    batches = batches_from(source, first, torch.device("cpu"))
    next(batches)
    began = time.perf_counter()
    for _ in islice(batches, steps):
        pass
    return (time.perf_counter() - began) / steps


def _now(device: torch.device) -> float:
    """Return the time in seconds when all that was started on ``device`` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
