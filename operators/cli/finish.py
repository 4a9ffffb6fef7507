"""Finishing on the command line: what ``maquette reconstruct`` takes for it and does with it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import bpy

from ...core.console import silence_stdout
from ...core.scene import meshes
from ...core.scene.finishing.remesh import PRESETS, FinishSettings
from .. import finish
from .command import run_with_progress_line

_MILLIMETERS = 1000.0


def add_arguments(parser: ArgumentParser) -> None:
    names = [name.replace("_", "-") for name in PRESETS]
    parser.add_argument(
        "--preset", choices=names, help="remesh it for this; game makes a texture, too"
    )
    parser.add_argument("--faces", type=int, default=0, help="of the preset (its own number)")
    parser.add_argument(
        "--symmetric", action="store_true", help="mirror its better half; with a preset"
    )
    parser.add_argument("--texture", action="store_true", help="give it a texture of its pictures")
    parser.add_argument(
        "--texture-size", type=int, default=1024, help="texels along each side (%(default)s)"
    )


def check_arguments(arguments: Namespace) -> None:
    """Stop, as for any wrong command line, at what does not go together."""
    if not arguments.preset and (arguments.faces or arguments.symmetric):
        arguments.error("--faces and --symmetric need a --preset")
    if not 0 <= arguments.faces <= 1_000_000 or not 64 <= arguments.texture_size <= 8192:
        arguments.error("--faces is 0 to 1000000, --texture-size 64 to 8192")


def finish_object(obj: bpy.types.Object, output: Path, arguments: Namespace) -> list[str]:
    """Finish ``obj`` as the arguments say, for ``output``; says what came of it. STL, which knows no unit, is in mm."""
    preset = (arguments.preset or "").replace("-", "_")
    if not preset and not arguments.texture:
        return []
    settings = FinishSettings(preset, arguments.faces, arguments.symmetric) if preset else None
    size = arguments.texture_size if arguments.texture or preset == "game" else 0
    with silence_stdout():
        result = run_with_progress_line(
            finish.start_finishing(obj, meshes.to_arrays(obj.data), settings, size)
        )
        told = finish.apply_result(obj, result)
    if result.finished and result.finished.walls:
        told.append(
            f"thinnest wall {result.finished.walls.thinnest_place()[0] * _MILLIMETERS:.2f} mm"
        )
        if output.suffix.lower() == ".stl":
            obj.scale = (_MILLIMETERS,) * 3
    return told
