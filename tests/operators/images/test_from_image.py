import bpy
import pytest


@pytest.fixture
def fast(addon, weights, monkeypatch):
    """Small meshes by small weights."""
    from maquette.operators import _results

    monkeypatch.setattr(_results, "weights_file", lambda chosen="": weights)
    bpy.context.scene.maquette.resolution = 32
    bpy.context.scene.maquette.size = 2.0


def test_an_image_file_becomes_a_mesh_with_the_settings_of_the_panel(fast, pictures):
    bpy.context.scene.maquette.source = 'SIDES'
    assert bpy.ops.maquette.from_image(filepath=str(pictures / "front.png")) == {'FINISHED'}
    obj = bpy.context.object
    assert obj.name == "front"
    assert max(obj.dimensions) == pytest.approx(2.0, abs=1e-3)
    settings = bpy.context.scene.maquette
    assert settings.source == 'IMAGE' and settings.image.name == "front.png"
    bpy.ops.maquette.from_image(filepath=str(pictures / "front.png"))
    loaded = [image.name for image in bpy.data.images if image.filepath]
    assert loaded == ["front.png"], "a file is loaded once"


def test_the_example_becomes_a_mesh(fast):
    assert bpy.ops.maquette.try_example() == {'FINISHED'}
    assert len(bpy.context.object.data.polygons) > 100


def test_a_file_that_is_no_image_changes_nothing(fast, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no image")
    for path, reason in ((text, "not a readable image"), (tmp_path / "none.png", "no file")):
        with pytest.raises(RuntimeError, match=reason):
            bpy.ops.maquette.from_image(filepath=str(path))
    assert bpy.context.scene.maquette.image is None
    assert not bpy.data.objects and not bpy.data.images


def test_dropped_images_and_the_add_menu_lead_to_it(addon):
    handler = bpy.types.MAQUETTE_FH_image
    assert handler.bl_import_operator == "maquette.from_image"
    assert {".png", ".jpg", ".webp"} <= set(handler.bl_file_extensions.split(";"))
    drawn = [function.__module__ for function in bpy.types.VIEW3D_MT_mesh_add._dyn_ui_initialize()]
    assert any(name.endswith("from_image") for name in drawn)


def test_results_are_kept_and_run_again(fast, pictures):
    settings = bpy.context.scene.maquette
    bpy.ops.maquette.from_image(filepath=str(pictures / "front.png"))
    settings.size = 3.0
    bpy.ops.maquette.from_image(filepath=str(pictures / "right.png"))
    assert [(result.name, result.size) for result in settings.history] == [
        ("right", 3.0),
        ("front", 2.0),
    ]
    assert bpy.ops.maquette.run_again(index=1) == {'FINISHED'}
    assert max(bpy.context.object.dimensions) == pytest.approx(2.0, abs=1e-3)
    assert settings.image.name == "front.png" and len(settings.history) == 3

    # The form of a result is one of its settings.
    settings.output = 'POINTS'
    bpy.ops.maquette.from_image(filepath=str(pictures / "front.png"))
    assert not bpy.context.object.data.polygons
    settings.output = 'MESH'
    bpy.ops.maquette.run_again(index=0)
    assert not bpy.context.object.data.polygons and settings.output == 'POINTS'
    bpy.ops.maquette.run_again(index=2)
    assert bpy.context.object.data.polygons

    # So is whether masks have holes.
    settings.keep_holes = False
    bpy.ops.maquette.from_image(filepath=str(pictures / "front.png"))
    settings.keep_holes = True
    bpy.ops.maquette.run_again(index=0)
    assert not settings.keep_holes
    with pytest.raises(RuntimeError, match="no longer in the file"):
        bpy.ops.maquette.run_again(index=8)


def test_the_oldest_results_are_forgotten(addon):
    from maquette.operators.properties.history import record_result

    history = bpy.context.scene.maquette.history
    options = {"image": "", "resolution": 64, "size": 1.0, "fit": False, "output": 'MESH'}
    options |= {"keep_holes": True, "smooth": 0.5}
    made = type("Made", (), options)
    for number in range(15):
        record_result(history, str(number), made)
    assert [result.name for result in history] == [str(number) for number in range(14, 2, -1)]
