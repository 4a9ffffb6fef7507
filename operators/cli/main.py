"""``maquette ...``: as ``blender -b -c maquette ...``, and as a script beside the bpy wheel."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import bpy

from ...core.console import hold_standard_streams, print_line, safe_console
from ...core.errors import MaquetteError
from ...core.jobs import temporary_folders
from .. import _compute
from . import (
    dataset,
    dataset_tools,
    demo,
    dense,
    gallery,
    model,
    photographs,
    reconstruct,
    references,
)
from .objects import describe, library, procedural, shapes
from .stop_signals import Stopped, end_console, own_blender_folder, stop_in_order

_INTERRUPTED = 130  # exit code of shells for Ctrl+C

# Every subcommand, in the order of the help. A new one is added here.
_COMMANDS = (
    reconstruct.COMMAND,
    references.COMMAND,
    photographs.COMMAND,
    procedural.COMMAND,
    library.INDEX,
    library.FIND,
    describe.COMMAND,
    *shapes.COMMANDS,
    demo.COMMAND,
    gallery.COMMAND,
    dataset.COMMAND,
    dataset_tools.INSPECT,
    dataset_tools.CHECK,
    dataset_tools.PACK,
    dataset_tools.COMPACT,
    dataset_tools.EXPORT,
    dataset_tools.ROOMS,
    model.TRAIN,
    dense.COMMAND,
    model.EVALUATE,
    model.BENCHMARK,
)
_handle: Any = None


def run_command(arguments: Sequence[str]) -> int:
    """Run one subcommand; errors are printed on stderr.

    Returns:
        The exit code: 0 for success, 1 for an error that the user can correct, 2 for a wrong
        command line; 128 and its number if a signal stopped it, such as 130 for Ctrl+C.
    """
    with safe_console():
        try:
            with stop_in_order():
                parsed = _make_parser().parse_args(_join_command_name(arguments))
                return parsed.run(parsed)
        except MaquetteError as error:
            print_line(f"maquette: {error}", error=True)
            return 1
        except SystemExit as stop:  # argparse has printed why; Blender must close down in order
            return int(stop.code or 0)
        except Stopped as stop:
            return stop.code
        except KeyboardInterrupt:  # where signals are not handled
            return _INTERRUPTED


def run_console() -> NoReturn:
    """Run the script ``maquette`` of an environment with the bpy wheel; registers no class.

    Ends the process without Python's and Blender's cleanup: after Blender's glTF exporter has run,
    bpy 4.2 crashes in it, and bpy 4.5 hangs in it once torch is loaded, without any code of this
    package involved.
    """
    hold_standard_streams()
    if sys.stderr is not None:
        faulthandler.enable()
    temporary_folders.sweep_folders()
    own_blender_folder()

    try:
        code = run_command(sys.argv[1:])
    except Exception:  # a bug: print it as Python does
        traceback.print_exc()
        code = 1

    # Worker processes and temporary folders are all that the cleanup would have ended and removed.
    _compute.end_workers()
    end_console(code)


class _Parser(argparse.ArgumentParser):
    """A parser of arguments that prints what any console can take."""

    def _print_message(self, message: str, file: Any = None) -> None:
        print_line(message, error=file is not sys.stdout, end="")


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="maquette", description="Reference images in, mesh objects out.")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run, error=subparser.error)
    return parser


def _join_command_name(arguments: Sequence[str]) -> list[str]:
    """Return ``arguments`` with a command's name of two words as one: "dataset check".

    Nested subparsers cannot do this, since ``dataset`` takes a folder of its own.
    """
    first_two = " ".join(arguments[:2])
    if len(arguments) > 1 and any(first_two == command.name for command in _COMMANDS):
        return [first_two, *arguments[2:]]
    return list(arguments)


def register() -> None:
    """Register the command ``maquette`` of Blender's command line."""
    global _handle
    _handle = bpy.utils.register_cli_command("maquette", run_command)


def unregister() -> None:
    """Remove it."""
    bpy.utils.unregister_cli_command(_handle)
