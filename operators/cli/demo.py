"""``maquette demo``: bundled pictures, or any picture, into a .glb, a .blend and a picture of what came of it."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ...core.console import silence_stdout
from ...core.dataset.atomic_files import make_folder
from ...core.imaging import image_files
from ...core.jobs import dependencies
from ...core.resources import SAMPLES
from ...core.scene import exporting
from .. import _compute, reconstruct
from .command import Command, run_with_progress_line

_PORTRAIT = 240  # pixels
_APART = 1.3  # metres from one object to the next


@dataclass(frozen=True)
class _DemoResult:
    """What came of one set of pictures: the object, its faces, the seconds it took, and its row of the sheet."""

    object: bpy.types.Object
    faces: int
    seconds: float
    row: tuple[str, list[NDArray[np.floating]]]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", nargs="?", type=Path, help="a picture of yours (the bundled ones)")
    parser.add_argument(
        "--folder", type=Path, default=Path("out"), help="where to write demo.* (%(default)s)"
    )
    parser.add_argument(
        "--resolution", type=int, default=128, help="cells along the longest side (%(default)s)"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the model's weights (those bundled)"
    )


def _run_command(arguments: argparse.Namespace) -> int:
    paths = [arguments.folder / f"demo{suffix}" for suffix in (".glb", ".blend", ".png")]
    make_folder(arguments.folder)
    for path in paths[:2]:
        exporting.check_export_path(path)
    began = time.perf_counter()
    dependencies.require_packages("PIL")  # of this Python, for the sheet
    from ...core.imaging.contact_sheet import write_contact_sheet

    if not _compute.named_python():
        dependencies.require_packages(*dependencies.MODEL)
        from ...core.model.inference import pipeline  # noqa: F401  so that its seconds are not the first picture's

    loading = time.perf_counter() - began
    made = [
        _make_demo(request, _APART * index)
        for index, request in enumerate(_demo_requests(arguments))
    ]
    with silence_stdout():
        for path in paths[:2]:
            exporting.write_meshes(path, *(each.object for each in made))
    write_contact_sheet(paths[2], [each.row for each in made], _PORTRAIT)
    told = "; ".join(f"{each.row[0]} {each.faces:,} faces in {each.seconds:.1f} s" for each in made)
    print(f"{', '.join(map(str, paths))}: {told}; loading PyTorch {loading:.1f} s")
    return 0


def _demo_requests(arguments: argparse.Namespace) -> list[reconstruct.ReconstructionRequest]:
    options = {"resolution": arguments.resolution, "weights": arguments.weights}
    if arguments.image:
        return [reconstruct.ReconstructionRequest(arguments.image, **options)]
    sides = {side: SAMPLES / f"{side}.png" for side in ("front", "right")}
    return [
        reconstruct.ReconstructionRequest(sides=sides, **options),
        reconstruct.ReconstructionRequest(SAMPLES / "photo.png", **options),
    ]


def _make_demo(request: reconstruct.ReconstructionRequest, place: float) -> _DemoResult:
    from ...core.scene.rendering.thumbnails import render_thumbnails

    label = " and ".join(request.sides) or Path(str(request.photo)).stem
    began = time.perf_counter()
    mesh = run_with_progress_line(reconstruct.start_reconstruction(request))
    obj = reconstruct.add_object(bpy.context, label, mesh.on_ground(), Vector((place, 0, 0)))
    seconds = time.perf_counter() - began
    bpy.context.view_layer.update()
    pictures = [
        image_files.read_image(path)
        for path in (*request.sides.values(), request.photo)
        if isinstance(path, Path)
    ]
    with silence_stdout():
        pictures += render_thumbnails(obj, _PORTRAIT)
    return _DemoResult(obj, len(mesh.faces), seconds, (label, pictures))


COMMAND = Command(
    "demo", "Show what Maquette does, on bundled pictures or on yours", _add_arguments, _run_command
)
