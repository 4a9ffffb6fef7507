"""What an imported file shows: nothing more, in its colors, and without running its scripts."""

import logging
from pathlib import Path

import bpy
import numpy as np
import pytest
from maquette.core.scene import compat

CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
RED = (0.9, 0.05, 0.05, 1.0)


def add_cube(name, x=0.0, collection=None):
    """Add a red cube of 1 m with its low corner at (x, 0, 0)."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(CORNERS, [], FACES)
    obj = bpy.data.objects.new(name, mesh)
    obj.location.x = x
    (collection or bpy.context.scene.collection).objects.link(obj)
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = RED
    mesh.materials.append(material)
    return obj


def add_collection(name):
    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    return collection, bpy.context.view_layer.layer_collection.children[name]


def hide_object():
    add_cube("Hidden", 3).hide_render = True


def hold_out_object():
    add_cube("Hole", 3).is_holdout = True


def catch_shadows():
    add_cube("Floor", 3).is_shadow_catcher = True


def hide_from_cameras():
    add_cube("Unseen", 3).visible_camera = False


def hide_collection():
    collection, _ = add_collection("Widgets")
    collection.hide_render = True
    below = bpy.data.collections.new("Below")
    collection.children.link(below)
    add_cube("Widget", 3, below)


def exclude_collection():
    collection, layer = add_collection("Old")
    add_cube("Old", 3, collection)
    layer.exclude = True


def hold_out_collection():
    collection, layer = add_collection("Holes")
    add_cube("Hole", 3, collection)
    layer.holdout = True


def leave_orphan():
    orphan = add_cube("Orphan", 3)
    bpy.context.scene.collection.objects.unlink(orphan)
    orphan.use_fake_user = True


def add_other_scene():
    scene = bpy.data.scenes.new("Another")
    add_cube("Elsewhere", 3, scene.collection)


def add_light_and_camera():
    for name, data in (
        ("Sun", bpy.data.lights.new("Sun", 'SUN')),
        ("Camera", bpy.data.cameras.new("Camera")),
    ):
        bpy.context.scene.collection.objects.link(bpy.data.objects.new(name, data))


NOT_SHOWN = (
    hide_object,
    hold_out_object,
    catch_shadows,
    hide_from_cameras,
    hide_collection,
    exclude_collection,
    hold_out_collection,
    leave_orphan,
    add_other_scene,
    add_light_and_camera,
)


@pytest.fixture
def empty(addon):
    """Return the functions of the module, in an empty file."""
    from maquette.core.scene.importing import mesh_import

    return mesh_import


def save(path):
    """Save the open file as ``path``, and open an empty one."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return path


def bounds_of(mesh_import, objects):
    vertices = mesh_import.world_triangles(objects).vertices
    return [vertices.min(axis=0).tolist(), vertices.max(axis=0).tolist()]


def base_color(material):
    return material.node_tree.nodes["Principled BSDF"].inputs["Base Color"]


@pytest.mark.parametrize("add_hidden", NOT_SHOWN, ids=lambda function: function.__name__)
def test_of_a_blend_file_only_what_renders_show_is_imported(empty, tmp_path, add_hidden):
    add_cube("Shown")
    add_hidden()
    path = save(tmp_path / "file.blend")
    before = {name: len(getattr(bpy.data, name)) for name in ("objects", "scenes", "materials")}
    with empty.imported_objects(path) as objects:
        assert [obj.name for obj in objects] == ["Shown"]
        assert bounds_of(empty, objects) == [[0, 0, 0], [1, 1, 1]]
    assert before == {name: len(getattr(bpy.data, name)) for name in before}


def test_objects_that_only_the_viewport_hides_are_imported_where_they_are(empty, tmp_path):
    add_cube("Off").hide_viewport = True
    bpy.data.objects["Off"].location.x = 5
    path = save(tmp_path / "file.blend")
    with empty.imported_objects(path) as objects:
        assert bounds_of(empty, objects) == [[5, 0, 0], [6, 1, 1]]


def test_instanced_collections_are_where_they_are_instanced_alone(empty, tmp_path):
    leg = bpy.data.collections.new("Leg")
    add_cube("Leg", 0, leg)
    bpy.data.scenes.new("Library").collection.children.link(leg)
    for x in (-3.0, 3.0):
        instance = bpy.data.objects.new("Instance", None)
        instance.instance_type = 'COLLECTION'
        instance.instance_collection = leg
        instance.location.x = x
        bpy.context.scene.collection.objects.link(instance)
    path = save(tmp_path / "file.blend")
    with empty.imported_objects(path, "Scene") as objects:
        mesh = empty.world_triangles(objects)
        assert len(mesh.faces) == 2 * 12
        xs = sorted(set(mesh.vertices[:, 0].tolist()))
        assert xs == [-3, -2, 3, 4]


def test_linked_objects_are_imported(empty, tmp_path):
    add_cube("Part")
    library = save(tmp_path / "parts.blend")
    with bpy.data.libraries.load(str(library), link=True) as (_, target):
        target.objects = ["Part"]
    bpy.context.scene.collection.objects.link(target.objects[0])
    path = save(tmp_path / "file.blend")
    with empty.imported_objects(path) as objects:
        assert bounds_of(empty, objects) == [[0, 0, 0], [1, 1, 1]]
    assert not bpy.data.libraries


def test_a_file_without_a_scene_shows_its_objects(empty, tmp_path):
    cube = add_cube("Cube")
    path = tmp_path / "objects.blend"
    bpy.data.libraries.write(str(path), {cube})
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with empty.imported_objects(path) as objects:
        assert [obj.name for obj in objects] == ["Cube"]


def test_drivers_of_a_file_run_no_python_even_where_scripts_may_run(empty, tmp_path):
    mark = tmp_path / "ran"
    cube = add_cube("Cube")
    cube.driver_add("location", 0).driver.expression = f"open({str(mark)!r}, 'w') and 1"
    cube.driver_add("location", 1).driver.expression = "1 + 1"
    path = save(tmp_path / "file.blend")
    mark.unlink(missing_ok=True)
    preferences = bpy.context.preferences.filepaths
    preferences.use_scripts_auto_execute = True
    try:
        with empty.imported_objects(path) as objects:
            bpy.context.view_layer.update()
            assert bounds_of(empty, objects) == [[0, 2, 0], [1, 3, 1]]
    finally:
        preferences.use_scripts_auto_execute = False
    assert not mark.exists()


def test_the_shape_of_bones_is_not_imported(empty, tmp_path):
    post = add_cube("Post")
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode='EDIT')
    armature.data.edit_bones.new("Bone").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode='OBJECT')
    post.parent = armature
    post.modifiers.new("Rig", 'ARMATURE').object = armature
    group = post.vertex_groups.new(name="Bone")
    group.add(range(8), 1.0, 'REPLACE')
    path = tmp_path / "skinned.glb"
    bpy.ops.export_scene.gltf(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with empty.imported_objects(path) as objects:
        assert [obj.name for obj in objects if obj.type == 'MESH'] == ["Post"]
        np.testing.assert_allclose(bounds_of(empty, objects), [[0, 0, 0], [1, 1, 1]], atol=1e-6)


def colored_obj(path):
    """Write a cube that is red at z = 0 and blue at z = 1 in the file."""
    lines = [f"v {x} {y} {z} {1 - z} 0 {z}" for x, y, z in CORNERS]
    lines += ["f " + " ".join(str(index + 1) for index in face) for face in FACES]
    path.write_text("\n".join(lines) + "\n")


def colored_ply(path):
    header = "ply\nformat ascii 1.0\nelement vertex 8\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz")
    header += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    header += "element face 6\nproperty list uchar int vertex_indices\nend_header\n"
    lines = [f"{x} {y} {z} {255 * (1 - z)} 0 {255 * z}" for x, y, z in CORNERS]
    lines += ["4 " + " ".join(map(str, face)) for face in FACES]
    path.write_text(header + "\n".join(lines) + "\n")


@pytest.mark.parametrize(("suffix", "write"), [(".obj", colored_obj), (".ply", colored_ply)])
def test_colors_of_vertices_are_the_color_of_the_material(empty, tmp_path, suffix, write):
    path = tmp_path / f"colored{suffix}"
    write(path)
    with empty.imported_objects(path) as (obj,):
        (material,) = obj.data.materials
        (link,) = base_color(material).links
        assert link.from_node.type == 'VERTEX_COLOR'
        attribute = obj.data.color_attributes[link.from_node.layer_name]
        colors = np.array([item.color[:3] for item in attribute.data])
        height = np.array([vertex.co.z for vertex in obj.data.vertices])
        np.testing.assert_allclose(colors[:, 2], height, atol=1e-6)
        np.testing.assert_allclose(colors[:, 0], 1 - height, atol=1e-6)
    assert not bpy.data.materials


def test_colors_of_vertices_leave_textures_alone(empty, tmp_path):
    from maquette.core.scene import meshes

    mesh = add_cube("Cube").data
    mesh.color_attributes.new("Color", 'FLOAT_COLOR', 'POINT')
    (material,) = mesh.materials
    image = material.node_tree.nodes.new('ShaderNodeTexImage')
    material.node_tree.links.new(image.outputs["Color"], base_color(material))
    meshes.show_vertex_colors(mesh)
    (link,) = base_color(mesh.materials[0]).links
    assert link.from_node.type == 'TEX_IMAGE'


def textured_obj(folder, texture):
    """Write a dark red triangle with a texture."""
    path = folder / "textured.obj"
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\n"
    path.write_text(f"mtllib textured.mtl\nusemtl a\n{corners}f 1/1 2/1 3/1\n")
    (folder / "textured.mtl").write_text(f"newmtl a\nKd 0.8 0.1 0.1\nmap_Kd {texture}\n")
    return path


def test_a_material_without_its_texture_has_its_plain_color(empty, tmp_path):
    path = textured_obj(tmp_path, "gone.png")
    lost = str(tmp_path / "gone.png")
    with empty.imported_objects(path) as (obj,):
        assert base_color(obj.data.materials[0]).is_linked  # it is not looked for here
    with empty.imported_objects(path, unreadable=(lost,)) as (obj,):
        socket = base_color(obj.data.materials[0])
        assert not socket.is_linked
        np.testing.assert_allclose(socket.default_value[:3], (0.8, 0.1, 0.1), atol=1e-6)


def test_what_computes_with_a_missing_texture_gets_white_and_nothing_glows(empty, tmp_path):
    from maquette.core.scene import materials

    material = add_cube("Cube").data.materials[0]
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    image = bpy.data.images.new("Lost", 1, 1)
    texture = tree.nodes.new('ShaderNodeTexImage')
    texture.image = image
    mix = tree.nodes.new('ShaderNodeVectorMath')
    tree.links.new(texture.outputs["Color"], mix.inputs[0])
    tree.links.new(texture.outputs["Color"], shader.inputs["Emission Color"])
    tree.links.new(texture.outputs["Alpha"], shader.inputs["Alpha"])
    materials.remove_images(material, {image})
    assert not shader.inputs["Alpha"].is_linked and shader.inputs["Alpha"].default_value == 1
    assert tuple(shader.inputs["Emission Color"].default_value) == (0, 0, 0, 1)
    (link,) = mix.inputs[0].links
    assert link.from_node.type == 'RGB'
    assert tuple(link.from_socket.default_value) == (1, 1, 1, 1)
    assert texture.image is None  # Cycles would load it, though nothing shows it


def test_images_of_too_many_pixels_are_refused(empty, monkeypatch):
    from maquette.core.errors import MeshError
    from maquette.core.scene.importing import import_check

    image = bpy.data.images.new("Large", 20, 10)
    import_check.require_size(image)
    monkeypatch.setattr(import_check, "_MOST_PIXELS", 199)
    with pytest.raises(MeshError, match="Large has 200 pixels, but the limit is 199"):
        import_check.require_size(image)


def test_what_is_no_regular_file_is_refused(empty, tmp_path):
    from maquette.core.errors import MeshError

    (tmp_path / "folder.glb").mkdir()
    for name, text in (("folder.glb", "not a regular file"), ("none.glb", "does not exist")):
        with pytest.raises(MeshError, match=text), empty.imported_objects(tmp_path / name):
            pass


def test_the_reason_in_a_traceback_is_one_line(empty):
    text = (
        'Error: Python: Traceback (most recent call last):\n  File "node.py", line 1, in create\n'
        "RecursionError: maximum recursion depth exceeded\nLocation: ops.py:109\n"
    )
    line = empty.one_line(RuntimeError(text))
    assert line == "RecursionError: maximum recursion depth exceeded"
    assert empty.one_line(RuntimeError("Error: Bad glTF\n")) == "Bad glTF"
    assert empty.one_line(ValueError()) == "ValueError"


def test_a_disabled_importer_is_reported(empty, tmp_path):
    from maquette.core.errors import MeshError

    path = Path(tmp_path / "thing.glb")
    path.write_bytes(b"glTF")
    bpy.ops.preferences.addon_disable(module="io_scene_gltf2")
    try:
        with pytest.raises(MeshError, match="disabled"), empty.imported_objects(path):
            pass
    finally:
        bpy.ops.preferences.addon_enable(module="io_scene_gltf2")


def test_a_broken_gltf_leaves_no_handler_in_the_log(empty, tmp_path):
    from maquette.core.errors import MeshError

    path = tmp_path / "broken.glb"
    path.write_bytes(b"glTF" + bytes(16))
    loggers = [logging.getLogger(name) for name in ("glTFImporter", "glTFImporter_errors")]
    before = [list(logger.handlers) for logger in loggers]
    with pytest.raises(MeshError), empty.imported_objects(path):
        pass
    assert [logger.handlers for logger in loggers] == before
