"""``maquette gallery``: reconstruct every image of a folder onto one contact sheet."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ...core.arrays import MeshArrays
from ...core.atomic_files import make_folder
from ...core.console import print_line, silence_stdout
from ...core.errors import Cancelled, failure_reason
from ...core.geometry.silhouette import silhouette_iou
from ...core.imaging import image_files
from ...core.jobs import dependencies
from ...core.jobs.task import run_to_end
from ...core.model.jobs.reconstruct import ReconstructionRequest
from ...core.scene import meshes
from ...core.scene.importing.mesh_import import temporary_data
from ...core.scene.rendering.thumbnails import render_thumbnails
from ...core.scene.source_views import decode_views
from .. import _results
from ..finish import apply_result, start_finishing
from ..reconstruct import start_reconstruction
from .command import (
    Command,
    add_resolution_argument,
    add_weights_argument,
    image_path,
    report_failures,
)

_GRAY = 0.45  # sRGB: in the light of the sheet it shows every dent
_MASKED = 0.5  # alpha above which a pixel belongs to the object
_TEXTURE_SIZE = 1024  # pixels
_Row = tuple[str, list[NDArray[np.floating]]]  # of a contact sheet: label and images


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of images")
    parser.add_argument(
        "-o",
        "--output",
        type=image_path,
        default=Path("out/gallery.png"),
        help="contact sheet to write (%(default)s)",
    )
    add_resolution_argument(parser)
    parser.add_argument(
        "--show",
        choices=("colors", "texture", "gray"),
        default="colors",
        help="what the surfaces show (%(default)s)",
    )
    parser.add_argument(
        "--size", type=int, default=160, help="size of each image on it in pixels (%(default)s)"
    )
    parser.add_argument("--columns", type=int, default=2, help="objects in a row (%(default)s)")
    add_weights_argument(parser)


def _run_command(arguments: argparse.Namespace) -> int:
    dependencies.require_packages("PIL")  # of this Python, for the contact sheet
    from ...core.imaging.contact_sheet import write_contact_sheet

    make_folder(arguments.output.parent)
    images = image_files.list_images(arguments.folder)
    failures = dict(images.left_out)
    total = len(images.paths) + len(failures)

    # An image that fails does not keep the others from the sheet.
    rows = []
    scores = []
    for path in images.paths:
        try:
            row, score = _gallery_row(path, arguments)
        except Cancelled:
            raise
        except Exception as error:  # of any kind
            failures[path] = failure_reason(error)
            continue
        rows.append(row)
        scores.append(score)

    if rows:
        write_contact_sheet(arguments.output, rows, arguments.size, arguments.columns)
        mean = sum(scores) / len(scores)
        print_line(
            f"{arguments.output}: {len(rows)} of {total} images; "
            f"mean IoU of the silhouettes {mean:.3f}, the least {min(scores):.3f}"
        )

    return report_failures(failures, total, "reconstructed")


def _gallery_row(path: Path, arguments: argparse.Namespace) -> tuple[_Row, float]:
    """Reconstruct the image ``path``; return its row and the IoU of its silhouette."""
    request = ReconstructionRequest(
        path, resolution=arguments.resolution, weights=arguments.weights
    )
    mesh = run_to_end(start_reconstruction(request, size=1.0))
    score = _score_silhouette(mesh)
    shown = mesh
    if arguments.show == "gray":
        shown = replace(mesh, colors=np.full_like(mesh.vertices, _GRAY))

    with temporary_data():
        obj = _results.add_object(bpy.context, path.stem, shown, Vector())
        if arguments.show == "texture":
            task = start_finishing(obj, meshes.to_arrays(obj.data), None, _TEXTURE_SIZE)
            apply_result(obj, run_to_end(task))
        bpy.context.view_layer.update()
        with silence_stdout():
            thumbnails = render_thumbnails(obj, 2 * arguments.size)

    images = [image_files.read_image(path), *thumbnails]
    return (f"{path.stem}  {score:.2f}", images), score


def _score_silhouette(mesh: MeshArrays) -> float:
    """Return the IoU of a mesh's silhouette with the mask of its one image, in its camera."""
    (view,) = mesh.views
    (decoded,) = decode_views([view])
    return silhouette_iou(mesh, view.camera, decoded.image[..., 3] > _MASKED)


COMMAND = Command(
    "gallery",
    "Reconstruct every image of a folder onto one contact sheet",
    _add_arguments,
    _run_command,
)
