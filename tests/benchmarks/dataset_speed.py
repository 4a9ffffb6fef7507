"""Measure what the dataset operator costs beside the bare render, by hand on an idle machine.

    python tests/benchmarks/dataset_speed.py [--objects 6] [--size 128] [--samples 16] [--rounds 3]

Object by object, in one process and in turns, the same cameras, lights, samples and passes are
rendered twice: by the operator's code (light, render, passes into arrays), and by
``bpy.ops.render.render`` alone on the scene that the operator left, with the image written and
nothing read. "plain" is the loop that scripts for Blender usually are: the camera set,
``bpy.ops.render.render``, the file read, nothing kept from one view to the next. The true shape and
the writing of the file are timed besides. Then the command runs with one process on all cores, with
one bound to a core, and with two, and the loader is read to its end with one worker. CPU seconds
are printed beside wall-clock seconds, which vary on a busy machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import conftest  # noqa: E402, F401  makes the package maquette
import numpy as np  # noqa: E402

FAMILIES = ("chair", "mug", "car")


class Clock:
    """Adds up wall and CPU seconds by name."""

    def __init__(self):
        self.wall, self.cpu = defaultdict(float), defaultdict(float)

    def __call__(self, name, work, *given, **more):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work(*given, **more)
        self.wall[name] += time.perf_counter() - wall
        self.cpu[name] += time.process_time() - cpu
        return result


def compare(arguments, clock):
    """Views rendered both ways, in turns."""
    import bpy
    from maquette.core.console import silence_stdout
    from maquette.core.dataset.object_file import write_object
    from maquette.core.dataset.records import Record
    from maquette.core.geometry.fingerprint import shape_fingerprint
    from maquette.core.scene.datagen.dataset_folder import DatasetSettings
    from maquette.core.scene.datagen.sources import procedural_sources
    from maquette.core.scene.importing.mesh_import import world_triangles
    from maquette.core.scene.rendering.hdri import hdri_files
    from maquette.core.scene.rendering.lighting import sample_light
    from maquette.core.scene.rendering.studio import render_studio
    from maquette.core.synthesis import camera_sampling

    settings = DatasetSettings(size=arguments.size, samples=arguments.samples)
    views, domes = 0, hdri_files()
    with (
        tempfile.TemporaryDirectory() as folder,
        silence_stdout(),
        render_studio(settings.samples) as stage,
    ):
        scene = next(scene for scene in bpy.data.scenes if scene.name.startswith("Maquette Studio"))
        for source in procedural_sources(FAMILIES, arguments.objects, 0) * arguments.rounds:
            rng = np.random.default_rng(0)
            with source.open() as objects:
                mesh = world_triangles(objects)
                bounds = np.stack((mesh.vertices.min(0), mesh.vertices.max(0))).astype(float)
                stage.set_objects(objects)
                planned = camera_sampling.sample_views(
                    settings.cameras, mesh.vertices, settings.size, rng, lambda _: None, {}
                )
                pictures = []
                for view in planned:
                    kind, camera = view.kind, view.camera
                    clock("light", stage.set_light, sample_light(domes, rng))
                    stage.render_view(
                        kind, camera
                    )  # takes the new light in, which either way has to be paid
                    for which in ("bare", "render") if views % 2 else ("render", "bare"):
                        if which == "bare":
                            clock("bare", bpy.ops.render.render, write_still=True, scene=scene.name)
                        else:
                            pictures.append(clock("render", stage.render_view, kind, camera))
                    views += 1
                scene.render.use_persistent_data = False
                for view in planned:
                    clock("plain", plain, scene, view.camera)
                scene.render.use_persistent_data = True
                stage.set_objects(())
            shape = clock("truth", truth, mesh, settings.points)
            record = Record(
                source.name, "", source.family, bounds, shape_fingerprint(mesh), tuple(planned)
            )
            clock("write", write_object, Path(folder), record, shape, pictures, mesh)
    return views


def truth(mesh, points):
    from maquette.core.dataset.ground_truth import sample_solid
    from maquette.core.scene.bvh import nearest_triangle_finder

    return sample_solid(mesh, points, np.random.default_rng(0)).label(nearest_triangle_finder)


def plain(scene, camera):
    """One view as a script renders it."""
    import bpy
    from maquette.core.imaging import exr
    from maquette.core.scene.rendering.studio import apply_camera

    apply_camera(scene, camera)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    exr.read_exr(Path(scene.render.filepath))


def command(arguments, folder, processes, cores=None):
    """Wall seconds of the whole command, bound to ``cores``."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import conftest\n"
    code += "from maquette.operators.cli.main import run_console; run_console()"
    script = folder.parent / "maquette.py"
    script.write_text(code)
    words = [sys.executable, script, "dataset", folder, "--procedural", ",".join(FAMILIES)]
    words += ["--count", arguments.count, "--size", arguments.size, "--samples", arguments.samples]
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or every)
    began = time.perf_counter()
    subprocess.run(
        [*map(str, words), "--processes", str(processes)], check=True, stdout=subprocess.DEVNULL
    )
    os.sched_setaffinity(0, every)
    return time.perf_counter() - began


def stream(folder):
    """Objects and views a second of the loader with one worker."""
    from maquette.core.model.training.streaming_dataset import TrainingStream
    from torch.utils.data import DataLoader

    loader = DataLoader(
        TrainingStream(folder, "train", points=2048), batch_size=None, num_workers=1
    )
    objects = views = 0
    began = time.perf_counter()
    for item in loader:
        objects, views = objects + 1, views + len(item["colour"])
    seconds = time.perf_counter() - began
    return objects / seconds, views / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=6)
    parser.add_argument("--count", type=int, default=24, help="objects of the whole command")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--only-views", action="store_true", help="not the whole command, nor the loader"
    )
    arguments = parser.parse_args()
    clock = Clock()
    views = compare(arguments, clock)
    for name, times in (("wall", clock.wall), ("CPU", clock.cpu)):
        own = sum(
            seconds for part, seconds in times.items() if part in ("light", "render", "write")
        )
        parts = ", ".join(f"{part} {seconds / views * 1000:.1f}" for part, seconds in times.items())
        without, whole = own / times["bare"] - 1, (own + times["truth"]) / times["bare"] - 1
        print(
            f"{name}: views/s bare {views / times['bare']:.2f}, operator {views / own:.2f}", end=""
        )
        print(f", plain loop {views / times['plain']:.2f}")
        print(f"  overhead of light, passes and files {without:+.1%}", end="")
        print(f", with the truth of shape {whole:+.1%}")
        print(f"  ms a view: {parts}")
    if not arguments.only_views:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            bound = command(arguments, folder / "bound", 1, {min(os.sched_getaffinity(0))})
            one, two = (command(arguments, folder / str(count), count) for count in (1, 2))
            print(f"whole command: {one:.1f} s, bound to a core {bound:.1f} s", end="")
            print(f", two processes {two:.1f} s:", end="")
            print(f" {one / two:.2f}x, {bound / two:.2f}x")
            print(
                "loader, one worker: {:.1f} objects/s, {:.1f} views/s".format(*stream(folder / "2"))
            )


if __name__ == "__main__":
    main()
