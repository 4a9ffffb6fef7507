"""``maquette train``, ``evaluate``, ``benchmark`` and ``gallery``: what is done with the model outside a scene."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core.jobs.task import Progress, Task, run_to_end
from ...core.model.jobs import commands, dense  # without torch, until they run
from .. import _compute
from .command import Command

T = TypeVar("T")

_TELLS = 60.0  # seconds between two lines of progress


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "datasets", nargs="*", type=Path, help="training sets, as maquette dataset writes them"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=".toml or .json of settings; those on this line come before it",
    )
    parser.add_argument(
        "--run",
        dest="folder",
        metavar="RUN",
        type=Path,
        help="folder of the log and checkpoint; a run begun there is gone on with",
    )
    parser.add_argument("--steps", type=int, help="(5000)")
    parser.add_argument("--rate", type=float, help="highest learning rate (1.5e-3)")
    parser.add_argument("--seed", type=int, help="(0)")
    parser.add_argument("--every", type=int, help="steps between validations (250)")
    parser.add_argument(
        "--precision",
        help="float32, bfloat16 (blocks of the network alone), or automatic: what is faster here (automatic)",
    )
    parser.add_argument(
        "--start",
        type=Path,
        help="what to begin with: checkpoint of another run, .safetensors file, or bundled",
    )
    parser.add_argument(
        "--from-scratch",
        dest="imagenet",
        action="store_false",
        default=None,
        help="begin with nothing instead of what ImageNet teaches",
    )
    parser.add_argument(
        "--one-picture",
        action="store_true",
        default=None,
        help="train nothing but what answers for one picture: fast, and leaves the rest as it is",
    )
    _add_places(parser, "--mask")
    parser.add_argument(
        "--mask",
        action="store_true",
        help="train the network that finds the object in a picture instead",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        help="afterwards write both networks of this run to a .safetensors file",
    )


def _run_train(arguments: argparse.Namespace) -> int:
    names = ("steps", "rate", "seed", "every", "precision", "imagenet", "one_picture")
    given = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    places = _parse_datasets(arguments.hdri) if arguments.mask else None
    first = os.environ.get("RANK", "0") == "0"  # of several processes one writes
    weights = _run_with_log(
        commands.run_training,
        arguments.config,
        arguments.datasets,
        arguments.folder,
        given,
        arguments.start,
        arguments.weights,
        places,
        first,
    )
    if weights:
        print(weights)
    return 0


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("datasets", nargs="+", type=Path, help="training sets with splits")
    parser.add_argument(
        "--split", default="test", choices=("train", "validation", "test"), help="(%(default)s)"
    )
    parser.add_argument(
        "--ask",
        default="standard",
        choices=("standard", "sides", "inputs", "confidence", "masks"),
        help="one free picture and one to four sides; three to six sides; pictures as if drawn, masks and poses off; "
        "whether the confidence holds; masks found in photograph-like pictures (%(default)s)",
    )
    parser.add_argument("--limit", type=int, help="judge this many objects (all)")
    parser.add_argument(
        "--resolution", type=int, default=128, help="cells along a side (%(default)s)"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)"
    )
    parser.add_argument("--log", type=Path, metavar="CSV", help="write every single score")
    _add_places(parser, "--ask masks")


def _run_evaluate(arguments: argparse.Namespace) -> int:
    print(
        _run_with_log(
            commands.run_evaluation,
            arguments.datasets,
            arguments.split,
            arguments.ask,
            arguments.limit,
            arguments.resolution,
            arguments.weights,
            arguments.log,
            _parse_datasets(arguments.hdri) if arguments.ask == "masks" else (),
        )
    )
    return 0


def _add_places(parser: argparse.ArgumentParser, with_what: str) -> None:
    parser.add_argument(
        "--hdri",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help=f"with {with_what}: panoramas (.exr, .hdr; those of Blender); of eight or more the last is for judging",
    )


def _parse_datasets(folders: Sequence[Path] | None) -> list[NDArray[np.uint8]]:
    from ...core.scene.rendering.hdri import hdri_files, read_panoramas

    return read_panoramas(path for folder in folders or (None,) for path in hdri_files(folder))


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photo", nargs="?", type=Path, help="picture to reconstruct (the bundled one)"
    )
    parser.add_argument(
        "--resolution", type=int, default=128, help="cells along a side (%(default)s)"
    )
    parser.add_argument("--runs", type=int, default=5, help="(%(default)s)")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)"
    )
    parser.add_argument(
        "--others",
        action="store_true",
        help="time the architectures of Occupancy Networks and TripoSR beside it",
    )
    parser.add_argument(
        "--training",
        nargs="*",
        type=Path,
        metavar="SET",
        help="time steps of training the dense network instead, and its loader on these sets",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="with --training: settings of a run"
    )


def _run_benchmark(arguments: argparse.Namespace) -> int:
    if arguments.training is not None:
        print(
            _run_with_log(
                dense.benchmark_training, arguments.training, arguments.config, arguments.runs
            )
        )
        return 0
    print(
        _run_with_log(
            commands.run_benchmark,
            arguments.photo,
            arguments.resolution,
            arguments.runs,
            arguments.weights,
            arguments.others,
        )
    )
    return 0


def _run_with_log(errand: Callable[..., Task[T]], *arguments: Any) -> T:
    """What ``errand`` returns, from where the preferences say, with a line of progress every minute."""
    last = [time.perf_counter() - _TELLS]

    def show(progress: Progress) -> None:
        if time.perf_counter() - last[0] >= _TELLS:
            last[0] = time.perf_counter()
            print(f"{progress.fraction:6.1%}  {progress.stage}", flush=True)

    return run_to_end(_compute.run_function(errand, *arguments), show)


TRAIN = Command("train", "Train the model on training sets", _add_train, _run_train)
EVALUATE = Command(
    "evaluate", "Judge the model on objects it never saw", _add_evaluate, _run_evaluate
)
BENCHMARK = Command(
    "benchmark", "Time the stages of a reconstruction", _add_benchmark, _run_benchmark
)
