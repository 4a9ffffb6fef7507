"""Write the masks that Maquette would use, so that they can be corrected in any image editor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ImageError
from ..imaging import image_files
from ..jobs.task import Progress, Task, subtask
from . import photo_files
from .mask_files import find_mask, write_mask
from .records import SolvedScene

_SIDE = 1600  # pixels of the longer side of masks
_SMALL_SIDE = 320  # pixels of the images from which masks are found by geometry
_ENLARGED = 4  # times, of those masks


@dataclass(frozen=True)
class WrittenMasks:
    """What became of the masks of photographs.

    Attributes:
        written: How many were written.
        kept: How many were there already.
        unknown: Photographs that show no object by themselves: no mask was written.
    """

    written: int = 0
    kept: int = 0
    unknown: tuple[Path, ...] = ()


def write_plain_masks(paths: list[Path]) -> Task[WrittenMasks]:
    """Write the masks of photographs with alpha or a plain background; painted ones stay.

    Files that cannot be read are passed over.

    Args:
        paths: Of the photographs.

    Raises:
        OutputError: A mask cannot be written.
        DependencyError: Pillow is not installed.
    """
    written = 0
    kept = 0
    unknown = []

    for index, path in enumerate(paths):
        yield Progress(index / len(paths), f"Masks {index + 1}/{len(paths)}")
        if find_mask(path):
            kept += 1
            continue
        try:
            image = image_files.read_image(path, _SIDE)
        except ImageError:
            continue

        mask = photo_files.object_mask(image)
        if mask is None:
            unknown.append(path)
        else:
            write_mask(path, mask)
            written += 1

    return WrittenMasks(written, kept, tuple(unknown))


def write_solved_masks(solved: SolvedScene, paths: list[Path]) -> Task[int]:
    """Write the masks of what stands in the middle of solved cameras.

    Args:
        solved: Photographs with cameras.
        paths: Those whose masks are written, if they have a camera.

    Returns:
        How many were written.

    Raises:
        ImageError: No object stands there, or a photograph cannot be read.
        OutputError: A mask cannot be written.
        DependencyError: PyTorch is not installed.
    """
    from PIL import Image

    from ..jobs.dependencies import require_packages

    require_packages("torch")
    from .dense.geometric_masks import find_masks

    # All cameras help to find the object, but not all masks are written.
    images = []
    cameras = []
    for index, photograph in enumerate(solved.photographs):
        yield Progress(0.1 * index / len(solved.photographs), "Reading")
        pixels = image_files.read_image(photograph.path, _SMALL_SIDE * 2)
        small = image_files.downscale(pixels, _SMALL_SIDE)[..., :3]
        images.append(small)
        cameras.append(photograph.camera.resized(small.shape[1], small.shape[0]))

    masks = yield from subtask(find_masks(images, cameras, solved), 0.1, 1.0)

    written = 0
    for photograph, mask in zip(solved.photographs, masks, strict=True):
        if photograph.path in paths:
            size = (_ENLARGED * mask.shape[1], _ENLARGED * mask.shape[0])
            image = Image.fromarray(np.ascontiguousarray(mask, np.float32))
            smooth = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
            write_mask(photograph.path, smooth > 0.5, by_cameras=True)
            written += 1

    return written
