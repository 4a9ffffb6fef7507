"""Pictures as if they were drawn: line art, flat colours, silhouettes. To learn from, and to judge by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.float32]


class Style(Protocol):
    def __call__(self, picture: Pixels, rng: np.random.Generator) -> Pixels:
        """Colours (3, H, W) in 0..1 for ``picture`` (4, H, W), whose mask stays as it is."""
        ...


def line_art(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Dark lines on light paper: the outline, and where the colours change most within it."""
    paper = rng.uniform(0.8, 1)
    ink = rng.uniform(0, 0.3)
    lines = np.maximum(_mask_outline(picture[3]), _edge_pixels(picture, rng.uniform(0.75, 0.92)))
    return np.broadcast_to(paper + (ink - paper) * lines, (3, *lines.shape)).astype(np.float32)


def toon_shading(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Colours in two to four levels of brightness, now and then with an outline."""
    levels = int(rng.integers(2, 5))
    smooth = _filter_layers(picture[:3], ImageFilter.MedianFilter(5))
    bright = smooth.max(0).clip(0.02, 1)
    inside = bright[picture[3] > 0.5]
    low, high = (inside.min(), inside.max() + 1e-3) if inside.size else (0.0, 1.0)
    steps = np.floor((bright - low) / (high - low) * levels).clip(0, levels - 1)
    colors = smooth / bright * (low + (steps + 0.5) / levels * (high - low))
    return (colors * (1 - _mask_outline(picture[3])) if rng.random() < 0.5 else colors).astype(
        np.float32
    )


def flat_silhouette(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """One grey, mostly dark."""
    return np.full_like(picture[:3], rng.uniform(0, 0.6))


STYLES: Mapping[str, Style] = {
    "line art": line_art,
    "toon": toon_shading,
    "silhouette": flat_silhouette,
}


def stylize(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Colours (3, H, W) of ``picture`` (4, H, W) in one of ``STYLES``."""
    return list(STYLES.values())[rng.integers(len(STYLES))](picture, rng)


def _mask_outline(mask: Pixels) -> Pixels:
    """The mask's outermost two pixels (H, W)."""
    return mask - _filter_layers(mask[None], ImageFilter.MinFilter(5))[0]


def _edge_pixels(picture: Pixels, share: float) -> Pixels:
    """The pixels (H, W), 0 or 1, whose colours change visibly and more than those of ``share`` of the mask's pixels."""
    smooth = _filter_layers(picture[:3], ImageFilter.MedianFilter(3))
    steps = np.abs(np.diff(smooth, axis=1, prepend=smooth[:, :1])) + np.abs(
        np.diff(smooth, axis=2, prepend=smooth[..., :1])
    )
    change = steps.max(0)
    inside = change[picture[3] > 0.9]
    least = max(float(np.quantile(inside, share)), 0.04) if inside.size else 1.0
    return ((change > least) & (picture[3] > 0.9)).astype(np.float32)


def _filter_layers(layers: Pixels, kernel: ImageFilter.Filter) -> Pixels:
    """``layers`` (C, H, W) in 0..1, each through a filter of Pillow's, at 8 bits."""
    images = [
        Image.fromarray((layer * 255 + 0.5).clip(0, 255).astype(np.uint8)) for layer in layers
    ]
    return np.stack([np.asarray(image.filter(kernel), np.float32) / 255 for image in images])
