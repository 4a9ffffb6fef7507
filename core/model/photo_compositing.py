"""Puts the pictures of objects before backgrounds, as photographs of them might be."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .networks.foreground import SIDE
from .training.objects import TrainingObject

_FINE = 128  # pixels: side of a picture for which the widths of blur and shadow are told
Picture = NDArray[np.float32]
Panoramas = Sequence[NDArray[np.uint8]]


def held_out_panorama(panoramas: Panoramas) -> Panoramas:
    """What of ``panoramas`` training keeps for judging: the last of eight or more, else all."""
    return panoramas[-1:] if len(panoramas) >= 8 else panoramas


def composite_photo(
    color: NDArray[np.uint8], panoramas: Panoramas, rng: np.random.Generator
) -> tuple[Picture, Picture]:
    """An object's square picture (H, H, 4) as a photograph of it alone in a place: (3, H, H), and its mask (1, H, H).

    Args:
        panoramas: equirectangular pictures (H, W, 3) of places.
    """
    side = len(color)
    cut = _cut_out(color, side, rng, 0.5, 0.9, 0.0)
    return _composite(cut, _panorama_background(panoramas, side, rng), rng)


def augment_photo(
    objects: Sequence[TrainingObject], panoramas: Panoramas, rng: np.random.Generator
) -> tuple[Picture, Picture]:
    """Some object's picture before some background, harder than most photographs: to learn from.

    As :func:`composite_photo`, ``SIDE`` pixels on each side.
    """
    cut = _cut_out(_random_cutout(objects, rng), SIDE, rng)
    known = panoramas and rng.random() < 0.7
    back = (
        _recolor_panorama(_panorama_background(panoramas, SIDE, rng), rng)
        if known
        else _procedural_background(objects, rng)
    )
    for _ in range(rng.integers(1, 3) if rng.random() < 0.3 else 0):
        back = _add_distractor(back, _random_cutout(objects, rng), rng)
    return _composite(cut, back, rng)


def _composite(cut: Picture, back: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    alpha = cut[3:]
    if rng.random() < 0.4:
        back = back * (1 - 0.6 * _soft_shadow(alpha, rng))
    picture = cut[:3] * alpha + back * (1 - alpha)
    if rng.random() < 0.5:
        picture = picture * np.exp(rng.normal(0, 0.15, (3, 1, 1)))
    return _degrade_photo(picture.clip(0, 1), rng), alpha.astype(np.float32)


def _random_cutout(
    objects: Sequence[TrainingObject], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture (H, W, 4) of some object from some side."""
    thing = objects[rng.integers(0, len(objects))]
    return thing.color[rng.integers(0, len(thing.view_kinds))]


def _add_distractor(back: Picture, color: NDArray[np.uint8], rng: np.random.Generator) -> Picture:
    """``back`` (3, H, W) with another thing in it, at its margin and mostly cut by the frame."""
    side = back.shape[-1]
    other = _cut_out(color, side, rng)
    angle = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(0.45, 0.7) * side
    shift = np.rint((np.sin(angle) * reach, np.cos(angle) * reach)).astype(int)
    moved = np.zeros_like(other)
    (top, left), (bottom, right) = shift.clip(0, None), side + shift.clip(None, 0)
    moved[:, top:bottom, left:right] = other[
        :, top - shift[0] : bottom - shift[0], left - shift[1] : right - shift[1]
    ]
    return moved[:3] * moved[3:] + back * (1 - moved[3:])


def _cut_out(
    color: NDArray[np.uint8],
    side: int,
    rng: np.random.Generator,
    least: float = 0.35,
    most: float = 0.98,
    beyond: float = 0.1,
) -> Picture:
    """The object (4, H, W) cut out of its picture, at another size and place, now and then cut by the frame.

    Args:
        side: of the frame, pixels.
        least, most: share of the frame that its longer side takes. beyond: how often it is larger than the frame.
    """
    rows, columns = np.nonzero(color[..., 3] > 20)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    cut = Image.fromarray(color).crop(box)
    fill = (rng.uniform(1.0, 1.3) if rng.random() < beyond else rng.uniform(least, most)) * side
    scale = fill / max(cut.size)
    size = max(2, round(cut.width * scale)), max(2, round(cut.height * scale))
    cut = cut.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    room = np.array((side - size[0], side - size[1]))
    place = (
        (room * rng.uniform(0, 1, 2))
        if rng.random() < 0.5
        else room / 2 + rng.normal(0, 3 * side / _FINE, 2)
    )
    sheet = Image.new("RGBA", (side, side))
    sheet.paste(cut, (int(place[0]), int(place[1])))
    result = np.asarray(sheet, np.float32).transpose(2, 0, 1) / 255
    result[:3] = (result[:3] ** np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.2))).clip(0, 1)
    return result


def _panorama_background(panoramas: Panoramas, side: int, rng: np.random.Generator) -> Picture:
    """What a camera sees of a place (3, H, W), looking level or down, in or out of focus."""
    panorama = panoramas[rng.integers(0, len(panoramas))]
    height, width = panorama.shape[:2]
    reach = np.tan(np.radians(rng.uniform(15, 45)))
    x, y = np.meshgrid(*2 * [np.linspace(-reach, reach, side)])
    pitch = np.radians(rng.uniform(-50, 10))
    forward = np.cos(pitch) + y * np.sin(pitch)
    up = np.sin(pitch) - y * np.cos(pitch)
    across = (np.arctan2(x, forward) / (2 * np.pi) + rng.random()) % 1
    down = 0.5 - np.arctan2(up, np.hypot(x, forward)) / np.pi
    row = (down * height - 0.5).clip(0, height - 1.001)
    column = across * width
    i = row.astype(int)
    j = column.astype(int)
    below = (row - i)[..., None]
    beside = (column - j)[..., None]
    upper, lower = (
        panorama[k, j % width] * (1 - beside) + panorama[k, (j + 1) % width] * beside
        for k in (i, i + 1)
    )
    picture = Image.fromarray((upper * (1 - below) + lower * below).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 2.5)) * side / _FINE))
    return np.asarray(picture, np.float32).transpose(2, 0, 1) / 255


def _recolor_panorama(place: Picture, rng: np.random.Generator) -> Picture:
    """``place`` as one of many more: seen in a mirror, in other colours, or with less of them."""
    if rng.random() < 0.5:
        place = place[:, :, ::-1]
    if rng.random() < 0.5:
        place = place[rng.permutation(3)]
    if rng.random() < 0.5:
        place = place + rng.uniform(0, 1) * (place.mean(0) - place)
    return place ** np.exp(rng.normal(0, 0.3))


def _procedural_background(objects: Sequence[TrainingObject], rng: np.random.Generator) -> Picture:
    """(3, H, W): plain, a gradient, a floor before a wall, patterns, or an enlarged piece of another picture."""
    kind = rng.random()
    first, second = rng.uniform(0, 1, (2, 3, 1, 1))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    if kind < 0.15:
        plain = np.ones((3, SIDE, SIDE))
    elif kind < 0.4:
        plain = np.broadcast_to(
            first if rng.random() < 0.6 else np.full((3, 1, 1), rng.random()), (3, SIDE, SIDE)
        )
    elif kind < 0.55:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = ((np.cos(angle) * x + np.sin(angle) * y) - 0.2).clip(0, 1)
        plain = first * (1 - ramp) + second * ramp
    elif kind < 0.7:
        edge = 1 / (
            1
            + np.exp(
                -(y - rng.uniform(0.4, 0.9) + rng.normal(0, 0.2) * (x - 0.5)) * rng.uniform(20, 200)
            )
        )
        plain = first * (1 - edge) + second * edge
    elif kind < 0.85:
        plain = _value_noise(SIDE, rng)
    else:
        other = objects[rng.integers(0, len(objects))].color
        piece = Image.fromarray(other[rng.integers(0, len(other))][..., :3].copy())
        part = piece.width * rng.uniform(0.2, 0.6)
        left, top = rng.uniform(0, piece.width - part, 2)
        piece = piece.resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC, (left, top, left + part, top + part)
        )
        plain = np.asarray(piece, np.float32).transpose(2, 0, 1) / 255
    texture = rng.random() < 0.3
    return (
        plain
        + (0.25 * (_value_noise(SIDE, rng) - 0.5) if texture else 0)
        + rng.normal(0, 0.01, (3, SIDE, SIDE))
    ).clip(0, 1)


def _value_noise(side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of several sizes, in colour: (3, H, W)."""
    total = np.zeros((3, side, side))
    for cells in (2, 4, 8, 16, 32, 64):
        grid = (rng.random((cells, cells, 3)) * 255).astype(np.uint8)
        layer = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
        total += rng.random() * np.asarray(layer, np.float32).transpose(2, 0, 1) / 255
    total -= total.min()
    return total / max(total.max(), 1e-6)


def _soft_shadow(alpha: Picture, rng: np.random.Generator) -> Picture:
    """A soft shadow (1, H, W) beside and below the object."""
    scale = alpha.shape[-1] / _FINE
    blur = ImageFilter.GaussianBlur(float(rng.uniform(1, 8)) * scale)
    image = Image.fromarray((alpha[0] * 255).astype(np.uint8)).filter(blur)
    dx, dy = (int(v) for v in np.rint(rng.uniform(-12, 12, 2) * scale))
    return np.roll(np.asarray(image, np.float32)[None] / 255, (dy, dx), (1, 2)) * rng.uniform(
        0.3, 1
    )


def _degrade_photo(picture: NDArray[np.floating], rng: np.random.Generator) -> Picture:
    """Blur, noise and JPEG, now and then."""
    if rng.random() < 0.3:
        picture = (picture + rng.normal(0, rng.uniform(0, 0.05), picture.shape)).clip(0, 1)
    if rng.random() < 0.5:
        image = Image.fromarray((picture.transpose(1, 2, 0) * 255).astype(np.uint8))
        if rng.random() < 0.5:
            image = image.filter(
                ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.2)) * picture.shape[-1] / _FINE)
            )
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(30, 95)))
        picture = np.asarray(Image.open(buffer), np.float32).transpose(2, 0, 1) / 255
    return np.ascontiguousarray(picture, np.float32)
