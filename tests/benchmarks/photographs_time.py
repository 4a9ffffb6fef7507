"""Time the whole path from photographs to a mesh, stage by stage, as the panel runs it.

    python tests/benchmarks/photographs_time.py FOLDER [--pixels 4000]

The photographs of FOLDER are first written anew as JPEG files ``--pixels`` wide. Figures are those
of the clock: nothing else may run. The memory is the most that one process used.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import bpy  # noqa: F401  # before maquette, which needs it
import maquette
from maquette.core.jobs.task import Progress, run_to_end
from maquette.core.photogrammetry.dense.records import DenseSettings
from maquette.core.photogrammetry.photo_files import list_photographs
from maquette.operators.photographs.solve import solve_summary, start_solving
from PIL import Image


def enlarged_copies(folder: Path, width: int, target: Path) -> list[Path]:
    """Write the photographs of ``folder`` as JPEG files ``width`` pixels wide; return them."""
    copies = []
    for path in list_photographs(folder):
        try:
            image = Image.open(path).convert("RGB")
        except OSError:
            continue
        size = (width, round(width * image.height / image.width))
        copy = target / f"{path.stem}.jpg"
        image.resize(size, Image.Resampling.LANCZOS).save(copy, quality=92)
        copies.append(copy)
    return copies


def main() -> None:
    """Read the command line, run, and print the seconds of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pixels", type=int, default=4000)
    arguments = parser.parse_args()
    maquette.register()
    with tempfile.TemporaryDirectory() as scratch:
        paths = enlarged_copies(arguments.folder, arguments.pixels, Path(scratch))
        began = time.perf_counter()
        starts: dict[str, float] = {}

        def note(progress: Progress) -> None:
            starts.setdefault(progress.stage.rstrip("0123456789/ pairs"), seconds())

        def seconds() -> float:
            return time.perf_counter() - began

        def show(preview: object) -> None:
            print(f"{seconds():6.1f} s  {type(preview).__name__}", flush=True)

        work = start_solving(paths, True, DenseSettings(), show)
        result = run_to_end(work, note)
        total = seconds()
    for stage, start in starts.items():
        print(f"{start:6.1f} s  {stage}")
    print(f"{total:6.1f} s  {solve_summary(result)}")
    maquette.unregister()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"memory: {children / 2**20:.2f} GiB of the worker")


if __name__ == "__main__":
    main()
