"""Puts the pictures of objects before backgrounds, as photographs of them might be."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .data import TrainingObject

_SIDE = 128
Picture = NDArray[np.float32]
Panoramas = Sequence[NDArray[np.uint8]]


def unseen_place(panoramas: Panoramas) -> Panoramas:
    """What of ``panoramas`` training keeps for judging: the last of eight or more, else all."""
    return panoramas[-1:] if len(panoramas) >= 8 else panoramas


def photograph(colour: NDArray[np.uint8], panoramas: Panoramas, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """An object's picture (H, W, 4) as a photograph of it alone in a place: (3, 128, 128), and its mask (1, 128, 128).

    Args:
        panoramas: equirectangular pictures (H, W, 3) of places.
    """
    cut = _cut_out(colour, rng, 0.5, 0.9, 0.0)
    return _composed(cut, _place(panoramas, rng), rng)


def disguise(
    objects: Sequence[TrainingObject], panoramas: Panoramas, rng: np.random.Generator
) -> tuple[Picture, Picture]:
    """Some object's picture before some background, harder than most photographs: to learn from. As `photograph`."""
    cut = _cut_out(_any_picture(objects, rng), rng)
    known = panoramas and rng.random() < 0.7
    back = _recoloured(_place(panoramas, rng), rng) if known else _background(objects, rng)
    for _ in range(rng.integers(1, 3) if rng.random() < 0.3 else 0):
        back = _beside(back, _any_picture(objects, rng), rng)
    return _composed(cut, back, rng)


def _composed(cut: Picture, back: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    alpha = cut[3:]
    if rng.random() < 0.4:
        back = back * (1 - 0.6 * _shadow(alpha, rng))
    picture = cut[:3] * alpha + back * (1 - alpha)
    if rng.random() < 0.5:
        picture = picture * np.exp(rng.normal(0, 0.15, (3, 1, 1)))
    return _degraded(picture.clip(0, 1), rng), alpha.astype(np.float32)


def _any_picture(objects: Sequence[TrainingObject], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (H, W, 4) of some object from some side."""
    thing = objects[rng.integers(0, len(objects))]
    return thing.colour[rng.integers(0, len(thing.kinds))]


def _beside(back: Picture, colour: NDArray[np.uint8], rng: np.random.Generator) -> Picture:
    """``back`` (3, H, W) with another thing in it, at its margin and mostly cut by the frame."""
    other = _cut_out(colour, rng)
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.7) * _SIDE
    shift = np.rint((np.sin(angle) * reach, np.cos(angle) * reach)).astype(int)
    moved = np.zeros_like(other)
    (top, left), (bottom, right) = shift.clip(0, None), _SIDE + shift.clip(None, 0)
    moved[:, top:bottom, left:right] = other[:, top - shift[0] : bottom - shift[0], left - shift[1] : right - shift[1]]
    return moved[:3] * moved[3:] + back * (1 - moved[3:])


def _cut_out(
    colour: NDArray[np.uint8], rng: np.random.Generator, least: float = 0.35, most: float = 0.98, beyond: float = 0.1
) -> Picture:
    """The object (4, H, W) cut out of its picture, at another size and place, now and then cut by the frame.

    Args:
        least, most: share of the frame that its longer side takes. beyond: how often it is larger than the frame.
    """
    rows, columns = np.nonzero(colour[..., 3] > 20)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    cut = Image.fromarray(colour).crop(box)
    fill = (rng.uniform(1.0, 1.3) if rng.random() < beyond else rng.uniform(least, most)) * _SIDE
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


def _place(panoramas: Panoramas, rng: np.random.Generator) -> Picture:
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


def _recoloured(place: Picture, rng: np.random.Generator) -> Picture:
    """``place`` as one of many more: seen in a mirror, in other colours, or with less of them."""
    if rng.random() < 0.5:
        place = place[:, :, ::-1]
    if rng.random() < 0.5:
        place = place[rng.permutation(3)]
    if rng.random() < 0.5:
        place = place + rng.uniform(0, 1) * (place.mean(0) - place)
    return place ** np.exp(rng.normal(0, 0.3))


def _background(objects: Sequence[TrainingObject], rng: np.random.Generator) -> Picture:
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
