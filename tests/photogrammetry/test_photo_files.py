import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.photogrammetry import photo_files
from PIL import Image


def write_image(path, width=64, height=48, exif=None, color=(90, 120, 60)):
    image = Image.new("RGB", (width, height), color)
    image.save(path, exif=exif or Image.Exif())
    return path


def test_numbers_in_names_are_in_order(tmp_path):
    for name in ("b.png", "IMG_10.png", "img_2.png", "a 3 x.png"):
        write_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    names = [path.name for path in photo_files.list_photographs(tmp_path)]
    assert names == ["a 3 x.png", "b.png", "img_2.png", "IMG_10.png"]


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(ImageError, match="contains no images"):
        photo_files.list_photographs(tmp_path)
    with pytest.raises(ImageError, match="There is no folder"):
        photo_files.list_photographs(tmp_path / "missing")


def test_exif_gives_focal_length_and_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 26
    photograph = photo_files.inspect_photograph(write_image(tmp_path / "a.jpg", 400, 300, exif))
    assert (photograph.width, photograph.height, photograph.turned) == (300, 400, True)
    assert photograph.focal == pytest.approx(26 / 43.267 * 500)
    assert photograph.camera_key == (300, 400, 26.0)


def test_without_exif_there_is_no_focal_length(tmp_path):
    photograph = photo_files.inspect_photograph(write_image(tmp_path / "a.png"))
    assert (photograph.focal, photograph.lens, photograph.turned) == (0.0, 0.0, False)


def test_a_text_file_is_no_photograph(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("this is a text")
    with pytest.raises(ImageError, match=r"text\.jpg is not a readable image"):
        photo_files.inspect_photograph(path)


def test_large_photographs_are_reduced_and_masked_by_a_plain_background(tmp_path):
    pixels = np.full((300, 400, 3), 240, np.uint8)
    pixels[100:220, 80:300] = (160, 30, 40)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reduced = photo_files.read_reduced(tmp_path / "a.png", 200)
    assert reduced.color.shape == (150, 200, 3)
    expected = np.zeros((150, 200), bool)
    expected[50:110, 40:150] = True
    assert reduced.mask is not None and (reduced.mask != expected).sum() < 200


def test_alpha_is_the_mask_and_keeps_the_background(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 4), np.uint8)
    pixels[..., 3] = 0
    pixels[20:40, 30:60, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reduced = photo_files.read_reduced(tmp_path / "a.png", 1600)
    assert (reduced.mask == (pixels[..., 3] > 0)).all()
    assert (reduced.color == pixels[..., :3]).all()


def test_a_patterned_photograph_has_no_mask_and_blur_shows_in_its_sharpness(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "sharp.png")
    small = Image.fromarray(pixels).resize((20, 15)).resize((80, 60))
    small.save(tmp_path / "blurred.png")
    sharp = photo_files.read_reduced(tmp_path / "sharp.png", 1600)
    blurred = photo_files.read_reduced(tmp_path / "blurred.png", 1600)
    assert sharp.mask is None
    assert blurred.sharpness < 0.25 * sharp.sharpness


def test_formats_that_are_not_read_are_listed_to_be_named(tmp_path):
    write_image(tmp_path / "2.png")
    (tmp_path / "1.heic").touch()
    assert [path.name for path in photo_files.list_photographs(tmp_path)] == ["1.heic", "2.png"]


def test_damaged_exif_leaves_a_photograph(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 48)).save(path, exif=b"Exif\0\0XXXXXX")
    photograph = photo_files.inspect_photograph(path)
    assert (photograph.width, photograph.height, photograph.focal) == (64, 48, 0.0)


def test_alpha_that_cuts_nothing_out_is_no_mask(tmp_path):
    pixels = np.full((150, 200, 4), 240, np.uint8)
    pixels[..., 3] = 255
    pixels[50:110, 40:150, :3] = (160, 30, 40)
    pixels[:3, :3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reduced = photo_files.read_reduced(tmp_path / "a.png", 200)
    expected = np.zeros((150, 200), bool)
    expected[50:110, 40:150] = True
    assert reduced.plain and (reduced.mask != expected).sum() < 200
