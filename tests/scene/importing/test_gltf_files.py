"""What the JSON of a glTF file says: the scene that is shown, and the files it reads."""

import base64
import json
import struct

import pytest
from maquette.core.errors import MeshError

TRIANGLE = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
DATA = "data:application/octet-stream;base64," + base64.b64encode(TRIANGLE).decode()


def document(nodes=({"mesh": 0},), scenes=({"nodes": [0]},), uri=DATA, **more):
    return {
        "asset": {"version": "2.0"},
        "scenes": list(scenes),
        "nodes": list(nodes),
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 3,
                "type": "VEC3",
                "min": [0, 0, 0],
                "max": [1, 1, 0],
            }
        ],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, **({"uri": uri} if uri else {})}],
        **more,
    }


def write_gltf(path, data):
    path.write_text(json.dumps(data))
    return path


def write_glb(path, data):
    text = json.dumps(data).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(TRIANGLE), b"BIN\0") + TRIANGLE
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    return path


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def shown(path, root, scratch):
    from maquette.core.scene.importing import gltf_files

    return gltf_files.shown_file(path, root, scratch)


def test_a_file_of_one_scene_is_taken_as_it_is(tmp_path, scratch):
    path = write_gltf(tmp_path / "one.gltf", document())
    assert shown(path, tmp_path, scratch) == path


TWO_SCENES = ({"nodes": [0]}, {"nodes": [1]})
TWO_NODES = ({"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]})


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "one"),
        ({"scene": 0}, "one"),
        ({"scene": 1}, "two"),
        ({"scenes": [{"nodes": [0]}]}, "one"),
    ],
    ids=["no default", "the first", "the second", "a node in no scene"],
)
@pytest.mark.parametrize("write", [write_gltf, write_glb])
def test_only_the_default_scene_is_imported(addon, tmp_path, scratch, more, name, write):
    from maquette.core.scene.importing import mesh_import

    nodes = [{**node, "name": word} for node, word in zip(TWO_NODES, ("one", "two"), strict=True)]
    uri = DATA if write is write_gltf else None
    data = document(nodes, uri=uri, **{"scenes": TWO_SCENES, **more})
    path = write(tmp_path / ("file.gltf" if uri else "file.glb"), data)
    copy = shown(path, tmp_path, scratch)
    assert copy.parent == scratch and copy.name == path.name
    with mesh_import.imported_objects(copy) as objects:
        assert [obj.name for obj in objects if obj.type == 'MESH'] == [name]


def test_the_copy_of_a_scene_finds_its_buffer(addon, tmp_path, scratch):
    from maquette.core.scene.importing import mesh_import

    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "points 1.bin").write_bytes(TRIANGLE)
    data = document(TWO_NODES, TWO_SCENES, "points%201.bin")
    copy = shown(write_gltf(folder / "file.gltf", data), tmp_path, scratch)
    with mesh_import.imported_objects(copy) as objects:
        mesh = mesh_import.world_triangles(objects)
    assert sorted(mesh.vertices[:, 0].tolist()) == [0, 0, 1]


@pytest.mark.parametrize(
    "uri", ["../../etc/passwd", "/etc/passwd", "%2e%2e/secret.bin", "models/../../secret.bin"]
)
def test_buffers_outside_of_the_folder_are_refused(tmp_path, scratch, uri):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.bin").write_bytes(TRIANGLE)
    path = write_gltf(root / "file.gltf", document(uri=uri))
    with pytest.raises(MeshError, match="outside of the folder"):
        shown(path, root, scratch)


def test_buffers_in_another_folder_of_the_set_are_read(tmp_path, scratch):
    (tmp_path / "buffers").mkdir()
    (tmp_path / "buffers/a.bin").write_bytes(TRIANGLE)
    (tmp_path / "models").mkdir()
    path = write_gltf(tmp_path / "models/file.gltf", document(uri="../buffers/a.bin"))
    assert shown(path, tmp_path, scratch) == path


def test_a_buffer_that_is_no_file_is_refused(tmp_path, scratch):
    path = write_gltf(tmp_path / "file.gltf", document(uri="none.bin"))
    with pytest.raises(MeshError, match=r"none\.bin"):
        shown(path, tmp_path, scratch)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scenes": 3}', "glTF", "[" * 200])
def test_damaged_files_are_left_to_the_importer(tmp_path, scratch, text):
    path = tmp_path / "damaged.gltf"
    path.write_text(text)
    assert shown(path, tmp_path, scratch) == path
