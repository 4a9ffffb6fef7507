"""Renderings as if they were drawn: line art, flat colors, silhouettes.

For training and evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.float32]

_OBJECT = 0.9  # mask value above which a pixel belongs to the object without any background
_MIN_EDGE = 0.04  # a smaller change of color is not visible as an edge
_DARKEST = 0.02  # brightness by which colors are divided at least
_OUTLINE_ODDS = 0.5  # of a toon-shaded image


class Style(Protocol):
    """A way to draw an image."""

    def __call__(self, image: Pixels, rng: np.random.Generator, /) -> Pixels:
        """Return colors (3, H, W) in 0..1.

        Args:
            image: (4, H, W), color and mask in 0..1; the mask of the drawing is the same.
            rng: Source of the style's random parameters.
        """
        ...


def line_art(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw dark lines on light paper: the outline and the strongest edges; see :class:`Style`."""
    paper = rng.uniform(0.8, 1)
    ink = rng.uniform(0, 0.3)
    quantile = rng.uniform(0.75, 0.92)

    outline = _mask_outline(image[3])
    edges = _edge_pixels(image, quantile)
    lines = np.maximum(outline, edges)
    gray = paper + (ink - paper) * lines

    return np.asarray(np.stack((gray, gray, gray)), np.float32)


def toon_shading(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw two to four levels of brightness, half of the time outlined; see :class:`Style`."""
    levels = int(rng.integers(2, 5))
    smooth = _filter_layers(image[:3], ImageFilter.MedianFilter(5))
    brightness = smooth.max(0).clip(_DARKEST, 1)

    # The levels divide the range of brightness within the object.
    darkest = 0.0
    brightest = 1.0
    object_brightness = brightness[image[3] > 0.5]
    if object_brightness.size:
        darkest = object_brightness.min()
        brightest = object_brightness.max() + 1e-3
    level = np.floor((brightness - darkest) / (brightest - darkest) * levels).clip(0, levels - 1)
    level_brightness = darkest + (level + 0.5) / levels * (brightest - darkest)
    colors = smooth / brightness * level_brightness

    if rng.random() < _OUTLINE_ODDS:
        colors = colors * (1 - _mask_outline(image[3]))
    return np.asarray(colors, np.float32)


def flat_silhouette(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw one gray, mostly dark; see :class:`Style`."""
    return np.full_like(image[:3], rng.uniform(0, 0.6))


STYLES: Mapping[str, Style] = {
    "line art": line_art,
    "toon": toon_shading,
    "silhouette": flat_silhouette,
}


def stylize(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Return colors (3, H, W) of ``image`` (4, H, W) in a random one of ``STYLES``."""
    style = list(STYLES.values())[rng.integers(len(STYLES))]
    return style(image, rng)


def _mask_outline(mask: Pixels) -> Pixels:
    """Return the outermost two pixels of ``mask`` (H, W)."""
    eroded = _filter_layers(mask[None], ImageFilter.MinFilter(5))[0]
    return np.asarray(mask - eroded, np.float32)


def _edge_pixels(image: Pixels, quantile: float) -> Pixels:
    """Return the pixels (H, W), 0 or 1, of visible edges within the object.

    Args:
        image: (4, H, W).
        quantile: Share of the object's pixels whose color changes too little for an edge.
    """
    # How much the color changes from one pixel to the next, down and across.
    smooth = _filter_layers(image[:3], ImageFilter.MedianFilter(3))
    vertical_steps = np.diff(smooth, axis=1, prepend=smooth[:, :1])
    horizontal_steps = np.diff(smooth, axis=2, prepend=smooth[..., :1])
    vertical_change = np.abs(vertical_steps)
    horizontal_change = np.abs(horizontal_steps)
    change = (vertical_change + horizontal_change).max(0)

    # The strongest ones within the object.
    is_object = image[3] > _OBJECT
    threshold = 1.0
    if is_object.any():
        threshold = max(float(np.quantile(change[is_object], quantile)), _MIN_EDGE)
    return np.asarray((change > threshold) & is_object, np.float32)


def _filter_layers(layers: Pixels, kernel: ImageFilter.Filter) -> Pixels:
    """Return each of ``layers`` (C, H, W) in 0..1 after a filter of Pillow, at 8 bits."""
    filtered = []
    for layer in layers:
        image = Image.fromarray((layer * 255 + 0.5).clip(0, 255).astype(np.uint8))
        filtered.append(np.asarray(image.filter(kernel), np.float32) / 255)
    return np.stack(filtered)
