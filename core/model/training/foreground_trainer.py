"""Trains the mask network on the training set's pictures, put before backgrounds made on the spot."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...dataset.atomic_files import make_folder
from ...jobs.task import Progress, Task
from ..inference import weights
from ..networks.foreground import ForegroundNetwork
from ..photo_compositing import Panoramas, augment_photo, held_out_panorama
from . import checkpoints
from .ema import update_ema
from .mixed_precision import enable_mixed_precision
from .objects import TrainingObject, evenly_spaced, load_split

_AVERAGE = 0.998  # of the weights' exponential moving average


def train_mask(
    datasets: Sequence[Path],
    run: Path,
    panoramas: Panoramas = (),
    steps: int = 3000,
    batch: int = 12,
    rate: float = 2e-3,
    seed: int = 0,
    imagenet: bool = True,
    start: Path | None = None,
) -> Task[Path]:
    """Train :class:`ForegroundNetwork`; writes ``run/mask.pt`` and ``run/mask.csv`` (step, loss, IoU on unseen objects).

    What is judged, and exported, is the moving average of the weights. Goes on from ``run/mask.pt`` if it is there, and
    stops after the step during which a file ``run/stop`` appears.

    Args:
        panoramas: equirectangular pictures (H, W, 3) of places that may lie behind the objects; the last of eight
            or more is kept for the unseen ones.
        imagenet: whether the backbone starts from what it learned there.
        start: a file of weights whose mask network to begin with instead.

    Raises:
        DatasetError: a set is missing or damaged. DependencyError: the package of ImageNet's weights is missing.
        WeightsError: ``start`` is missing or damaged.
    """
    make_folder(run)
    stop = run / "stop"
    stop.unlink(missing_ok=True)
    yield Progress(0, "Reading the training set")
    objects = load_split(datasets, "train")
    unseen = evenly_spaced(load_split(datasets, "validation"), 96)
    torch.manual_seed(seed)
    network = ForegroundNetwork()
    first = 0
    path = run / "mask.pt"
    kept = held_out_panorama(panoramas)
    panoramas = panoramas[:-1] if len(panoramas) > len(kept) else panoramas
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
    if start:
        network.load_state_dict(weights.load_weights(start)[1].state_dict())
    elif imagenet and not path.exists():
        network.backbone.start_from_imagenet()
    average = copy.deepcopy(network)
    if path.exists():
        state = checkpoints.read_checkpoint(path)
        first = state["step"]
        network.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimiser"])
    enable_mixed_precision(network, "automatic", torch.device("cpu"))

    def drawn(step: int) -> tuple[Tensor, Tensor]:
        return sample_masked_batch(objects, panoramas, batch, np.random.default_rng((seed, step)))

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(drawn, first)
        for step in range(first, steps):
            for group in optimizer.param_groups:
                group["lr"] = (
                    rate * min((step + 1) / 100, 0.5 + 0.5 * float(np.cos(np.pi * step / steps)))
                    + 1e-6
                )
            network.train()
            (pictures, masks), coming = coming.result(), pool.submit(drawn, step + 1)
            loss = _mask_loss(network(pictures), masks)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            update_ema(average, network, _AVERAGE, step)
            stopped = stop.exists()
            if (step + 1) % 100 == 0 or step + 1 == steps or stopped:
                score = mask_iou(
                    average, *sample_masked_batch(unseen, kept, 48, np.random.default_rng(1))
                )
                with (run / "mask.csv").open("a", encoding="utf-8") as log:
                    log.write(f"{step + 1},{float(loss.detach()):.5f},{score:.5f}\n")
                state = {"model": network.state_dict(), "average": average.state_dict()}
                checkpoints.write_checkpoint(
                    path, {"step": step + 1, **state, "optimiser": optimizer.state_dict()}
                )
            yield Progress(step / steps, f"Step {step}, loss {float(loss.detach()):.3f}")
            if stopped:
                stop.unlink(missing_ok=True)
                break
    return path


@torch.inference_mode()
def mask_iou(network: ForegroundNetwork, pictures: Tensor, masks: Tensor) -> float:
    """Mean IoU of the network's masks with the true ones (B, 1, H, W)."""
    network.eval()
    found = network(pictures) > 0
    true = masks > 0.5
    return float(
        ((found & true).sum((1, 2, 3)) / (found | true).sum((1, 2, 3)).clamp(min=1)).mean()
    )


def sample_masked_batch(
    objects: Sequence[TrainingObject], panoramas: Panoramas, count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """``count`` pictures (B, 3, H, W) with a background and their masks (B, 1, H, W)."""
    made = [augment_photo(objects, panoramas, rng) for _ in range(count)]
    pictures, masks = (np.stack(part) for part in zip(*made, strict=True))
    return torch.from_numpy(pictures), torch.from_numpy(masks)


def _mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy and soft IoU."""
    found = logits.sigmoid()
    both = (found * masks).sum((1, 2, 3))
    either = (found + masks - found * masks).sum((1, 2, 3))
    return (
        F.binary_cross_entropy_with_logits(logits, masks) + (1 - (both + 1) / (either + 1)).mean()
    )
