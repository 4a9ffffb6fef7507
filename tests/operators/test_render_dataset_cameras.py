"""Cameras from the panel and from words into the set, and drawn before."""

import json
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from maquette.core.synthesis.camera_rigs import Rig, parse_rigs

RENDER = {"source": 'SELECTED', "size": 16, "samples": 1, "points": 256}


@pytest.fixture
def cube(addon):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(3, 0, 0))
    return bpy.context.object


def record(folder):
    from maquette.core.dataset.object_file import read_record

    return read_record(next((folder / "objects").glob("*.tar")))


def test_the_set_keeps_what_was_drawn(cube, tmp_path):
    words = "sides:top orbit:2,elevation=30,roll=5..9 shell:1"
    assert bpy.ops.maquette.render_dataset(
        folder=str(tmp_path / "set"), cameras=words, **RENDER
    ) == {'FINISHED'}
    views = record(tmp_path / "set").views
    assert [view.kind for view in views] == ["top", "orbit", "orbit", "shell"]
    assert set(views[0].drawn) == {"light"}
    assert set(views[1].drawn) == {
        "light",
        "elevation",
        "azimuth",
        "roll",
        "distance",
        "angle",
        "fill",
    }
    assert set(views[3].drawn) == {
        "light",
        "elevation",
        "azimuth",
        "roll",
        "distance",
        "angle",
        "aim",
    }
    assert views[2].drawn["elevation"] == 30 and 5 <= views[2].drawn["roll"] <= 9


def test_the_scenes_own_cameras_look_at_the_object_where_it_is(cube, tmp_path):
    for name, x in (("Here", 3), ("Elsewhere", -9)):
        camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        camera.location, camera.rotation_euler = (x, -4, 0), (np.pi / 2, 0, 0)
        bpy.context.collection.objects.link(camera)
    bpy.context.scene.camera = bpy.data.objects["Here"]
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 192, 108
    words = "scene path:1..3,step=2"
    assert bpy.ops.maquette.render_dataset(
        folder=str(tmp_path / "set"), cameras=words, **RENDER
    ) == {'FINISHED'}
    views = record(tmp_path / "set").views
    assert [
        (view.kind, {key: view.drawn[key] for key in view.drawn if key != "light"})
        for view in views
    ] == [
        ("scene", {"camera": "Here"}),
        ("path", {"camera": "Here", "frame": 1}),
        ("path", {"camera": "Here", "frame": 3}),
    ]
    assert (views[0].camera.width, views[0].camera.height) == (16, 9)
    np.testing.assert_allclose(views[0].camera.to_world[:3, 3], (3, -4, 0), atol=1e-6)


def test_bad_words_are_said_and_nothing_is_written(cube, tmp_path):
    with pytest.raises(RuntimeError, match="Unknown camera rig 'ring'"):
        bpy.ops.maquette.render_dataset(folder=str(tmp_path / "set"), cameras="ring:3", **RENDER)
    with pytest.raises(RuntimeError, match="no active camera"):
        bpy.ops.maquette.render_dataset(folder=str(tmp_path / "set"), cameras="path", **RENDER)
    assert not (tmp_path / "set").exists()


def test_the_preview_shows_the_cameras_of_the_set_and_leaves_the_scene(cube, scene_state, tmp_path):
    from maquette.core.cameras import frustum_lines
    from maquette.operators import preview_cameras

    words, before = "sides:front hemisphere:2 shell:1", scene_state()
    assert not bpy.ops.maquette.hide_cameras.poll()
    assert bpy.ops.maquette.preview_cameras(cameras=words, seed=3) == {'FINISHED'}
    lines = preview_cameras.drawn_lines(bpy.context.scene)
    assert scene_state() == before
    more = {**RENDER, "points": 16384, "seed": 3}
    bpy.ops.maquette.render_dataset(folder=str(tmp_path / "set"), cameras=words, **more)
    views = record(tmp_path / "set").views
    expected = [
        frustum_lines(view.camera, preview_cameras.LENGTH * np.sqrt(3) / 2) for view in views
    ]
    np.testing.assert_allclose(lines, np.concatenate(expected).reshape(-1, 3), atol=1e-4)
    before = scene_state()  # now with the render's result
    assert bpy.ops.maquette.hide_cameras() == {'FINISHED'}
    assert preview_cameras.drawn_lines(bpy.context.scene) is None and scene_state() == before


def test_the_preview_goes_with_its_scene_and_with_the_add_on(cube, addon):
    from maquette.operators import preview_cameras

    bpy.ops.maquette.preview_cameras(cameras="sides")
    assert preview_cameras.drawn_lines(bpy.context.scene) is not None
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert preview_cameras.drawn_lines(bpy.context.scene) is None
    with pytest.raises(RuntimeError, match="No mesh object"):
        bpy.ops.maquette.preview_cameras()
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.maquette.preview_cameras(cameras="sides")
    addon.unregister()
    assert preview_cameras.drawn_lines(bpy.context.scene) is None
    addon.register()


def test_the_panels_properties_become_words(addon):
    settings = bpy.context.scene.maquette.cameras
    assert settings.rig_words() == "sides free:6"
    settings.sides, settings.kind, settings.count = {'FRONT', 'TOP'}, 'ORBIT', 8
    settings.elevation, settings.roll, settings.lens = 35.5, (5, -5), (35, 85)
    assert parse_rigs(settings.rig_words().split()) == (
        Rig("sides", sides=("front", "top")),
        Rig("orbit", 8, elevation=(35.5, 35.5), roll=(-5, 5), lens=(35, 85), fill=(0.75, 0.95)),
    )
    settings.sides, settings.kind, settings.framing = set(), 'SHELL', 'FILL'
    assert parse_rigs(settings.rig_words().split()) == (
        Rig("shell", 8, roll=(-5, 5), lens=(35, 85), distance=(3, 5)),
    )
    settings.kind, settings.whole_path, settings.frames = 'PATH', False, (3, 9)
    assert settings.rig_words() == "path:3..9"
    settings.kind = 'NONE'
    assert settings.rig_words() == ""


def test_what_the_panels_keep_reaches_the_operator(cube, tmp_path):
    kept = bpy.context.scene.maquette.dataset
    kept.size, kept.samples, kept.points, kept.seed = 16, 1, 300, 5
    kept.lamps, kept.turn, kept.scale, kept.backgrounds = 2, 'Z', (1.5, 1.5), {'PLAIN'}
    button = SimpleNamespace()
    kept.apply_to(button)
    operator = bpy.ops.maquette.render_dataset.get_rna_type().properties
    assert len(vars(button)) >= 14 and set(vars(button)) <= set(operator.keys())
    folder = tmp_path / "set"
    done = bpy.ops.maquette.render_dataset(
        folder=str(folder), source='SELECTED', cameras="sides:top", **vars(button)
    )
    assert done == {'FINISHED'}
    found = record(folder)
    assert np.isclose(found.more["drawn"]["pose"]["scale"], 1.5) and np.isclose(
        np.ptp(found.bounds, axis=0)[2], 1.5
    )
    assert found.views[0].drawn["background"]["kind"] == "plain"
    assert json.loads((folder / "dataset.json").read_text())["seed"] == 5


def test_a_whole_scene_is_not_given_what_it_does_not_know(cube, tmp_path):
    from maquette.operators.properties.randomization import RandomizationProperties

    kept = bpy.context.scene.maquette.dataset
    kept.size, kept.samples, kept.points, kept.lamps, kept.turn = 16, 1, 300, 2, 'ANY'
    button = SimpleNamespace()
    kept.apply_to(button, whole_scene=True)
    assert button.lamps == 2 and not hasattr(button, "turn")
    done = bpy.ops.maquette.render_dataset(
        folder=str(tmp_path / "set"), source='WHOLE', cameras="sides:top", **vars(button)
    )
    assert done == {'FINISHED'}
    operator = bpy.ops.maquette.render_dataset.get_rna_type().properties
    names = RandomizationProperties.__annotations__
    assert all(operator[name].is_skip_save for name in names)  # nor what the last run was given
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    assert bpy.context.scene.maquette.dataset.lamps == 2


def test_the_preview_goes_by_what_the_panels_keep(cube, tmp_path):
    from maquette.core.cameras import frustum_lines
    from maquette.operators import preview_cameras

    kept = bpy.context.scene.maquette.dataset
    kept.size, kept.samples, kept.points, kept.seed, kept.scale = 16, 1, 300, 5, (2.0, 2.0)
    button = SimpleNamespace()
    kept.apply_to(button)
    bpy.ops.maquette.render_dataset(
        folder=str(tmp_path / "set"), source='SELECTED', cameras="free:2", **vars(button)
    )
    found = record(tmp_path / "set")
    bpy.ops.maquette.preview_cameras(cameras="free:2", **vars(button))
    length = preview_cameras.LENGTH * np.linalg.norm(np.ptp(found.bounds, axis=0)) / 2
    expected = np.concatenate([frustum_lines(view.camera, length) for view in found.views])
    np.testing.assert_allclose(
        preview_cameras.drawn_lines(bpy.context.scene), expected.reshape(-1, 3), atol=1e-4
    )
    bpy.ops.maquette.hide_cameras()


def test_the_operator_writes_relightable_objects_with_a_grid_but_not_whole_scenes(addon, tmp_path):
    from maquette.core.dataset.object_file import ObjectFile

    bpy.ops.mesh.primitive_cube_add()
    more = {"cameras": "sides:front", "relightable": True, "grid": True, "parts": 'MATERIAL'}
    assert bpy.ops.maquette.render_dataset(folder=str(tmp_path), **RENDER, **more) == {'FINISHED'}
    (path,) = (tmp_path / "objects").glob("*.tar")
    file = ObjectFile(path)
    assert file.record.parts == ("",) and file.read_parts(0).max() == 1
    assert file.relightable and 0.9 < file.grid().mean() * 1.02**3 < 1.05
    given = SimpleNamespace()
    settings = bpy.context.scene.maquette.dataset
    settings.relightable = settings.grid = True
    settings.parts = 'VERTEX_GROUP'
    settings.apply_to(given, whole_scene=True)
    assert not {"relightable", "grid", "parts"} & vars(given).keys()
    settings.apply_to(given)
    assert given.relightable and given.grid and given.parts == 'VERTEX_GROUP'
    assert settings.dataset_settings("sides").parts == "vertex group"
