import json

import bpy
import numpy as np
import pytest
from maquette.core.scene.procedural import building, storage


@pytest.fixture
def table(addon):
    assert bpy.ops.maquette.add_procedural(family="table", seed=3, size=2.0) == {'FINISHED'}
    return bpy.context.object


def dimensions(obj):
    bpy.context.view_layer.update()
    return tuple(obj.dimensions)


def slider(obj, address):
    from maquette.operators.properties.procedural import slider_name

    parameters = storage.parameters_of(obj)
    index = [each.address for each in parameters].index(address)
    return slider_name(parameters[index], index)


def test_a_wider_table_is_wider(table):
    before = dimensions(table)
    assert bpy.ops.maquette.edit_procedural(address="width", value=2.0) == {'FINISHED'}
    after = dimensions(table)
    values = {draw.address: draw.value for draw in storage.parameters_of(table)}
    assert values["width"] == 2.0
    assert after[0] > before[0] + 0.1
    np.testing.assert_allclose(after[1:], before[1:], rtol=1e-5)
    assert json.loads(table["maquette_recipe"]) == {
        "family": "table",
        "seed": 3,
        "size": 2.0,
        "parts": "GROUPS",
        "values": {"width": 2.0},
    }


def test_a_decimal_is_stored_as_written(table):
    bpy.ops.maquette.edit_procedural(address="width", value=1.4)
    assert json.loads(table["maquette_recipe"])["values"] == {"width": 1.4}


def test_a_value_out_of_range_is_limited(table):
    bpy.ops.maquette.edit_procedural(address="width", value=99)
    assert json.loads(table["maquette_recipe"])["values"] == {"width": 2.0}


def test_a_look_at_it_in_edit_mode_is_no_edit(table):
    bpy.ops.object.mode_set(mode='EDIT')
    assert not bpy.ops.maquette.edit_procedural.poll()
    bpy.ops.mesh.select_all(action='SELECT')
    bpy.ops.object.mode_set(mode='OBJECT')
    assert not building.has_hand_edits(table)
    bpy.ops.object.shade_smooth()
    assert not building.has_hand_edits(table)


def test_an_applied_scale_is_an_edit(table):
    bpy.ops.object.transform_apply(scale=True)
    assert building.has_hand_edits(table)


def test_sliders_change_nothing_in_edit_mode(table, capfd):
    before = table["maquette_recipe"]
    name = slider(table, "width")
    bpy.ops.object.mode_set(mode='EDIT')
    setattr(table.maquette_procedural, name, 0.0)
    assert table["maquette_recipe"] == before
    assert "Object Mode" in capfd.readouterr().err


def test_a_slider_does_the_same(table):
    name = slider(table, "width")
    setattr(table.maquette_procedural, name, 0.0)
    narrow = dimensions(table)[0]
    setattr(table.maquette_procedural, name, 100.0)
    assert dimensions(table)[0] == pytest.approx(4 * narrow, rel=1e-4)  # 0.5 to 2
    assert getattr(table.maquette_procedural, name) == 100.0
    assert json.loads(table["maquette_recipe"])["values"] == {"width": 2.0}


def test_sliders_of_whole_numbers_and_choices(table):
    name = slider(table, "make_legs.kind")
    setattr(table.maquette_procedural, name, 99)
    assert getattr(table.maquette_procedural, name) == 5
    choice = next(each for each in storage.parameters_of(table) if each.kind == "choice")
    name = slider(table, choice.address)
    setattr(table.maquette_procedural, name, "1")
    assert getattr(table.maquette_procedural, name) == "1"
    assert json.loads(table["maquette_recipe"])["values"][choice.address] == 1


def test_another_seed_gives_another_table(table):
    before = dimensions(table)
    table.maquette_procedural.seed = 8
    assert dimensions(table) != before and table.maquette_procedural.seed == 8
    assert bpy.ops.maquette.edit_procedural(address="seed", value=3) == {'FINISHED'}
    assert dimensions(table) == before


def test_reset_one_and_all(table):
    before = dimensions(table)
    bpy.ops.maquette.edit_procedural(address="width", value=0.5)
    bpy.ops.maquette.edit_procedural(address="height", value=0.9)
    bpy.ops.maquette.reset_procedural(address="width")
    assert list(json.loads(table["maquette_recipe"])["values"]) == ["height"]
    bpy.ops.maquette.reset_procedural()
    assert dimensions(table) == before
    assert json.loads(table["maquette_recipe"])["values"] == {}


def test_a_script_learns_of_a_wrong_address(table):
    with pytest.raises(RuntimeError, match=r"make_legs\.thik.*make_legs\.thick"):
        bpy.ops.maquette.edit_procedural(address="make_legs.thik", value=0.1)


def test_edits_by_hand_stay_until_they_are_discarded(table):
    table.data.vertices[0].co.x += 1
    table.data.update()
    with pytest.raises(RuntimeError, match="edited by hand"):
        bpy.ops.maquette.edit_procedural(address="width", value=2.0)
    with pytest.raises(RuntimeError, match="edited by hand"):
        bpy.ops.maquette.rebuild_procedural()
    assert building.has_hand_edits(table)
    assert bpy.ops.maquette.rebuild_procedural(discard_edits=True) == {'FINISHED'}
    assert not building.has_hand_edits(table)


def test_undo_brings_the_mesh_and_the_recipe_back(table):
    bpy.ops.ed.undo_push(message="Added")
    before = dimensions(table), table["maquette_recipe"]
    name = table.name
    bpy.ops.maquette.edit_procedural(address="width", value=2.0)
    bpy.ops.ed.undo_push(message="Edited")
    after = dimensions(table), table["maquette_recipe"]
    assert before[1] != after[1]
    bpy.ops.ed.undo()
    table = bpy.data.objects[name]
    assert (dimensions(table), table["maquette_recipe"]) == before
    assert not building.has_hand_edits(table)
    bpy.ops.ed.redo()
    table = bpy.data.objects[name]
    assert (dimensions(table), table["maquette_recipe"]) == after


@pytest.mark.parametrize("parts", ["GROUPS", "OBJECTS"])
def test_a_saved_object_is_editable_after_loading(addon, tmp_path, parts):
    bpy.ops.maquette.add_procedural(family="barrel", seed=1, parts=parts)
    bpy.ops.maquette.edit_procedural(address="bulge", value=0.3)
    root = bpy.context.object
    name, recipe = root.name, root["maquette_recipe"]
    count = len(storage.part_objects(root))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    root = bpy.data.objects[name]
    assert root["maquette_recipe"] == recipe
    assert len(storage.part_objects(root)) == count
    assert not building.has_hand_edits(root)
    bpy.context.view_layer.objects.active = root
    assert bpy.ops.maquette.edit_procedural(address="bulge", value=0.0) == {'FINISHED'}
    assert root["maquette_recipe"] != recipe


def test_a_part_edits_the_object_that_it_belongs_to(addon):
    bpy.ops.maquette.add_procedural(family="chair", seed=3, parts='OBJECTS')
    root = bpy.context.object
    assert root.type == 'EMPTY'
    bpy.context.view_layer.objects.active = storage.part_objects(root)[0]
    assert bpy.ops.maquette.edit_procedural(address="width", value=0.5) == {'FINISHED'}
    assert json.loads(root["maquette_recipe"])["values"] == {"width": 0.5}


def test_other_objects_have_no_parameters(addon):
    bpy.ops.mesh.primitive_cube_add()
    assert not bpy.ops.maquette.edit_procedural.poll()
    bpy.context.object["maquette_recipe"] = "no recipe"
    assert storage.parameters_of(bpy.context.object) == ()
    assert bpy.context.object.maquette_procedural.seed == 0
    with pytest.raises(RuntimeError, match="damaged"):
        bpy.ops.maquette.reset_procedural()
