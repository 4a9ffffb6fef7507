"""What was sampled for a whole scene is rendered and recorded; the scene is not changed."""

import bpy
import numpy as np
import pytest
from maquette.core.dataset import passes
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from PIL import Image

KINDS = (
    "scenes",
    "collections",
    "objects",
    "cameras",
    "lights",
    "worlds",
    "images",
    "meshes",
    "materials",
)
SIZE = 48


@pytest.fixture
def scene(addon):
    """A cube without a material, a ball of two slots, one linked to the object; no light."""
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_cube_add(size=1, location=(-0.8, 0, 0))
    bpy.context.object.name = "cube"
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.6, location=(0.8, 0.3, 0))
    ball = bpy.context.object
    ball.name = "ball"
    for name in ("first", "second"):
        ball.data.materials.append(bpy.data.materials.new(name))
    ball.material_slots[1].link = 'OBJECT'
    ball.material_slots[1].material = bpy.data.materials.new("own")
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1.5), (1.28, 0, 0)
    scene.collection.objects.link(scene.camera)
    scene.render.resolution_x = scene.render.resolution_y = 100
    scene.view_settings.view_transform = 'Standard'
    scene.world = bpy.data.worlds.new("own")
    show(scene.world, (0.0, 0.0, 0.0))
    bpy.context.view_layer.update()
    return scene


def show(world, color):
    """Before 5.0 a new world has no nodes."""
    if world.node_tree:
        world.node_tree.nodes["Background"].inputs["Color"].default_value = (*color, 1)
    world.color = color


@pytest.fixture
def domes(tmp_path):
    """A folder of one dome, red all over."""
    folder = tmp_path / "domes"
    folder.mkdir()
    dome = bpy.data.images.new("dome", 16, 8, float_buffer=True)
    dome.pixels.foreach_set(np.tile(np.float32((0.9, 0.0, 0.0, 1)), 128))
    dome.filepath_raw, dome.file_format = str(folder / "red.exr"), 'OPEN_EXR'
    dome.save()
    bpy.data.images.remove(dome)
    return folder


def state():
    blocks = {
        kind: [one.name for one in getattr(bpy.data, kind) if one.name != "Render Result"]
        for kind in KINDS
    }
    slots = [
        [(s.link, s.material and s.material.name) for s in obj.material_slots]
        for obj in bpy.data.objects
    ]
    held = [(obj.is_holdout, obj.pass_index, obj.hide_render) for obj in bpy.data.objects]
    return (
        blocks,
        slots,
        held,
        bpy.context.scene.world.name,
        [len(mesh.materials) for mesh in bpy.data.meshes],
    )


def work(
    folder, *, cameras="scene sides:front,top", hdri=None, world=False, other_worlds=False, **random
):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs
    from maquette.core.synthesis.randomization import Randomization

    settings = DatasetSettings(
        seed=3,
        size=SIZE,
        samples=2,
        cameras=parse_rigs(cameras.split()),
        points=256,
        hdri=hdri,
        random=Randomization(**random),
    )
    whole = WholeScene(world=world, other_worlds=other_worlds)
    return render_whole_scene(
        bpy.context.scene, bpy.context.view_layer.name, folder, settings, whole
    )


def made(folder, **how):
    run_to_end(work(folder, **how))
    assert run_to_end(validate_dataset(folder)) == []
    return ObjectFile(next((folder / "objects").glob("*.tar")))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"turn": "z"}, "not available for a whole scene"),
        ({"scale": (0.5, 2.0)}, "not available for a whole scene"),
        ({"world": True, "occluders": 1}, "Turn off Show World"),
        ({"world": True, "backgrounds": ("plain",)}, "Turn off Show World"),
        ({"lamps": 9}, "lamps per view must be 0 to 3"),
    ],
)
def test_what_makes_no_sense_is_refused(scene, tmp_path, how, message):
    with pytest.raises(DatasetError, match=message):
        run_to_end(work(tmp_path / "set", **how))
    assert not (tmp_path / "set").exists()


def test_with_everything_it_is_whole_the_same_again_and_the_scene_as_before(scene, domes, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (40, 24), (0, 250, 0)).save(pictures / "green.png")
    before = state()
    all_of_it = {
        "lamps": 2,
        "materials": 0.8,
        "textures": pictures,
        "backgrounds": ("plain", "image", "hdri"),
        "pictures": pictures,
        "occluders": 3,
        "hidden": 0.4,
        "hdri": domes,
        "other_worlds": True,
        "cameras": "scene sides:front,top hemisphere:3",
    }
    one, two = (made(tmp_path / name, **all_of_it) for name in ("one", "two"))
    assert state() == before
    assert one.read_member("json") == two.read_member("json")
    assert set(one.record.more["drawn"]["materials"]) <= {"cube", "ball"}
    plain = made(tmp_path / "plain", cameras=all_of_it["cameras"])
    hidden = 0
    for index, view in enumerate(one.record.views):
        assert {"light", "background", "occluders", "hidden_at_most"} <= set(view.drawn)
        np.testing.assert_array_equal(
            view.camera.to_world, plain.record.views[index].camera.to_world
        )
        shown, bare = one.read_view(index), plain.read_view(index)
        whole = passes.composite_image(shown)
        assert (whole[..., 3] >= 253).all()
        stays = shown.index > 0
        assert not (stays & (bare.index == 0) & (bare.colour[..., 3] == 0)).any()
        same = stays & (shown.colour[..., 3] == 255) & (bare.colour[..., 3] == 255)
        assert (shown.index[same] == bare.index[same]).mean() > 0.98
        hidden += int(((bare.index > 0) & (shown.colour[..., 3] == 0)).sum())
        background = view.drawn["background"]
        if background["kind"] == "plain" and not view.drawn["occluders"]:
            empty = shown.colour[..., 3] == 0
            assert (whole[empty] == (*background["colour"], 255)).all()
    assert hidden > 30
    running = work(tmp_path / "cancelled", **all_of_it)
    for _ in range(5):
        next(running)
    running.close()
    assert state() == before


def test_other_worlds_light_and_are_seen_as_hdri(scene, domes, tmp_path):
    dark = made(tmp_path / "dark", cameras="scene").read_view(0)
    file = made(
        tmp_path / "lit", cameras="scene", hdri=domes, other_worlds=True, backgrounds=("hdri",)
    )
    light, view = file.record.views[0].drawn["light"], file.read_view(0)
    on = (dark.index > 0) & (dark.colour[..., 3] == 255)
    assert dark.colour[on][:, :3].max() < 5
    np.testing.assert_array_equal(view.index, dark.index)
    assert (view.surroundings[..., 3] == 255).all()
    if "hdri" in light:
        assert light["hdri"] == "red.exr"
        assert view.colour[on][:, 0].mean() > 40 and view.colour[on][:, 1:3].max() < 15 + 60 * (
            light["sun"] > 0
        )
        assert view.surroundings[..., 0].min() > 100 and view.surroundings[..., 1:3].max() < 5


def test_the_world_of_the_scene_is_behind_as_it_is(scene, tmp_path):
    show(scene.world, (0.0, 0.0, 1.0))
    file = made(tmp_path, backgrounds=("hdri",))
    for index in range(3):
        assert (file.read_view(index).surroundings == (0, 0, 255, 255)).all()


def test_materials_are_worn_and_taken_off(scene, tmp_path):
    bpy.data.objects["ball"].hide_render = True
    lamp = bpy.data.objects.new("sun", bpy.data.lights.new("sun", 'SUN'))
    lamp.rotation_euler = (0.8, 0, 0)
    scene.collection.objects.link(lamp)
    before = state()
    plain, file = (
        made(tmp_path / "plain", cameras="scene"),
        made(tmp_path / "worn", cameras="scene", materials=1.0),
    )
    assert state() == before
    assert list(file.record.more["drawn"]["materials"]) == ["cube"]
    on = plain.read_view(0).index > 0
    gray, other = (
        plain.read_view(0).colour[on][:, :3].astype(int),
        file.read_view(0).colour[on][:, :3].astype(int),
    )
    assert np.ptp(gray, axis=1).max() < 6 < np.ptp(other, axis=1).mean()


def test_lamps_stand_within_the_room(scene, tmp_path):
    bpy.ops.mesh.primitive_cube_add(size=12)  # around all, the camera too
    dark = made(tmp_path / "dark", cameras="scene").read_view(0)
    file = made(tmp_path / "lit", cameras="scene", lamps=3)
    lamps = file.record.views[0].drawn["light"]["lamps"]
    assert lamps and np.abs([lamp["place"] for lamp in lamps]).max() < 6
    assert dark.colour[..., :3].max() < 5 and file.read_view(0).colour[..., :3].mean() > 20
