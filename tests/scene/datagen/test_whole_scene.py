"""A whole scene against Blender's ray casting and cameras; the scene is not changed."""

import json
import shutil

import bpy
import numpy as np
import pytest
from maquette.core.dataset import passes
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError, SceneError
from maquette.core.jobs.task import run_to_end

SIZE = 64


def keyed(obj, path, *keys):
    for frame, value in keys:
        setattr(obj, path, value)
        obj.keyframe_insert(path, frame=frame)
    action = obj.animation_data.action
    curves = (
        action.fcurves
        if hasattr(action, "fcurves")
        else action.layers[0].strips[0].channelbags[0].fcurves
    )
    for curve in curves:
        for key in curve.keyframe_points:
            key.interpolation = 'LINEAR'


@pytest.fixture
def scene(addon):
    """A cube, a ball and a cone in two collections; cameras of two kinds; images of 3 by 2."""
    scene = bpy.context.scene
    toys, rest = (bpy.data.collections.new(name) for name in ("toys", "rest"))
    for collection in (toys, rest):
        scene.collection.children.link(collection)
    places = {
        "cube": (bpy.ops.mesh.primitive_cube_add, {"size": 1}, (-0.9, 0, 0.5), toys),
        "ball": (bpy.ops.mesh.primitive_uv_sphere_add, {"radius": 0.6}, (0.9, 0.2, 0.6), rest),
        "cone": (
            bpy.ops.mesh.primitive_cone_add,
            {"radius1": 0.5, "depth": 1},
            (0, 1.2, 0.5),
            rest,
        ),
    }
    for name, (make, how, place, collection) in places.items():
        make(location=place, **how)
        obj = bpy.context.object
        obj.name = name
        scene.collection.objects.unlink(obj)
        collection.objects.link(obj)
    bpy.data.objects["cube"].rotation_euler = (0, 0, 0.4)
    bpy.data.objects["cube"].scale = (1, 0.5, 1)
    bpy.data.objects["cone"]["maquette_family"] = "hat"
    bpy.data.objects["ball"].pass_index = 7
    for name, kind in (("near", 'PERSP'), ("flat", 'ORTHO')):
        data = bpy.data.cameras.new(name)
        data.type, data.ortho_scale, data.lens, data.shift_x = kind, 5, 40, 0.05
        data.dof.use_dof, data.dof.focus_distance = True, 1.0
        camera = bpy.data.objects.new(name, data)
        camera.location, camera.rotation_euler = (0.3, -5, 2.5), (1.2, 0, 0.05)
        scene.collection.objects.link(camera)
    scene.camera = bpy.data.objects["near"]
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = (
        480,
        320,
        50,
    )
    scene.world = bpy.data.worlds.new("world")
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", 'SUN'))
    scene.collection.objects.link(lamp)
    bpy.context.view_layer.update()
    return scene


def state():
    """What a user could see changed: all blocks, and what was touched of them."""
    kinds = (
        "scenes",
        "objects",
        "cameras",
        "meshes",
        "collections",
        "worlds",
        "lights",
        "actions",
        "images",
    )
    blocks = {
        kind: [one.name for one in getattr(bpy.data, kind) if one.name != "Render Result"]
        for kind in kinds
    }
    scene, layer = bpy.context.scene, bpy.context.view_layer
    settings = {
        name: str(getattr(scene.render, name))
        for name in (
            "engine",
            "filepath",
            "resolution_x",
            "resolution_percentage",
            "film_transparent",
            "use_stamp",
        )
    }
    kept = {
        p.identifier: getattr(layer, p.identifier)
        for p in layer.bl_rna.properties
        if "pass" in p.identifier
    }
    objects = [
        (o.name, o.pass_index, o.select_get(), np.array(o.matrix_world).tolist())
        for o in scene.objects
    ]
    return (
        blocks,
        settings,
        kept,
        objects,
        scene.camera.name,
        scene.cycles.samples,
        scene.render.image_settings.file_format,
        (scene.frame_current, scene.frame_start, scene.frame_end),
        hasattr(bpy.types, "MAQUETTE_READER"),
        bpy.data.cameras["near"].dof.use_dof,
    )


def render(folder, *, size=SIZE, cameras="scene", shard=(0, 1), **how):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs

    settings = DatasetSettings(
        size=size, samples=1, cameras=parse_rigs(cameras.split()), points=512, shard=shard
    )
    scene = bpy.context.scene
    return render_whole_scene(
        scene, bpy.context.view_layer.name, folder, settings, WholeScene(**how)
    )


def made(folder, **how):
    run_to_end(render(folder, **how))
    assert run_to_end(validate_dataset(folder)) == []
    return ObjectFile(next((folder / "objects").glob("*.tar")))


def cast(camera, row, column):
    """Name of the object that the ray of a pixel's center hits first, its point, its normal."""
    pixel = np.array([(column + 0.5, row + 0.5)] * 2)
    near, far = camera.unproject(pixel, np.array((0.1, 1.1)))
    hit, point, normal, _, obj, _ = bpy.context.scene.ray_cast(
        bpy.context.evaluated_depsgraph_get(), near, (far - near) / np.linalg.norm(far - near)
    )
    return (obj.name if hit else ""), np.array(point), np.array(normal)


def away_from_edges(index):
    """(H, W) bool: all pixels around are of the same index."""
    shifts = [np.roll(index, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    inner = np.all([one == index for one in shifts], axis=0)
    inner[[0, -1]] = inner[:, [0, -1]] = False
    return inner


@pytest.mark.parametrize("cameras", ["scene", "sides:front free:1"])
def test_every_pass_is_what_a_ray_meets(scene, tmp_path, cameras):
    file = made(tmp_path, cameras=cameras)
    names = {one.index: one.name for one in file.record.instances} | {0: ""}
    kinds = [view.kind for view in file.record.views]
    assert kinds == (["camera flat", "camera near"] if cameras == "scene" else ["front", "free"])
    for place in range(2):
        view = file.read_view(place)
        assert view.depth.shape == ((43, 64) if cameras == "scene" else (64, 64))
        assert view.index.dtype == np.uint16 and set(np.unique(view.index)) == {0, 1, 2, 3}
        points, normals, inner = (
            passes.world_points(view),
            view.normal.astype(float),
            away_from_edges(view.index),
        )
        met = [cast(view.camera, row, column) for row, column in np.argwhere(inner)]
        assert [names[index] for index in view.index[inner]] == [name for name, _, _ in met]
        on = np.array([bool(name) for name, _, _ in met])
        distance = np.linalg.norm(points[inner] - [point for _, point, _ in met], axis=1)[on]
        assert np.median(distance) < 0.02 and on.sum() > 150
        facing = (normals[inner] * [normal for _, _, normal in met]).sum(1)[on]
        assert np.median(facing) > 0.98
        assert (view.colour[..., 3][inner] == np.where(view.index[inner] > 0, 255, 0)).all()
        np.testing.assert_array_equal(passes.object_mask(view), view.index > 0)


def test_classes_come_from_the_property_then_the_collection(scene, tmp_path):
    file = made(tmp_path)
    assert {one.name: one.family for one in file.record.instances} == {
        "ball": "rest",
        "cone": "hat",
        "cube": "toys",
    }
    families = file.record.family_names()
    assert families == ["hat", "rest", "toys"]
    view = file.read_view(0)
    classes = passes.semantic_map(view, file.record.instances, families)
    number = {one.family: one.index for one in file.record.instances}
    for place, family in enumerate(families, 1):
        np.testing.assert_array_equal(classes == place, view.index == number[family])


def test_classes_from_collection_material_or_another_property(scene):
    from maquette.core.scene.datagen.class_labels import class_of

    cone, ball = bpy.data.objects["cone"], bpy.data.objects["ball"]
    ball["kind"] = "round"
    ball.data.materials.append(bpy.data.materials.new("rubber"))
    assert class_of(cone, None, 'COLLECTION', "maquette_family") == "rest"
    assert class_of(ball, None, 'PROPERTY', "kind") == "round"
    assert class_of(cone, None, 'PROPERTY', "kind") == "rest"
    assert (class_of(ball, None, 'MATERIAL', ""), class_of(cone, None, 'MATERIAL', "")) == (
        "rubber",
        "",
    )


def test_coordinates_of_each_instance_are_in_its_own_frame(scene, tmp_path):
    file = made(tmp_path)
    cube = next(one for one in file.record.instances if one.name == "cube")
    np.testing.assert_allclose(
        cube.bounds, [[-0.5, -0.25, -0.5], [0.5, 0.25, 0.5]], atol=1e-6
    )  # scale is in it
    view = file.read_view(1)
    instances = file.record.instances_in(1)
    coordinates = passes.instance_coordinates(view, instances)
    inner = away_from_edges(view.index) & (view.index == cube.index)
    inverse = np.linalg.inv(np.array(bpy.data.objects["cube"].matrix_world))
    for row, column in np.argwhere(inner):
        _, point, _ = cast(view.camera, row, column)
        own = (inverse @ (*point, 1))[:3] * (1, 0.5, 1)
        np.testing.assert_allclose(coordinates[row, column], own + 0.5, atol=0.04)
    assert inner.sum() > 50 and (coordinates[view.index == 0] == 0).all()


def test_flow_is_where_points_go_when_things_and_the_camera_move(scene, tmp_path):
    cube = bpy.data.objects["cube"]
    keyed(cube, "location", (1, (-0.9, 0, 0.5)), (5, (-0.5, 0.4, 0.9)))
    keyed(cube, "rotation_euler", (1, (0, 0, 0.4)), (5, (0.2, 0, 0.8)))
    keyed(bpy.data.objects["near"], "location", (1, (0.3, -5, 2.5)), (5, (0.7, -4.6, 2.3)))
    file = made(tmp_path, cameras="path:2..4")
    views = [file.read_view(place) for place in range(3)]
    assert (
        [view.frame for view in file.record.views] == [2, 3, 4]
        and not file.has_ground_truth
        and not file.read_mesh()
    )
    now = views[1]
    assert now.flow.dtype == np.float16 and (now.flow[now.depth == 0] == 0).all()
    points, inner = passes.world_points(now), away_from_edges(now.index)
    stands = [
        {one.index: one.to_world for one in file.record.instances_in(place)} for place in range(3)
    ]
    assert len(file.record.views[1].moved) == 1
    for index in (1, 2, 3):
        rows, columns = np.nonzero(inner & (now.index == index))
        assert len(rows) > 15
        centers = np.stack((columns, rows), axis=1) + 0.5
        for other, sign, part in ((2, 1, slice(0, 2)), (0, -1, slice(2, 4))):
            change = stands[other][index] @ np.linalg.inv(stands[1][index])
            gone = points[rows, columns] @ change[:3, :3].T + change[:3, 3]
            expected = sign * (views[other].camera.project(gone)[0] - centers)
            assert np.abs(expected).max() > 0.5
            np.testing.assert_allclose(now.flow[rows, columns, part], expected, atol=0.12)


def test_instances_of_one_object_are_told_apart(scene, tmp_path):
    toy = bpy.data.collections.new("toy")
    bpy.ops.mesh.primitive_cube_add(size=0.5)
    part = bpy.context.object
    scene.collection.objects.unlink(part)
    toy.objects.link(part)
    for x in (-0.4, 0.4):
        empty = bpy.data.objects.new("empty", None)
        empty.instance_type, empty.instance_collection, empty.location = (
            'COLLECTION',
            toy,
            (x, -1, 0.25),
        )
        empty.rotation_euler = (0, 0, 0.78)
        scene.collection.objects.link(empty)
    file = made(tmp_path)
    copies = [one for one in file.record.instances if one.family == "toy"]
    assert len(copies) == 2 and copies[0].shape == copies[1].shape
    view = file.read_view(1)
    points = passes.world_points(view)
    for one in copies:
        on = view.index == one.index
        assert on.sum() > 10
        assert (np.sign(points[on][:, 0]) == np.sign(one.to_world[0, 3])).mean() > 0.95
        assert {
            cast(view.camera, *pixel)[0] for pixel in np.argwhere(on & away_from_edges(view.index))
        } == {part.name}


def test_modifiers_and_visibility_are_those_of_renders(scene, tmp_path):
    bpy.data.objects["ball"].hide_render = True
    bpy.data.objects["cone"].hide_viewport = True
    mirror = bpy.data.objects["cube"].modifiers.new("array", 'ARRAY')
    mirror.count, mirror.show_viewport = 3, False
    file = made(tmp_path)
    assert [one.name for one in file.record.instances] == ["cone", "cube"]
    np.testing.assert_allclose(file.record.instances[1].bounds[1], (2.5, 0.25, 0.5), atol=1e-6)


def test_the_scene_is_as_before(scene, tmp_path):
    keyed(bpy.data.objects["cube"], "location", (1, (-0.9, 0, 0.5)), (5, (-0.5, 0.4, 0.9)))
    scene.frame_set(1)
    bpy.data.objects["cube"].location.x = -2  # not keyed: lost by whoever evaluates the animation
    bpy.context.view_layer.update()
    before = state()
    run_to_end(render(tmp_path / "whole", cameras="path:1..2"))
    assert state() == before
    work = render(tmp_path / "cancelled", cameras="path:1..3")
    for _ in range(6):
        next(work)
    assert [o.pass_index for o in scene.objects if o.name == "ball"] == [
        7
    ]  # also between the steps
    work.close()
    assert state() == before and not list((tmp_path / "cancelled/objects").glob("*.tar"))
    work = render(tmp_path / "failed")
    next(work), next(work)
    bpy.data.scenes.remove(bpy.data.scenes["Maquette Whole Scene"])
    with pytest.raises(SceneError, match="deleted or undone"):
        run_to_end(work)
    assert state() == before


def test_a_scene_without_a_camera_or_a_thing(scene, tmp_path):
    for name in ("near", "flat"):
        bpy.data.objects.remove(bpy.data.objects[name])
    with pytest.raises(SceneError, match="no camera"):
        run_to_end(render(tmp_path / "one"))
    for name in ("cube", "ball", "cone"):
        bpy.data.objects[name].hide_render = True
    with pytest.raises(SceneError, match="Nothing to render"):
        run_to_end(render(tmp_path / "two", cameras="sides:front"))


def test_the_world_is_seen_if_asked_for(scene, tmp_path):
    view = made(tmp_path, world=True).read_view(0)
    assert (
        (view.colour[..., 3] == 255).all()
        and (view.index[0] == 0).all()
        and (view.depth[0] == 0).all()
    )


def test_a_made_scene_is_found_and_its_truth_is_of_all(scene, tmp_path):
    file = made(tmp_path)
    assert file.has_ground_truth
    inside = file.read_shape().uniform[file.read_shape().uniform_inside]
    assert (inside[:, 0] < -0.2).any() and (inside[:, 0] > 0.4).any()
    mesh = file.read_mesh()
    corners = [
        np.array(bpy.data.objects[name].matrix_world @ vertex.co)
        for name in ("cube", "ball", "cone")
        for vertex in bpy.data.objects[name].data.vertices
    ]
    assert len(mesh.vertices) == len(corners)
    np.testing.assert_allclose(np.sort(mesh.vertices, axis=0), np.sort(corners, axis=0), atol=1e-5)
    assert run_to_end(render(tmp_path)).found == 1


def spool(folder):
    return sorted(path.name for path in (folder / "objects").glob(".*.views/*"))


def assert_same(one, two):
    assert one.record.views[0].kind == two.record.views[0].kind and len(one.record.views) == len(
        two.record.views
    )
    for index in range(len(one.record.views)):
        a, b = one.read_view(index), two.read_view(index)
        np.testing.assert_array_equal(a.index, b.index)
        np.testing.assert_array_equal(a.depth, b.depth)
        assert np.abs(a.colour.astype(int) - b.colour).max() <= 2


def test_goes_on_after_the_views_that_are_there(scene, tmp_path, monkeypatch):
    from maquette.core.scene.datagen.scene_copy import SceneCopy

    whole = made(tmp_path / "whole", cameras="scene sides:front,top")
    work = render(tmp_path / "stopped", cameras="scene sides:front,top")
    while len(spool(tmp_path / "stopped")) < 2:
        next(work)
    killed = shutil.copytree(tmp_path / "stopped", tmp_path / "killed")
    work.close()
    assert not spool(tmp_path / "stopped")  # who stops it may edit the scene
    taken = []
    own = SceneCopy.render_view
    monkeypatch.setattr(
        SceneCopy, "render_view", lambda *a, **k: taken.append(a[1]) or own(*a, **k)
    )
    assert_same(made(killed, cameras="scene sides:front,top"), whole)
    assert len(taken) == len(whole.record.views) - 2 and not spool(killed)


def test_views_of_a_scene_that_has_changed_are_not_taken(scene, tmp_path):
    work = render(tmp_path / "set", cameras="sides:front,top")
    while not spool(tmp_path / "set"):
        next(work)
    killed = shutil.copytree(tmp_path / "set", tmp_path / "killed")
    work.close()
    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 3))
    found = made(killed, cameras="sides:front,top")
    assert_same(found, made(tmp_path / "anew", cameras="sides:front,top"))


def test_processes_share_the_views(scene, tmp_path):
    whole = made(tmp_path / "whole", cameras="scene sides:front,top")
    done = [
        run_to_end(render(tmp_path / "parts", cameras="scene sides:front,top", shard=(i, 2)))
        for i in (1, 0)
    ]
    assert [summary.written for summary in done] == [0, 1]
    assert_same(ObjectFile(next((tmp_path / "parts/objects").glob("*.tar"))), whole)


def test_older_sets_which_tell_of_the_classes_elsewhere_are_gone_on_with(scene, tmp_path):
    made(tmp_path)
    path = tmp_path / "dataset.json"
    stored = json.loads(path.read_text())
    del stored["whole_scene"]["other_worlds"]
    stored["whole_scene"] |= {key: stored.pop(key) for key in ("classes_from", "class_property")}
    path.write_text(json.dumps(stored))
    assert run_to_end(render(tmp_path)).found == 1
    stored["whole_scene"]["classes_from"] = 'MATERIAL'
    path.write_text(json.dumps(stored))
    with pytest.raises(DatasetError, match="with different settings"):
        run_to_end(render(tmp_path))


@pytest.mark.parametrize("name", ["relightable", "grid", "parts", "compact"])
def test_what_only_objects_have_is_refused(addon, tmp_path, name):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene

    bpy.ops.mesh.primitive_cube_add()
    work = render_whole_scene(
        bpy.context.scene, "ViewLayer", tmp_path, DatasetSettings(**{name: True}), WholeScene()
    )
    with pytest.raises(DatasetError, match=r"not available for a whole scene"):
        run_to_end(work)
    assert not list(tmp_path.iterdir())
