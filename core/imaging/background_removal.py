r"""Cut an object out of a plain or smoothly shaded background, as of a product photo or a drawing.

The background is what has the color of the image's border and is connected to it:

    +---------------------+     1. Smooth a sensor's noise away, if there is any.
    |   outside           |     2. Fit the colors of the border: one color, or a quadratic
    |      .-------.      |        function of x and y for a smooth gradient. The border may cut
    |     / object  \     |        through the object.
    |    |   .---.   |    |     3. Find the pixels close to that color. Those connected to the
    |    |  ( hole)  |    |        border are outside.
    |    |   '---'   |    |     4. Of the enclosed ones, regions that match the background as well
    |     \_________/     |        as the outside does are holes, such as in the handle of a cup.
    +---------------------+     5. The rest is the object; its outermost pixels are as opaque as
                                   their color differs from the background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .morphology import dilate, erode, filter3x3, label_regions, median3x3

# The background's color. Differences are of the channel that differs most, in 0..1.
_ALIKE = 0.06  # difference that JPEG and a slight vignette make within one color
_MIN_PLAIN_SHARE = 0.97  # of the border's pixels that must be alike
_FIT_ROUNDS = 4  # of a gradient; each without the pixels that the one before did not match

# An object that the image's border cuts through. What is left of the border must be of one color
# to within a JPEG's noise, since a wall or a sky above a floor must not be taken for it.
_MIN_UNCUT_SHARE = 0.5  # of the border's pixels that must be alike, to one color
_MIN_UNCUT_GRADIENT_SHARE = 0.75  # the same to a gradient, which fits more by chance
_UNIFORM = 0.02  # difference below which nearly all of them must be, without noise
_UNIFORM_QUANTILE = 0.95  # "nearly all"
_NOISE_SPREAD = 2.0  # by how many deviations of the noise more
_EXACT = 1.5 / 255  # the same of a drawing or a cutout, in which the object may fill one side
_EXACT_QUANTILE = 0.85  # JPEG changes the others, next to the object
_MIN_CORNERS = 3  # of the image that must show the background: a floor hides two
_MIN_CORNERS_EXACT = 2

# Noise of a sensor, as the standard deviation of a channel, of full scale.
_MAX_NOISE = 0.013  # leaves a background within _ALIKE of its color, also where white clips half
_NOISE_LAG = 3  # pixels between the two that are compared: JPEG blurs noise over neighbors
_MAX_SMOOTHING = 4  # passes of a median filter
_NOISE_QUANTILE = 0.75  # of the differences: white clips half of them to nothing
_NORMAL_QUANTILE = 1.1503  # of the absolute values of a normal distribution, in deviations

# Alpha that cuts nothing out: a rectangle, perhaps with rounded corners.
_MIN_RECTANGLE = 0.95  # of its bounding box that must be opaque
_MIN_TOUCHED = 2  # sides of the image that the box must reach

# Holes.
_BACKGROUND_QUANTILE = 0.95  # of the background's pixels: how far they are from the fitted color
_MIN_MATCHING_SHARE = 0.7  # of a hole's pixels that must be as close
_MIN_HOLE = 0.005  # of the object's area: smaller regions may be highlights
_MAX_HOLES = 0.5  # of the object's area: with more it is a line drawing, and has none
_BLUR = 2  # pixels from the object's rim that may be blurred
_JPEG_BLOCK = 8  # pixels over which JPEG spreads an edge

# Frames around an image.
_MAX_MARGIN = 0.02  # of the longest side: the widest margin that is taken for a frame
_LINE = 2  # pixels: how uneven a frame may be, and the width of a line beside it
_MIN_FRAMED = 32  # pixels along a side within a frame
_MIN_FILLED = 0.99  # of the pixels within a frame that must be mask

# Specks.
_SPECK = 0.005  # of the largest part: dust on a scan, scraps of lettering
_SPECK_GRID = 128  # blocks along the longest side; parts within about two blocks are one

# Edge colors.
_OPAQUE = 0.95  # alpha above which a pixel shows the object only
_TRANSPARENT = 1 / 255  # alpha below which it shows the background only

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class _Border:
    """The outermost pixels of an image, from which the background's color is taken.

    Attributes:
        pixels: (H, W), where they are.
        terms: (6, K) terms of the quadratic there.
        corners: (4,) indices of those next to the image's corners.
    """

    pixels: NDArray[np.bool_]
    terms: NDArray[np.float64]
    corners: NDArray[np.int64]


def mask_plain_background(
    color: Floats, shown: NDArray[np.bool_] | None = None
) -> NDArray[np.float32] | None:
    """Return the mask of what is not background, if the background is plain.

    Spots of the background's color within the object stay, unless they are clearly holes in it.

    Args:
        color: (H, W, 3) sRGB in 0..1.
        shown: (H, W), pixels that have a color; the others are transparent and count as
            background. None if all have.

    Returns:
        (H, W) in 0..1, or None if the border is neither of one color nor a smooth gradient, or
        there is no object.
    """
    if shown is None:
        shown = np.ones(color.shape[:2], bool)
    border = _find_border(shown)
    if border is None:
        return None

    smooth = _smooth_noise(color, border.pixels)
    weights = _fit_background(smooth[border.pixels], border, _border_noise(smooth, border.pixels))
    if weights is None:
        return None
    return _mask_of_background(smooth, weights, border.pixels, shown)


def cuts_nothing_out(alpha: Floats) -> bool:
    """Return whether an image with this alpha still has its background.

    Then what is opaque is a rectangle that reaches two sides of the image or more: all but a few
    pixels, rounded corners, or a strip along an edge. A rectangle with a margin all around, even of
    one pixel, may be an object that is cut out, such as a door.

    Args:
        alpha: (H, W) in 0..1.
    """
    opaque = alpha >= 0.5
    rows = np.flatnonzero(opaque.any(1))
    columns = np.flatnonzero(opaque.any(0))
    if not len(rows):
        return False

    height, width = alpha.shape
    touched = (rows[0] == 0, rows[-1] == height - 1, columns[0] == 0, columns[-1] == width - 1)
    box = opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return sum(touched) >= _MIN_TOUCHED and bool(box.mean() >= _MIN_RECTANGLE)


def shown_pixels(alpha: Floats) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of an image that :func:`cuts_nothing_out` whose color is certain."""
    return np.asarray(alpha > _OPAQUE)


def detect_frame(mask: Floats) -> tuple[slice, slice] | None:
    """Return the rows and columns within a frame or margin around an image.

    There is one if the mask is a rectangle nearly as large as the image, with a thin and even
    margin on all sides.

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
    if solid[inner_rows, inner_columns].mean() < _MIN_FILLED:
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


def _find_border(shown: NDArray[np.bool_]) -> _Border | None:
    """Return the outermost of the pixels ``shown`` (H, W), or None if there are none."""
    inner = erode(np.pad(shown, 1))[1:-1, 1:-1]
    pixels = shown & ~inner
    rows, columns = np.nonzero(pixels)
    if not len(rows):
        return None

    height, width = shown.shape
    corners = []
    for row in (0, height - 1):
        for column in (0, width - 1):
            distance = np.abs(rows - row) + np.abs(columns - column)
            corners.append(int(distance.argmin()))
    terms = np.stack(_quadratic_terms(rows, columns, shown.shape))
    return _Border(pixels=pixels, terms=terms, corners=np.array(corners))


def _smooth_noise(color: Floats, border: NDArray[np.bool_]) -> Floats:
    """Return ``color`` (H, W, 3) without the noise of a sensor; itself if there is little.

    The noise is measured at the border (H, W). A median filter keeps the object's edges.
    """
    smooth = color
    for _ in range(_MAX_SMOOTHING):
        if _border_noise(smooth, border) <= _MAX_NOISE:
            break
        smooth = median3x3(smooth)
    return smooth


def _border_noise(color: Floats, border: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the noise along a border (H, W) of a plain background.

    It is taken from a quantile of the differences between pixels near each other, so that neither a
    shade nor an object at the border counts (as Donoho and Johnstone 1994,
    doi:10.1093/biomet/81.3.425, do with wavelets).
    """
    differences = [np.zeros((1, 3))]
    for axis in (0, 1):
        first = np.swapaxes(color, 0, axis)
        on_border = np.swapaxes(border, 0, axis)
        pair = on_border[_NOISE_LAG:] & on_border[:-_NOISE_LAG]
        differences.append(np.abs(first[_NOISE_LAG:][pair] - first[:-_NOISE_LAG][pair]))
    quantile = float(np.quantile(np.concatenate(differences), _NOISE_QUANTILE))
    return quantile / (2**0.5 * _NORMAL_QUANTILE)


def _fit_background(
    border_color: Floats, border: _Border, noise: float
) -> NDArray[np.float64] | None:
    """Return the weights (6, 3) of the quadratic that is the background's color.

    Args:
        border_color: (K, 3) colors of the border.
        border: Where they are.
        noise: Standard deviation of their noise.

    Returns:
        None if the border is not plain.
    """
    fits = (_fit_plain_background, _fit_gradient)
    solutions = []
    for fit in fits:
        weights = fit(border.terms, border_color)
        difference = np.abs(border_color - border.terms.T @ weights).max(1)
        if (difference < _ALIKE).mean() >= _MIN_PLAIN_SHARE:
            return weights
        solutions.append((weights, difference))

    # Is it plain apart from an object that it cuts through?
    max_spread = _UNIFORM + _NOISE_SPREAD * noise
    min_shares = (_MIN_UNCUT_SHARE, _MIN_UNCUT_GRADIENT_SHARE)
    for (weights, difference), min_share in zip(solutions, min_shares, strict=True):
        is_alike = difference < _ALIKE
        if is_alike.mean() < min_share:
            continue
        if _is_uniform(difference[is_alike], is_alike[border.corners], max_spread):
            return weights
    return None


def _is_uniform(
    difference: Floats, are_corners_alike: NDArray[np.bool_], max_spread: float
) -> bool:
    """Return whether what is alike of a border is a background that an object crosses.

    Args:
        difference: (K,) of the alike pixels' colors from the background's.
        are_corners_alike: (4,).
        max_spread: Difference below which nearly all of them must be.
    """
    corner_count = int(are_corners_alike.sum())
    if float(np.quantile(difference, _EXACT_QUANTILE)) <= _EXACT:
        return corner_count >= _MIN_CORNERS_EXACT
    spread = float(np.quantile(difference, _UNIFORM_QUANTILE))
    return spread <= max_spread and corner_count >= _MIN_CORNERS


def _mask_of_background(
    color: Floats,
    weights: NDArray[np.float64],
    border: NDArray[np.bool_],
    shown: NDArray[np.bool_],
) -> NDArray[np.float32] | None:
    """Return the mask of what is not background.

    Args:
        color: (H, W, 3) sRGB in 0..1.
        weights: (6, 3) of the quadratic that is the background's color.
        border: (H, W) pixels at the image's border.
        shown: (H, W) pixels that have a color.

    Returns:
        (H, W) in 0..1, or None if nothing stands out clearly.
    """
    difference = _background_difference(color, weights)
    difference[~shown] = 0
    is_alike = difference < _ALIKE

    # Background is what is alike and connected to the border, and holes of the object.
    outside = _connected_to(is_alike, border | ~shown)
    enclosed = is_alike & ~outside
    holes = _find_holes(difference, enclosed, outside)
    mask = ~(outside | holes)
    if not mask.any():
        return None
    if _rim_contrast(color, mask) <= _ALIKE / 2:
        return None
    return _soften_edge(difference, mask)


def _connected_to(mask: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the regions of a mask (H, W) that contain a pixel of ``seeds`` (H, W)."""
    label = label_regions(mask)
    has_seed = np.zeros(mask.size + 1, bool)
    has_seed[label[seeds & mask]] = True
    return has_seed[label]


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
    """Return the median step of color across the rim of a mask.

    Where a shaded background was misjudged there is no such step.
    """
    steps = []
    for axis in (0, 1):
        difference = np.diff(color, axis=axis)
        step = np.abs(difference).max(2)
        crosses_rim = np.diff(mask, axis=axis)
        steps.append(step[crosses_rim])
    rim_steps = np.concatenate(steps)
    return float(np.median(rim_steps))


def _quadratic_terms(
    rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, ...]
) -> list[NDArray[np.float64]]:
    """Return the six terms of a quadratic function of x and y, both in -1..1, at pixels.

    Args:
        rows: Row of each pixel.
        columns: Column of each pixel.
        shape: Height and width of the image.
    """
    y = 2 * rows / max(shape[0] - 1, 1) - 1
    x = 2 * columns / max(shape[1] - 1, 1) - 1
    return [np.ones_like(x), x, y, x * x, x * y, y * y]


def _fit_plain_background(terms: NDArray[np.float64], color: Floats) -> NDArray[np.float64]:
    """Return the weights (6, 3) of a constant, the color of most of the border.

    Args:
        terms: (6, K) terms of the quadratic at the border's pixels.
        color: (K, 3) their colors.
    """
    constant = np.median(color, axis=0)[None]
    return np.concatenate((constant, np.zeros((len(terms) - 1, 3))))


def _fit_gradient(terms: NDArray[np.float64], color: Floats) -> NDArray[np.float64]:
    """Return the weights (6, 3) of the quadratic through most of the border's colors.

    Args:
        terms: (6, K) terms of the quadratic at the border's pixels.
        color: (K, 3) their colors.
    """
    rows = terms.T
    is_alike = np.ones(len(color), bool)

    # Fit again without the colors that the last fit missed: the object may touch the border.
    for _ in range(_FIT_ROUNDS):
        solution = np.linalg.lstsq(rows[is_alike], color[is_alike], rcond=None)
        weights: NDArray[np.float64] = solution[0]
        residual = np.abs(rows @ weights - color)
        error = residual.max(1)
        median = float(np.median(error))
        is_alike = error <= max(_ALIKE, median)
    return weights


def _background_difference(color: Floats, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the difference of each pixel from the background, of the channel that differs most.

    Args:
        color: (H, W, 3) sRGB in 0..1.
        weights: (6, 3) of the quadratic that is the background's color.

    Returns:
        (H, W).
    """
    height, width = color.shape[:2]
    rows = np.arange(height)[:, None]
    columns = np.arange(width)[None]
    terms = _quadratic_terms(rows, columns, (height, width))

    # Channel by channel, and without the terms that a plain background lacks, to save memory.
    difference = np.zeros((height, width))
    for channel in range(3):
        background: Any = 0
        for weight, term in zip(weights[:, channel], terms, strict=True):
            if weight:
                background = background + weight * term
        np.maximum(difference, np.abs(color[..., channel] - background), out=difference)
    return difference


def _find_holes(
    difference: Floats, enclosed: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return where the background is seen through the object, as within the handle of a cup.

    Holes are regions whose colors are as close to the background's as the pixels outside are, at
    the same distance from the rim: white parts of an object are shaded. In a line drawing all
    regions would be holes, so then there are none.

    Args:
        difference: (H, W) from the background's color.
        enclosed: (H, W) pixels of about the background's color within the object.
        outside: (H, W) pixels outside the object.
    """
    no_holes = np.zeros_like(enclosed)
    object_area = difference.size - outside.sum()
    region = label_regions(enclosed)
    region_count = difference.size + 1
    is_large = np.bincount(region[enclosed], minlength=region_count) >= _MIN_HOLE * object_area
    if not is_large.any():
        return no_holes

    # How close is the background to its fitted color, near the rim but beyond its blur?
    blurred = dilate(~(outside | enclosed), _BLUR)
    near_rim = dilate(blurred, _JPEG_BLOCK - _BLUR) & ~blurred
    background = difference[outside & near_rim]
    limit = 0.0
    if len(background):
        limit = float(np.quantile(background, _BACKGROUND_QUANTILE))

    # Most pixels of a hole are as close.
    clear = enclosed & ~blurred
    matching = clear & (difference <= limit)
    clear_counts = np.bincount(region[clear], minlength=region_count)
    matching_counts = np.bincount(region[matching], minlength=region_count)
    is_hole = is_large & (matching_counts > _MIN_MATCHING_SHARE * clear_counts)

    holes: NDArray[np.bool_] = is_hole[region]
    if holes.sum() > object_area * _MAX_HOLES:
        return no_holes
    return holes
