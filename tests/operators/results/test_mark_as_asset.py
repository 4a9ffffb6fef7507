import bpy
import numpy as np
import pytest


@pytest.fixture
def made(addon, weights, pictures):
    """What comes of an image of the file, two meters tall."""
    image = bpy.data.images.load(str(pictures / "front.png"))
    options = {"image": image.name, "size": 2.0, "resolution": 32, "weights": str(weights)}
    assert bpy.ops.maquette.reconstruct(**options) == {'FINISHED'}
    return bpy.context.object


def test_has_a_preview_and_tells_what_it_was_made_from(made):
    assert bpy.ops.maquette.mark_as_asset() == {'FINISHED'}
    data = made.asset_data
    assert data["source"] == "front.png" and data["model"].startswith("Maquette 0.")
    assert data["resolution"] == 32 and data["size"] == pytest.approx(2.0, abs=1e-3)
    assert data["faces"] == len(made.data.polygons) > 100
    assert "source front.png" in data.description and "Maquette" in data.tags
    preview = np.array(made.preview.image_pixels_float).reshape(*made.preview.image_size, 4)
    seen = preview[..., 3] > 0.5
    assert 0.02 < seen.mean() < 0.9


def test_tells_of_the_mesh_as_it_is_now_and_is_renewed(made):
    bpy.ops.maquette.mark_as_asset()
    before = made.asset_data["faces"]
    made.modifiers.new("Decimate", 'DECIMATE').ratio = 0.5
    bpy.ops.object.modifier_apply(modifier="Decimate")
    made.scale = (2, 2, 2)
    assert bpy.ops.maquette.mark_as_asset() == {'FINISHED'}
    assert made.asset_data["faces"] == len(made.data.polygons) < before
    assert made.asset_data["size"] == pytest.approx(4.0, abs=0.01)
    assert len(made.asset_data.tags) == 1


def test_one_undo_takes_the_mark_away(made):
    name = made.name
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.maquette.mark_as_asset()
    bpy.ops.ed.undo_push(message="After")
    bpy.ops.ed.undo()
    assert bpy.data.objects[name].asset_data is None


def test_objects_of_sides_references_and_folders_know_their_sources(
    addon, weights, pictures, monkeypatch
):
    from maquette.core.scene import source_views
    from maquette.operators import _results

    front = str(pictures / "front.png")
    options = {"resolution": 32, "weights": str(weights)}
    top = bpy.data.images.load(str(pictures / "top.png"))
    bpy.ops.maquette.reconstruct(front=front, top_image=top.name, **options)
    assert source_views.load_facts(bpy.context.object)["source"] == f"{front}, top.png"

    empty = bpy.data.objects.new("Sheet", None)
    bpy.context.collection.objects.link(empty)
    empty.empty_display_type = 'IMAGE'
    empty.data = top
    bpy.context.view_layer.update()
    bpy.ops.maquette.reconstruct_references(objects=[{"name": "Sheet"}], **options)
    assert source_views.load_facts(bpy.context.object)["source"] == "Sheet (top)"

    monkeypatch.setattr(_results, "weights_file", lambda chosen="": weights)
    bpy.ops.maquette.reconstruct_folder(folder=str(pictures), resolution=32)
    facts = source_views.load_facts(bpy.data.objects["photo"])
    assert facts["source"] == str(pictures / "photo.png")
    assert facts["model"].startswith("Maquette 0.")


def test_refused_where_there_is_nothing_to_keep(addon):
    assert not bpy.ops.maquette.mark_as_asset.poll()
    bpy.ops.mesh.primitive_cube_add()
    assert not bpy.ops.maquette.mark_as_asset.poll()


def test_points_have_no_faces_to_show(addon, weights, pictures):
    front = str(pictures / "front.png")
    options = {"resolution": 32, "weights": str(weights), "output": 'POINTS'}
    bpy.ops.maquette.reconstruct(filepath=front, **options)
    assert not bpy.ops.maquette.mark_as_asset.poll()
