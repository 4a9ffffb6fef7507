"""Time the stages of a reconstruction on this machine."""

from __future__ import annotations

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
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
from .reference_models.occupancy_network import IMAGE_SIZE, OccupancyNetwork

# A reference model takes much longer than ours: fewer runs do.
_REFERENCE_RUNS = 3
# Resolution of a first run of a reference model, which is not timed.
_WARM_UP_RESOLUTION = 32


@dataclass(frozen=True)
class _Timing:
    """Durations of one reconstruction.

    Attributes:
        stages: seconds by stage.
        longest_step: seconds of the longest step.
        longest_stage: stage of that step.
        mesh: the result.
    """

    stages: dict[str, float]
    longest_step: float
    longest_stage: str
    mesh: MeshArrays


def benchmark_report(
    photo: Path | None, resolution: int, runs: int, weights: Path | None, others: bool = False
) -> str:
    """Return a table of the median seconds of each stage, and the peak memory.

    A stage lasts from its first progress to that of the next stage; the longest step is what cannot
    be interrupted. What each stage computes is counted in a run by itself (see ``flops``), and
    compared with the measured peak of this machine.

    Args:
        photo: image to reconstruct; None for the bundled one.
        resolution: cells along the longest side.
        runs: number of warm runs.
        weights: of the model; None for the bundled ones.
        others: whether to time other architectures (see ``reference_models``), too.

    Raises:
        ImageError: ``photo`` cannot be read.
        WeightsError: the weights are missing or damaged.
    """
    image = image_files.read_image(photo or SAMPLES / "photo.png")
    sides = _sample_sides()
    settings = ReconstructionSettings(resolution=resolution, weights=weights)
    began = time.perf_counter()
    _time_stages(reconstruct_photo(image, settings))
    first_call = time.perf_counter() - began

    # What this machine could do at best, to compare with.
    peak = peak_flops()
    photo_lines, photo_seconds = _timing_lines(
        "One photo", lambda: reconstruct_photo(image, settings), runs, peak
    )
    side_lines, _ = _timing_lines(
        "Four sides", lambda: reconstruct_sides(sides, settings), runs, peak
    )
    lines = [
        *photo_lines,
        *side_lines,
        f"{'first call, one photo':24}{first_call:8.3f} s   "
        "(loads the weights; PyTorch was imported before)",
        f"{'peak memory':24}{_peak_mib():8.0f} MiB of the whole process",
        f"{'a matrix product':24}{peak / 1e9:8.1f} GFLOP/s, of which the percentages are",
        f"{resolution}^3, {torch.get_num_threads()} threads, PyTorch {torch.__version__}",
    ]
    if others:
        lines += _reference_lines(resolution, runs, photo_seconds)
    return "\n".join(lines)


def _sample_sides() -> dict[str, NDArray[np.float32]]:
    """Return four sides: the two bundled ones and their mirror images."""
    front = image_files.read_image(SAMPLES / "front.png")
    right = image_files.read_image(SAMPLES / "right.png")
    return {"front": front, "right": right, "back": front[:, ::-1], "left": right[:, ::-1]}


def _timing_lines(
    name: str, start: Callable[[], Task[MeshArrays]], runs: int, peak: float
) -> tuple[list[str], float]:
    """Return lines on the task that ``start`` begins, and its median seconds, once warm."""
    # Once warm, with another run to count operations, which slows it down.
    _time_stages(start())
    timings = [_time_stages(start()) for _ in range(runs)]
    totals = [sum(timing.stages.values()) for timing in timings]
    costs = _cost_by_stage(start())

    # A line for each stage.
    mesh = timings[0].mesh
    lines = [f"{name}: {len(mesh.vertices):,} vertices, {len(mesh.faces):,} faces"]
    for stage in timings[0].stages:
        seconds = median(timing.stages[stage] for timing in timings)
        lines.append(_stage_line(stage, seconds, costs[stage], peak))

    # A line for all stages, and two on how even the runs were.
    total_flops = sum(flops for flops, _ in costs.values())
    total_bytes = sum(byte_count for _, byte_count in costs.values())
    lines.append(_stage_line("all, warm", median(totals), (total_flops, total_bytes), peak))
    lines.append(f"{'':24}{'':8}     ({min(totals):.3f} to {max(totals):.3f} s in {runs} runs)")
    longest = max(timings, key=lambda timing: timing.longest_step)
    lines.append(f"{'longest step':24}{longest.longest_step:8.3f} s   ({longest.longest_stage})")

    return lines, median(totals)


def _stage_line(name: str, seconds: float, cost: tuple[int, int], peak: float) -> str:
    """Return a line on a stage: seconds, operations, bytes, and share of the machine's peak."""
    flops, byte_count = cost
    share = f"{flops / seconds / peak:6.1%}" if seconds else ""
    return f"{name:24}{seconds:8.3f} s {flops / 1e9:8.2f} GFLOP {byte_count / 1e9:7.2f} GB {share}"


def _cost_by_stage(task: Task[MeshArrays]) -> dict[str, tuple[int, int]]:
    """Run a task; return operations and bytes by stage."""
    costs: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    stage = "Starting"
    while True:
        with CostCounter() as counter:
            progress = next(task, None)
        flops, byte_count = costs[stage]
        costs[stage] = (flops + counter.flops, byte_count + counter.bytes)
        if progress is None:
            return costs
        stage = _stage_name(progress.stage)


@torch.inference_mode()
def _reference_lines(resolution: int, runs: int, our_seconds: float) -> list[str]:
    """Return lines on the time of other architectures, and how many times ours it is."""
    # Occupancy Networks: the complete computation.
    network = OccupancyNetwork().eval()
    image = torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE)
    occupancy_network.reconstruct_mesh(network, image, _WARM_UP_RESOLUTION)
    durations = []
    point_count = 0

    for _ in range(min(runs, _REFERENCE_RUNS)):
        began = time.perf_counter()
        point_count = occupancy_network.reconstruct_mesh(network, image, resolution)
        durations.append(time.perf_counter() - began)

    onet_seconds = median(durations)

    # TripoSR: too slow to run completely on most machines.
    encoder, decoder, grid = triplane_transformer.estimate_seconds(resolution)
    triplane_seconds = encoder + decoder + grid
    millions = triplane_transformer.parameter_count() / 1e6

    return [
        "Others' architectures, random weights, without surfacing and colors:",
        f"{'Occupancy Networks':24}{onet_seconds:8.3f} s "
        f"{onet_seconds / our_seconds:8.1f} times ours; "
        f"MISE evaluated {point_count:,} points about a ball",
        f"{'of TripoSR':24}{triplane_seconds:8.3f} s "
        f"{triplane_seconds / our_seconds:8.1f} times ours; {millions:.0f} M weights; "
        f"{encoder:.1f} s encoder, {decoder:.1f} s planes, {grid:.1f} s grid;",
        f"{'':24}{'':10}estimated: a layer of each kind was timed, "
        f"and {triplane_transformer.CHUNK:,} points of the grid",
    ]


def _stage_name(stage: str) -> str:
    """Return a stage without the image that it is at."""
    return stage.split(",")[0]


def _time_stages(task: Task[MeshArrays]) -> _Timing:
    """Run a task; return its durations."""
    stages: dict[str, float] = defaultdict(float)
    stage = "Starting"
    longest = (0.0, "")

    while True:
        began = time.perf_counter()
        try:
            progress = next(task)
        except StopIteration as stop:
            seconds = time.perf_counter() - began
            stages[stage] += seconds
            longest = max(longest, (seconds, stage))
            return _Timing(dict(stages), longest[0], longest[1], stop.value)
        seconds = time.perf_counter() - began
        stages[stage] += seconds
        longest = max(longest, (seconds, stage))
        stage = _stage_name(progress.stage)


def _peak_mib() -> float:
    """Return the peak memory of this process, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
