"""Segmentation: find the object in an image, by alpha, by a plain background, or by the network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...alignment.side_views import mask_bounds
from ...errors import ImageError
from ...imaging.background_removal import (
    cuts_nothing_out,
    decontaminate_edges,
    detect_frame,
    plain_background_mask,
    remove_specks,
    shown_pixels,
    without_veil,
)
from ...imaging.mask_holes import fill_holes
from ...jobs.task import Progress, Task, subtask
from ..networks.foreground import SIDE, ForegroundNetwork
from ..networks.layers import device_of

Pixels = NDArray[np.float32]

_STAGE = "Finding the object"
_SEGMENTATION_SHARE = 0.05  # of the progress of a reconstruction

# The rim is the band of pixels along the outline whose colors contain background.
_MIN_RIM = (
    2  # pixels, of an object that is cut out here; the blocks of a JPEG mix in more than blur
)
_RIM_SHARE = 1 / 256  # of the image's longer side: large images, and images that came with alpha
_MAX_RIM = 4  # pixels

_CLEAR = 0.5  # alpha below which a pixel is transparent
_MIN_UNCUT_SHOWN = 0.995  # of an image's pixels: with more than these nothing can be cut out

_BLANK_RANGE = 0.06  # of full scale: what JPEG makes of a single color

# Share of the area within a frame that an object covers: a smaller one is a handle, a larger one
# the panel of a door.
_MIN_FRAMED_SHARE = 0.05
_MAX_FRAMED_SHARE = 0.7

# The network's second look at the object: bounding box and margin.
_MARGIN_SHARE = 0.12
_MARGIN_PIXELS = 2


def segment_images(
    images: Mapping[str, Pixels], network: ForegroundNetwork, keep_holes: bool = True
) -> Task[dict[str, Pixels]]:
    """Return :func:`segment_foreground` of several images by name.

    Raises:
        ImageError: No object was found in one of them, which is named.
    """
    segmented = {}
    for index, (name, image) in enumerate(images.items()):
        start = _SEGMENTATION_SHARE * index / len(images)
        task = segment_foreground(image, network, keep_holes)
        try:
            segmented[name] = yield from subtask(
                task, start, _SEGMENTATION_SHARE, f"{_STAGE}, {name}"
            )
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from error

    return segmented


def segment_foreground(
    image: Pixels, network: ForegroundNetwork, keep_holes: bool = True
) -> Task[Pixels]:
    """Return ``image`` (H, W, 4) with the object's mask as alpha.

    The mask is the image's alpha if it has one, else what is in front of a plain background, else
    what the network finds.

    Args:
        image: sRGB in 0..1, straight alpha.
        network: Finds objects before any background.
        keep_holes: Whether a mask that is found may have holes; an alpha is used as it is.

    Raises:
        ImageError: No object was found.
    """
    yield Progress(0.0, _STAGE)
    color = image[..., :3]
    alpha = image[..., 3]

    if alpha.min() < _CLEAR:
        if cuts_nothing_out(alpha):
            segmented = yield from _segment_uncut(image, network, keep_holes)
            if segmented is not None:
                return segmented
        return _apply_mask(image, without_veil(alpha), 0)
    if _is_blank(color):
        raise ImageError("No object was found because the image has a single color")

    plain_mask = yield from _segment_plain(color, None, keep_holes)
    if plain_mask is None:
        mask = yield from _segment_with_network(color, network, keep_holes)
        return _apply_mask(image, mask, _MIN_RIM)

    # What differs from a plain background may be a frame around the object, rather than the object.
    frame_interior = detect_frame(plain_mask)
    if frame_interior is not None:
        segmented = yield from _segment_inside_frame(image, frame_interior, network, keep_holes)
        if segmented is not None:
            return segmented

    return _apply_mask(image, plain_mask, _MIN_RIM)


def _is_blank(color: Pixels) -> bool:
    """Return whether colors (..., 3) are all the same, but for what JPEG makes of one."""
    flat = color.reshape(-1, 3)
    return bool(np.ptp(flat, axis=0).max() < _BLANK_RANGE)


def _segment_uncut(
    image: Pixels, network: ForegroundNetwork, keep_holes: bool
) -> Task[Pixels | None]:
    """Segment an image whose alpha cuts nothing out, or return None if there is no object in it.

    Then it is a rectangular object that fills the image, and the alpha is its mask.

    Args:
        image: (H, W, 4).
        network: See :func:`segment_foreground`.
        keep_holes: See :func:`segment_foreground`.
    """
    shown = shown_pixels(image[..., 3])
    color = image[..., :3]
    if not shown.any() or _is_blank(color[shown]):
        return None

    mask = yield from _segment_plain(color, shown, keep_holes)
    if mask is None:
        # The network has to see a color where there is none.
        filled = np.where(shown[..., None], color, np.median(color[shown], axis=0))
        try:
            mask = yield from _segment_with_network(filled.astype(np.float32), network, keep_holes)
        except ImageError:
            return None

    # A rectangular object has handles and panels, which are smaller or larger than an object.
    object_share = float((mask > 0.5).sum() / shown.sum())
    is_nearly_opaque = shown.mean() > _MIN_UNCUT_SHOWN
    is_object = _MIN_FRAMED_SHARE < object_share < _MAX_FRAMED_SHARE
    if not is_object and not is_nearly_opaque:
        return None
    return _apply_mask(image, np.where(shown, mask, 0), _MIN_RIM)


def _segment_plain(
    color: Pixels, shown: NDArray[np.bool_] | None, keep_holes: bool
) -> Task[NDArray[np.float32] | None]:
    """Return the mask (H, W) of what is before a plain background; None if there is none.

    Args:
        color: (H, W, 3).
        shown: (H, W) pixels that have a color; None if all have.
        keep_holes: See :func:`segment_foreground`.
    """
    task = plain_background_mask(color, shown, keep_holes)
    mask = yield from subtask(task, 0.0, 0.2, _STAGE)
    yield Progress(0.2, _STAGE)
    return mask


def _segment_with_network(
    color: Pixels, network: ForegroundNetwork, keep_holes: bool
) -> Task[NDArray[np.float32]]:
    """Return the network's mask (H, W), refined by a second look at the object alone."""
    rough_mask = remove_specks(_run_foreground_network(color, network, with_mirror=False))
    mask = np.zeros_like(rough_mask)

    # The bounding box of the object, and a margin.
    height, width = mask.shape
    low, high = mask_bounds(rough_mask)
    longest_side = float((high - low).max())
    margin = _MARGIN_SHARE * longest_side + _MARGIN_PIXELS
    left, top = np.floor(np.maximum(low - margin, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(high + margin, (width, height))).astype(int)
    yield Progress(0.4, _STAGE)

    crop = color[top:bottom, left:right]
    mask[top:bottom, left:right] = _run_foreground_network(crop, network, with_mirror=True)
    mask_bounds(mask)  # raises ImageError if it is empty
    yield Progress(0.8, _STAGE)
    if keep_holes:
        return mask
    return fill_holes(mask)


def _segment_inside_frame(
    image: Pixels,
    interior: tuple[slice, slice],
    network: ForegroundNetwork,
    keep_holes: bool,
) -> Task[Pixels | None]:
    """Segment the interior of a frame, or return None if there is no object in it.

    Then it was no frame, but the background around something rectangular that is seen straight on.

    Args:
        image: (H, W, 4).
        interior: Rows and columns within the frame.
        network: See :func:`segment_foreground`.
        keep_holes: See :func:`segment_foreground`.
    """
    try:
        segmented = yield from segment_foreground(image[interior], network, keep_holes)
    except ImageError:
        return None

    solid = segmented[..., 3] > 0.5
    touches_frame = solid[[0, -1]].any() or solid[:, [0, -1]].any()
    if touches_frame or not _MIN_FRAMED_SHARE < solid.mean() < _MAX_FRAMED_SHARE:
        return None
    no_alpha = np.zeros_like(image[..., 3:])
    result: Pixels = np.concatenate((image[..., :3], no_alpha), axis=2)
    result[interior] = segmented

    return result


def _apply_mask(image: Pixels, mask: NDArray[np.float32], min_rim: int) -> Pixels:
    """Return ``image`` with ``mask``, without specks, as alpha, and a rim without background.

    Args:
        image: (H, W, 4).
        mask: (H, W).
        min_rim: Smallest width of the rim, pixels.
    """
    mask = remove_specks(mask)
    longer_side = max(mask.shape)
    rim = int(np.clip(longer_side * _RIM_SHARE, min_rim, _MAX_RIM))

    color = image[..., :3]
    if rim:
        color = decontaminate_edges(color, mask, rim)
    return np.concatenate((color, mask[..., None]), axis=2)


@torch.inference_mode()
def _run_foreground_network(
    color: Pixels, network: ForegroundNetwork, with_mirror: bool
) -> NDArray[np.float32]:
    """Return the network's mask (H, W) in 0..1.

    Args:
        color: (H, W, 3), of any size; it is scaled and padded to the network's square.
        network: See :func:`segment_foreground`.
        with_mirror: Whether to average with the mirror image, which takes twice as long.
    """
    # Scale the longer side to the square's.
    height, width = color.shape[:2]
    scale = SIDE / max(height, width)
    rows = max(1, round(height * scale))
    columns = max(1, round(width * scale))
    channels_first = color.transpose(2, 0, 1)[None].copy()
    image = torch.from_numpy(channels_first)
    image = F.interpolate(image, (rows, columns), mode="bilinear", antialias=True)

    # Pad the shorter side on both ends.
    top = (SIDE - rows) // 2
    left = (SIDE - columns) // 2
    bottom = SIDE - rows - top
    right = SIDE - columns - left
    image = F.pad(image, (left, right, top, bottom), mode="replicate")
    image = image.to(device_of(network))

    logits: Tensor = network(image)
    if with_mirror:
        mirrored_logits = network(image.flip(3))
        logits = (logits + mirrored_logits.flip(3)) / 2

    # Back to the image's size.
    logits = logits.cpu()
    logits = logits[:, :, top : top + rows, left : left + columns]
    logits = F.interpolate(logits, (height, width), mode="bicubic")
    mask: NDArray[np.float32] = logits[0, 0].sigmoid().numpy()

    return mask
