"""Finishing on the command line: arguments of ``maquette reconstruct`` and their use."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import bpy

from ...core.console import silence_stdout
from ...core.scene import meshes
from ...core.scene.finishing.remesh import PRESETS, FinishSettings
from .. import finish
from .command import run_with_progress_line

_MILLIMETERS = 1000.0  # in a meter
_MAX_FACES = 1_000_000
_MIN_TEXTURE_SIZE = 64  # pixels
_MAX_TEXTURE_SIZE = 8192


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that :func:`finish_object` uses."""
    names = [name.replace("_", "-") for name in PRESETS]
    parser.add_argument(
        "--preset", choices=names, help="remesh for this use; game also bakes a texture"
    )
    parser.add_argument(
        "--faces", type=int, default=0, help="target number of faces (default: the preset's)"
    )
    parser.add_argument(
        "--symmetric", action="store_true", help="mirror the better half (needs --preset)"
    )
    parser.add_argument("--texture", action="store_true", help="bake a texture from the images")
    parser.add_argument(
        "--texture-size",
        type=int,
        default=1024,
        help="width and height of the texture in pixels (%(default)s)",
    )


def check_arguments(arguments: Namespace) -> None:
    """Exit with the usage if ``arguments`` contradict each other or are out of bounds."""
    if not arguments.preset and (arguments.faces or arguments.symmetric):
        arguments.error("--faces and --symmetric need a --preset")
    has_valid_faces = 0 <= arguments.faces <= _MAX_FACES
    has_valid_size = _MIN_TEXTURE_SIZE <= arguments.texture_size <= _MAX_TEXTURE_SIZE

    if not (has_valid_faces and has_valid_size):
        arguments.error(
            f"--faces must be 0 to {_MAX_FACES}, "
            f"--texture-size {_MIN_TEXTURE_SIZE} to {_MAX_TEXTURE_SIZE}"
        )


def finish_object(obj: bpy.types.Object, output: Path, arguments: Namespace) -> list[str]:
    """Remesh and texture ``obj`` as ``arguments`` choose.

    Args:
        obj: the object to finish.
        output: file that it is written to. STL has no unit, so an object for 3D printing is scaled
            to millimeters there.
        arguments: of :func:`add_arguments`.

    Returns:
        A report, one text a fact; empty if neither was chosen.
    """
    preset = (arguments.preset or "").replace("-", "_")
    if not preset and not arguments.texture:
        return []
    settings = None
    if preset:
        settings = FinishSettings(preset, arguments.faces, arguments.symmetric)
    has_texture = arguments.texture or preset == "game"
    texture_size = arguments.texture_size if has_texture else 0

    with silence_stdout():
        mesh = meshes.to_arrays(obj.data)
        result = run_with_progress_line(finish.start_finishing(obj, mesh, settings, texture_size))
        report = finish.fact_texts(finish.apply_result(obj, result))

    if result.finished and result.finished.walls:
        thickness, _ = result.finished.walls.thinnest_place()
        report.append(f"thinnest wall {thickness * _MILLIMETERS:.2f} mm")
        if output.suffix.lower() == ".stl":
            obj.scale = (_MILLIMETERS,) * 3

    return report
