"""One training sample of the heads: a view in the window of reconstruction, and its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...networks.image_trunk import SIDE
from ..dense.images import (
    AugmentationConfig,
    colored,
    disturbed_mask,
    pixel_centers,
    restyled,
    warped,
)
from ..dense.objects import SurfaceView
from ..dense.samples import outline_ndc, stored_pixels
from ..dense.view_frames import ViewFrame, Window, frame_view
from .labels import NONE, LabeledObject

PARTS_SIDE = SIDE // 2  # of part maps, pixels

Floats = NDArray[np.float32]

# Objects are not stretched, since draws and shape would be others, and fill the window as they do
# at inference. Color and texture say more of a family than of a shape, so fewer are replaced.
DEFAULT_AUGMENTATION = AugmentationConfig(
    clean_steps=0,
    stretch=0.0,
    smaller=0.0,
    clay=0.15,
    wrong_texture=0.3,
    drawn=0.2,
)


@dataclass(frozen=True)
class SemanticSample:
    """One image and its parts.

    Attributes:
        image: (4, 128, 128) float32, straight sRGB and mask in 0..1.
        parts: (64, 64) int64 group of the part at the middle of each pixel; -1 for none.
    """

    image: Floats
    parts: NDArray[np.int64]


def draw_semantic_sample(
    labeled: LabeledObject,
    view_index: int,
    rng: np.random.Generator,
    augmentation: AugmentationConfig = DEFAULT_AUGMENTATION,
) -> SemanticSample:
    """Return a view of an object as the heads see it.

    Args:
        labeled: The object.
        view_index: Of the view.
        rng: To draw from.
        augmentation: How far it is varied.
    """
    item = labeled.item
    view = item.view(view_index)

    # Image and parts have one window.
    window = Window(mirror=rng.random() < augmentation.mirror)
    frame = frame_view(view.camera, np.ones(3), outline_ndc(view.alpha), item.half, window)

    return SemanticSample(
        image=_draw_image(view, frame, rng, augmentation),
        parts=_part_map(labeled, view_index, view, frame),
    )


def _draw_image(
    view: SurfaceView,
    frame: ViewFrame,
    rng: np.random.Generator,
    augmentation: AugmentationConfig,
) -> Floats:
    """Return colors and mask (4, S, S)."""
    # Light and style, then the mask, which is never quite right.
    color = colored(view, frame, rng, augmentation)
    rgba = warped(color, view.alpha, frame, SIDE)
    rgba = restyled(rgba, rng, augmentation)
    mask = disturbed_mask(rgba[3], rng, augmentation)

    # Where the mask is too wide, a random color shows: its background must not be learned.
    background = rng.uniform(0, 1, (3, 1, 1)).astype(np.float32)
    share = (rgba[3] / np.maximum(mask, 1e-3)).clip(0, 1)
    rgba[:3] = rgba[:3] * share + background * (1 - share)
    rgba[:3] *= mask > 0
    rgba[3] = mask

    return rgba


def _part_map(
    labeled: LabeledObject, view_index: int, view: SurfaceView, frame: ViewFrame
) -> NDArray[np.int64]:
    """Return the groups of the parts (h, h) in the window; -1 for none."""
    if labeled.groups is None:
        return np.full((PARTS_SIDE, PARTS_SIDE), NONE)
    numbers = labeled.item.parts(view_index)

    # Each pixel of the window takes the part at its middle.
    stored = frame.stored(pixel_centers(PARTS_SIDE))
    row, column = stored_pixels(stored, view)
    is_within = (np.abs(stored) < 1).all(axis=1)
    groups = np.where(is_within, labeled.groups[numbers[row, column]], NONE)

    return groups.reshape(PARTS_SIDE, PARTS_SIDE)
