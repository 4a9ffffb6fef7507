"""``maquette train-dense``: train the dense single-view network."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...core.console import print_line
from ...core.model.jobs import dense  # without torch, until it runs
from .command import Command
from .tasks.progress_log import run_with_log

_OPTIONS = (
    "steps",
    "learning_rate",
    "decay_steps",
    "seed",
    "precision",
    "threads",
    "validate_every",
    "workers",
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "datasets",
        nargs="+",
        type=Path,
        help="training sets rendered with --relightable and --grid",
    )
    parser.add_argument(
        "--run",
        dest="folder",
        metavar="RUN",
        type=Path,
        required=True,
        help="folder of the log and checkpoint; an unfinished run is resumed",
    )

    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings file (.toml, .json); options on the command line override it",
    )
    parser.add_argument("--start", type=Path, help="checkpoint of another run to start from")
    parser.add_argument("--steps", type=int, help="training steps (100000)")
    parser.add_argument("--learning-rate", type=float, help="peak learning rate (1e-3)")
    parser.add_argument(
        "--decay-steps", type=int, help="last steps, in which the learning rate falls to 0 (0)"
    )
    parser.add_argument("--seed", type=int, help="random seed (0)")
    parser.add_argument("--validate-every", type=int, help="steps between validations (1000)")
    parser.add_argument("--precision", help="float32, bfloat16 or automatic (automatic)")
    parser.add_argument("--threads", type=int, help="CPU threads (all)")

    parser.add_argument(
        "--workers",
        type=int,
        help="processes that prepare batches; 0 for a thread, enough on a CPU (0)",
    )


def _run_command(arguments: argparse.Namespace) -> int:
    options = {name: getattr(arguments, name) for name in _OPTIONS}
    options = {name: value for name, value in options.items() if value is not None}
    checkpoint = run_with_log(
        dense.train_dense,
        arguments.datasets,
        arguments.folder,
        arguments.config,
        options,
        arguments.start,
    )
    print_line(checkpoint)

    return 0


COMMAND = Command(
    "train-dense", "Train the dense single-view network", _add_arguments, _run_command
)
