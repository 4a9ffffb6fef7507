"""What a whole scene contains: each thing once, and all of it in view."""

import bpy
import numpy as np
import pytest
from maquette.core.errors import SceneError

SIZE = 48


@pytest.fixture
def scene(make):
    return bpy.context.scene


def test_all_of_a_large_terrain_that_rays_hit_has_depth(scene, make, tmp_path):
    bpy.ops.mesh.primitive_grid_add(size=4000, x_subdivisions=8, y_subdivisions=8)
    rig = "shell:3,distance=0.13..0.2,elevation=30..40,angle=70"
    file = make.render(tmp_path, rig)
    farthest = []
    for number, recorded in enumerate(file.record.views):
        view = file.read_view(number)
        rows, columns = np.mgrid[0:SIZE, 0:SIZE] + 0.5
        pixels = np.stack((columns, rows), axis=2).reshape(-1, 2)
        starts = recorded.camera.unproject(pixels, np.zeros(len(pixels)))
        ends = recorded.camera.unproject(pixels, np.ones(len(pixels)))
        along = ends - starts
        depth = np.where(along[:, 2] < 0, -starts[:, 2] / np.minimum(along[:, 2], -1e-9), 0)
        hits = (starts + depth[:, None] * along)[:, :2]
        on_ground = (depth > 0) & (np.abs(hits) < 1900).all(1)
        farthest.append(depth[on_ground].max())
        assert (view.depth.ravel()[on_ground] > 0).all()
        np.testing.assert_allclose(view.depth.ravel()[on_ground], depth[on_ground], rtol=0.1)
    assert max(farthest) > 2000


def test_a_tiny_scene_is_not_cut_off_near_the_camera(scene, make, tmp_path):
    make.add_cube(size=2e-4)
    file = make.render(tmp_path, "sphere:3")
    for number in range(3):
        assert (file.read_view(number).index > 0).mean() > 0.1


@pytest.mark.parametrize("kind", ["text", "curve", "surface", "metaball"])
def test_what_is_no_mesh_is_one_instance(scene, make, tmp_path, kind):
    match kind:
        case "text":
            bpy.ops.object.text_add(rotation=(np.pi / 2, 0, 0))
            bpy.context.object.data.extrude = 0.2
        case "curve":
            bpy.ops.curve.primitive_bezier_circle_add(rotation=(np.pi / 2, 0, 0))
            bpy.context.object.data.bevel_depth = 0.3
        case "surface":
            bpy.ops.surface.primitive_nurbs_surface_sphere_add()
        case "metaball":
            bpy.ops.object.metaball_add()
            bpy.ops.object.metaball_add(location=(0.6, 0, 0))
    first = next(obj for obj in scene.objects if obj.type not in {'CAMERA', 'LIGHT'})
    file = make.render(tmp_path)
    assert [one.name for one in file.record.instances] == [first.name]
    view = file.read_view(0)
    np.testing.assert_array_equal(view.index > 0, view.depth > 0)
    assert (view.index == 1).sum() > 20


def test_instances_of_a_text_are_one_each(scene, make, tmp_path):
    words = bpy.data.collections.new("words")
    bpy.ops.object.text_add()
    text = bpy.context.object
    scene.collection.objects.unlink(text)
    words.objects.link(text)
    for x in (-2, 2):
        empty = bpy.data.objects.new("empty", None)
        empty.instance_type, empty.instance_collection = 'COLLECTION', words
        empty.location, empty.rotation_euler = (x, 0, 0), (np.pi / 2, 0, 0)
        scene.collection.objects.link(empty)
    file = make.render(tmp_path)
    assert [one.name for one in file.record.instances] == ["empty.001/Text/0", "empty/Text/0"]
    assert set(np.unique(file.read_view(0).index)) == {0, 1, 2}


def test_hair_and_points_belong_to_their_objects(scene, make, tmp_path):
    hair = bpy.data.hair_curves.new("hair")
    hair_object = bpy.data.objects.new("hair", hair)
    scene.collection.objects.link(hair_object)
    hair.add_curves([3] * 40)
    x = np.repeat(np.linspace(-3, -1, 40), 3)
    points = np.stack((x, np.zeros(120), np.tile((-1.0, 0.0, 1.0), 40)), axis=1)
    hair.position_data.foreach_set("vector", points.astype(np.float32).ravel())
    hair.attributes.new("radius", 'FLOAT', 'POINT').data.foreach_set(
        "value", np.full(120, 0.1, np.float32)
    )

    def to_points(group, given, result):
        node = group.nodes.new('GeometryNodeMeshToPoints')
        node.inputs["Radius"].default_value = 0.4
        group.links.new(given.outputs[0], node.inputs[0])
        group.links.new(node.outputs[0], result.inputs[0])

    cube = make.add_cube("dots", (2, 0, 0))
    cube.pass_index = 1  # a number that is another's during the rendering
    cube.modifiers.new("nodes", 'NODES').node_group = make.node_group(to_points)
    file = make.render(tmp_path)
    assert [one.name for one in file.record.instances] == ["dots", "hair"]
    dots, strands = file.record.instances
    np.testing.assert_allclose(dots.bounds, [[-1.4] * 3, [1.4] * 3], atol=1e-5)
    np.testing.assert_allclose(strands.bounds, [[-3, 0, -1], [-1, 0, 1]], atol=0.15)
    view = file.read_view(0)
    np.testing.assert_array_equal(view.index > 0, view.depth > 0)
    np.testing.assert_allclose(make.middle_of(file, 0, "dots")[[0, 2]], (2, 0), atol=0.3)
    np.testing.assert_allclose(make.middle_of(file, 0, "hair")[[0, 2]], (-2, 0), atol=0.3)


def test_points_beside_a_mesh_are_of_the_same_instance(scene, make, tmp_path):
    def join_points(group, given, result):
        node = group.nodes.new('GeometryNodeMeshToPoints')
        node.inputs["Radius"].default_value = 0.5
        join = group.nodes.new('GeometryNodeJoinGeometry')
        group.links.new(given.outputs[0], node.inputs[0])
        group.links.new(node.outputs[0], join.inputs[0])
        group.links.new(given.outputs[0], join.inputs[0])
        group.links.new(join.outputs[0], result.inputs[0])

    cube = make.add_cube("both")
    cube.modifiers.new("nodes", 'NODES').node_group = make.node_group(join_points)
    file = make.render(tmp_path)
    assert [one.name for one in file.record.instances] == ["both"]
    np.testing.assert_allclose(file.record.instances[0].bounds, [[-1.5] * 3, [1.5] * 3], atol=1e-5)


def test_too_much_hair_is_refused(scene, make, tmp_path, monkeypatch):
    from maquette.core.scene.evaluation import strands

    monkeypatch.setattr(strands, "_MOST", 10)
    hair = bpy.data.hair_curves.new("hair")
    scene.collection.objects.link(bpy.data.objects.new("hair", hair))
    hair.add_curves([11])
    with pytest.raises(SceneError, match="hair has 11 points of hair"):
        make.render(tmp_path)


@pytest.mark.parametrize("children", ['NONE', 'SIMPLE'])
@pytest.mark.parametrize("shown", [True, False])
def test_particle_hair_is_of_its_emitter(scene, make, tmp_path, shown, children):
    cube = make.add_cube("furry")
    cube.modifiers.new("hair", 'PARTICLE_SYSTEM')
    settings = cube.particle_systems[0].settings
    settings.type, settings.count, settings.hair_length = 'HAIR', 200, 2
    settings.child_type, settings.rendered_child_count = children, 3
    cube.show_instancer_for_render = shown
    cube.pass_index = 5
    file = make.render(tmp_path)
    assert [one.name for one in file.record.instances] == ["furry"]
    assert (np.ptp(file.record.instances[0].bounds, axis=0) > 3).all()
    view = file.read_view(0)
    assert set(np.unique(view.index)) == {0, 1}
    np.testing.assert_array_equal(view.index > 0, view.depth > 0)


def test_a_shadow_catcher_is_in_no_mask(scene, make, tmp_path):
    cube = make.add_cube(location=(0, 0, 0.5), size=1)
    bpy.ops.mesh.primitive_plane_add(size=20)
    catcher = bpy.context.object
    catcher.name = "catcher"
    catcher.is_shadow_catcher = True
    scene.camera.location, scene.camera.rotation_euler = (0, -6, 4), (1.0, 0, 0)
    view = make.render(tmp_path, samples=4).read_view(0)
    assert cube.name == "cube"
    index = 1 + ["catcher", "cube"].index("cube")
    assert set(np.unique(view.index)) == {0, index}
    np.testing.assert_array_equal(view.index > 0, view.depth > 0)
    assert ((view.colour[..., 3] > 0) & (view.depth == 0)).sum() > 10  # its shadow


def test_a_holdout_is_a_hole(scene, make, tmp_path):
    make.add_cube("behind", (0, 3, 0), 6)
    make.add_cube("hole").is_holdout = True
    view = make.render(tmp_path).read_view(0)
    behind = 1
    assert set(np.unique(view.index)) == {0, behind}
    centre = SIZE // 2
    assert view.index[centre, centre] == 0 and view.colour[centre, centre, 3] == 0
    assert view.depth[centre, centre] == 0 and view.index[centre, 8] == behind


def test_another_object_of_the_same_number_takes_no_pixels(scene, make, tmp_path):
    make.add_cube("a", (-2, 0, 0))
    make.add_cube("b", (2, 0, 0)).pass_index = 1
    file = make.render(tmp_path)
    np.testing.assert_allclose(make.middle_of(file, 0, "a")[0], -2, atol=0.3)
    np.testing.assert_allclose(make.middle_of(file, 0, "b")[0], 2, atol=0.3)
    assert bpy.data.objects["b"].pass_index == 1


def test_meters_follow_the_unit_scale(scene, make, tmp_path):
    cube = make.add_cube(location=(0, 0, 1))
    cube.scale = (1, 0.5, 1)
    one = make.render(tmp_path / "meters", "scene sides:front free:2")
    scene.unit_settings.scale_length = 0.01
    two = make.render(tmp_path / "centimeters", "scene sides:front free:2")
    np.testing.assert_allclose(two.record.bounds, one.record.bounds * 0.01, rtol=1e-6)
    instance, other = one.record.instances[0], two.record.instances[0]
    np.testing.assert_allclose(other.bounds, instance.bounds * 0.01, rtol=1e-6)
    np.testing.assert_allclose(other.to_world[:3, 3], instance.to_world[:3, 3] * 0.01, rtol=1e-6)
    shape, other_shape = one.record.shapes[0], two.record.shapes[0]
    np.testing.assert_allclose(other_shape.bounds, shape.bounds * 0.01, rtol=1e-6)
    meters, centimeters = one.read_shape(), two.read_shape()
    np.testing.assert_allclose(centimeters.surface, meters.surface * 0.01, atol=1e-6)
    vertices = one.read_mesh().vertices
    np.testing.assert_allclose(two.read_mesh().vertices, vertices * 0.01, rtol=1e-5)
    for number in range(4):
        large, small = one.read_view(number), two.read_view(number)
        np.testing.assert_allclose(
            small.camera.to_world[:3, 3], large.camera.to_world[:3, 3] * 0.01, atol=1e-6
        )
        shown = (large.depth > 0) & (small.depth > 0)
        assert shown.mean() > 0.02
        np.testing.assert_allclose(small.depth[shown], large.depth[shown] * 0.01, rtol=0.02)
        assert ((large.index > 0) == (small.index > 0)).mean() > 0.99
