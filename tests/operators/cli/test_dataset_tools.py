"""``maquette dataset inspect``, ``check`` and ``export`` as they are typed."""

import shutil

import numpy as np
import pytest
from maquette.core.cameras import orthographic_camera, perspective_camera
from maquette.core.dataset.object_file import write_object
from maquette.core.dataset.records import Record, RenderedView, Shape, ViewRecord


@pytest.fixture
def maquette(addon):
    from maquette.operators.cli import main

    return lambda *arguments: main.run_command([str(argument) for argument in arguments])


@pytest.fixture
def tiny_set(tmp_path):
    """A training set of one square sheet that faces two cameras."""
    pose = np.eye(4)
    pose[2, 3] = 2
    cameras = [
        ("top", orthographic_camera(pose, 1.1, 16)),
        ("free", perspective_camera(pose, 0.6, 16)),
    ]
    views = []
    for kind, camera in cameras:
        shown = np.zeros((16, 16), bool)
        shown[4:12, 4:12] = True
        color = np.where(shown[..., None], np.uint8(255), np.uint8(0)) * np.ones(4, np.uint8)
        normal = np.where(shown[..., None], (0, 0, 1), 0).astype(np.float16)
        views.append(
            RenderedView(kind, camera, color, np.where(shown, 2, 0).astype(np.float32), normal)
        )
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (64, 3)).astype(np.float32)
    flat = points * np.float32((1, 1, 0))
    normals = np.tile(np.float32((0, 0, 1)), (64, 1))
    shape = Shape(points, np.zeros(64, bool), points, np.zeros(64, bool), flat, normals)
    bounds = np.array(((-0.5, -0.5, 0), (0.5, 0.5, 0)))
    folder = tmp_path / "set"
    recorded = tuple(ViewRecord(*each) for each in cameras)
    write_object(folder, Record("sheet", "test", "", bounds, (1.0, 2.0), recorded), shape, views)
    (folder / "splits.json").write_text('{"sheet": "train"}')
    (folder / "dataset.json").write_text('{"version": 1}')
    return folder


def test_check(maquette, capsys, tiny_set):
    assert maquette("dataset", "check", tiny_set) == 0
    assert capsys.readouterr().out == f"{tiny_set}: all good\n"
    path = tiny_set / "objects/sheet.tar"
    path.write_bytes(path.read_bytes()[:5000])
    assert maquette("dataset", "check", tiny_set) == 1
    assert capsys.readouterr().out.startswith(f"{path}: ")


def test_compact(maquette, capsys, tiny_set, tmp_path):
    assert maquette("dataset", "compact", tiny_set, tmp_path / "small") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'small'}: 1 objects\n"
    assert maquette("dataset", "pack", tmp_path / "small") == 0
    assert maquette("dataset", "check", tmp_path / "small") == 0
    assert (
        maquette("dataset", "export", tmp_path / "small", tmp_path / "out", "--format", "nerf") == 0
    )


def test_a_set_of_shards_alone(maquette, capsys, tiny_set, tmp_path):
    assert maquette("dataset", "pack", tiny_set) == 0
    shutil.rmtree(tiny_set / "objects")
    assert maquette("dataset", "check", tiny_set) == 0
    assert maquette("dataset", "inspect", tiny_set, "-o", tmp_path / "sheet.png") == 0
    assert "1 objects, 2 views" in capsys.readouterr().out and (tmp_path / "sheet.png").is_file()
    assert maquette("dataset", "export", tiny_set, tmp_path / "out", "--format", "nerf") == 0
    path = tiny_set / "shards/train-000000.tar"
    path.write_bytes(path.read_bytes()[:5000])
    assert maquette("dataset", "check", tiny_set) == 1
    assert f"{path}: is not a complete training set file" in capsys.readouterr().out


def test_what_cannot_be_written_or_is_nothing_is_an_error(maquette, capsys, tiny_set, tmp_path):
    (tmp_path / "file").touch()
    for words in (
        ["dataset", "rooms", tmp_path / "file"],
        ["dataset", "inspect", tiny_set, "-o", tmp_path / "file/sheet.png"],
        ["gallery", tmp_path, "-o", tmp_path / "file/sheet.png"],
    ):
        assert maquette(*words) == 1
        assert "could not be created" in capsys.readouterr().err
    assert maquette("dataset", tmp_path / "empty") == 1
    assert "No mesh object" in capsys.readouterr().err and not (tmp_path / "empty").exists()


def test_inspect(maquette, capsys, tiny_set, tmp_path):
    from PIL import Image

    assert maquette("dataset", "inspect", tiny_set, "-o", tmp_path / "a/sheet.png") == 0
    output = capsys.readouterr().out
    assert output.startswith("1 objects, 2 views\n") and output.endswith("sheet.png: 1 objects\n")
    assert np.asarray(Image.open(tmp_path / "a/sheet.png")).std() > 10


@pytest.mark.parametrize(
    ("name", "made", "views"),
    [
        ("nerf", "sheet/transforms.json", 1),
        ("colmap", "sheet/sparse/0/points3D.txt", 1),
        ("coco", "annotations/instances_train.json", 2),
        ("bop", "train/000001/scene_gt.json", 1),
    ],
)
def test_export(maquette, capsys, tiny_set, tmp_path, name, made, views):
    assert (
        maquette("dataset", "export", tiny_set, tmp_path / "out", "--format", name, "--limit", 1)
        == 0
    )
    assert (tmp_path / "out" / made).is_file()
    output = capsys.readouterr().out
    assert f"1 objects, {views} views" in output and (
        "1 orthographic views left out" in output
    ) == (name != "coco")


def test_what_is_wrong_is_said(maquette, capsys, tiny_set, tmp_path):
    assert (
        maquette(
            "dataset", "export", tiny_set, tmp_path / "out", "--format", "nerf", "--split", "test"
        )
        == 1
    )
    assert "no objects in the split 'test'" in capsys.readouterr().err
    assert maquette("dataset", "export", tiny_set, tiny_set, "--format", "nerf") == 1
    assert "is not empty" in capsys.readouterr().err
    for command in ("check", "inspect"):
        assert maquette("dataset", command, tmp_path / "nope") == 1
        assert "contains no training set" in capsys.readouterr().err
    assert maquette("dataset", "export", tiny_set, tmp_path / "out", "--format", "nope") == 2


def test_dataset_itself_is_as_it_was(maquette, capsys, tmp_path):
    assert maquette("dataset", "--help") == 0
    assert "--procedural" in capsys.readouterr().out
    assert maquette("dataset", tmp_path / "set", "--meshes", tmp_path / "nope") == 1
    assert "contains no mesh files" in capsys.readouterr().err
    assert maquette("dataset") == 2
