r"""Judge where a plain background is seen through an object, and fill the holes of a mask.

Regions of nearly the background's color within an object are holes in it, or they are white paper,
highlights, paint. No single region can be judged by its color alone: a camera clips white paper to
the white of the ground. All those of an object together can:

      chair's back               printed bag
    +--------------+          .----------------.      1. A hole is of the same color as the
    | #  #  #  # # |          |  ___    _      |         background around the object. If many
    | #  #  #  # # |          | |   |  | |  _  |         regions nearly are, the object is white.
    | #  #  #  # # |          | |___|  |_| |_| |      2. It has a sharp edge, while paper fades into
    +--------------+          |   ____         |         its shades.
      |          |            |  |____|   print|      3. Where there are many, what separates them
      |          |            '----------------'         is thin: slats, bars, wires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .morphology import connected_to, dilate, erode, filter3x3, label_regions

# One region by itself.
_BACKGROUND_QUANTILE = 0.95  # of the background's pixels: how far they are from the fitted color
_MIN_MATCHING_SHARE = 0.7  # of a hole's pixels that must be as close
_MIN_HOLE = 0.005  # of the object's area: smaller regions may be highlights
_BLUR = 2  # pixels from the object's rim that may be blurred
_JPEG_BLOCK = 8  # pixels over which JPEG spreads an edge

# All regions of an object. Values are from regions of rendered objects that are printed, or not.
_FEW = 3  # holes that an object may have in thick material, such as a mug or a tire
_MAX_SOFTNESS_OF_FEW = 0.5  # of their edges
_MIN_THINNESS = 0.5  # of the material around many, less half of the softness of their edges
_MIN_MATCHING_AREA = 0.7  # of the regions' area: where others fade into it, paper is as white
_SOFT_DIFFERENCE = 0.12  # from the background, of pixels beside an edge that is soft
_EXACT_DIFFERENCE = 0.012  # from the background, which JPEG and rounding make
_THIN = 0.12  # thickness of thin material, of the square root of the object's area

# Line drawings: what they enclose is no hole.
_MAX_HOLES = 0.5  # of the object's area: with more it may be a line drawing
_STROKE = 0.06  # thickness of its lines, of the square root of the object's area
_MIN_SOLID = 0.1  # of the material that is thicker if it is none

_COARSE_SIDE = 256  # pixels of the image in which thickness is measured

Floats = NDArray[np.floating[Any]]


def find_holes(
    difference: Floats, enclosed: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return where the background is seen through the object, as within the handle of a cup.

    Args:
        difference: (H, W) from the background's color.
        enclosed: (H, W) pixels of about the background's color within the object.
        outside: (H, W) pixels outside the object.
    """
    no_holes = np.zeros_like(enclosed)
    object_area = difference.size - int(outside.sum())
    region, region_count = _large_regions(enclosed, _MIN_HOLE * object_area)
    if not region_count:
        return no_holes

    limit, blurred = _background_spread(difference, enclosed, outside)
    is_matching = _are_matching(difference, region, region_count, limit, blurred)
    areas = np.bincount(region[region > 0], minlength=region_count + 1)[1:]
    if areas[is_matching].sum() < _MIN_MATCHING_AREA * areas.sum():
        return no_holes

    material = ~outside & (region == 0)
    thickness = _Thickness(material, region, object_area)
    softness = _edge_softness(difference, region, region_count, limit)
    is_sharp_few = is_matching.sum() <= _FEW and softness < _MAX_SOFTNESS_OF_FEW

    if not is_sharp_few:
        thinness = thickness.thin_share(region_count) - softness / 2
        if thinness < _MIN_THINNESS:
            return no_holes

    holes: NDArray[np.bool_] = np.append(False, is_matching)[region]
    if holes.sum() > _MAX_HOLES * object_area and thickness.is_line_drawing():
        return no_holes
    return holes


def fill_holes(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a mask (H, W), in 0..1, without holes: what it encloses is object too."""
    is_clear = mask <= 0.5
    border = np.zeros_like(is_clear)
    border[[0, -1]] = True
    border[:, [0, -1]] = True
    enclosed = is_clear & ~connected_to(is_clear, border)
    if not enclosed.any():
        return mask

    # The rim of a hole is partly transparent too.
    outside = is_clear & ~enclosed
    filled = dilate(enclosed) & ~outside
    return np.where(filled, np.float32(1), mask)


def _large_regions(mask: NDArray[np.bool_], min_area: float) -> tuple[NDArray[np.int32], int]:
    """Number the connected regions of a mask (H, W) that are large.

    Args:
        mask: (H, W).
        min_area: Pixels.

    Returns:
        (H, W) numbers from 1, 0 elsewhere; and how many there are.
    """
    label = label_regions(mask)
    areas = np.bincount(label[mask], minlength=mask.size + 1)
    is_large = areas >= max(min_area, 1)
    is_large[0] = False
    number = np.cumsum(is_large) * is_large
    return number.astype(np.int32)[label], int(is_large.sum())


def _background_spread(
    difference: Floats, enclosed: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> tuple[float, NDArray[np.bool_]]:
    """Return how close the background is to its fitted color, near the object but beyond its blur.

    Args:
        difference: (H, W) from the background's color.
        enclosed: (H, W) pixels of about the background's color within the object.
        outside: (H, W) pixels outside the object.

    Returns:
        The difference, and the pixels (H, W) of the object and its blur.
    """
    blurred = dilate(~(outside | enclosed), _BLUR)
    near_rim = dilate(blurred, _JPEG_BLOCK - _BLUR) & ~blurred
    background = difference[outside & near_rim]
    if not len(background):
        return 0.0, blurred
    return float(np.quantile(background, _BACKGROUND_QUANTILE)), blurred


def _are_matching(
    difference: Floats,
    region: NDArray[np.int32],
    region_count: int,
    limit: float,
    blurred: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return for each region whether most of its pixels are as close to the background's color.

    Args:
        difference: (H, W) from the background's color.
        region: (H, W) from 1, 0 elsewhere.
        region_count: Number of regions.
        limit: Difference of the background itself.
        blurred: (H, W) pixels that do not count.
    """
    clear = (region > 0) & ~blurred
    matching = clear & (difference <= limit)
    clear_counts = np.bincount(region[clear], minlength=region_count + 1)
    matching_counts = np.bincount(region[matching], minlength=region_count + 1)
    is_matching: NDArray[np.bool_] = matching_counts > _MIN_MATCHING_SHARE * clear_counts
    return is_matching[1:]


def _edge_softness(
    difference: Floats, region: NDArray[np.int32], region_count: int, limit: float
) -> float:
    """Return how many of the pixels beside the regions fade into the background's color.

    Args:
        difference: (H, W) from the background's color.
        region: (H, W) from 1, 0 elsewhere.
        region_count: Number of regions.
        limit: Difference of the background itself.

    Returns:
        The mean of the regions, in 0..1. Beside is what is farther than a blur from the pixels that
        are of the background's color.
    """
    rows, columns = _bounding_box(region > 0, 2 * _BLUR + 1)
    difference = difference[rows, columns]
    is_exact = difference <= max(limit, _EXACT_DIFFERENCE)
    near = np.where(is_exact, region[rows, columns], 0)
    for _ in range(_BLUR):
        near = filter3x3(near, np.maximum)
    beside = near
    for _ in range(_BLUR):
        beside = filter3x3(beside, np.maximum)

    ring = (beside > 0) & (near == 0)
    is_soft = ring & (difference < _SOFT_DIFFERENCE)
    return _mean_share(beside[ring], beside[is_soft], region_count, 1.0)


def _mean_share(
    members: NDArray[np.int32], chosen: NDArray[np.int32], count: int, empty: float
) -> float:
    """Return the mean over regions of the share of their members that are chosen.

    Args:
        members: (M,) region of each member.
        chosen: (C,) region of each chosen one.
        count: Number of regions, which are numbered from 1.
        empty: Share of a region without members.
    """
    member_counts = np.bincount(members, minlength=count + 1)[1:]
    chosen_counts = np.bincount(chosen, minlength=count + 1)[1:]
    shares = np.where(member_counts > 0, chosen_counts / np.maximum(member_counts, 1), empty)
    return float(shares.mean())


def _bounding_box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a mask (H, W) that is not empty, and of a margin in pixels."""
    slices = []
    for axis in (0, 1):
        indices = np.flatnonzero(mask.any(1 - axis))
        start = max(int(indices[0]) - margin, 0)
        slices.append(slice(start, int(indices[-1]) + margin + 1))
    return slices[0], slices[1]


@dataclass(frozen=True)
class _Thickness:
    """How thick an object is beside its regions, measured in a coarse image.

    Attributes:
        material: (H, W) pixels of the object that are in no region.
        region: (H, W) numbers of the regions, from 1, 0 elsewhere.
        object_area: Pixels.
    """

    material: NDArray[np.bool_]
    region: NDArray[np.int32]
    object_area: int

    def thin_share(self, region_count: int) -> float:
        """Return the share of the pixels at the regions' edges that are of thin material.

        Args:
            region_count: Number of regions; the mean of them all is returned.
        """
        material, region, size = self._coarse()
        thin = material & ~_open(material, _THIN * size)
        neighbor = filter3x3(region, np.maximum)
        return _mean_share(neighbor[material], neighbor[thin], region_count, 0.0)

    def is_line_drawing(self) -> bool:
        """Return whether nearly all of the material is as thin as a pen's stroke."""
        material, _, size = self._coarse()
        solid = _open(material, _STROKE * size)
        return bool(solid.sum() < _MIN_SOLID * material.sum())

    def _coarse(self) -> tuple[NDArray[np.bool_], NDArray[np.int32], float]:
        """Return material, regions, and the square root of the object's area, in a coarse image.

        Material covers all blocks that have any of it, so that bars of a pixel stay.
        """
        rows, columns = _bounding_box(self.material | (self.region > 0), 0)
        material = self.material[rows, columns]
        region = self.region[rows, columns]
        factor = -(-max(material.shape) // _COARSE_SIDE)  # rounded up
        material = _block_maximum(material, factor)
        region = np.where(material, 0, _block_maximum(region, factor))
        return material, region, self.object_area**0.5 / factor


def _block_maximum(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the maximum of each block of ``factor`` by ``factor`` pixels of an image (H, W)."""
    height, width = values.shape
    padded = np.pad(values, ((0, -height % factor), (0, -width % factor)))
    blocks = padded.reshape(len(padded) // factor, factor, -1, factor)
    maximum: NDArray[Any] = blocks.max((1, 3))
    return maximum


def _open(mask: NDArray[np.bool_], thickness: float) -> NDArray[np.bool_]:
    """Return a mask (H, W) without the parts that are thinner than ``thickness`` pixels."""
    steps = max(1, round(thickness / 2))
    opened = dilate(erode(np.pad(mask, steps), steps), steps)
    return opened[steps:-steps, steps:-steps]
