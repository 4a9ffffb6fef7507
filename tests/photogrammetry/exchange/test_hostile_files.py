"""Damaged and hostile files of cameras: an error that names the file, never a crash."""

import json
import random
import struct
import time
from contextlib import suppress

import pytest
from maquette.core.errors import CameraFileError, MaquetteError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.exchange import locate_cameras, read_cameras, write_cameras

HUGE = struct.pack("<Q", 2**63)


def refuse(path, paths, *texts):
    with pytest.raises(CameraFileError) as caught:
        run_to_end(read_cameras(path, paths))
    for text in texts:
        assert text in str(caught.value)


@pytest.fixture
def model(scene, tmp_path):
    """The folder of COLMAP's files, the binary ones first in line."""
    write_cameras(tmp_path / "model", scene)
    return tmp_path / "model/sparse/0"


@pytest.fixture
def text_model(model):
    for name in ("cameras", "images", "points3D"):
        (model / f"{name}.bin").unlink()
    return model


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_binary_counts_are_checked_before_memory_is_taken(model, paths, name):
    began = time.monotonic()
    file = model / f"{name}.bin"
    file.write_bytes(HUGE + file.read_bytes()[8:])
    refuse(model, paths, f"{name}.bin is damaged", "too early")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_binary_files_that_end_early_are_refused(model, paths, name, share):
    file = model / f"{name}.bin"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    refuse(model, paths, f"{name}.bin is damaged")


def test_a_huge_track_is_refused(model, paths):
    file = model / "points3D.bin"
    data = bytearray(file.read_bytes())
    data[8 + 43 : 8 + 51] = HUGE
    file.write_bytes(data)
    refuse(model, paths, "points3D.bin is damaged", "too early")


def change_line(path, number, old, new):
    lines = path.read_text().splitlines()
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new)
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("name", "number", "old", "new", "text"),
    [
        ("cameras", 2, "OPENCV", "FOV", "colmap image_undistorter"),
        ("cameras", 2, "OPENCV", "RADIAL", "RADIAL has 5 parameters"),
        ("cameras", 2, "66.0", "nan", "the focal length is nan"),
        ("cameras", 2, " 64 ", " 64000000 ", "too large"),
        ("cameras", 2, " 64 ", " x ", "invalid literal"),
        ("images", 2, "view", "", "is damaged"),
        ("images", 2, " 1 view", " 7 view", "there is no camera 7"),
        ("images", 2, "1 0.", "1 nan ", "line 2"),
        ("points3D", 3, " ", " q", "could not convert"),
        ("points3D", 3, "0.25", "", "8 numbers"),
    ],
)
def test_damaged_lines_are_named(text_model, paths, name, number, old, new, text):
    file = text_model / f"{name}.txt"
    change_line(file, number, old, new)
    if (name, text) == ("images", "is damaged"):
        change_line(file, number, "0.png", "")
    refuse(text_model, paths, f"{name}.txt is damaged: line {number}", text)


def test_points_that_are_not_finite_are_left_out(text_model, paths):
    """Programs write them now and then."""
    file = text_model / "points3D.txt"
    lines = file.read_text().splitlines()
    lines[1] = "1 nan inf 0 1 2 3 0.5"
    file.write_text("\n".join(lines))
    scene = run_to_end(read_cameras(text_model, paths))
    assert len(scene.cloud.points) == 229


def entry(**changes):
    """A transforms.json of one frame, with changes of that frame; None removes."""
    frame = {
        "file_path": "view 0.png",
        "transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]],
        **{"fl_x": 60.0, "w": 64, "h": 48},
    }
    frame |= changes
    return {"frames": [{key: value for key, value in frame.items() if value is not None}]}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"frames": []}, "frames is empty"),
        ({"frames": 3}, "frames is no list"),
        ({"frame": []}, "neither frames nor views"),
        (entry(transform_matrix=None), "frames[0].transform_matrix is missing"),
        (entry(transform_matrix=[[1, 0], [0, 1]]), "frames[0]"),
        (entry(transform_matrix=[[1, 0, 0, float("nan")]] * 4), "frames[0]"),
        (entry(transform_matrix=[[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]]), "not orthonormal"),
        (entry(transform_matrix=[[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]), "mirrors"),
        (entry(fl_x=None), "camera_angle_x is not"),
        (entry(fl_x="60"), "fl_x is not"),
        (entry(fl_x=-60), "the focal length is -60"),
        (entry(fl_x=None, camera_angle_x=7.0), "field of view"),
        (entry(w=None), "no w and h"),
        (entry(w=1e9), "too large"),
        (entry(k1=float("inf")), "k1 is not"),
        (entry(k4=0.1), "k4"),
        (entry(camera_model="EQUIRECTANGULAR"), "EQUIRECTANGULAR are not read"),
        (entry(file_path=""), "name of the image"),
        (entry(file_path=7), "file_path is 7"),
        ({"views": [], "intrinsics": [], "poses": []}, "version is missing"),
        ({"version": ["1", "2", "3"], "views": []}, "intrinsics is missing"),
        (
            {
                "version": ["1", "0", "0"],
                "intrinsics": [],
                "views": [],
                "poses": [{"poseId": "1", "pose": {"transform": {"rotation": ["x"] * 9}}}],
            },
            "damaged",
        ),
        (
            {"version": ["1", "0", "0"], "intrinsics": [], "views": [], "poses": []},
            "no view has a pose",
        ),
    ],
)
def test_damaged_json_is_told(paths, tmp_path, content, text):
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps(content))
    refuse(path, paths, "transforms.json", text)


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe", b'{"frames":' + b"[" * 100_000])
def test_what_is_no_json_is_told(paths, tmp_path, data):
    path = tmp_path / "transforms.json"
    path.write_bytes(data)
    refuse(path, paths, "transforms.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 cameras"),
        ("many\n", "line 1"),
        ("99999999999999999999\n", "but the first line says"),
        ("1\nview.png 1 2 3\n", "line 2: a line has 22 words"),
        ("1\nview.png " + " nan" * 21, "the intrinsics are none"),
        ("1\nview.png 60 30 32 0 60 24 0 0 1 1 0 0 0 1 0 0 0 1 0 0 2", "skewed"),
    ],
)
def test_damaged_parameters_are_told(paths, tmp_path, text, message):
    path = tmp_path / "box_par.txt"
    path.write_text(text)
    refuse(path, paths, "box_par.txt is damaged", message)


@pytest.mark.parametrize(
    "points",
    [
        b"",
        b"ply\nformat ascii 1.0\nelement vertex 99999999999\nproperty float x\nend_header\n",
        b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999999\nproperty float x\n"
        b"property float y\nproperty float z\nend_header\n",
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty list uchar int x\nend_header\n",
        b"ply\nformat ascii 1.0\nelement face 1\nend_header\n1 2 3\n",
        b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\n"
        b"property float z\nend_header\n1 2 3\n",
    ],
)
def test_damaged_points_are_told(scene, paths, tmp_path, points):
    write_cameras(tmp_path / "transforms.json", scene)
    (tmp_path / "transforms_sparse_points.ply").write_bytes(points)
    refuse(tmp_path, paths, "transforms_sparse_points.ply is damaged")


def test_points_written_as_text_are_read(scene, paths, tmp_path):
    write_cameras(tmp_path / "transforms.json", scene)
    header = "ply\r\nformat ascii 1.0\r\ncomment theirs\r\nelement vertex 20\r\n"
    header += "".join(f"property {kind}\r\n" for kind in ("double x", "double y", "double z"))
    header += "".join(f"property uint8 {name}\r\n" for name in ("red", "green", "blue"))
    rows = "".join(f"{row % 5} {row % 3} {row % 2} 255 0 {row}\r\n" for row in range(20))
    text = f"{header}end_header\r\n{rows}"
    (tmp_path / "transforms_sparse_points.ply").write_text(text, newline="")
    again = run_to_end(read_cameras(tmp_path, paths))
    assert again.cloud.colors[7].tolist() == pytest.approx([1, 0, 7 / 255])


@pytest.mark.parametrize("name", ["missing", "photos", "cameras.abc", "cameras.txt"])
def test_what_has_no_cameras_says_what_to_choose(scene, paths, tmp_path, name):
    if "." in name:
        (tmp_path / name).write_text("cameras")
    refuse(tmp_path / name, paths, name if name != "cameras.txt" else "lacks")


def test_a_folder_is_searched_for_its_model(model, tmp_path):
    assert locate_cameras(tmp_path / "model") == model / "images.bin"
    assert locate_cameras(model / "points3D.txt") == model / "images.bin"


@pytest.mark.parametrize("seed", range(30))
def test_random_damage_never_crashes(model, paths, seed):
    """Whatever a byte is changed to: cameras, or an error of ours."""
    chance = random.Random(seed)
    file = model / chance.choice(["cameras.bin", "images.bin", "points3D.bin"])
    data = bytearray(file.read_bytes())
    for _ in range(8):
        data[chance.randrange(len(data))] = chance.randrange(256)
    file.write_bytes(data)
    with suppress(MaquetteError):
        run_to_end(read_cameras(model, paths))
