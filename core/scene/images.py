"""Images of the open .blend file to arrays, and back."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..imaging import color as color_space
from ..imaging.color_profiles import pixels_to_srgb
from ..imaging.image_decoding import mend_values, read_profile
from ..imaging.image_files import MAX_SIDE, check_size, downscale, require_visible

_MIN_ALPHA = 1e-6  # premultiplied color is not divided by less
_MOVING = ('MOVIE', 'SEQUENCE')  # sources of images that have many frames
_NAME = "Maquette Frame"
_PREVIEW_SIZE = 256  # pixels of the longer side of a thumbnail


def image_named(name: str) -> bpy.types.Image:
    """Return the image of the open file called ``name``.

    Raises:
        ImageError: There is none.
    """
    image = bpy.data.images.get(name)
    if image is None:
        raise ImageError(f"There is no image named {name!r} in this file")
    return image


def load_image(path: Path) -> bpy.types.Image:
    """Return the image of a file, which is loaded once.

    Raises:
        ImageError: Blender cannot read it.
    """
    try:
        return bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise ImageError(f"{path} cannot be read by Blender: is it still there?") from error


def packed_image(name: str, png: bytes) -> bpy.types.Image:
    """Return a new image that contains the PNG file ``png``; Blender decodes it when needed."""
    image = bpy.data.images.new(name, 1, 1, alpha=True)
    image.pack(data=png, data_len=len(png))
    image.source = 'FILE'
    return image


def image_from_pixels(
    name: str, pixels: NDArray[np.floating], alpha: bool = True
) -> bpy.types.Image:
    """Return a new image with ``pixels``, packed as a PNG file.

    Args:
        name: Of the image.
        pixels: (H, W, 4) sRGB in 0..1, row 0 at the top, straight alpha.
        alpha: Whether the image has an alpha channel.
    """
    height, width = pixels.shape[:2]

    # Blender's rows go from the bottom to the top.
    image = bpy.data.images.new(name, width, height, alpha=alpha)
    bottom_up = np.ascontiguousarray(pixels[::-1], np.float32)
    image.pixels.foreach_set(bottom_up.ravel())
    image.pack()

    return image


@dataclass(frozen=True)
class ImageValues:
    """An image as read out of Blender; the rest needs no Blender and can run in a thread.

    Attributes:
        name: Of the image.
        values: (H, W, C) float32 as Blender holds them, row 0 at the bottom.
        opaque: Whether the alpha is ignored.
        linear: Whether the values are scene linear and premultiplied.
        data: Whether the values have no color space.
        file: The image file, whose embedded color profile Blender does not apply: its path, or its
            bytes if it is packed. None where no profile counts.
    """

    name: str
    values: NDArray[np.float32]
    opaque: bool
    linear: bool
    data: bool
    file: Path | bytes | None = None

    def to_pixels(self, max_side: int = MAX_SIDE) -> NDArray[np.float32]:
        """Return the image as :func:`image_pixels` does.

        Raises:
            ImageError: It is transparent all over.
        """
        rgba = mend_values(_as_rgba(self.values[::-1]))

        # Blender holds bytes with straight alpha and floats premultiplied.
        if self.opaque:
            rgba[..., 3] = 1
        elif self.linear:
            rgba[..., :3] /= np.maximum(rgba[..., 3:], _MIN_ALPHA)

        # Bytes are as in the file, floats are scene linear.
        if self.linear and not self.data:
            rgba[..., :3] = color_space.from_linear(rgba[..., :3])

        pixels = downscale(rgba.clip(0, 1), max_side)
        profile = _embedded_profile(self.file)
        if profile:
            pixels = pixels_to_srgb(pixels, profile, self.name)
        return require_visible(pixels, f"Image {self.name!r}")


def shown_frame(
    image: bpy.types.Image, user: bpy.types.ImageUser | None, scene_frame: int
) -> int | None:
    """Return the frame of a movie or image sequence that is shown, or None for a single image.

    As Blender chooses it (``BKE_image_user_frame_get``).

    Args:
        image: That is shown.
        user: How it is shown.
        scene_frame: Of the scene.
    """
    if image.source not in _MOVING or user is None:
        return None
    duration = user.frame_duration
    if not duration:
        return 0

    # Counted from 1; beyond the ends the first or the last frame stays.
    frame = scene_frame - user.frame_start + 1
    if user.use_cyclic:
        frame = (frame - 1) % duration + 1
    return min(max(frame, 0), duration) + user.frame_offset


def frame_size(image: bpy.types.Image, frame: int | None = None) -> tuple[int, int]:
    """Return the width and height in pixels of a frame of ``image``; 0 if it cannot be read.

    Args:
        image: To measure.
        frame: See :func:`image_values`.
    """
    with _at_frame(image, frame) as shown:
        width, height = shown.size
    return width, height


def image_values(image: bpy.types.Image, frame: int | None = None) -> ImageValues:
    """Read the values of ``image``, in about 5 ms a megapixel.

    Args:
        image: To read.
        frame: Of a movie or an image sequence, as of :func:`shown_frame`; None for the file that a
            sequence names, or for the first frame of a movie.

    Raises:
        ImageError: Its file is missing, it has no pixels, or it is too large or too small.
    """
    with _at_frame(image, frame) as shown:
        return _read_values(image, shown, frame)


@contextmanager
def frame_reader(image: bpy.types.Image) -> Iterator[Callable[[int], ImageValues]]:
    """Yield a function that reads a frame of a movie, counted from 1, as :func:`image_values` does.

    The movie stays open, so that frames in rising order are read quickly; so do the pixels of all
    frames that were read, until the context ends.

    Args:
        image: A movie.
    """
    with _evaluated_copy(image) as show:
        yield lambda frame: _read_values(image, show(frame), frame)


def _read_values(image: bpy.types.Image, shown: bpy.types.Image, frame: int | None) -> ImageValues:
    """Read the pixels of ``shown``, which is ``image`` or a copy of it at ``frame``."""
    width, height = shown.size
    if not width * height:
        raise ImageError(_why_empty(image, frame))
    check_size(width, height, f"Image {image.name!r}")

    # All at once: reading single pixels is far slower.
    values = np.empty((height, width, shown.channels), np.float32)
    shown.pixels.foreach_get(values.ravel())

    return ImageValues(
        name=image.name,
        values=values,
        opaque=image.alpha_mode in {'NONE', 'CHANNEL_PACKED'},
        linear=shown.is_float,
        data=image.colorspace_settings.is_data,
        file=_profiled_file(image),
    )


def _profiled_file(image: bpy.types.Image) -> Path | bytes | None:
    """Return the file of ``image``, on disk or packed, if its color profile counts.

    It counts only where the color space is left at sRGB, which Blender assumes of such files.
    """
    is_from_file = image.source == 'FILE' and image.colorspace_settings.name == 'sRGB'
    if not is_from_file:
        return None
    if image.packed_file:
        return bytes(image.packed_file.data)
    return Path(bpy.path.abspath(image.filepath, library=image.library))


def _embedded_profile(image_file: Path | bytes | None) -> bytes | None:
    """Return the color profile in an image file; None without one, or if it cannot be read."""
    if image_file is None:
        return None
    if isinstance(image_file, bytes):
        return read_profile(io.BytesIO(image_file))

    try:
        with image_file.open("rb") as file:
            return read_profile(file)
    except (OSError, ValueError):  # the pixels that Blender has are used as they are
        return None


@contextmanager
def _at_frame(image: bpy.types.Image, frame: int | None) -> Iterator[bpy.types.Image]:
    """Yield ``image``, or a copy of a movie or sequence whose pixels are those of ``frame``."""
    if image.source not in _MOVING:
        yield image
        return
    with _evaluated_copy(image) as show:
        yield show(_named_frame(image) if frame is None else frame)


@contextmanager
def _evaluated_copy(image: bpy.types.Image) -> Iterator[Callable[[int], bpy.types.Image]]:
    """Yield a function that returns a copy of a movie or sequence with the pixels of a frame.

    An image of Blender has the pixels of the frame that something showed last. A texture that is
    evaluated shows the frame that it is set to.
    """
    copy = image.copy()
    texture = bpy.data.textures.new(_NAME, 'IMAGE')

    def show(frame: int) -> bpy.types.Image:
        texture.image_user.frame_current = frame
        texture.evaluate((0, 0, 0))
        return copy

    try:
        if image.library:
            copy.filepath = bpy.path.abspath(image.filepath, library=image.library)
        texture.image = copy
        yield show
    finally:
        bpy.data.textures.remove(texture)
        bpy.data.images.remove(copy)


def _named_frame(image: bpy.types.Image) -> int:
    """Return the number in the name of the file of a sequence, or the first frame of a movie."""
    if image.source == 'MOVIE':
        return 1
    numbers = re.findall(r"\d+", bpy.path.basename(image.filepath))
    return int(numbers[-1]) if numbers else 1


def update_preview(image: bpy.types.Image) -> None:
    """Give ``image`` a thumbnail that is transparent where it is; Blender's own shows its colors.

    Args:
        image: One of which a thumbnail may be made, else nothing happens.
    """
    preview = image.preview_ensure()
    if preview is None:
        return
    pixels = image_pixels(image, _PREVIEW_SIZE)
    pixels[..., :3] *= pixels[..., 3:]
    height, width = pixels.shape[:2]
    preview.image_size = (width, height)
    preview.image_pixels_float.foreach_set(np.ascontiguousarray(pixels[::-1]).ravel())


def image_pixels(image: bpy.types.Image, max_side: int = MAX_SIDE) -> NDArray[np.float32]:
    """Return ``image`` as ``core.imaging.image_files.read_image`` returns a file.

    Args:
        image: To read.
        max_side: It is reduced if a side is longer, pixels.

    Returns:
        (H, W, 4) float32 in 0..1, row 0 at the top, sRGB, straight alpha.

    Raises:
        ImageError: Its file is missing, it has no pixels, is too large, too small, or transparent
            all over.
    """
    return image_values(image).to_pixels(max_side)


def _as_rgba(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W, 4) from (H, W, C), where C is 1 (gray), 2 (gray, alpha), 3 or 4."""
    height, width, channels = values.shape

    # Without alpha it is opaque; gray goes to all three channels.
    rgba = np.ones((height, width, 4), np.float32)
    if channels >= 3:
        rgba[..., :3] = values[..., :3]
    else:
        rgba[..., :3] = values[..., :1]
    if channels in (2, 4):
        rgba[..., 3] = values[..., -1]
    return rgba


def _why_empty(image: bpy.types.Image, frame: int | None) -> str:
    """Return why ``image``, or a frame of it, has no pixels, and what to do."""
    if image.source in _MOVING:
        path = bpy.path.abspath(image.filepath, library=image.library) or "an empty path"
        shown = "" if frame is None else f"Frame {frame} of "
        return (
            f"{shown}Image {image.name!r} cannot be read from {path}. Find its files, or change "
            "its frames or the current frame"
        )

    # A render result has pixels only inside Blender's renderer.
    if image.type in {'RENDER_RESULT', 'COMPOSITING'}:
        return f"Image {image.name!r} has no pixels to read. Save it to a file and open that"

    # The file was moved or deleted since it was opened.
    if image.source == 'FILE' and not image.packed_file:
        path = bpy.path.abspath(image.filepath, library=image.library) or "an empty path"
        return f"Image {image.name!r} cannot be read from {path}. Find its file or open another"
    return f"Image {image.name!r} has no pixels"
