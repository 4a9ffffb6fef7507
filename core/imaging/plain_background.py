"""Fit the color of a plain or smoothly shaded background, from the border of an image inward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jobs.task import Progress, Task
from .morphology import connected_to, erode, median3x3

# The background's color. Differences are of the channel that differs most, in 0..1.
ALIKE = 0.06  # difference that JPEG and a slight vignette make within one color
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

# The fit of all of the background, from the border inward.
_COARSE_SIDE = 256  # pixels of the longest side of the image that is fitted
_MAX_GROWTH = 8  # rounds
_MIN_GROWTH = 0.005  # of the background's area, below which it has ended
_MIN_SAMPLES = 100
_MAX_SAMPLES = 4000
_POWERS = 5  # of a coordinate: a lens's falloff has the fourth power of the radius

# Noise of a sensor, as the standard deviation of a channel, of full scale.
_MAX_NOISE = 0.013  # leaves a background within ALIKE of its color, also where white clips half
_NOISE_LAG = 3  # pixels between the two that are compared: JPEG blurs noise over neighbors
_MAX_SMOOTHING = 4  # passes of a median filter
_NOISE_QUANTILE = 0.75  # of the differences: white clips half of them to nothing
_NORMAL_QUANTILE = 1.1503  # of the absolute values of a normal distribution, in deviations

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Border:
    """The outermost pixels of an image, from which the background's color is taken.

    Attributes:
        pixels: (H, W), where they are.
        terms: (6, K) terms of the quadratic there.
        corners: (4,) indices of those next to the image's corners.
    """

    pixels: NDArray[np.bool_]
    terms: NDArray[np.float64]
    corners: NDArray[np.int64]


def find_border(shown: NDArray[np.bool_]) -> Border | None:
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
    return Border(pixels=pixels, terms=terms, corners=np.array(corners))


def smooth_noise(color: Floats, border: NDArray[np.bool_]) -> Task[Floats]:
    """Return ``color`` (H, W, 3) without the noise of a sensor; itself if there is little.

    The noise is measured at the border (H, W). A median filter keeps the object's edges.
    """
    smooth = color
    for passes in range(_MAX_SMOOTHING):
        if _border_noise(smooth, border) <= _MAX_NOISE:
            break
        yield Progress(0.4 * passes / _MAX_SMOOTHING, "Removing noise")
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


def fit_background(color: Floats, border: Border) -> NDArray[np.float64] | None:
    """Return the weights (7, 3) of the polynomial that is the color of an image's border.

    Args:
        color: (H, W, 3) sRGB in 0..1.
        border: Its outermost pixels.

    Returns:
        None if the border is not plain.
    """
    border_color = color[border.pixels]
    solutions = []
    for fit in (_fit_plain_background, _fit_gradient):
        weights = fit(border.terms, border_color)
        difference = np.abs(border_color - border.terms.T @ weights).max(1)
        if (difference < ALIKE).mean() >= _MIN_PLAIN_SHARE:
            return _with_falloff(weights)
        solutions.append((weights, difference))

    # Is it plain apart from an object that it cuts through?
    noise = _border_noise(color, border.pixels)
    max_spread = _UNIFORM + _NOISE_SPREAD * noise
    min_shares = (_MIN_UNCUT_SHARE, _MIN_UNCUT_GRADIENT_SHARE)

    for (weights, difference), min_share in zip(solutions, min_shares, strict=True):
        is_alike = difference < ALIKE
        if is_alike.mean() < min_share:
            continue
        if _is_uniform(difference[is_alike], is_alike[border.corners], max_spread):
            return _with_falloff(weights)

    return None


def refine_background(
    color: Floats, weights: NDArray[np.float64], shown: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the polynomial fitted to all of the background, from the border inward.

    What the border shows of a lens's falloff or of a backdrop's shade says little about the middle.
    Therefore the fit grows: each round is fitted to what the one before has found to be background,
    in an image of block means.

    Args:
        color: (H, W, 3) sRGB in 0..1.
        weights: (7, 3) of the polynomial that fits the border.
        shown: (H, W) pixels that have a color.

    Returns:
        (7, 3); ``weights`` themselves if they fit well enough.
    """
    factor = -(-max(color.shape[:2]) // _COARSE_SIDE)  # rounded up
    coarse, is_shown, rows, columns = _block_means(color, shown, factor)
    terms = _polynomial_terms(rows, columns, color.shape)
    seeds = ~erode(np.pad(is_shown, 1))[1:-1, 1:-1]
    area = 0

    for _ in range(_MAX_GROWTH):
        difference = _difference_from(coarse, terms, weights)
        outside = connected_to((difference < ALIKE) & is_shown, seeds) & is_shown
        if outside.sum() <= (1 + _MIN_GROWTH) * area:
            break
        is_first = area == 0
        area = int(outside.sum())

        # Without the blur around the object, unless nothing is left.
        inner = erode(outside)
        samples = inner if inner.sum() > _MIN_SAMPLES else outside
        spread = float(np.quantile(difference[samples], _UNIFORM_QUANTILE))
        if is_first and spread <= _UNIFORM:
            break
        grown = _fit_samples(coarse, terms, samples)
        is_alike = _difference_from(coarse, terms, grown)[samples] < ALIKE
        if is_alike.mean() < _MIN_PLAIN_SHARE:
            break
        weights = grown

    return weights


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
        is_alike = error <= max(ALIKE, median)

    return weights


def background_difference(color: Floats, weights: NDArray[np.float64]) -> Floats:
    """Return the difference of each pixel from the background, of the channel that differs most.

    Args:
        color: (H, W, 3) sRGB in 0..1.
        weights: (7, 3) of the polynomial that is the background's color.

    Returns:
        (H, W).
    """
    height, width = color.shape[:2]
    terms = _polynomial_terms(np.arange(height), np.arange(width), color.shape)
    return _difference_from(color, terms, weights)


@dataclass(frozen=True)
class _PolynomialTerms:
    """Powers of the coordinates y (rows) and x (columns) of an image's pixels, both in -1..1.

    Attributes:
        rows: (H, 5) of y, from the zeroth.
        columns: (W, 5) of x.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]

    def evaluate(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the polynomial (H, W) of one channel's weights (7,)."""
        one, x, y, xx, xy, yy, falloff = weights
        coefficients = np.zeros((_POWERS, _POWERS))  # by the powers of y and x
        coefficients[0, :3] = one, x, xx
        coefficients[1, :2] = y, xy
        coefficients[2, 0] = yy
        coefficients[0, 4] = falloff
        coefficients[2, 2] = 2 * falloff
        coefficients[4, 0] = falloff

        return self.rows @ coefficients @ self.columns.T

    def at(self, pixels: tuple[NDArray[np.int64], ...]) -> NDArray[np.float64]:
        """Return the seven terms (N, 7) at pixels, given by rows and columns (N,) each."""
        y = self.rows[pixels[0], 1]
        x = self.columns[pixels[1], 1]
        falloff = (x * x + y * y) ** 2
        return np.stack((np.ones_like(x), x, y, x * x, x * y, y * y, falloff), axis=1)


def _polynomial_terms(
    rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, ...]
) -> _PolynomialTerms:
    """Return the powers of coordinates.

    Args:
        rows: (H,) rows, pixels.
        columns: (W,) columns, pixels.
        shape: Height and width of the image, and others.
    """
    y = 2 * rows / max(shape[0] - 1, 1) - 1
    x = 2 * columns / max(shape[1] - 1, 1) - 1
    exponents = np.arange(_POWERS)
    return _PolynomialTerms(y[:, None] ** exponents, x[:, None] ** exponents)


def _difference_from(
    color: Floats, terms: _PolynomialTerms, weights: NDArray[np.float64]
) -> Floats:
    """Return the highest difference (H, W) of any channel of ``color`` from a polynomial."""
    difference = np.zeros(color.shape[:2], color.dtype)
    for channel in range(color.shape[2]):
        background = terms.evaluate(weights[:, channel]).astype(color.dtype)
        np.maximum(difference, np.abs(color[..., channel] - background), out=difference)
    return difference


def _fit_samples(
    color: Floats, terms: _PolynomialTerms, samples: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the weights (7, 3) of the polynomial through the colors of ``samples`` (H, W)."""
    rows, columns = np.nonzero(samples)
    stride = -(-len(rows) // _MAX_SAMPLES)
    pixels = (rows[::stride], columns[::stride])
    solution = np.linalg.lstsq(terms.at(pixels), color[pixels], rcond=None)
    weights: NDArray[np.float64] = solution[0]
    return weights


def _with_falloff(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights (7, 3) of a quadratic (6, 3): without the falloff of a lens."""
    return np.concatenate((weights, np.zeros((1, weights.shape[1]))))


def _block_means(
    color: Floats, shown: NDArray[np.bool_], factor: int
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of blocks of an image, without what is left at its ends.

    Args:
        color: (H, W, 3).
        shown: (H, W) pixels that have a color.
        factor: Width and height of a block, pixels.

    Returns:
        The means (h, w, 3); where all of a block is shown, (h, w); rows (h,) and columns (w,) of
        the blocks' centers.
    """
    rows = np.arange(color.shape[0] // factor) * factor
    columns = np.arange(color.shape[1] // factor) * factor
    means = np.zeros((len(rows), len(columns), color.shape[2]), color.dtype)
    is_shown = np.ones(means.shape[:2], bool)

    for row in range(factor):
        for column in range(factor):
            pixels = np.ix_(rows + row, columns + column)
            means += color[pixels]
            is_shown &= shown[pixels]

    means /= factor**2
    center = (factor - 1) / 2
    return means, is_shown, rows + center, columns + center
