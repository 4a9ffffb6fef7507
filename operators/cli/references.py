"""``maquette references``: reconstruct from the references of the open file."""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy

from ...core.console import print_line, silence_stdout
from ...core.scene import exporting
from .._results import mesh_summary
from ..properties.scene import RESOLUTION
from ..reconstruct_references import ReferenceChoice, add_posed_object, start_references
from .command import (
    Command,
    add_fit_argument,
    add_keep_holes_argument,
    add_smooth_argument,
    add_weights_argument,
    run_with_progress_line,
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="references to use (default: the selected ones, otherwise all visible ones)",
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
        help="grid cells along the longest side (%(default)s); time and memory grow with "
        "its square",
    )

    add_keep_holes_argument(parser)
    add_smooth_argument(parser)
    add_fit_argument(parser)
    add_weights_argument(parser)


def _run_command(arguments: argparse.Namespace) -> int:
    exporting.check_export_path(arguments.output)
    choice = ReferenceChoice(
        names=arguments.names,
        collection=arguments.collection,
        resolution=arguments.resolution,
        keep_holes=arguments.keep_holes,
        weights=arguments.weights,
        fit=arguments.fit,
        smooth=arguments.smooth,
    )
    sources, task = start_references(bpy.context, choice)
    result = run_with_progress_line(task)

    obj = add_posed_object(bpy.context, arguments.output.stem, result)
    with silence_stdout():
        exporting.write_meshes(arguments.output, obj)
    print_line(f"{arguments.output}: {mesh_summary(result.mesh)}, from {sources}")
    for text in result.disagreements:
        print_line(f"References disagree and were averaged: {text}")
    return 0


COMMAND = Command(
    "references",
    "Reconstruct a mesh where the open file's references show it",
    _add_arguments,
    _run_command,
)
