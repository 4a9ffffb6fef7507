import bpy
import numpy as np
import pytest
from mathutils import Vector
from PIL import Image


@pytest.fixture
def sheet(tmp_path):
    """A boot from front, right and back at one scale on white, its toe at the front."""
    rgb = np.full((120, 300, 3), 255, np.uint8)
    rgb[20:110, 20:60] = (200, 30, 30)
    rgb[20:110, 130:170] = (30, 200, 30)
    rgb[90:110, 100:130] = (30, 200, 30)  # the toe, left in the picture of its right
    rgb[20:110, 220:260] = (30, 30, 200)
    Image.fromarray(rgb).save(tmp_path / "boot.png")
    return tmp_path / "boot.png"


def lay_out(path, **options):
    assert bpy.ops.maquette.lay_out_turnaround(filepath=str(path), **options) == {'FINISHED'}
    bpy.context.view_layer.update()
    return {empty.name: empty for empty in bpy.context.selected_objects}


def test_they_stand_around_the_origin_at_one_scale_on_the_ground(addon, sheet):
    made = lay_out(sheet, size=1.8)
    assert set(made) == {"Front", "Right", "Back"}
    metres = 1.8 / 90
    for empty in made.values():
        width, height = empty.data.size
        assert empty.empty_display_size / max(width, height) == pytest.approx(metres)
        lowest = Vector(
            (0, (empty.empty_image_offset[1] * height + 1) * metres, 0)
        )  # above a rim of one pixel
        np.testing.assert_allclose((empty.matrix_world @ lowest).z, 0, atol=1e-6)
        assert empty.data.packed_file
    assert (
        made["Front"].location.y > 1
        and made["Back"].location.y < -1
        and made["Right"].location.x < -1
    )


def test_a_mesh_from_them_stands_right(addon, sheet, weights):
    lay_out(sheet, size=1.8)
    assert bpy.ops.maquette.reconstruct_references(resolution=64, weights=str(weights)) == {
        'FINISHED'
    }
    bpy.context.view_layer.update()
    boot = bpy.context.object
    co = np.array([boot.matrix_world @ vertex.co for vertex in boot.data.vertices])
    np.testing.assert_allclose((co[:, 2].min(), co[:, 2].max()), (0, 1.8), atol=0.04)
    np.testing.assert_allclose((co[:, 0].min(), co[:, 0].max()), (-0.4, 0.4), atol=0.04)
    np.testing.assert_allclose((co[:, 1].min(), co[:, 1].max()), (-0.7, 0.7), atol=0.04)
    low = co[co[:, 2] < 0.3]
    high = co[co[:, 2] > 0.5]
    assert low[:, 1].min() < -0.6 and high[:, 1].min() > -0.2  # the toe looks to the front


def test_the_order_can_be_corrected(addon, sheet):
    made = lay_out(sheet, second='LEFT')
    assert set(made) == {"Front", "Left", "Back"}


def test_edit_mode_is_left_first(addon, sheet):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.mode_set(mode='EDIT')
    lay_out(sheet)
    assert (cube.mode, bpy.context.mode, bpy.context.object.name) == ('OBJECT', 'OBJECT', "Front")


def test_refusals_name_the_reason(addon, sheet, scene_state):
    before = scene_state()
    with pytest.raises(
        RuntimeError,
        match=r"assigned to front, front, back\. Assign each figure to a different side",
    ):
        bpy.ops.maquette.lay_out_turnaround(filepath=str(sheet), second='FRONT')
    with pytest.raises(RuntimeError, match="Choose one image that shows several sides"):
        bpy.ops.maquette.lay_out_turnaround()
    assert scene_state() == before
