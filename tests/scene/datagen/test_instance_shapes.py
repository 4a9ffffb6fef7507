"""The truth of the shapes of a whole scene, put where its instances stand, against its pictures."""

import bpy
import numpy as np
import pytest
from maquette.core.dataset import passes
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.dataset.validation import validate_dataset
from maquette.core.jobs.task import run_to_end
from maquette.core.scene import compat
from mathutils.bvhtree import BVHTree

POINTS = 1024
WEDGE = [(0, 0, 0), (1, 0, 0), (0, 0.7, 0), (0, 0, 0.5)]


def mesh(name, vertices, faces, color=None):
    data = bpy.data.meshes.new(name)
    data.from_pydata(vertices, [], faces)
    if color:
        material = bpy.data.materials.new(name)
        compat.use_nodes(material)
        tree = material.node_tree
        tree.nodes.clear()
        glow = tree.nodes.new('ShaderNodeEmission')
        glow.inputs["Color"].default_value = (*color, 1)
        tree.links.new(
            glow.outputs[0], tree.nodes.new('ShaderNodeOutputMaterial').inputs["Surface"]
        )
        data.materials.append(material)
    return data


def put(name, data, place, turn=(0, 0, 0), scale=(1, 1, 1)):
    obj = bpy.data.objects.new(name, data)
    obj.location, obj.rotation_euler, obj.scale = place, turn, scale
    bpy.context.scene.collection.objects.link(obj)
    return obj


@pytest.fixture
def scene(addon):
    """Two red wedges of one mesh, rotated, a third mirrored and longer, and an open floor."""
    wedge = mesh("wedge", WEDGE, [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)], (1, 0, 0))
    put("one", wedge, (-0.8, 0, 0.3), (0.3, 0.2, 0.5))
    put("two", wedge, (0.6, 0.4, 0.4), (1.2, -0.4, 2.5))
    put("three", wedge, (-0.2, 1.2, 0.5), (0.1, 0, 3), (-1.5, 1, 1))
    put(
        "floor",
        mesh("floor", [(-3, -3, 0), (3, -3, 0), (3, 3, 0), (-3, 3, 0)], [(0, 1, 2, 3)]),
        (0, 0, -0.5),
    )
    scene = bpy.context.scene
    scene.view_settings.view_transform = 'Standard'
    data = bpy.data.cameras.new("camera")
    scene.camera = put("camera", data, (0.3, -4, 2.5), (1.05, 0, 0.05))
    return scene


def put_strip():
    """What bounds next to nothing."""
    put(
        "strip",
        mesh("strip", [(-3, 0, 0), (3, 0, 0), (3, 0.01, 0), (-3, 0.01, 0)], [(0, 1, 2, 3)]),
        (0, 2, -0.4),
    )


def made(folder, *, cameras="scene sides:left", **more):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs

    settings = DatasetSettings(
        size=64, samples=1, cameras=parse_rigs(cameras.split()), points=POINTS, **more
    )
    layer = bpy.context.view_layer.name
    run_to_end(render_whole_scene(bpy.context.scene, layer, folder, settings, WholeScene()))
    assert run_to_end(validate_dataset(folder)) == []
    return ObjectFile(next((folder / "objects").glob("*.tar")))


def shape_number(file, instance):
    return [one.name for one in file.record.shapes].index(instance.shape)


@pytest.mark.slow
def test_meshes_moved_by_the_poses_are_what_the_pictures_show(scene, tmp_path):
    file = made(tmp_path)
    assert [one.name for one in file.record.instances] == ["floor", "one", "three", "two"]
    assert len(file.record.shapes) == 3  # the mirrored one is another
    for place in range(2):
        view, trees = file.read_view(place), {}
        for one in file.record.instances_in(place):
            found = file.read_mesh(shape_number(file, one))
            world = found.vertices @ one.to_world[:3, :3].T + one.to_world[:3, 3]
            trees[one.index] = BVHTree.FromPolygons(
                world.tolist(), found.to_triangles().tolist(), all_triangles=True
            )
        rows, columns = (part.ravel() for part in np.indices(view.depth.shape))
        starts, ends = (
            view.camera.unproject(
                np.stack((columns + 0.5, rows + 0.5), 1), np.full(rows.size, depth)
            )
            for depth in (0.0, 1.0)
        )
        index, depth = np.zeros(rows.size, int), np.full(rows.size, np.inf)
        for number, tree in trees.items():
            for at, (start, way) in enumerate(zip(starts, ends - starts, strict=True)):
                point = tree.ray_cast(start, way)[0]
                far = np.inf if point is None else view.camera.project(np.array(point)[None])[1][0]
                if far < depth[at]:
                    index[at], depth[at] = number, far
        index, depth = index.reshape(view.index.shape), depth.reshape(view.index.shape)
        around = [np.roll(index, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        inner = np.all([one == index for one in around], axis=0)
        assert set(np.unique(index[inner])) == {0, 1, 2, 3, 4} or place
        np.testing.assert_array_equal(view.index[inner], index[inner])
        on = inner & (index > 0)
        off = np.abs(view.depth[on] - depth[on])
        assert np.median(off) < 0.02 and off.max() < 0.2


def test_samples_colors_and_distances_agree_with_the_pictures(scene, tmp_path):
    file = made(tmp_path)
    view = file.read_view(0)
    points = passes.world_points(view)
    for one in file.record.instances[1:]:
        number = shape_number(file, one)
        shape_record, shape = file.record.shapes[number], file.read_shape(number)
        assert shape_record.holds == ("mesh", "shape", "surface") and not shape_record.lacks
        on = view.index == one.index
        own = (points[on] - one.to_world[:3, 3]) @ one.to_world[:3, :3]
        nearest = np.linalg.norm(own[:, None] - shape.surface, axis=2).min(1)
        assert np.median(nearest) < 0.1
        moved = shape.uniform @ one.to_world[:3, :3].T + one.to_world[:3, 3]
        inside = moved[shape.uniform_inside & (shape.uniform_distance < -0.03)]
        pixels, depth = view.camera.project(inside)
        columns, rows = pixels.astype(int).T
        assert len(inside) > 3 and (view.depth[rows, columns] > 0).all()
        assert (
            view.depth[rows, columns] < depth
        ).all()  # something of the scene, or its own surface, is before it
        assert shape.surface_seen.sum() > 10
        assert (shape.surface_colour[shape.surface_seen] == (255, 0, 0)).all()


def test_what_has_no_truth_says_why(scene, tmp_path):
    put_strip()
    bpy.data.objects["two"].data = ball = mesh(
        "soft", WEDGE, [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]
    )
    assert ball.users == 1
    bpy.data.objects["two"].shape_key_add(name="basis")
    key = bpy.data.objects["two"].shape_key_add(name="long")
    key.data[3].co.z = 1.0
    for frame, value in ((1, 0.0), (3, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    file = made(tmp_path / "soft", cameras="path:1..2")
    shapes = {one.name.split(" ")[0]: one for one in file.record.shapes}
    assert (shapes["soft"].holds, shapes["strip"].holds) == ((), ("mesh",))
    assert "changes its shape" in shapes["soft"].lacks and "sheet" in shapes["strip"].lacks
    assert shapes["wedge"].holds == shapes["floor"].holds == ("mesh", "shape", "surface")
    file = made(tmp_path / "heavy", most_triangles=3)
    assert sum("4 triangles, more than 3" in one.lacks for one in file.record.shapes) == 3


def test_one_mesh_with_other_modifiers_is_another_shape(scene, tmp_path):
    push = bpy.data.objects["two"].modifiers.new("push", 'DISPLACE')
    push.strength = 0.1
    file = made(tmp_path, cameras="sides:front")
    names = {one.name: one.shape for one in file.record.instances}
    assert names["one"] != names["two"] == f"{names['one']} #2"
    meshes = [file.read_mesh(number).vertices for number in range(len(file.record.shapes))]
    assert [len(vertices) for vertices in meshes] == [4] * 4


def test_processes_share_the_truth(scene, tmp_path):
    whole = made(tmp_path / "whole")
    for index in (1, 0):
        from maquette.core.scene.datagen.dataset_folder import DatasetSettings
        from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
        from maquette.core.synthesis.camera_rigs import parse_rigs

        cameras = parse_rigs(["scene", "sides:left"])
        settings = DatasetSettings(
            size=64, samples=1, cameras=cameras, points=POINTS, shard=(index, 2)
        )
        run_to_end(
            render_whole_scene(
                scene, bpy.context.view_layer.name, tmp_path / "parts", settings, WholeScene()
            )
        )
    parts = ObjectFile(next((tmp_path / "parts/objects").glob("*.tar")))
    for number in range(len(whole.record.shapes)):
        for kind in (f"shapes.{number:03d}.{own}.npz" for own in whole.record.shapes[number].holds):
            if not kind.endswith("surface.npz"):
                assert whole.read_member(kind) == parts.read_member(kind)
    assert whole.read_member("json") == parts.read_member("json")


def test_a_truth_that_is_not_of_its_shape_is_reported(scene, tmp_path):
    import dataclasses

    from maquette.core.dataset.object_file import write_object

    put_strip()
    file = made(tmp_path / "good", cameras="sides:front")
    record = file.record
    each = [
        (file.read_shape(n) if "shape" in o.holds else None, file.read_mesh(n))
        for n, o in enumerate(record.shapes)
    ]

    def problems(record, shapes):
        write_object(tmp_path / "bad", record, None, [file.read_view(0)], None, shapes)
        return next(
            p.what
            for p in run_to_end(validate_dataset(tmp_path / "bad"))
            if p.path.suffix == ".tar"
        )

    flipped = dataclasses.replace(each[0][0], uniform_inside=~each[0][0].uniform_inside)
    assert "shapes.000.uniform_distance: the sign" in problems(
        record, [(flipped, each[0][1]), *each[1:]]
    )
    assert "lacks " in problems(record, [(None, each[0][1]), *each[1:]])
    silent = [dataclasses.replace(one, lacks="") for one in record.shapes]
    without_reason = dataclasses.replace(record, shapes=tuple(silent))
    assert "neither ground truth nor a reason" in problems(without_reason, each)
    with_one_shape = dataclasses.replace(record, shapes=record.shapes[:1])
    assert "has an unlisted shape" in problems(with_one_shape, each[:1])
