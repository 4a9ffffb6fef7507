"""Convert the colors of an image file from its embedded ICC profile to sRGB."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..console import Notice

if TYPE_CHECKING:
    from PIL import Image, ImageCms

# A profile that changes no color by more is sRGB under another name; the file's values stay.
_SAME = 2  # of 255
_TEST_STEPS = 9  # colors along each axis of the cube that is tried
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # Pillow's, by the profile's space
_GRAY_MODES = frozenset({"1", "L", "LA"})
_LEVELS = 256


def convert_to_srgb(image: Image.Image, name: str) -> Image.Image:
    """Return an image with its colors in sRGB.

    Args:
        image: Of 8 bits a channel, as it was opened, with the profile in its ``info``.
        name: Of its file, for the warning.

    Returns:
        The image itself if it has no profile, one that changes nothing that can be seen, or one
        that cannot be used, of which an :class:`Notice` tells; otherwise "RGB" or "RGBA".
    """
    data = image.info.get("icc_profile")
    if not data:
        return image
    try:
        return _apply_profile(image, data)
    except Exception as error:  # LittleCMS and Pillow raise many kinds on damaged profiles
        _warn_of_profile(name, error)
        return image


def pixels_to_srgb(pixels: NDArray[np.float32], profile: bytes, name: str) -> NDArray[np.float32]:
    """Return pixels (H, W, 4), in 0..1, with colors converted from a profile to sRGB.

    Args:
        pixels: As stored in the file. Alpha stays.
        profile: Of the file.
        name: Of the image, for the warning of a profile that cannot be used.
    """
    from PIL import Image

    stored = Image.fromarray((pixels[..., :3] * 255 + 0.5).astype(np.uint8))
    original = stored.getchannel("R") if _is_for_gray(profile) else stored
    original.info["icc_profile"] = profile
    converted = convert_to_srgb(original, name)
    if converted is original:
        return pixels
    color = np.asarray(converted.convert("RGB"), np.float32) / 255

    return np.concatenate((color, pixels[..., 3:]), axis=2)


def gray_curve(image: Image.Image, name: str) -> NDArray[np.float32] | None:
    """Return what a gray profile makes of gray values.

    Args:
        image: A gray image of any depth.
        name: Of its file, for the warning.

    Returns:
        (256,) sRGB in 0..1 of evenly spaced values; None if there is no gray profile, or one that
        changes nothing.
    """
    data = image.info.get("icc_profile")
    if not data:
        return None
    from PIL import Image

    try:
        transform, mode = _open_profile(data)
        if mode != "L":
            return None
        levels = np.arange(_LEVELS, dtype=np.uint8)[None]
        converted = np.asarray(transform.apply(Image.fromarray(levels)))[0, :, 1]
    except Exception as error:  # as above
        _warn_of_profile(name, error)
        return None

    if np.abs(converted.astype(int) - levels[0]).max() <= _SAME:
        return None
    return (converted / np.float32(255)).astype(np.float32)


def _apply_profile(image: Image.Image, data: bytes) -> Image.Image:
    """Return ``image`` converted from the profile ``data`` to sRGB.

    Raises:
        Exception: The profile is damaged, or is not one for such an image.
    """
    transform, mode = _open_profile(data)
    if mode == "CMYK":
        if image.mode != "CMYK":
            raise ValueError(f"it is for CMYK, and the image is {image.mode}")
        return transform.apply(image)
    if image.mode == "CMYK":
        raise ValueError(f"it is for {mode}, and the image is CMYK")
    if mode == "L" and image.mode not in _GRAY_MODES:
        raise ValueError(f"it is for gray, and the image is {image.mode}")
    if not _changes_colors(transform, mode):
        return image

    # Color and alpha apart: a profile knows no alpha.
    rgba = image.convert("RGBA")
    color = rgba.convert("RGB") if mode == "RGB" else rgba.getchannel("R")
    converted = transform.apply(color).convert("RGBA")
    converted.putalpha(rgba.getchannel("A"))

    return converted


def _is_for_gray(data: bytes) -> bool:
    """Return whether the header of a profile names gray as its color space."""
    return data[16:20] == b"GRAY"


def _open_profile(data: bytes) -> tuple[ImageCms.ImageCmsTransform, str]:
    """Return the transform from a profile to sRGB, and the mode of the images that it takes.

    Raises:
        Exception: The profile is damaged or of another kind.
    """
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    space = profile.profile.xcolor_space.strip()
    if space not in _PROFILE_MODES:
        raise ValueError(f"its color space is {space!r}")
    mode = _PROFILE_MODES[space]
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )

    return transform, mode


def _changes_colors(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Return whether a transform changes any color of a coarse cube by what can be seen."""
    from PIL import Image

    steps = np.linspace(0, 255, _TEST_STEPS).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    if mode == "L":
        cube = np.repeat(cube[..., :1], 3, axis=2)
    test = Image.fromarray(cube)
    converted = np.asarray(transform.apply(test.convert(mode)))

    return bool(np.abs(converted.astype(int) - cube).max() > _SAME)


def _warn_of_profile(name: str, error: Exception) -> None:
    warnings.warn(
        f"{name}: its color profile cannot be used ({error}), so its colors are read as sRGB",
        Notice,
        stacklevel=2,
    )
