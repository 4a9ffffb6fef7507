r"""Split a turnaround, one image of an object from several sides, into its figures.

A sheet also has lettering, a title, swatches of its colors, and shadows under the feet:

    +----------------------------+    1. Rows and columns without anything separate the parts.
    |  Character sheet: Tom      |    2. Figures are the parts that hold something large in one
    |    o      o      o     o   |       piece: letters and swatches are many small pieces.
    |   /|\     |\    /|\    /|   |    3. What is a figure in one view has a side in common with
    |   / \     |     / \     |   |       it in another, which lettering has not.
    |  front  right  back  left  |    4. A shadow is what has the background's color, but darker,
    |           [#][#][#]        |       and lies around the feet or is wider than all above it.
    +----------------------------+
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..cameras import SIDES
from ..errors import ImageError
from .background_removal import (
    cuts_nothing_out,
    detect_frame,
    mask_plain_background,
    shown_pixels,
)
from .morphology import dilate, erode, label_regions, median3x3

MAX_SIDE = 2048  # pixels with which a sheet is read: four figures of about 500
_MIN_GAP_SHARE = 200  # a gap that separates figures is a 200th of the sheet: less may be a hair
_MIN_GAP = 2  # pixels
_MIN_FIGURE = 0.2  # of the largest figure's size: smaller ones are lettering
_MIN_COMMON_SIDE = 0.8  # of the largest figure's shorter side, which other views show as well
_MIN_FIGURES = 2

# Rows of swatches.
_MIN_SWATCHES = 3
_MAX_SWATCHES_SIZE = 0.6  # of the largest figure's size
_MIN_FILLED = 0.97  # of their box that is mask
_SAME_SIDE = 0.05  # difference within one size, of the longer side
_SAME_COLOR = 0.06  # difference within one color

# Shadows.
_MAX_SHADOW_HEIGHT = 0.3  # of the figure's
_LOWER_PART = 0.35  # of a figure that is searched for one: more than its height
_MIN_SHADOW_WIDTH = 1.2  # of that of the feet within it, or of all of the figure
_SHADOW_BOTTOM = 0.1  # of the figure's height: how far from its bottom a shadow may end
_MIN_FEET = 0.05  # of its width that feet have, a third below its top
_MAX_SHADOW_TOP = 0.7  # of its width that its top has: a pedestal's is as wide as the rest
_SHADOW_EDGE = 2  # pixels around it that are less than half opaque
_MIN_SHADE = 0.35  # of the background's light
_MAX_SHADE = 0.97
_MAX_TINT = 0.04  # difference of a shadow's color from a darker background's

Box = tuple[int, int, int, int]  # top, bottom, left, right


@dataclass(frozen=True)
class _Part:
    """A part of a sheet that nothing separates further.

    Attributes:
        box: Its bounds.
        piece: Its largest connected piece's bounds.
    """

    box: Box
    piece: Box

    @property
    def size(self) -> float:
        """Side of a square as large as the bounds of the largest piece, pixels."""
        height, width = _box_sides(self.piece)
        return float(np.sqrt(height * width))


def split_figures(sheet: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the figures of a sheet, which are separated by empty rows and columns.

    What is empty is decided by the sheet's alpha or its plain background.

    Args:
        sheet: (H, W, 4).

    Returns:
        Each figure cut out (h, w, 4), in reading order: rows, and in each from left to right.

    Raises:
        ImageError: The background is not plain, or there are less than two figures or more than
            six.
    """
    mask = _sheet_mask(sheet)
    frame = detect_frame(mask)
    if frame:
        return split_figures(sheet[frame])

    if not (mask > 0.5).any():
        raise ImageError("This sheet shows no figures")
    boxes = _find_figures(sheet[..., :3], mask > 0.5)
    if not _MIN_FIGURES <= len(boxes) <= len(SIDES):
        raise ImageError(
            f"{len(boxes)} separate figures were found on this sheet, but {_MIN_FIGURES} to "
            f"{len(SIDES)} are needed. Leave empty space between the figures and remove "
            "everything else"
        )

    figures = []
    for top, bottom, left, right in boxes:
        window = (slice(top, bottom), slice(left, right))
        figures.append(_cut_figure(sheet[window][..., :3], mask[window]))
    return figures


def _sheet_mask(sheet: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mask (H, W) of all figures and lettering, without shadows.

    Raises:
        ImageError: The sheet has no transparent pixels, and its background is not plain.
    """
    alpha = sheet[..., 3]
    shown = np.ones(alpha.shape, bool)
    if alpha.min() < 0.5:
        if not cuts_nothing_out(alpha):
            return alpha
        shown = shown_pixels(alpha)

    color = sheet[..., :3]
    mask = mask_plain_background(color, shown)
    if mask is None:
        raise ImageError(
            "The background of this sheet is not plain. Use a single color or make it transparent"
        )

    return _remove_shadows(color, mask, shown)


def _find_figures(color: NDArray[np.float32], solid: NDArray[np.bool_]) -> list[Box]:
    """Return the boxes of the figures, without lettering and swatches, in reading order.

    Args:
        color: (H, W, 3) of the sheet.
        solid: (H, W), where it is not empty.
    """
    parts = [_largest_piece(solid, box) for box in _find_boxes(solid)]
    largest = max(parts, key=lambda part: part.size)

    candidates = [part for part in parts if _is_figure(part, largest)]
    small = [part for part in candidates if part.size <= _MAX_SWATCHES_SIZE * largest.size]
    plain = [part for part in small if _is_one_color(color, solid, part)]

    boxes = []
    for part in candidates:
        if part in small and _is_row_of_colors(color, solid, part):
            continue
        if part in plain and sum(_are_aligned(part, other) for other in plain) >= _MIN_SWATCHES:
            continue
        boxes.append(_without_lettering(solid, part, largest))

    return boxes


def _is_figure(part: _Part, largest: _Part) -> bool:
    """Return whether a part may be another view of what the largest one shows."""
    common_side = min(_box_sides(largest.piece))
    has_common_side = max(_box_sides(part.piece)) >= _MIN_COMMON_SIDE * common_side
    return has_common_side and part.size >= _MIN_FIGURE * largest.size


def _is_one_color(color: NDArray[np.float32], solid: NDArray[np.bool_], part: _Part) -> bool:
    """Return whether a part of a sheet is of a single color, as a swatch is."""
    top, bottom, left, right = part.box
    window = (slice(top, bottom), slice(left, right))
    inside = color[window][erode(solid[window])]
    if not len(inside):
        return False
    difference = np.abs(inside - np.median(inside, axis=0)).max(1)
    return bool((difference < _SAME_COLOR).mean() >= _MIN_FILLED)


def _are_aligned(part: _Part, other: _Part) -> bool:
    """Return whether two parts are of one size, and in one row or column; a part is with itself."""
    top, bottom, left, right = part.box
    other_top, other_bottom, other_left, other_right = other.box
    tolerance = max(_SAME_SIDE * max(_box_sides(part.box)), 1)
    same_rows = max(abs(top - other_top), abs(bottom - other_bottom)) <= tolerance
    same_columns = max(abs(left - other_left), abs(right - other_right)) <= tolerance
    sides = np.subtract(_box_sides(part.box), _box_sides(other.box))
    return bool(np.abs(sides).max() <= tolerance) and (same_rows or same_columns)


def _is_row_of_colors(color: NDArray[np.float32], solid: NDArray[np.bool_], part: _Part) -> bool:
    """Return whether a part is a row or a column of several plain colors without gaps."""
    top, bottom, left, right = part.piece
    if solid[top:bottom, left:right].mean() < _MIN_FILLED:
        return False

    # Along one axis each line is of one color, and several colors follow each other.
    window = color[top:bottom, left:right]
    for axis in (0, 1):
        length = window.shape[axis]
        inner = np.take(window, range(length // 4, max(length * 3 // 4, 1)), axis)
        is_constant = np.ptp(inner, axis=axis).max(1) < _SAME_COLOR
        if is_constant.mean() < _MIN_FILLED:
            continue
        line = np.median(inner, axis=axis)
        changes = np.abs(np.diff(line, axis=0)).max(1) > _SAME_COLOR
        if len(_filled_runs(~np.pad(changes, 1), 0)) >= _MIN_SWATCHES:
            return True

    return False


def _without_lettering(solid: NDArray[np.bool_], part: _Part, largest: _Part) -> Box:
    """Return the box of a figure without the letters above and below it.

    Other figures of its row may be taller, so that the letters are within the row.
    """
    top, bottom, left, right = part.box
    kept = []
    for run_top, run_bottom in _filled_runs(solid[top:bottom, left:right].any(1)):
        box = (top + run_top, top + run_bottom, left, right)
        piece = _largest_piece(solid, box)
        if piece.size >= _MIN_FIGURE * largest.size or piece.piece == part.piece:
            kept.append(box)

    return _tight_box(solid, (kept[0][0], kept[-1][1], left, right))


def _largest_piece(solid: NDArray[np.bool_], box: Box) -> _Part:
    """Return the part of a mask within a box, with the largest of its connected pieces."""
    top, bottom, left, right = box
    window = solid[top:bottom, left:right]
    label = label_regions(window)
    counts = np.bincount(label.ravel())
    counts[0] = 0
    piece = label == counts.argmax()

    rows = np.flatnonzero(piece.any(1))
    columns = np.flatnonzero(piece.any(0))
    piece_top = top + int(rows[0])
    piece_bottom = top + int(rows[-1]) + 1
    piece_left = left + int(columns[0])
    piece_right = left + int(columns[-1]) + 1

    return _Part(box=box, piece=(piece_top, piece_bottom, piece_left, piece_right))


def _find_boxes(solid: NDArray[np.bool_]) -> list[Box]:
    """Return the boxes of the parts of a mask, in reading order."""
    boxes = []
    for row_top, row_bottom in _filled_runs(solid.any(1)):
        for left, right in _filled_runs(solid[row_top:row_bottom].any(0)):
            # Other figures of the row may be higher.
            boxes.append(_tight_box(solid, (row_top, row_bottom, left, right)))
    return boxes


def _tight_box(solid: NDArray[np.bool_], box: Box) -> Box:
    """Return the bounds of the mask within a box."""
    top, bottom, left, right = box
    window = solid[top:bottom, left:right]
    rows = np.flatnonzero(window.any(1))
    columns = np.flatnonzero(window.any(0))
    tight_top = top + int(rows[0])
    tight_bottom = top + int(rows[-1]) + 1
    return tight_top, tight_bottom, left + int(columns[0]), left + int(columns[-1]) + 1


def _box_sides(box: Box) -> tuple[int, int]:
    """Return the height and the width of a box."""
    top, bottom, left, right = box
    return bottom - top, right - left


def _remove_shadows(
    color: NDArray[np.float32], mask: NDArray[np.float32], shown: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the mask of a sheet without the shadows under its figures.

    Args:
        color: (H, W, 3).
        mask: (H, W) in 0..1.
        shown: (H, W), pixels that have a color.
    """
    solid = mask > 0.5
    empty = ~solid & shown
    if not solid.any() or not empty.any():
        return mask
    background = np.median(color[empty], axis=0)

    result = mask.copy()
    for top, bottom, left, right in _find_boxes(solid):
        window = (slice(top, bottom), slice(left, right))
        shadowy = np.zeros((bottom - top, right - left), bool)
        lower = slice(int((bottom - top) * (1 - _LOWER_PART)), None)
        shadowy[lower] = _has_shadow_color(color[window][lower], background)
        shadow = _find_shadow(solid[window], shadowy & solid[window])
        if shadow is not None:
            # Its soft edge goes with it.
            edge = dilate(shadow, _SHADOW_EDGE) & ~solid[window]
            result[window][shadow | edge] = 0

    return result


def _has_shadow_color(
    color: NDArray[np.float32], background: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return where a color is the background's with less light.

    Args:
        color: (h, w, 3).
        background: (3,).
    """
    smooth = median3x3(color)
    shade = smooth.mean(2) / max(float(background.mean()), 1e-6)
    tint = np.abs(smooth - shade[..., None] * background).max(2)
    is_shadow: NDArray[np.bool_] = (shade > _MIN_SHADE) & (shade < _MAX_SHADE) & (tint < _MAX_TINT)
    return is_shadow


def _find_shadow(solid: NDArray[np.bool_], shadowy: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return the pixels (h, w) of the shadow under a figure, or None if it has none.

    Shoes and pedestals may be as gray. But shoes are below the feet, while feet are within a
    shadow; and a shadow below all of the figure is round.

    Args:
        solid: (h, w), the figure and its shadow.
        shadowy: (h, w), pixels of a shadow's color.
    """
    # The regions that reach the bottom, unless they are high.
    height = len(solid)
    label = label_regions(shadowy)
    label_rows = np.repeat(np.arange(height), solid.shape[1])
    first_row = np.full(label.size + 1, height)
    last_row = np.zeros(label.size + 1, np.int64)
    np.minimum.at(first_row, label.ravel(), label_rows)
    np.maximum.at(last_row, label.ravel(), label_rows)
    is_low = last_row - first_row < _MAX_SHADOW_HEIGHT * height
    is_at_bottom = last_row >= int(height * (1 - _SHADOW_BOTTOM))
    shadow: NDArray[np.bool_] = (is_low & is_at_bottom)[label] & shadowy
    if not shadow.any():
        return None

    rows = np.flatnonzero(shadow.any(1))
    top, bottom = rows[0], rows[-1]
    figure = solid & ~shadow
    feet = figure[top + (bottom - top) // 3 : bottom + 1]
    has_feet = feet[0].sum() > _MIN_FEET * _width(shadow)
    is_round = _width(shadow[top : top + 2]) < _MAX_SHADOW_TOP * _width(shadow)

    if has_feet:
        above = feet
    elif figure.any() and is_round:
        above = figure
    else:
        return None

    return shadow if _width(shadow) > _MIN_SHADOW_WIDTH * _width(above) else None


def _width(mask: NDArray[np.bool_]) -> int:
    """Return the number of columns from the first to the last that a mask fills."""
    columns = np.flatnonzero(mask.any(0))
    return int(columns[-1] - columns[0]) + 1


def _cut_figure(color: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a figure (h, w, 4) whose background has the figure's median color.

    The sheet's color around the figure would show as a rim.

    Args:
        color: (h, w, 3).
        mask: (h, w) in 0..1.
    """
    solid = mask > 0.5
    median = np.median(color[solid], axis=0)
    filled = np.where(solid[..., None], color, median)
    return np.concatenate((filled, mask[..., None]), axis=2)


def _filled_runs(filled: NDArray[np.bool_], min_gap: int | None = None) -> list[tuple[int, int]]:
    """Return start and end of each run of a mask (N,); gaps up to ``min_gap`` do not end a run.

    Args:
        filled: (N,).
        min_gap: None for one that may be a hair.
    """
    index = np.flatnonzero(filled)
    if not len(index):
        return []

    if min_gap is None:
        min_gap = max(_MIN_GAP, len(filled) // _MIN_GAP_SHARE)
    gaps = np.diff(index) - 1
    breaks = np.flatnonzero(gaps > min_gap)
    starts = index[[0, *(breaks + 1)]]
    ends = index[[*breaks, -1]] + 1

    return list(zip(starts.tolist(), ends.tolist(), strict=True))
