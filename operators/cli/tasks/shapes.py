"""``maquette train --task shapes``, ``--task generator``, and the evaluation of both."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ....core.console import print_line
from ....core.errors import DatasetError
from ....core.model.jobs import shape_training  # without torch, until it runs
from ..command import image_path
from . import TrainingTask
from .progress_log import run_with_log

# Names of options, and of the settings that they set.
_OPTIONS = {
    "steps": "steps",
    "rate": "learning_rate",
    "seed": "seed",
    "every": "validate_every",
    "precision": "precision",
    "threads": "threads",
    "decay_steps": "decay_steps",
    "most": "most",
}


def _add_shapes(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("with --task shapes")
    group.add_argument(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="folder of the shapes, made first if it is missing (RUN/shapes)",
    )
    group.add_argument(
        "--made",
        type=int,
        default=1500,
        help="procedural objects to train on besides the sets (%(default)s)",
    )

    group.add_argument(
        "--leave-out",
        nargs="+",
        default=(),
        metavar="FAMILY",
        help="families of objects that are not trained on",
    )
    group.add_argument("--most", type=int, help="train on at most this many shapes (all)")


def _run_shapes(arguments: Namespace) -> int:
    if arguments.folder is None:
        raise DatasetError("Give the folder of the run (--run)")
    request = shape_training.ShapeRequest(
        store=arguments.store or arguments.folder / "shapes",
        datasets=tuple(arguments.datasets),
        made=arguments.made,
        left_out=tuple(arguments.leave_out),
    )
    checkpoint = run_with_log(
        shape_training.train_shape_space,
        arguments.folder,
        request,
        _given(arguments),
        arguments.weights,
    )
    print_line(checkpoint)

    return 0


def _add_generator(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("with --task generator")
    group.add_argument(
        "--shape-space", type=Path, metavar="RUN", help="run of the shape space to work in"
    )
    group.add_argument(
        "--kind",
        choices=(*shape_training.TRAINED_KINDS, *shape_training.FITTED_KINDS),
        help="rectified flow or adversarial pair to train (flow), or distribution to fit",
    )


def _run_generator(arguments: Namespace) -> int:
    if arguments.folder is None or arguments.shape_space is None or arguments.store is None:
        raise DatasetError(
            "Give the folder of the run (--run), the run of the shape space (--shape-space) and "
            "its folder of shapes (--store)"
        )

    given = {}
    for option in ("steps", "seed", "threads", "kind"):
        value = getattr(arguments, option)
        if value is not None:
            given[option] = value

    if arguments.rate is not None:
        given["learning_rate"] = arguments.rate
    checkpoint = run_with_log(
        shape_training.train_shape_generator,
        arguments.folder,
        arguments.shape_space,
        arguments.store,
        given,
        arguments.weights,
    )

    print_line(checkpoint)
    return 0


def add_evaluation(parser: ArgumentParser) -> None:
    """Add the options of ``maquette evaluate`` for the shape space and generators."""
    group = parser.add_argument_group("with --ask shapes or --ask generator")
    group.add_argument("--store", type=Path, metavar="FOLDER", help="folder of the shapes")
    group.add_argument(
        "--runs",
        nargs="+",
        type=Path,
        default=(),
        metavar="RUN",
        help="runs of the shape space, or of generators to compare with what is fitted",
    )
    group.add_argument(
        "--shape-space", type=Path, metavar="RUN", help="run of the shape space of generators"
    )
    group.add_argument(
        "--seeds", type=int, default=1, help="how often generators are scored (%(default)s)"
    )
    group.add_argument(
        "--draw", type=image_path, metavar="IMAGE", help="draw examples to an image file"
    )


def evaluate(arguments: Namespace) -> int:
    """Evaluate the shape space or generators, as ``arguments`` ask for."""
    if arguments.store is None or not arguments.runs:
        raise DatasetError("Give the folder of the shapes (--store) and the runs (--runs)")
    if arguments.ask == "shapes":
        report = run_with_log(
            shape_training.evaluate_shape_space,
            arguments.runs[0],
            arguments.store,
            arguments.split,
            arguments.limit,
            arguments.draw,
        )
    else:
        if arguments.shape_space is None:
            raise DatasetError("Give the run of the shape space (--shape-space)")
        request = shape_training.GeneratorEvaluation(
            shape_space=arguments.shape_space,
            store=arguments.store,
            runs=tuple(arguments.runs),
            limit=arguments.limit or 400,
            seeds=arguments.seeds,
            drawing=arguments.draw,
        )
        report = run_with_log(shape_training.evaluate_generators, request)

    print_line(report)
    return 0


def _given(arguments: Namespace) -> dict[str, Any]:
    """Return the settings that were given on the command line, by their names."""
    given = {}
    for option, setting in _OPTIONS.items():
        value = getattr(arguments, option)
        if value is not None:
            given[setting] = value
    return given


SHAPES = TrainingTask("the shape space", _add_shapes, _run_shapes)
GENERATOR = TrainingTask("a generator of shapes", _add_generator, _run_generator)
SUITES = ("shapes", "generator")  # of ``maquette evaluate``
