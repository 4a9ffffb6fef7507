"""``maquette train``, ``evaluate`` and ``benchmark``: work on the model, outside a scene."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.console import print_line
from ...core.model.jobs import commands, dense, semantics  # without torch, until they run
from .command import Command, add_resolution_argument, add_weights_argument
from .tasks import TrainingTask, projection, shapes
from .tasks.progress_log import run_with_log

# What ``maquette train --task`` trains in modules of its own.
_TASKS: Mapping[str, TrainingTask] = {
    "shapes": shapes.SHAPES,
    "generator": shapes.GENERATOR,
    "projection": projection.PROJECTION,
}
# Options of the heads of meaning by the names of their settings.
_MEANING_OPTIONS = {
    "steps": "steps",
    "rate": "learning_rate",
    "seed": "seed",
    "every": "validate_every",
    "precision": "precision",
    "decay_steps": "decay_steps",
    "threads": "threads",
    "named_parts": "named_parts",
}
_TRAINING_OPTIONS = ("steps", "rate", "seed", "every", "precision", "imagenet", "one_picture")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "datasets", nargs="*", type=Path, help="training sets, as written by maquette dataset"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings file (.toml, .json); options on the command line override it",
    )

    parser.add_argument(
        "--run",
        dest="folder",
        metavar="RUN",
        type=Path,
        help="folder of the log and checkpoint; an unfinished run is resumed",
    )

    texts = ", ".join(f"{name} ({task.help})" for name, task in _TASKS.items())
    parser.add_argument(
        "--task",
        default="reconstruction",
        choices=("reconstruction", *semantics.TASKS, *_TASKS),
        help="what to train: reconstruction; or heads on its frozen features: parts (which part a "
        "pixel shows), retrieval (which images show the same object), procedural (family and "
        f"parameters), or meaning (all of these); or {texts} (%(default)s)",
    )

    _add_training_options(parser)
    parser.add_argument(
        "--decay-steps",
        type=int,
        help="with --task, other than reconstruction: last steps, in which the learning rate "
        "falls to 0 (1000)",
    )
    parser.add_argument(
        "--named-parts",
        action="store_true",
        default=None,
        help="with --task parts or meaning: also learn the parts of meshes that are named by "
        "materials or vertex groups, where these names are clear",
    )

    _add_panoramas(parser, "--mask")
    parser.add_argument("--mask", action="store_true", help="train the foreground network instead")
    parser.add_argument(
        "--weights",
        type=Path,
        help="write both networks of this run to a .safetensors file at the end",
    )
    for task in _TASKS.values():
        task.add_arguments(parser)


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that override fields of ``TrainingConfig``, and the initial weights."""
    parser.add_argument("--steps", type=int, help="training steps (5000)")
    parser.add_argument("--rate", type=float, help="peak learning rate (1.5e-3)")
    parser.add_argument("--seed", type=int, help="random seed (0)")
    parser.add_argument("--threads", type=int, help="with --task: CPU threads (all)")
    parser.add_argument("--every", type=int, help="steps between validations (250)")
    parser.add_argument(
        "--precision",
        help="float32, bfloat16 (in the blocks of the network), or automatic for the faster one "
        "(automatic)",
    )

    parser.add_argument(
        "--start",
        type=Path,
        help="initial weights: a checkpoint, a .safetensors file, or \"bundled\"",
    )
    parser.add_argument(
        "--from-scratch",
        dest="imagenet",
        action="store_false",
        default=None,
        help="start from random weights instead of ImageNet features",
    )

    parser.add_argument(
        "--one-picture",
        action="store_true",
        default=None,
        help="train only the single-view network; the other weights stay frozen",
    )


def _run_train(arguments: argparse.Namespace) -> int:
    if arguments.task in _TASKS:
        return _TASKS[arguments.task].run(arguments)
    if arguments.task != "reconstruction":
        return _run_train_meaning(arguments)

    # Options that are not given must not override the settings file.
    options = {name: getattr(arguments, name) for name in _TRAINING_OPTIONS}
    options = {name: value for name, value in options.items() if value is not None}
    panoramas = _read_panoramas(arguments.hdri) if arguments.mask else None
    is_first_rank = os.environ.get("RANK", "0") == "0"  # of several processes one writes weights

    weights = run_with_log(
        commands.run_training,
        arguments.config,
        arguments.datasets,
        arguments.folder,
        options,
        arguments.start,
        arguments.weights,
        panoramas,
        is_first_rank,
    )

    if weights:
        print_line(weights)
    return 0


def _run_train_meaning(arguments: argparse.Namespace) -> int:
    given = {}
    for option, setting in _MEANING_OPTIONS.items():
        value = getattr(arguments, option)
        if value is not None:
            given[setting] = value

    weights = run_with_log(
        semantics.train_meaning,
        arguments.task,
        arguments.datasets,
        arguments.folder,
        given,
        arguments.start,
        arguments.weights,
    )
    print_line(weights)
    return 0


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("datasets", nargs="+", type=Path, help="training sets with splits")
    parser.add_argument(
        "--split",
        default="test",
        choices=("train", "validation", "test"),
        help="objects to evaluate (%(default)s)",
    )
    parser.add_argument(
        "--ask",
        default="standard",
        choices=(
            "standard",
            "sides",
            "inputs",
            "confidence",
            "masks",
            "meaning",
            "procedural",
            *shapes.SUITES,
        ),
        help="standard: one unposed view and one to four sides; sides: three to six sides; "
        "inputs: stylized images, inaccurate masks and poses; confidence: calibration of the "
        "confidence; masks: foreground masks on photographic backgrounds; meaning: families, "
        "parts, retrieval and parameters; procedural: objects that Make Procedural finds; "
        "shapes: the shape space and its completions; generator: made shapes and their rivals "
        "(%(default)s)",
    )

    parser.add_argument("--limit", type=int, help="evaluate this many objects (default: all)")
    add_resolution_argument(parser)
    add_weights_argument(parser)
    parser.add_argument(
        "--log", type=Path, metavar="CSV", help="write the scores of every object to a CSV file"
    )
    _add_panoramas(parser, "--ask masks")
    shapes.add_evaluation(parser)


def _run_evaluate(arguments: argparse.Namespace) -> int:
    if arguments.ask in shapes.SUITES:
        return shapes.evaluate(arguments)
    if arguments.ask == "meaning":
        report = run_with_log(
            semantics.evaluate_meaning,
            arguments.datasets,
            arguments.split,
            arguments.limit,
            arguments.weights,
        )
        print_line(report)
        return 0

    panoramas = _read_panoramas(arguments.hdri) if arguments.ask == "masks" else ()
    report = run_with_log(
        commands.run_evaluation,
        arguments.datasets,
        arguments.split,
        arguments.ask,
        arguments.limit,
        arguments.resolution,
        arguments.weights,
        arguments.log,
        panoramas,
    )
    print_line(report)
    return 0


def _add_panoramas(parser: argparse.ArgumentParser, other_option: str) -> None:
    """Add ``--hdri``, which is used with ``other_option``."""
    parser.add_argument(
        "--hdri",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help=f"with {other_option}: folders of HDRIs (default: Blender's); of eight or more the "
        "last is held out",
    )


def _read_panoramas(folders: Sequence[Path] | None) -> list[NDArray[np.uint8]]:
    """Read the HDRIs of ``folders``, or Blender's, as images (H, W, 3)."""
    from ...core.scene.rendering.hdri import hdri_files, read_panoramas

    return read_panoramas(path for folder in folders or (None,) for path in hdri_files(folder))


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photo", nargs="?", type=Path, help="image to reconstruct (default: the bundled one)"
    )
    add_resolution_argument(parser)
    parser.add_argument("--runs", type=int, default=5, help="repetitions (%(default)s)")
    add_weights_argument(parser)
    parser.add_argument(
        "--others",
        action="store_true",
        help="also time the architectures of Occupancy Networks and TripoSR",
    )

    parser.add_argument(
        "--training",
        nargs="*",
        type=Path,
        metavar="SET",
        help="time training steps of the dense network instead, and its loader on these sets",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="with --training: settings file of a run"
    )


def _run_benchmark(arguments: argparse.Namespace) -> int:
    if arguments.training is not None:
        report = run_with_log(
            dense.benchmark_training, arguments.training, arguments.config, arguments.runs
        )
        print_line(report)
        return 0

    report = run_with_log(
        commands.run_benchmark,
        arguments.photo,
        arguments.resolution,
        arguments.runs,
        arguments.weights,
        arguments.others,
    )
    print_line(report)
    return 0


TRAIN = Command("train", "Train the model on training sets", _add_train, _run_train)
EVALUATE = Command(
    "evaluate", "Evaluate the model on held-out objects", _add_evaluate, _run_evaluate
)
BENCHMARK = Command(
    "benchmark", "Time the stages of a reconstruction", _add_benchmark, _run_benchmark
)
