"""Colors and a coarse picture of an object, which tell objects apart that are of one shape.

The trunk was trained to see shapes, so that its features say little of colors. Beside them count a
histogram of colors (Swain and Ballard 1991, "Color indexing"; as square roots, whose product is the
Bhattacharyya coefficient) and the gray picture in 8 x 8 cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVELS = 3  # of each channel
_CELLS = 8  # along each side of the gray picture
_SHORTEST = 1e-9

COUNT = _LEVELS**3 + _CELLS**2  # numbers of an image
# Of the similarity of the colors, and of that of the pictures, beside 1 for what the trunk sees:
# tests/benchmarks/library_recall.py.
COLOR_WEIGHT = 0.3
PICTURE_WEIGHT = 0.3
TOTAL = 1 + COLOR_WEIGHT + PICTURE_WEIGHT

Floats = NDArray[np.float32]


def add_appearance(vectors: Floats, windows: Floats) -> Floats:
    """Return vectors (B, D + COUNT) of unit length: what the trunk sees, and the appearance.

    Args:
        vectors: (B, D) of unit length.
        windows: (B, 4, S, S) of the same images, sRGB and mask in 0..1.
    """
    colors = np.sqrt(COLOR_WEIGHT) * color_histograms(windows)
    pictures = np.sqrt(PICTURE_WEIGHT) * gray_pictures(windows)
    joined = np.concatenate((vectors, colors, pictures), axis=1)
    unit: Floats = (joined / np.sqrt(TOTAL)).astype(np.float32)
    return unit


def without_appearance(vectors: Floats) -> Floats:
    """Return the vectors of drawings, whose colors say nothing: only what the trunk sees counts.

    Args:
        vectors: (B, D + COUNT) of :func:`add_appearance`. A product of the result with another one
            is at most 1 as before.
    """
    shapes = vectors * np.float32(TOTAL)
    shapes[:, -COUNT:] = 0
    return shapes


def color_histograms(windows: Floats, count: int = _LEVELS) -> Floats:
    """Return unit vectors (B, count^3) of how many pixels of the object have a color.

    Args:
        windows: (B, 4, S, S), sRGB and mask in 0..1.
        count: Levels of each channel.
    """
    levels = (windows[:, :3] * count).astype(np.int64).clip(0, count - 1)
    cells = (levels[:, 0] * count + levels[:, 1]) * count + levels[:, 2]
    rows = []
    for cell, mask in zip(cells, windows[:, 3], strict=True):
        rows.append(np.bincount(cell.ravel(), mask.ravel(), count**3))
    return _normalized(np.sqrt(np.array(rows)))


def gray_pictures(windows: Floats) -> Floats:
    """Return unit vectors (B, 64) of small gray pictures, relative to their mean."""
    gray = windows[:, :3].mean(axis=1) * windows[:, 3]
    side = gray.shape[1] // _CELLS
    small = gray.reshape(len(gray), _CELLS, side, _CELLS, side).mean(axis=(2, 4))
    flat = small.reshape(len(gray), -1)
    return _normalized(flat - flat.mean(axis=1, keepdims=True))


def _normalized(vectors: NDArray[np.floating[Any]]) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.maximum(lengths, _SHORTEST)).astype(np.float32)
    return unit
