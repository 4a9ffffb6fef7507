"""Vary samples: shapes, colors, masks and cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ...stylization import stylize

# A kernel of this many pixels grows or shrinks a mask by one.
_MASK_KERNEL = 3


@dataclass(frozen=True)
class AugmentationConfig:
    """How samples vary. Odds and shares are probabilities; std is a standard deviation.

    Attributes:
        shrink_odds: of a single view whose object is smaller in its frame, so that deep objects
            find room.
        smallest_frame_scale: of the object in that case; the scale is uniform up to 1.
        up_error: std of each component of the estimated up direction, which the network gets wrong
            in use, too.
        mirror_odds: of the mirror image: nothing in an object's shape prefers a side.
        scale_std: of the size in the frame, about 1: masks of users are not cut to the pixel.
        shift_std: of the position, in longest sides.
        quarter_turn_odds: of orthographic views about the vertical: any side may be called the
            front.
        stretch_odds: of other proportions of orthographic views; unposed cameras would no longer be
            cameras.
        stretch_range: largest change of a side's length, natural logarithm.
        camera_shift_std: of each image against its camera, in half images: references are cropped
            by hand.
        pose_error_odds: of a set of several views whose cameras are rotated a little.
        pose_error_std: of that rotation, degrees.
        gray_share: images of one gray, which leave only the mask, as in silhouettes.
        desaturate_share: images without color.
        stylize_share: images as if drawn, see ``stylization``.
        gain_std: of the brightness of all channels, natural logarithm.
        channel_gain_std: of each channel's brightness: the color of the light.
        gamma_std: of the tone curve's exponent, natural logarithm.
        lift_std: of the black level.
        noise_odds: of pixel noise.
        largest_noise: std of that noise at most.
        mask_error_odds: of a mask that is one pixel too wide or too narrow.
    """

    shrink_odds: float = 0.3
    smallest_frame_scale: float = 0.4
    up_error: float = 0.15
    mirror_odds: float = 0.5
    scale_std: float = 0.02
    shift_std: float = 0.01
    quarter_turn_odds: float = 0.2
    stretch_odds: float = 0.5
    stretch_range: float = 0.35
    camera_shift_std: float = 0.006
    pose_error_odds: float = 0.4
    pose_error_std: float = 2.5
    gray_share: float = 0.04
    desaturate_share: float = 0.09
    stylize_share: float = 0.12
    gain_std: float = 0.2
    channel_gain_std: float = 0.15
    gamma_std: float = 0.2
    lift_std: float = 0.04
    noise_odds: float = 0.3
    largest_noise: float = 0.06
    mask_error_odds: float = 0.15


def random_transform(
    config: AugmentationConfig, stretch: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a small random change of scale and position as an affine matrix (4, 4).

    Args:
        config: how much.
        stretch: whether to allow a quarter turn about z, and other proportions.
        rng: source of the changes.
    """
    # Scale along each axis.
    scale = np.full(3, rng.normal(1, config.scale_std))
    quarter_turns = 0
    if stretch:
        if rng.random() < config.quarter_turn_odds:
            quarter_turns = int(rng.integers(1, 4))
        if rng.random() < config.stretch_odds:
            logarithms = rng.uniform(-config.stretch_range, config.stretch_range, 3)
            proportions = np.exp(logarithms)
            scale *= proportions / proportions.max()

    # A rotation about z by quarter turns, exact.
    cosine = (1, 0, -1, 0)[quarter_turns]
    sine = (0, 1, 0, -1)[quarter_turns]
    rotation = np.array(((cosine, -sine, 0, 0), (sine, cosine, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1.0)))
    transform: NDArray[np.float64] = np.diag((*scale, 1.0)) @ rotation
    transform[:3, 3] = rng.normal(0, config.shift_std, 3)

    return transform


def augment_colors(
    image: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return an image (4, H, W) in 0..1 with other colors, noise, and a slightly wrong mask."""
    image = image.copy()
    image[:3] = _restyled_colors(image, config, rng)

    # Light, exposure and tone curve of another camera.
    channel_gain = rng.normal(0, config.channel_gain_std, (3, 1, 1))
    gain = np.exp(channel_gain + rng.normal(0, config.gain_std))
    lift = rng.normal(0, config.lift_std)
    gamma = np.exp(rng.normal(0, config.gamma_std))
    image[:3] = (image[:3] ** gamma * gain + lift).clip(0, 1)

    # Noise, and a cutout that is not clean.
    if rng.random() < config.noise_odds:
        noise_std = rng.uniform(0, config.largest_noise)
        noise = rng.normal(0, noise_std, image[:3].shape)
        image[:3] = (image[:3] + noise).clip(0, 1)
    if rng.random() < config.mask_error_odds:
        image[3] = _wrong_mask(image[3], rng)
    return image


def _restyled_colors(
    image: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return colors (3, H, W): now and then of one gray, desaturated or as if drawn."""
    roll = rng.random()
    desaturate_below = config.gray_share + config.desaturate_share
    if roll < config.gray_share:
        return np.full_like(image[:3], 0.5)
    if roll < desaturate_below:
        return np.broadcast_to(image[:3].mean(0), image[:3].shape)
    if roll < desaturate_below + config.stylize_share:
        return stylize(image, rng)
    return image[:3]


def _wrong_mask(mask: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a mask (H, W) in 0..1 grown or shrunk by a pixel."""
    kernel: ImageFilter.Filter
    if rng.random() < 0.5:
        kernel = ImageFilter.MaxFilter(_MASK_KERNEL)
    else:
        kernel = ImageFilter.MinFilter(_MASK_KERNEL)

    image = Image.fromarray((mask * 255).astype(np.uint8))
    filtered = image.filter(kernel)
    return np.asarray(filtered, np.float32) / 255
