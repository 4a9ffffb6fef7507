"""``maquette train --task shapes`` and ``--task generator``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ....core.console import print_line
from ....core.errors import DatasetError
from ....core.model.jobs import shape_training  # without torch, until it runs
from ..progress_log import run_with_log
from . import TrainingTask

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
    group.add_argument(
        "--decay-steps", type=int, help="last steps, in which the learning rate falls to 0 (2000)"
    )


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


def _given(arguments: Namespace) -> dict[str, Any]:
    """Return the settings that were given on the command line, by their names."""
    given = {}
    for option, setting in _OPTIONS.items():
        value = getattr(arguments, option)
        if value is not None:
            given[setting] = value
    return given


SHAPES = TrainingTask("the shape space", _add_shapes, _run_shapes)
