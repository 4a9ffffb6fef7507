"""A training set by Ray equals one that was rendered without it, also if a worker dies."""

import argparse
import os
import signal
from pathlib import Path

import pytest
from maquette.core.errors import WorkerError
from maquette.core.jobs.task import run_to_end
from maquette.core.scene.datagen.dataset_folder import DatasetSettings
from maquette.core.scene.datagen.objects import render_dataset
from maquette.core.synthesis import camera_rigs
from maquette.operators.cli.cluster import render_on_cluster
from maquette.operators.cli.object_sources import object_sources

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

CHOSEN = argparse.Namespace(meshes=None, procedural="chair,mug", count=10, seed=3, limit=None)


@pytest.fixture
def settings():
    rigs = camera_rigs.parse_rigs(["sides:front"])
    return DatasetSettings(seed=3, size=32, samples=1, cameras=rigs, points=256)


def contents(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def rendering_workers():
    """Process numbers of the workers that render now."""
    numbers = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and command.startswith(b"ray::") and b"_render_names" in command:
            numbers.append(int(entry.name))
    return numbers


def test_a_set_is_the_same_though_a_worker_is_killed_and_the_run_stopped(addon, settings, tmp_path):
    alone = tmp_path / "alone"
    sources = object_sources(CHOSEN, settings)
    run_to_end(render_dataset(sources, alone, settings))

    # Kill one of the workers, then stop after the first objects.
    folder = tmp_path / "cluster"
    task = render_on_cluster(CHOSEN, folder, settings, "local")
    killed = []
    for progress in task:
        if not killed:
            killed = rendering_workers()[:1]
            for number in killed:
                os.kill(number, signal.SIGKILL)
        if progress.fraction > 0:
            break
    task.close()
    assert killed
    assert 0 < len(list((folder / "objects").glob("*.tar"))) < 10

    # Continued, it is the set that was rendered without a cluster.
    summary = run_to_end(render_on_cluster(CHOSEN, folder, settings, "local"))
    assert summary.written + summary.found == 10 and not summary.skipped
    assert contents(folder) == contents(alone)


def test_no_cluster_says_what_to_do(addon, settings, tmp_path):
    task = render_on_cluster(CHOSEN, tmp_path / "set", settings, "127.0.0.1:1")
    with pytest.raises(WorkerError, match="ray start --head"):
        run_to_end(task)
