"""A full disk, and a file that cannot grow: reported, nothing broken, and continued."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.errors import OutputError
from maquette.core.jobs.task import run_to_end

ROOT = Path(__file__).resolve().parents[3]
SMALL, ENOUGH = 224, 16384  # KiB of the disk: before and after space is made

# A run on a disk of its own that is too small, then again with space; what it made is copied out.
CHILD = """
import ctypes, shutil, subprocess, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
import conftest
import test_full_disk as own
from maquette.core.errors import OutputError
disk = Path({disk!r})
def mount(how, size):
    options = how + "size=%dk" % size
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], check=True)
mount("", own.SMALL)
own.scene_to_render()
for size in (own.SMALL, own.ENOUGH):
    if size == own.ENOUGH:
        mount("remount,", size)
    try:
        own.run({kind!r}, disk / "set")
        print("finished", size)
    except OutputError as error:
        print("full", size, error)
        own.assert_sound(disk / "set")
sys.stdout.flush()
shutil.copytree(disk / "set", {out!r})
import os
os._exit(0)
"""


def scene_to_render():
    """Two things and a camera, in an empty Blender."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add(size=1)
    bpy.ops.mesh.primitive_cone_add(location=(1.5, 0, 0))
    bpy.context.scene.world = bpy.data.worlds.new("world")


def run(kind, folder):
    import bpy
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import procedural_sources
    from maquette.core.scene.datagen.whole_scene import WholeScene, render_whole_scene
    from maquette.core.synthesis.camera_rigs import parse_rigs

    settings = DatasetSettings(
        size=32, samples=1, cameras=parse_rigs(("sides:front,top", "sphere:4")), points=1024
    )
    if kind == "objects":
        return run_to_end(
            render_dataset(procedural_sources(["mug", "chair"], 2, 0), folder, settings)
        )
    layer = bpy.context.view_layer.name
    return run_to_end(render_whole_scene(bpy.context.scene, layer, folder, settings, WholeScene()))


def assert_sound(folder):
    """Nothing half written lies there, and every object that does is whole."""
    from maquette.core.dataset.index import ObjectLocation
    from maquette.core.dataset.validation import check_object

    assert not list(folder.rglob("*.partial"))
    for path in folder.glob("objects/*.tar"):
        check_object(ObjectLocation(path))


def assert_equal_sets(one, two):
    names = [
        sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")) for folder in (one, two)
    ]
    assert names[0] == names[1]
    for path in one.glob("objects/*.tar"):
        a, b = ObjectFile(path), ObjectFile(two / "objects" / path.name)
        assert a.parts.keys() == b.parts.keys()
        for kind in a.parts:
            if kind == "json" or kind.endswith(("shape.npz", "mesh.npz")):
                assert a.read_member(kind) == b.read_member(kind), kind
        for index in range(len(a.record.views)):
            views = a.read_view(index), b.read_view(index)
            assert np.abs(views[0].colour.astype(int) - views[1].colour).max() <= 2
            assert np.abs(views[0].depth - views[1].depth).max() < 1e-4
    for name in ("dataset.json", "splits.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.fixture(params=["objects", "scene"])
def undisturbed(request, addon, tmp_path):
    """The kind of set, and one that nothing disturbed."""
    scene_to_render()
    run(request.param, tmp_path / "undisturbed")
    return request.param, tmp_path / "undisturbed"


def can_mount():
    if sys.platform != "linux":
        return False
    try:
        words = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
        return subprocess.run(words, capture_output=True, timeout=20).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(
    not can_mount(), reason="a disk of a few KiB can be mounted here by nobody (unshare -rm)"
)
def test_a_full_disk_is_said_and_once_there_is_space_the_set_is_finished(undisturbed, tmp_path):
    kind, expected = undisturbed
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    code = CHILD.format(
        tests=str(ROOT / "tests"),
        here=str(Path(__file__).parent),
        disk=str(disk),
        kind=kind,
        out=str(out),
    )
    words = ["unshare", "-rm", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, timeout=300, text=True)
    reports = [line for line in done.stdout.splitlines() if line.startswith(("full", "finished"))]
    assert done.returncode == 0, done.stderr
    assert len(reports) == 2 and reports[1] == f"finished {ENOUGH}"
    assert (
        reports[0].startswith(f"full {SMALL} {disk}")
        and "No space left on device). Free some space" in reports[0]
    )
    assert_equal_sets(out, expected)


@pytest.mark.slow
@pytest.mark.skipif(
    os.name != "posix", reason="the largest size of a file is set as POSIX systems do"
)
@pytest.mark.parametrize(
    "share", [0.9, 0.2]
)  # the object's own file is too large, or one of what it is made of
def test_a_file_that_cannot_grow_is_said_and_the_set_goes_on(undisturbed, tmp_path, share):
    import resource

    kind, expected = undisturbed
    largest = max(path.stat().st_size for path in expected.glob("objects/*.tar"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * largest), hard))
    try:
        with pytest.raises(OutputError, match=r"could not be written.*ree some space.*run again"):
            run(kind, tmp_path / "set")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_sound(tmp_path / "set")
    run(kind, tmp_path / "set")
    assert_equal_sets(tmp_path / "set", expected)
