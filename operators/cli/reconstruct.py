"""``maquette reconstruct``: images into mesh files."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

from ...core.atomic_files import make_folder
from ...core.cameras import SIDES
from ...core.console import print_line, silence_stdout
from ...core.errors import Cancelled, failure_reason
from ...core.geometry.reshaping.options import SurfaceOptions
from ...core.model.jobs.reconstruct import ReconstructionRequest
from ...core.photogrammetry.dense.outputs import write_occupancy, write_points
from ...core.scene import exporting
from ...core.scene.importing.mesh_import import temporary_data
from ...core.scene.rendering import asset_preview
from ...core.scene.semantics.part_attributes import write_parts
from .. import _compute, _results
from ..properties.scene import OUTPUT, RESOLUTION, SIZE
from ..reconstruct import ReconstructionOutput, as_output, start_reconstruction
from ..semantics import label_parts
from . import finish
from .command import (
    Command,
    add_fit_argument,
    add_keep_holes_argument,
    add_smooth_argument,
    add_weights_argument,
    number_within,
    report_failures,
    run_with_progress_line,
)

_SUFFIXES = {"mesh": ".glb", "points": ".ply", "voxels": ".npz"}  # of the files in --out-dir
_MAX_NAME = 200  # bytes: file systems take 255, and exporters add endings of their own
_SURROGATES = re.compile("[\ud800-\udfff]+")  # stand for bytes that are not UTF-8


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_inputs(parser)
    _add_outputs(parser)
    parser.add_argument(
        "--resolution",
        type=number_within(int, RESOLUTION),
        default=RESOLUTION["default"],
        help="grid cells along the longest side (%(default)s); time and memory grow with "
        "its square",
    )
    parser.add_argument(
        "--size",
        type=number_within(float, SIZE),
        default=SIZE["default"],
        help="length of the longest side in meters (%(default)s)",
    )
    add_keep_holes_argument(parser)
    add_smooth_argument(parser)
    parser.add_argument(
        "--flat-base",
        action=argparse.BooleanOptionalAction,
        help="let all feet reach one floor, and cut them flat (default: for objects that stand)",
    )
    add_fit_argument(parser)
    parser.add_argument(
        "--parts",
        action="store_true",
        help="find the parts, such as seat and legs: vertex groups, and material slots unless "
        "there is a texture",
    )
    parser.add_argument(
        "--heads",
        type=Path,
        metavar="FILE",
        help="weights of the heads that see parts (default: the bundled ones)",
    )
    add_weights_argument(parser)
    finish.add_arguments(parser)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photo",
        nargs="*",
        type=Path,
        help="image of the object; with --out-dir any number, one object each",
    )
    for side in SIDES:
        parser.add_argument(
            f"--{side}", type=Path, metavar="IMAGE", help=f"orthographic image of the {side}"
        )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument(
        "-o",
        "--output",
        type=Path,
        help=f"file to write: {' '.join(exporting.SUFFIXES)}, .npz of voxels",
    )
    output.add_argument(
        "--out-dir",
        type=Path,
        metavar="FOLDER",
        help="write one .glb per image and skip images that fail",
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=[item[0].lower() for item in OUTPUT["items"]],
        default="mesh",
        help="write the mesh, points on it with normals, colors and confidence (.ply), or voxels "
        "(.npz; or their faces as a mesh)",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON per image")
    parser.add_argument(
        "--assets",
        action="store_true",
        help="with --out-dir: write one .blend per image, an asset with preview and metadata",
    )


def _run_command(arguments: argparse.Namespace) -> int:
    sides = {side: getattr(arguments, side) for side in SIDES if getattr(arguments, side)}
    finish.check_arguments(arguments)
    _check_form(arguments)
    if arguments.out_dir:
        if sides or not arguments.photo:
            arguments.error("--out-dir takes images without a side, one for each object")
        return _write_folder(arguments)

    if len(arguments.photo) + bool(sides) != 1:
        arguments.error("give one image, or images of sides (--front, --right, ...), or --out-dir")
    if arguments.assets:
        arguments.error("--assets needs --out-dir")
    photo = arguments.photo[0] if arguments.photo else None
    result = _write_object(_request(arguments, photo, sides), arguments.output, arguments)
    _print_result(result, arguments.json)
    return 0


def _check_form(arguments: argparse.Namespace) -> None:
    """Exit with the usage if the form of the output does not fit the other arguments."""
    suffix = _suffix(arguments)
    if suffix == ".npz" and arguments.form != "voxels":
        arguments.error(".npz holds voxels: add --as voxels")
    if arguments.form == "points" and suffix != ".ply":
        arguments.error("points are written as .ply")
    is_finished = arguments.preset or arguments.texture
    if arguments.form != "mesh" and (is_finished or arguments.assets or arguments.parts):
        arguments.error("--preset, --texture, --parts and --assets need --as mesh")
    if arguments.heads and not arguments.parts:
        arguments.error("--heads needs --parts")


def _suffix(arguments: argparse.Namespace) -> str:
    """Return the suffix of the files to write, in lower case."""
    if arguments.output:
        return arguments.output.suffix.lower()
    if arguments.assets:
        return ".blend"
    return _SUFFIXES[arguments.form]


def _request(
    arguments: argparse.Namespace, photo: Path | None, sides: dict[str, Path]
) -> ReconstructionRequest:
    return ReconstructionRequest(
        photo=photo,
        sides=sides,
        resolution=arguments.resolution,
        keep_holes=arguments.keep_holes,
        weights=arguments.weights,
        device=_compute.chosen_device(),
        fit=arguments.fit,
    )


def _write_object(
    request: ReconstructionRequest, output: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Reconstruct ``request``, finish it and write it to ``output``.

    Returns:
        The metadata of the object, see :func:`.._results.asset_metadata`, and "output".

    Raises:
        MaquetteError: see :func:`..reconstruct.start_reconstruction` and
            ``exporting.write_meshes``.
    """
    others = (".npz",) if arguments.form == "voxels" else ()
    exporting.check_export_path(output, others)
    started = time.perf_counter()
    surface = SurfaceOptions(arguments.smooth, arguments.flat_base)
    making = start_reconstruction(request, arguments.size, surface=surface)
    if arguments.form != "mesh":
        made = run_with_progress_line(
            as_output(making, arguments.form.upper(), arguments.resolution)
        )
        return _write_form(made, output, started)

    mesh = run_with_progress_line(making)
    obj = _results.add_object(bpy.context, output.stem, mesh, Vector())
    seconds = time.perf_counter() - started
    metadata: dict[str, Any] = _results.asset_metadata(request, arguments.size, mesh, seconds)

    # Finishing replaces the mesh, so its counts replace those of the reconstruction.
    finish_report = finish.finish_object(obj, output, arguments)
    if finish_report:
        metadata |= {
            "vertices": len(obj.data.vertices),
            "faces": len(obj.data.polygons),
            "finished": finish_report,
        }
    if arguments.parts:
        metadata["parts"] = _label_parts(obj, arguments)

    with silence_stdout():
        if arguments.assets:
            bpy.context.view_layer.update()
            asset_preview.mark_as_asset(obj, metadata)
        exporting.write_meshes(output, obj)
    seconds = round(time.perf_counter() - started, 2)
    return {"output": str(output), **metadata, "seconds": seconds}


def _label_parts(obj: bpy.types.Object, arguments: argparse.Namespace) -> str:
    """Give an object its parts, and return in words what was found.

    Raises:
        MaquetteError: See ``label_parts.start_labeling``.
    """
    labeling = label_parts.start_labeling(obj, arguments.weights, arguments.heads)
    result = run_with_progress_line(labeling)
    is_textured = arguments.texture or arguments.preset == "game"
    found = write_parts(obj, result.groups, result.names, material_slots=not is_textured)
    return label_parts.describe_parts(result, found)


def _write_form(made: ReconstructionOutput, output: Path, started: float) -> dict[str, Any]:
    """Write points or voxels; return "output", their count and the seconds since ``started``."""
    if made.points is not None:
        write_points(output, made.points)
        counts = {"points": len(made.points.points)}
    else:
        assert made.voxels is not None, "points or voxels"
        counts = {"voxels": int(made.voxels.occupancy.sum())}
        if output.suffix.lower() == ".npz":
            write_occupancy(output, made.voxels)
        else:
            obj = _results.add_object(bpy.context, output.stem, made.mesh, Vector())
            with silence_stdout():
                exporting.write_meshes(output, obj)
    seconds = round(time.perf_counter() - started, 2)
    return {"output": str(output), **counts, "summary": made.summary(), "seconds": seconds}


def _write_folder(arguments: argparse.Namespace) -> int:
    """Write an object for each image that can be reconstructed, and list the others."""
    make_folder(arguments.out_dir)
    suffix = _suffix(arguments)
    failures: dict[Path, str] = {}
    for photo, output in _output_paths(arguments.photo, arguments.out_dir, suffix):
        # Each object is removed once it is written, so that memory does not grow.
        try:
            with temporary_data():
                result = _write_object(_request(arguments, photo, {}), output, arguments)
                _print_result(result, arguments.json)
        except Cancelled:
            raise
        except Exception as error:  # whatever fails, the others are made
            failures[photo] = failure_reason(error)
            if arguments.json:
                print_line(json.dumps({"source": str(photo), "error": failures[photo]}))
    return report_failures(failures, len(arguments.photo), "reconstructed")


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    """Print one line on an object that was written."""
    if as_json:
        print_line(json.dumps(result))
        return
    if "summary" in result:
        print_line("{output}: {summary}, {seconds:.1f} s".format(**result))
        return
    text = "{output}: {vertices:,} vertices, {faces:,} faces{fit}, {seconds:.1f} s".format(**result)
    facts = [text, *result.get("finished", ())]
    if "parts" in result:
        facts.append(result["parts"])
    print_line("; ".join(facts))


def _output_paths(photos: list[Path], folder: Path, suffix: str) -> Iterator[tuple[Path, Path]]:
    """Yield each image with the file to write, also where two have the same name."""
    names_in_use: set[str] = set()
    for photo in photos:
        stem = _safe_name(photo.stem)
        candidates = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        # Some file systems do not distinguish upper and lower case.
        name = next(name for name in candidates if name.casefold() not in names_in_use)
        names_in_use.add(name.casefold())
        yield photo, folder / f"{name}{suffix}"


def _safe_name(name: str) -> str:
    """Return a name that every exporter can write: valid UTF-8, and not too long."""
    encoded = _SURROGATES.sub("_", name).encode()
    return encoded[:_MAX_NAME].decode(errors="ignore")


COMMAND = Command(
    "reconstruct", "Reconstruct meshes from images and write them", _add_arguments, _run_command
)
