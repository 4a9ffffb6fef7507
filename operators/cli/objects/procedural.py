"""``maquette procedural``: a procedural object of chosen parameters, or fitted to a picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ....core.console import print_line, silence_stdout
from ....core.errors import MeshError
from ....core.jobs.task import Task
from ....core.model.jobs.reconstruct import ReconstructionRequest
from ....core.procedural import FAMILIES
from ....core.procedural.parameters import Parameter, list_parameters
from ....core.procedural.recipes import PARTS, SEED, Recipe, make, set_value
from ....core.scene import exporting
from ....core.scene.importing.mesh_import import SUFFIXES as MESH_SUFFIXES
from ....core.scene.importing.mesh_import import (
    imported_objects,
    temporary_data,
    world_triangles,
)
from ....core.scene.procedural import storage
from ... import _compute
from ...procedural.add_procedural import add_on_ground
from ...procedural.make_procedural import (
    FittedMesh,
    add_fitted,
    fit_picture,
    fitting_target,
    require_accepted,
    start_fitting,
)
from ...properties.scene import SIZE
from ...reconstruct import start_reconstruction
from ..command import (
    Command,
    add_keep_holes_argument,
    add_weights_argument,
    number_within,
    run_with_progress_line,
)

_SEED_LIMITS = {"min": 0, "max": 2**31 - 1}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        metavar="FAMILY|IMAGE|MESH",
        help="kind of object, such as chair; or an image or a mesh file, to which a procedural "
        "object is fitted",
    )
    parser.add_argument(
        "--seed",
        type=number_within(int, _SEED_LIMITS),
        help="of a family: random seed of all values that are not set (0)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="ADDRESS=VALUE",
        help="of a family: change a parameter; of a choice the option or its index. May be given "
        "several times",
    )
    parser.add_argument(
        "--size",
        type=number_within(float, SIZE),
        help="longest side in meters, of a family that of the unchanged object (1; of a mesh file "
        "its own)",
    )
    parser.add_argument(
        "--parts",
        choices=[name.lower() for name in PARTS],
        default=PARTS[0].lower(),
        help="one mesh with a vertex group for each part, or one object for each (%(default)s)",
    )
    parser.add_argument(
        "--nearest",
        action="store_true",
        help="of an image or a mesh: make the most similar object also if it does not agree well",
    )
    add_keep_holes_argument(parser)
    add_weights_argument(parser)
    parser.add_argument("--list", action="store_true", help="print the parameters and their ranges")
    parser.add_argument("-o", "--output", type=Path, help="mesh file or .blend file to write")


def _run_command(arguments: argparse.Namespace) -> int:
    if not arguments.list and not arguments.output:
        arguments.error("give -o FILE, --list, or both")
    suffix = Path(arguments.subject).suffix.lower()
    is_file = arguments.subject not in FAMILIES and bool(suffix)
    if arguments.subject not in FAMILIES and not is_file:
        names = ", ".join(sorted(FAMILIES))
        arguments.error(
            f"there is no family {arguments.subject!r}, and it is no image or mesh file. Available "
            f"families: {names}"
        )
    if is_file and (arguments.set or arguments.seed is not None):
        arguments.error("--seed and --set are for families: an image gives the parameters")
    if not is_file and arguments.nearest:
        arguments.error("--nearest is for images and mesh files")
    if arguments.output:
        exporting.check_export_path(arguments.output)

    if is_file:
        return _run_fit(arguments, suffix in MESH_SUFFIXES)
    return _run_family(arguments)


def _run_family(arguments: argparse.Namespace) -> int:
    """Make the object of a family."""
    size = arguments.size or SIZE["default"]
    recipe = Recipe(arguments.subject, arguments.seed or 0, size, arguments.parts.upper())
    for text in arguments.set:
        recipe = _set_from_text(recipe, text)
    if arguments.list:
        _print_parameters(recipe)
    if arguments.output:
        print_line(_write(lambda: add_on_ground(bpy.context, recipe), arguments.output, recipe))
    return 0


def _run_fit(arguments: argparse.Namespace, is_mesh: bool) -> int:
    """Fit an object to an image or a mesh file."""
    path = Path(arguments.subject)
    if is_mesh:
        task = _fit_mesh_file(path, arguments.size)
    else:
        request = ReconstructionRequest(
            photo=path,
            keep_holes=arguments.keep_holes,
            weights=arguments.weights,
            device=_compute.chosen_device(),
        )
        making = start_reconstruction(request, arguments.size or SIZE["default"])
        task = fit_picture(fitting_target(False), making)
    fit = run_with_progress_line(task).fit
    if not arguments.nearest:
        require_accepted(fit)

    parts = arguments.parts.upper()
    recipe = fit.recipe(parts)
    if arguments.list:
        _print_parameters(recipe)
    if arguments.output:
        line = _write(
            lambda: add_fitted(bpy.context, fit, parts, Matrix()), arguments.output, recipe
        )
        print_line(f"{line}, {fit.agreement()}")
    return 0


def _fit_mesh_file(path: Path, size: float | None) -> Task[FittedMesh]:
    """Return the task that fits an object to all that a mesh file shows.

    Args:
        path: The file.
        size: Longest side, meters; None for that of the file.

    Raises:
        MeshError: The file cannot be read, or has no face.
    """
    with silence_stdout(), imported_objects(path) as objects:
        mesh = world_triangles(objects)
    if size is not None:
        extent = float(np.ptp(mesh.vertices, axis=0).max())
        mesh = mesh.offset_and_scaled(np.zeros(3), size / extent)
    return start_fitting(fitting_target(False), mesh, ())


def _print_parameters(recipe: Recipe) -> None:
    for parameter in list_parameters(make(recipe)):
        print_line(_describe(parameter))


def _set_from_text(recipe: Recipe, text: str) -> Recipe:
    """Return ``recipe`` with the value of an argument "ADDRESS=VALUE".

    Raises:
        MeshError: it has another form, names no parameter, or its value is out of range.
    """
    address, separator, written = text.partition("=")
    if not separator:
        raise MeshError(f"{text!r} is not of the form ADDRESS=VALUE")
    try:
        value = float(written)
    except ValueError:
        value = _option_index(recipe, address, written)

    edited = set_value(recipe, address, value)
    used = edited.seed if address == SEED else edited.values[address]
    if used != value:
        raise MeshError(f"{text}: the nearest possible value is {used:g}. See --list")
    return edited


def _option_index(recipe: Recipe, address: str, name: str) -> float:
    """Return the index of an option of a choice by its name.

    Raises:
        MeshError: there is no such option.
    """
    set_value(recipe, address, 0.0)  # refuses an unknown address
    for parameter in list_parameters(make(recipe)):
        lowered = [option.lower() for option in parameter.options]
        if parameter.address == address and name.lower() in lowered:
            return lowered.index(name.lower())
    raise MeshError(f"{address}={name}: the value is neither a number nor an option. See --list")


def _describe(parameter: Parameter) -> str:
    """Return a line on a parameter: address, value, range or options, and label."""
    if parameter.kind == "choice":
        span = ", ".join(f"{i} {option}" for i, option in enumerate(parameter.options))
    elif parameter.kind == "whole":
        span = f"{parameter.low:g} to {parameter.high:g}, whole"
    else:
        span = f"{parameter.low:.4g} to {parameter.high:.4g}"
    return f"{parameter.address}={parameter.value:.6g}\t{span}\t{parameter.label}"


def _write(add: Callable[[], bpy.types.Object], path: Path, recipe: Recipe) -> str:
    """Write a procedural object to a file, and return a line on it.

    Args:
        add: Adds it to the scene, from which it is removed again.
        path: File to write.
        recipe: Of it.
    """
    with temporary_data(), silence_stdout():
        root = add()
        objects = [root, *(obj for obj in storage.part_objects(root) if obj != root)]
        exporting.write_meshes(path, *objects)
        faces = sum(len(obj.data.polygons) for obj in storage.part_objects(root))
    return f"{path}: {recipe.family}, {faces:,} faces"


COMMAND = Command(
    name="procedural",
    help="make a procedural object with parameters: of a kind, such as a chair, or from an image",
    add_arguments=_add_arguments,
    run=_run_command,
)
