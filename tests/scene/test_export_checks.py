"""Cut files are found in every format, whatever length is left, and complete ones pass."""

import shutil

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.errors import OutputError
from maquette.core.scene.export_checks import MeshCounts, check_export

_SIDE = 40  # vertices along the square's sides
COUNTS = MeshCounts(_SIDE * _SIDE, 2 * (_SIDE - 1) ** 2)
SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".usd", ".usda", ".usdc", ".usdz", ".blend")


@pytest.fixture
def square(addon):
    """A square of triangles with random colors."""
    from maquette.core.scene.meshes import new_object

    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE].reshape(2, -1)
    vertices = np.stack((columns, rows, 0 * rows), axis=1).astype(np.float32) / _SIDE
    index = np.arange(_SIDE * _SIDE).reshape(_SIDE, _SIDE)
    low = np.stack((index[:-1, :-1], index[:-1, 1:], index[1:, 1:]), axis=-1).reshape(-1, 3)
    high = np.stack((index[:-1, :-1], index[1:, 1:], index[1:, :-1]), axis=-1).reshape(-1, 3)
    faces = np.concatenate((low, high)).astype(np.int32)
    colors = np.random.default_rng(0).random((len(vertices), 3)).astype(np.float32)
    obj = new_object("Square", MeshArrays(vertices, faces, colors))
    bpy.context.collection.objects.link(obj)
    return obj


def is_complete(path):
    try:
        check_export(path, COUNTS, path)
    except OutputError as error:
        assert str(error).startswith(f"{path} could not be written completely (")
        return False
    return True


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_cut_is_found(square, tmp_path, suffix):
    from maquette.core.scene.exporting import write_meshes

    path = tmp_path / f"square{suffix}"
    write_meshes(path, square)
    assert is_complete(path)
    data = path.read_bytes()
    last = len(data.rstrip()) - 1
    lengths = [0, 1, 8, 100, last // 2, last - 100, last, *range(4096, last, 4096)]
    lengths += np.random.default_rng(0).integers(0, last, 20).tolist()
    for length in lengths:
        path.write_bytes(data[:length])
        assert not is_complete(path), length

    # As long as it should be, but the disk had no room for its last blocks.
    for length in (100, len(data) // 2, len(data) - 300):
        path.write_bytes(data[:length] + bytes(len(data) - length))
        if suffix not in (".ply", ".stl", ".glb"):
            assert not is_complete(path), length
    path.write_bytes(data)
    assert is_complete(path)


@pytest.mark.parametrize(("suffix", "companion"), [(".gltf", "square.bin"), (".obj", "square.mtl")])
def test_companions_are_checked(square, tmp_path, suffix, companion):
    from maquette.core.scene.exporting import write_meshes

    path = tmp_path / f"square{suffix}"
    write_meshes(path, square)
    data = (tmp_path / companion).read_bytes()
    for length in (len(data) - 1, len(data) // 2, 0):
        (tmp_path / companion).write_bytes(data[:length])
        assert not is_complete(path), length
    (tmp_path / companion).unlink()
    assert not is_complete(path)


def test_faces_of_several_kinds_are_followed(square, tmp_path):
    from maquette.core.scene.exporting import write_meshes

    bpy.ops.mesh.primitive_cylinder_add(vertices=5)  # faces with 4 and 5 corners
    cylinder = bpy.context.object
    path = tmp_path / "cylinder.ply"
    write_meshes(path, cylinder)
    assert is_complete(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_complete(path)


def test_a_cut_texture_is_found(square, tmp_path):
    from maquette.core.scene.exporting import write_meshes

    write_meshes(tmp_path / "square.obj", square)
    shutil.copy(tmp_path / "square.obj", tmp_path / "texture.png")
    assert not is_complete(tmp_path / "square.obj")
