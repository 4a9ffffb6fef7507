"""Kill commands at random moments, and compare what they leave with an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from watch import Report

_LONGEST = 180.0  # seconds for an undisturbed run on a busy machine
_RUN = "from maquette.operators.cli.main import run_console; run_console()"


def kill_dataset(count: int, sandbox: Path, draw: random.Random, report: Report) -> None:
    """Kill runs that render a training set; each goes on with what the last one left."""
    arguments = ["--procedural", "aeroplane,animal,bed", "--count", "4", "--size", "32"]
    arguments += ["--samples", "1", "--points", "256", "--cameras", "sides:front", "free:1"]
    _kill_and_resume("dataset", lambda folder: ["dataset", folder, *arguments], count, sandbox)(
        draw, report
    )


def write_training_config(path: Path) -> None:
    """Write the settings of a training of a tiny network that takes seconds."""
    network = {"picture": 32, "volume": 4, "pyramid": [8, 8], "pixel_channels": 4}
    network |= {"fine_channels": 4, "depth_bins": 4, "bin_channels": 4, "hidden": 8}
    network |= {"volume_channels": [4, 4, 8], "tube_channels": [16, 8, 8, 4], "tube_depths": 4}
    training = {"steps": 8, "every": 1, "validation": 1, "imagenet": False}
    training["precision"] = "float32"  # such small layers give no gradients in bfloat16
    path.write_text(json.dumps({"training": training, "network": network}))


def kill_training(
    count: int, sandbox: Path, dataset: Path, draw: random.Random, report: Report
) -> None:
    """Kill training runs; each goes on with what the last one left."""
    config = sandbox / "training.json"
    write_training_config(config)

    def arguments(folder: Path) -> list[object]:
        return ["train", dataset, "--config", config, "--run", folder]

    _kill_and_resume("train", arguments, count, sandbox)(draw, report)


def kill_reconstruction(
    count: int, sandbox: Path, image: Path, weights: Path, draw: random.Random, report: Report
) -> None:
    """Kill reconstructions over an older result, which must be there, or the new one, whole."""
    folder = sandbox / "reconstruct"
    folder.mkdir()
    target = folder / "out.glb"
    command = ["reconstruct", image, "-o", target, "--resolution", "32", "--weights", weights]
    seconds = _run_to_end(command)
    new = target.read_bytes()
    older = b"an older file"
    for index in range(count):
        target.write_bytes(older)
        _run_and_kill(command, draw.uniform(0.3, 1.1) * seconds)
        left = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if target.read_bytes() not in (older, new):
            report.add("half file", f"reconstruct {index}: {target.stat().st_size} bytes")
        elif left != ["out.glb"]:
            report.add("outside", f"reconstruct {index} leaves {left}")
        else:
            report.add("accepted")
    _run_to_end(command)
    hidden = [path.name for path in folder.iterdir() if path.name != "out.glb"]
    if hidden or target.read_bytes() != new:
        report.add("half file", f"after the last run: {hidden}")


def _kill_and_resume(
    name: str, arguments: Callable[[Path], list[object]], count: int, sandbox: Path
) -> Callable[[random.Random, Report], None]:
    def run(draw: random.Random, report: Report) -> None:
        undisturbed = sandbox / f"{name}_undisturbed"
        seconds = _run_to_end(arguments(undisturbed))
        right = _digests(undisturbed)
        folder = sandbox / f"{name}_killed"
        killed = 0
        while killed < count:
            shutil.rmtree(folder, ignore_errors=True)
            for _ in range(draw.randint(1, 6)):
                if _run_and_kill(arguments(folder), draw.uniform(0.3, 1.0) * seconds):
                    killed += 1
            code = _run(arguments(folder))
            if code != 0:
                report.add("not resumed", f"{name}: exit code {code} after {killed} kills")
            elif _digests(folder) != right:
                differing = _digests(folder).items() ^ right.items()
                names = sorted({path for path, _ in differing})
                report.add("differs", f"{name} after {killed} kills: {names[:4]}")
        report.outcomes["accepted"] += killed - len(report.faults)

    return run


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file of a result; logs hold times, so only their names."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            is_log = path.suffix in (".csv", ".jsonl", ".pt")
            content = b"" if is_log else path.read_bytes()
            digests[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return digests


def _command(arguments: list[object]) -> list[str]:
    return [sys.executable, "-c", _RUN, *map(str, arguments)]


def _run(arguments: list[object]) -> int:
    quiet = subprocess.DEVNULL
    done = subprocess.run(
        _command(arguments), stdin=quiet, stdout=quiet, stderr=quiet, timeout=_LONGEST
    )
    return done.returncode


def _run_to_end(arguments: list[object]) -> float:
    """Run a command that must succeed; return its seconds."""
    start = time.monotonic()
    code = _run(arguments)
    if code != 0:
        raise SystemExit(f"The undisturbed run ended with {code}: {arguments}")
    return time.monotonic() - start


def _run_and_kill(arguments: list[object], seconds: float) -> bool:
    """Run a command and kill it after ``seconds``; return whether it was still running."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        _command(arguments), stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
