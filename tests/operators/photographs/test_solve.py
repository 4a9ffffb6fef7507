import time

import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.geometry.topology import check_topology
from maquette.core.jobs.task import Progress
from maquette.core.scene import meshes, source_views
from maquette.core.scene.cameras import from_blender
from maquette.operators import _compute
from maquette.operators.cli.main import run_command
from maquette.operators.photographs import solve
from maquette.operators.photographs.solve import start_solving

pytest.importorskip("pycolmap")


@pytest.fixture(scope="module")
def folder(photographs):
    return next(iter(photographs)).parent


@pytest.fixture
def few(photographs):
    """Names of five neighbors, as the operator takes them."""
    return [{"name": path.name} for path in list(photographs)[:5]]


@pytest.mark.slow
def test_photographs_become_cameras_and_a_cloud(addon, folder, photographs, photographed_scene):
    chosen = {"folder": str(folder), "make_mesh": False}
    assert bpy.ops.maquette.solve_photographs(**chosen, size=2.0) == {'FINISHED'}
    scene = bpy.context.scene
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    objects = [bpy.data.objects[path.stem] for path in photographs]
    own = [from_blender(scene, obj, graph) for obj in objects]
    places = np.array([camera.to_world[:3, 3] for camera in own])
    true = np.array([camera.to_world[:3, 3] for camera in photographs.values()])
    factor, rotation, offset = photographed_scene.align(places, true)
    assert np.linalg.norm(factor * places @ rotation.T + offset - true, axis=1).max() < 0.03
    assert factor == pytest.approx(0.5, abs=0.05)

    cloud = bpy.context.active_object
    assert len(cloud.data.vertices) > 300
    settings = scene.maquette_photographs
    assert settings.summary.startswith("10 of 12 photographs used")
    assert {item.name for item in settings.left_out} == {"something_else.png", "text.jpg"}

    # With another size nothing is solved anew, and what undo takes away is made again.
    assert bpy.ops.maquette.solve_photographs(**chosen, size=4.0) == {'FINISHED'}
    again = bpy.context.active_object
    assert again.dimensions.x == pytest.approx(2 * cloud.dimensions.x, rel=1e-4)


def test_chosen_files_are_written_by_the_command(addon, few, folder, tmp_path, capsys):
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    for item in few:
        (chosen / item["name"]).write_bytes((folder / item["name"]).read_bytes())
    output = tmp_path / "out.blend"
    command = ["photographs", str(chosen), "-o", str(output), "--size", "0.3", "--no-mesh"]
    assert run_command(command) == 0
    assert "5 of 5 photographs have cameras" in capsys.readouterr().out
    bpy.ops.wm.open_mainfile(filepath=str(output))
    kinds = sorted(obj.type for obj in bpy.data.objects)
    assert kinds == ['CAMERA'] * 5 + ['MESH']


@pytest.mark.slow
def test_photographs_become_a_mesh_that_keeps_them(addon, folder, photographs, photographed_scene):
    chosen = {"folder": str(folder), "size": 2.0, "detail": 48}
    assert bpy.ops.maquette.solve_photographs(**chosen) == {'FINISHED'}
    obj = bpy.context.active_object
    assert obj.name == folder.name and obj.users_collection[0].name == "Photographs"
    mesh = meshes.to_arrays(obj.data)
    assert check_topology(mesh).is_watertight and mesh.faces.shape[1] == 4
    assert len(source_views.load_views(obj)) == 10

    # Half of the photographs' ring is there, so only the height is known from all sides.
    assert mesh.vertices[:, 2].min() == pytest.approx(0, abs=0.05)
    assert obj.dimensions.z == pytest.approx(2 * 0.95, rel=0.12)
    cloud = bpy.data.objects["Dense Cloud"]
    assert len(cloud.data.vertices) > 2000
    assert {"view_count", "point_normal"} <= set(cloud.data.attributes.keys())
    assert " faces)" in bpy.context.scene.maquette_photographs.summary


def test_no_mesh_is_told_and_cameras_stay(addon, few, folder, monkeypatch):
    def fail(solved, settings):
        yield Progress(0.0, "Outlines")
        raise ImageError("No object stands in the middle")

    monkeypatch.setattr(solve, "reconstruct_surface", fail)
    monkeypatch.setattr(_compute.ComputeTarget, "run", lambda _, function, *rest: function(*rest))
    assert bpy.ops.maquette.solve_photographs(folder=str(folder), files=few) == {'FINISHED'}
    assert len(bpy.data.cameras) == 5
    summary = bpy.context.scene.maquette_photographs.summary
    assert summary.endswith("No mesh was made. No object stands in the middle")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-o", "a.ply", "--no-mesh", "--voxels", "a.npz"], "need a mesh"),
        (["-o", "a.glb", "--voxels", "a.ply"], "--voxels takes a file .npz"),
        (["-o", "a.glb", "--detail", "9"], "--detail is 32 to 400"),
    ],
)
def test_contradicting_options_are_refused(options, text, folder, capsys):
    assert run_command(["photographs", str(folder), *options]) == 2
    assert text in capsys.readouterr().err


def test_without_a_mesh_no_mesh_can_be_written(folder, tmp_path, capsys):
    output = str(tmp_path / "a.glb")
    assert run_command(["photographs", str(folder), "-o", output, "--no-mesh"]) == 1
    assert "without a mesh are written as .blend or .ply" in capsys.readouterr().err


def test_one_photograph_is_refused(addon, few, folder):
    with pytest.raises(RuntimeError, match="at least 3 photographs, 1 given"):
        bpy.ops.maquette.solve_photographs(folder=str(folder), files=few[:1])
    assert not bpy.data.cameras


def test_without_a_folder_it_says_what_to_choose(addon):
    with pytest.raises(RuntimeError, match="Choose the folder"):
        bpy.ops.maquette.solve_photographs()


def test_the_command_refuses_a_missing_folder(tmp_path, capsys):
    assert run_command(["photographs", str(tmp_path / "no"), "-o", str(tmp_path / "a.blend")]) == 1
    assert "There is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["Features 1/", "Matching", "Cameras"])
def test_stopping_takes_less_than_a_second(photographs, stage):
    task = start_solving(list(photographs)[:4])
    while not next(task).stage.startswith(stage):
        pass
    began = time.monotonic()
    task.close()
    assert time.monotonic() - began < 1
    _compute.end_workers()
