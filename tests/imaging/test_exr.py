import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.imaging import exr


@pytest.mark.parametrize("codec", ["NONE", "ZIP", "ZIPS"])
@pytest.mark.parametrize("depth", ["16", "32"])
def test_reads_what_blender_writes(tmp_path, codec, depth):
    values = np.random.default_rng(0).normal(size=(37, 21, 4)).astype(np.float32)
    image = bpy.data.images.new("x", 21, 37, alpha=True, float_buffer=True)
    image.pixels.foreach_set(values[::-1].ravel())
    settings = bpy.context.scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth, settings.exr_codec = (
        'OPEN_EXR',
        'RGBA',
        depth,
        codec,
    )
    image.save_render(str(tmp_path / "x.exr"))
    bpy.data.images.remove(image)
    channels = exr.read_exr(tmp_path / "x.exr")
    found = np.stack([channels[c] for c in "RGBA"], axis=2)
    np.testing.assert_allclose(found, values, rtol=1e-3 if depth == "16" else 1e-6, atol=1e-6)


def test_refuses_what_is_no_exr(tmp_path):
    (tmp_path / "x.exr").write_bytes(b"\x89PNG")
    with pytest.raises(ImageError, match="not an OpenEXR"):
        exr.read_exr(tmp_path / "x.exr")
