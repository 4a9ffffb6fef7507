import bpy
import numpy as np
import pytest
from maquette.operators.cli import photographs
from maquette.operators.cli.main import run_command
from maquette.operators.photographs.solve import PhotographsResult


@pytest.fixture
def command(capture, monkeypatch):
    """The command line, with photographs that are solved already."""
    bpy.ops.wm.read_factory_settings(use_empty=True)

    def solved(paths, **options):
        yield from ()
        return PhotographsResult(capture.solved, capture.shape)

    monkeypatch.setattr(photographs, "start_solving", solved)
    folder = str(capture.solved.photographs[0].path.parent)

    def run(*options):
        return run_command(["photographs", folder, *map(str, options)])

    return run


def test_all_files_are_of_one_solve(command, tmp_path):
    blend, mesh, voxels = (tmp_path / f"out{suffix}" for suffix in (".blend", ".obj", ".npz"))
    assert command("-o", blend, "--also", mesh, "--voxels", voxels, "--size", 2) == 0
    assert mesh.read_text().count("\nv ") == 8
    assert np.load(voxels)["spacing"] == 2.0
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    kinds = sorted(obj.type for obj in bpy.data.objects)
    assert kinds == ['CAMERA'] * 3 + ['MESH'] * 3
    (collection,) = [each for each in bpy.data.collections if "maquette_size" in each]
    assert collection["maquette_size"] == 2.0


def test_points_and_a_mesh(command, tmp_path):
    points, mesh = tmp_path / "out.ply", tmp_path / "out.glb"
    assert command("-o", points, "--also", mesh) == 0
    assert b"property int view_count" in points.read_bytes()
    assert mesh.read_bytes()[:4] == b"glTF"


def test_a_second_file_of_another_kind_is_refused_before_the_work(command, tmp_path, capsys):
    assert command("-o", tmp_path / "a.blend", "--also", tmp_path / "a.txt") == 1
    assert "is not supported" in capsys.readouterr().err
    assert command("-o", tmp_path / "a.blend", "--also", tmp_path / "a.glb", "--no-mesh") == 2
    assert "need a mesh" in capsys.readouterr().err
