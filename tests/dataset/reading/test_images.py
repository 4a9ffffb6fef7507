"""Images: PNG and WebP of bounded size alone."""

import io
import struct
import warnings
import zlib

import pytest
from maquette.core.dataset.reading.images import open_image
from PIL import Image

FORMATS = ("PNG", "WEBP")


def encode(kind, size=(8, 8), **options):
    buffer = io.BytesIO()
    Image.new("RGBA", size).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def png_that_claims(side):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99)))


@pytest.mark.parametrize("kind", FORMATS)
def test_both_formats_are_opened(kind):
    image = open_image(encode(kind, (8, 6)), FORMATS)
    assert image.size == (8, 6) and image.format == kind


@pytest.mark.parametrize("side", [4097, 10_000, 30_000, 2**31 - 1])
def test_a_large_claim_is_refused_without_a_warning(side):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=f"{side} x {side}"):
        warnings.simplefilter("error")
        open_image(png_that_claims(side), FORMATS)


def test_a_webp_of_many_pixels_is_refused():
    with pytest.raises(ValueError, match="16000 x 1100"):
        open_image(encode("WEBP", (16_000, 1_100), quality=0, method=0), FORMATS)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "JPEG", "EPS", "PPM"])
def test_other_formats_are_refused(kind):
    with pytest.raises(OSError, match="cannot identify"):
        open_image(encode(kind), FORMATS)


def test_animations_are_refused():
    frames = [Image.new("RGBA", (8, 8), color) for color in ("red", "blue")]
    for kind in FORMATS:
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        with pytest.raises(ValueError, match="animated"):
            open_image(buffer.getvalue(), FORMATS)
