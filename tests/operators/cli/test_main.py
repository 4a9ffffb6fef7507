"""The command lines as others call them: in a process of its own, and their errors in this one."""

import argparse
import json
import os
import re
import struct
import subprocess
import time
from pathlib import Path

import bpy
import numpy as np
import pytest


@pytest.fixture
def maquette(addon):
    """Runs a command line in this Blender."""
    from maquette.operators.cli import main

    return lambda *arguments: main.run_command([str(argument) for argument in arguments])


def box(path):
    """Low and high corner of a .glb's positions, and the names of its nodes."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    content = json.loads(data[20 : 20 + length])
    accessor = content["accessors"][content["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    return (
        np.array(accessor["min"]),
        np.array(accessor["max"]),
        [node["name"] for node in content["nodes"]],
    )


def test_a_photo_into_a_glb(as_script, weights, pictures, tmp_path):
    out = tmp_path / "out.glb"
    done = as_script(
        "reconstruct", pictures / "photo.png", "-o", out, "--resolution", 32, "--weights", weights
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.splitlines()[-1].startswith(f"{out}: ") and " faces, " in done.stdout
    low, high, names = box(out)
    assert names == ["out"]
    assert (high - low).max() == pytest.approx(1, abs=1e-3)
    assert low[1] == pytest.approx(0, abs=1e-3)  # Y up, and it stands


def test_sides_into_a_glb_upright_in_their_own_frame(as_script, weights, pictures, tmp_path):
    out = tmp_path / "out.glb"
    sides = ["--front", pictures / "front.png", "--top", pictures / "top.png"]
    done = as_script(
        "reconstruct", *sides, "-o", out, "--size", 2, "--resolution", 64, "--weights", weights
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    low, high, _ = box(out)
    np.testing.assert_allclose(high, (0.5, 1, 0.5), atol=0.06)  # half as wide as tall, centred
    np.testing.assert_allclose(low, (-0.5, -1, -0.5), atol=0.06)


def test_finished_for_a_game(as_script, weights, pictures, tmp_path):
    out = tmp_path / "out.glb"
    photo = [
        "reconstruct",
        pictures / "photo.png",
        "-o",
        out,
        "--resolution",
        32,
        "--weights",
        weights,
    ]
    done = as_script(*photo, "--preset", "game", "--faces", 400, "--texture-size", 256)
    assert (done.returncode, done.stderr) == (0, ""), done
    line = done.stdout.splitlines()[-1]
    assert (
        " 400 faces, " in line
        and "closed, manifold, outward" in line
        and "texture of 256 x 256" in line
    )
    data = out.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    content = json.loads(data[20 : 20 + length])
    (primitive,) = content["meshes"][0]["primitives"]
    assert "TEXCOORD_0" in primitive["attributes"] and "COLOR_0" not in primitive["attributes"]
    assert "baseColorTexture" in content["materials"][0]["pbrMetallicRoughness"]
    assert content["accessors"][primitive["indices"]]["count"] == 3 * 400


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited as POSIX does it")
@pytest.mark.parametrize("suffix", [".ply", ".glb"])
def test_a_full_disk_is_reported_and_the_older_file_stays(
    maquette, weights, pictures, tmp_path, capfd, suffix
):
    import resource

    out = tmp_path / f"out{suffix}"
    out.write_text("older")
    words = ["reconstruct", pictures / "photo.png", "-o", out]
    words += ["--resolution", 32, "--weights", weights]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        code = maquette(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    *_, line = capfd.readouterr().err.splitlines()
    assert code == 1
    assert line.startswith(f"maquette: {out} could not be written")
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "older"


def test_a_print_is_in_millimeters(maquette, weights, pictures, tmp_path, capfd):
    out = tmp_path / "out.stl"
    photo = [
        "reconstruct",
        pictures / "photo.png",
        "-o",
        out,
        "--resolution",
        32,
        "--weights",
        weights,
    ]
    assert maquette(*photo, "--size", 0.08, "--preset", "print") == 0
    assert "thinnest wall " in capfd.readouterr().out
    data = np.frombuffer(out.read_bytes()[84:], np.dtype([("numbers", "<f4", 12), ("rest", "<u2")]))
    corners = data["numbers"][:, 3:].reshape(-1, 3)
    assert np.ptp(corners, axis=0).max() == pytest.approx(80, abs=0.1)


def test_words_of_finishing_that_do_not_go_together(maquette, pictures, tmp_path, capfd):
    photo = ["reconstruct", pictures / "photo.png", "-o", tmp_path / "out.glb"]
    assert maquette(*photo, "--symmetric") == 2
    assert "need a --preset" in capfd.readouterr().err
    assert maquette(*photo, "--texture", "--texture-size", 1) == 2


def test_holes_are_filled_on_demand(maquette, weights, tmp_path, capfd):
    """A ring on white becomes a disk: of closed quads, vertices less faces are the Euler number."""
    from PIL import Image

    rows, columns = np.mgrid[0:96, 0:96]
    radius = np.hypot(rows - 48, columns - 48)
    ring = (radius < 40) & (radius > 20)
    photo = tmp_path / "ring.png"
    Image.fromarray(np.where(ring[..., None], (200, 40, 30), 255).astype(np.uint8)).save(photo)

    euler_numbers = []
    for options in ((), ("--fill-holes",)):
        command = ("reconstruct", photo, "-o", tmp_path / "out.glb", "--json", *options)
        capfd.readouterr()
        assert maquette(*command, "--resolution", 32, "--weights", weights) == 0
        result = json.loads(capfd.readouterr().out.splitlines()[-1])
        euler_numbers.append(result["vertices"] - result["faces"])
    assert euler_numbers[0] < euler_numbers[1] == 2


@pytest.mark.parametrize("side", ["front", "right", "back", "left", "top", "bottom"])
def test_any_side_alone(maquette, weights, pictures, tmp_path, side):
    out = tmp_path / "out.ply"
    assert (
        maquette(
            "reconstruct",
            f"--{side}",
            pictures / "front.png",
            "-o",
            out,
            "--resolution",
            32,
            "--weights",
            weights,
        )
        == 0
    )
    assert out.stat().st_size > 1000


def test_into_a_blend_without_the_scene_that_was_open(maquette, weights, pictures, tmp_path):
    bpy.ops.mesh.primitive_cube_add()
    out = tmp_path / "out.blend"
    assert (
        maquette(
            "reconstruct",
            pictures / "front.png",
            "-o",
            out,
            "--resolution",
            32,
            "--weights",
            weights,
        )
        == 0
    )
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert [obj.name for obj in bpy.data.objects] == ["out"]


class TestErrors:
    def fails(self, maquette, capfd, state, *arguments):
        before = state()
        capfd.readouterr()
        assert maquette(*arguments) == 1
        assert state() == before
        output = capfd.readouterr()
        assert (
            output.out == "" and output.err.startswith("maquette: ") and output.err.count("\n") == 1
        )
        return output.err

    def test_no_such_picture(self, maquette, capfd, scene_state, tmp_path):
        out = tmp_path / "out.glb"
        output = self.fails(
            maquette, capfd, scene_state, "reconstruct", tmp_path / "nope.png", "-o", out
        )
        assert "There is no image file" in output and not out.exists()

    @pytest.mark.parametrize("name", ["nope/out.glb", "out.xyz", "x" * 300 + ".glb", "folder.glb"])
    def test_output_that_cannot_be_written_is_said_before_the_work(
        self, maquette, capfd, scene_state, pictures, tmp_path, name
    ):
        (tmp_path / "folder.glb").mkdir()
        missing = tmp_path / "never-read.safetensors"  # would be the error, if the work began
        arguments = [
            "reconstruct",
            pictures / "front.png",
            "-o",
            tmp_path / name,
            "--weights",
            missing,
        ]
        output = self.fails(maquette, capfd, scene_state, *arguments)
        assert name in output or "does not exist. Create it first" in output

    def test_missing_weights(self, maquette, capfd, scene_state, pictures, tmp_path):
        arguments = [
            "reconstruct",
            pictures / "front.png",
            "-o",
            tmp_path / "a.glb",
            "--weights",
            tmp_path / "nope",
        ]
        assert "nope are missing" in self.fails(maquette, capfd, scene_state, *arguments)

    def test_as_a_script_on_stderr(self, as_script, tmp_path):
        done = as_script("reconstruct", tmp_path / "nope.png", "-o", tmp_path / "out.glb")
        assert done.returncode == 1 and "There is no image file" in done.stderr and not done.stdout

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["nope"],
            ["reconstruct"],
            ["reconstruct", "a.png"],
            ["reconstruct", "-o", "a.glb"],
            ["reconstruct", "a.png", "--front", "b.png", "-o", "a.glb"],
            ["reconstruct", "a.png", "-o", "a.glb", "--resolution", "31"],
            ["reconstruct", "a.png", "-o", "a.glb", "--resolution", "many"],
            ["reconstruct", "a.png", "-o", "a.glb", "--size", "0"],
            ["reconstruct", "a.png", "-o", "a.glb", "--size", "nan"],
            ["gallery", ".", "-o", "sheet.xyz"],
            ["dataset", "inspect", ".", "-o", "folder"],
        ],
    )
    def test_a_wrong_command_line(self, maquette, capsys, arguments):
        assert maquette(*arguments) == 2
        assert "usage: maquette" in capsys.readouterr().err

    def test_help(self, maquette, capsys):
        assert maquette("--help") == 0
        assert "reconstruct" in capsys.readouterr().out
        assert maquette("reconstruct", "--help") == 0
        assert "--front IMAGE" in capsys.readouterr().out


def test_every_argument_has_a_help(addon):
    from maquette.operators.cli import main

    for command in main._COMMANDS:
        parser = argparse.ArgumentParser(command.name)
        command.add_arguments(parser)
        assert command.help and [action.dest for action in parser._actions if not action.help] == []
        parser.format_help()  # a % that is not escaped is an error


class TestDemo:
    def run(self, maquette, capfd, folder, *arguments):
        capfd.readouterr()
        assert maquette("demo", *arguments, "--folder", folder, "--resolution", 32) == 0
        output = capfd.readouterr()
        assert output.err == ""
        assert sorted(path.name for path in folder.iterdir()) == [
            "demo.blend",
            "demo.glb",
            "demo.png",
        ]
        return output.out

    def test_of_a_picture(self, maquette, capfd, weights, pictures, tmp_path):
        from PIL import Image

        output = self.run(
            maquette, capfd, tmp_path / "out", pictures / "front.png", "--weights", weights
        )
        assert re.search(r"front [\d,]+ faces in [\d.]+ s; loading PyTorch", output)
        sheet = np.asarray(Image.open(tmp_path / "out/demo.png"))
        assert sheet.shape[1] > 4 * 240
        for fifth in np.array_split(
            sheet[20:], 5, axis=1
        ):  # the picture, and the object from four sides
            assert (np.ptp(fifth.reshape(-1, 3).astype(int), axis=1) > 40).sum() > 500

    def test_prints_one_line_whatever_blender_has_to_say(
        self, as_script, weights, pictures, tmp_path
    ):
        done = as_script(
            "demo",
            pictures / "front.png",
            "--folder",
            tmp_path,
            "--resolution",
            32,
            "--weights",
            weights,
        )
        assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, ""), done

    def test_of_the_bundled_pictures(
        self, maquette, capfd, weights, pictures, tmp_path, monkeypatch
    ):
        from maquette.operators.cli import demo

        monkeypatch.setattr(demo, "SAMPLES", pictures)
        output = self.run(maquette, capfd, tmp_path, "--weights", weights)
        assert "front and right" in output and "photo" in output
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "demo.blend"))
        assert sorted(obj.name for obj in bpy.data.objects) == ["front and right", "photo"]

    def test_a_folder_that_cannot_be_made(self, maquette, capsys, pictures, tmp_path):
        (tmp_path / "file").touch()
        assert maquette("demo", pictures / "front.png", "--folder", tmp_path / "file/out") == 1
        assert "could not be created: Not a directory" in capsys.readouterr().err


def test_a_training_set_by_two_processes(as_script, tmp_path):
    cube = tmp_path / "meshes/cube.obj"
    cube.parent.mkdir()
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    faces = ["1 3 4 2", "5 6 8 7", "1 2 6 5", "3 7 8 4", "1 5 7 3", "2 4 8 6"]
    cube.write_text(
        "".join(f"v {x} {y} {z}\n" for x, y, z in corners)
        + "".join(f"f {face}\n" for face in faces)
    )
    for name in ("long", "flat"):
        (tmp_path / f"meshes/{name}.obj").write_text(
            cube.read_text().replace("v 1", "v 3" if name == "long" else "v .1")
        )
    options = [
        "--meshes",
        tmp_path / "meshes",
        "--size",
        32,
        "--samples",
        1,
        "--cameras",
        "sides",
        "--points",
        256,
    ]
    options += ["--procedural", "bowl", "--count", 1, "--compact"]
    done = as_script("dataset", tmp_path / "set", *options, "--processes", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    names = {"cube", "flat", "long", "procedural__bowl_000000"}
    assert {path.stem for path in (tmp_path / "set/objects").iterdir()} == names
    assert set(json.loads((tmp_path / "set/splits.json").read_text())) == names
    again = as_script("dataset", tmp_path / "set", *options)
    assert "0 objects written, 4 already present, 0 skipped" in again.stdout


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="finds processes as Linux tells of them"
)
def test_processes_end_with_the_one_that_began_them(as_script, tmp_path):
    words = as_script.words(
        "dataset", tmp_path / "set", "--procedural", "all", "--processes", 2, "--samples", 1
    )
    parent = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    end = time.monotonic() + 60
    while len(children.read_text().split()) < 2 or not list(
        tmp_path.glob("set/objects/.*.views/*")
    ):
        assert time.monotonic() < end and parent.poll() is None
        time.sleep(0.1)
    own = children.read_text().split()
    parent.terminate()
    assert parent.wait(30) == 143
    assert not any(Path(f"/proc/{child}").exists() for child in own)


def test_processes_that_fail_are_told_of(as_script, tmp_path):
    done = as_script("dataset", tmp_path / "set", "--procedural", "nosuch", "--processes", 2)
    assert done.returncode == 1
    assert "There is no generator named 'nosuch'" in done.stderr and "Traceback" not in done.stderr


def test_a_whole_scene_from_the_command_line_and_the_operator_are_one(maquette, tmp_path, capfd):
    from maquette.core.dataset.object_file import ObjectFile

    bpy.ops.mesh.primitive_cube_add(size=1)
    bpy.context.object["kind"] = "box"
    camera = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    camera.location = (0, 0, 6)
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    small = ("--size", 32, "--samples", 1, "--points", 512, "--class-property", "kind")
    code = maquette("dataset", tmp_path / "line", "--whole-scene", "--cameras", "path:3..4", *small)
    assert code == 0 and "1 objects written" in capfd.readouterr().out
    done = bpy.ops.maquette.render_dataset(
        folder=str(tmp_path / "button"),
        source='WHOLE',
        cameras="path:3..4",
        class_property="kind",
        size=32,
        samples=1,
        points=512,
    )
    assert done == {'FINISHED'}
    line, button = (
        ObjectFile(tmp_path / folder / "objects/Scene.tar") for folder in ("line", "button")
    )
    assert [view.frame for view in line.record.views] == [3, 4]
    assert [one.family for one in line.record.instances] == ["box"]
    for kind in ("index", "depth", "flow"):
        np.testing.assert_array_equal(
            getattr(line.read_view(1), kind), getattr(button.read_view(1), kind)
        )


def test_what_is_left_out_or_lacks_a_texture_is_printed(maquette, tmp_path, capfd):
    meshes = tmp_path / "meshes"
    meshes.mkdir()
    (meshes / "a.fbx").touch()
    (meshes / "b.glb").write_bytes(b"no mesh")
    (meshes / "c.mtl").write_text("newmtl a\nmap_Kd wood.png\n")
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\n"
    faces = "f 1/1 3/1 2/1\nf 1/1 2/1 4/1\nf 2/1 3/1 4/1\nf 1/1 4/1 3/1\n"
    (meshes / "c.obj").write_text(f"mtllib c.mtl\nusemtl a\n{corners}{faces}")
    small = ("--size", 16, "--samples", 1, "--points", 256, "--cameras", "sides:front")
    assert maquette("dataset", tmp_path / "set", "--meshes", meshes, *small) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].endswith("1 files of other kinds are left out: .fbx (1)")
    assert lines[1].startswith("skipped b: ") and "cannot be imported" in lines[1]
    assert lines[2].startswith("c: ") and "wood.png" in lines[2]
    assert lines[3].endswith("1 objects written, 0 already present, 1 skipped")
    assert len(lines) == 4


def test_a_path_and_other_cameras_of_a_whole_scene_are_refused(maquette, tmp_path, capfd):
    assert (
        maquette("dataset", tmp_path / "set", "--whole-scene", "--cameras", "path:2..4", "sides")
        == 1
    )
    assert "Render it twice" in capfd.readouterr().err
