"""Composite images of objects onto backgrounds, as photographs of them might look."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

# Widths of blur and shadow are given for an image of this size, pixels, and scale with it.
REFERENCE_SIZE = 128
# From this many panoramas on, one is kept for validation.
_MIN_TO_HOLD_OUT = 8
# A pixel whose alpha (0 to 255) is above this belongs to the object's bounding box.
_VISIBLE_ALPHA = 20

Pixels = NDArray[np.float32]
Panoramas = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class CutoutConfig:
    """How an object is placed in a photograph.

    Attributes:
        smallest: of the photograph's side, the object's longer side at least: users fill the frame.
        largest: the same at most.
        oversized_odds: of an object larger than the photograph and cut by its edges.
        largest_oversize: its longer side at most in that case.
        mirror_odds: of the mirror image.
        anywhere_odds: of a uniform position instead of one near the middle.
        center_std: of a position near the middle, pixels of an image of ``REFERENCE_SIZE``.
        gamma_std: of the tone curve's exponent, natural logarithm.
        gain_std: of the brightness, natural logarithm.
    """

    smallest: float = 0.35
    largest: float = 0.98
    oversized_odds: float = 0.1
    largest_oversize: float = 1.3
    mirror_odds: float = 0.5
    anywhere_odds: float = 0.5
    center_std: float = 3.0
    gamma_std: float = 0.25
    gain_std: float = 0.2


@dataclass(frozen=True)
class CompositingConfig:
    """How a photograph of an object and a background looks.

    Attributes:
        shadow_odds: of a shadow on the background.
        shadow_darkness: of the background's brightness, what the darkest shadow takes.
        tint_odds: of a tint of the light, as a camera's white balance leaves it.
        tint_std: of each channel's brightness, natural logarithm.
        noise_odds: of pixel noise.
        largest_noise: its standard deviation at most.
        compression_odds: of JPEG compression.
        qualities: lowest JPEG quality, and the first one above the highest.
        blur_odds: of a blur before compression.
        blur_radii: smallest and largest, pixels of an image of ``REFERENCE_SIZE``.
    """

    shadow_odds: float = 0.4
    shadow_darkness: float = 0.6
    tint_odds: float = 0.5
    tint_std: float = 0.15
    noise_odds: float = 0.3
    largest_noise: float = 0.05
    compression_odds: float = 0.5
    qualities: tuple[int, int] = (30, 95)
    blur_odds: float = 0.5
    blur_radii: tuple[float, float] = (0.2, 1.2)


# Of a photograph that is evaluated: the object is seen completely, neither tiny nor touching the
# edges.
_COMPLETE_OBJECT = CutoutConfig(smallest=0.5, largest=0.9, oversized_odds=0.0)
_DEFAULT = CompositingConfig()


def held_out_panorama(panoramas: Panoramas) -> Panoramas:
    """Return the panoramas kept for validation: the last of eight or more, else all."""
    if len(panoramas) >= _MIN_TO_HOLD_OUT:
        return panoramas[-1:]
    return panoramas


def composite_photo(
    color: NDArray[np.uint8], panoramas: Panoramas, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Return an object as in a photograph of it alone: (3, H, H), and its mask (1, H, H).

    Args:
        color: (H, H, 4) image of the object with straight alpha.
        panoramas: equirectangular images (H, W, 3) of backgrounds.
        rng: source of all choices.
    """
    size = len(color)
    cutout = cut_out(color, size, rng, _COMPLETE_OBJECT)
    background = panorama_background(panoramas, size, rng)
    return composite_on_background(cutout, background, rng)


def composite_on_background(
    cutout: Pixels,
    background: NDArray[np.floating[Any]],
    rng: np.random.Generator,
    config: CompositingConfig = _DEFAULT,
) -> tuple[Pixels, Pixels]:
    """Return a photo (3, H, H) of a cutout (4, H, H) on a background, and its mask (1, H, H)."""
    alpha = cutout[3:]

    # The shadow falls on the background only, not on the object.
    if rng.random() < config.shadow_odds:
        shadow = config.shadow_darkness * _soft_shadow(alpha, rng)
        background = background * (1 - shadow)
    photo: NDArray[np.floating[Any]] = np.add(cutout[:3] * alpha, background * (1 - alpha))

    # The tint of the light is the same for both.
    if rng.random() < config.tint_odds:
        tint = np.exp(rng.normal(0, config.tint_std, (3, 1, 1)))
        photo = photo * tint
    photo = _degrade_photo(photo.clip(0, 1), rng, config)
    return photo, alpha.astype(np.float32)


def cut_out(
    color: NDArray[np.uint8], size: int, rng: np.random.Generator, config: CutoutConfig
) -> Pixels:
    """Cut the object out and place it in a square (4, size, size), at another scale and position.

    Args:
        color: (H, W, 4) image of the object with straight alpha.
        size: side of the square, pixels.
        rng: source of all choices.
        config: how it is placed.
    """
    # The bounding box of the object.
    rows, columns = np.nonzero(color[..., 3] > _VISIBLE_ALPHA)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    cutout = Image.fromarray(color).crop(box)

    # Scale.
    if rng.random() < config.oversized_odds:
        fill = rng.uniform(1.0, config.largest_oversize)
    else:
        fill = rng.uniform(config.smallest, config.largest)

    scale = fill * size / max(cutout.size)
    width = max(2, round(cutout.width * scale))
    height = max(2, round(cutout.height * scale))
    cutout = cutout.resize((width, height), Image.Resampling.BILINEAR)
    if rng.random() < config.mirror_odds:
        cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    # Position of the upper left corner: anywhere, or near the middle.
    free_space = np.array((size - width, size - height))
    if rng.random() < config.anywhere_odds:
        corner = free_space * rng.uniform(0, 1, 2)
    else:
        corner = free_space / 2 + rng.normal(0, config.center_std * size / REFERENCE_SIZE, 2)

    canvas = Image.new("RGBA", (size, size))
    canvas.paste(cutout, (int(corner[0]), int(corner[1])))
    result = to_channels(canvas)

    # Another exposure than that of the background.
    gamma = np.exp(rng.normal(0, config.gamma_std))
    gain = np.exp(rng.normal(0, config.gain_std))
    result[:3] = (result[:3] ** gamma * gain).clip(0, 1)
    return result


def panorama_background(panoramas: Panoramas, size: int, rng: np.random.Generator) -> Pixels:
    """Return what a camera sees of a random panorama: (3, size, size), level or downwards.

    Args:
        panoramas: equirectangular images (H, W, 3).
        size: side of the background, pixels.
        rng: source of all choices.
    """
    panorama = panoramas[rng.integers(0, len(panoramas))]
    height, width = panorama.shape[:2]

    # Rays of a perspective camera: x right, y down, tilted by the pitch.
    reach = np.tan(np.radians(rng.uniform(15, 45)))
    line = np.linspace(-reach, reach, size)
    x, y = np.meshgrid(line, line)
    pitch = np.radians(rng.uniform(-50, 10))
    forward = np.cos(pitch) + y * np.sin(pitch)
    up = np.sin(pitch) - y * np.cos(pitch)

    # Longitude and latitude of each ray, as a column and a row of the panorama.
    longitude = (np.arctan2(x, forward) / (2 * np.pi) + rng.random()) % 1
    latitude = 0.5 - np.arctan2(up, np.hypot(x, forward)) / np.pi
    row = (latitude * height - 0.5).clip(0, height - 1.001)
    column = longitude * width

    # Out of focus, most backgrounds of photographs are.
    colors = _sample_panorama(panorama, row, column)
    radius = float(rng.uniform(0, 2.5)) * size / REFERENCE_SIZE
    blurred = Image.fromarray(colors).filter(ImageFilter.GaussianBlur(radius))
    return to_channels(blurred)


def _sample_panorama(
    panorama: NDArray[np.uint8], row: NDArray[np.float64], column: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Sample a panorama (H, W, 3) bilinearly at rows and columns (S, S); columns wrap around."""
    width = panorama.shape[1]

    # Each position is between two rows and two columns.
    upper = row.astype(int)
    left = column.astype(int)
    row_weight = (row - upper)[..., None]
    column_weight = (column - left)[..., None]

    def interpolated_row(index: NDArray[np.int64]) -> NDArray[np.float64]:
        left_color = panorama[index, left % width] * (1 - column_weight)
        mixed: NDArray[np.float64] = (
            left_color + panorama[index, (left + 1) % width] * column_weight
        )
        return mixed

    upper_color = interpolated_row(upper)
    lower_color = interpolated_row(upper + 1)
    colors = upper_color * (1 - row_weight) + lower_color * row_weight
    result: NDArray[np.uint8] = colors.astype(np.uint8)

    return result


def _soft_shadow(alpha: Pixels, rng: np.random.Generator) -> NDArray[np.floating[Any]]:
    """Return a soft shadow (1, H, W) in 0..1 of a mask (1, H, W): blurred and shifted."""
    scale = alpha.shape[-1] / REFERENCE_SIZE
    radius = float(rng.uniform(1, 8)) * scale
    shift = np.rint(rng.uniform(-12, 12, 2) * scale)
    darkness = rng.uniform(0.3, 1)

    # The object's silhouette, blurred: a soft light somewhere on the other side.
    image = Image.fromarray((alpha[0] * 255).astype(np.uint8))
    blurred = image.filter(ImageFilter.GaussianBlur(radius))
    mask = np.asarray(blurred, np.float32)[None] / 255

    # Shifted by x and y; what leaves the frame reappears on the other side, mostly unseen.
    rows = int(shift[1])
    columns = int(shift[0])
    return np.roll(mask, (rows, columns), (1, 2)) * darkness


def _degrade_photo(
    photo: NDArray[np.floating[Any]], rng: np.random.Generator, config: CompositingConfig
) -> Pixels:
    """Return a photo (3, H, W) in 0..1 with noise, blur and JPEG compression, each now and then."""
    # Noise of the sensor.
    if rng.random() < config.noise_odds:
        noise_std = rng.uniform(0, config.largest_noise)
        noise = rng.normal(0, noise_std, photo.shape)
        photo = (photo + noise).clip(0, 1)

    # Blur of the lens, and what saving as JPEG leaves of it.
    if rng.random() < config.compression_odds:
        pixels = photo.transpose(1, 2, 0) * 255
        image = Image.fromarray(pixels.astype(np.uint8))
        if rng.random() < config.blur_odds:
            radius = float(rng.uniform(*config.blur_radii)) * photo.shape[-1] / REFERENCE_SIZE
            image = image.filter(ImageFilter.GaussianBlur(radius))
        buffer = io.BytesIO()
        quality = int(rng.integers(*config.qualities))
        image.save(buffer, "JPEG", quality=quality)
        photo = to_channels(Image.open(buffer, formats=["JPEG"]))

    return np.ascontiguousarray(photo, np.float32)


def to_channels(image: Image.Image) -> Pixels:
    """Return an image as an array (C, H, W) in 0..1."""
    return np.asarray(image, np.float32).transpose(2, 0, 1) / 255
