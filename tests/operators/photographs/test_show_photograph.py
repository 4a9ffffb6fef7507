import bpy
import pytest
from PIL import Image


def activate(name):
    bpy.context.view_layer.objects.active = bpy.data.objects[name]


def test_a_photograph_is_loaded_once(addon, capture):
    path = str(capture.solved.photographs[0].path)
    for _ in range(2):
        assert bpy.ops.maquette.show_photograph(filepath=path) == {'FINISHED'}
    assert [image.name for image in bpy.data.images] == ["view_0.jpg"]


def test_a_photograph_that_is_gone_is_named(addon, tmp_path):
    with pytest.raises(RuntimeError, match=r"no file .*gone\.jpg any more"):
        bpy.ops.maquette.show_photograph(filepath=str(tmp_path / "gone.jpg"))


def test_the_mask_of_the_active_camera(addon, capture, tmp_path):
    capture.add(1.0)
    activate("view_1")
    with pytest.raises(RuntimeError, match=r"view_1\.jpg has no mask .*press Write Masks"):
        bpy.ops.maquette.show_mask()
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 64), 255).save(tmp_path / "masks/view_1.png")
    assert bpy.ops.maquette.show_mask() == {'FINISHED'}
    assert bpy.data.images["view_1.png"].size[0] == 64


def test_other_objects_have_no_mask(addon, capture):
    capture.add(1.0)
    activate("Box")
    assert not bpy.ops.maquette.show_mask.poll()
