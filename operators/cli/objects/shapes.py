"""``maquette shapes blend``, ``complete``, ``vary`` and ``generate``: the shape space."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import bpy
from mathutils import Vector

from ....core.arrays import MeshArrays
from ....core.console import print_line, silence_stdout
from ....core.model.jobs import shapes  # without torch, until it runs
from ....core.model.shape_classes import ANY_CLASS, CLASS_NAMES
from ....core.scene import exporting
from ....core.scene.importing.mesh_import import imported_objects, temporary_data, world_triangles
from ... import _compute
from ...shapes._candidates import mean_copying
from ...shapes._shapes import DETAILS, add_row, read_standing
from ..command import Command, number_within, run_with_progress_line

_COUNT = {"min": 1, "max": 64}
_SEED = {"min": 0, "max": 2**31 - 1}
_SHARE = {"min": 0.0, "max": 1.0}
_MISSING = ("holes", "back", "front", "left", "right", "top", "bottom")


def _add_common(parser: ArgumentParser) -> None:
    """Add the arguments of all four commands."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="mesh file or .blend file to write"
    )
    parser.add_argument(
        "--detail",
        choices=[name.lower() for name in DETAILS],
        default="coarse",
        help="size of the faces (%(default)s)",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="file of weights (default: the bundled one)"
    )


def _add_count(parser: ArgumentParser, default: int) -> None:
    parser.add_argument(
        "--count",
        type=number_within(int, _COUNT),
        default=default,
        help="number of shapes (%(default)s)",
    )


def _add_seed(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=number_within(int, _SEED), default=0, help="random seed (%(default)s)"
    )


def _add_blend(parser: ArgumentParser) -> None:
    parser.add_argument("first", type=Path, help="mesh file or .blend file")
    parser.add_argument("second", type=Path, help="mesh file or .blend file")
    _add_count(parser, 5)
    _add_common(parser)


def _run_blend(arguments: Namespace) -> int:
    steps = arguments.count + 1
    request = shapes.BlendRequest(
        first=_read(arguments.first),
        second=_read(arguments.second),
        shares=tuple((index + 1) / steps for index in range(arguments.count)),
        detail=DETAILS[arguments.detail.upper()],
        weights=arguments.weights,
    )
    exporting.check_export_path(arguments.output)
    task = _compute.run_function(shapes.blend_shapes, request)

    return _write(run_with_progress_line(task), arguments.output)


def _add_complete(parser: ArgumentParser) -> None:
    parser.add_argument("mesh", type=Path, help="mesh file or .blend file")
    parser.add_argument(
        "--missing",
        choices=_MISSING,
        default="holes",
        help="holes within the object, or the side at which the shape goes on (%(default)s)",
    )
    parser.add_argument(
        "--share",
        type=number_within(float, {"min": 0.05, "max": 0.8}),
        default=0.5,
        help="share of the complete length that is missing at that side (%(default)s)",
    )
    _add_common(parser)


def _run_complete(arguments: Namespace) -> int:
    request = shapes.CompletionRequest(
        mesh=_read(arguments.mesh),
        missing=arguments.missing,
        share=arguments.share,
        detail=DETAILS[arguments.detail.upper()],
        weights=arguments.weights,
    )
    exporting.check_export_path(arguments.output)
    task = _compute.run_function(shapes.complete_shape, request)
    return _write([run_with_progress_line(task)], arguments.output)


def _add_vary(parser: ArgumentParser) -> None:
    parser.add_argument("mesh", type=Path, help="mesh file or .blend file")
    parser.add_argument(
        "--strength",
        type=number_within(float, _SHARE),
        default=0.3,
        help="how far the variations are from the object, 0 to 1 (%(default)s)",
    )
    _add_count(parser, 3)
    _add_seed(parser)
    _add_common(parser)


def _run_vary(arguments: Namespace) -> int:
    request = shapes.VariationRequest(
        mesh=_read(arguments.mesh),
        strength=arguments.strength,
        seeds=tuple(range(arguments.seed, arguments.seed + arguments.count)),
        detail=DETAILS[arguments.detail.upper()],
        weights=arguments.weights,
    )
    exporting.check_export_path(arguments.output)
    task = _compute.run_function(shapes.vary_shape, request)
    return _write(run_with_progress_line(task), arguments.output)


def _add_generate(parser: ArgumentParser) -> None:
    parser.add_argument("kind", choices=(*CLASS_NAMES, "any"), help="class of the shapes")
    _add_count(parser, 6)
    _add_seed(parser)
    _add_common(parser)


def _run_generate(arguments: Namespace) -> int:
    label = ANY_CLASS
    if arguments.kind != "any":
        label = CLASS_NAMES.index(arguments.kind)
    request = shapes.GenerationRequest(
        label=label,
        count=arguments.count,
        seed=arguments.seed,
        detail=DETAILS[arguments.detail.upper()],
        weights=arguments.weights,
    )
    exporting.check_export_path(arguments.output)
    task = _compute.run_function(shapes.generate_shapes, request)

    made = run_with_progress_line(task)
    for index, shape in enumerate(made):
        if shape.nearest is not None:
            nearest = shape.nearest
            print_line(f"Shape {index + 1}: copying {nearest.copying:.2f}, nearest {nearest.name}")
    if copying := mean_copying(made):
        print_line(copying)
    return _write([shape.mesh for shape in made], arguments.output)


def _read(path: Path) -> MeshArrays:
    """Return what a mesh file shows as one mesh; of a single object with its colors.

    Raises:
        MeshError: it is missing, of an unknown format, damaged, or without a face.
    """
    with silence_stdout(), imported_objects(path) as objects:
        if len(objects) == 1 and objects[0].type == 'MESH':
            bpy.context.view_layer.update()
            return read_standing(objects[0])[0]
        return world_triangles(objects)


def _write(results: Sequence[MeshArrays], path: Path) -> int:
    """Write meshes in a row to a file, and print a line on it."""
    with temporary_data(), silence_stdout():
        names = [f"Shape {index + 1}" for index in range(len(results))]
        objects = add_row(bpy.context, names, results, Vector())
        exporting.write_meshes(path, *objects)
    faces = sum(len(mesh.faces) for mesh in results)
    print_line(f"{path}: {len(results)} shapes, {faces:,} faces")
    return 0


COMMANDS = (
    Command("shapes blend", "make shapes between two objects", _add_blend, _run_blend),
    Command("shapes complete", "complete a scan or a half", _add_complete, _run_complete),
    Command("shapes vary", "make variations of an object", _add_vary, _run_vary),
    Command("shapes generate", "make new shapes of a class", _add_generate, _run_generate),
)
