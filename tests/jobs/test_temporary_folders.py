import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from maquette.core.errors import OutputError
from maquette.core.jobs import temporary_folders
from maquette.core.jobs.temporary_folders import OWNER_FILE, sweep_folders, temporary_folder

CORE = Path(temporary_folders.__file__).parents[1]
LEAVING = f"""
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location(
    "c", r"{CORE}/__init__.py", submodule_search_locations=[r"{CORE}"]
)
sys.modules["c"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from c.jobs import temporary_folders
print(temporary_folders.create_folder(), flush=True)
{{end}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder in which temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def leave_folder(place, end):
    """Make a temporary folder in another process, and return it after that has ended."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVING.format(end=end)],
        env={**os.environ, "TMPDIR": str(place), "TEMP": str(place)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Path(done.stdout.strip())


def owned_folder(place, name="maquette_x", **changes):
    """Make a folder of an ended process, with changes to its owner file."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    owner = {"pid": ended.pid, "machine": temporary_folders._machine_name(), **changes}
    folder = place / name
    folder.mkdir()
    (folder / OWNER_FILE).write_text(json.dumps(owner))
    (folder / "deep").mkdir()
    (folder / "deep/file").write_text("x")
    return folder


def test_a_folder_exists_as_long_as_its_context(place):
    with temporary_folder() as folder:
        assert folder.parent == place and folder.name.startswith("maquette_")
        assert json.loads((folder / OWNER_FILE).read_text())["pid"] == os.getpid()
        (folder / "file").write_text("x")
        assert not sweep_folders()  # it is in use
    assert not list(place.iterdir())
    with pytest.raises(ZeroDivisionError), temporary_folder():
        raise ZeroDivisionError
    assert not list(place.iterdir())


def test_an_ending_process_takes_its_folders_along(place):
    assert not leave_folder(place, "sys.exit(3)").exists()


def test_a_fork_leaves_them_to_its_parent(place):
    end = "temporary_folders.remove_folders() if not os.fork() else os.wait()\nos._exit(0)"
    assert leave_folder(place, end).exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_a_killed_process_left_is_swept(place):
    folder = leave_folder(place, f"os.kill(os.getpid(), {signal.SIGKILL:d})")
    assert folder.is_dir() and folder.parent == place
    assert sweep_folders() == [folder]
    assert not list(place.iterdir()) and not sweep_folders()


def test_the_folder_of_a_bpy_module_is_swept_if_it_is_marked(place):
    owned_folder(place, "blender_a81xyz")
    assert [folder.name for folder in sweep_folders()] == ["blender_a81xyz"]


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": os.getpid()},
        {"pid": 0},
        {"pid": -1},
        {"pid": True},
        {"pid": "12"},
        {"pid": None},
        {"machine": "another"},
        {"machine": None},
        {"more": "x" * 2000},
    ],
)
def test_whose_owner_may_live_or_is_not_known_stays(place, changes):
    owned_folder(place, **changes)
    assert not sweep_folders() and (place / "maquette_x/deep/file").exists()


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_what_only_looks_like_ours_stays(place, tmp_path_factory):
    outside = owned_folder(tmp_path_factory.mktemp("outside"))
    (place / "maquette_link").symlink_to(outside)
    owned_folder(place, "others_x")
    (place / "maquette_file").write_text("x")
    (place / "maquette_empty").mkdir()
    for name, text in (("text", "hello"), ("list", "[]"), ("number", "3")):
        (place / f"maquette_{name}").mkdir()
        (place / f"maquette_{name}" / OWNER_FILE).write_text(text)
    (place / "maquette_pipe").mkdir()
    os.mkfifo(place / "maquette_pipe" / OWNER_FILE)
    (place / "maquette_folder" / OWNER_FILE).mkdir(parents=True)
    (place / "maquette_linked").mkdir()
    (place / "maquette_linked" / OWNER_FILE).symlink_to(outside / OWNER_FILE)
    before = sorted(place.rglob("*"))
    assert not sweep_folders() and sorted(place.rglob("*")) == before
    assert (outside / "deep/file").exists()


def test_links_within_are_removed_but_not_what_they_show(place, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").write_text("x")
    (owned_folder(place) / "link").symlink_to(outside)
    assert len(sweep_folders()) == 1 and (outside / "file").exists()


def test_no_place_for_them_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(OutputError, match="No temporary folder can be made: No such file"):
        temporary_folders.create_folder()
    assert not sweep_folders()
