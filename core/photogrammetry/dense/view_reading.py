"""Solved photographs to views: read, masked, cropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arrays import SourceView
from ...imaging import image_files
from ...jobs.task import Progress, Task, subtask
from .. import photo_files
from ..records import SolvedPhotograph, SolvedScene
from .records import DenseSettings, DenseView
from .views import crop_view

_DECODED_SIDE = 2400  # pixels to which photographs are reduced when read
_KEPT_SIDE = 1024  # pixels of the crops that are kept for the texture
_SMALL_SIDE = 320  # pixels of the images from which masks are found by geometry
_FOUND = 0.9  # of the reading, where masks must be found by geometry


@dataclass(frozen=True)
class ObjectViews:
    """The object in all photographs that show it.

    Attributes:
        views: For depth.
        photographs: The same crops, larger, for textures.
        floor: Whether the object stands on z = 0.
        notes: Sentences for the user.
    """

    views: list[DenseView]
    photographs: list[SourceView]
    floor: bool
    notes: tuple[str, ...] = ()


def read_views(solved: SolvedScene, settings: DenseSettings) -> Task[ObjectViews]:
    """Read the photographs, mask the object and crop them to it.

    The mask is the painted one, the alpha, or what is not a plain background. If most photographs
    have none of these, the object is what stands on the floor in the middle of the cameras, or all
    that is there if no floor was found.

    Raises:
        ImageError: A photograph cannot be read, or there is no object in the middle.
    """
    count = len(solved.photographs)
    views: list[DenseView] = []
    kept: list[SourceView] = []
    unmasked: list[tuple[SolvedPhotograph, NDArray[np.float32]]] = []

    for index, photograph in enumerate(solved.photographs):
        yield Progress(0.5 * index / count, f"Outlines {index + 1}/{count}")
        image = image_files.read_image(photograph.path, _DECODED_SIDE)
        mask = photo_files.object_mask(image, photograph.mask)
        if mask is None:
            unmasked.append((photograph, image_files.downscale(image, _SMALL_SIDE)))
        else:
            image[..., 3] = mask
            _add_view(photograph, image, settings, views, kept)

    # A few photographs without an outline are left out of many.
    notes: tuple[str, ...] = ()
    if len(unmasked) > len(views):
        finding = _views_by_geometry(unmasked, solved, settings, views, kept)
        notes = yield from subtask(finding, 0.5, 1.0)
    elif unmasked:
        notes = (f"{len(unmasked)} photographs without an outline were not used for the surface",)

    return ObjectViews(views, kept, solved.floor_found, notes)


def _views_by_geometry(
    unmasked: list[tuple[SolvedPhotograph, NDArray[np.float32]]],
    solved: SolvedScene,
    settings: DenseSettings,
    views: list[DenseView],
    kept: list[SourceView],
) -> Task[tuple[str, ...]]:
    from .geometric_masks import find_masks

    images = [image[..., :3] for _, image in unmasked]
    cameras = [
        photograph.camera.resized(image.shape[1], image.shape[0]) for photograph, image in unmasked
    ]
    masks = yield from subtask(find_masks(images, cameras, solved), 0.0, _FOUND)

    for index, ((photograph, _), mask) in enumerate(zip(unmasked, masks, strict=True)):
        yield Progress(_FOUND + (1 - _FOUND) * index / len(masks), f"Reading {index + 1}")
        image = image_files.read_image(photograph.path, _DECODED_SIDE)
        image[..., 3] = _enlarged(mask, image.shape[0], image.shape[1])
        _add_view(photograph, image, settings, views, kept)

    if solved.floor_found:
        return ("The object was cut out by what stands on the floor",)
    return ("The object was cut out by what has depth in the middle of the cameras",)


def _add_view(
    photograph: SolvedPhotograph,
    image: NDArray[np.float32],
    settings: DenseSettings,
    views: list[DenseView],
    kept: list[SourceView],
) -> None:
    if not (image[..., 3] > 0.5).any():
        return
    camera = photograph.camera.resized(image.shape[1], image.shape[0])
    views.append(crop_view(image, camera, photograph.distortion, settings.max_side))
    large = crop_view(image, camera, photograph.distortion, _KEPT_SIDE)
    rgba = np.concatenate((large.color, large.mask[..., None]), axis=2).clip(0, 1)
    kept.append(SourceView(image_files.encode_png(rgba), large.camera))


def _enlarged(mask: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return ``mask`` interpolated to another size."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(mask, np.float32))
    enlarged = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return (enlarged > 0.5).astype(np.float32)
