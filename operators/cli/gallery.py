"""``maquette gallery``: every picture of a folder reconstructed, on one contact sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bpy
from mathutils import Vector

from ...core.console import silence_stdout
from ...core.dataset.atomic_files import make_folder
from ...core.errors import MaquetteError
from ...core.imaging import image_files
from ...core.jobs import dependencies
from ...core.jobs.task import run_to_end
from ...core.model.jobs import commands  # without torch, until it runs
from ...core.scene.importing import temporary_data
from ...core.scene.rendering.thumbnails import render_thumbnails
from .. import _compute, reconstruct
from .command import Command, image_path


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument(
        "-o", "--output", type=image_path, default=Path("out/gallery.png"), help="(%(default)s)"
    )
    parser.add_argument(
        "--resolution", type=int, default=128, help="cells along the longest side (%(default)s)"
    )
    parser.add_argument(
        "--size", type=int, default=160, help="of each picture on the sheet, pixels (%(default)s)"
    )
    parser.add_argument("--columns", type=int, default=2, help="(%(default)s)")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)"
    )


def _run_command(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")  # of this Python, for the sheet
    from ...core.imaging.contact_sheet import write_contact_sheet

    make_folder(arguments.output.parent)
    paths = image_files.images_in_folder(arguments.folder)
    rows = []
    scores = []
    failed = 0
    for path in paths:
        try:
            row, score = _gallery_row(path, arguments)
            rows.append(row)
            scores.append(score)
        except MaquetteError as error:
            failed += 1
            print(f"maquette: {path}: {error}", file=sys.stderr)
    if not rows:
        return 1
    write_contact_sheet(arguments.output, rows, arguments.size, arguments.columns)
    told = (
        f"mean IoU of the silhouettes {sum(scores) / len(scores):.3f}, the least {min(scores):.3f}"
    )
    print(f"{arguments.output}: {len(rows)} of {len(paths)} pictures; {told}")
    return 1 if failed else 0


def _gallery_row(path: Path, arguments: argparse.Namespace) -> tuple[tuple[str, list], float]:
    mesh, score = run_to_end(
        _compute.run_function(commands.score_photo, path, arguments.resolution, arguments.weights)
    )
    with temporary_data():
        obj = reconstruct.add_object(bpy.context, path.stem, mesh, Vector())
        bpy.context.view_layer.update()
        with silence_stdout():
            return (
                f"{path.stem}  {score:.2f}",
                [image_files.read_image(path), *render_thumbnails(obj, 2 * arguments.size)],
            ), score


COMMAND = Command(
    "gallery",
    "Reconstruct every picture of a folder onto one contact sheet",
    _add_arguments,
    _run_command,
)
