"""Files are complete, as they were, or absent, also where the disk is full."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from maquette.core import atomic_files
from maquette.core.errors import OutputError
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import sys
sys.path[:0] = [{tests!r}]
import conftest, resource
from pathlib import Path
from maquette.core import atomic_files
from maquette.core.errors import OutputError
folder = Path({folder!r})
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
"""
posix = pytest.mark.skipif(os.name != "posix", reason="file sizes are limited as POSIX does it")


def run_child(code, folder):
    """Run code in a process of its own, where files can be limited in size."""
    code = HEAD.format(tests=str(ROOT / "tests"), folder=str(folder)) + code
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@posix
def test_an_older_file_survives_a_full_disk(tmp_path):
    (tmp_path / "kept.bin").write_bytes(b"older")
    code = """
limit(4096)
for name in ("kept.bin", "new.bin"):
    try:
        atomic_files.write_bytes(folder / name, bytes(5000))
    except OutputError as error:
        print(error)
"""
    done = run_child(code, tmp_path)
    first, second = done.stdout.splitlines()
    assert first == (
        f"{tmp_path / 'kept.bin'} could not be written (File too large). Free some space and run "
        "again"
    )
    assert second.startswith(f"{tmp_path / 'new.bin'} could not be written")
    assert names(tmp_path) == ["kept.bin"]
    assert (tmp_path / "kept.bin").read_bytes() == b"older"


@posix
def test_a_log_holds_complete_lines_alone_on_a_full_disk(tmp_path):
    code = """
log = atomic_files.LineFile(folder / "log.csv")
log.write_line("a" * 60)
limit(100)
try:
    log.write_line("b" * 60)
except OutputError as error:
    print(error)
log.write_line("c" * 30)
log.close()
"""
    done = run_child(code, tmp_path)
    assert "log.csv could not be written (" in done.stdout, done.stderr
    assert (tmp_path / "log.csv").read_text() == "a" * 60 + "\n" + "c" * 30 + "\n"


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".bin")
    atomic_files.write_bytes(path, b"data")
    assert path.read_bytes() == b"data"
    assert names(tmp_path) == [path.name]


def test_companions_move_with_the_main_file_and_replace_older_ones(tmp_path):
    (tmp_path / "a.mtl").write_text("older")
    (tmp_path / "other.txt").write_text("stays")
    with atomic_files.atomic_folder(tmp_path / "a.obj") as folder:
        (folder / "a.obj").write_text("mesh")
        (folder / "a.mtl").write_text("newer")
        (folder / "textures").mkdir()
        (folder / "textures/a.png").write_text("image")
        assert (tmp_path / "a.mtl").read_text() == "older"
    assert names(tmp_path) == ["a.mtl", "a.obj", "other.txt", "textures", "textures/a.png"]
    assert (tmp_path / "a.mtl").read_text() == "newer"


def test_a_failure_moves_nothing(tmp_path):
    (tmp_path / "a.mtl").write_text("older")
    with pytest.raises(OutputError), atomic_files.atomic_folder(tmp_path / "a.obj") as folder:
        (folder / "a.mtl").write_text("newer")
        raise OSError(28, "No space left on device")
    # The main file was not written at all.
    with pytest.raises(OutputError), atomic_files.atomic_folder(tmp_path / "a.obj") as folder:
        (folder / "a.mtl").write_text("newer")
    assert names(tmp_path) == ["a.mtl"]
    assert (tmp_path / "a.mtl").read_text() == "older"


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in ("a[1].tar", "a.b", "b"):
        (tmp_path / f".{name}.{ended.pid}.partial").write_text("half")
    (tmp_path / f".a[1].tar.{os.getppid()}.partial").write_text("being written")
    (tmp_path / f".c.glb.{ended.pid}.partial").mkdir()
    (tmp_path / f".c.glb.{ended.pid}.partial/c.glb").write_text("half")
    atomic_files.remove_partials(tmp_path, "a[1].tar")
    kept = {f".a[1].tar.{os.getppid()}.partial", f".a.b.{ended.pid}.partial"}
    assert kept <= set(names(tmp_path))
    assert f".a[1].tar.{ended.pid}.partial" not in names(tmp_path)
    with atomic_files.atomic_folder(tmp_path / "c.glb") as folder:
        (folder / "c.glb").write_text("whole")
    atomic_files.remove_partials(tmp_path)
    assert names(tmp_path) == [f".a[1].tar.{os.getppid()}.partial", "c.glb"]


def test_damaged_lines_of_a_log_are_left_out(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"1,a\n\n2,b\r\n\0\0\0\0\n3,\0\n\xff4,d\n5,e\n6,cu")
    assert atomic_files.read_complete_lines(path) == ["1,a", "2,b", "\ufffd4,d", "5,e"]
    path.write_bytes(b"\0" * 100)
    assert atomic_files.read_complete_lines(path) == []


def test_images_are_written_by_their_suffix(tmp_path):
    image = Image.fromarray(np.full((4, 5, 3), 200, np.uint8))
    for suffix, image_format in ((".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP")):
        atomic_files.write_image(tmp_path / f"sheet{suffix}", image)
        with Image.open(tmp_path / f"sheet{suffix}") as read:
            assert read.format == image_format
            assert read.size == (5, 4)
    with pytest.raises(OutputError, match=r"cannot be written as \.hdr"):
        atomic_files.write_image(tmp_path / "sheet.hdr", image)
    assert names(tmp_path) == ["sheet.jpg", "sheet.png", "sheet.webp"]
