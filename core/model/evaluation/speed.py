"""Times the stages of a reconstruction on this machine."""

from __future__ import annotations

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...imaging import image_files
from ...jobs.task import Task
from ...resources import SAMPLES
from ..inference.pipeline import ReconstructionSettings, reconstruct_photo, reconstruct_sides
from .flops import CostCounter, peak_flops
from .reference_models import occupancy_network, triplane_transformer
from .reference_models.occupancy_network import PICTURE, OccupancyNetwork


def benchmark_report(
    photo: Path | None, resolution: int, runs: int, weights: Path | None, others: bool = False
) -> str:
    """A table of the median seconds of each stage over ``runs`` warm reconstructions, of one photo and of four sides
    (those of the samples, and their mirror images), and the peak of memory.

    A stage lasts from its first progress to the next stage's; the longest step is what cannot be interrupted. What
    each computes is counted in a run of its own (``counting``), beside the best that this machine was measured to do.

    Args:
        others: whether to time others' architectures (``baselines``), too.
    """
    image = image_files.read_image(photo or SAMPLES / "photo.png")
    sides = _sample_sides()
    settings = ReconstructionSettings(resolution=resolution, weights=weights)
    began = time.perf_counter()
    _time_stages(reconstruct_photo(image, settings))
    first = time.perf_counter() - began
    best = peak_flops()
    one, seconds = _timing_lines(
        "One photo", lambda: reconstruct_photo(image, settings), runs, best
    )
    four, _ = _timing_lines("Four sides", lambda: reconstruct_sides(sides, settings), runs, best)
    lines = [
        *one,
        *four,
        f"{'first call, one photo':24}{first:8.3f} s   (loads the weights; PyTorch was imported before)",
        f"{'peak memory':24}{_peak_mib():8.0f} MiB of the whole process",
        f"{'a matrix product':24}{best / 1e9:8.1f} GFLOP/s, of which the percentages are",
        f"{resolution}^3, {torch.get_num_threads()} threads, PyTorch {torch.__version__}",
    ]
    return "\n".join([*lines, *(_baseline_lines(resolution, runs, seconds) if others else ())])


def _sample_sides() -> dict[str, NDArray[np.float32]]:
    front, right = (image_files.read_image(SAMPLES / f"{side}.png") for side in ("front", "right"))
    return {"front": front, "right": right, "back": front[:, ::-1], "left": right[:, ::-1]}


def _timing_lines(
    name: str, start: Callable[[], Task[MeshArrays]], runs: int, best: float
) -> tuple[list[str], float]:
    """Lines on the work that ``start`` gives, and its median seconds, once warm."""
    _time_stages(start())
    timings = [_time_stages(start()) for _ in range(runs)]
    totals = [sum(stages.values()) for stages, _, _ in timings]
    counts = _cost_by_stage(start())
    flops, size = (sum(count[i] for count in counts.values()) for i in range(2))
    step, stage = max(timing[1] for timing in timings)
    mesh = timings[0][2]
    return [
        f"{name}: {len(mesh.vertices):,} vertices, {len(mesh.faces):,} faces",
        *(
            _stage_line(stage, median(t[0][stage] for t in timings), *counts[stage], best)
            for stage in timings[0][0]
        ),
        _stage_line("all, warm", median(totals), flops, size, best),
        f"{'':24}{'':8}     ({min(totals):.3f} to {max(totals):.3f} s in {runs} runs)",
        f"{'longest step':24}{step:8.3f} s   ({stage})",
    ], median(totals)


def _stage_line(name: str, seconds: float, flops: float, size: float, best: float) -> str:
    share = f"{flops / seconds / best:6.1%}" if seconds else ""
    return f"{name:24}{seconds:8.3f} s {flops / 1e9:8.2f} GFLOP {size / 1e9:7.2f} GB {share}"


def _cost_by_stage(work: Task[MeshArrays]) -> dict[str, tuple[int, int]]:
    """Operations and bytes by stage."""
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    stage = "Starting"
    while True:
        with CostCounter() as count:
            progress = next(work, None)
        counts[stage] = (counts[stage][0] + count.flops, counts[stage][1] + count.bytes)
        if progress is None:
            return counts
        stage = _stage_name(progress.stage)


@torch.inference_mode()
def _baseline_lines(resolution: int, runs: int, ours: float) -> list[str]:
    """Lines on the time of others' architectures on this machine, in this process, and how many times ours it is."""
    network = OccupancyNetwork().eval()
    picture = torch.rand(1, 3, PICTURE, PICTURE)
    occupancy_network.reconstruct_mesh(network, picture, 32)
    found = []
    for _ in range(min(runs, 3)):
        began = time.perf_counter()
        asked = occupancy_network.reconstruct_mesh(network, picture, resolution)
        found.append(time.perf_counter() - began)
    looking, planes, grid = triplane_transformer.estimate_seconds(resolution)
    whole = looking + planes + grid
    millions = triplane_transformer.parameter_count() / 1e6
    return [
        "Others' architectures, random weights, without surfacing and colours:",
        f"{'Occupancy Networks':24}{median(found):8.3f} s {median(found) / ours:8.1f} times ours; "
        f"MISE asked {asked:,} points about a ball",
        f"{'of TripoSR':24}{whole:8.3f} s {whole / ours:8.1f} times ours; {millions:.0f} M weights; "
        f"{looking:.1f} s looking, {planes:.1f} s planes, {grid:.1f} s grid;",
        f"{'':24}{'':10}estimated: a layer of each kind was timed, and {2**16:,} points of the grid",
    ]


def _stage_name(stage: str) -> str:
    """The stage without which of the pictures it is at."""
    return stage.split(",")[0]


def _time_stages(work: Task[MeshArrays]) -> tuple[dict[str, float], tuple[float, str], MeshArrays]:
    """Seconds by stage, the longest step and its stage, and the mesh."""
    stages: dict[str, float] = defaultdict(float)
    stage = "Starting"
    longest = (0.0, "")
    while True:
        began = time.perf_counter()
        try:
            progress = next(work)
        except StopIteration as stop:
            stages[stage] += time.perf_counter() - began
            return stages, max(longest, (time.perf_counter() - began, stage)), stop.value
        seconds = time.perf_counter() - began
        stages[stage] += seconds
        longest = max(longest, (seconds, stage))
        stage = _stage_name(progress.stage)


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
