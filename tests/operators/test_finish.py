import shutil
import sys
import time

import bpy

# isort: split
import bmesh
import numpy as np
import pytest
from maquette.core.errors import MeshError
from maquette.core.geometry.topology import check_topology
from maquette.core.jobs.interpreters import PythonInterpreter
from maquette.core.jobs.task import SteppedTask, run_to_end
from maquette.core.scene import meshes, source_views
from maquette.core.scene.finishing import pipeline, remesh
from maquette.core.scene.finishing.remesh import FinishSettings
from mathutils import Matrix

HALVES = {"front": (0.8, 0.1, 0.1), "right": (0.1, 0.6, 0.1)}


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Images of a block, 2 x 1 x 2: red front, white at its upper right; green right side."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("halves")
    for side, width in (("front", 80), ("right", 40)):
        rgba = np.zeros((96, 96, 4), np.uint8)
        rgba[8:88, 48 - width // 2 : 48 + width // 2] = (
            *(255 * np.array(HALVES[side])).astype(int),
            255,
        )
        if side == "front":
            rgba[16:40, 56:80, :3] = 255
        Image.fromarray(rgba).save(folder / f"{side}.png")
    return folder


@pytest.fixture
def block(addon, weights, halves):
    sides = {side: str(halves / f"{side}.png") for side in HALVES}
    bpy.context.scene.cursor.location = (3, 4, 5)
    assert bpy.ops.maquette.reconstruct(**sides, resolution=32, size=2, weights=str(weights)) == {
        'FINISHED'
    }
    return bpy.context.object


def shown_at(obj, point, normal):
    """The texture of ``obj`` at the corner nearest to ``point`` of the faces along ``normal``."""
    mesh = obj.data
    (image,) = (
        node.image for node in mesh.materials[0].node_tree.nodes if node.type == 'TEX_IMAGE'
    )
    pixels = np.empty((image.size[1], image.size[0], 4), np.float32)
    image.pixels.foreach_get(pixels.ravel())
    best = None
    for polygon in mesh.polygons:
        if polygon.normal.dot(normal) > 0.9:
            for loop in polygon.loop_indices:
                distance = np.linalg.norm(
                    np.array(mesh.vertices[mesh.loops[loop].vertex_index].co) - point
                )
                if best is None or distance < best[0]:
                    best = distance, mesh.uv_layers.active.uv[loop].vector
    u, v = best[1]
    size = image.size[0]
    return pixels[min(int(v * size), size - 1), min(int(u * size), size - 1), :3]


def test_the_views_stay_with_the_object_in_its_frame(block, tmp_path):
    views = source_views.decode_views(source_views.load_views(block))
    assert len(views) == 2 and all(view.camera.orthographic for view in views)
    corner = np.array(
        ((1.0, -0.5, 2.0),)
    )  # the upper right front, as the block stands on the ground
    for view in views:
        at, _ = view.camera.project(corner)
        np.testing.assert_allclose(at[0], (88, 8) if view is views[0] else (28, 8), atol=0.7)
    path = str(tmp_path / "kept.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    again = source_views.decode_views(source_views.load_views(bpy.data.objects["front"]))
    np.testing.assert_allclose(again[0].image, views[0].image)


def test_texture(block):
    block.location, block.rotation_euler, block.scale = (
        (1, 1, 1),
        (0, 0, 1),
        (2, 1, 1),
    )  # the views go with it
    assert bpy.ops.maquette.texture(texture_size='512') == {'FINISHED'}
    (image,) = (image for image in bpy.data.images if image.name == "front texture")
    assert image.packed_file and tuple(image.size) == (512, 512)
    front, right = (0, -1, 0), (1, 0, 0)
    np.testing.assert_allclose(
        shown_at(block, (-0.5, -0.5, 0.5), front), HALVES["front"], atol=0.06
    )
    np.testing.assert_allclose(
        shown_at(block, (-0.5, -0.5, 1.5), front), HALVES["front"], atol=0.06
    )  # not mirrored
    np.testing.assert_allclose(shown_at(block, (0.5, -0.5, 1.5), front), (1, 1, 1), atol=0.06)
    np.testing.assert_allclose(shown_at(block, (1, 0.0, 1), right), HALVES["right"], atol=0.06)
    assert block.data.color_attributes[
        "Color"
    ]  # for what needs no texture, and for finishing again


@pytest.mark.parametrize("location, scale", [((1.5, 0, 0), 1), ((0, 0, 0), 2)])
def test_pictures_that_no_longer_lie_on_the_mesh_are_left_out_and_told_of(block, location, scale):
    block.data.transform(Matrix.Translation(location) @ Matrix.Scale(scale, 4))
    assert source_views.count_stale(block) >= 1
    assert bpy.ops.maquette.texture(texture_size='512') == {'FINISHED'}
    assert "source images were ignored" in block["maquette_finished"][-1]
    (image,) = (image for image in bpy.data.images if image.name == "front texture")
    pixels = np.array(image.pixels).reshape(-1, 4)[:, :3]
    red = block.data.color_attributes["Color"]
    front = max(block.data.polygons, key=lambda polygon: -polygon.normal.y).vertices[0]
    assert (
        np.abs(pixels - np.array(red.data[front].color_srgb)[:3]).max(1).min() < 0.1
    )  # the mesh's own colour


def test_a_sculpted_mesh_keeps_its_pictures(block):
    for vertex in block.data.vertices:
        vertex.co.x *= 1.3
    assert source_views.count_stale(block) == 0 and len(source_views.load_views(block)) == 2


def test_a_second_texture_replaces_the_first(block):
    for _ in range(2):
        bpy.ops.maquette.texture(texture_size='512')
    assert sorted(image.name for image in bpy.data.images) == [
        "front texture",
        "front view",
        "front view.001",
    ]
    assert len(bpy.data.materials) == len(block.data.materials) == 1
    assert len(block.data.uv_layers) == 1


@pytest.mark.parametrize("system", ['IMPERIAL', 'NONE'])
def test_a_print_in_other_units(block, system):
    bpy.context.scene.unit_settings.system = system
    assert bpy.ops.maquette.finish(preset='PRINT') == {'FINISHED'}
    assert bpy.context.scene.unit_settings.system == system
    assert (
        block["maquette_finished"][-1].startswith("thinnest wall")
        or "mm" in block["maquette_finished"][-2]
    )


def test_a_texture_takes_the_place_of_many_uv_maps(block):
    for name in "abcd":
        block.data.uv_layers.new(name=name)
    assert bpy.ops.maquette.texture(texture_size='512') == {'FINISHED'}
    assert len(block.data.uv_layers) == 1
    np.testing.assert_allclose(shown_at(block, (0.5, -0.5, 1.5), (0, -1, 0)), (1, 1, 1), atol=0.06)


@pytest.mark.parametrize(
    "preset, faces", [("BLOCK_OUT", 300), ("SCULPT", 800), ("PRINT", 0), ("GAME", 500)]
)
def test_presets(block, preset, faces):
    mesh = block.data.name
    assert bpy.ops.maquette.finish(preset=preset, faces=faces, texture_size='512') == {'FINISHED'}
    assert check_topology(meshes.to_arrays(block.data)).is_watertight
    assert (block.data.name, len(bpy.data.meshes), len(bpy.data.scenes)) == (mesh, 1, 1)
    assert tuple(block.location) == (3, 4, 5)
    assert block["maquette_finished"][1] == "closed, manifold, outward"
    if faces:
        assert abs(len(block.data.polygons) / faces - 1) <= 0.15
    assert ("front texture" in bpy.data.images) == (preset == 'GAME')
    if preset == 'GAME':
        np.testing.assert_allclose(
            shown_at(block, (0.5, -0.5, 1.5), (0, -1, 0)), (1, 1, 1), atol=0.06
        )
    if preset == 'PRINT':
        assert bpy.context.scene.unit_settings.length_unit == 'METERS'
        size, wall, _ = block["maquette_finished"][-3:]
        lengths = [float(length) for length in size.removesuffix(" mm").split(" x ")]
        assert lengths == pytest.approx([1000 * axis for axis in block.dimensions], abs=0.1)
        thinnest = float(wall.removeprefix("thinnest wall ").removesuffix(" mm"))
        assert 0.95 * 1000 * block.dimensions.y < thinnest <= 1000 * block.dimensions.y


def test_thin_walls_are_warned_of_and_selected(addon):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(1, 0, 0))
    cube = bpy.context.object
    cube.scale = (0.02, 0.02, 0.0004)
    bpy.context.view_layer.update()
    assert bpy.ops.maquette.finish(preset='PRINT', wall=0.001, millimeters=True) == {'FINISHED'}
    assert bpy.context.scene.unit_settings.length_unit == 'MILLIMETERS'
    size, wall, where = cube["maquette_finished"][-3:]
    assert (size, wall) == ("20.0 x 20.0 x 0.4 mm", "thinnest wall 0.40 mm")
    place = [float(word) for word in where.partition("(")[2].partition(")")[0].split(", ")]
    assert abs(place[0] - 1000) < 10 and abs(place[1]) < 10 and abs(place[2]) < 0.01
    chosen = [abs(polygon.normal.z) > 0.9 for polygon in cube.data.polygons if polygon.select]
    assert len(chosen) == 4 and all(chosen)


@pytest.mark.parametrize("own", [True, False])
def test_the_confidence_stays_and_its_heat_is_not_baked(block, own):
    mesh = block.data
    sure = meshes.confidence_of(mesh)
    top = np.array([vertex.co.z for vertex in mesh.vertices]) > 1
    mesh.attributes["Confidence"].data.foreach_set("value", top.astype(np.float32))
    assert len(sure) == len(top)
    if not own:
        mesh.color_attributes.remove(mesh.color_attributes["Color"])
    before = meshes.to_arrays(mesh).colors
    assert bpy.ops.maquette.show_confidence() == {'FINISHED'}
    np.testing.assert_array_equal(meshes.to_arrays(mesh).colors, before)  # not red and blue
    assert bpy.ops.maquette.finish(preset='BLOCK_OUT', faces=300) == {'FINISHED'}
    made = meshes.to_arrays(block.data)
    high, low = made.vertices[:, 2] > 1.3, made.vertices[:, 2] < 0.7
    assert made.confidence[high].min() == 1 and made.confidence[low].max() == 0
    assert [each.name for each in block.data.color_attributes] == ["Color"]
    assert bpy.ops.maquette.show_confidence() == {'FINISHED'}


def test_a_multiresolution_modifier(block):
    bpy.ops.maquette.finish(preset='SCULPT', faces=300, multires=2)
    (modifier,) = block.modifiers
    assert (modifier.type, modifier.total_levels) == ('MULTIRES', 2)
    bpy.ops.maquette.finish(preset='BLOCK_OUT', faces=300)
    assert not block.modifiers


def test_an_object_without_pictures_is_textured_in_its_own_colors(addon):
    bpy.ops.mesh.primitive_cube_add(size=1)
    cube = bpy.context.object
    material = bpy.data.materials.new("Look")
    material.diffuse_color = (1, 0, 0, 1)
    cube.data.materials.append(material)
    assert bpy.ops.maquette.texture(texture_size='512') == {'FINISHED'}
    np.testing.assert_allclose(shown_at(cube, (0.5, 0.5, 0.5), (0, 0, 1)), (1, 0, 0), atol=0.01)


def flat(addon):
    bpy.ops.mesh.primitive_plane_add()
    bpy.context.object.data.vertices.foreach_set("co", np.zeros(12, np.float32))


def empty(addon):
    obj = bpy.data.objects.new("Nothing", bpy.data.meshes.new("Nothing"))
    bpy.context.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj


@pytest.mark.parametrize("make", [flat, empty])
@pytest.mark.parametrize("preset", ['BLOCK_OUT', 'GAME'])
def test_on_errors_all_is_as_before(addon, scene_state, make, preset):
    make(addon)
    before = scene_state()
    with pytest.raises(RuntimeError, match=r"Finish: .*(no faces|encloses no volume|no extent)"):
        bpy.ops.maquette.finish(preset=preset)
    assert scene_state() == before


def test_what_cannot_come_along_is_named(addon):
    bpy.ops.mesh.primitive_uv_sphere_add()
    obj = bpy.context.object
    obj.shape_key_add(name="Basis")
    obj.shape_key_add(name="Smile")
    obj.vertex_groups.new(name="Arm").add([0, 1], 1.0, 'REPLACE')
    obj.modifiers.new("Bend", 'SIMPLE_DEFORM')
    obj.modifiers.new("Rig", 'ARMATURE')
    assert bpy.ops.maquette.finish(preset='GAME') == {'FINISHED'}
    report = "; ".join(obj["maquette_finished"])
    assert "not kept: 2 shape keys, 1 vertex groups, 1 UV maps" in report
    assert "act on the new mesh: Bend, Rig" in report and "armature moves nothing" in report
    assert not obj.data.shape_keys and not obj.vertex_groups


def test_the_report_compares_with_the_mesh_before(addon):
    bpy.ops.mesh.primitive_uv_sphere_add()
    obj = bpy.context.object
    bm = bmesh.new()
    bm.from_mesh(obj.data)
    bm.faces.ensure_lookup_table()
    bmesh.ops.delete(bm, geom=[bm.faces[100]], context='FACES')
    bm.to_mesh(obj.data)
    bm.free()
    assert bpy.ops.maquette.finish(preset='BLOCK_OUT') == {'FINISHED'}
    report = "; ".join(obj["maquette_finished"])
    assert "open edges; 1 hole filled; area 12." in report
    assert "; volume 4.1 m³ (-0." in report or "; volume 4.09 m³ (-0." in report
    assert "; size -0." in report and "largest distance" in report


def test_a_loss_is_refused_and_all_is_as_before(addon, scene_state):
    bpy.ops.mesh.primitive_monkey_add()
    before = scene_state()
    with pytest.raises(RuntimeError, match="was not changed, because with"):
        bpy.ops.maquette.finish(preset='GAME', faces=12)
    assert scene_state() == before


@pytest.mark.parametrize("scale", [(1, 1, -1), (-2, 1, 1), (0, 1, 1)])
def test_a_cup_of_any_scale_stays_open_at_its_top(addon, scale):
    """Turned over by its scale, it stands on its opening, and is filled."""
    bpy.ops.mesh.primitive_cylinder_add()
    cup = bpy.context.object
    bm = bmesh.new()
    bm.from_mesh(cup.data)
    bmesh.ops.delete(bm, geom=[f for f in bm.faces if f.normal.z > 0.9], context='FACES')
    bm.to_mesh(cup.data)
    bm.free()
    cup.scale = scale
    bpy.context.view_layer.update()
    if not all(scale):
        with pytest.raises(RuntimeError, match="scaled to 0"):
            bpy.ops.maquette.finish(preset='GAME')
        return
    assert bpy.ops.maquette.finish(preset='GAME') == {'FINISHED'}
    volume = check_topology(meshes.to_arrays(cup.data)).volume
    assert (volume > 6) == (scale[2] < 0) and (volume < 1) == (scale[2] > 0)


class Module(PythonInterpreter):
    """This Python, in which bpy is there before all else, as in a Blender."""

    def command_words(self, code):
        return super().command_words(f"import bpy\n{code}")


@pytest.fixture(params=["this Python, which has bpy", "blender"])
def second_blender(request, addon, monkeypatch):
    """A program that Finish may take for another Blender."""
    from maquette.operators import _compute

    if request.param == "blender":
        return shutil.which("blender") or pytest.skip("there is no Blender on this computer's path")
    monkeypatch.setattr(
        _compute,
        "BlenderInterpreter",
        lambda program: Module(*vars(PythonInterpreter.current()).values()),
    )
    return sys.executable


def beside_window(program, obj, **settings):
    from maquette.operators import _compute

    arguments = (
        meshes.to_arrays(obj.data),
        source_views.load_views(obj),
        FinishSettings(**settings),
        256,
    )
    return arguments, _compute._beside_window(program, 60, pipeline.finish_and_texture, arguments)


def test_a_second_blender_makes_the_same_in_short_steps(block, second_blender):
    from maquette.operators import _compute

    arguments, work = beside_window(second_blender, block, preset="game", faces=500)
    driver, stages, longest, done = SteppedTask(work), set(), 0.0, False
    while not done:
        time.sleep(0.01)
        began = time.thread_time()
        done = driver.poll()
        longest = max(longest, time.thread_time() - began)
        stages.add(driver.progress.stage)
    result = driver.result()
    assert longest < 0.05 and {"Starting", "Unwrapping"} <= stages
    assert check_topology(result.finished.mesh).is_watertight and result.texture.size == (256, 256)
    if second_blender == sys.executable:
        here = run_to_end(pipeline.finish_and_texture(*arguments))
        assert result.finished.mesh.has_same_surface(here.finished.mesh)
        assert result.texture.png.tobytes() == here.texture.png.tobytes()
    assert (
        _compute.is_worker_alive()
        and bpy.ops.maquette.release_memory() == {'FINISHED'}
        and not _compute.is_worker_alive()
    )


@pytest.mark.parametrize("program", ["/nowhere/blender", shutil.which("false")])
def test_where_no_second_blender_starts_it_runs_here(block, program):
    from maquette.operators import _compute

    _, work = beside_window(program, block, preset="game", faces=500)
    assert len(run_to_end(work).finished.mesh.faces) <= 500 and not _compute.is_worker_alive()


def test_what_was_changed_meanwhile_stays(block):
    from maquette.operators.finish import _ActiveMesh

    class Begun(_ActiveMesh):
        bl_label = "Finish"
        _name = block.name

    begun = Begun()
    work = begun._finishing_task(FinishSettings("print"), 0)
    block.data.vertices[0].co.x += 0.01  # before its turn has come
    run_to_end(work)
    bpy.ops.object.mode_set(mode='EDIT')
    with pytest.raises(MeshError, match="'front' is in Edit Mode"):
        run_to_end(begun._finishing_task(FinishSettings("print"), 0))
    assert begun.active_object(bpy.context) == block and block.mode == 'OBJECT'
    block.data.vertices[0].co.x += 0.01
    with pytest.raises(MeshError, match="'front' was edited while the job was running"):
        begun.active_object(bpy.context)
    bpy.data.objects.remove(block)
    with pytest.raises(MeshError, match="'front' no longer exists"):
        begun.active_object(bpy.context)


def test_adjusting_what_is_cheap_does_not_remesh(block, monkeypatch):
    other = block.copy()
    other.data = block.data.copy()
    bpy.context.collection.objects.link(other)
    assert bpy.ops.maquette.finish(faces=300) == {'FINISHED'}
    monkeypatch.setattr(remesh, "remesh", None)  # would raise, if it were called
    bpy.context.view_layer.objects.active = other
    assert bpy.ops.maquette.finish(faces=300, smooth_angle=0.1) == {'FINISHED'}
    assert meshes.to_arrays(other.data).has_same_surface(meshes.to_arrays(block.data))
    with pytest.raises(RuntimeError, match="NoneType"):
        bpy.ops.maquette.finish(faces=200)


def test_needs_a_mesh_in_object_mode(addon):
    with pytest.raises(RuntimeError, match="Select a mesh object"):
        bpy.ops.maquette.finish()
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode='EDIT')
    with pytest.raises(RuntimeError, match="Object Mode"):
        bpy.ops.maquette.texture()


def test_faces_of_mixed_kinds_are_not_textured_as_they_are(addon):
    bpy.ops.mesh.primitive_cylinder_add(vertices=6)
    with pytest.raises(RuntimeError, match="triangles and quads"):
        bpy.ops.maquette.texture()


@pytest.mark.slow
@pytest.mark.parametrize("pictures_of", [("front", "right"), ("photo",)], ids=" and ".join)
def test_every_preset_of_the_bundled_samples_is_sound(addon, pictures_of):
    from pathlib import Path

    folder = Path(meshes.__file__).parents[1] / "samples"
    names = ["filepath"] if pictures_of == ("photo",) else pictures_of
    paths = {
        name: str(folder / f"{picture}.png")
        for name, picture in zip(names, pictures_of, strict=True)
    }
    bpy.ops.maquette.reconstruct(**paths, resolution=64, name="Made")
    made = bpy.context.object
    for preset, faces in (("BLOCK_OUT", 1000), ("SCULPT", 2000), ("PRINT", 8000), ("GAME", 3000)):
        obj = made.copy()
        obj.data = made.data.copy()
        bpy.context.collection.objects.link(obj)
        bpy.context.view_layer.objects.active = obj
        assert bpy.ops.maquette.finish(preset=preset, faces=faces, texture_size='512') == {
            'FINISHED'
        }
        assert check_topology(meshes.to_arrays(obj.data)).is_watertight, preset
        assert abs(len(obj.data.polygons) / faces - 1) <= 0.15, preset
