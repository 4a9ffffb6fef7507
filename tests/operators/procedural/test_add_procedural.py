import bpy
import numpy as np
import pytest


def test_stands_on_the_cursor_in_its_size_and_colors(addon):
    bpy.context.scene.cursor.location = (1, 2, 3)
    assert bpy.ops.maquette.add_procedural(family="chair", seed=4, size=2.0) == {'FINISHED'}
    obj = bpy.context.object
    bpy.context.view_layer.update()
    corners = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
    low, high = corners.min(0), corners.max(0)
    assert (high - low).max() == pytest.approx(2, abs=1e-4)
    assert low[2] == pytest.approx(3, abs=1e-4)
    np.testing.assert_allclose((low + high)[:2] / 2, (1, 2), atol=1e-4)
    assert obj["maquette_family"] == "chair" and obj.select_get()
    assert not obj.data.validate()
    assert len(obj.data.materials) >= 1
    assert {p.material_index for p in obj.data.polygons} == set(range(len(obj.data.materials)))


def test_stands_in_the_scene_where_the_active_collection_is_of_another_file(addon, tmp_path):
    collection = bpy.data.collections.new("Theirs")
    bpy.data.libraries.write(str(tmp_path / "theirs.blend"), {collection})
    bpy.data.collections.remove(collection)
    with bpy.data.libraries.load(str(tmp_path / "theirs.blend"), link=True) as (_, here):
        here.collections = ["Theirs"]
    (linked,) = here.collections
    bpy.context.scene.collection.children.link(linked)
    bpy.context.view_layer.active_layer_collection = (
        bpy.context.view_layer.layer_collection.children["Theirs"]
    )
    assert bpy.ops.maquette.add_procedural(family="chair") == {'FINISHED'}
    assert bpy.context.object.users_collection == (bpy.context.scene.collection,)
