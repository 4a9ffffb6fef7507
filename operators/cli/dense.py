"""``maquette train-dense``: train the dense single-view network."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...core.model.jobs import dense  # without torch, until it runs
from .command import Command
from .model import _run_with_log

_GIVEN = (
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
        "datasets", nargs="+", type=Path, help="training sets made with --relightable and --grid"
    )
    parser.add_argument(
        "--run",
        dest="folder",
        metavar="RUN",
        type=Path,
        required=True,
        help="folder of the log and checkpoint; a run begun there is gone on with",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help=".toml or .json of settings")
    parser.add_argument("--start", type=Path, help="checkpoint of another run to begin with")
    parser.add_argument("--steps", type=int, help="in all (100000)")
    parser.add_argument("--learning-rate", type=float, help="(1e-3)")
    parser.add_argument(
        "--decay-steps", type=int, help="steps at the end in which the learning rate falls to 0 (0)"
    )
    parser.add_argument("--seed", type=int, help="(0)")
    parser.add_argument("--validate-every", type=int, help="steps between validations (1000)")
    parser.add_argument("--precision", help="float32, bfloat16 or automatic (automatic)")
    parser.add_argument("--threads", type=int, help="of the CPU (all)")
    parser.add_argument(
        "--workers", type=int, help="processes that draw batches; 0 for a thread, enough on a CPU"
    )


def _run(arguments: argparse.Namespace) -> int:
    given = {name: getattr(arguments, name) for name in _GIVEN}
    given = {name: value for name, value in given.items() if value is not None}
    checkpoint = _run_with_log(
        dense.train_dense,
        arguments.datasets,
        arguments.folder,
        arguments.config,
        given,
        arguments.start,
    )
    print(checkpoint)
    return 0


TRAIN_DENSE = Command("train-dense", "Train the dense single-view network", _add_arguments, _run)
