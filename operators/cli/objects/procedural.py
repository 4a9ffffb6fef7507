"""``maquette procedural``: a procedural object with chosen parameters."""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy

from ....core.console import print_line, silence_stdout
from ....core.errors import MeshError
from ....core.procedural import FAMILIES
from ....core.procedural.parameters import Parameter, list_parameters
from ....core.procedural.recipes import PARTS, SEED, Recipe, make, set_value
from ....core.scene import exporting
from ....core.scene.importing.mesh_import import temporary_data
from ....core.scene.procedural import storage
from ...procedural.add_procedural import add_on_ground
from ...properties.scene import SIZE
from ..command import Command, number_within

_SEED_LIMITS = {"min": 0, "max": 2**31 - 1}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("family", help="kind of object, such as chair")
    parser.add_argument(
        "--seed",
        type=number_within(int, _SEED_LIMITS),
        default=0,
        help="random seed of all values that are not set (%(default)s)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="ADDRESS=VALUE",
        help="change a parameter; of a choice the option or its index. May be given several times",
    )
    parser.add_argument(
        "--size",
        type=number_within(float, SIZE),
        default=SIZE["default"],
        help="longest side of the unchanged object in meters (%(default)s)",
    )
    parser.add_argument(
        "--parts",
        choices=[name.lower() for name in PARTS],
        default=PARTS[0].lower(),
        help="one mesh with a vertex group for each part, or one object for each (%(default)s)",
    )
    parser.add_argument("--list", action="store_true", help="print the parameters and their ranges")
    parser.add_argument("-o", "--output", type=Path, help="mesh file or .blend file to write")


def _run_command(arguments: argparse.Namespace) -> int:
    if not arguments.list and not arguments.output:
        arguments.error("give -o FILE, --list, or both")
    if arguments.family not in FAMILIES:
        names = ", ".join(sorted(FAMILIES))
        arguments.error(f"there is no family {arguments.family!r}. Available families: {names}")
    if arguments.output:
        exporting.check_export_path(arguments.output)

    recipe = Recipe(arguments.family, arguments.seed, arguments.size, arguments.parts.upper())
    for text in arguments.set:
        recipe = _set_from_text(recipe, text)
    if arguments.list:
        for parameter in list_parameters(make(recipe)):
            print_line(_describe(parameter))
    if arguments.output:
        print_line(_write(recipe, arguments.output))
    return 0


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


def _write(recipe: Recipe, path: Path) -> str:
    """Write the object of ``recipe`` to a file, and return a line on it."""
    with temporary_data(), silence_stdout():
        root = add_on_ground(bpy.context, recipe)
        objects = [root, *(obj for obj in storage.part_objects(root) if obj != root)]
        exporting.write_meshes(path, *objects)
        faces = sum(len(obj.data.polygons) for obj in storage.part_objects(root))
    return f"{path}: {recipe.family}, {faces:,} faces"


COMMAND = Command(
    name="procedural",
    help="make a procedural object, such as a chair, with parameters to choose",
    add_arguments=_add_arguments,
    run=_run_command,
)
