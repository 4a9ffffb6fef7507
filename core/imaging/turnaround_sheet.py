"""Splits a turnaround, one picture of a thing from several sides, into its figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..cameras import SIDES
from ..errors import ImageError
from .background_removal import detect_frame, mask_plain_background

MAX_SIDE = 2048  # pixels that a sheet is read with: four figures of half a thousand
_GAP = 200  # share of the sheet that separates figures: less may part an arm from its body
_LEAST = 0.2  # of the largest figure's size: what is smaller is lettering


def split_figures(sheet: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The figures of a ``sheet`` (H, W, 4), each cut out (h, w, 4), in reading order: rows, and in each left to right.

    A figure is what empty rows and columns separate, before the sheet's alpha or its plain background.

    Raises:
        ImageError: the background is not plain, there are fewer than two figures or more than six.
    """
    mask = sheet[..., 3] if sheet[..., 3].min() < 0.5 else mask_plain_background(sheet[..., :3])
    if mask is None:
        raise ImageError(
            "The background of this sheet is not plain. Use a single color or make it transparent"
        )
    framed = detect_frame(mask)
    if framed:
        return split_figures(sheet[framed])
    solid = mask > 0.5
    boxes = []
    for top, bottom in _filled_runs(solid.any(1)):
        for left, right in _filled_runs(solid[top:bottom].any(0)):
            rows = np.flatnonzero(solid[top:bottom, left:right].any(1))
            boxes.append((top + rows[0], top + rows[-1] + 1, left, right))
    sizes = [np.sqrt((bottom - top) * (right - left)) for top, bottom, left, right in boxes]
    kept = [box for box, size in zip(boxes, sizes, strict=True) if size >= _LEAST * max(sizes)]
    if not 2 <= len(kept) <= len(SIDES):
        raise ImageError(
            f"{len(kept)} separate figures were found on this sheet, but 2 to {len(SIDES)} are "
            "needed. Leave empty space between the figures and remove everything else"
        )
    return [
        _cut_figure(sheet[top:bottom, left:right, :3], mask[top:bottom, left:right])
        for top, bottom, left, right in kept
    ]


def _cut_figure(color: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """A figure (h, w, 4), around which its own colour goes on: the sheet's would show as a rim."""
    solid = mask[..., None] > 0.5
    around = np.median(color[solid[..., 0]], axis=0)
    return np.concatenate((np.where(solid, color, around), mask[..., None]), axis=2)


def _filled_runs(filled: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginning and end of each run of ``filled`` (N,); gaps that are too narrow do not end one."""
    at = np.flatnonzero(filled)
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) - 1 > max(2, len(filled) // _GAP))
    return list(zip(at[[0, *(breaks + 1)]].tolist(), (at[[*breaks, -1]] + 1).tolist(), strict=True))
