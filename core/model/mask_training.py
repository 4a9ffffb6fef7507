"""Trains the mask network on the training set's pictures, put before backgrounds made on the spot."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from ..work import Progress, Work
from .data import TrainingObject, load_split, spread
from .segmentation import MaskNetwork

_SIDE = 128
Picture = NDArray[np.float32]


def train_mask(
    datasets: Sequence[Path],
    run: Path,
    panoramas: Sequence[NDArray[np.uint8]] = (),
    steps: int = 1500,
    batch: int = 24,
    rate: float = 2e-3,
    seed: int = 0,
    imagenet: bool = True,
) -> Work[Path]:
    """Train :class:`MaskNetwork`; writes ``run/mask.pt`` and ``run/mask.csv`` (step, loss, IoU on unseen objects).

    Goes on from ``run/mask.pt`` if it is there.

    Args:
        panoramas: equirectangular pictures (H, W, 3) of places that may lie behind the objects; the last of eight
            or more is kept for the unseen ones.
        imagenet: whether the backbone starts from what it learned there.

    Raises:
        DatasetError: a set is missing or damaged. DependencyError: the package of ImageNet's weights is missing.
    """
    run.mkdir(parents=True, exist_ok=True)
    yield Progress(0, "Reading the training set")
    objects, unseen = load_split(datasets, "train"), spread(load_split(datasets, "validation"), 96)
    torch.manual_seed(seed)
    network, first, path = MaskNetwork(), 0, run / "mask.pt"
    kept = panoramas[-1:] if len(panoramas) >= 8 else panoramas
    panoramas = panoramas[:-1] if len(panoramas) >= 8 else panoramas
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
    if imagenet and not path.exists():
        network.backbone.start_from_imagenet()
    if path.exists():
        state = torch.load(path, weights_only=True)
        first = state["step"]
        network.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min((step + 1) / 100, 0.5 + 0.5 * float(np.cos(np.pi * step / steps))) + 1e-6
        network.train()
        pictures, masks = draw(objects, panoramas, batch, np.random.default_rng((seed, step)))
        loss = _loss(network(pictures), masks)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            score = mask_iou(network, *draw(unseen, kept, 48, np.random.default_rng(1)))
            with (run / "mask.csv").open("a", encoding="utf-8") as log:
                log.write(f"{step + 1},{float(loss.detach()):.5f},{score:.5f}\n")
            torch.save({"step": step + 1, "model": network.state_dict(), "optimiser": optimiser.state_dict()}, path)
        yield Progress(step / steps, f"Step {step}, loss {float(loss.detach()):.3f}")
    return path


@torch.inference_mode()
def mask_iou(network: MaskNetwork, pictures: Tensor, masks: Tensor) -> float:
    """Mean IoU of the network's masks with the true ones (B, 1, H, W)."""
    network.eval()
    found, true = network(pictures) > 0, masks > 0.5
    return float(((found & true).sum((1, 2, 3)) / (found | true).sum((1, 2, 3)).clamp(min=1)).mean())


def draw(
    objects: list[TrainingObject], panoramas: Sequence[NDArray[np.uint8]], count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """``count`` pictures (B, 3, H, W) with a background and their masks (B, 1, H, W)."""
    made = [_composite(objects, panoramas, rng) for _ in range(count)]
    pictures, masks = (np.stack(part) for part in zip(*made, strict=True))
    return torch.from_numpy(pictures), torch.from_numpy(masks)


def _loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy and soft IoU."""
    found = logits.sigmoid()
    both, either = (found * masks).sum((1, 2, 3)), (found + masks - found * masks).sum((1, 2, 3))
    return F.binary_cross_entropy_with_logits(logits, masks) + 0.5 * (1 - (both + 1) / (either + 1)).mean()


def _composite(
    objects: list[TrainingObject], panoramas: Sequence[NDArray[np.uint8]], rng: np.random.Generator
) -> tuple[Picture, Picture]:
    thing = objects[rng.integers(0, len(objects))]
    cut = _cut_out(thing.colour[rng.integers(0, len(thing.kinds))], rng)
    alpha = cut[3:]
    back = _place(panoramas, rng) if panoramas and rng.random() < 0.4 else _background(objects, rng)
    if rng.random() < 0.4:
        back = back * (1 - 0.6 * _shadow(alpha, rng))
    picture = cut[:3] * alpha + back * (1 - alpha)
    if rng.random() < 0.5:
        picture = picture * np.exp(rng.normal(0, 0.15, (3, 1, 1)))
    return _degraded(picture.clip(0, 1), rng), alpha.astype(np.float32)


def _cut_out(colour: NDArray[np.uint8], rng: np.random.Generator) -> Picture:
    """The object (4, H, W) cut out of its picture, at another size and place, now and then cut by the frame."""
    rows, columns = np.nonzero(colour[..., 3] > 20)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    cut = Image.fromarray(colour).crop(box)
    fill = rng.uniform(0.35, 0.98) * _SIDE if rng.random() < 0.9 else rng.uniform(1.0, 1.3) * _SIDE
    scale = fill / max(cut.size)
    size = max(2, round(cut.width * scale)), max(2, round(cut.height * scale))
    cut = cut.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    room = np.array((_SIDE - size[0], _SIDE - size[1]))
    place = (room * rng.uniform(0, 1, 2)) if rng.random() < 0.5 else room / 2 + rng.normal(0, 3, 2)
    sheet = Image.new("RGBA", (_SIDE, _SIDE))
    sheet.paste(cut, (int(place[0]), int(place[1])))
    result = np.asarray(sheet, np.float32).transpose(2, 0, 1) / 255
    result[:3] = (result[:3] ** np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.2))).clip(0, 1)
    return result


def _place(panoramas: Sequence[NDArray[np.uint8]], rng: np.random.Generator) -> Picture:
    """What a camera sees of a place (3, H, W), looking level or down, in or out of focus."""
    panorama = panoramas[rng.integers(0, len(panoramas))]
    height, width = panorama.shape[:2]
    reach = np.tan(np.radians(rng.uniform(15, 45)))
    x, y = np.meshgrid(*2 * [np.linspace(-reach, reach, _SIDE)])
    pitch = np.radians(rng.uniform(-50, 10))
    forward, up = np.cos(pitch) + y * np.sin(pitch), np.sin(pitch) - y * np.cos(pitch)
    across = (np.arctan2(x, forward) / (2 * np.pi) + rng.random()) % 1
    down = 0.5 - np.arctan2(up, np.hypot(x, forward)) / np.pi
    rows, columns = (down * height).astype(int).clip(0, height - 1), (across * width).astype(int) % width
    picture = Image.fromarray(panorama[rows, columns]).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 2.5))))
    return np.asarray(picture, np.float32).transpose(2, 0, 1) / 255


def _background(objects: list[TrainingObject], rng: np.random.Generator) -> Picture:
    """(3, H, W): plain, a gradient, a floor before a wall, patterns, or an enlarged piece of another picture."""
    kind = rng.random()
    first, second = rng.uniform(0, 1, (2, 3, 1, 1))
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    if kind < 0.15:
        plain = np.ones((3, _SIDE, _SIDE))
    elif kind < 0.4:
        plain = np.broadcast_to(first if rng.random() < 0.6 else np.full((3, 1, 1), rng.random()), (3, _SIDE, _SIDE))
    elif kind < 0.55:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = ((np.cos(angle) * x + np.sin(angle) * y) - 0.2).clip(0, 1)
        plain = first * (1 - ramp) + second * ramp
    elif kind < 0.7:
        edge = 1 / (1 + np.exp(-(y - rng.uniform(0.4, 0.9) + rng.normal(0, 0.2) * (x - 0.5)) * rng.uniform(20, 200)))
        plain = first * (1 - edge) + second * edge
    elif kind < 0.85:
        plain = _clouds(rng)
    else:
        other = objects[rng.integers(0, len(objects))].colour
        piece = Image.fromarray(other[rng.integers(0, len(other))][..., :3].copy())
        side = int(rng.integers(24, 80))
        left, top = rng.integers(0, _SIDE - side, 2)
        piece = piece.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
        plain = np.asarray(piece, np.float32).transpose(2, 0, 1) / 255
    texture = rng.random() < 0.3
    return (plain + (0.25 * (_clouds(rng) - 0.5) if texture else 0) + rng.normal(0, 0.01, (3, _SIDE, _SIDE))).clip(0, 1)


def _clouds(rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of several sizes, in colour: (3, H, W)."""
    total = np.zeros((3, _SIDE, _SIDE))
    for side in (2, 4, 8, 16, 32, 64):
        grid = (rng.random((side, side, 3)) * 255).astype(np.uint8)
        layer = Image.fromarray(grid).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        total += rng.random() * np.asarray(layer, np.float32).transpose(2, 0, 1) / 255
    total -= total.min()
    return total / max(total.max(), 1e-6)


def _shadow(alpha: Picture, rng: np.random.Generator) -> Picture:
    """A soft shadow (1, H, W) beside and below the object."""
    image = Image.fromarray((alpha[0] * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(float(rng.uniform(1, 8)))
    )
    dx, dy = (int(v) for v in rng.integers(-12, 13, 2))
    return np.roll(np.asarray(image, np.float32)[None] / 255, (dy, dx), (1, 2)) * rng.uniform(0.3, 1)


def _degraded(picture: NDArray[np.floating], rng: np.random.Generator) -> Picture:
    """Blur, noise and JPEG, now and then."""
    if rng.random() < 0.3:
        picture = (picture + rng.normal(0, rng.uniform(0, 0.05), picture.shape)).clip(0, 1)
    if rng.random() < 0.5:
        image = Image.fromarray((picture.transpose(1, 2, 0) * 255).astype(np.uint8))
        if rng.random() < 0.5:
            image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.2))))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(30, 95)))
        picture = np.asarray(Image.open(buffer), np.float32).transpose(2, 0, 1) / 255
    return np.ascontiguousarray(picture, np.float32)
