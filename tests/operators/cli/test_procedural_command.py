import json

import bpy
import numpy as np
import pytest


@pytest.fixture
def maquette(addon):
    """Runs a command line in this Blender."""
    from maquette.operators.cli import main

    return lambda *arguments: main.run_command([str(argument) for argument in arguments])


def test_lists_parameters_with_ranges(maquette, capfd):
    assert maquette("procedural", "chair", "--seed", 3, "--list", "--set", "width=0.5") == 0
    lines = dict(line.split("\t", 1) for line in capfd.readouterr().out.splitlines())
    assert lines["width=0.5"] == "0.38 to 0.6\tWidth"
    choice = next(key for key in lines if key.startswith("cushion.any_material.choice="))
    assert lines[choice].startswith("0 Paint, 1 Wood, 2 Metal")


def test_writes_a_blend_that_can_be_edited(maquette, scene_state, tmp_path, capfd):
    before = scene_state()
    out = tmp_path / "out.blend"
    options = ["--seed", 3, "--set", "width=0.5", "--set", "cushion.any_material.choice=wood"]
    assert maquette("procedural", "chair", *options, "--parts", "objects", "-o", out) == 0
    assert scene_state() == before
    with bpy.data.libraries.load(str(out)) as (there, here):
        here.objects = there.objects
    (root,) = (obj for obj in here.objects if obj.type == 'EMPTY')
    values = json.loads(root["maquette_recipe"])["values"]
    assert values == {"width": 0.5, "cushion.any_material.choice": 1}


def test_writes_a_glb(maquette, tmp_path, capfd):
    out = tmp_path / "out.glb"
    assert maquette("procedural", "mug", "-o", out) == 0
    assert out.stat().st_size > 1000
    assert f"{out}: mug, " in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["nosuch", "--list"], 2, "no family"),
        (["chair"], 2, "--list"),
        (["chair", "--list", "--nearest"], 2, "for images"),
        (["photo.png", "--list", "--seed", "1"], 2, "for families"),
        (["missing.png", "--list"], 1, "missing.png"),
        (["missing.glb", "--list"], 1, "does not exist"),
        (["chair", "--list", "--set", "width"], 1, "ADDRESS=VALUE"),
        (["chair", "--list", "--set", "widht=1"], 1, "width"),
        (["chair", "--list", "--set", "width=9"], 1, "0.6"),
        (["chair", "--list", "--set", "width=wide"], 1, "neither a number"),
        (["chair", "--list", "--set", "width=nan"], 1, "not a number"),
    ],
)
def test_wrong_arguments_are_refused(maquette, capfd, arguments, code, text):
    assert maquette("procedural", *arguments) == code
    assert text in capfd.readouterr().err


def test_fits_an_object_to_a_mesh_file(maquette, scene_state, tmp_path, capfd):
    assert maquette("procedural", "cabinet", "--seed", 5001, "-o", tmp_path / "mesh.glb") == 0
    before = scene_state()
    out = tmp_path / "fitted.blend"
    assert maquette("procedural", tmp_path / "mesh.glb", "--size", 2, "--list", "-o", out) == 0
    assert scene_state() == before
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1].startswith(f"{out}: cabinet, ")
    assert "silhouette" in lines[-1]
    assert any(line.startswith("width=") for line in lines)
    with bpy.data.libraries.load(str(out)) as (there, here):
        here.objects = there.objects
    (root,) = here.objects
    assert json.loads(root["maquette_recipe"])["family"] == "cabinet"
    corners = np.array([vertex.co for vertex in root.data.vertices]) * root.scale
    assert np.ptp(corners, axis=0).max() == pytest.approx(2, abs=0.05)
