import bmesh
import bpy
import numpy as np
import pytest
from maquette.core.scene import source_views
from maquette.core.scene.references import reference_pose

SIDE_POINTS = {"first": (-0.5, 0.0, 0.0), "second": (0.5, 0.0, 0.0)}  # of a box 1 m long


@pytest.fixture
def collection(addon, capture):
    return capture.add(1.0)


def select(*objects):
    for obj in bpy.context.view_layer.objects:
        obj.select_set(obj in objects)
    bpy.context.view_layer.objects.active = objects[0] if objects else None


def pixels_of_mesh():
    """Where the cameras show the vertices of the box."""
    box = bpy.data.objects["Box"]
    points = np.array([box.matrix_world @ vertex.co for vertex in box.data.vertices])
    cameras = [obj for obj in bpy.data.objects if obj.type == 'CAMERA']
    poses = [reference_pose(bpy.context, obj).camera for obj in cameras]
    return np.array([pose.project(points)[0] for pose in poses])


def test_all_that_was_solved_is_scaled_about_the_floor(collection):
    before = pixels_of_mesh()
    views = source_views.load_views(bpy.data.objects["Box"])
    assert bpy.ops.maquette.set_real_size(length=0.4, **SIDE_POINTS) == {'FINISHED'}
    bpy.context.view_layer.update()

    box = bpy.data.objects["Box"]
    assert tuple(box.dimensions) == pytest.approx((0.4, 0.24, 0.16), abs=1e-5)
    assert tuple(box.scale) == (1, 1, 1)
    for name in ("Cloud", "Dense Cloud"):
        points = np.array([vertex.co for vertex in bpy.data.objects[name].data.vertices])
        assert np.ptp(points[:, 0]) == pytest.approx(0.4, abs=1e-5)
    camera = bpy.data.objects["view_0"]
    assert tuple(camera.location) == pytest.approx((0, -1.0, 0.48), abs=1e-5)
    assert camera.data.display_size == pytest.approx(0.15 * 0.4)
    np.testing.assert_allclose(pixels_of_mesh(), before, atol=0.01)

    # The stored views move along, so that a texture can still be baked.
    (scaled,) = source_views.load_views(box)
    np.testing.assert_allclose(
        scaled.camera.to_world[:3, 3], 0.4 * views[0].camera.to_world[:3, 3], atol=1e-6
    )
    assert source_views.count_stale(box) == 0
    assert collection["maquette_size"] == pytest.approx(0.4)
    assert bpy.context.scene.maquette_photographs.size == pytest.approx(0.4)


def test_points_keep_their_size_relative_to_the_object(collection):
    bpy.ops.maquette.set_real_size(length=0.5, **SIDE_POINTS)
    bpy.context.view_layer.update()
    cloud = bpy.data.objects["Cloud"]
    shown = cloud.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    edges = [edge.vertices for edge in shown.edges]
    lengths = [(shown.vertices[a].co - shown.vertices[b].co).length for a, b in edges]
    assert max(lengths) == pytest.approx(2 * 0.006 * 0.5, rel=1e-3)


def test_two_vertices_in_edit_mode(collection):
    box = bpy.data.objects["Box"]
    select(box)
    bpy.ops.object.mode_set(mode='EDIT')
    bpy.ops.mesh.select_all(action='DESELECT')
    vertices = bmesh.from_edit_mesh(box.data).verts
    vertices.ensure_lookup_table()
    vertices[0].select = vertices[2].select = True  # 0.6 apart
    assert bpy.ops.maquette.set_real_size(length=3.0) == {'FINISHED'}
    assert bpy.context.mode == 'OBJECT'
    assert box.dimensions.x == pytest.approx(5.0, abs=1e-4)


def test_two_selected_empties(collection):
    ends = []
    for x in (-0.5, 0.5):
        empty = bpy.data.objects.new("End", None)
        empty.location = (x, 0, 0)
        bpy.context.scene.collection.objects.link(empty)
        ends.append(empty)
    select(*ends)
    assert bpy.ops.maquette.set_real_size(length=2.0) == {'FINISHED'}
    assert bpy.data.objects["Box"].dimensions.x == pytest.approx(2.0, abs=1e-5)
    assert ends[1].location.x == 0.5  # it is not of the collection


def test_a_moved_parent_and_a_scaled_object_keep_the_arrangement(collection):
    parent = bpy.data.objects.new("Turn", None)
    parent.rotation_euler.z = 0.7
    collection.objects.link(parent)
    for obj in collection.objects:
        if obj is not parent:
            obj.parent = parent
    bpy.data.objects["Box"].location = (0.1, 0.2, 0.3)
    bpy.data.objects["Box"].scale = (1, 1, 2)
    bpy.context.view_layer.update()
    before = pixels_of_mesh()
    bpy.ops.maquette.set_real_size(length=0.25, **SIDE_POINTS)
    bpy.context.view_layer.update()
    np.testing.assert_allclose(pixels_of_mesh(), before, atol=0.01)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"first": (1, 1, 1), "second": (1, 1, 1)}, "same place"),
        ({"first": (0, 0, 0), "second": (0, 0, 1e-5), "length": 1000}, "not within"),
        ({}, "0 objects are selected: select two"),
    ],
)
def test_what_makes_no_sense_is_refused(collection, options, text):
    select()
    with pytest.raises(RuntimeError, match=text):
        bpy.ops.maquette.set_real_size(**options)
    assert bpy.data.objects["Box"].dimensions.x == pytest.approx(1.0)


def test_of_several_sets_the_selected_one_is_scaled(collection, capture):
    other = capture.add(1.0)
    select()
    with pytest.raises(RuntimeError, match="several sets"):
        bpy.ops.maquette.set_real_size(length=0.5, **SIDE_POINTS)
    select(next(obj for obj in other.objects if obj.name.startswith("Box")))
    bpy.ops.maquette.set_real_size(length=0.5, **SIDE_POINTS)
    assert other["maquette_size"] == 0.5 and collection["maquette_size"] == 1.0


def test_without_photographs_it_says_what_to_do(addon):
    assert not bpy.ops.maquette.set_real_size.poll()


def test_one_undo_brings_all_back(collection):
    bpy.ops.ed.undo_push(message="Solved")
    bpy.ops.maquette.set_real_size(length=0.5, **SIDE_POINTS)
    bpy.ops.ed.undo_push(message="Scaled")
    bpy.ops.ed.undo()
    box = bpy.data.objects["Box"]
    assert box.dimensions.x == pytest.approx(1.0)
    assert bpy.data.objects["view_0"].location.y == pytest.approx(-2.5)
    assert bpy.data.collections["Photographs"]["maquette_size"] == 1.0
