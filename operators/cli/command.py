"""What a subcommand of ``maquette`` is, and how it behaves in a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...core.imaging.image_files import SUFFIXES
from ...core.jobs.task import ProgressClock, Task, run_to_end

T = TypeVar("T")


@dataclass(frozen=True)
class Command:
    """One subcommand.

    name: as typed. help: one line.
    add_arguments: adds its arguments to the parser; imports nothing heavy, since it runs for every subcommand.
    run: does it and returns the exit code. A MaquetteError that it raises is printed, and the exit code is 1.
    """

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def image_path(text: str) -> Path:
    """An argument: where to write a picture.

    Raises:
        ArgumentTypeError: its name is not that of a picture.
    """
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentTypeError(
            f"{text} does not end as a picture does ({', '.join(sorted(SUFFIXES))})"
        )
    return path


def run_with_progress_line(work: Task[T]) -> T:
    """Drive ``work`` to its end with a line of progress on stderr, if a person is looking."""
    if not sys.stderr.isatty():
        return run_to_end(work)
    try:
        clock = ProgressClock()
        return run_to_end(work, lambda progress: _print_progress(clock.progress_text(progress)))
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _print_progress(text: str) -> None:
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
