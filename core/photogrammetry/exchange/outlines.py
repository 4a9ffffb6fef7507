"""What the object's outlines say of cameras that others solved, and of their points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import CameraFileError, DependencyError, failure_reason
from ...imaging import image_files
from ...jobs.task import Progress, Task
from .. import photo_files
from ..ambiguity import sample_mask
from ..hull_check import AGREEMENT, check_outlines
from ..lens import distort_pixels
from ..records import LeftOut, SolvedPhotograph
from .photographs import PlacedPhotographs

_SIDE = 640  # pixels to which photographs are reduced: enough for an outline
_MASKED = 0.8  # share of the photographs with outlines by which cameras are judged
_LEAST = 3  # photographs
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class OutlinedPhotographs:
    """Photographs that agree with the object's outlines, as far as these are known.

    Attributes:
        placed: Without those that disagree or cannot be read.
        masks: Of each, or None.
        agreement: The lowest of an outline with the hull of the others, 0..1; None if there are
            too few outlines to tell.
    """

    placed: PlacedPhotographs
    masks: tuple[Mask | None, ...]
    agreement: float | None = None

    def share_on_object(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share (P,) of masks that hold each point (P, 3); NaN where none shows it."""
        inside = np.zeros(len(points))
        seen = np.zeros(len(points))
        for photograph, mask in zip(self.placed.photographs, self.masks, strict=True):
            if mask is not None:
                is_shown, is_inside = _in_mask(photograph, mask, points)
                seen += is_shown
                inside += is_inside

        share: NDArray[np.float64] = np.where(seen > 0, inside / np.maximum(seen, 1), np.nan)
        return share


def compare_outlines(placed: PlacedPhotographs) -> Task[OutlinedPhotographs]:
    """Read the outlines, and leave out photographs whose own disagrees with the others.

    Raises:
        CameraFileError: Too many disagree, so the cameras are wrong.
        DependencyError: Pillow is not installed.
    """
    outlined = yield from _read_outlines(placed)
    photographs = outlined.placed.photographs
    masked = [place for place, mask in enumerate(outlined.masks) if mask is not None]
    if len(masked) < max(_MASKED * len(photographs), _LEAST):
        return outlined
    masks = [mask for mask in outlined.masks if mask is not None]
    check = check_outlines([photographs[place].camera for place in masked], masks)

    if not check.accepted:
        raise CameraFileError(
            f"The cameras do not agree with the object's outlines (less than {AGREEMENT:.0%}): "
            "choose those of these photographs, as they are stored, or turn Check Outlines off"
        )

    reason = "The object's outline in it does not agree with the others"
    dropped = {
        masked[place]: LeftOut(photographs[masked[place]].path, reason) for place in check.dropped
    }
    kept = _without(outlined.placed, outlined.masks, dropped)
    return replace(kept, agreement=float(check.agreement.min()))


def _read_outlines(placed: PlacedPhotographs) -> Task[OutlinedPhotographs]:
    masks: list[Mask | None] = []
    unreadable = {}
    count = len(placed.photographs)

    for index, photograph in enumerate(placed.photographs):
        yield Progress(index / count, f"Outlines {index + 1}/{count}")
        mask = None
        try:
            pixels = image_files.read_image(photograph.path, _SIDE)
            mask = photo_files.object_mask(pixels, photograph.mask)
        except DependencyError:
            raise
        except Exception as error:  # whatever is wrong with one, the others are used
            reason = failure_reason(error)
            unreadable[index] = LeftOut(photograph.path, reason, unreadable=True)
        masks.append(mask)

    if len(unreadable) == count:
        raise CameraFileError(f"No photograph can be read: {unreadable[0].reason}")
    return _without(placed, masks, unreadable)


def _without(
    placed: PlacedPhotographs, masks: Sequence[Mask | None], dropped: dict[int, LeftOut]
) -> OutlinedPhotographs:
    """Return the photographs without those of the indices ``dropped``."""
    kept = [index for index in range(len(masks)) if index not in dropped]
    remaining = replace(
        placed,
        photographs=tuple(placed.photographs[index] for index in kept),
        left_out=(*placed.left_out, *dropped.values()),
    )
    return OutlinedPhotographs(remaining, tuple(masks[index] for index in kept))


def _in_mask(
    photograph: SolvedPhotograph, mask: Mask, points: NDArray[np.float64]
) -> tuple[Mask, Mask]:
    """Return which points (P,) a photograph shows, and which (P,) its mask holds."""
    camera = photograph.camera.resized(mask.shape[1], mask.shape[0])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ideal, depth = camera.project(points)
        pixels = distort_pixels(camera, photograph.distortion, ideal)
    shown = (depth > 0) & (pixels >= 0).all(1) & (pixels < (camera.width, camera.height)).all(1)
    inside = np.zeros(len(points), bool)
    inside[shown] = sample_mask(mask, pixels[shown])

    return shown, inside
