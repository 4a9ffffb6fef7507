r"""Cut an object out of a plain or smoothly shaded background, as of a product photo or a drawing.

The background is what has the color of the image's border and is connected to it:

    +---------------------+     1. Smooth a sensor's noise away, if there is any.
    |   outside           |     2. Fit the colors of the border: one color, or a quadratic
    |      .-------.      |        function of x and y for a smooth gradient. The border may cut
    |     / object  \     |        through the object. Grow the fit inward (plain_background).
    |    |   .---.   |    |     3. Find the pixels close to that color. Those connected to the
    |    |  ( hole)  |    |        border are outside.
    |    |   '---'   |    |     4. Of the enclosed ones, find the holes, such as in the handle of
    |     \_________/     |        a cup (mask_holes).
    +---------------------+     5. The rest is the object; its outermost pixels are as opaque as
                                   their color differs from the background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jobs.task import Progress, Task, run_to_end
from .mask_holes import fill_holes, find_holes
from .morphology import connected_to, dilate, erode, filter3x3, label_regions
from .plain_background import (
    ALIKE,
    background_difference,
    find_border,
    fit_background,
    refine_background,
    smooth_noise,
)

# Alpha that cuts nothing out: a rectangle, perhaps with rounded corners.
_MIN_RECTANGLE = 0.95  # of its bounding box that must be opaque
_MIN_TOUCHED = 2  # sides of the image that the box must reach
_MIN_VEIL = 0.05  # highest alpha of an image that is not empty
_MIN_FADE = 4  # pixels: the width of an edge that fades; that of a cut is blurred over fewer
_MAX_FADE_SHARE = 0.15  # of the longest side: how wide a faded margin may be
_MIN_FADING_SHARE = 0.25  # of the two outermost pixels of each side that must be visible

# Frames around an image.
_MAX_MARGIN = 0.02  # of the longest side: the widest margin that is taken for a frame
_LINE = 2  # pixels: how uneven a frame may be, and the width of a line beside it
_MIN_FRAMED = 32  # pixels along a side within a frame
_MIN_FILLED = 0.99  # of the pixels within a frame that must be mask

# Specks.
_SPECK = 0.005  # of the largest part: dust on a scan, scraps of lettering
_SPECK_GRID = 128  # blocks along the longest side; parts within about two blocks are one

# The step of color at the object's rim. Of rendered objects with a lower one, masks by colors have
# a mean IoU of 0.72 and the network's 0.90; of the others both have 0.93.
_MIN_RIM_CONTRAST = 0.12
_RIM_REACH = 1 / 64  # of the longest side: how far from the rim it may be
_MIN_RIM_REACH = 4  # pixels: over as many JPEG spreads it

# Edge colors.
_OPAQUE = 0.95  # alpha above which a pixel shows the object only
_TRANSPARENT = 1 / 255  # alpha below which it shows the background only

_STAGE = "Finding the object"

Floats = NDArray[np.floating[Any]]


def mask_plain_background(
    color: Floats, shown: NDArray[np.bool_] | None = None, keep_holes: bool = True
) -> NDArray[np.float32] | None:
    """Return the result of :func:`plain_background_mask`, which is computed at once."""
    return run_to_end(plain_background_mask(color, shown, keep_holes))


def plain_background_mask(
    color: Floats, shown: NDArray[np.bool_] | None = None, keep_holes: bool = True
) -> Task[NDArray[np.float32] | None]:
    """Return the mask of what is not background, if the background is plain.

    Spots of the background's color within the object stay, unless they are clearly holes in it.

    Args:
        color: (H, W, 3) sRGB in 0..1.
        shown: (H, W), pixels that have a color; the others are transparent and count as
            background. None if all have.
        keep_holes: Whether the mask may have holes.

    Returns:
        (H, W) in 0..1, or None if the border is neither of one color nor a smooth gradient, or
        there is no object, or one in nearly the background's color.
    """
    if shown is None:
        shown = np.ones(color.shape[:2], bool)
    border = find_border(shown)
    if border is None:
        return None

    smooth = yield from smooth_noise(color, border.pixels)
    weights = fit_background(smooth, border)
    if weights is None:
        return None
    yield Progress(0.4, _STAGE)
    weights = refine_background(smooth, weights, shown)
    difference = background_difference(smooth, weights)
    difference[~shown] = 0
    yield Progress(0.6, _STAGE)

    # Background is what is alike and connected to the border, and holes of the object.
    is_alike = difference < ALIKE
    outside = connected_to(is_alike, border.pixels | ~shown)
    yield Progress(0.7, _STAGE)
    background = outside
    if keep_holes:
        background = outside | find_holes(difference, is_alike & ~outside, outside)
    yield Progress(0.9, _STAGE)
    mask = ~background
    if not mask.any() or _rim_contrast(smooth, mask) < _MIN_RIM_CONTRAST:
        return None
    soft_mask = _soften_edge(difference, mask)
    if keep_holes:
        return soft_mask
    return fill_holes(soft_mask)


def cuts_nothing_out(alpha: Floats) -> bool:
    """Return whether an image with this alpha still has its background.

    Then what is opaque is a rectangle that reaches two sides of the image or more: all but a few
    pixels, rounded corners, or a strip along an edge; or a rectangle that fades out slowly. A sharp
    rectangle with a margin all around, even of one pixel, may be an object that is cut out, such as
    a door. A veil over all of the image does not count.

    Args:
        alpha: (H, W) in 0..1.
    """
    alpha = without_veil(alpha)
    opaque = alpha >= 0.5
    rows = np.flatnonzero(opaque.any(1))
    columns = np.flatnonzero(opaque.any(0))
    if not len(rows):
        return False

    height, width = alpha.shape
    touched = (rows[0] == 0, rows[-1] == height - 1, columns[0] == 0, columns[-1] == width - 1)
    box = opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if box.mean() < _MIN_RECTANGLE:
        return False
    return sum(touched) >= _MIN_TOUCHED or _is_fading(alpha, box.shape)


def without_veil(alpha: Floats) -> Floats:
    """Return an alpha (H, W) whose highest value is 1, unless it is nearly 0 everywhere."""
    highest = float(alpha.max())
    if highest < _MIN_VEIL:
        return alpha
    return alpha / alpha.dtype.type(highest)


def _is_fading(alpha: Floats, box: tuple[int, ...]) -> bool:
    """Return whether an opaque box fades out toward all sides of the image.

    The soft shadow beside a box that is cut out does not reach them all.

    Args:
        alpha: (H, W) in 0..1.
        box: Height and width of what is opaque, pixels.
    """
    margins = np.array(alpha.shape) - np.array(box)
    if margins.max() > 2 * _MAX_FADE_SHARE * max(alpha.shape):
        return False
    visible = alpha > _TRANSPARENT
    sides = (visible[:2], visible[-2:], visible[:, :2], visible[:, -2:])
    if min(float(side.mean()) for side in sides) < _MIN_FADING_SHARE:
        return False

    partial = visible & (alpha < _OPAQUE)
    width = float(partial.sum()) / (2 * sum(box))
    return width > _MIN_FADE


def shown_pixels(alpha: Floats) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of an image that :func:`cuts_nothing_out` whose color is certain."""
    return np.asarray(without_veil(alpha) > _OPAQUE)


def detect_frame(mask: Floats) -> tuple[slice, slice] | None:
    """Return the rows and columns within a frame or margin around an image.

    There is one if the outline of the mask is a rectangle nearly as large as the image, with a
    thin and even margin on all sides.

    Args:
        mask: (H, W) in 0..1.

    Returns:
        None if there is no frame.
    """
    solid = mask > 0.5
    rows = np.flatnonzero(solid.any(1))
    columns = np.flatnonzero(solid.any(0))
    if not len(rows):
        return None

    # The rectangle around the mask, and the margins beside it.
    height, width = mask.shape
    top = rows[0]
    bottom = rows[-1] + 1
    left = columns[0]
    right = columns[-1] + 1
    margins = (top, height - bottom, left, width - right)

    max_margin = max(_LINE + 1, _MAX_MARGIN * max(mask.shape))
    is_wide = max(margins) > max_margin
    is_uneven = max(margins) - min(margins) > _LINE
    is_small = min(bottom - top, right - left) < _MIN_FRAMED
    if is_wide or is_uneven or is_small:
        return None

    inner_rows = slice(top + _LINE, bottom - _LINE)
    inner_columns = slice(left + _LINE, right - _LINE)

    # The background within a frame is like that around it, and may be a hole of the mask.
    filled = fill_holes(solid.astype(np.float32))
    if filled[inner_rows, inner_columns].mean() < _MIN_FILLED:
        return None
    return inner_rows, inner_columns


def remove_specks(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the parts of a mask that are small and far from the others.

    An object is framed by all of its mask: a grain of dust in a corner would make it small and
    shift it.

    Args:
        mask: (H, W) in 0..1.

    Returns:
        The mask itself if there are no specks.
    """
    height, width = mask.shape
    block = -(-max(mask.shape) // _SPECK_GRID)  # rounded up

    # Count the mask's pixels in blocks. Blocks that are near each other form a part.
    padding = ((0, -height % block), (0, -width % block))
    solid = np.pad(mask > 0.5, padding)
    block_rows = len(solid) // block
    pixel_counts = solid.reshape(block_rows, block, -1, block).sum((1, 3))
    part = label_regions(dilate(pixel_counts > 0))

    part_sizes = np.bincount(part.ravel(), pixel_counts.ravel())
    is_speck = (part_sizes > 0) & (part_sizes < _SPECK * part_sizes.max())
    if not is_speck.any():
        return mask

    removed_blocks = is_speck[part]
    removed = removed_blocks.repeat(block, 0).repeat(block, 1)[:height, :width]
    return np.where(removed, np.float32(0), mask)


def decontaminate_edges(color: Floats, mask: Floats, rim: int) -> Floats:
    """Replace the colors at the rim of an object by those further inside.

    At the rim, pixels show the background too, not only the half covered ones: on a mesh that
    would be a seam all around. Parts thinner than the rim keep their colors.

    Args:
        color: (H, W, 3) image of the object on a background.
        mask: (H, W) in 0..1.
        rim: Width of the rim, pixels.

    Returns:
        (H, W, 3).
    """
    height, width = mask.shape
    inner = erode(np.pad(mask > _OPAQUE, rim), rim)
    is_known = inner[rim : rim + height, rim : rim + width]
    return spread_colors(color, is_known, mask > _TRANSPARENT, 2 * rim + 1)


def spread_colors(
    color: Floats, known: NDArray[np.bool_], wanted: NDArray[np.bool_], steps: int
) -> Floats:
    """Grow colors over pixels without one: each takes the mean of its known neighbors, and so on.

    Args:
        color: (H, W, C).
        known: (H, W), pixels whose color is known.
        wanted: (H, W), pixels that are to get one.
        steps: How far colors grow, pixels.

    Returns:
        (H, W, C).
    """
    height, width, channels = color.shape

    # A border of one pixel gives each pixel all neighbors.
    is_known = np.pad(known, 1).ravel()
    result = np.pad(color, ((1, 1), (1, 1), (0, 0))).reshape(-1, channels)

    is_wanted = np.pad(wanted, 1).ravel()
    unknown = np.flatnonzero(is_wanted & ~is_known)
    offsets = (-1, 0, 1)
    square = np.array([row * (width + 2) + column for row in offsets for column in offsets])

    for _ in range(steps):
        neighbors = unknown[:, None] + square
        weights = is_known[neighbors].astype(color.dtype)
        count = weights.sum(1)
        has_color = count > 0

        pixels = unknown[has_color]
        color_sum = (result[neighbors[has_color]] * weights[has_color, :, None]).sum(1)
        result[pixels] = color_sum / count[has_color, None]
        is_known[pixels] = True
        unknown = unknown[~has_color]

    return result.reshape(height + 2, width + 2, channels)[1:-1, 1:-1]


def _soften_edge(difference: Floats, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Make the outermost pixels of a mask partly transparent.

    Their opacity is their difference from the background, relative to the highest one next to them.

    Args:
        difference: (H, W) from the background's color.
        mask: (H, W).
    """
    object_difference = np.where(mask, difference, 0)
    highest = np.maximum(filter3x3(object_difference, np.maximum), 1e-6)
    is_rim = mask & ~erode(mask)
    opacity = np.where(is_rim, object_difference / highest, mask)
    return opacity.astype(np.float32)


def _rim_contrast(color: Floats, mask: NDArray[np.bool_]) -> float:
    """Return the median step of color from the background across the rim of a mask.

    Where a shaded background was misjudged there is no such step. It counts within a share of the
    image's size, in which also an edge that is out of focus is a step.
    """
    reach = max(_MIN_RIM_REACH, round(max(mask.shape) * _RIM_REACH))
    steps = [np.zeros(0)]
    for axis in (0, 1):
        colors = np.swapaxes(color, 0, axis)
        is_object = np.swapaxes(mask, 0, axis)
        for rows in (slice(None), slice(None, None, -1)):
            steps.append(_steps_down(colors[rows], is_object[rows], reach))

    rim_steps = np.concatenate(steps)
    if not len(rim_steps):
        return 0.0
    return float(np.median(rim_steps))


def _steps_down(color: Floats, mask: NDArray[np.bool_], reach: int) -> Floats:
    """Return the highest step of color (N,) where rows lead from the background into a mask.

    Args:
        color: (H, W, 3).
        mask: (H, W).
        reach: Rows below the last one of the background that count.
    """
    rows, columns = np.nonzero(~mask[:-1] & mask[1:])
    background = color[rows, columns]
    highest = np.zeros(len(rows), color.dtype)

    for distance in range(1, reach + 1):
        inner_rows = np.minimum(rows + distance, len(color) - 1)
        step = np.abs(color[inner_rows, columns] - background).max(1)
        np.maximum(highest, step, out=highest)

    return highest
