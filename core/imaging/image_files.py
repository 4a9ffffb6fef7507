"""Read image files into arrays, whatever their format, depth, palette or orientation."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, MaquetteError
from ..jobs.dependencies import require_packages
from .image_decoding import (
    decode_pixels,
    downscale_factor,
    open_image,
    reduce_blocks,
    takes_long,
)

if TYPE_CHECKING:
    from PIL import Image

# Of the files that are read from a folder.
READ_SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".gif"),
        *(".tif", ".tiff", ".bmp", ".dib", ".tga", ".jp2", ".j2k", ".psd", ".dds", ".ico"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
# Of the files that are images, but that are not read: they are named where a folder is read.
_OTHER_SUFFIXES = frozenset(
    {
        *(".heic", ".heif", ".hif", ".jxl", ".exr", ".hdr", ".psb", ".xcf", ".kra"),
        *(".svg", ".eps", ".pdf", ".ai", ".wmf", ".emf"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    }
)
# Of the files that contact sheets are written to.
WRITE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})

MAX_PIXELS = 80_000_000  # below the size from which Pillow warns of a decompression bomb
MAX_FILE_BYTES = 2**30  # 80 megapixels of 12 bytes; decoders read parts of a file at once
MIN_SIDE = 8  # pixels
MAX_SIDE = 1024  # pixels; larger images are reduced

_PNG_COMPRESSION = 2  # of 9; more takes long and gains little
_MIN_VISIBLE_ALPHA = 0.5


@dataclass(frozen=True)
class FolderImages:
    """The images of a folder.

    Attributes:
        paths: Of the files to read, sorted by name.
        left_out: Why each of the others cannot be read.
    """

    paths: list[Path]
    left_out: dict[Path, str]


def list_images(folder: Path, error: type[MaquetteError] = ImageError) -> FolderImages:
    """List the image files of a folder.

    Args:
        folder: The folder.
        error: Type of the error to raise.

    Raises:
        MaquetteError: ``error``; the folder cannot be read, or has no images to read.
    """
    try:
        candidates = sorted(folder.iterdir())
    except OSError as reason:
        raise error(f"{folder} cannot be read: {reason.strerror or reason}") from reason

    paths = []
    left_out = {}
    for path in candidates:
        suffix = path.suffix.lower()
        if suffix not in READ_SUFFIXES | _OTHER_SUFFIXES or path.is_dir():
            continue
        if suffix in _OTHER_SUFFIXES:
            kind = suffix[1:].upper()
            left_out[path] = f"{kind} files are not read. Save it as PNG or JPEG"
        elif path.is_file():
            paths.append(path)
        else:
            left_out[path] = "It is not a file, or a link to one that is missing"

    if not paths:
        text = f"{folder} contains no images ({' '.join(sorted(READ_SUFFIXES))})"
        for path, reason_left_out in left_out.items():
            text += f". {path.name}: {reason_left_out}"
        raise error(text)

    return FolderImages(paths, left_out)


def images_in_folder(folder: Path, error: type[MaquetteError] = ImageError) -> list[Path]:
    """Return the image files of a folder that can be read, sorted by name.

    Args:
        folder: The folder.
        error: Type of the error to raise.

    Raises:
        MaquetteError: As :func:`list_images`.
    """
    return list_images(folder, error).paths


@contextmanager
def opened_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file with Pillow; it is not decoded yet, and its size has been checked.

    Whatever a decoder raises while the context is active becomes an ImageError.

    Raises:
        ImageError: There is no such file, or it is not an image, damaged, too large or too small.
        DependencyError: Pillow is not installed.
    """
    require_packages("PIL")
    from PIL import Image, UnidentifiedImageError

    _check_file(path)
    try:
        with path.open("rb") as file, open_image(file) as image:
            check_size(image.width, image.height, str(path))
            if takes_long(image):
                raise ImageError(
                    f"{path}, {image.width} x {image.height} pixels, takes too long to read in its "
                    "format. Save it as PNG or JPEG"
                )
            yield image
    except MaquetteError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large_text(str(path))) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not a readable image. Save it as PNG or JPEG") from error
    except MemoryError as error:
        raise ImageError(f"There is not enough memory to read {path}. Scale it down") from error
    except Exception as error:  # decoders raise nearly every kind on damaged files
        raise ImageError(
            f"{path} is damaged or incomplete ({_one_line(error)}). Export or copy it again"
        ) from error


def read_image(path: Path, max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """Read an image file as it is meant to be seen.

    It is rotated as its EXIF metadata demand, and its colors are converted from its profile to
    sRGB. Of an animation the first frame is read. Values that are not finite are mended.

    Args:
        path: A PNG, JPEG, WebP, TIFF, GIF, BMP or another format of Pillow's.
        max_side: A longer image is reduced by an integer factor until it fits, pixels.

    Returns:
        (H, W, 4) float32 in 0..1, row 0 at the top, sRGB color, straight alpha; opaque if the file
        has no alpha.

    Raises:
        ImageError: There is no such file, or it is not an image, damaged, too large, too small or
            empty.
        DependencyError: Pillow is not installed.
    """
    with opened_image(path) as image:
        pixels = decode_pixels(image, max_side, path)
    return require_visible(pixels, str(path))


def encode_png(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the bytes (N,) of a PNG file of ``pixels`` (H, W, 4) in 0..1."""
    from PIL import Image

    file = io.BytesIO()
    image = Image.fromarray((pixels * 255 + 0.5).astype(np.uint8))
    image.save(file, "PNG", compress_level=_PNG_COMPRESSION)
    return np.frombuffer(file.getvalue(), np.uint8)


def decode_png(data: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the pixels (H, W, 4) in 0..1 of the bytes (N,) of :func:`encode_png`.

    Raises:
        ImageError: The bytes are no image.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data.tobytes())) as image:
            return np.asarray(image.convert("RGBA"), np.float32) / 255
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError("A stored picture of the object cannot be read") from error


def check_size(width: int, height: int, name: str) -> None:
    """Refuse an image that would need too much memory, or in which nothing can be seen.

    Args:
        width: Pixels.
        height: Pixels.
        name: Of the image, for the error's text.

    Raises:
        ImageError: It is too large or too small.
    """
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large_text(f"{name}, {width} x {height} pixels,"))
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{name} is only {width} x {height} pixels. It must be at least {MIN_SIDE} x "
            f"{MIN_SIDE} pixels"
        )


def require_visible(pixels: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Return ``pixels`` unchanged, if their alpha shows anything.

    Args:
        pixels: (H, W, 4) in 0..1.
        name: Of the image, for the error's text.

    Raises:
        ImageError: No pixel is at least half opaque.
    """
    if pixels[..., 3].max() < _MIN_VISIBLE_ALPHA:
        raise ImageError(f"{name} is completely transparent and shows no object")
    return pixels


def downscale(pixels: NDArray[np.float32], max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """Return an image averaged over blocks until no side is longer than ``max_side``.

    Args:
        pixels: (H, W, 4) with straight alpha.
        max_side: Pixels.
    """
    height, width = pixels.shape[:2]
    return reduce_blocks(pixels, downscale_factor(width, height, max_side))


def _check_file(path: Path) -> None:
    """Raise ImageError if ``path`` is not a file of a bounded size."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise ImageError(f"There is no image file {path}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} cannot be read: {reason}") from error

    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{path} is a folder. Choose an image file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is not a file")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(
            f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB. Scale it down first"
        )


def _too_large_text(name: str) -> str:
    return f"{name} is larger than {MAX_PIXELS // 1_000_000} megapixels. Scale it down first"


def _one_line(error: Exception) -> str:
    """Return the text of an error of a library on one line, or its kind if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
