"""The photographs of a solve that can be read, and what each is known by."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import report_write_errors
from ...errors import DependencyError, ImageError, failure_reason
from ...jobs.task import Progress, Task
from .. import photo_files
from ..photo_files import Photograph
from ..records import LeftOut

LEAST_PHOTOGRAPHS = 3
BLURRED_REASON = "It is blurred: take it again"
_USELESS = 0.02  # of the median sharpness: a photograph of this would spoil colors and depth


@dataclass
class PhotoSet:
    """Photographs that could be read, and what each is known by."""

    photographs: list[Photograph] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    masks: list[NDArray[np.bool_] | None] = field(default_factory=list)
    plain: list[bool] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def read_photographs(
    paths: list[Path], max_side: int, folder: Path, photos: PhotoSet
) -> Task[list[str]]:
    """Read into ``photos``, write images reduced into ``folder``, and return their names there."""
    from PIL import Image

    names: list[str] = []
    digests: dict[bytes, Path] = {}
    for index, path in enumerate(paths):
        yield Progress(index / len(paths), f"Reading {index + 1}/{len(paths)}")
        try:
            photograph = photo_files.inspect_photograph(path)
            reduced = photo_files.read_reduced(path, max_side)
            digest = photo_files.file_digest(path)
        except DependencyError:
            raise
        except Exception as error:  # whatever is wrong with one, the others are used
            photos.left_out.append(LeftOut(path, failure_reason(error), unreadable=True))
            continue

        # A copy adds nothing, and would register perfectly.
        twin = digests.setdefault(digest, path)
        if twin is not path:
            photos.left_out.append(LeftOut(path, f"It is the same file as {twin.name}"))
            continue

        name = f"{len(names):04d}.png"
        with report_write_errors(folder / name):
            Image.fromarray(reduced.color).save(folder / name, compress_level=1)
        names.append(name)
        photos.photographs.append(photograph)
        photos.sizes.append((reduced.color.shape[1], reduced.color.shape[0]))
        photos.masks.append(reduced.mask)
        photos.plain.append(reduced.plain)
        photos.sharpness.append(reduced.sharpness)

    names = _without_blurred(names, photos)
    if len(names) < LEAST_PHOTOGRAPHS:
        reasons = "; ".join(entry.reason for entry in photos.left_out[:3])
        raise ImageError(f"Only {len(names)} of {len(paths)} photographs can be used: {reasons}")
    return names


def _without_blurred(names: list[str], photos: PhotoSet) -> list[str]:
    """Take the photographs that show hardly any detail out of ``photos``; return other names."""
    typical = float(np.median(photos.sharpness or [0.0]))
    sharp = [index for index, value in enumerate(photos.sharpness) if value >= _USELESS * typical]
    for index, photograph in enumerate(photos.photographs):
        if index not in sharp:
            photos.left_out.append(LeftOut(photograph.path, BLURRED_REASON))

    photos.photographs = [photos.photographs[index] for index in sharp]
    photos.sizes = [photos.sizes[index] for index in sharp]
    photos.masks = [photos.masks[index] for index in sharp]
    photos.plain = [photos.plain[index] for index in sharp]
    photos.sharpness = [photos.sharpness[index] for index in sharp]

    return [names[index] for index in sharp]
