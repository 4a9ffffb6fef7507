"""``maquette photographs``: a folder of photographs into cameras, points, voxels and a mesh."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import bpy

from ...core.console import print_line, silence_stdout
from ...core.errors import ImageError
from ...core.jobs.task import Task
from ...core.photogrammetry.dense.outputs import write_cloud, write_voxels
from ...core.photogrammetry.dense.records import DenseSettings
from ...core.photogrammetry.exchange import check_cameras_path, write_cameras
from ...core.photogrammetry.exchange.undistortion import undistort_photographs
from ...core.photogrammetry.movies import FrameRequest, frames_folder
from ...core.scene import exporting
from ...core.scene.datagen.photographed_objects import (
    check_photographed_set,
    write_photographed_object,
)
from ...core.scene.solved_cameras import (
    SUFFIXES,
    add_solved_scene,
    add_surface,
    check_solved_path,
    write_solved,
)
from ..photographs import movie_input
from ..photographs.solve import PhotographsResult, object_name, solve_summary, start_solving
from ..properties.photographs import DETAIL, FRAMES, REAL_SIZE
from . import finish
from .command import Command, run_with_progress_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all options."""
    parser.add_argument(
        "folder",
        type=Path,
        help="photographs of one still object from many sides, or a movie of a walk around it",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="file to write: .blend with cameras, points and mesh, .ply of the points, or the "
        f"mesh as {' '.join(exporting.SUFFIXES)}",
    )

    parser.add_argument(
        "--size",
        type=float,
        default=REAL_SIZE["default"],
        help="length of the object's longest side in meters (%(default)s)",
    )
    parser.add_argument(
        "--no-outlines",
        action="store_true",
        help="do not refuse cameras that disagree with the object's outlines",
    )

    parser.add_argument(
        "--no-mesh", action="store_true", help="cameras and sparse points alone (.blend or .ply)"
    )
    parser.add_argument(
        "--detail",
        type=int,
        default=DETAIL["default"],
        help="grid cells along the object's longest side (%(default)s)",
    )

    parser.add_argument(
        "--frames",
        type=int,
        default=FRAMES["default"],
        help="parts of a movie, of each of which the sharpest frame is used (%(default)s)",
    )
    parser.add_argument(
        "--frames-folder",
        type=Path,
        help="where the frames of a movie are written (a folder beside it: walk_frames)",
    )

    _add_outputs(parser)
    finish.add_arguments(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options for cameras, and for what is written besides the object."""
    parser.add_argument("--also", type=Path, help="write the mesh into this file as well")
    parser.add_argument(
        "--cameras",
        type=Path,
        help="use cameras that another program solved: a folder of COLMAP, transforms.json, "
        "Meshroom's cameras.sfm, or *_par.txt of Middlebury",
    )
    parser.add_argument(
        "--export-cameras",
        type=Path,
        metavar="PATH",
        help="write the cameras as well: a file .json becomes transforms.json, a folder a model of "
        "COLMAP",
    )

    parser.add_argument(
        "--undistort",
        action="store_true",
        help="with --export-cameras: write the photographs without lens distortion as well, into "
        "the folder images",
    )
    parser.add_argument(
        "--training-set",
        type=Path,
        metavar="SET",
        help="add the object to this training set of photographed objects",
    )

    parser.add_argument("--voxels", type=Path, help="write the voxels into this .npz as well")


def _run_command(arguments: argparse.Namespace) -> int:
    _check_arguments(arguments)
    result = run_with_progress_line(_start_work(arguments))

    report = _write_result(result, arguments) if arguments.output else []
    if arguments.export_cameras:
        report.append(_export_cameras(result, arguments))
    if arguments.training_set:
        report.append(_write_training_object(result, arguments))
    first = arguments.output or arguments.folder
    print_line("; ".join((f"{first}: {solve_summary(result)}", *report)))
    for entry in result.solved.left_out:
        print_line(f"{entry.path.name}: {entry.reason}")
    return 1 if any(entry.unreadable for entry in result.solved.left_out) else 0


def _start_work(arguments: argparse.Namespace) -> Task[PhotographsResult]:
    """Return the work on the photographs, or on the frames of the movie."""
    dense = DenseSettings(resolution=arguments.detail)
    if arguments.no_mesh or not (arguments.output or arguments.training_set):
        dense = None

    # The same for photographs and for the frames of a movie.
    solve = partial(
        start_solving,
        check_outlines=not arguments.no_outlines,
        dense=dense,
        cameras=arguments.cameras,
    )
    movie = movie_input.find_movie(arguments.folder, [])
    if movie is None:
        return solve(movie_input.list_inputs(arguments.folder))
    folder = arguments.frames_folder or frames_folder(movie)

    return movie_input.solve_frames(FrameRequest(movie, folder, arguments.frames), solve)


def _check_arguments(arguments: argparse.Namespace) -> None:
    """Exit with the usage, or raise, before the work begins."""
    finish.check_arguments(arguments)
    if not REAL_SIZE["min"] <= arguments.size <= REAL_SIZE["max"]:
        arguments.error(f"--size is {REAL_SIZE['min']} to {REAL_SIZE['max']}")
    if not DETAIL["min"] <= arguments.detail <= DETAIL["max"]:
        arguments.error(f"--detail is {DETAIL['min']} to {DETAIL['max']}")
    if not FRAMES["min"] <= arguments.frames <= FRAMES["max"]:
        arguments.error(f"--frames is {FRAMES['min']} to {FRAMES['max']}")

    # Options that need something else.
    needs_mesh = (arguments.voxels, arguments.preset, arguments.texture, arguments.also)
    if arguments.no_mesh and any((*needs_mesh, arguments.training_set)):
        arguments.error("--voxels, --preset, --texture, --also and --training-set need a mesh")
    if arguments.undistort and not arguments.export_cameras:
        arguments.error("--undistort needs --export-cameras")
    if arguments.voxels and arguments.voxels.suffix.lower() != ".npz":
        arguments.error("--voxels takes a file .npz")
    if not arguments.output:
        _check_without_output(arguments)
    _check_paths(arguments)


def _check_paths(arguments: argparse.Namespace) -> None:
    """Raise if a file cannot be written."""
    if arguments.also:
        exporting.check_export_path(arguments.also)
    if arguments.export_cameras:
        check_cameras_path(arguments.export_cameras)
    if arguments.training_set:
        check_photographed_set(arguments.training_set)

    if arguments.output and arguments.no_mesh:
        check_solved_path(arguments.output)
    elif arguments.output:
        exporting.check_export_path(arguments.output)


def _check_without_output(arguments: argparse.Namespace) -> None:
    """Exit with the usage unless something else is to be written."""
    if not (arguments.export_cameras or arguments.training_set):
        arguments.error("-o, --export-cameras or --training-set is needed: name what to write")
    if any((arguments.voxels, arguments.preset, arguments.texture, arguments.also)):
        arguments.error("--voxels, --preset, --texture and --also need -o")


def _export_cameras(result: PhotographsResult, arguments: argparse.Namespace) -> str:
    """Write the cameras, and the photographs without distortion if requested; return a report."""
    path: Path = arguments.export_cameras
    scene = result.solved
    if arguments.undistort:
        # The new photographs are beside the cameras.
        folder = path.parent if path.suffix.lower() == ".json" else path
        scene = run_with_progress_line(undistort_photographs(folder / "images", scene))
    count = write_cameras(path, scene, arguments.size)
    return f"{count} cameras in {path}"


def _write_training_object(result: PhotographsResult, arguments: argparse.Namespace) -> str:
    """Add the object to the training set; return a report.

    Raises:
        ImageError: There is no surface to learn from.
    """
    if result.shape is None:
        raise ImageError(result.problem)
    writing = write_photographed_object(
        arguments.training_set,
        object_name(arguments.folder),
        result.solved,
        result.shape,
        arguments.size,
    )
    written = run_with_progress_line(writing)
    return f"{written.views} views in {written.path}"


def _write_result(result: PhotographsResult, arguments: argparse.Namespace) -> list[str]:
    """Write all files; return a report on the finished mesh, one text a fact."""
    suffix = arguments.output.suffix.lower()
    with silence_stdout():
        collection = add_solved_scene(bpy.context, result.solved, arguments.size)
    if result.shape is None:
        if suffix not in SUFFIXES:
            raise ImageError(result.problem)
        with silence_stdout():
            write_solved(arguments.output, bpy.context.scene, collection)
        return []

    # What else is written of the surface.
    if arguments.voxels:
        write_voxels(arguments.voxels, result.shape.field, arguments.size)
    if suffix == ".ply":
        write_cloud(arguments.output, result.shape.cloud, arguments.size)
        if not arguments.also:
            return []

    # The mesh, finished as requested.
    name = object_name(arguments.folder)
    obj = add_surface(collection, name, result.shape, arguments.size)
    report = finish.finish_object(obj, arguments.output, arguments)

    with silence_stdout():
        # Blender prints what it writes.
        if suffix == ".blend":
            write_solved(arguments.output, bpy.context.scene, collection)
        elif suffix != ".ply":
            exporting.write_meshes(arguments.output, obj)
        if arguments.also:
            exporting.write_meshes(arguments.also, obj)

    return report


COMMAND = Command(
    "photographs",
    "Solve the cameras of photographs, and make a mesh of what they show",
    _add_arguments,
    _run_command,
)
