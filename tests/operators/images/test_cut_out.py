import bpy
import numpy as np
import pytest


@pytest.fixture
def photo(addon, pictures):
    """The image ``front.png`` on a plain ground, chosen in the panel."""
    image = bpy.data.images.load(str(pictures / "front.png"))
    pixels = np.empty(4 * image.size[0] * image.size[1], np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(image.size[1], image.size[0], 4)
    mask = pixels[..., 3] > 0.5
    pixels[~mask] = (0.9, 0.9, 0.9, 1.0)
    plain = bpy.data.images.new("plain", *image.size, alpha=True)
    plain.pixels.foreach_set(pixels.ravel())
    bpy.context.scene.maquette.image = plain
    return plain, mask


def alpha_of(image):
    pixels = np.empty(4 * image.size[0] * image.size[1], np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(image.size[1], image.size[0], 4)[..., 3]


def test_cuts_the_object_out_and_chooses_the_copy(photo):
    plain, mask = photo
    assert bpy.ops.maquette.cut_out() == {'FINISHED'}
    cut_out = bpy.context.scene.maquette.image
    assert cut_out.name == "plain cut out" and cut_out != plain
    assert ((alpha_of(cut_out) > 0.5) == mask).mean() > 0.98
    assert alpha_of(plain).min() == 1.0
    assert cut_out.packed_file, "it is saved with the file"


def preview_of(image):
    """The thumbnail (H, W, 4), row 0 at the bottom."""
    width, height = image.preview.image_size
    pixels = np.empty(4 * width * height, np.float32)
    image.preview.image_pixels_float.foreach_get(pixels)
    return pixels.reshape(height, width, 4)


def test_the_thumbnail_shows_no_background(photo):
    """Blender draws thumbnails as premultiplied: a color below alpha 0 would be seen."""
    bpy.ops.maquette.cut_out()
    cut_out = bpy.context.scene.maquette.image
    preview = preview_of(cut_out)
    assert max(preview.shape[:2]) <= 256
    is_clear = preview[..., 3] < 0.01
    assert 0.2 < is_clear.mean() < 0.95
    assert preview[is_clear][:, :3].max() < 0.02
    assert preview[~is_clear][:, :3].max() > 0.2


def test_the_thumbnail_follows_a_painted_mask(photo, weights):
    bpy.ops.maquette.cut_out()
    cut_out = bpy.context.scene.maquette.image
    before = (preview_of(cut_out)[..., 3] > 0.5).sum()
    pixels = np.empty(4 * cut_out.size[0] * cut_out.size[1], np.float32)
    cut_out.pixels.foreach_get(pixels)
    shaped = pixels.reshape(cut_out.size[1], cut_out.size[0], 4)
    shaped[: len(shaped) // 2, :, 3] = 0.0
    cut_out.pixels.foreach_set(pixels)
    assert cut_out.is_dirty
    bpy.ops.maquette.reconstruct(image=cut_out.name, resolution=32, weights=str(weights))
    assert (preview_of(cut_out)[..., 3] > 0.5).sum() < 0.8 * before


def test_cutting_out_again_keeps_the_name_short(photo):
    bpy.ops.maquette.cut_out()
    bpy.ops.maquette.cut_out()
    assert bpy.context.scene.maquette.image.name == "plain cut out.001"


def test_a_painted_mask_is_what_reconstruct_sees(photo, weights):
    """Erasing the upper half leaves an object of half the height."""
    bpy.ops.maquette.cut_out()
    cut_out = bpy.context.scene.maquette.image
    assert bpy.ops.maquette.reconstruct(
        image=cut_out.name, resolution=32, weights=str(weights)
    ) == {'FINISHED'}
    before = bpy.context.object.dimensions.copy()
    pixels = np.empty(4 * cut_out.size[0] * cut_out.size[1], np.float32)
    cut_out.pixels.foreach_get(pixels)
    shaped = pixels.reshape(cut_out.size[1], cut_out.size[0], 4)
    rows = np.flatnonzero((shaped[..., 3] > 0.5).any(1))
    shaped[rows[len(rows) // 2] :, :, 3] = 0.0
    cut_out.pixels.foreach_set(pixels)
    assert bpy.ops.maquette.reconstruct(
        image=cut_out.name, resolution=32, weights=str(weights)
    ) == {'FINISHED'}
    after = bpy.context.object.dimensions
    assert after.x / after.z > 1.5 * before.x / before.z


def test_without_an_image_it_says_what_to_do(addon):
    with pytest.raises(RuntimeError, match="Choose an image"):
        bpy.ops.maquette.cut_out()


def test_holes_are_filled_on_demand(addon):
    """A ring on white, which is a disk without its hole."""
    rows, columns = np.mgrid[0:96, 0:96]
    radius = np.hypot(rows - 48, columns - 48)
    ring = (radius < 40) & (radius > 16)
    pixels = np.ones((96, 96, 4), np.float32)
    pixels[ring, :3] = (0.6, 0.2, 0.1)
    image = bpy.data.images.new("ring", 96, 96, alpha=True)
    image.pixels.foreach_set(pixels.ravel())

    bpy.ops.maquette.cut_out(image="ring")
    kept = bpy.context.scene.maquette.image
    bpy.ops.maquette.cut_out(image="ring", keep_holes=False)
    filled = bpy.context.scene.maquette.image
    np.testing.assert_array_equal(alpha_of(kept) > 0.5, ring)
    np.testing.assert_array_equal(alpha_of(filled) > 0.5, radius < 40)
