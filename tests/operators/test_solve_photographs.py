import time

import bpy
import numpy as np
import pytest
from maquette.core.scene.cameras import from_blender
from maquette.operators import _compute
from maquette.operators.cli.main import run_command
from maquette.operators.solve_photographs import start_solving

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
    assert bpy.ops.maquette.solve_photographs(folder=str(folder), size=2.0) == {'FINISHED'}
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
    assert settings.summary.startswith("10 of 12 photographs have cameras")
    assert {item.name for item in settings.left_out} == {"something_else.png", "text.jpg"}

    # With another size nothing is solved anew, and what undo takes away is made again.
    assert bpy.ops.maquette.solve_photographs(folder=str(folder), size=4.0) == {'FINISHED'}
    again = bpy.context.active_object
    assert again.dimensions.x == pytest.approx(2 * cloud.dimensions.x, rel=1e-4)


def test_chosen_files_are_written_by_the_command(addon, few, folder, tmp_path, capsys):
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    for item in few:
        (chosen / item["name"]).write_bytes((folder / item["name"]).read_bytes())
    output = tmp_path / "out.blend"
    assert run_command(["photographs", str(chosen), "-o", str(output), "--size", "0.3"]) == 0
    assert "5 of 5 photographs have cameras" in capsys.readouterr().out
    bpy.ops.wm.open_mainfile(filepath=str(output))
    kinds = sorted(obj.type for obj in bpy.data.objects)
    assert kinds == ['CAMERA'] * 5 + ['MESH']


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
