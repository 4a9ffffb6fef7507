"""Picture files of every kind that people have, and every kind of bad one."""

import io
import os
import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from maquette.core.errors import DependencyError, ImageError
from maquette.core.imaging import image_files
from maquette.core.jobs import dependencies
from PIL import Image

SIZE = 16, 12  # width, height: not square, so that a turn shows


def ramp(width=SIZE[0], height=SIZE[1]):
    """(H, W, 3) uint8: red grows to the right, green downwards, blue is 64."""
    picture = np.full((height, width, 3), 64, np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)
    picture[..., 1] = np.linspace(0, 255, height)[:, None]
    return picture


def saved(path, picture, **options):
    picture.save(path, **options)
    return path


def test_color_and_rows_come_out_as_they_are(tmp_path):
    read = image_files.read_image(saved(tmp_path / "a.png", Image.fromarray(ramp())))
    assert read.shape == (12, 16, 4) and read.dtype == np.float32
    np.testing.assert_allclose(read[..., :3], ramp() / 255, atol=1e-6)
    assert (read[..., 3] == 1).all()


def test_alpha_is_straight(tmp_path):
    rgba = np.dstack((ramp(), np.full(SIZE[::-1], 128, np.uint8)))
    rgba[0, 0, 3] = 255
    read = image_files.read_image(saved(tmp_path / "a.png", Image.fromarray(rgba)))
    np.testing.assert_allclose(read, rgba / 255, atol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_of_16_bits_is_scaled_not_clipped(tmp_path, suffix):
    gray = np.linspace(0, 65535, 12 * 16).astype(np.uint16).reshape(12, 16)
    read = image_files.read_image(saved(tmp_path / f"a.{suffix}", Image.fromarray(gray)))
    for channel in range(3):
        np.testing.assert_allclose(read[..., channel], gray / 65535, atol=1e-6)


def test_color_of_16_bits(tmp_path):
    """Written by hand, since Pillow writes none."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    deep = (ramp().astype(np.uint16) * 257).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    header = struct.pack(">IIBBBBB", *SIZE, 16, 2, 0, 0, 0)
    path = tmp_path / "a.png"
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    np.testing.assert_allclose(image_files.read_image(path)[..., :3], ramp() / 255, atol=1 / 255)


def test_gray_and_gray_with_alpha(tmp_path):
    gray = ramp()[..., 0]
    read = image_files.read_image(saved(tmp_path / "l.png", Image.fromarray(gray)))
    np.testing.assert_allclose(
        read[..., :3], np.repeat(gray[..., None] / 255, 3, axis=2), atol=1e-6
    )
    alpha = np.full(SIZE[::-1], 200, np.uint8)
    read = image_files.read_image(
        saved(tmp_path / "la.png", Image.merge("LA", [Image.fromarray(a) for a in (gray, alpha)]))
    )
    np.testing.assert_allclose(read[..., 0], gray / 255, atol=1e-6)
    np.testing.assert_allclose(read[..., 3], 200 / 255, atol=1e-6)


def test_black_and_white(tmp_path):
    bits = ramp()[..., 0] > 100
    read = image_files.read_image(saved(tmp_path / "a.png", Image.fromarray(bits)))
    np.testing.assert_array_equal(read[..., 1], bits)


def test_palette_with_a_transparent_color(tmp_path):
    indices = np.zeros(SIZE[::-1], np.uint8)
    indices[4:8, 4:12] = 1
    picture = Image.fromarray(indices, "P")
    picture.putpalette([0, 0, 0, 255, 128, 0])
    for path in (
        saved(tmp_path / "a.png", picture, transparency=0),
        saved(tmp_path / "a.gif", picture, transparency=0),
    ):
        read = image_files.read_image(path)
        np.testing.assert_array_equal(read[..., 3], indices)
        np.testing.assert_allclose(read[5, 5], (1, 128 / 255, 0, 1), atol=1e-6)


def test_cmyk(tmp_path):
    inks = np.zeros((12, 16, 4), np.uint8)
    inks[..., 1:3] = 255  # magenta and yellow: red
    for path in (
        saved(tmp_path / "a.jpg", Image.fromarray(inks, "CMYK"), quality=95),
        saved(tmp_path / "a.tif", Image.fromarray(inks, "CMYK")),
    ):
        assert np.abs(image_files.read_image(path)[..., :3] - (1, 0, 0)).max() < 0.05


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("suffix", "mode"), [("png", "RGB"), ("tif", "RGBA")])
def test_exif_orientation_is_obeyed(tmp_path, orientation, suffix, mode):
    upright = Image.fromarray(ramp()).convert(mode)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = image_files.read_image(saved(tmp_path / f"a.{suffix}", stored, exif=exif))
    np.testing.assert_allclose(read[..., :3], ramp() / 255, atol=1e-6)


def test_what_is_written_about_a_picture_may_be_damaged(tmp_path):
    read = image_files.read_image(
        saved(tmp_path / "a.png", Image.fromarray(ramp()), exif=b"Exif\0\0XXXXXX")
    )
    np.testing.assert_allclose(read[..., :3], ramp() / 255, atol=1e-6)


def test_light_without_bound_is_white(tmp_path):
    light = np.full((12, 16), 0.5, np.float32)
    light[0, 0] = np.inf
    read = image_files.read_image(saved(tmp_path / "a.tif", Image.fromarray(light)))
    assert read[0, 0, 0] == 1 and (read[1:, :, 0] == 0.5).all()


def test_the_rest_beside_whole_blocks_is_kept():
    pixels = np.zeros((15, 1000, 4), np.float32)
    pixels[12:] = 1
    found = image_files.downscale(pixels, 100)
    assert found.shape == (2, 100, 4)
    np.testing.assert_allclose(found[:, 0, 3], (0, 0.8))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", SIZE, color) for color in ("red", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert np.abs(image_files.read_image(path)[..., :3] - (1, 0, 0)).max() < 0.05


def test_a_phone_s_file_of_several_pictures(tmp_path):
    frames = [Image.new("RGB", SIZE, color) for color in ("red", "blue")]
    path = tmp_path / "a.jpg"
    frames[0].save(path, format="MPO", save_all=True, append_images=frames[1:])
    assert np.abs(image_files.read_image(path)[..., :3] - (1, 0, 0)).max() < 0.05


def test_very_wide(tmp_path):
    read = image_files.read_image(
        saved(tmp_path / "a.png", Image.fromarray(ramp(6000, 40))), max_side=1024
    )
    assert read.shape == (7, 1000, 4)
    assert abs(float(read[3, 500, 0]) - 0.5) < 0.01


def test_very_dark(tmp_path):
    gray = np.full((12, 16), 40, np.uint16)
    gray[3:6] = 90
    read = image_files.read_image(saved(tmp_path / "a.png", Image.fromarray(gray)))
    np.testing.assert_allclose(read[..., 0], gray / 65535, rtol=1e-5)


def test_large_ones_are_reduced_without_a_fringe(tmp_path):
    """Green shows nowhere: the transparent pixels' colour must not bleed into the edge."""
    rgba = np.zeros((300, 300, 4), np.uint8)
    rgba[..., 1] = 255
    rgba[101:199, 101:199] = (255, 0, 0, 255)
    read = image_files.read_image(saved(tmp_path / "a.png", Image.fromarray(rgba)), max_side=100)
    assert read.shape == (100, 100, 4)
    assert read[read[..., 3] > 0.1][:, 1].max() < 0.02
    ours = image_files.downscale((rgba / 255).astype(np.float32), 100)
    shown = ours[..., 3] > 0.1
    np.testing.assert_allclose(ours[shown], read[shown], atol=0.02)


def test_float_pictures(tmp_path):
    values = np.linspace(0, 1, 12 * 16, dtype=np.float32).reshape(12, 16)
    read = image_files.read_image(saved(tmp_path / "a.tif", Image.fromarray(values)))
    np.testing.assert_allclose(read[..., 2], values, atol=1e-6)


def test_tiffs_of_12_bits_and_those_in_which_white_is_zero(tmp_path):
    """Written by hand, since Pillow writes no 12 bits."""
    gray = np.full(SIZE[::-1], 20_000, np.uint16)
    path = saved(tmp_path / "a.tif", Image.fromarray(gray), tiffinfo={262: 0})
    np.testing.assert_allclose(image_files.read_image(path)[..., 1], 1 - 20_000 / 65535, atol=1e-6)

    entries = {256: 16, 257: 12, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 12, 279: 288}
    packed = bytes((0x40, 0x04, 0x00)) * 96  # pairs of 0x400, a quarter of 12 bits
    directory = struct.pack("<H", len(entries))
    for tag, value in entries.items():
        directory += struct.pack("<HHII", tag, 4 if value > 65535 else 3, 1, value)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + directory + b"\0" * 4)
    np.testing.assert_allclose(image_files.read_image(path)[..., 1], 0x400 / 4095, atol=1e-6)


def test_values_that_are_no_numbers_are_taken_from_their_surroundings(tmp_path):
    values = np.full((12, 16), 0.5, np.float32)
    values[2:5, 3:7] = np.nan
    values[10, 10] = -np.inf
    read = image_files.read_image(saved(tmp_path / "a.tif", Image.fromarray(values)))
    expected = np.full((12, 16), 0.5)
    expected[10, 10] = 0
    np.testing.assert_allclose(read[..., 0], expected, atol=1e-6)
    assert (read[..., 3] == 1).all()


def test_no_number_anywhere_is_black(tmp_path):
    values = np.full((12, 16), np.nan, np.float32)
    read = image_files.read_image(saved(tmp_path / "a.tif", Image.fromarray(values)))
    assert (read[..., :3] == 0).all()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_large_ones_of_high_depth_are_reduced_before_they_are_widened(tmp_path, mode):
    """All of it in floats, as color and alpha, would take 16 bytes a pixel."""
    width, height = 4000, 3000
    dtype, white = {"I;16": (np.uint16, 65535), "I": (np.int32, 65535), "F": (np.float32, 1)}[mode]
    values = np.zeros((height, width), dtype)
    values[:, 2000:] = white
    path = saved(tmp_path / "a.tif", Image.fromarray(values), compression="packbits")
    tracemalloc.start()
    read = image_files.read_image(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * width * height
    assert read.shape == (750, 1000, 4)
    np.testing.assert_array_equal(read[..., 0], np.tile(np.arange(1000) >= 500, (750, 1)))


def test_the_rest_beside_whole_bands_is_kept(tmp_path):
    """Bands of rows give what the image as one does."""
    values = np.random.default_rng(0).integers(0, 65536, (2003, 1501)).astype(np.uint16)
    read = image_files.read_image(saved(tmp_path / "a.png", Image.fromarray(values)), 300)
    gray = (values / np.float32(65535))[..., None]
    whole = np.concatenate((gray, gray, gray, np.ones_like(gray)), axis=2)
    np.testing.assert_allclose(read, image_files.downscale(whole, 300), atol=1e-6)


def test_a_folder_gives_all_formats_and_names_what_is_left_out(tmp_path):
    image = Image.fromarray(ramp())
    suffixes = ("png", "JPG", "gif", "tga", "avif", "webp", "jp2", "psd")
    for suffix in suffixes:
        (tmp_path / f"a.{suffix}").touch()
    image.save(tmp_path / "a.heic", "PNG")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to("nowhere")
    images = image_files.list_images(tmp_path)
    assert sorted(path.suffix[1:] for path in images.paths) == sorted(suffixes)
    reasons = {path.name: reason for path, reason in images.left_out.items()}
    assert reasons.keys() == {"a.heic", "broken.png"}
    assert "HEIC files are not read" in reasons["a.heic"]


def test_a_folder_of_other_formats_alone_names_them(tmp_path):
    (tmp_path / "a.heic").touch()
    with pytest.raises(ImageError, match=r"contains no images.*a\.heic: HEIC files are not read"):
        image_files.images_in_folder(tmp_path)
    with pytest.raises(ImageError, match="nowhere cannot be read: No such file"):
        image_files.images_in_folder(tmp_path / "nowhere")


def bomb(path, width, height):
    """A tiny PNG whose header promises ``width`` x ``height`` pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


class TestRefuses:
    def test_what_is_not_there(self, tmp_path):
        with pytest.raises(ImageError, match=r"no image file .*nope.png"):
            image_files.read_image(tmp_path / "nope.png")

    @pytest.mark.parametrize("name", ["x" * 300, "a\0b", "a.png/b.png"])
    def test_a_name_that_cannot_be(self, tmp_path, name):
        (tmp_path / "a.png").touch()
        with pytest.raises(ImageError, match="cannot be read"):
            image_files.read_image(tmp_path / name)

    def test_a_folder(self, tmp_path):
        with pytest.raises(ImageError, match="is a folder"):
            image_files.read_image(tmp_path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")
    def test_a_pipe_and_a_device(self, tmp_path):
        os.mkfifo(tmp_path / "a.png")
        for path in (tmp_path / "a.png", Path("/dev/zero")):
            with pytest.raises(ImageError, match="is not a file"):
                image_files.read_image(path)

    def test_a_huge_file(self, tmp_path):
        path = tmp_path / "a.png"
        with path.open("wb") as file:
            file.truncate(image_files.MAX_FILE_BYTES + 1)  # takes no space
        with pytest.raises(ImageError, match="larger than 1024 MiB"):
            image_files.read_image(path)

    @pytest.mark.parametrize(
        "kind", [OSError, SyntaxError, ValueError, struct.error, RuntimeError, RecursionError]
    )
    def test_whatever_a_decoder_raises(self, tmp_path, monkeypatch, kind):
        path = saved(tmp_path / "a.png", Image.fromarray(ramp()))

        def fail(*_):
            raise kind("first line\nsecond")

        monkeypatch.setattr(image_files, "decode_pixels", fail)
        with pytest.raises(ImageError, match=r"a.png is damaged or incomplete \(first line second"):
            image_files.read_image(path)

    def test_what_needs_too_much_memory(self, tmp_path, monkeypatch):
        def fail(*_):
            raise MemoryError

        monkeypatch.setattr(image_files, "decode_pixels", fail)
        with pytest.raises(ImageError, match=r"not enough memory to read .*a\.png"):
            image_files.read_image(saved(tmp_path / "a.png", Image.fromarray(ramp())))

    def test_what_would_be_decoded_for_minutes(self, tmp_path):
        """Pillow reads this format pixel by pixel, also those that a cut file does not have."""
        path = saved(tmp_path / "a.dds", Image.fromarray(ramp()))
        data = bytearray(path.read_bytes())
        data[12:20] = struct.pack("<II", 8000, 9000)
        path.write_bytes(data)
        with pytest.raises(ImageError, match=r"9000 x 8000 pixels, takes too long to read"):
            image_files.read_image(path)

    def test_an_avif_without_an_image(self, tmp_path):
        file = io.BytesIO()
        Image.fromarray(ramp()).save(file, "AVIF")
        path = tmp_path / "a.avif"
        path.write_bytes(file.getvalue().replace(b"av01", b"none"))
        with pytest.raises(ImageError, match=r"a\.avif is"):
            image_files.read_image(path)

    def test_an_icon_that_is_larger_within(self, tmp_path):
        inner = bomb(tmp_path / "inner.png", 12_000, 12_000).read_bytes()
        entry = struct.pack("<BBBBHHII", 64, 64, 0, 0, 1, 32, len(inner), 22)
        path = tmp_path / "a.ico"
        path.write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + inner)
        with pytest.raises(ImageError, match="larger than 80 megapixels"):
            image_files.read_image(path)

    def test_what_is_not_an_image(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_text("not a picture")
        with pytest.raises(ImageError, match=r"a.png is not a readable image"):
            image_files.read_image(path)

    def test_an_empty_file(self, tmp_path):
        path = tmp_path / "a.png"
        path.touch()
        with pytest.raises(ImageError, match=r"a.png is not a readable image"):
            image_files.read_image(path)

    @pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp", "bmp"])
    @pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
    def test_a_truncated_file(self, tmp_path, suffix, part):
        rng = np.random.default_rng(0)
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(
            ImageError, match=r"a.* is (damaged or incomplete|not a readable image)"
        ):
            image_files.read_image(path)

    @pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 8_500), (60_000, 60_000)])
    def test_a_decompression_bomb_by_its_header(self, tmp_path, size):
        with pytest.raises(ImageError, match="larger than 80 megapixels"):
            image_files.read_image(bomb(tmp_path / "a.png", *size))

    @pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
    def test_one_too_small_to_show_anything(self, tmp_path, size):
        with pytest.raises(ImageError, match=f"only {size[0]} x {size[1]} pixels"):
            image_files.read_image(saved(tmp_path / "a.png", Image.new("RGB", size)))

    @pytest.mark.parametrize("alpha", [0, 30])
    def test_one_whose_alpha_is_empty(self, tmp_path, alpha):
        with pytest.raises(ImageError, match="completely transparent"):
            image_files.read_image(
                saved(tmp_path / "a.png", Image.new("RGBA", SIZE, (255, 0, 0, alpha)))
            )

    def test_postscript_which_pillow_would_run(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n"
        )
        with pytest.raises(ImageError, match="is not a readable image"):
            image_files.read_image(path)

    def test_all_of_them_without_pillow(self, tmp_path, monkeypatch):
        monkeypatch.setattr(dependencies, "is_installed", lambda package: package != "PIL")
        with pytest.raises(DependencyError, match=r"Pillow is not installed.*pip install pillow"):
            image_files.read_image(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, of damaged headers
def test_damaged_bytes_never_raise_anything_else(tmp_path):
    """Flip bytes all over files of every format: a picture, or our error."""
    rng = np.random.default_rng(1)
    for suffix in ("png", "jpg", "gif", "tif", "webp", "bmp", "tga", "ppm", "jp2", "dds", "ico"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(path)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            hurt = whole.copy()
            hurt[rng.integers(0, min(len(hurt), 200), 4)] = rng.integers(0, 255, 4)
            path.write_bytes(hurt.tobytes())
            with suppress(ImageError):
                assert image_files.read_image(path).shape[2] == 4
