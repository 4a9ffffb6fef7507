"""``maquette demo``: reconstruct the bundled images or any image, with a contact sheet."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ...core.atomic_files import make_folder
from ...core.console import print_line, silence_stdout
from ...core.imaging import image_files
from ...core.jobs import dependencies
from ...core.model.jobs.reconstruct import ReconstructionRequest
from ...core.resources import SAMPLES
from ...core.scene import exporting
from .. import _compute, _results
from ..reconstruct import start_reconstruction
from .command import (
    Command,
    add_resolution_argument,
    add_weights_argument,
    run_with_progress_line,
)

_THUMBNAIL_SIZE = 240  # pixels
_SPACING = 1.3  # meters from one object to the next
_SIZE = 1.0  # meters


@dataclass(frozen=True)
class _DemoResult:
    """One reconstruction.

    object: in the scene.
    faces: their count.
    seconds: how long it took.
    row: of the contact sheet: its label and images.
    """

    object: bpy.types.Object
    faces: int
    seconds: float
    row: tuple[str, list[NDArray[np.floating]]]

    def summary(self) -> str:
        return f"{self.row[0]} {self.faces:,} faces in {self.seconds:.1f} s"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image", nargs="?", type=Path, help="image to reconstruct (default: the bundled ones)"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("out"), help="where to write demo.* (%(default)s)"
    )
    add_resolution_argument(parser)
    add_weights_argument(parser)


def _run_command(arguments: argparse.Namespace) -> int:
    folder = arguments.folder
    glb, blend, sheet = (folder / f"demo{suffix}" for suffix in (".glb", ".blend", ".png"))
    make_folder(folder)
    for path in (glb, blend):
        exporting.check_export_path(path)

    loading_seconds = _load_packages()
    from ...core.imaging.contact_sheet import write_contact_sheet

    # The objects stand side by side in one file.
    results = [
        _make_demo(request, _SPACING * index)
        for index, request in enumerate(_demo_requests(arguments))
    ]
    objects = [result.object for result in results]
    with silence_stdout():
        for path in (glb, blend):
            exporting.write_meshes(path, *objects)
    write_contact_sheet(sheet, [result.row for result in results], _THUMBNAIL_SIZE)

    summaries = "; ".join(result.summary() for result in results)
    print_line(f"{glb}, {blend}, {sheet}: {summaries}; loading PyTorch {loading_seconds:.1f} s")
    return 0


def _load_packages() -> float:
    """Import what takes long, so that it does not count as reconstruction; return the seconds."""
    started = time.perf_counter()
    dependencies.require_packages("PIL")  # of this Python, for the contact sheet
    if not _compute.named_python():
        dependencies.require_packages(*dependencies.MODEL)
        from ...core.model.inference import pipeline  # noqa: F401
    return time.perf_counter() - started


def _demo_requests(arguments: argparse.Namespace) -> list[ReconstructionRequest]:
    options = {
        "resolution": arguments.resolution,
        "weights": arguments.weights,
        "device": _compute.chosen_device(),
    }
    if arguments.image:
        return [ReconstructionRequest(photo=arguments.image, **options)]
    sides = {side: SAMPLES / f"{side}.png" for side in ("front", "right")}

    return [
        ReconstructionRequest(sides=sides, **options),
        ReconstructionRequest(photo=SAMPLES / "photo.png", **options),
    ]


def _make_demo(request: ReconstructionRequest, x: float) -> _DemoResult:
    """Reconstruct ``request`` and place the object at ``x``, meters."""
    from ...core.scene.rendering.thumbnails import render_thumbnails

    label = " and ".join(request.sides) or Path(str(request.photo)).stem
    started = time.perf_counter()
    mesh = run_with_progress_line(start_reconstruction(request, _SIZE))
    obj = _results.add_object_on_ground(bpy.context, label, mesh, Vector((x, 0, 0)))
    seconds = time.perf_counter() - started

    bpy.context.view_layer.update()
    paths = [path for path in (*request.sides.values(), request.photo) if isinstance(path, Path)]
    images = [image_files.read_image(path) for path in paths]
    with silence_stdout():
        images += render_thumbnails(obj, _THUMBNAIL_SIZE)
    return _DemoResult(obj, len(mesh.faces), seconds, (label, images))


COMMAND = Command(
    "demo",
    "Show what Maquette does, on the bundled images or on yours",
    _add_arguments,
    _run_command,
)
