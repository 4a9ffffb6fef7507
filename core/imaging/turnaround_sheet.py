"""Split a turnaround, one image of an object from several sides, into its figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..cameras import SIDES
from ..errors import ImageError
from .background_removal import detect_frame, mask_plain_background

MAX_SIDE = 2048  # pixels with which a sheet is read: four figures of about 500
_MIN_GAP_SHARE = 200  # a gap that separates figures is a 200th of the sheet: less may be a hair
_MIN_GAP = 2  # pixels
_MIN_FIGURE = 0.2  # of the largest figure's size: smaller ones are lettering
_MIN_FIGURES = 2

Box = tuple[int, int, int, int]  # top, bottom, left, right


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

    boxes = _find_boxes(mask > 0.5)
    sizes = [np.sqrt((bottom - top) * (right - left)) for top, bottom, left, right in boxes]
    large = [
        box for box, size in zip(boxes, sizes, strict=True) if size >= _MIN_FIGURE * max(sizes)
    ]
    if not _MIN_FIGURES <= len(large) <= len(SIDES):
        raise ImageError(
            f"{len(large)} separate figures were found on this sheet, but {_MIN_FIGURES} to "
            f"{len(SIDES)} are needed. Leave empty space between the figures and remove "
            "everything else"
        )

    figures = []
    for top, bottom, left, right in large:
        window = (slice(top, bottom), slice(left, right))
        figures.append(_cut_figure(sheet[window][..., :3], mask[window]))
    return figures


def _sheet_mask(sheet: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mask (H, W) of all figures.

    Raises:
        ImageError: The sheet has no transparent pixels, and its background is not plain.
    """
    if sheet[..., 3].min() < 0.5:
        return sheet[..., 3]

    mask = mask_plain_background(sheet[..., :3])
    if mask is None:
        raise ImageError(
            "The background of this sheet is not plain. Use a single color or make it transparent"
        )
    return mask


def _find_boxes(solid: NDArray[np.bool_]) -> list[Box]:
    """Return the boxes of the parts of a mask, in reading order."""
    boxes = []
    for row_top, row_bottom in _filled_runs(solid.any(1)):
        row = solid[row_top:row_bottom]
        for left, right in _filled_runs(row.any(0)):
            # Other figures of the row may be higher.
            figure = row[:, left:right]
            filled_rows = np.flatnonzero(figure.any(1))
            top = row_top + int(filled_rows[0])
            bottom = row_top + int(filled_rows[-1]) + 1
            boxes.append((top, bottom, left, right))
    return boxes


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


def _filled_runs(filled: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and end of each run of a mask (N,); narrow gaps do not end a run."""
    index = np.flatnonzero(filled)
    if not len(index):
        return []

    min_gap = max(_MIN_GAP, len(filled) // _MIN_GAP_SHARE)
    gaps = np.diff(index) - 1
    breaks = np.flatnonzero(gaps > min_gap)
    starts = index[[0, *(breaks + 1)]]
    ends = index[[*breaks, -1]] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
