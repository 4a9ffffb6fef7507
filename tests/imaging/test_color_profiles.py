"""Colors by their ICC profile: a profile is written here by its format, ICC.1:2001-04."""

import io
import struct
import warnings

import numpy as np
import pytest
from maquette.core.console import Notice
from maquette.core.imaging.image_files import read_image
from PIL import Image, ImageCms

# Columns: the XYZ of red, green and blue, adapted to the profile connection space's D50.
SRGB_PRIMARIES = np.array(
    ((0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410))
)
ADOBE_PRIMARIES = np.array(
    ((0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457))
)
COLORS = np.array(((200, 70, 40), (60, 160, 60), (255, 255, 255), (90, 90, 90))) / 255


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def profile(space, tags):
    """Return the bytes of a display profile with ``tags`` by their signature."""
    count = len(tags)
    offset = 128 + 4 + 12 * count
    table = struct.pack(">I", count)
    body = b""
    for signature, data in tags.items():
        table += signature + struct.pack(">II", offset + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02100000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    header += fixed(0.9642, 1.0, 0.8249)
    content = header.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(content)) + content[4:]


def curve(gamma):
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"


def xyz(numbers):
    return b"XYZ " + b"\0" * 4 + fixed(*numbers)


def text(kind, words):
    return kind + b"\0" * 4 + struct.pack(">I", len(words) + 1) + words + b"\0" * 79


def rgb_profile(primaries, gamma):
    tags = {b"desc": text(b"desc", b"test"), b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    for name, column in zip((b"r", b"g", b"b"), primaries.T, strict=True):
        tags[name + b"XYZ"] = xyz(column)
        tags[name + b"TRC"] = curve(gamma)
    return profile(b"RGB ", tags)


def gray_profile(gamma):
    tags = {b"desc": text(b"desc", b"gray"), b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    return profile(b"GRAY", tags | {b"kTRC": curve(gamma)})


ADOBE = rgb_profile(ADOBE_PRIMARIES, 2.19921875)


def in_adobe(srgb):
    """Return sRGB colors (N, 3) as Adobe RGB has them, both in 0..1."""
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    adobe_light = light @ SRGB_PRIMARIES.T @ np.linalg.inv(ADOBE_PRIMARIES).T
    return adobe_light.clip(0, 1) ** (1 / 2.19921875)


def patches(colors):
    """Return an image of a column of 16 pixels for each color."""
    values = (colors * 255 + 0.5).astype(np.uint8)
    return Image.fromarray(np.tile(np.repeat(values, 16, axis=0), (16, 1, 1)))


def saved(path, image, **options):
    image.save(path, **options)
    return path


def centers(pixels):
    return pixels[8, 8::16]


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [("png", "RGB"), ("png", "RGBA"), ("png", "P"), ("tif", "RGB"), ("webp", "RGBA")],
)
def test_colors_of_a_wider_gamut_become_srgb(tmp_path, suffix, mode):
    image = patches(in_adobe(COLORS))
    image = image.convert(mode, palette=Image.Palette.ADAPTIVE) if mode != "RGB" else image
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", image, icc_profile=ADOBE, **options)
    np.testing.assert_allclose(centers(read_image(path))[:, :3], COLORS, atol=3 / 255)
    assert np.abs(in_adobe(COLORS) - COLORS).max() > 15 / 255  # what was read without the profile


def test_a_profile_changes_neither_alpha_nor_size_nor_orientation(tmp_path):
    image = patches(in_adobe(COLORS)).convert("RGBA")
    image.putalpha(77)
    image.putpixel((0, 0), (0, 0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 3
    read = read_image(saved(tmp_path / "a.png", image, icc_profile=ADOBE, exif=exif))
    assert read.shape == (16, 64, 4) and read[8, 8, 3] == pytest.approx(77 / 255)
    np.testing.assert_allclose(centers(read)[::-1, :3], COLORS, atol=3 / 255)


def test_large_images_are_converted_too(tmp_path):
    image = patches(in_adobe(COLORS)).resize((640, 160), Image.Resampling.NEAREST)
    read = read_image(saved(tmp_path / "a.png", image, icc_profile=ADOBE), max_side=64)
    np.testing.assert_allclose(centers(read)[:, :3], COLORS, atol=3 / 255)


def test_an_srgb_profile_leaves_every_value(tmp_path):
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    values = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(values), icc_profile=data)
    np.testing.assert_array_equal(read_image(path)[..., :3], np.float32(values) / 255)


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 255), (np.uint16, 65535)])
def test_linear_gray_becomes_srgb(tmp_path, dtype, scale):
    gray = np.full((16, 16), 0.5 * scale + 0.5).astype(dtype)
    read = read_image(
        saved(tmp_path / "a.png", Image.fromarray(gray), icc_profile=gray_profile(1.0))
    )
    np.testing.assert_allclose(read[..., :3], 0.7354, atol=3 / 255)


LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
UNUSABLE = {
    "no profile": (b"this is no profile at all", "RGB"),
    "cut": (ADOBE[:300], "RGB"),
    "without colors": (profile(b"RGB ", {b"wtpt": xyz((0.9642, 1.0, 0.8249))}), "RGB"),
    "Lab": (LAB, "RGB"),
    "for gray": (gray_profile(1.0), "RGB"),
    "for RGB": (ADOBE, "CMYK"),
}


@pytest.mark.parametrize(("data", "mode"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_profile_that_cannot_be_used_is_named_and_ignored(tmp_path, data, mode):
    file = io.BytesIO()
    patches(COLORS).convert(mode).save(file, "TIFF")
    path = tmp_path / "a.tif"
    path.write_bytes(file.getvalue())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = read_image(path)
    Image.open(io.BytesIO(file.getvalue())).save(path, icc_profile=data)
    with pytest.warns(Notice, match=r"a\.tif: its color profile cannot be used .* read as sRGB"):
        np.testing.assert_array_equal(read_image(path), plain)
