"""``maquette train --task projection``: the features that libraries are searched by."""

from __future__ import annotations

import argparse

from ....core.console import print_line
from ....core.model.jobs import embedding  # without torch, until it runs
from . import TrainingTask
from .progress_log import run_with_log


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the training sets and ``--weights`` are all that it needs."""


def _run(arguments: argparse.Namespace) -> int:
    if not (arguments.datasets and arguments.weights):
        arguments.error("give training sets and --weights FILE")
    path = run_with_log(embedding.fit_projection, arguments.datasets, arguments.weights)
    print_line(path)
    return 0


PROJECTION = TrainingTask(
    "of the features that libraries are searched by, in minutes", _add_arguments, _run
)
