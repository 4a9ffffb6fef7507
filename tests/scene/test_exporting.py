"""Every kind of file is written, and read again by Blender's own importers."""

import json
import struct
from contextlib import contextmanager

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.errors import OutputError
from maquette.core.scene.importing import imported, world_triangles

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

    exporting.write(path, obj)


@pytest.mark.parametrize(
    "suffix", [".glb", ".gltf", ".obj", ".ply", ".stl", ".usd", ".usda", ".usdc", ".usdz", ".blend"]
)
def test_reads_back_as_it_was(wedge, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    selected = list(bpy.context.selected_objects)
    write(path, wedge)
    assert list(bpy.context.selected_objects) == selected
    with read_back(path) as objects:
        if suffix in (".ply", ".stl"):  # no axes are told in these: Z is up as in Blender
            assert all(tuple(obj.rotation_euler) == (0, 0, 0) for obj in objects)
        bpy.context.view_layer.update()
        read = world_triangles(objects)
        np.testing.assert_allclose(read.vertices.min(0), (-1, -0.5, 0), atol=1e-4)
        np.testing.assert_allclose(read.vertices.max(0), (1, 0.5, 4), atol=1e-4)
        assert len(read.faces) == 6
        if suffix != ".stl":
            (mesh,) = (obj.data for obj in objects if obj.type == 'MESH')
            np.testing.assert_allclose(mesh.color_attributes[0].data[0].color_srgb[:3], (1, 0.5, 0), atol=0.01)


@contextmanager
def read_back(path):
    if path.suffix.startswith(".usd"):
        before = set(bpy.data.objects)
        bpy.ops.wm.usd_import(filepath=str(path))
        yield [obj for obj in bpy.data.objects if obj not in before]
    else:
        with imported(path) as objects:
            yield objects


def glb_json(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def test_gltf_has_y_up_and_colours_and_nothing_else(wedge, tmp_path):
    path = tmp_path / "out.glb"
    write(path, wedge)
    content = glb_json(path)
    assert [node["name"] for node in content["nodes"]] == ["Wedge"]
    primitive = content["meshes"][0]["primitives"][0]
    assert "COLOR_0" in primitive["attributes"]
    place = content["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_allclose((place["min"], place["max"]), ((-1, 0, -0.5), (1, 4, 0.5)), atol=1e-6)
    assert not {"translation", "rotation", "scale"} & set(content["nodes"][0])


def test_a_blend_file_opens_with_the_object_in_its_scene(wedge, tmp_path):
    path = tmp_path / "out.blend"
    scenes = set(bpy.data.scenes)
    write(path, wedge)
    assert set(bpy.data.scenes) == scenes
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert [obj.name for obj in bpy.context.scene.objects] == ["Wedge"]
    assert bpy.data.materials["Wedge"].node_tree.nodes


class TestRefuses:
    def check(self, path):
        from maquette.core.scene import exporting

        with pytest.raises(OutputError) as caught:
            exporting.check(path)
        return str(caught.value)

    def test_an_unknown_suffix(self, addon, tmp_path):
        assert "out.xyz: .xyz is none of .glb" in self.check(tmp_path / "out.xyz")
        assert "no suffix is none of" in self.check(tmp_path / "out")

    def test_a_folder_that_is_not_there(self, addon, tmp_path):
        assert "There is no folder" in self.check(tmp_path / "nope/out.glb")

    def test_a_folder_as_the_file(self, addon, tmp_path):
        (tmp_path / "out.glb").mkdir()
        assert "Is a directory" in self.check(tmp_path / "out.glb")

    def test_what_cannot_be_written(self, addon, tmp_path):
        assert "cannot be written" in self.check(tmp_path / ("x" * 300 + ".glb"))

    def test_checking_leaves_nothing(self, addon, tmp_path):
        from maquette.core.scene import exporting

        exporting.check(tmp_path / "out.glb")
        assert not list(tmp_path.iterdir())
        (tmp_path / "kept.glb").write_text("before")
        exporting.check(tmp_path / "kept.glb")
        assert (tmp_path / "kept.glb").read_text() == "before"
