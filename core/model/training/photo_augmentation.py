"""Photograph-like images of training objects to learn from: harder than most photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..networks.foreground import SIDE
from ..photo_compositing import (
    CompositingConfig,
    CutoutConfig,
    Panoramas,
    Pixels,
    composite_on_background,
    cut_out,
    panorama_background,
    to_channels,
)
from .objects import TrainingObject

# Cells along each side of the layers of value noise.
_NOISE_CELLS = (2, 4, 8, 16, 32, 64)
# Rounding of summed shares, so that they meet the sums as one would write them.
_SHARE_DIGITS = 12

_Color = NDArray[np.float64]
# float32 or float64: panoramas stay in the precision in which they are recolored.
_Background = NDArray[Any]


@dataclass(frozen=True)
class PhotoAugmentationConfig:
    """How photograph-like images are made. ``*_odds`` and ``*_share`` are probabilities.

    Attributes:
        panorama_odds: of a background from a panorama, if there are any; the others are procedural.
        distractor_odds: of one or two other objects at the edges of the image.
        distractor_distances: smallest and largest distance from the middle to a distractor's, of
            the image's side.
        panorama_mirror_odds: of the mirror image of a panorama. With the next two it makes many
            backgrounds of few.
        panorama_permute_odds: of its color channels in another order.
        panorama_desaturate_odds: of less saturation.
        panorama_gamma_std: of the tone curve's exponent, natural logarithm.
        white_share: of procedural backgrounds; shops have them.
        plain_share: of one color.
        plain_color_odds: of a plain background that is not gray.
        gradient_share: of two colors.
        floor_share: of a floor in front of a wall.
        noise_share: of patterns; the remaining backgrounds are enlarged details of other images.
        texture_odds: of a pattern on a procedural background.
        texture_strength: its contrast.
        grain_std: of pixel noise on procedural backgrounds.
        cutout: how objects are placed.
        compositing: how the photograph looks.
    """

    panorama_odds: float = 0.7
    distractor_odds: float = 0.3
    distractor_distances: tuple[float, float] = (0.45, 0.7)
    panorama_mirror_odds: float = 0.5
    panorama_permute_odds: float = 0.5
    panorama_desaturate_odds: float = 0.5
    panorama_gamma_std: float = 0.3
    white_share: float = 0.15
    plain_share: float = 0.25
    plain_color_odds: float = 0.6
    gradient_share: float = 0.15
    floor_share: float = 0.15
    noise_share: float = 0.15
    texture_odds: float = 0.3
    texture_strength: float = 0.25
    grain_std: float = 0.01
    cutout: CutoutConfig = field(default_factory=CutoutConfig)
    compositing: CompositingConfig = field(default_factory=CompositingConfig)


_DEFAULT = PhotoAugmentationConfig()


def augment_photo(
    objects: Sequence[TrainingObject],
    panoramas: Panoramas,
    rng: np.random.Generator,
    config: PhotoAugmentationConfig = _DEFAULT,
) -> tuple[Pixels, Pixels]:
    """Return a random object on a random background, (3, SIDE, SIDE), and its mask (1, SIDE, SIDE).

    Args:
        objects: to choose from; their images also become distractors and backgrounds.
        panoramas: equirectangular images (H, W, 3) of backgrounds; may be empty.
        rng: source of all choices.
        config: how images are made.
    """
    cutout = cut_out(_random_image(objects, rng), SIDE, rng, config.cutout)

    # What is behind the object.
    if panoramas and rng.random() < config.panorama_odds:
        panorama = panorama_background(panoramas, SIDE, rng)
        background = _recolor_panorama(panorama, rng, config)
    else:
        background = _procedural_background(objects, rng, config)

    # Other objects, which the mask must leave out.
    distractors = 0
    if rng.random() < config.distractor_odds:
        distractors = int(rng.integers(1, 3))
    for _ in range(distractors):
        background = _add_distractor(background, _random_image(objects, rng), rng, config)
    return composite_on_background(cutout, background, rng, config.compositing)


def _random_image(objects: Sequence[TrainingObject], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the image (H, W, 4) of a random view of a random object."""
    training_object = objects[rng.integers(0, len(objects))]
    return training_object.color[int(rng.integers(0, len(training_object.view_kinds)))]


def _add_distractor(
    background: _Background,
    color: NDArray[np.uint8],
    rng: np.random.Generator,
    config: PhotoAugmentationConfig,
) -> _Background:
    """Return a background (3, H, H) with another object at its edge, mostly cut off by it."""
    size = background.shape[-1]
    other = cut_out(color, size, rng, config.cutout)

    # How far from the middle, in rows and columns.
    angle = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(*config.distractor_distances) * size
    direction = np.array((np.sin(angle), np.cos(angle)))
    shift = np.rint(direction * distance).astype(int)

    # Shift the image of the other object; what leaves the frame is lost.
    shifted = np.zeros_like(other)
    top, left = shift.clip(0, None)
    bottom, right = size + shift.clip(None, 0)
    source_rows = slice(top - shift[0], bottom - shift[0])
    source_columns = slice(left - shift[1], right - shift[1])
    shifted[:, top:bottom, left:right] = other[:, source_rows, source_columns]
    mask = shifted[3:]
    composite: _Background = shifted[:3] * mask + background * (1 - mask)

    return composite


def _recolor_panorama(
    background: _Background, rng: np.random.Generator, config: PhotoAugmentationConfig
) -> _Background:
    """Return a background (3, H, W) that may be mirrored, recolored or less saturated."""
    if rng.random() < config.panorama_mirror_odds:
        background = background[:, :, ::-1]

    # Other colors, and fewer.
    if rng.random() < config.panorama_permute_odds:
        background = background[rng.permutation(3)]
    if rng.random() < config.panorama_desaturate_odds:
        gray = background.mean(0)
        background = background + rng.uniform(0, 1) * (gray - background)

    # Another exposure.
    recolored: _Background = background ** np.exp(rng.normal(0, config.panorama_gamma_std))
    return recolored


def _procedural_background(
    objects: Sequence[TrainingObject], rng: np.random.Generator, config: PhotoAugmentationConfig
) -> NDArray[np.float64]:
    """Return a background (3, SIDE, SIDE) without a panorama: one of six kinds."""
    shares = (
        config.white_share,
        config.plain_share,
        config.gradient_share,
        config.floor_share,
        config.noise_share,
    )
    # Both colors are drawn, needed or not, so that all kinds take the same random numbers before.
    kind = _kind_index(shares, rng.random())
    first, second = rng.uniform(0, 1, (2, 3, 1, 1))

    background: _Background
    if kind == 0:
        background = np.ones((3, SIDE, SIDE))
    elif kind == 1:
        color = first
        if rng.random() >= config.plain_color_odds:
            color = np.full((3, 1, 1), rng.random())
        background = np.broadcast_to(color, (3, SIDE, SIDE))
    elif kind == 2:
        background = _gradient(first, second, rng)
    elif kind == 3:
        background = _floor_and_wall(first, second, rng)
    elif kind == 4:
        background = _value_noise(SIDE, rng)
    else:
        background = _enlarged_detail(objects, rng)

    # Nothing real is entirely even.
    if rng.random() < config.texture_odds:
        background = background + config.texture_strength * (_value_noise(SIDE, rng) - 0.5)
    grain = rng.normal(0, config.grain_std, (3, SIDE, SIDE))
    result: NDArray[np.float64] = (background + grain).clip(0, 1)
    return result


def _kind_index(shares: Sequence[float], roll: float) -> int:
    """Return which of ``shares`` a number in 0..1 falls into; their count if beyond their sum."""
    limit = 0.0
    for index, share in enumerate(shares):
        limit = round(limit + share, _SHARE_DIGITS)
        if roll < limit:
            return index
    return len(shares)


def _pixel_grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return y and x (SIDE, SIDE) in 0..1 of the pixels."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return y, x


def _gradient(first: _Color, second: _Color, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a gradient (3, SIDE, SIDE) between two colors (3, 1, 1) in a random direction."""
    y, x = _pixel_grid()
    angle = rng.uniform(0, 2 * np.pi)
    ramp = ((np.cos(angle) * x + np.sin(angle) * y) - 0.2).clip(0, 1)
    gradient: NDArray[np.float64] = first * (1 - ramp) + second * ramp
    return gradient


def _floor_and_wall(first: _Color, second: _Color, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a wall and a floor (3, SIDE, SIDE) of two colors, with a sharp or soft edge."""
    y, x = _pixel_grid()
    height = rng.uniform(0.4, 0.9)
    slant = rng.normal(0, 0.2)
    sharpness = rng.uniform(20, 200)

    # A sigmoid of the distance below the edge: 0 on the wall, 1 on the floor.
    below_edge = y - height + slant * (x - 0.5)
    floor = 1 / (1 + np.exp(-below_edge * sharpness))
    background: NDArray[np.float64] = first * (1 - floor) + second * floor
    return background


def _enlarged_detail(
    objects: Sequence[TrainingObject], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return an enlarged detail (3, SIDE, SIDE) of a random image."""
    # Without its alpha, the colors beyond the object's edge are part of the pattern.
    images = objects[rng.integers(0, len(objects))].color
    color = images[int(rng.integers(0, len(images)))]
    image = Image.fromarray(color[..., :3].copy())

    size = image.width * rng.uniform(0.2, 0.6)
    left, top = rng.uniform(0, image.width - size, 2)
    box = (left, top, left + size, top + size)
    enlarged = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)

    return to_channels(enlarged)


def _value_noise(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return colored noise (3, size, size) in 0..1: a sum of random grids, coarse to fine."""
    total = np.zeros((3, size, size))
    for cells in _NOISE_CELLS:
        grid = rng.random((cells, cells, 3)) * 255
        image = Image.fromarray(grid.astype(np.uint8))
        layer = image.resize((size, size), Image.Resampling.BICUBIC)
        values = np.asarray(layer, np.float32).transpose(2, 0, 1)
        total += rng.random() * values / 255

    # To the full range.
    total -= total.min()
    noise: NDArray[np.float64] = total / max(total.max(), 1e-6)
    return noise
