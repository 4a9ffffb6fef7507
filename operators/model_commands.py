"""``maquette train``, ``evaluate``, ``benchmark`` and ``gallery``: what is done with the model outside a scene."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TypeVar

from ..core import dependencies
from ..core.commands import Command
from ..core.work import Progress, Work, run_to_end

T = TypeVar("T")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("datasets", nargs="+", type=Path, help="training sets, as maquette dataset writes them")
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of the log and checkpoint; a run begun there is gone on with"
    )
    parser.add_argument("--steps", type=int, default=5000, help="(%(default)s)")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=250, help="steps between validations (%(default)s)")
    parser.add_argument("--start", type=Path, help="checkpoint of another run, whose weights to begin with")
    parser.add_argument(
        "--from-scratch", action="store_true", help="begin with nothing instead of what ImageNet teaches"
    )
    parser.add_argument("--hdri", type=Path, help="with --mask: folder of .exr panoramas (those of Blender)")
    parser.add_argument(
        "--mask", action="store_true", help="train the network that finds the object in a picture instead"
    )
    parser.add_argument(
        "--weights", type=Path, help="afterwards write both networks of this run to a .safetensors file"
    )


def _run_train(arguments: argparse.Namespace) -> int:
    dependencies.require("torch")
    from ..core.model import mask_training, training

    if arguments.mask:
        from ..core.scene.environments import hdri_files, panoramas

        files = hdri_files(arguments.hdri)
        work = mask_training.train_mask(
            arguments.datasets, arguments.run, panoramas(files), arguments.steps, rate=arguments.rate,
            seed=arguments.seed, imagenet=not arguments.from_scratch,
        )  # fmt: skip
    else:
        config = training.TrainingConfig(
            steps=arguments.steps, rate=arguments.rate, seed=arguments.seed, every=arguments.every,
            imagenet=not arguments.from_scratch,
        )  # fmt: skip
        work = training.train(arguments.datasets, arguments.run, config, start=arguments.start)
    print(_told(work, 60))
    if arguments.weights:
        training.export(arguments.run, arguments.datasets, arguments.weights)
        print(arguments.weights)
    return 0


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("datasets", nargs="+", type=Path, help="training sets with splits")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"), help="(%(default)s)")
    parser.add_argument(
        "--ask", default="standard", choices=("standard", "sides", "inputs", "confidence"),
        help="one free picture and one to four sides; three to six sides; pictures as if drawn, masks and poses off; "
        "whether the confidence holds (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--limit", type=int, help="judge this many objects (all)")
    parser.add_argument("--resolution", type=int, default=128, help="cells along a side (%(default)s)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)")
    parser.add_argument("--log", type=Path, metavar="CSV", help="write every single score")


def _run_evaluate(arguments: argparse.Namespace) -> int:
    dependencies.require("torch")
    from ..core.model import evaluation, questions, reliability

    if arguments.ask == "confidence":
        judged = reliability.judge_confidence(
            arguments.datasets, arguments.split, arguments.limit, arguments.resolution, arguments.weights
        )
        print(reliability.table(_told(judged, 60)))
        return 0
    asked = {"standard": questions.QUESTIONS, "sides": questions.COUNTS, "inputs": questions.INPUTS}[arguments.ask]
    work = evaluation.evaluate(
        arguments.datasets, arguments.split, asked, limit=arguments.limit, resolution=arguments.resolution,
        weights_file=arguments.weights, log=arguments.log,
    )  # fmt: skip
    print(evaluation.table(_told(work, 60)))
    return 0


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", nargs="?", type=Path, help="picture to reconstruct (the bundled one)")
    parser.add_argument("--resolution", type=int, default=128, help="cells along a side (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)")


def _run_benchmark(arguments: argparse.Namespace) -> int:
    dependencies.require("torch")
    from ..core.model import benchmark

    print(benchmark.report(arguments.photo, arguments.resolution, arguments.runs, arguments.weights))
    return 0


def _told(work: Work[T], seconds: float) -> T:
    """Run ``work`` to its end, with a line of progress every ``seconds``."""
    last = [time.perf_counter() - seconds]

    def show(progress: Progress) -> None:
        if time.perf_counter() - last[0] >= seconds:
            last[0] = time.perf_counter()
            print(f"{progress.fraction:6.1%}  {progress.stage}", flush=True)

    return run_to_end(work, show)


TRAIN = Command("train", "Train the model on training sets", _add_train, _run_train)
EVALUATE = Command("evaluate", "Judge the model on objects it never saw", _add_evaluate, _run_evaluate)
BENCHMARK = Command("benchmark", "Time the stages of a reconstruction", _add_benchmark, _run_benchmark)
