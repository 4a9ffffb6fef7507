"""``maquette ...`` on the command line: as ``blender -b -c maquette ...``, and as a script beside the bpy wheel."""

from __future__ import annotations

import argparse
import faulthandler
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import bpy

from ...core.cameras import SIDES
from ...core.errors import MaquetteError
from ...core.scene import exporting
from .. import reconstruct, reconstruct_folder, render_dataset
from ..properties import scene as scene_properties
from . import dataset_tools, demo, finish, gallery, photographs, references
from .command import Command
from .dense import TRAIN_DENSE
from .model import BENCHMARK, EVALUATE, TRAIN

_handle: Any = None


def run_command(arguments: Sequence[str]) -> int:
    """Run one subcommand; what it cannot do is said on stderr.

    Returns:
        The exit code: 0 done, 1 an error that the user can put right, 2 a wrong command line, 130 interrupted.
    """
    try:
        parsed = _make_parser().parse_args(_join_command_name(arguments))
        return parsed.run(parsed)
    except MaquetteError as error:
        print(f"maquette: {error}", file=sys.stderr)
        return 1
    except SystemExit as stop:  # argparse has said why; Blender must still close down in order
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return 130


def run_console() -> NoReturn:
    """The script ``maquette`` of an environment with the bpy wheel. Needs no class registered, so leaves none.

    Ends the process without Python's and Blender's own cleaning up: after Blender's glTF exporter has run, bpy 4.2
    crashes in it, and bpy 4.5 hangs in it for ever once torch is loaded, with none of our code involved.
    """
    faulthandler.enable()
    try:
        code = run_command(sys.argv[1:])
    except Exception:  # a bug of ours: told of as Python does
        traceback.print_exc()
        code = 1
    shutil.rmtree(
        bpy.app.tempdir, ignore_errors=True
    )  # the only thing that the cleaning up would have done
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maquette", description="Reference pictures in, mesh objects out."
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _all_commands():
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run, error=sub.error)
    return parser


def _join_command_name(arguments: Sequence[str]) -> list[str]:
    """``arguments`` with a command's name of two words as one: ``dataset check``."""
    first = " ".join(arguments[:2])
    two = len(arguments) > 1 and any(first == command.name for command in _all_commands())
    return [first, *arguments[2:]] if two else list(arguments)


def _add_reconstruct(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photo",
        nargs="*",
        type=Path,
        help="picture of the object, from anywhere; with --out-dir several, one object each",
    )
    for side in SIDES:
        parser.add_argument(
            f"--{side}", type=Path, metavar="IMAGE", help=f"picture of its {side}, seen straight on"
        )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "-o", "--output", type=Path, help=f"file to write: {' '.join(exporting.SUFFIXES)}"
    )
    where.add_argument(
        "--out-dir",
        type=Path,
        metavar="FOLDER",
        help="write a .glb for each picture, going on after a bad one",
    )
    parser.add_argument(
        "--json", action="store_true", help="say what came of each picture as a line of JSON"
    )
    parser.add_argument(
        "--assets",
        action="store_true",
        help="with --out-dir: a .blend for each, an asset with preview and metadata",
    )
    parser.add_argument(
        "--resolution",
        type=_number_within(int, scene_properties.RESOLUTION),
        default=scene_properties.RESOLUTION["default"],
        help="cells along the longest side (%(default)s); time and memory grow with its square",
    )
    parser.add_argument(
        "--size",
        type=_number_within(float, scene_properties.SIZE),
        default=scene_properties.SIZE["default"],
        help="length of the longest side in metres (%(default)s)",
    )
    parser.add_argument(
        "--fit",
        action="store_true",
        help="move the surface to match the pictures' outlines afterwards",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)"
    )
    finish.add_arguments(parser)


def _number_within(kind: Callable[[str], Any], limits: dict[str, Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        value = kind(text)
        if not limits["min"] <= value <= limits["max"]:
            raise argparse.ArgumentTypeError(
                f"{text} is not within {limits['min']} to {limits['max']}"
            )
        return value

    number.__name__ = kind.__name__  # argparse puts it into its messages
    return number


def _run_reconstruct(arguments: argparse.Namespace) -> int:
    sides = {side: path for side in SIDES if (path := getattr(arguments, side))}
    finish.check_arguments(arguments)
    if arguments.out_dir:
        if sides or not arguments.photo:
            arguments.error("--out-dir takes pictures from anywhere, one for each object")
        return reconstruct_folder.reconstruct_photos(arguments.photo, arguments)
    if len(arguments.photo) + bool(sides) != 1:
        arguments.error(
            "give one picture, or pictures of sides (--front, --right, ...), or --out-dir"
        )
    if arguments.assets:
        arguments.error("--assets needs --out-dir")
    photo = arguments.photo[0] if arguments.photo else None
    request = reconstruct.ReconstructionRequest(
        photo, sides, arguments.resolution, arguments.size, arguments.weights, fit=arguments.fit
    )
    reconstruct_folder.print_result(
        reconstruct_folder.write_one(request, arguments.output, arguments=arguments), arguments.json
    )
    return 0


RECONSTRUCT = Command(
    "reconstruct", "Build a mesh from pictures and write it", _add_reconstruct, _run_reconstruct
)


def _all_commands() -> tuple[Command, ...]:
    """Every subcommand, in the order of the help. A new one is named here."""
    return (
        RECONSTRUCT,
        references.COMMAND,
        photographs.COMMAND,
        demo.COMMAND,
        gallery.COMMAND,
        render_dataset.COMMAND,
        dataset_tools.INSPECT,
        dataset_tools.CHECK,
        dataset_tools.PACK,
        dataset_tools.COMPACT,
        dataset_tools.EXPORT,
        dataset_tools.ROOMS,
        TRAIN,
        TRAIN_DENSE,
        EVALUATE,
        BENCHMARK,
    )


def register() -> None:
    global _handle
    _handle = bpy.utils.register_cli_command("maquette", run_command)


def unregister() -> None:
    bpy.utils.unregister_cli_command(_handle)
