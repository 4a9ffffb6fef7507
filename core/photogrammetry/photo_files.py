"""Photographs on disk: which, in what order, their EXIF, and their pixels for features."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..imaging import background_removal, image_files
from .mask_files import find_mask, is_by_cameras, read_mask

if TYPE_CHECKING:
    from PIL import Image

_DIAGONAL_35MM = 43.267  # of 36 x 24 mm, by which EXIF's equivalent focal lengths are defined
_DECODED_SIDE = (
    2400  # JPEGs decode at halves; the rest is resized, so that 12 megapixels keep 1600 px
)
_MASK_SIDE = 640  # pixels: enough for an outline
_EXIF_IFD = 0x8769
_ORIENTATION = 0x0112
_FOCAL_35MM = 0xA405
_FOCAL = 0x920A
_TURNED_SIDEWAYS = (5, 6, 7, 8)
_LEAST_MASK = 0.002  # of the image: less is dust
_LARGEST_MASK = 0.95


@dataclass(frozen=True)
class Photograph:
    """An image file that can be read.

    path: of the file. width, height: of it turned upright, pixels.
    focal: focal length in pixels, as its EXIF gives it; 0 if it does not.
    lens: what tells focal lengths apart, in millimeters; 0 if unknown.
    turned: whether the EXIF orientation turns or mirrors it.
    mask: its file of a painted mask, see ``mask_files``; None if there is none.
    """

    path: Path
    width: int
    height: int
    focal: float = 0.0
    lens: float = 0.0
    turned: bool = False
    mask: Path | None = None

    @property
    def camera_key(self) -> tuple[int, int, float]:
        """What photographs that share one camera's intrinsics have in common."""
        return self.width, self.height, self.lens


@dataclass(frozen=True)
class ReducedPhotograph:
    """Pixels for features.

    color: (H, W, 3) uint8 sRGB.
    mask: (H, W) bool, where the object is; None if unknown.
    plain: whether that was found by a plain background, which has nothing to tell places by.
    sharpness: variance of the Laplacian of the gray values, in 0..255.
    """

    color: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None
    plain: bool
    sharpness: float


def list_photographs(folder: Path) -> list[Path]:
    """Return the image files of ``folder`` in natural order: 2 before 10.

    Those of formats that are not read are among them, so that they are named as left out.

    Raises:
        ImageError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise ImageError(f"There is no folder {folder}: choose the folder of your photographs")
    images = image_files.list_images(folder)
    return natural_order([*images.paths, *images.left_out])


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Return ``paths`` sorted by name, numbers in names by their value."""
    return sorted(paths, key=lambda path: (_name_parts(path.name), str(path)))


def inspect_photograph(path: Path) -> Photograph:
    """Read the size and the EXIF of an image file.

    Raises:
        ImageError: it cannot be read as an image.
        DependencyError: Pillow is not installed.
    """
    with image_files.opened_image(path) as image:
        width, height = image.size
        orientation, details = _read_exif(image)

    # Sideways photographs have their sides swapped when turned upright.
    if orientation in _TURNED_SIDEWAYS:
        width, height = height, width

    # The 35 mm equivalent gives pixels; the true length only tells lenses apart.
    equivalent = _positive_number(details.get(_FOCAL_35MM))
    focal = equivalent / _DIAGONAL_35MM * float(np.hypot(width, height))
    lens = equivalent or _positive_number(details.get(_FOCAL))
    turned = orientation not in (0, 1)

    return Photograph(path, width, height, focal, round(lens, 2), turned, find_mask(path))


def read_reduced(path: Path, max_side: int) -> ReducedPhotograph:
    """Read a photograph upright, no side longer than ``max_side`` pixels, with the mask.

    The mask is the painted one, the alpha, or what is not a plain background.

    Raises:
        ImageError: as ``imaging.image_files.read_image`` and ``mask_files.read_mask``.
    """
    from PIL import Image

    pixels = image_files.read_image(path, _DECODED_SIDE)
    height, width = pixels.shape[:2]
    scale = min(1.0, max_side / max(width, height))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))

    # Color is averaged, the mask is not.
    color = Image.fromarray((pixels[..., :3] * 255 + 0.5).astype(np.uint8))
    reduced = np.asarray(color.resize(size, Image.Resampling.LANCZOS))
    plain = _has_no_cut_out(pixels[..., 3])
    mask = _mask_of(pixels, plain)
    painted = find_mask(path)
    if painted is not None and not is_by_cameras(painted):
        plain = plain and mask is not None  # else there is a pattern beside the object
        mask = _painted_mask(painted, pixels)
    if mask is not None:
        mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    return ReducedPhotograph(reduced, mask, plain, measure_sharpness(reduced))


def file_digest(path: Path) -> bytes:
    """Return what equal files have in common."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read_exif(image: Image.Image) -> tuple[object, Mapping[int, object]]:
    """Return the orientation and the details of the EXIF metadata; damaged ones count as none."""
    try:
        exif = image.getexif()
        return exif.get(_ORIENTATION, 1), exif.get_ifd(_EXIF_IFD)
    except Exception:  # of any kind; the image itself can be read all the same
        return 1, {}


def _has_no_cut_out(alpha: NDArray[np.float32]) -> bool:
    """Return whether the alpha (H, W) of a photograph does not show its object."""
    return bool(alpha.min() >= 0.5) or background_removal.cuts_nothing_out(alpha)


def object_mask(
    pixels: NDArray[np.float32], painted: Path | None = None
) -> NDArray[np.bool_] | None:
    """Return the object's mask (H, W) in pixels (H, W, 4): the alpha, or by a plain background.

    None if there is neither, or if nearly nothing or nearly all would be the object.

    Args:
        pixels: of the photograph.
        painted: file of a mask to use instead.

    Raises:
        ImageError: as ``mask_files.read_mask``.
    """
    if painted is not None:
        return _painted_mask(painted, pixels)
    return _mask_of(pixels, _has_no_cut_out(pixels[..., 3]))


def _mask_of(pixels: NDArray[np.float32], plain: bool) -> NDArray[np.bool_] | None:
    """Return what :func:`object_mask` does, if it is known whether the alpha shows no object."""
    if not plain:
        mask = pixels[..., 3] > 0.5
    else:
        small = image_files.downscale(pixels, _MASK_SIDE)
        shown = background_removal.shown_pixels(small[..., 3])
        if small[..., 3].min() >= 0.5:
            shown = np.ones_like(shown)  # a veil over all of it is no cut-out either
        soft = background_removal.mask_plain_background(small[..., :3], shown)
        if soft is None:
            return None
        mask = _enlarge(background_removal.remove_specks(soft) > 0.5, pixels.shape[:2])

    return _if_object(mask)


def _painted_mask(path: Path, pixels: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return the mask of a file for pixels (H, W, 4); None if nearly nothing or all is painted."""
    return _if_object(read_mask(path, pixels.shape[1], pixels.shape[0]))


def _if_object(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return ``mask``; None if it holds nearly nothing, as dust does, or nearly all."""
    return mask if _LEAST_MASK < mask.mean() < _LARGEST_MASK else None


def _enlarge(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Repeat the pixels of ``mask``, which was reduced by a whole factor, to ``shape``."""
    factor = -(-max(shape) // _MASK_SIDE)
    return mask.repeat(factor, 0).repeat(factor, 1)[: shape[0], : shape[1]]


def measure_sharpness(color: NDArray[np.number[Any]]) -> float:
    """Return the variance of the Laplacian of the gray values of an image (H, W, 3)."""
    gray = color.astype(np.float32).mean(2)
    around = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]
    return float((around - 4 * gray[1:-1, 1:-1]).var())


def _name_parts(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _positive_number(value: object) -> float:
    """Return an EXIF number; 0 for what is missing, broken or negative."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if np.isfinite(number) and number > 0 else 0.0
