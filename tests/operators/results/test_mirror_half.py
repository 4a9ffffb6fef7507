"""A T whose arm at +y was damaged is mirrored from the arm at -y."""

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, SymmetryPlane
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.topology import check_topology
from mathutils import Euler, Matrix

RED = np.array((0.8, 0.2, 0.2), np.float32)
BLUE = np.array((0.2, 0.2, 0.8), np.float32)
MIDDLE = 19.5 / 24  # y of the mirror plane


def t_shape(damage=0):
    """Red where y is low and blue where it is high; ``damage`` cells of the arm at +y are lost."""
    cells = np.zeros((24, 40, 24))
    cells[8:16, 10 : 30 - damage, 16:20] = 1
    cells[8:22, 17:23, 2:10] = 1
    cells[8:14, 17:23, 10:16] = 1
    mesh = surface_nets(cells, 0.5, spacing=1 / 24)
    is_low = mesh.vertices[:, 1] < MIDDLE
    colors = np.where(is_low[:, None], RED, BLUE).astype(np.float32)
    confidence = np.where(is_low, 0.9, 0.1).astype(np.float32)
    return MeshArrays(mesh.vertices, mesh.faces, colors, confidence)


def add(arrays):
    from maquette.core.scene import meshes

    obj = meshes.new_object("Made", arrays)
    bpy.context.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    return obj


def arrays_of(obj):
    from maquette.core.scene import meshes

    return meshes.to_arrays(obj.data)


def distance_to_mirror_image(mesh, plane):
    image = plane.mirror_points(mesh.vertices)
    distances = np.linalg.norm(mesh.vertices[None].astype(float) - image[:, None], axis=2)
    return distances.min(1).max()


ACROSS_Y = SymmetryPlane(np.array((0, MIDDLE, 0)), np.array((0.0, 1, 0)), 0.0)


def test_the_fuller_half_replaces_the_damaged_one(addon):
    whole = t_shape()
    obj = add(t_shape(damage=3))
    assert bpy.ops.maquette.mirror_half() == {'FINISHED'}
    mirrored = arrays_of(obj)
    topology = check_topology(mirrored)
    assert topology.is_watertight and topology.pieces == 1
    assert topology.volume == pytest.approx(check_topology(whole).volume, rel=0.02)
    assert np.abs(np.ptp(mirrored.vertices, 0) - np.ptp(whole.vertices, 0)).max() < 0.02
    assert distance_to_mirror_image(mirrored, ACROSS_Y) < 0.03  # its plane is found, not given
    # Also the colors and the confidence are those of the better half, but for the seam.
    away = np.abs(mirrored.vertices[:, 1] - MIDDLE) > 0.1
    np.testing.assert_allclose(mirrored.colors[away], np.tile(RED, (away.sum(), 1)), atol=0.01)
    np.testing.assert_allclose(mirrored.confidence[away], 0.9, atol=1e-6)


def test_the_other_half_can_be_kept_and_the_plane_moved(addon):
    obj = add(t_shape(damage=3))
    assert bpy.ops.maquette.mirror_half(half='OTHER') == {'FINISHED'}
    mirrored = arrays_of(obj)
    away = np.abs(mirrored.vertices[:, 1] - MIDDLE) > 0.1
    assert (mirrored.colors[away] @ (1, 0, 0) < 0.3).all()
    width = np.ptp(mirrored.vertices[:, 1])
    assert width == pytest.approx(np.ptp(t_shape(damage=6).vertices[:, 1]) - 0.0, abs=0.05)

    # Into the half that is kept: each of its sides is narrower.
    obj = add(t_shape(damage=3))
    assert bpy.ops.maquette.mirror_half(offset=0.1) == {'FINISHED'}
    narrower = arrays_of(obj)
    whole_width = np.ptp(t_shape().vertices[:, 1])
    assert np.ptp(narrower.vertices[:, 1]) == pytest.approx(whole_width - 0.2, abs=0.02)
    assert check_topology(narrower).is_watertight


def test_a_plane_beside_the_object_is_refused(addon):
    obj = add(t_shape(damage=3))
    before = arrays_of(obj)
    with pytest.raises(RuntimeError, match="does not cut the mesh"):
        bpy.ops.maquette.mirror_half(offset=10)
    assert arrays_of(obj).has_same_surface(before)


def test_an_object_that_was_turned_and_stretched_keeps_its_transform(addon):
    """The mesh is mirrored in its own space, as its modifiers see it."""
    obj = add(t_shape(damage=3))
    obj.matrix_world = Matrix.LocRotScale((1, 2, 3), Euler((0.5, 0.6, 0.7)), (2, 3, -0.5))
    matrix = obj.matrix_world.copy()
    assert bpy.ops.maquette.mirror_half() == {'FINISHED'}
    assert obj.matrix_world == matrix
    volume = check_topology(arrays_of(obj)).volume
    assert volume == pytest.approx(check_topology(t_shape()).volume, rel=0.02)


def test_a_mesh_whose_rotation_was_applied_is_mirrored_about_its_new_plane(addon):
    obj = add(t_shape(damage=3))
    turn = Matrix.LocRotScale((5, -3, 1), Euler((1.2, 0.4, 0.7)), (2, 2, 2))
    obj.data.transform(turn)
    assert bpy.ops.maquette.mirror_half() == {'FINISHED'}
    mirrored = check_topology(arrays_of(obj))
    assert mirrored.is_watertight
    assert mirrored.volume == pytest.approx(8 * check_topology(t_shape()).volume, rel=0.02)


def test_texture_coordinates_and_materials_are_mirrored(addon):
    obj = add(t_shape(damage=3))
    layer = obj.data.uv_layers.new(name="UVMap")
    corners = np.empty(len(obj.data.loops), np.int32)
    obj.data.loops.foreach_get("vertex_index", corners)
    # The texture is laid on from the right, so that it depends on y and z.
    uv = arrays_of(obj).vertices[corners][:, 1:] / 2
    layer.uv.foreach_set("vector", np.ascontiguousarray(uv).ravel())
    material = obj.data.materials[0]
    assert bpy.ops.maquette.mirror_half() == {'FINISHED'}

    assert list(obj.data.materials) == [material]
    (layer,) = obj.data.uv_layers
    corners = np.empty(len(obj.data.loops), np.int32)
    obj.data.loops.foreach_get("vertex_index", corners)
    uv = np.empty(2 * len(corners), np.float32)
    layer.uv.foreach_get("vector", uv)
    places = arrays_of(obj).vertices[corners][:, 1:]
    # Where the mirror image of a place is in the kept half, the texture is that of the image.
    expected = np.minimum(places[:, 0], 2 * MIDDLE - places[:, 0]) / 2
    np.testing.assert_allclose(uv.reshape(-1, 2)[:, 0], expected, atol=0.02)
    np.testing.assert_allclose(uv.reshape(-1, 2)[:, 1], places[:, 1] / 2, atol=0.02)


def test_vertex_groups_are_mirrored(addon):
    obj = add(t_shape(damage=3))
    heights = arrays_of(obj).vertices[:, 1]
    group = obj.vertex_groups.new(name="Low")
    group.add([int(index) for index in np.flatnonzero(heights < 0.6)], 1.0, 'REPLACE')
    assert bpy.ops.maquette.mirror_half() == {'FINISHED'}
    in_group = np.array([len(vertex.groups) > 0 for vertex in obj.data.vertices])
    outer = np.abs(arrays_of(obj).vertices[:, 1] - MIDDLE)
    assert in_group[outer > MIDDLE - 0.57].all() and not in_group[outer < MIDDLE - 0.63].any()
    assert in_group.any()


def test_other_objects_with_the_same_mesh_stay_as_they_are(addon):
    obj = add(t_shape(damage=3))
    other = bpy.data.objects.new("Other", obj.data)
    before = arrays_of(other)
    count = len(bpy.data.meshes)
    with pytest.raises(RuntimeError, match="does not cut"):
        bpy.ops.maquette.mirror_half(offset=10)
    assert obj.data == other.data and len(bpy.data.meshes) == count
    assert bpy.ops.maquette.mirror_half() == {'FINISHED'}
    assert arrays_of(other).has_same_surface(before) and obj.data != other.data


def asymmetric():
    cells = np.zeros((32, 24, 32))
    cells[4:28, 4:20, 4:10] = cells[4:10, 4:10, 10:28] = cells[20:28, 14:20, 10:16] = 1
    return surface_nets(cells, 0.5, spacing=1 / 32)


def test_what_is_not_symmetric_is_refused_unless_it_is_wanted(addon):
    obj = add(asymmetric())
    before = arrays_of(obj)
    with pytest.raises(RuntimeError, match=r"does not look symmetric \([\d.]+% off\)"):
        bpy.ops.maquette.mirror_half()
    assert arrays_of(obj).has_same_surface(before)
    assert bpy.ops.maquette.mirror_half(tolerance=0.2) == {'FINISHED'}
    assert check_topology(arrays_of(obj)).is_watertight


def test_what_cannot_be_mirrored_is_refused(addon):
    obj = add(t_shape())
    obj.shape_key_add(name="Basis")
    with pytest.raises(RuntimeError, match="shape keys"):
        bpy.ops.maquette.mirror_half()
    add(MeshArrays(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32)))
    with pytest.raises(RuntimeError, match="no faces"):
        bpy.ops.maquette.mirror_half()
    add(MeshArrays(np.zeros((3, 3), np.float32), np.array(((0, 1, 2),), np.int32)))
    with pytest.raises(RuntimeError, match="no surface"):
        bpy.ops.maquette.mirror_half()
    broken = t_shape()
    broken.vertices[5] = np.nan
    add(broken)
    with pytest.raises(RuntimeError, match="not numbers"):
        bpy.ops.maquette.mirror_half()
    bpy.ops.object.mode_set(mode='EDIT')
    try:
        assert not bpy.ops.maquette.mirror_half.poll()
    finally:
        bpy.ops.object.mode_set(mode='OBJECT')


def test_the_panel_offers_it_until_it_is_done_or_the_mesh_is_another_one(addon):
    from dataclasses import replace

    from maquette.core.scene.finishing.mirroring import store_symmetry
    from maquette.operators.results.mirror_half import offers_mirroring

    obj = add(t_shape(damage=1))
    assert not offers_mirroring(bpy.context)
    store_symmetry(obj, replace(ACROSS_Y, deviation=0.2))
    assert not offers_mirroring(bpy.context)
    store_symmetry(obj, replace(ACROSS_Y, is_confirmed=False))
    assert not offers_mirroring(bpy.context)
    store_symmetry(obj, ACROSS_Y)
    assert offers_mirroring(bpy.context)

    obj.data.vertices.add(1)
    assert not offers_mirroring(bpy.context)
    store_symmetry(obj, ACROSS_Y)
    bpy.ops.maquette.mirror_half()
    assert not offers_mirroring(bpy.context) and "maquette_symmetry" not in obj


def test_a_reconstructed_object_keeps_its_plane_for_the_panel(addon, weights, tmp_path):
    from maquette.core.scene.finishing.mirroring import stored_symmetry
    from PIL import Image

    rgba = np.zeros((96, 96, 4), np.uint8)
    rgba[8:88, 28:68] = (200, 30, 30, 255)
    file = tmp_path / "block.png"
    Image.fromarray(rgba).save(file)
    bpy.ops.maquette.reconstruct(
        filepath=str(file), resolution=32, size=2, weights=str(weights), texture=False
    )
    obj = bpy.context.object
    plane = stored_symmetry(obj)
    size = np.ptp(arrays_of(obj).vertices, 0).max()
    assert size == pytest.approx(2, abs=1e-3)
    # It is in the space of the mesh: where a vertex is mirrored to, there is another one.
    assert distance_to_mirror_image(arrays_of(obj), plane) < 0.1 * size
    assert plane.deviation < 0.02

    assert bpy.ops.maquette.mirror_half(tolerance=1, ignore_images=True) == {'FINISHED'}
    assert check_topology(arrays_of(obj)).is_watertight


def test_undone_in_one_step(addon):
    add(t_shape(damage=3))
    bpy.ops.ed.undo_push(message="damaged")
    before = len(bpy.context.object.data.vertices)
    assert bpy.ops.maquette.mirror_half('EXEC_DEFAULT', True) == {'FINISHED'}
    assert len(bpy.context.object.data.vertices) != before
    bpy.ops.ed.undo()
    assert len(bpy.data.objects["Made"].data.vertices) == before
