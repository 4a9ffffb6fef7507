"""``maquette references``: the references of the open file on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy

from ...core.console import silence_stdout
from ...core.scene import exporting
from ..properties.scene import RESOLUTION
from ..reconstruct import mesh_summary as sized
from ..reconstruct_references import add_posed_object, start_references
from .command import Command, run_with_progress_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="of references (those selected; else all in view)"
    )
    parser.add_argument(
        "--collection", default="", metavar="NAME", help="use all references of this collection"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help=f"file to write: {' '.join(exporting.SUFFIXES)}",
    )
    parser.add_argument(
        "--resolution",
        type=int,
        default=RESOLUTION["default"],
        choices=range(RESOLUTION["min"], RESOLUTION["max"] + 1),
        metavar="CELLS",
        help="along the longest side (%(default)s); time and memory grow with its square",
    )
    parser.add_argument(
        "--fit",
        action="store_true",
        help="move the surface to match the pictures' outlines afterwards",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)"
    )


def _run_command(arguments: argparse.Namespace) -> int:
    exporting.check_export_path(arguments.output)
    told, work = start_references(
        bpy.context,
        arguments.names,
        arguments.collection,
        arguments.resolution,
        arguments.weights,
        arguments.fit,
    )
    result = run_with_progress_line(work)
    obj = add_posed_object(bpy.context, arguments.output.stem, result)
    with silence_stdout():
        exporting.write_meshes(arguments.output, obj)
    print(f"{arguments.output}: {sized(result.mesh)}, from {told}")
    for text in result.disagreements:
        print(f"Fitted to each other: {text}")
    return 0


COMMAND = Command(
    "references",
    "Build a mesh where the open file's references show it",
    _add_arguments,
    _run_command,
)
