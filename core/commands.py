"""What a subcommand of ``maquette`` is, on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


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
