"""What ``maquette train --task`` trains besides the model: one module a task."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingTask:
    """A training of its own behind ``maquette train --task``.

    Attributes:
        help: what it trains, a few words.
        add_arguments: adds the options that only this task has. It runs for every command line,
            so it must not import anything heavy.
        run: trains, and returns the exit code.
    """

    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
