import json

import pytest


@pytest.fixture
def maquette(addon):
    """Runs a command line in this Blender."""
    from maquette.operators.cli import main

    return lambda *arguments: main.run_command([str(argument) for argument in arguments])


@pytest.fixture
def library(addon, sample_assets, rendering_here, tmp_path):
    return sample_assets.write_library(tmp_path / "library")


def test_indexes_a_folder_and_finds_in_it(maquette, library, sample_assets, tmp_path, capfd):
    index = tmp_path / "index.npz"
    (library / "broken.blend").write_bytes(b"no blend file")
    assert maquette("index", library, "--library", index) == 0
    output = capfd.readouterr()
    assert "4 assets, 4 rendered, 0 removed, 1 left out" in output.out
    assert "broken.blend was left out: " in output.err

    pictures = [
        sample_assets.write_picture(tmp_path / f"{name}.png", name) for name in ("ball", "post")
    ]
    sheet = tmp_path / "sheet.png"
    options = ["--library", index, "--count", 2, "--sheet", sheet]
    capfd.readouterr()
    assert maquette("find", *pictures, *options, "--json") == 0
    lines = capfd.readouterr().out.splitlines()
    answers = [json.loads(line) for line in lines if line.startswith("{")]
    assert [answer["found"][0]["name"] for answer in answers] == ["ball", "post"]
    assert answers[1]["found"][0]["kind"] == "collection"
    assert answers[1]["found"][0]["file"] == str(library / "sub/post.blend")
    assert all(len(answer["found"]) == 2 for answer in answers)
    assert sheet.stat().st_size > 1000


def test_a_mesh_file_finds_its_like(maquette, library, tmp_path, capfd):
    index = tmp_path / "index.npz"
    maquette("index", library, "--library", index, "--marked")
    capfd.readouterr()
    assert maquette("find", library / "plate.obj", library / "ball.blend", "--library", index) == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("  ")]
    assert "\tball\t" in lines[3]
    assert not any("\tplate\t" in line for line in lines)  # it is not marked as an asset


def test_images_that_fail_are_named_at_the_end(maquette, library, sample_assets, tmp_path, capfd):
    index = tmp_path / "index.npz"
    maquette("index", library, "--library", index)
    picture = sample_assets.write_picture(tmp_path / "box.png", "box")
    assert maquette("find", tmp_path / "none.png", picture, "--library", index) == 1
    output = capfd.readouterr()
    assert "1 of 2 images could not be searched by" in output.err
    assert "\tbox\t" in output.out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["find", "x.png"], 2, "--library"),
        (["find", "x.png", "--library", "none.npz", "--count", "0"], 2, "not within 1 to 100"),
        (["find", "x.png", "--library", "none.npz"], 1, "not indexed yet"),
        (["index", "none", "--library", "none.npz"], 1, "There is no folder"),
    ],
)
def test_wrong_arguments_are_refused(
    maquette, rendering_here, tmp_path, monkeypatch, capfd, arguments, code, text
):
    monkeypatch.chdir(tmp_path)
    assert maquette(*arguments) == code
    assert text in capfd.readouterr().err
