"""Times the stages of a reconstruction on this machine."""

from __future__ import annotations

import resource
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import torch

from .. import images
from ..arrays import MeshArrays
from ..work import Work
from .inference import Settings, reconstruct_photo

SAMPLE = Path(__file__).parents[1] / "samples" / "photo.png"


def report(photo: Path | None, resolution: int, runs: int, weights: Path | None) -> str:
    """A table of the median seconds of each stage over ``runs`` warm reconstructions, and the peak of memory.

    A stage lasts from its first progress to the next stage's; the longest step is what cannot be interrupted.
    """
    image = images.read(photo or SAMPLE)
    settings = Settings(resolution=resolution, weights=weights)
    began = time.perf_counter()
    _timed(reconstruct_photo(image, settings))
    first = time.perf_counter() - began
    timings = [_timed(reconstruct_photo(image, settings)) for _ in range(runs)]
    stages = timings[0][0].keys()
    totals = [sum(stage.values()) for stage, _, _ in timings]
    mesh = timings[0][2]
    lines = [f"{stage:24}{median(t[0][stage] for t in timings):8.3f} s" for stage in stages]
    lines += [
        f"{'all, warm':24}{median(totals):8.3f} s   ({min(totals):.3f} to {max(totals):.3f} in {runs} runs)",
        f"{'all, first call':24}{first:8.3f} s   (loads the weights; PyTorch was imported before)",
        f"{'longest step':24}{max(t[1] for t in timings):8.3f} s",
        f"{'peak memory':24}{_peak_mib():8.0f} MiB of the whole process",
        f"{resolution}^3, {torch.get_num_threads()} threads, PyTorch {torch.__version__}: "
        f"{len(mesh.vertices):,} vertices, {len(mesh.faces):,} faces",
    ]
    return "\n".join(lines)


def _timed(work: Work[MeshArrays]) -> tuple[dict[str, float], float, MeshArrays]:
    """Seconds by stage, the longest step, and the mesh."""
    stages: dict[str, float] = defaultdict(float)
    stage, longest = "Starting", 0.0
    while True:
        began = time.perf_counter()
        try:
            progress = next(work)
        except StopIteration as stop:
            stages[stage] += time.perf_counter() - began
            return stages, max(longest, time.perf_counter() - began), stop.value
        seconds = time.perf_counter() - began
        stages[stage] += seconds
        longest = max(longest, seconds)
        stage = progress.stage


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
