"""A folder of images, some of them bad: in the scene, on disk and on the command line."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest


@pytest.fixture
def folder(pictures, tmp_path):
    """Two good images, one that cannot be read, and a text file."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("front", "photo"):
        shutil.copy(pictures / f"{name}.png", folder)
    (folder / "hollow.png").write_text("hello")
    (folder / "notes.txt").write_text("hello")
    return folder


@pytest.fixture
def own_weights(addon, weights, monkeypatch):
    """The tiny network, as if the preferences named it."""
    from maquette.operators import _results

    monkeypatch.setattr(_results, "weights_file", lambda chosen="": weights)


def test_each_picture_becomes_an_object_and_a_bad_one_is_left_out(own_weights, folder):
    bpy.context.scene.cursor.location = (1, 2, 3)
    done = bpy.ops.maquette.reconstruct_folder(folder=str(folder), resolution=32, size=2.0)
    assert done == {'FINISHED'}
    assert [obj.name for obj in bpy.data.objects] == ["front", "photo"]
    assert [tuple(obj.location) for obj in bpy.data.objects] == [
        (1, 2, 3),
        (pytest.approx(3.6), 2, 3),
    ]
    assert not any(obj.asset_data for obj in bpy.data.objects)


def test_assets_show_and_tell_what_they_are(own_weights, folder):
    bpy.ops.maquette.reconstruct_folder(folder=str(folder), resolution=32, assets=True)
    front = bpy.data.objects["front"]
    data = front.asset_data
    assert data["source"] == str(folder / "front.png") and data["model"].startswith("Maquette 0.")
    assert (data["resolution"], data["faces"]) == (32, len(front.data.polygons))
    assert "resolution 32" in data.description and "Maquette" in data.tags
    preview = np.array(front.preview.image_pixels_float).reshape(*front.preview.image_size, 4)
    seen = preview[..., 3] > 0.5
    assert 0.02 < seen.mean() < 0.9  # the object, and nothing around it
    red, green, _ = preview[seen][:, :3].mean(0)
    assert red > 1.5 * green  # it is a red bottle


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "Choose a folder"),
        (lambda folder: folder, "contains no images"),
    ],
)
def test_a_folder_without_pictures_is_refused(own_weights, tmp_path, make, message):
    with pytest.raises(RuntimeError, match=message):
        bpy.ops.maquette.reconstruct_folder(folder=str(make(tmp_path) or ""))


@pytest.mark.parametrize("kind", [ValueError, MemoryError, RuntimeError])
def test_any_failure_of_one_leaves_the_others(own_weights, folder, monkeypatch, kind):
    from maquette.operators import reconstruct_folder

    start = reconstruct_folder.start_reconstruction

    def fail_one(request, *arguments, **options):
        if request.photo.stem == "front":
            raise kind("of a library")
        return start(request, *arguments, **options)

    monkeypatch.setattr(reconstruct_folder, "start_reconstruction", fail_one)
    done = bpy.ops.maquette.reconstruct_folder(folder=str(folder), resolution=32)
    assert done == {'FINISHED'}
    assert [obj.name for obj in bpy.data.objects] == ["photo"]


def test_all_formats_of_a_folder_and_names_that_are_not_utf8(own_weights, pictures, tmp_path):
    from PIL import Image

    with Image.open(pictures / "front.png") as image:
        for suffix in ("gif", "tga", "avif"):
            image.save(tmp_path / f"{suffix}.{suffix}")
        image.save(tmp_path / "phone.heic", "PNG")
        image.save(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")))
    done = bpy.ops.maquette.reconstruct_folder(folder=str(tmp_path), resolution=32)
    assert done == {'FINISHED'}
    names = [obj.name for obj in bpy.data.objects]
    assert sorted(names) == ["avif", "caf\\udce9", "gif", "tga"]


def test_an_image_whose_name_is_not_utf8(own_weights, pictures, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    shutil.copy(pictures / "front.png", path)
    assert bpy.ops.maquette.reconstruct(filepath=path, resolution=32) == {'FINISHED'}
    assert bpy.context.object.name == "caf\\udce9"
    Path(path).write_text("no image")
    with pytest.raises(RuntimeError, match=r"caf.udce9\.png is not a readable image"):
        bpy.ops.maquette.reconstruct(filepath=path, resolution=32)


def test_only_bad_pictures_are_an_error(own_weights, tmp_path):
    (tmp_path / "bad.png").write_text("hello")
    with pytest.raises(RuntimeError, match=r"None of the images .* is not a readable image"):
        bpy.ops.maquette.reconstruct_folder(folder=str(tmp_path))


class TestCommandLine:
    @pytest.fixture
    def run(self, addon, weights, capfd):
        from maquette.operators.cli import main

        def run(*arguments):
            capfd.readouterr()
            words = ["reconstruct", *arguments, "--resolution", 32, "--weights", weights]
            return main.run_command([str(word) for word in words]), *capfd.readouterr()

        return run

    def test_goes_on_after_a_bad_one_and_tells_of_it_at_the_end(
        self, as_script, weights, folder, tmp_path
    ):
        words = ["--out-dir", tmp_path / "deep/out", "--resolution", 32, "--weights", weights]
        done = as_script("reconstruct", *sorted(folder.glob("*.png")), *words)
        assert done.returncode == 1
        assert sorted(path.name for path in (tmp_path / "deep/out").iterdir()) == [
            "front.glb",
            "photo.glb",
        ]
        assert len(done.stdout.splitlines()) == 2 and "faces" in done.stdout
        hollow, last = done.stderr.splitlines()
        assert "hollow.png is not a readable image" in hollow and last.endswith(
            "1 of 3 images could not be reconstructed"
        )

    def test_lines_of_json(self, as_script, weights, folder, tmp_path):
        words = ["--out-dir", tmp_path, "--json", "--resolution", 32, "--weights", weights]
        done = as_script("reconstruct", *sorted(folder.glob("*.png")), *words)
        front, hollow, photo = map(json.loads, done.stdout.splitlines())
        assert done.returncode == 1 and "is not a readable image" in hollow["error"]
        assert hollow["source"] == str(folder / "hollow.png")
        assert (
            front["output"] == str(tmp_path / "front.glb")
            and front["faces"] > 100
            and photo["resolution"] == 32
        )
        assert "error" not in front

    def test_goes_on_after_everything_that_can_be_wrong(self, run, pictures, folder, tmp_path):
        """Names, things that are no files, decoders and links; those that are right are made."""
        odd = [Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))]
        odd.append(tmp_path / ("x" * 245 + ".png"))
        odd.append(tmp_path / "стул.png")
        for path in odd:
            shutil.copy(pictures / "front.png", path)
        (tmp_path / "folder.png").mkdir()
        (tmp_path / "broken.png").symlink_to("nowhere")
        os.mkfifo(tmp_path / "pipe.png")
        too_long = tmp_path.joinpath(*["y" * 200] * 25, "a.png")
        bad = [tmp_path / f"{name}.png" for name in ("folder", "broken", "pipe")]
        bad += [too_long, folder / "hollow.png"]
        code, out, err = run(*bad, *odd, "--out-dir", tmp_path / "out")
        assert code == 1 and out.count(" faces") == 3
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "caf_.glb",
            "x" * 200 + ".glb",
            "стул.glb",
        ]
        lines = err.splitlines()
        assert len(lines) == 6 and all(line.startswith("maquette: ") for line in lines)
        assert lines[-1].endswith("5 of 8 images could not be reconstructed")

    def test_assets_and_json_of_names_that_are_not_utf8(self, run, pictures, tmp_path):
        source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
        shutil.copy(pictures / "front.png", source)
        code, out, _ = run(source, "--out-dir", tmp_path, "--assets", "--json")
        result = json.loads(out)
        assert (code, result["source"]) == (0, str(source))
        assert result["output"] == str(tmp_path / "caf_.blend")

    def test_goes_on_after_any_error(self, run, folder, tmp_path, monkeypatch):
        from maquette.operators.cli import reconstruct

        def fail(request, size, **options):
            raise ValueError("of a library")

        monkeypatch.setattr(reconstruct, "start_reconstruction", fail)
        code, out, err = run(*sorted(folder.glob("*.png")), "--out-dir", tmp_path)
        assert (code, out) == (1, "")
        assert err.count("failed unexpectedly (ValueError: of a library)") == 3

    @pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
    def test_names_that_the_console_cannot_print(
        self, as_script, weights, folder, tmp_path, monkeypatch, encoding
    ):
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
        chair = shutil.copy(folder / "front.png", folder / "стул.png")
        words = ["--out-dir", tmp_path, "--resolution", 32, "--weights", weights]
        done = as_script("reconstruct", folder / "нет.png", chair, *words)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "\\u0441\\u0442\\u0443\\u043b.glb: " in done.stdout
        assert "\\u043d\\u0435\\u0442.png: There is no image file" in done.stderr
        assert (tmp_path / "стул.glb").exists()

    def test_a_reader_that_goes_away_ends_nothing(self, as_script, weights, folder, tmp_path):
        words = ["--out-dir", tmp_path, "--resolution", 32, "--weights", weights]
        pictures = [folder / "front.png", folder / "photo.png"]
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            as_script.words("reconstruct", *pictures, *words),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=120,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")
        assert (tmp_path / "front.glb").exists() and (tmp_path / "photo.glb").exists()

    def test_leaves_the_open_file_as_it_was(self, run, folder, tmp_path, scene_state):
        before = scene_state()
        assert run(folder / "front.png", "--out-dir", tmp_path)[0] == 0
        assert scene_state() == before

    def test_assets_into_blend_files(self, run, folder, tmp_path):
        code, _, _ = run(folder / "front.png", "--out-dir", tmp_path, "--assets")
        assert code == 0
        with bpy.data.libraries.load(str(tmp_path / "front.blend"), assets_only=True) as (
            there,
            here,
        ):
            assert there.objects == ["front"]
            here.objects = there.objects
        (front,) = here.objects
        assert (
            front.asset_data["source"].endswith("front.png") and front.preview.image_size[0] == 128
        )

    def test_two_of_the_same_name_do_not_overwrite_each_other(self, run, folder, tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        shutil.copy(folder / "photo.png", other / "front.png")
        shutil.copy(folder / "photo.png", other / "front-2.png")
        pictures = [folder / "front.png", other / "front.png", other / "front-2.png"]
        code, _, err = run(*pictures, "--out-dir", tmp_path / "out")
        assert (code, err) == (0, "")
        written = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert written == ["front-2-2.glb", "front-2.glb", "front.glb"]

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--out-dir", "out"],
            ["a.png", "b.png", "-o", "a.glb"],
            ["--front", "a.png", "--out-dir", "out"],
            ["a.png", "-o", "a.glb", "--assets"],
            ["a.png", "-o", "a.glb", "--out-dir", "out"],
        ],
    )
    def test_a_wrong_command_line(self, run, arguments):
        code, _, err = run(*arguments)
        assert code == 2 and "usage: maquette" in err

    def test_a_folder_that_cannot_be_made(self, run, folder, tmp_path):
        (tmp_path / "file").touch()
        code, _, err = run(folder / "front.png", "--out-dir", tmp_path / "file/out")
        assert code == 1 and "could not be created: Not a directory" in err
