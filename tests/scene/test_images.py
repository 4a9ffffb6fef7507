import runpy
from pathlib import Path

import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.imaging import image_files as files
from PIL import Image

# The profiles that the tests of files write.
PROFILES = runpy.run_path(str(Path(__file__).parents[1] / "imaging" / "test_color_profiles.py"))
ADOBE = PROFILES["ADOBE"]
RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (10, 14, 4), np.uint8)


def pixels(image):
    from maquette.core.scene.images import image_pixels

    return image_pixels(image)


def generated(values, **options):
    """An image of the open file with ``values`` (H, W, 4), row 0 at the top."""
    image = bpy.data.images.new("Picture", values.shape[1], values.shape[0], alpha=True, **options)
    image.pixels.foreach_set(np.ascontiguousarray(values[::-1], np.float32).ravel())
    return image


def test_the_same_pixels_as_from_the_file(addon, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(COLORS).save(path)
    opened = pixels(bpy.data.images.load(str(path)))
    assert opened.dtype == np.float32
    shown = COLORS[..., 3] > 20  # where nearly transparent, colours are kept in a few bits
    np.testing.assert_allclose(opened[shown], files.read_image(path)[shown], atol=1 / 255)


def test_light_of_float_images_is_made_srgb_and_straight(addon):
    premultiplied = np.zeros((8, 8, 4), np.float32)
    premultiplied[...] = (0.25, 0.125, 0.0, 0.5)
    read = pixels(generated(premultiplied, float_buffer=True))
    np.testing.assert_allclose(read[0, 0], (0.7354, 0.5371, 0.0, 0.5), atol=1e-3)


def test_gray_exr(addon, tmp_path):
    scene = bpy.context.scene
    image = generated(np.full((8, 8, 4), 0.5, np.float32), float_buffer=True)
    scene.render.image_settings.file_format = 'OPEN_EXR'
    scene.render.image_settings.color_mode = 'BW'
    image.save_render(str(tmp_path / "a.exr"), scene=scene)
    read = pixels(bpy.data.images.load(str(tmp_path / "a.exr")))
    assert read.shape == (8, 8, 4)
    np.testing.assert_allclose(read[0, 0], (0.7354, 0.7354, 0.7354, 1), atol=2e-3)


def test_alpha_that_is_switched_off_is_not_a_mask(addon):
    values = (COLORS / 255).astype(np.float32)
    image = generated(values)
    image.alpha_mode = 'CHANNEL_PACKED'
    assert (pixels(image)[..., 3] == 1).all()


def test_packed_images_need_no_file(addon, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(COLORS[..., :3]).save(path)
    image = bpy.data.images.load(str(path))
    image.pack()
    path.unlink()
    np.testing.assert_allclose(pixels(image)[..., :3], COLORS[..., :3] / 255, atol=1e-6)


def test_large_images_are_reduced(addon):
    assert pixels(generated(np.ones((40, 2100, 4), np.float32))).shape == (
        14,
        700,
        4,
    )  # the rest is kept


class TestRefuses:
    def test_an_image_whose_file_is_gone(self, addon, tmp_path):
        path = tmp_path / "gone.png"
        Image.fromarray(COLORS).save(path)
        image = bpy.data.images.load(str(path))
        path.unlink()
        image.reload()
        with pytest.raises(
            ImageError, match=r"'gone.png' cannot be read from .*gone\.png. Find its file"
        ):
            pixels(image)

    def test_the_render_result(self, addon):
        bpy.ops.image.new(name="x")
        image = next((i for i in bpy.data.images if i.type == 'RENDER_RESULT'), None)
        if image is None:
            scene = bpy.context.scene
            scene.render.engine = 'CYCLES'
            scene.cycles.samples = 1
            scene.render.resolution_x = scene.render.resolution_y = 8
            scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
            bpy.ops.render.render()
            image = bpy.data.images["Render Result"]
        with pytest.raises(ImageError, match=r"has no pixels to read\. Save it"):
            pixels(image)

    def test_a_name_that_is_not_there(self, addon):
        from maquette.core.scene.images import image_named

        with pytest.raises(ImageError, match="no image named 'nope'"):
            image_named("nope")

    def test_one_too_small(self, addon):
        with pytest.raises(ImageError, match="only 1 x 1 pixels"):
            pixels(generated(np.ones((1, 1, 4), np.float32)))

    def test_one_that_is_transparent(self, addon):
        with pytest.raises(ImageError, match="'Picture' is completely transparent"):
            pixels(generated(np.zeros((8, 8, 4), np.float32)))


def test_values_that_are_no_numbers_are_mended(addon):
    """A render may hold some; they come from their surroundings, and are not left for the mask."""
    image = bpy.data.images.new("render", 16, 12, alpha=True, float_buffer=True)
    values = np.full((12, 16, 4), 0.5, np.float32)
    values[..., 3] = 1
    values[3:5, 4:6] = np.nan
    values[0, 0, :3] = np.inf
    image.pixels.foreach_set(values.ravel())
    read = pixels(image)
    assert np.isfinite(read).all() and read.min() >= 0 and read.max() <= 1
    assert np.ptp(read[:-1, :, 0]) < 1e-5 and (read[..., 3] == 1).all()


def display_p3():
    """Return the bytes of a profile of the primaries of Display P3, with a gamma of 2.2."""
    primaries = np.array(
        ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407))
    )
    return PROFILES["rgb_profile"](primaries, 2.2)


@pytest.mark.parametrize(("suffix", "profile"), [("png", ADOBE), ("jpg", display_p3())])
@pytest.mark.parametrize("packed", [False, True])
def test_a_color_profile_is_applied_as_of_the_file(addon, tmp_path, suffix, profile, packed):
    """Blender loads the values of the file as if they were sRGB."""
    path = tmp_path / f"a.{suffix}"
    color = np.full((16, 16, 3), (174, 72, 46), np.uint8)
    Image.fromarray(color).save(path, quality=95, icc_profile=profile)
    image = bpy.data.images.load(str(path))
    if packed:
        image.pack()
    expected = files.read_image(path)
    assert expected[8, 8, 0] > 0.7
    np.testing.assert_allclose(pixels(image), expected, atol=2 / 255)


def test_a_profile_is_no_matter_for_data_or_another_color_space(addon, tmp_path):
    path = tmp_path / "a.png"
    color = np.full((16, 16, 3), (174, 72, 46), np.uint8)
    Image.fromarray(color).save(path, icc_profile=ADOBE)
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    np.testing.assert_allclose(pixels(image)[8, 8, :3], color[8, 8] / 255, atol=1e-6)


def test_a_profile_is_read_with_the_pixels_and_not_with_the_values(addon, tmp_path, monkeypatch):
    """Values are read on the main thread, which the first look at a profile would hold."""
    from maquette.core.scene import images

    path = tmp_path / "a.png"
    Image.fromarray(COLORS).save(path)
    image = bpy.data.images.load(str(path))
    read = []
    monkeypatch.setattr(images, "read_profile", read.append)
    values = images.image_values(image)
    assert not read
    values.to_pixels()
    assert len(read) == 1
