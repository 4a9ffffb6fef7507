"""The type of a subcommand of ``maquette``, its common arguments, and progress in a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...core.console import print_line
from ...core.imaging.image_files import WRITE_SUFFIXES
from ...core.jobs.task import ProgressClock, Task, run_to_end
from ..properties.scene import RESOLUTION, SMOOTH

T = TypeVar("T")

_CLEAR_LINE = "\r\x1b[K"


@dataclass(frozen=True)
class Command:
    """One subcommand.

    name: as typed.
    help: one line.
    add_arguments: adds its arguments to the parser. It runs for every subcommand, so it must not
        import anything heavy.
    run: runs it and returns the exit code. A MaquetteError is printed, and the exit code is 1.
    """

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def image_path(text: str) -> Path:
    """Return an argument as the path of an image file to write.

    Raises:
        ArgumentTypeError: its ending is not that of an image file.
    """
    path = Path(text)
    if path.suffix.lower() not in WRITE_SUFFIXES:
        endings = ", ".join(sorted(WRITE_SUFFIXES))
        raise ArgumentTypeError(f"{text} is not an image file ({endings})")
    return path


def add_weights_argument(parser: ArgumentParser) -> None:
    """Add ``--weights``."""
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="model weights (default: the bundled ones)"
    )


def add_resolution_argument(parser: ArgumentParser) -> None:
    """Add ``--resolution`` without bounds."""
    parser.add_argument(
        "--resolution",
        type=int,
        default=RESOLUTION["default"],
        help="grid cells along the longest side (%(default)s)",
    )


def add_limit_argument(parser: ArgumentParser) -> None:
    """Add ``--limit``."""
    parser.add_argument(
        "--limit", type=int, help="use only this many objects, a fixed random subset"
    )


def add_fit_argument(parser: ArgumentParser) -> None:
    """Add ``--fit``."""
    parser.add_argument(
        "--fit",
        action="store_true",
        help="move the surface after reconstruction so that its outline matches the images",
    )


def add_keep_holes_argument(parser: ArgumentParser) -> None:
    """Add ``--fill-holes``, which is stored as ``keep_holes``."""
    parser.add_argument(
        "--fill-holes",
        dest="keep_holes",
        action="store_false",
        help="make everything within the object's outline solid; an image with alpha is used as "
        "it is",
    )


def add_smooth_argument(parser: ArgumentParser) -> None:
    """Add ``--smooth``."""
    parser.add_argument(
        "--smooth",
        type=number_within(float, SMOOTH),
        default=SMOOTH["default"],
        metavar="STRENGTH",
        help="how far dents of the surface are smoothed, 0 to 1 (%(default)s)",
    )


def number_within(kind: Callable[[str], Any], limits: dict[str, Any]) -> Callable[[str], Any]:
    """Return a type of arguments: a number of ``kind`` within "min" and "max" of ``limits``."""

    def number(text: str) -> Any:
        value = kind(text)
        if not limits["min"] <= value <= limits["max"]:
            raise ArgumentTypeError(f"{text} is not within {limits['min']} to {limits['max']}")
        return value

    number.__name__ = kind.__name__  # argparse uses it in its messages
    return number


def run_with_progress_line(task: Task[T]) -> T:
    """Run ``task`` to its end, with a line of progress on stderr if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return run_to_end(task)
    try:
        clock = ProgressClock()
        return run_to_end(task, lambda progress: _print_progress(clock.progress_text(progress)))
    finally:
        _print_progress("")


def report_failures(failures: Mapping[Path, str], total: int, verb: str) -> int:
    """Print why items of a batch failed, last of all, where it is read.

    Args:
        failures: The reasons by the item.
        total: How many items there were.
        verb: What could not be done with them: "reconstructed".

    Returns:
        The exit code: 1 if there are any, otherwise 0.
    """
    for path, reason in failures.items():
        print_line(f"maquette: {path}: {reason}", error=True)
    if not failures:
        return 0
    print_line(f"maquette: {len(failures)} of {total} images could not be {verb}", error=True)
    return 1


def _print_progress(text: str) -> None:
    print_line(f"{_CLEAR_LINE}{text}", error=True, end="")
