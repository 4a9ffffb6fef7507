"""Neighborhoods and connected regions of grids: images, masks, cells of a volume."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.generic)


def filter3x3(values: NDArray[Value], reduction: np.ufunc) -> NDArray[Value]:
    """Reduce the 3 x 3 neighborhood of each pixel to one value; 3 x 3 x 3 in a volume.

    At the border only the pixels within the image count.

    Args:
        values: (H, W) image, or an array with any number of axes.
        reduction: ``np.minimum``, ``np.maximum``, ``np.logical_and`` or ``np.logical_or``.

    Returns:
        The reduced values, of the shape and dtype of ``values``.
    """
    # The filter is separable: one pass an axis.
    for axis in range(values.ndim):
        lower, upper = shifted_slices(values.ndim, axis)
        result = values.copy()
        reduction(result[lower], values[upper], out=result[lower])
        reduction(result[upper], values[lower], out=result[upper])
        values = result

    return values


def median3x3(values: NDArray[Value]) -> NDArray[Value]:
    """Return the median of the 3 x 3 neighborhood of each pixel, channel by channel.

    The median of nine is that of the largest of the lows, the median of the middles and the
    smallest of the highs of three sorted columns (Smith 1996, "Implementing median filters in
    XC4000E FPGAs"). All pixels are sorted at a time, which is several times as fast as Pillow's
    filter.

    Args:
        values: (H, W, C); beyond the border the outermost pixels repeat.

    Returns:
        (H, W, C) of the dtype of ``values``.
    """
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), "edge")

    # Each column of three pixels, sorted.
    low, middle, high = _sort3(padded[:-2], padded[1:-1], padded[2:])

    # Each three neighboring columns.
    left = slice(None, -2)
    center = slice(1, -1)
    right = slice(2, None)
    largest_low = np.maximum(low[:, left], low[:, center])
    largest_low = np.maximum(largest_low, low[:, right])
    smallest_high = np.minimum(high[:, left], high[:, center])
    smallest_high = np.minimum(smallest_high, high[:, right])
    _, median_middle, _ = _sort3(middle[:, left], middle[:, center], middle[:, right])
    _, median, _ = _sort3(largest_low, median_middle, smallest_high)

    return median


def dilate(mask: NDArray[np.bool_], steps: int = 1) -> NDArray[np.bool_]:
    """Return ``mask`` and all within ``steps`` pixels of it, diagonals included."""
    for _ in range(steps):
        mask = filter3x3(mask, np.logical_or)
    return mask


def erode(mask: NDArray[np.bool_], steps: int = 1) -> NDArray[np.bool_]:
    """Return ``mask`` without all within ``steps`` pixels of its outside, diagonals included."""
    for _ in range(steps):
        mask = filter3x3(mask, np.logical_and)
    return mask


def shifted_slices(axes: int, axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the indices of all but the last, and of all but the first, along an axis.

    Arrays indexed with the two hold each pair of neighbors along the axis at the same position.

    Args:
        axes: Number of axes of the array.
        axis: The axis along which one is left out.
    """
    lower = [slice(None)] * axes
    upper = [slice(None)] * axes
    lower[axis] = slice(None, -1)
    upper[axis] = slice(1, None)
    return tuple(lower), tuple(upper)


def connected_components(edges: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Number the connected components of a graph.

    Each node points to a node of a lower or the same number, at first to itself. Every edge whose
    ends have different roots hangs the higher root on the lower one; then all pointers are
    shortened to the roots. So the root of a component is its lowest node.

        edges (1, 2), (2, 3):    0   1 <- 2 <- 3    becomes    0   1 <- 2
                                                                   1 <- 3

    Args:
        edges: (E, 2) nodes that are connected.
        count: Number of nodes.

    Returns:
        (count,) number of each node's component, from 0, in the order of their lowest nodes.
    """
    root = np.arange(count)
    first = edges[:, 0]
    second = edges[:, 1]

    while True:
        first_root = root[first]
        second_root = root[second]
        apart = first_root != second_root
        if not apart.any():
            break

        # Edges within a component are done.
        first = first[apart]
        second = second[apart]
        higher = np.maximum(first_root[apart], second_root[apart])
        lower = np.minimum(first_root[apart], second_root[apart])
        np.minimum.at(root, higher, lower)
        while (root[root] != root).any():
            root = root[root]

    is_root = root == np.arange(count)
    number = np.cumsum(is_root) - 1
    component: NDArray[np.int64] = number[root]
    return component


def flood_fill(mask: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    """Spread the highest value of each connected region of a mask over the region.

    What is connected are runs of pixels within rows, and those of two rows where they touch (He et
    al. 2008, doi:10.1109/TIP.2008.919369). Pixels that touch at a corner are not connected.

        mask    # # . # .      runs    0 0 1 2 3      regions    A A . B .
                . # . # #              4 5 6 7 7                 . A . B B

    Args:
        mask: (H, W) pixels of the regions.
        values: (H, W) values, none below 0.

    Returns:
        (H, W) of the dtype of ``values``: the region's highest value, 0 outside the mask.
    """
    # A run begins at each row, and where the mask changes along it.
    starts = np.ones(mask.shape, bool)
    starts[:, 1:] = mask[:, 1:] != mask[:, :-1]
    run = np.cumsum(starts.ravel()).reshape(mask.shape) - 1
    run_count = int(run[-1, -1]) + 1

    # One edge for each pair of touching runs: where one of the two begins.
    in_both_rows = mask[1:] & mask[:-1]
    begins = starts[1:] | starts[:-1]
    touching = in_both_rows & begins
    upper_runs = run[:-1][touching]
    lower_runs = run[1:][touching]
    edges = np.stack((upper_runs, lower_runs), axis=1)
    region = connected_components(edges, run_count)

    # The highest value of each run, and then that of each region of runs.
    masked_values = (values * mask).ravel()
    run_highest = np.maximum.reduceat(masked_values, np.flatnonzero(starts))
    highest = np.zeros(run_count, values.dtype)
    np.maximum.at(highest, region, run_highest)
    filled: NDArray[Any] = highest[region][run]

    return filled


def label_regions(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the connected regions of a mask.

    Args:
        mask: (H, W) pixels of the regions.

    Returns:
        (H, W) a number of its own for each region, from 1 to H * W with gaps, 0 outside the mask.
    """
    pixel_numbers = np.arange(1, mask.size + 1).reshape(mask.shape)
    return flood_fill(mask, np.where(mask, pixel_numbers, 0))


def connected_to(mask: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the regions of a mask (H, W) that contain a pixel of ``seeds`` (H, W)."""
    label = label_regions(mask)
    has_seed = np.zeros(mask.size + 1, bool)
    has_seed[label[seeds & mask]] = True
    connected: NDArray[np.bool_] = has_seed[label]
    return connected


def _sort3(
    a: NDArray[Value], b: NDArray[Value], c: NDArray[Value]
) -> tuple[NDArray[Value], NDArray[Value], NDArray[Value]]:
    """Return the smallest, the middle and the largest of three arrays, element by element."""
    low_ab = np.minimum(a, b)
    high_ab = np.maximum(a, b)
    middle_or_low = np.minimum(high_ab, c)
    high = np.maximum(high_ab, c)
    return np.minimum(low_ab, middle_or_low), np.maximum(low_ab, middle_or_low), high
