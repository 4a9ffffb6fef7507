"""Mesh files that crash, hang or flood importers, and those that lie where no camera sees them."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from maquette.core.jobs.task import run_to_end
from maquette.core.scene import compat
from maquette.core.synthesis import camera_rigs

ROOT = Path(__file__).resolve().parents[3]
FACES = "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"
SIDES = np.array((1.0, 0.4, 0.6))  # of the box in the axes of an .obj file, y up
GLTF = {
    "asset": {"version": "2.0"},
    "scenes": [{"nodes": [0]}],
    "nodes": [{"mesh": 0}],
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
    "bufferViews": [{"buffer": 0, "byteLength": 36}],
    "buffers": [{"byteLength": 36}],
}


def write_box(path, size=1.0, center=(0.0, 0.0, 0.0), head=""):
    corners = np.indices((2, 2, 2)).reshape(3, -1).T - 0.5
    lines = [
        "v " + " ".join(repr(float(value)) for value in corner * SIDES * size + center)
        for corner in corners
    ]
    path.write_text(f"{head}{chr(10).join(lines)}\n{FACES}")
    return path


def write_glb(path, document):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    header = (12 + 8 + len(text)).to_bytes(4, "little")
    chunk = len(text).to_bytes(4, "little") + b"JSON" + text
    path.write_bytes(b"glTF\2\0\0\0" + header + chunk)


def write_crashing_ply(path):
    """Write a file that declares two billion vertices, which crashes Blender's importer."""
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    path.write_bytes(
        f"ply\nformat binary_little_endian 1.0\nelement vertex 2000000000\n{properties}"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n".encode()
        + b"x" * 100
    )


def write_huge_glb(path):
    accessor = {
        "componentType": 5126,
        "count": 2_000_000_000,
        "type": "VEC3",
        "min": [0, 0, 0],
        "max": [1, 1, 1],
        "sparse": {
            "count": 1,
            "indices": {"bufferView": 0, "componentType": 5125},
            "values": {"bufferView": 0},
        },
    }
    write_glb(path, {**GLTF, "accessors": [accessor]})


def write_circular_glb(path):
    accessor = {
        "bufferView": 0,
        "componentType": 5126,
        "count": 3,
        "type": "VEC3",
        "min": [0, 0, 0],
        "max": [1, 1, 1],
    }
    nodes = [{"mesh": 0, "children": [1]}, {"children": [0]}]
    write_glb(path, {**GLTF, "nodes": nodes, "accessors": [accessor]})


def write_triangle(path, corner, translation=(0, 0, 0)):
    """Write a .gltf file of a triangle between (0, 0, 0), (1, 0, 0) and ``corner``."""
    vertices = np.array(((0, 0, 0), (1, 0, 0), corner), "<f4").tobytes()
    document = {
        **GLTF,
        "nodes": [{"mesh": 0, "translation": list(translation)}],
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
        "buffers": [
            {
                "byteLength": 36,
                "uri": "data:application/octet-stream;base64,"
                + base64.b64encode(vertices).decode(),
            }
        ],
    }
    path.write_text(json.dumps(document))


def settings(**changes):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings

    cameras = camera_rigs.parse_rigs(["sides"])
    return DatasetSettings(
        **{"size": 24, "samples": 1, "points": 256, "cameras": cameras, **changes}
    )


def make(folder, meshes):
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import file_sources

    return run_to_end(render_dataset(file_sources(meshes), folder, settings()))


@pytest.fixture
def meshes(addon, tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    return folder


@pytest.fixture
def mesh_files(meshes):
    """Return the module; its process is ended afterwards."""
    from maquette.core.scene.datagen import mesh_files

    yield mesh_files
    mesh_files.end_import_process()


def check(mesh_files, path):
    """Return the mesh file of ``path`` after its check."""
    mesh_file = mesh_files.MeshFile(path, path.parent)
    run_to_end(mesh_file.check())
    return mesh_file


def reason(mesh_files, path):
    from maquette.core.errors import MeshError

    with pytest.raises(MeshError) as caught:
        check(mesh_files, path)
    return str(caught.value)


def test_broken_files_cost_themselves_alone(meshes, tmp_path):
    write_circular_glb(meshes / "a_circle.glb")
    write_box(meshes / "b_infinite.obj", 1e38)
    write_crashing_ply(meshes / "c_crashing.ply")
    write_huge_glb(meshes / "d_huge.glb")
    write_box(meshes / "e_good.obj")
    summary = make(tmp_path / "set", meshes)
    assert summary.written == 1
    assert set(summary.skipped) == {"a_circle", "b_infinite", "c_crashing", "d_huge"}
    assert "cannot be imported" in summary.skipped["a_circle"]
    assert "Traceback" not in summary.skipped["a_circle"]
    assert "not finite" in summary.skipped["b_infinite"]
    assert "crashed" in summary.skipped["c_crashing"]
    assert "2 GB of memory" in summary.skipped["d_huge"]
    for name, text in summary.skipped.items():
        assert "\n" not in text
        assert (tmp_path / f"set/objects/{name}.skipped").read_text() == text


def test_what_crashed_is_passed_by_the_next_run_until_it_changes(meshes, tmp_path, monkeypatch):
    from maquette.core.scene.datagen import mesh_files

    path = meshes / "thing.ply"
    write_crashing_ply(path)
    first = make(tmp_path / "set", meshes)
    tried = []
    real = mesh_files._check_in_process
    monkeypatch.setattr(
        mesh_files, "_check_in_process", lambda *given: tried.append(given) or real(*given)
    )
    assert make(tmp_path / "set", meshes).skipped == first.skipped
    assert not tried

    time.sleep(0.01)
    path.write_text("changed")
    assert "header" in make(tmp_path / "set", meshes).skipped["thing"]
    assert len(tried) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX systems")
def test_a_file_that_hangs_is_left_out_after_its_time(meshes, mesh_files, monkeypatch):
    from maquette.core.scene.importing import import_check

    write_box(meshes / "good.obj")
    check(mesh_files, meshes / "good.obj")  # the process is ready
    os.mkfifo(meshes / "pipe.mtl")
    path = write_box(meshes / "hanging.obj", head="mtllib pipe.mtl\n")
    monkeypatch.setattr(import_check, "_SECONDS", 1.0)
    begun = time.monotonic()
    assert reason(mesh_files, path) == "Blender's importer took more than 1 seconds"
    assert time.monotonic() - begun < 10
    assert not mesh_files._pool.alive_workers()
    check(mesh_files, meshes / "good.obj")  # in a new process


def test_a_file_is_left_out_that_takes_more_memory_than_it_may(meshes, mesh_files, monkeypatch):
    from maquette.core.scene.importing import import_check

    path = write_box(meshes / "good.obj")
    monkeypatch.setattr(import_check, "MEMORY_LIMIT", 1000)
    text = reason(mesh_files, path)
    assert text == "Blender's importer took more than 0 GB of memory"


def test_modifiers_that_only_renders_apply_are_tried(meshes, mesh_files):
    import bpy

    bpy.ops.mesh.primitive_cube_add()
    modifier = bpy.context.object.modifiers.new("Array", 'ARRAY')
    modifier.count = 3
    modifier.show_viewport = False
    bpy.context.object.modifiers.new("Subdivision", 'SUBSURF').render_levels = 11
    bpy.ops.wm.save_as_mainfile(filepath=str(meshes / "flood.blend"), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    text = reason(mesh_files, meshes / "flood.blend")
    assert text.startswith("Blender's importer")


def test_packed_images_that_cannot_be_read_are_replaced(meshes, mesh_files):
    import bpy

    bpy.ops.mesh.primitive_cube_add()
    material = bpy.data.materials.new("Box")
    compat.use_nodes(material)
    bpy.context.object.data.materials.append(material)
    image = bpy.data.images.new("Wood", 4, 4)
    image.pack(data=b"no image", data_len=8)
    image.source = 'FILE'
    nodes = material.node_tree.nodes
    texture = nodes.new('ShaderNodeTexImage')
    texture.image = image
    shader = nodes["Principled BSDF"]
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    bpy.ops.wm.save_as_mainfile(filepath=str(meshes / "packed.blend"), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    mesh_file = check(mesh_files, meshes / "packed.blend")
    bpy.data.images.new("Wood", 4, 4)  # the name is taken
    with mesh_file.open() as (obj,):
        tree = obj.material_slots[0].material.node_tree
        assert not tree.nodes["Principled BSDF"].inputs["Base Color"].is_linked
    assert mesh_file.more() == {"lost_textures": ["Wood"]}


def test_the_process_is_the_same_for_all_files_and_ends_with_the_run(meshes, tmp_path, monkeypatch):
    from maquette.core.jobs import worker_pool
    from maquette.core.scene.datagen import mesh_files

    started = []
    real = worker_pool.WorkerProcess
    monkeypatch.setattr(
        worker_pool, "WorkerProcess", lambda *given: started.append(real(*given)) or started[-1]
    )
    for name in ("a", "b", "c"):
        write_box(meshes / f"{name}.obj")
    assert make(tmp_path / "set", meshes).written == 3
    assert len(started) == 1 and not started[0].is_alive()
    assert not mesh_files._pool.alive_workers()


# A run that is killed while it imports a file into its own process.
KILLED = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("test_mesh_files", {test!r})
module = importlib.util.module_from_spec(spec)
sys.modules["maquette"] = package = importlib.util.module_from_spec(
    root := importlib.util.spec_from_file_location(
        "maquette", {root!r} + "/__init__.py", submodule_search_locations=[{root!r}]
    )
)
root.loader.exec_module(package)
spec.loader.exec_module(module)
from maquette.core.scene.importing import mesh_import
real = mesh_import._import_file
def import_file(path, scene):
    if path.name.startswith("a_"):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, scene)
mesh_import._import_file = import_file
module.make(Path({folder!r}), Path({meshes!r}))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a signal of POSIX systems")
def test_a_file_that_kills_the_run_is_tried_last_and_then_passed(meshes, tmp_path):
    write_box(meshes / "a_killer.obj")
    write_box(meshes / "b_good.obj")
    code = KILLED.format(
        test=__file__, root=str(ROOT), folder=str(tmp_path / "set"), meshes=str(meshes)
    )
    made = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        made.append((tmp_path / "set/objects/b_good.tar").exists())
    assert made == [False, True]
    summary = make(tmp_path / "set", meshes)
    assert (summary.written, summary.found) == (0, 1)
    assert summary.skipped == {"a_killer": "Two runs ended while this file was opened"}

    # Who deletes the note has it tried again.
    (tmp_path / "set/objects/a_killer.skipped").unlink()
    assert make(tmp_path / "set", meshes).written == 1


def box_of(mesh_file):
    """Return the sorted sides and the center of what is opened."""
    from maquette.core.scene.importing import mesh_import

    with mesh_file.open() as objects:
        vertices = mesh_import.world_triangles(objects).vertices
    return np.sort(np.ptp(vertices, axis=0)), (vertices.min(axis=0) + vertices.max(axis=0)) / 2


def test_files_at_coordinates_of_a_map_keep_their_shape(meshes, mesh_files):
    center = (449995.125, 12.0, -5399997.25)
    mesh_file = check(mesh_files, write_box(meshes / "map.obj", 1.0, center))
    sides, middle = box_of(mesh_file)
    np.testing.assert_allclose(sides, sorted(SIDES), rtol=1e-6)
    np.testing.assert_allclose(middle, 0, atol=1e-6)
    placed = mesh_file.more()["placed"]
    np.testing.assert_allclose(placed["offset"], (-449995.125, -5399997.25, -12.0), rtol=1e-12)
    assert placed["scale"] == 1.0 and len(mesh_file.notes()) == 1


def test_coordinates_that_are_not_numbers_are_reported(meshes, mesh_files):
    import bpy

    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.data.vertices[0].co.x = np.nan
    bpy.ops.wm.save_as_mainfile(filepath=str(meshes / "nan.blend"), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert "not finite" in reason(mesh_files, meshes / "nan.blend")


@pytest.mark.parametrize(("size", "x"), [(1e-5, 0.01), (1e8, 0.0)])
def test_tiny_and_huge_files_are_brought_before_cameras(meshes, mesh_files, size, x):
    mesh_file = check(mesh_files, write_box(meshes / "box.obj", size, (x, 0.0, 0.0)))
    sides, middle = box_of(mesh_file)
    np.testing.assert_allclose(sides, sorted(SIDES), rtol=1e-4)
    np.testing.assert_allclose(middle, 0, atol=1e-4)
    placed = mesh_file.more()["placed"]
    np.testing.assert_allclose(placed["scale"], 1 / size, rtol=1e-4)
    np.testing.assert_allclose(placed["offset"], (-x, 0, 0), atol=1e-8)


def test_files_where_cameras_see_them_stay_where_they_are(meshes, mesh_files):
    mesh_file = check(mesh_files, write_box(meshes / "near.obj", 0.002, (1.0, 0.0, 0.0)))
    sides, middle = box_of(mesh_file)
    np.testing.assert_allclose(sides, SIDES[[1, 2, 0]] * 0.002, rtol=1e-3)
    np.testing.assert_allclose(middle, (1, 0, 0), atol=1e-6)
    assert mesh_file.more() == {} and mesh_file.notes() == []


def test_a_shape_that_is_lost_far_from_the_origin_is_left_out(meshes, mesh_files):
    from maquette.core.errors import MeshError

    path = meshes / "far.gltf"
    write_triangle(path, (0, 1, 0), translation=(5e5, 0, 4e6))
    mesh_file = check(mesh_files, path)
    with pytest.raises(MeshError, match="away from the origin"), mesh_file.open():
        pass


def test_every_view_shows_what_is_beyond_the_usual_clip_planes(meshes, tmp_path):
    """From the front the camera is near the origin, and the object far from it."""
    from maquette.core.dataset.object_file import ObjectFile

    write_box(meshes / "far.obj", 200.0, (0.0, 0.0, -400.0))
    write_box(meshes / "small.obj", 1e-3)
    make(tmp_path / "set", meshes)
    for name in ("far", "small"):
        file = ObjectFile(tmp_path / f"set/objects/{name}.tar")
        covered = [np.mean(file.read_view(index).colour[..., 3] > 0) for index in range(6)]
        assert min(covered) > 0.15, name


def test_missing_textures_are_in_the_record_and_the_summary(meshes, tmp_path):
    from maquette.core.dataset.object_file import ObjectFile

    library = b"newmtl a\nKd 0.8 0.1 0.1\nmap_Kd textures\\caf\xe9 wood.png\n"
    (meshes / "box.mtl").write_bytes(library)
    write_box(meshes / "box.obj", head="mtllib box.mtl\nusemtl a\n")
    text = (meshes / "box.obj").read_text()
    for face in FACES.splitlines():
        corners = " ".join(f"{word}/1" for word in face.split()[1:])
        text = text.replace(face, f"f {corners}")
    (meshes / "box.obj").write_text(text.replace("usemtl a\n", "usemtl a\nvt 0 0\n"))
    summary = make(tmp_path / "set", meshes)
    assert "wood.png" in summary.notes["box"] and not summary.skipped
    assert summary.notes["box"].encode()  # it can be printed
    file = ObjectFile(tmp_path / "set/objects/box.tar")
    (lost,) = file.record.more["lost_textures"]
    assert lost.startswith("caf") and lost.endswith(" wood.png")
    pixels = file.read_view(0).colour
    red, green, blue = pixels[pixels[..., 3] > 250][:, :3].mean(axis=0)
    assert red > 1.8 * green and red > 1.8 * blue  # in magenta, blue is as much as red


@pytest.mark.parametrize("is_second", [False, True])
def test_of_two_scenes_that_is_rendered_which_the_file_opens_with(meshes, mesh_files, is_second):
    import bpy

    bpy.context.scene.name = "Z" if is_second else "A"
    bpy.ops.mesh.primitive_cube_add(size=1)
    other = bpy.data.scenes.new("B")
    copy = bpy.data.objects.new("Copy", bpy.context.object.data)
    copy.location.x = 9
    other.collection.objects.link(copy)
    bpy.ops.wm.save_as_mainfile(filepath=str(meshes / "two.blend"), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    _, middle = box_of(check(mesh_files, meshes / "two.blend"))
    np.testing.assert_allclose(middle, 0, atol=1e-6)


def test_an_animated_file_is_shown_at_the_frame_it_opens_with(meshes, mesh_files):
    import bpy

    bpy.ops.mesh.primitive_cube_add(size=1)
    cube = bpy.context.object
    for frame, x in ((1, 0.0), (11, 5.0)):
        cube.location.x = x
        cube.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_set(11)
    bpy.ops.wm.save_as_mainfile(filepath=str(meshes / "moved.blend"), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    _, middle = box_of(check(mesh_files, meshes / "moved.blend"))
    np.testing.assert_allclose(middle, (5, 0, 0), atol=1e-6)


def test_a_linked_file_that_is_missing_is_named(meshes, mesh_files):
    import bpy

    bpy.ops.mesh.primitive_cube_add()
    library = meshes.parent / "parts.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, target):
        target.objects = ["Cube"]
    bpy.context.scene.collection.objects.link(target.objects[0])
    bpy.ops.wm.save_as_mainfile(filepath=str(meshes / "whole.blend"), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    library.unlink()
    assert "parts.blend, which does not exist" in reason(mesh_files, meshes / "whole.blend")


def test_names_that_are_too_long_or_not_utf_8_are_made(meshes, tmp_path):
    deep = meshes.joinpath(*(f"a quite long name of a folder {number}" for number in range(9)))
    deep.mkdir(parents=True)
    write_box(deep / "thing.obj")
    write_box(meshes / f"{'x' * 246}.obj")
    broken = meshes / "broken.obj"
    if sys.platform == "linux":
        broken = meshes / "caf\udce9.obj"
    broken.write_bytes(b"")
    summary = make(tmp_path / "set", meshes)
    assert summary.written == 2 and len(summary.skipped) == 1
    assert all(text.encode() for text in summary.skipped.values())  # it can be printed
