"""Every kind of file is written, and read again by Blender's own importers."""

import json
import os
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.errors import OutputError
from maquette.core.scene.importing.mesh_import import imported_objects, world_triangles

# 2 wide (x), 1 deep (y), 4 tall (z), standing on the ground; its tip leans towards the front (-Y)
WEDGE = MeshArrays(
    np.array([[-1, -0.5, 0], [1, -0.5, 0], [1, 0.5, 0], [-1, 0.5, 0], [0, -0.5, 4]], np.float32),
    np.array([[0, 2, 1], [0, 3, 2], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], np.int32),
    np.array([[1, 0.5, 0]] * 5, np.float32),
)


@pytest.fixture
def wedge(addon):
    from maquette.core.scene.meshes import new_object

    bpy.ops.mesh.primitive_cube_add(size=20)  # must stay out of the file
    obj = new_object("Wedge", WEDGE)
    bpy.context.collection.objects.link(obj)
    return obj


def write(path, obj):
    from maquette.core.scene import exporting

    exporting.write_meshes(path, obj)


@pytest.mark.parametrize(
    "suffix", [".glb", ".gltf", ".obj", ".ply", ".stl", ".usd", ".usda", ".usdc", ".usdz", ".blend"]
)
def test_reads_back_as_it_was(wedge, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    selected = list(bpy.context.selected_objects)
    write(path, wedge)
    assert list(bpy.context.selected_objects) == selected
    with read_back(path) as objects:
        if suffix in (".ply", ".stl"):  # no axes are stored in these: Z is up as in Blender
            assert all(tuple(obj.rotation_euler) == (0, 0, 0) for obj in objects)
        bpy.context.view_layer.update()
        read = world_triangles(objects)
        np.testing.assert_allclose(read.vertices.min(0), (-1, -0.5, 0), atol=1e-4)
        np.testing.assert_allclose(read.vertices.max(0), (1, 0.5, 4), atol=1e-4)
        assert len(read.faces) == 6
        if suffix != ".stl":
            (mesh,) = (obj.data for obj in objects if obj.type == 'MESH')
            np.testing.assert_allclose(
                mesh.color_attributes[0].data[0].color_srgb[:3], (1, 0.5, 0), atol=0.01
            )


@contextmanager
def read_back(path):
    if path.suffix.startswith(".usd"):
        before = set(bpy.data.objects)
        bpy.ops.wm.usd_import(filepath=str(path))
        yield [obj for obj in bpy.data.objects if obj not in before]
    else:
        with imported_objects(path) as objects:
            yield objects


@pytest.fixture
def textured(addon):
    """A wedge with a texture: left half red, right half green, a blue row at the bottom."""
    from maquette.core.scene.finishing.texturing import apply_texture, encode_texture
    from maquette.core.scene.meshes import new_object

    obj = new_object("Wedge", MeshArrays(WEDGE.vertices, WEDGE.faces, WEDGE.colors))
    bpy.context.collection.objects.link(obj)
    picture = np.zeros((32, 64, 3), np.float32)
    picture[:, :32, 0] = picture[:, 32:, 1] = 1
    picture[30:, :, 2] = 1
    uv = np.random.default_rng(0).random((6, 3, 2)).astype(np.float32)
    apply_texture(obj, encode_texture(picture, uv))
    return obj, picture, uv


@pytest.mark.parametrize("suffix", [".glb", ".gltf", ".obj", ".usd", ".usdc", ".usdz", ".blend"])
def test_a_texture_reads_back_texel_by_texel(textured, tmp_path, suffix):
    obj, picture, _uv = textured
    path = tmp_path / f"out{suffix}"
    write(path, obj)
    (image,) = (image for image in bpy.data.images if image.name.startswith("Wedge"))
    assert image.packed_file and tuple(image.size) == (64, 32)
    where = corner_colors(obj)
    bpy.data.images.remove(image)
    with read_back(path) as objects:
        (read,) = (each for each in objects if each.type == 'MESH')
        (found,) = (
            node.image
            for node in read.data.materials[0].node_tree.nodes
            if node.type == 'TEX_IMAGE'
        )
        assert tuple(found.size) == (64, 32)
        pixels = np.empty((32, 64, 4), np.float32)
        found.pixels.foreach_get(pixels.ravel())
        np.testing.assert_allclose(pixels[::-1, :, :3], picture, atol=1 / 255)
        shader = next(
            node
            for node in read.data.materials[0].node_tree.nodes
            if node.type == 'BSDF_PRINCIPLED'
        )
        assert shader.inputs["Base Color"].is_linked
        bpy.context.view_layer.update()
        back = corner_colors(read)
        assert set(back) == set(where)
        for key, places in where.items():
            np.testing.assert_allclose(sorted(back[key]), sorted(places), atol=1e-3)


def corner_colors(obj):
    """The UV places at each vertex, by where it stands."""
    bpy.context.view_layer.update()
    mesh, places = obj.data, {}
    for loop, uv in zip(mesh.loops, mesh.uv_layers.active.uv, strict=True):
        at = obj.matrix_world @ mesh.vertices[loop.vertex_index].co
        places.setdefault(tuple(round(axis, 2) + 0.0 for axis in at), []).append(tuple(uv.vector))
    return places


def test_obj_has_its_texture_beside_it_and_leaves_the_picture_of_that_name(textured, tmp_path):
    (tmp_path / "out.png").write_bytes(b"what it was made from")
    write(tmp_path / "out.obj", textured[0])
    assert {path.name for path in tmp_path.iterdir()} == {
        "out.obj",
        "out.mtl",
        "out_texture.png",
        "out.png",
    }
    assert "map_Kd out_texture.png" in (tmp_path / "out.mtl").read_text()
    assert (tmp_path / "out.png").read_bytes() == b"what it was made from"
    (image,) = (image for image in bpy.data.images if image.name.startswith("Wedge"))
    assert image.packed_file and image.filepath == ""


def test_ply_keeps_the_colors_and_is_not_cut_along_seams(textured, tmp_path):
    write(tmp_path / "out.ply", textured[0])
    with read_back(tmp_path / "out.ply") as objects:
        mesh = objects[0].data
        assert len(mesh.vertices) == 5
        np.testing.assert_allclose(
            mesh.color_attributes[0].data[0].color_srgb[:3], (1, 0.5, 0), atol=0.01
        )


def glb_json(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def test_gltf_has_y_up_and_colors_and_nothing_else(wedge, tmp_path):
    path = tmp_path / "out.glb"
    write(path, wedge)
    content = glb_json(path)
    assert [node["name"] for node in content["nodes"]] == ["Wedge"]
    primitive = content["meshes"][0]["primitives"][0]
    assert "COLOR_0" in primitive["attributes"]
    place = content["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_allclose(
        (place["min"], place["max"]), ((-1, 0, -0.5), (1, 4, 0.5)), atol=1e-6
    )
    assert not {"translation", "rotation", "scale"} & set(content["nodes"][0])


def test_a_blend_file_opens_with_the_object_in_its_scene(wedge, tmp_path):
    path = tmp_path / "out.blend"
    scenes = set(bpy.data.scenes)
    write(path, wedge)
    assert set(bpy.data.scenes) == scenes
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert [obj.name for obj in bpy.context.scene.objects] == ["Wedge"]
    assert bpy.data.materials["Wedge"].node_tree.nodes


def test_usd_shows_the_colors_in_any_viewer_and_brings_no_light(wedge, tmp_path):
    mesh = wedge.data
    world = bpy.data.worlds.new("World")
    bpy.context.scene.world = world
    before = (mesh.color_attributes.active_color.name, list(mesh.materials))
    write(tmp_path / "out.usda", wedge)
    text = (tmp_path / "out.usda").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out.usda"]
    assert "Light" not in text

    # sRGB (1, 0.5, 0) is linear (1, 0.214, 0). A material would hide it.
    (line,) = (line for line in text.splitlines() if "primvars:displayColor =" in line)
    assert line.strip().startswith("color3f[] primvars:displayColor = [(1, 0.21")
    assert "material:binding" not in text
    assert (mesh.color_attributes.active_color.name, list(mesh.materials)) == before


def test_usd_shows_the_colors_of_objects_that_share_a_mesh(wedge, tmp_path):
    from maquette.core.scene import exporting

    mesh = wedge.data
    other = bpy.data.objects.new("Other", mesh)
    bpy.context.collection.objects.link(other)
    other.material_slots[0].link = 'OBJECT'
    other.material_slots[0].material = bpy.data.materials.new("Gray")
    exporting.write_meshes(tmp_path / "out.usda", wedge, other)
    text = (tmp_path / "out.usda").read_text()
    assert text.count("primvars:displayColor =") == 2
    assert "material:binding" not in text
    assert mesh.color_attributes.active_color.name == "Color"
    assert [slot.material.name for slot in other.material_slots] == ["Gray"]
    assert [slot.material.name for slot in wedge.material_slots] == ["Wedge"]


def test_usd_and_gltf_are_not_of_metal(textured, wedge, tmp_path):
    obj = textured[0]
    write(tmp_path / "out.usda", obj)
    text = (tmp_path / "out.usda").read_text()
    assert "float inputs:metallic = 0\n" in text
    assert "inputs:diffuseColor.connect" in text
    assert "Light" not in text
    for item in (obj, wedge):
        write(tmp_path / "out.glb", item)
        (material,) = glb_json(tmp_path / "out.glb")["materials"]
        assert material["pbrMetallicRoughness"]["metallicFactor"] == 0


FULL_DISK = """
import os, sys
sys.path[:0] = [{tests!r}, {here!r}]
import conftest, bpy, maquette, resource
from pathlib import Path
bpy.ops.wm.read_factory_settings(use_empty=True)
maquette.register()
from maquette.core.errors import OutputError
from maquette.core.scene import exporting
bpy.ops.mesh.primitive_uv_sphere_add(segments=128, ring_count=64)
folder = Path({folder!r})
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
for suffix in exporting.SUFFIXES:
    try:
        exporting.write_meshes(folder / ("out" + suffix), bpy.context.object)
        print("written", suffix)
    except OutputError as error:
        print("refused", error)
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited as POSIX does it")
def test_an_older_file_survives_a_full_disk(tmp_path):
    here = Path(__file__).parent
    from maquette.core.scene.exporting import SUFFIXES

    names = [f"out{suffix}" for suffix in (*SUFFIXES, ".bin", ".mtl")]
    for name in names:
        (tmp_path / name).write_text("older")
    code = FULL_DISK.format(
        tests=str(here.parent), here=str(here), folder=str(tmp_path), limit=24 * 1024
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("written", "refused"))]
    assert len(lines) == len(SUFFIXES), done.stderr
    for suffix, line in zip(SUFFIXES, lines, strict=True):
        assert line.startswith(f"refused {tmp_path / 'out'}{suffix} could not be written")
        assert "ree some space and run again" in line
        assert "Traceback" not in line
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"older"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
@pytest.mark.parametrize("name", ["\u0441\u0442\u0443\u043b", "caf\udce9", "a b%20c#d", ".x"])
def test_files_of_any_name_are_written(wedge, tmp_path, name):
    from maquette.core.scene.exporting import SUFFIXES

    for suffix in SUFFIXES:
        write(tmp_path / f"{name}{suffix}", wedge)
        assert (tmp_path / f"{name}{suffix}").stat().st_size > 100
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]
    assert len(list(tmp_path.iterdir())) == len(SUFFIXES) + 2  # .bin and .mtl


class TestRefuses:
    def check(self, path):
        from maquette.core.scene import exporting

        with pytest.raises(OutputError) as caught:
            exporting.check_export_path(path)
        return str(caught.value)

    def test_an_unknown_suffix(self, addon, tmp_path):
        assert "out.xyz: the file type .xyz is not supported. Use one of .glb" in self.check(
            tmp_path / "out.xyz"
        )
        assert "no suffix is not supported" in self.check(tmp_path / "out")

    def test_a_folder_that_is_not_there(self, addon, tmp_path):
        assert "does not exist. Create it first" in self.check(tmp_path / "nope/out.glb")

    def test_a_folder_as_the_file(self, addon, tmp_path):
        (tmp_path / "out.glb").mkdir()
        assert "Is a directory" in self.check(tmp_path / "out.glb")

    @pytest.mark.skipif(os.name != "posix", reason="folders have no pipes elsewhere")
    def test_what_is_no_file(self, addon, tmp_path):
        os.mkfifo(tmp_path / "out.glb")
        assert "it is a device" in self.check(tmp_path / "out.glb")

    def test_a_path_that_blender_would_cut(self, addon, tmp_path):
        folder = tmp_path
        while len(str(folder)) < 900:
            folder = folder / ("x" * 100)
        folder.mkdir(parents=True)
        assert "path is too long" in self.check(folder / "out.glb")

    def test_what_cannot_be_written(self, addon, tmp_path):
        assert "cannot be written" in self.check(tmp_path / ("x" * 300 + ".glb"))

    def test_checking_leaves_nothing(self, addon, tmp_path):
        from maquette.core.scene import exporting

        exporting.check_export_path(tmp_path / "out.glb")
        assert not list(tmp_path.iterdir())
        (tmp_path / "kept.glb").write_text("before")
        exporting.check_export_path(tmp_path / "kept.glb")
        assert (tmp_path / "kept.glb").read_text() == "before"
