"""``maquette gallery``: every picture of a folder reconstructed, on one contact sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bpy
from mathutils import Vector

from ..core import dependencies, images
from ..core.commands import Command, picture_path, quiet
from ..core.dataset.output import make_folder
from ..core.errors import MaquetteError
from ..core.model import errands  # without torch, until it runs
from ..core.scene.importing import temporary_data
from ..core.scene.portraits import portraits
from ..core.work import run_to_end
from . import compute, reconstruct


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("-o", "--output", type=picture_path, default=Path("out/gallery.png"), help="(%(default)s)")
    parser.add_argument("--resolution", type=int, default=128, help="cells along the longest side (%(default)s)")
    parser.add_argument("--size", type=int, default=160, help="of each picture on the sheet, pixels (%(default)s)")
    parser.add_argument("--columns", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)")


def _run(arguments: argparse.Namespace) -> int:
    dependencies.require("PIL")  # of this Python, for the sheet
    from ..core.contact_sheet import write_contact_sheet

    make_folder(arguments.output.parent)
    paths = images.in_folder(arguments.folder)
    rows, scores, failed = [], [], 0
    for path in paths:
        try:
            row, score = _row(path, arguments)
            rows.append(row)
            scores.append(score)
        except MaquetteError as error:
            failed += 1
            print(f"maquette: {path}: {error}", file=sys.stderr)
    if not rows:
        return 1
    write_contact_sheet(arguments.output, rows, arguments.size, arguments.columns)
    told = f"mean IoU of the silhouettes {sum(scores) / len(scores):.3f}, the least {min(scores):.3f}"
    print(f"{arguments.output}: {len(rows)} of {len(paths)} pictures; {told}")
    return 1 if failed else 0


def _row(path: Path, arguments: argparse.Namespace) -> tuple[tuple[str, list], float]:
    mesh, score = run_to_end(compute.run(errands.score, path, arguments.resolution, arguments.weights))
    with temporary_data():
        obj = reconstruct.add_object(bpy.context, path.stem, mesh, Vector())
        bpy.context.view_layer.update()
        with quiet():
            return (f"{path.stem}  {score:.2f}", [images.read(path), *portraits(obj, 2 * arguments.size)]), score


COMMAND = Command("gallery", "Reconstruct every picture of a folder onto one contact sheet", _add_arguments, _run)
