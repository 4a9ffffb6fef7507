"""What was sampled is what is rendered and recorded; the given objects are never changed."""

import json
from dataclasses import asdict

import bpy
import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.scene.datagen import object_randomization
from maquette.core.scene.datagen.scenery import placed_occluders
from PIL import Image

SIZE = 48
CAMERA = perspective_camera(look_at(np.array((2.0, -3, 1.5)), np.zeros(3)), 0.8, SIZE)
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


def state():
    return {
        kind: [item.name for item in getattr(bpy.data, kind) if item.name != "Render Result"]
        for kind in KINDS
    }


@pytest.fixture
def cube(addon):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0.2, 0.1, 0.3))
    material = bpy.data.materials.new("own")
    bpy.context.object.data.materials.append(material)
    return bpy.context.object


@pytest.fixture
def pictures(tmp_path):
    """A folder of two pictures: red, and green."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, color in (("red", (250, 0, 0)), ("green", (0, 250, 0))):
        Image.new("RGB", (40, 24), color).save(folder / f"{name}.png")
    return folder


def draw(**options):
    from maquette.core.synthesis.randomization import Randomization

    return Randomization(**options)


def shoot(cube, scenery, light=None, camera=CAMERA, samples=4):
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio

    with render_studio(samples) as stage:
        stage.set_objects([cube])
        stage.set_light(light or LightSettings())
        return object_randomization.render_view(stage, "free", camera, scenery)


def ball(center, radius, color=(0.9, 0.1, 0.1), shape="ball"):
    from maquette.core.synthesis.randomization import Occluder

    matrix = np.diag((radius, radius, radius, 1.0))
    matrix[:3, 3] = center
    return Occluder(shape, color, matrix)


def between(part, side=0.0):
    """A point ``part`` of the way from the eye to the cube, ``side`` meters to the right."""
    eye = CAMERA.to_world[:3, 3]
    return eye + part * (np.array((0.2, 0.1, 0.3)) - eye) + side * CAMERA.to_world[:3, 0]


def test_occluders_hide_the_object_and_the_whole_picture_is_the_one_with_all_in_it(cube):
    from maquette.core.dataset import passes
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio
    from maquette.core.synthesis.randomization import Background, SceneryParams

    light = LightSettings(level=0.6, sun=2, sun_tilt=0.6)
    things = (ball(between(0.7), 0.12), ball(between(0.5, 0.3), 0.2, (0.1, 0.2, 0.9), "cube"))
    scenery = SceneryParams(Background("plain", (30, 200, 90)), things)
    with render_studio(8) as stage:
        stage.set_objects([cube])
        stage.set_light(light)
        alone = object_randomization.render_view(stage, "free", CAMERA, SceneryParams())
        view = object_randomization.render_view(stage, "free", CAMERA, scenery)
        with placed_occluders(stage.scene, things):
            together = stage.render_view("free", CAMERA)
    middle = tuple(CAMERA.project(between(0.7)[None])[0][0, ::-1].astype(int))
    assert alone.surroundings is None
    assert alone.colour[middle][3] == 255 and alone.depth[middle] > 0
    assert view.colour[middle][3] == 0 and view.depth[middle] == 0 and not view.normal[middle].any()
    assert (view.surroundings[..., 3] == 255).all()
    assert (passes.object_mask(alone) & ~passes.object_mask(view)).sum() > 50
    assert not (passes.object_mask(view) & ~passes.object_mask(alone)).any()
    stays = view.depth > 0
    np.testing.assert_allclose(view.depth[stays], alone.depth[stays], rtol=1e-4)
    over = together.colour / 255.0
    green = np.where(
        np.array((30, 200, 90)) / 255 <= 0.04045,
        0,
        ((np.array((30, 200, 90)) / 255 + 0.055) / 1.055) ** 2.4,
    )
    light_of = ((over[..., :3] + 0.055) / 1.055) ** 2.4
    mixed = over[..., 3:] * light_of + (1 - over[..., 3:]) * green
    whole = passes.composite_image(view)[..., :3] / 255.0
    assert np.abs(((whole + 0.055) / 1.055) ** 2.4 - mixed).max() < 0.03


def test_occluders_before_nothing_are_seen_with_their_own_alpha(cube):
    from maquette.core.dataset import passes
    from maquette.core.synthesis.randomization import SceneryParams

    view = shoot(cube, SceneryParams(occluders=(ball(between(0.5, 0.55), 0.15),)))
    beside = passes.composite_image(view)[..., 3] > 127
    assert (beside & ~passes.object_mask(view)).sum() > 20
    assert view.surroundings[0, 0, 3] == 0 and not beside[0, 0]


def test_a_plain_background_is_the_color_that_was_drawn(cube):
    from maquette.core.dataset import passes
    from maquette.core.synthesis.randomization import Background, SceneryParams

    alone = shoot(cube, SceneryParams())
    view = shoot(cube, SceneryParams(Background("plain", (12, 200, 30))))
    np.testing.assert_array_equal(view.colour, alone.colour)
    whole = passes.composite_image(view)
    assert (whole[alone.colour[..., 3] == 0] == (12, 200, 30, 255)).all()
    opaque = alone.colour[..., 3] == 255
    np.testing.assert_array_equal(whole[opaque], alone.colour[opaque])


def test_the_light_dome_behind_is_where_it_lights_from(cube, tmp_path):
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.synthesis.randomization import Background, SceneryParams

    dome = bpy.data.images.new("dome", 64, 32, float_buffer=True)
    pixels = np.tile(np.float32((0.02, 0.02, 0.02, 1)), (32, 64, 1))
    pixels[:, 32:, 0] = 0.5  # its middle is towards +X, the right half towards -Y
    dome.pixels.foreach_set(pixels.ravel())
    dome.filepath_raw, dome.file_format = str(tmp_path / "dome.exr"), 'OPEN_EXR'
    dome.save()
    scenery, light = SceneryParams(Background("hdri")), LightSettings(tmp_path / "dome.exr", 0.5)
    back = perspective_camera(look_at(np.array((0, 9.0, 0)), np.zeros(3)), 0.3, SIZE)
    front = perspective_camera(look_at(np.array((0, -9.0, 0)), np.zeros(3)), 0.3, SIZE)
    to_front, to_back = (shoot(cube, scenery, light, camera) for camera in (back, front))
    assert (to_front.surroundings[..., 3] == 255).all() and (
        to_back.surroundings[..., 3] == 255
    ).all()
    assert to_front.surroundings[..., 0].min() > 60 + to_front.surroundings[..., 1].max()
    assert np.ptp(to_back.surroundings[..., :3], axis=2).max() < 10
    on = to_back.colour[..., 3] == 255
    assert (
        on.sum() > 100 and to_back.colour[on][:, 0].mean() > 1.5 * to_back.colour[on][:, 1].mean()
    )  # lit from -Y


def test_lamps_light_in_their_color_and_go_out_again(cube):
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio
    from maquette.core.synthesis.randomization import AreaLight

    eye = tuple(CAMERA.to_world[:3, 3] + (0, 0, 1))
    lamp = AreaLight(eye, (0.2, 0.1, 0.3), 0.5, 2000, 200.0)
    with render_studio(4) as stage:
        stage.set_objects([cube])
        stage.set_light(LightSettings(level=0.05))
        dark = stage.render_view("free", CAMERA)
        stage.set_light(LightSettings(level=0.05, lamps=(lamp,)))
        lit = stage.render_view("free", CAMERA)
        stage.set_light(LightSettings(level=0.05))
        again = stage.render_view("free", CAMERA)
    on = dark.colour[..., 3] == 255
    red, _, blue = lit.colour[on][:, :3].astype(int).mean(0) - dark.colour[on][:, :3].mean(0)
    assert red > 40 and red > 1.3 * blue
    np.testing.assert_array_equal(lit.colour[..., 3], dark.colour[..., 3])
    np.testing.assert_allclose(again.colour, dark.colour, atol=2)


def materials(objects):
    return [[(slot.link, slot.material) for slot in obj.material_slots] for obj in objects]


@pytest.mark.parametrize("texture", ["none", "noise", "checker", "voronoi", "bricks"])
def test_drawn_materials_are_seen_and_leave_the_object_as_it_was(cube, texture):
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio
    from maquette.core.synthesis.randomization import MaterialParams
    from mathutils import Matrix

    before, own = state(), materials([cube])
    look = MaterialParams(
        texture, None, ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)), 1.0, 0.0, 4.0, (0.1, 0.2, 0.3)
    )
    with (
        render_studio(4) as stage,
        object_randomization.evaluated_copies([cube], Matrix(), [look]) as objects,
    ):
        stage.set_objects(objects)
        stage.set_light(LightSettings())
        view = stage.render_view("free", CAMERA)
    assert state() == before and materials([cube]) == own
    on = view.colour[view.colour[..., 3] == 255].astype(int)
    red, blue = on[:, 0] > on[:, 2] + 60, on[:, 2] > on[:, 0] + 60
    assert (on[:, 1] < 90).all() and red.sum() > 50
    assert blue.sum() == 0 if texture == "none" else blue.sum() > 20


def test_pictures_are_put_on_and_a_damaged_one_is_said(cube, pictures):
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio
    from maquette.core.synthesis.randomization import MaterialParams
    from mathutils import Matrix

    before = state()
    look = MaterialParams(
        "picture",
        pictures / "green.png",
        ((1.0, 0, 0), (0, 0, 1.0)),
        1.0,
        0.0,
        2.0,
        (0.0, 0.0, 0.0),
    )
    with (
        render_studio(2) as stage,
        object_randomization.evaluated_copies([cube], Matrix(), [look]) as objects,
    ):
        stage.set_objects(objects)
        stage.set_light(LightSettings())
        view = stage.render_view("free", CAMERA)
    on = view.colour[view.colour[..., 3] == 255]
    assert on[:, 1].min() > 100 and np.median(on[:, [0, 2]]) < 70
    (pictures / "green.png").write_bytes(b"no picture")
    with (
        pytest.raises(DatasetError, match=r"green\.png cannot be read"),
        object_randomization.evaluated_copies([cube], Matrix(), [look]),
    ):
        pass
    assert state() == before


def test_stand_ins_are_where_and_as_the_objects_are_seen(cube):
    """A parent that shears, a modifier, a material of the object, and a mirrored child."""
    from maquette.core.scene.importing import mesh_import
    from mathutils import Matrix

    parent = bpy.data.objects.new("parent", None)
    bpy.context.collection.objects.link(parent)
    parent.scale, parent.rotation_euler = (1, 3, 0.5), (0.3, 0.2, 0.1)
    cube.parent, cube.rotation_euler = parent, (0.5, 0.4, 0.7)
    cube.modifiers.new("smooth", 'SUBSURF').levels = 1
    cube.material_slots[0].link = 'OBJECT'
    cube.material_slots[0].material = special = bpy.data.materials.new("special")
    child = bpy.data.objects.new("child", cube.data)
    child.parent, child.scale = cube, (-1, 1, 1)
    bpy.context.collection.objects.link(child)
    bpy.context.view_layer.update()
    expected = mesh_import.world_triangles([cube, child])
    before = state(), np.array(cube.matrix_world), materials([cube, child])
    move = Matrix.Translation((1, 2, 3)) @ Matrix.Rotation(0.7, 4, 'X') @ Matrix.Scale(1.7, 4)
    with object_randomization.evaluated_copies([cube, parent, child], move, ()) as objects:
        found = mesh_import.world_triangles(objects)
        assert [slot.material for slot in objects[0].material_slots] == [special]
    turned = expected.vertices @ np.array(move)[:3, :3].T + np.array(move)[:3, 3]
    np.testing.assert_allclose(found.vertices, turned, atol=1e-4)
    np.testing.assert_array_equal(found.to_triangles(), expected.to_triangles())
    assert state() == before[0] and (np.array(cube.matrix_world) == before[1]).all()
    assert materials([cube, child]) == before[2]


def settings(**changes):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.synthesis.camera_rigs import parse_rigs

    return DatasetSettings(
        **{
            "size": 32,
            "samples": 1,
            "cameras": parse_rigs(["sides:front", "free:2"]),
            "points": 512,
            **changes,
        }
    )


def make(folder, **options):
    from maquette.core.dataset.object_file import ObjectFile
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import scene_sources

    run_to_end(
        render_dataset(
            scene_sources(bpy.context.scene.objects), folder, settings(random=draw(**options))
        )
    )
    (path,) = (folder / "objects").glob("*.tar")
    return ObjectFile(path)


def everything(pictures):
    return {
        "lamps": 2,
        "materials": 1.0,
        "textures": pictures,
        "backgrounds": ("plain", "image", "hdri"),
        "pictures": pictures,
        "turn": "any",
        "scale": (0.5, 2.0),
        "occluders": 3,
        "hidden": 0.4,
    }


def test_a_set_with_everything_is_whole_and_the_same_again(cube, pictures, tmp_path):
    from maquette.core.dataset import passes
    from maquette.core.dataset.validation import validate_dataset

    cube.scale = (1, 0.5, 0.3)
    bpy.context.view_layer.update()
    before, own = (state(), np.array(cube.matrix_world)), materials([cube])
    one, two = (make(tmp_path / name, **everything(pictures)) for name in ("one", "two"))
    assert run_to_end(validate_dataset(tmp_path / "one")) == []
    assert (
        state() == before[0]
        and (np.array(cube.matrix_world) == before[1]).all()
        and materials([cube]) == own
    )
    for kind in ("json", "shape.npz"):
        assert one.read_member(kind) == two.read_member(kind)
    pose = one.record.more["drawn"]["pose"]
    local = (one.read_shape().surface - np.array(pose["matrix"])[:3, 3]) @ np.linalg.inv(
        np.array(pose["matrix"])[:3, :3]
    ).T
    off = (np.abs(local - (0.2, 0.1, 0.3)) / (0.5, 0.25, 0.15)).max(1)
    np.testing.assert_allclose(off, 1, atol=0.01)  # on the cube, once the pose is taken back
    for index, view in enumerate(one.record.views):
        whole, again = (
            passes.composite_image(file.read_view(index)).astype(int) for file in (one, two)
        )
        assert np.abs(whole - again).max() <= 2
        assert {"light", "background", "occluders", "hidden_at_most"} <= set(view.drawn)
        if view.drawn["background"]["kind"] == "plain" and not view.drawn["occluders"]:
            assert whole[0, 0].tolist() == [*view.drawn["background"]["colour"], 255]


def test_what_is_switched_on_changes_nothing_of_the_rest(cube, pictures, tmp_path):
    plain = make(tmp_path / "plain")
    assert plain.record.more == {} and not any(
        "background" in view.drawn for view in plain.record.views
    )
    on = {key: value for key, value in everything(pictures).items() if key not in ("turn", "scale")}
    full = make(tmp_path / "full", **on)
    part = make(
        tmp_path / "part", **{key: on[key] for key in ("backgrounds", "pictures")}, occluders=0
    )
    for a, b, c in zip(plain.record.views, full.record.views, part.record.views, strict=True):
        assert {**b.drawn["light"], "lamps": []} == a.drawn["light"] == c.drawn["light"]
        np.testing.assert_array_equal(a.camera.to_world, b.camera.to_world)
        np.testing.assert_array_equal(a.camera.intrinsics, b.camera.intrinsics)
        assert b.drawn["background"] == c.drawn["background"]
    assert plain.read_member("shape.npz") == full.read_member("shape.npz")


def test_the_fingerprint_is_that_of_the_object_as_it_came(cube, tmp_path):
    cube.scale = (1, 0.5, 0.3)
    bpy.context.view_layer.update()
    plain, turned = make(tmp_path / "plain").record, make(tmp_path / "turned", turn="any").record
    assert not np.allclose(turned.bounds, plain.bounds, atol=0.01)
    np.testing.assert_allclose(turned.fingerprint, plain.fingerprint, atol=2e-4)


def test_object_coordinates_are_along_the_axes_of_the_object_as_it_came(cube, tmp_path):
    from maquette.core.dataset.passes import object_coordinates

    cube.scale = (1, 0.5, 0.3)
    bpy.context.view_layer.update()
    file = make(tmp_path / "turned", turn="any", scale=(2.0, 2.0))
    box, moved = file.record.unposed_bounds()
    np.testing.assert_allclose(np.ptp(box, axis=0), (1, 0.5, 0.3), atol=1e-6)
    for index in range(len(file.record.views)):
        view = file.read_view(index)
        on = (view.depth > 0) & (view.colour[..., 3] == 255)
        to_faces = np.abs(object_coordinates(view, box, moved)[on] - 0.5) / (
            np.array((1, 0.5, 0.3)) / 2
        )
        assert on.sum() > 50 and np.abs(to_faces.max(1) - 1).max() < 0.02


def test_all_is_as_before_after_a_cancel_and_after_an_error(cube, pictures, tmp_path):
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import scene_sources

    before, own = state(), materials([cube])
    random = draw(**everything(pictures))
    work = render_dataset(scene_sources([cube]), tmp_path / "cancelled", settings(random=random))
    next(work), next(work)
    assert state() != before
    work.close()
    assert state() == before and materials([cube]) == own
    (pictures / "red.png").write_bytes(b"no picture")
    (pictures / "green.png").write_bytes(b"no picture")
    with pytest.raises(Exception, match=r"(green|red)\.png"):
        run_to_end(
            render_dataset(scene_sources([cube]), tmp_path / "failed", settings(random=random))
        )
    assert state() == before and materials([cube]) == own


def test_operator_and_command_line_draw_the_same(cube, pictures, tmp_path):
    import argparse

    from maquette.operators.cli import randomization as randomization_arguments

    done = bpy.ops.maquette.render_dataset(
        folder=str(tmp_path / "set"),
        source='SCENE',
        size=32,
        samples=1,
        cameras="sides",
        points=512,
        lamps=1,
        materials=0.5,
        textures=str(pictures),
        backgrounds={'PLAIN', 'IMAGE'},
        background_folder=str(pictures),
        turn='Z',
        scale=(0.5, 2),
        occluders=1,
        hidden=0.25,
    )
    assert done == {'FINISHED'}
    parser = argparse.ArgumentParser()
    randomization_arguments.add_arguments(parser)
    words = f"""--lamps 1 --materials 0.5 --textures {pictures} --backgrounds plain,image
        --background-pictures {pictures} --turn z --scale 0.5 2 --occluders 1 --hidden 0.25"""
    random = randomization_arguments.from_arguments(parser.parse_args(words.split()))
    kept = json.loads((tmp_path / "set/dataset.json").read_text())["random"]
    assert kept == json.loads(json.dumps(asdict(random), default=str))
    assert randomization_arguments.from_arguments(parser.parse_args([])) == draw()
