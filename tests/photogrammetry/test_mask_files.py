import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.photogrammetry import mask_files, photo_files
from PIL import Image


@pytest.fixture
def photograph(tmp_path):
    """A photograph of nothing but noise, twice as wide as high."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 80, 3), np.uint8)
    path = tmp_path / "7.jpg"
    Image.fromarray(pixels).save(path)
    (tmp_path / "masks").mkdir()
    return path


def paint(photograph, name, size, box, mode="L"):
    """A mask, white within the box."""
    path = photograph.parent / "masks" / name
    image = Image.new(mode, size, 0)
    image.paste(255 if mode == "L" else (255, 255, 255, 255), box)
    image.save(path)
    return path


@pytest.mark.parametrize("name", ["7.png", "7.jpg.png"])
def test_a_mask_is_found_by_either_name(photograph, name):
    assert mask_files.find_mask(photograph) is None
    path = paint(photograph, name, (80, 40), (10, 10, 30, 30))
    assert mask_files.find_mask(photograph) == path
    assert mask_files.find_masks([photograph, photograph.parent / "8.jpg"]) == (path,)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_a_mask_of_another_size_is_stretched(photograph, mode):
    path = paint(photograph, "7.png", (40, 20), (5, 5, 15, 15), mode)
    mask = mask_files.read_mask(path, 80, 40)
    expected = np.zeros((40, 80), bool)
    expected[10:30, 10:30] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_mask_of_another_shape_is_refused(photograph):
    path = paint(photograph, "7.png", (40, 40), (5, 5, 15, 15))
    with pytest.raises(ImageError, match="another shape than 80 x 40"):
        mask_files.read_mask(path, 80, 40)
    with pytest.raises(ImageError, match="another shape"):
        photo_files.read_reduced(photograph, 80)


def test_what_is_written_is_read_again(photograph):
    mask = np.zeros((40, 80), bool)
    mask[3:9, 20:70] = True
    mask_files.write_mask(photograph, mask)
    path = mask_files.find_mask(photograph)
    assert path == photograph.parent / "masks/7.jpg.png"
    np.testing.assert_array_equal(mask_files.read_mask(path, 80, 40), mask)


def test_a_painted_mask_is_used_for_outlines_and_surface(photograph):
    assert photo_files.read_reduced(photograph, 80).mask is None
    path = paint(photograph, "7.png", (80, 40), (10, 10, 30, 30))
    reduced = photo_files.read_reduced(photograph, 40)
    assert reduced.mask.shape == (20, 40) and reduced.mask.sum() == 100
    assert not reduced.plain  # the pattern beside the object tells places
    assert photo_files.inspect_photograph(photograph).mask == path
    pixels = np.ones((40, 80, 4), np.float32)
    assert photo_files.object_mask(pixels, path).sum() == 400


def test_a_painted_mask_replaces_that_of_a_plain_background(tmp_path):
    image = Image.new("RGB", (80, 40), (220, 220, 220))
    image.paste((90, 40, 30), (20, 10, 60, 35))
    path = tmp_path / "1.png"
    image.save(path)
    (tmp_path / "masks").mkdir()
    assert photo_files.read_reduced(path, 80).mask.sum() == pytest.approx(1000, rel=0.1)
    paint(path, "1.png", (80, 40), (20, 10, 40, 35))
    reduced = photo_files.read_reduced(path, 80)
    assert reduced.mask.sum() == 500 and reduced.plain


def test_a_black_mask_shows_no_object(photograph):
    paint(photograph, "7.png", (80, 40), (0, 0, 0, 0))
    assert photo_files.read_reduced(photograph, 80).mask is None
