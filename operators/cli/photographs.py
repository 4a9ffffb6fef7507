"""``maquette photographs``: a folder of photographs into solved cameras and a cloud of points."""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy

from ...core.console import print_line, silence_stdout
from ...core.photogrammetry.photo_files import list_photographs
from ...core.scene.solved_cameras import add_solved_scene, check_solved_path, write_solved
from ..properties.photographs import REAL_SIZE
from ..solve_photographs import solve_summary, start_solving
from .command import Command, run_with_progress_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="photographs of one still object from many sides")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="file to write: .blend with cameras and backgrounds, or .ply of the points",
    )
    parser.add_argument(
        "--size",
        type=float,
        default=REAL_SIZE["default"],
        help="length of the object's longest side in meters (%(default)s)",
    )
    parser.add_argument(
        "--no-outlines",
        action="store_true",
        help="do not refuse cameras that disagree with the object's outlines",
    )


def _run_command(arguments: argparse.Namespace) -> int:
    if not REAL_SIZE["min"] <= arguments.size <= REAL_SIZE["max"]:
        arguments.error(f"--size is {REAL_SIZE['min']} to {REAL_SIZE['max']}")
    check_solved_path(arguments.output)
    paths = list_photographs(arguments.folder)
    result = run_with_progress_line(start_solving(paths, not arguments.no_outlines))
    with silence_stdout():
        collection = add_solved_scene(bpy.context, result, arguments.size)
        write_solved(arguments.output, bpy.context.scene, collection)
    print_line(f"{arguments.output}: {solve_summary(result)}")
    for entry in result.left_out:
        print_line(f"{entry.path.name}: {entry.reason}")
    return 1 if any(entry.unreadable for entry in result.left_out) else 0


COMMAND = Command(
    "photographs",
    "Solve the cameras of photographs, and write them with a cloud of points",
    _add_arguments,
    _run_command,
)
