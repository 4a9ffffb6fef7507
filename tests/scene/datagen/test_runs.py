"""Runs that are killed, run out of disk, or find unusable objects; memory of many views."""

import errno
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from maquette.core.errors import OutputError
from maquette.core.folder_lock import lock_folder
from maquette.core.jobs.task import run_to_end

ROOT = Path(__file__).resolve().parents[3]
COUNT = 2

# A run in a process of its own that ends itself by SIGKILL: {moment} is code that sees to it.
CHILD = """
import importlib.util, os, signal, sys, tarfile
from pathlib import Path
root = Path({root!r})
spec = importlib.util.spec_from_file_location(
    "maquette", root / "__init__.py", submodule_search_locations=[str(root)]
)
sys.modules["maquette"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from maquette.core.synthesis.camera_rigs import parse_rigs
from maquette.core.scene.datagen.dataset_folder import DatasetSettings
from maquette.core.scene.datagen.objects import render_dataset
from maquette.core.scene.datagen.sources import procedural_sources
steps = 0
def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)
{moment}
cameras = parse_rigs(("sides:front", "free:1"))
settings = DatasetSettings(size=16, samples=1, cameras=cameras, points=256{more})
sources = procedural_sources(["mug", "chair"], {count}, 0)
for progress in render_dataset(sources, Path({folder!r}), settings):
    steps += 1
    if steps == last:
        die()
"""
MOMENTS = {
    "between two views of the first object": "last = 2",
    "in the middle of writing an object": """
last, add = 0, tarfile.TarFile.addfile
def addfile(self, info, data=None):
    if info.name.endswith("000.npz"):
        self.fileobj.flush()
        die()
    add(self, info, data)
tarfile.TarFile.addfile = addfile
""",
    "with the second object written but not in its place": """
last, move = 0, Path.replace
def replace(self, target):
    if self.suffix == ".partial" and list(Path(target).parent.glob("*.tar")):
        die()
    return move(self, target)
Path.replace = replace
""",
}


def run(folder, **changes):
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.objects import render_dataset
    from maquette.core.scene.datagen.sources import procedural_sources
    from maquette.core.synthesis.camera_rigs import parse_rigs

    settings = DatasetSettings(
        size=16, samples=1, cameras=parse_rigs(("sides:front", "free:1")), points=256, **changes
    )
    return run_to_end(
        render_dataset(procedural_sources(["mug", "chair"], COUNT, 0), folder, settings)
    )


def killed(folder, moment, more=""):
    code = CHILD.format(root=str(ROOT), moment=moment, count=COUNT, folder=str(folder), more=more)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def members(path):
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}


def assert_equal_sets(one, two):
    """The same bytes of all that is not rendered, and images equal within a tolerance."""
    from maquette.core.dataset.object_file import ObjectFile

    names = [
        sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")) for folder in (one, two)
    ]
    assert names[0] == names[1]
    for name in ("dataset.json", "splits.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    paths = sorted((one / "objects").glob("*.tar"))
    assert len(paths) == COUNT
    for path in paths:
        a, b = members(path), members(two / "objects" / path.name)
        assert a.keys() == b.keys()
        for kind in ("json", "shape.npz", "mesh.npz"):
            assert a[f"{path.stem}.{kind}"] == b[f"{path.stem}.{kind}"]
        files = ObjectFile(path), ObjectFile(two / "objects" / path.name)
        for index in range(len(files[0].record.views)):
            views = [file.read_view(index) for file in files]
            assert np.abs(views[0].colour.astype(int) - views[1].colour).max() <= 2
            assert np.abs(views[0].depth - views[1].depth).max() < 1e-4


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    assert run(folder).written == COUNT
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a signal of POSIX systems")
def test_killed_at_any_moment_the_next_run_finishes_the_same_set(undisturbed, tmp_path):
    folder = tmp_path / "killed"
    for moment in MOMENTS.values():
        killed(folder, moment)
        assert not (folder / "splits.json").exists()
    summary = run(folder)
    assert summary.written < COUNT and summary.found + summary.written == COUNT
    assert_equal_sets(folder, undisturbed)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a signal of POSIX systems")
def test_a_killed_run_of_relightable_objects_goes_on_to_the_byte(tmp_path):
    changes = {"relightable": True, "grid": True, "parts": "material", "compact": True}
    run(tmp_path / "undisturbed", **changes)
    more = "".join(f", {name}={value!r}" for name, value in changes.items())
    killed(tmp_path / "killed", "last = 2", more)
    (views,) = (tmp_path / "killed/objects").glob(".*.views")
    kept = dict(np.load(sorted(views.glob("*.npz"))[0]))
    assert kept["albedo"].any() and kept["occlusion"].any() and kept["parts"].any()
    assert run(tmp_path / "killed", **changes).written == COUNT
    paths = sorted((tmp_path / "undisturbed/objects").glob("*.tar"))
    assert len(paths) == COUNT
    for path in paths:
        one, other = members(path), members(tmp_path / "killed/objects" / path.name)
        assert f"{path.stem}.grid.npz" in one and f"{path.stem}.001.shading.webp" in one
        assert f"{path.stem}.parts.npz" in one and f"{path.stem}.001.parts.png" in one
        assert one == other


def test_shards_make_the_same_set(undisturbed, tmp_path):
    for index in (1, 0):
        run(tmp_path / "shards", shard=(index, 2))
    assert_equal_sets(tmp_path / "shards", undisturbed)


def test_a_set_that_another_run_writes_is_refused(addon, tmp_path):
    tmp_path.joinpath("set").mkdir()
    with lock_folder(tmp_path / "set"), pytest.raises(OutputError, match="Another process"):
        run(tmp_path / "set")
    assert not list((tmp_path / "set").rglob("*.tar"))


def test_two_processes_make_the_same_set(undisturbed, tmp_path):
    start = "import os, sys; sys.path.insert(0, {!r}); import conftest; "
    start += "from maquette.operators.cli.main import run_command; "
    code = (
        start.format(str(ROOT / "tests"))
        + "code = run_command(sys.argv[1:]); sys.stdout.flush(); os._exit(code)"
    )
    script = tmp_path / "maquette.py"
    script.write_text(code.replace("; ", "\n"))
    words = [
        "dataset",
        tmp_path / "set",
        "--procedural",
        "mug,chair",
        "--count",
        COUNT,
        "--size",
        16,
        "--samples",
        1,
    ]
    words += ["--points", 256, "--processes", 2, "--cameras", "sides:front", "free:1"]
    done = subprocess.run(
        [sys.executable, script, *map(str, words)], capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    assert_equal_sets(tmp_path / "set", undisturbed)


def test_a_full_disk_is_said_and_the_set_goes_on(undisturbed, tmp_path, monkeypatch):
    add, folder = tarfile.TarFile.addfile, tmp_path / "full"

    def full(self, info, data=None):
        if info.name.endswith("001.npz") and list((folder / "objects").glob("*.tar")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(self, info, data)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "addfile", full)
        with pytest.raises(OutputError, match=r"could not be written .No space left.*run again"):
            run(folder)
    assert sorted(path.suffix for path in (folder / "objects").iterdir() if path.is_file()) == [
        ".tar"
    ]
    assert run(folder).found == 1
    assert_equal_sets(folder, undisturbed)


def test_strict_stops_at_what_cannot_be_used(tmp_path, addon, capsys):
    from maquette.operators.cli import main

    meshes = tmp_path / "meshes"
    meshes.mkdir()
    (meshes / "broken.blend").write_bytes(b"not a mesh")
    arguments = ["dataset", str(tmp_path / "set"), "--meshes", str(meshes), "--points", "256"]
    assert main.run_command(arguments) == 0
    assert "skipped broken" in capsys.readouterr().out
    assert main.run_command([*arguments, "--strict"]) == 1
    assert "broken (broken.blend) cannot be used" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
def test_memory_stays_flat(addon):
    """Less than 40 KiB a view after the first hundred, so less than 0.4 GB over ten thousand."""
    import bpy
    from maquette.core.cameras import look_at, perspective_camera
    from maquette.core.console import silence_stdout
    from maquette.core.scene.rendering.hdri import hdri_files
    from maquette.core.scene.rendering.lighting import LightSettings
    from maquette.core.scene.rendering.studio import render_studio

    domes = [*hdri_files()[:2], None]
    bpy.ops.mesh.primitive_monkey_add()

    def mebibytes():
        return (
            int(Path("/proc/self/statm").read_text().split()[1])
            * os.sysconf("SC_PAGE_SIZE")
            / 2**20
        )

    sizes = []
    with silence_stdout(), render_studio(samples=1, threads=1) as stage:
        for index in range(300):
            if index % 10 == 0:
                stage.set_objects([bpy.context.object] if index % 20 else [])
                stage.set_light(LightSettings(domes[index // 10 % len(domes)]))
            stage.render_view(
                "free",
                perspective_camera(look_at(np.array((5.0, index * 0.01, 2)), np.zeros(3)), 0.8, 16),
            )
            sizes.append(mebibytes())
    assert np.median(sizes[-50:]) - np.median(sizes[75:125]) < 8
