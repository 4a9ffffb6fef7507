"""``maquette dataset``: render objects or the open scene as training data."""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy

from ...core.console import print_line, silence_stdout
from ...core.jobs.task import Task
from ...core.scene.datagen import class_labels
from ...core.scene.datagen.dataset_folder import DatasetSettings, RenderSummary, write_splits
from ...core.scene.datagen.objects import render_dataset
from ...core.scene.datagen.sources import subset
from ...core.scene.datagen.whole_scene import WholeScene, render_whole_scene
from ...core.synthesis import camera_rigs
from ..render_dataset import summary_text
from . import randomization
from .cluster import render_on_cluster
from .command import Command, add_limit_argument, run_with_progress_line
from .object_sources import object_sources, report_left_out
from .processes import in_processes


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="output folder; an unfinished set is continued")
    _add_sources(parser)
    _add_rendering(parser)
    randomization.add_arguments(parser)
    _add_scene_options(parser)
    _add_contents(parser)
    _add_processing(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meshes", type=Path, metavar="FOLDER", help="every mesh file of a folder")
    parser.add_argument(
        "--procedural",
        metavar="FAMILIES",
        help="procedural generators: names separated by commas, or all",
    )
    parser.add_argument(
        "--whole-scene",
        action="store_true",
        help="the open scene with its own lighting, as one item",
    )

    parser.add_argument(
        "--count", type=int, default=100, help="number of procedural objects (%(default)s)"
    )
    add_limit_argument(parser)
    parser.add_argument(
        "--most-triangles",
        type=int,
        default=0,
        help="skip objects with more triangles (default: no limit)",
    )


def _add_rendering(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")
    parser.add_argument(
        "--size",
        type=int,
        default=128,
        help="width and height of the images in pixels (%(default)s)",
    )
    parser.add_argument(
        "--samples", type=int, default=16, help="Cycles samples per pixel (%(default)s)"
    )
    parser.add_argument("--denoise", action="store_true", help="denoise the colors")

    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="KIND",
        default=[str(rig) for rig in camera_rigs.DEFAULT],
        help="camera rigs, each KIND[:COUNT][,NAME=VALUE...]: sides:front,top free:6 sphere:20 "
        "hemisphere:20 shell:20,distance=2..4 orbit:24,elevation=30,lens=35..85 scene "
        "path:1..250,step=5; with elevation, roll, lens or angle, distance, fill, aim and "
        "orthographic (default: sides free:6)",
    )

    parser.add_argument(
        "--hdri",
        type=Path,
        metavar="FOLDER",
        help="folder of HDRIs (default: those that come with Blender)",
    )


def _add_scene_options(parser: argparse.ArgumentParser) -> None:
    names = [name.lower() for name in class_labels.BY]
    parser.add_argument(
        "--classes-from",
        choices=names,
        default=names[0],
        help="source of the class of each object of the scene (%(default)s)",
    )
    parser.add_argument(
        "--class-property",
        default="maquette_family",
        metavar="NAME",
        help="custom property that stores the class (%(default)s)",
    )

    parser.add_argument(
        "--show-world", action="store_true", help="render the world behind a whole scene"
    )
    parser.add_argument(
        "--other-worlds",
        action="store_true",
        help="light a whole scene with random HDRIs instead of its world",
    )


def _add_contents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--points", type=int, default=16384, help="occupancy points per object (%(default)s)"
    )
    parser.add_argument(
        "--compact",
        action="store_true",
        help="write only what training reads, in a third of the space",
    )

    parser.add_argument(
        "--relightable",
        action="store_true",
        help="also write albedo, ambient occlusion and unperturbed normals",
    )
    parser.add_argument(
        "--grid",
        action="store_true",
        help="also write which of 96^3 cells around each object are inside",
    )

    parser.add_argument(
        "--parts",
        nargs="?",
        const="material",
        choices=("material", "vertex-group"),
        help="also write the part of each pixel and surface point: by the generators of procedural "
        "objects, and by the materials (default) or vertex groups of meshes",
    )


def _add_processing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shard",
        type=_parse_shard,
        default=(0, 1),
        metavar="I/N",
        help="render every N-th object (or view of a whole scene), starting with I",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at an object that cannot be used (default: skip it)",
    )

    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="number of parallel processes, one core each (%(default)s)",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="render on a Ray cluster: auto, ray://HOST:10001, or local for one on this machine",
    )


def _parse_shard(text: str) -> tuple[int, int]:
    """Return "I/N" as (index, count)."""
    try:
        index, count = (int(part) for part in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not like 0/2") from None
    if not 0 <= index < count:
        raise argparse.ArgumentTypeError(f"{text}: the first number must be 0 to {count - 1}")
    return index, count


def _run_command(arguments: argparse.Namespace) -> int:
    if arguments.whole_scene and (arguments.meshes or arguments.procedural):
        arguments.error("--whole-scene takes neither --meshes nor --procedural")
    has_sources = arguments.meshes or arguments.procedural
    if arguments.ray and (arguments.processes > 1 or not has_sources):
        arguments.error("--ray takes --meshes or --procedural, and no --processes")

    # The processes write objects alone; the splits need to know all of them.
    if arguments.processes > 1:
        code = in_processes(arguments.processes, arguments.shard, together=arguments.strict)
        if not code:
            write_splits(arguments.folder)
        return code

    result = _render(_rendering_task(arguments, _dataset_settings(arguments)))
    for name, reason in result.skipped.items():
        print_line(f"skipped {name}: {reason}")
    for name, note in result.notes.items():
        print_line(f"{name}: {note}")
    print_line(f"{arguments.folder}: {summary_text(result)}")

    return 0


def _render(task: Task[RenderSummary]) -> RenderSummary:
    with silence_stdout():
        return run_with_progress_line(task)


def _rendering_task(
    arguments: argparse.Namespace, settings: DatasetSettings
) -> Task[RenderSummary]:
    if arguments.whole_scene:
        whole = WholeScene(world=arguments.show_world, other_worlds=arguments.other_worlds)
        scene = bpy.context.scene
        layer_name = bpy.context.view_layer.name
        return render_whole_scene(scene, layer_name, arguments.folder, settings, whole)

    is_first_process = settings.shard[0] == 0
    if is_first_process:
        report_left_out(arguments)
    if arguments.ray:
        names = ("meshes", "procedural", "count", "seed", "limit")
        chosen = argparse.Namespace(**{name: getattr(arguments, name) for name in names})
        return render_on_cluster(chosen, arguments.folder, settings, arguments.ray)

    sources = subset(object_sources(arguments, settings), arguments.limit)
    return render_dataset(sources, arguments.folder, settings)


def _dataset_settings(arguments: argparse.Namespace) -> DatasetSettings:
    return DatasetSettings(
        seed=arguments.seed,
        size=arguments.size,
        samples=arguments.samples,
        denoise=arguments.denoise,
        cameras=camera_rigs.parse_rigs(arguments.cameras),
        points=arguments.points,
        most_triangles=arguments.most_triangles,
        shard=arguments.shard,
        hdri=arguments.hdri,
        random=randomization.from_arguments(arguments),
        classes_from=arguments.classes_from.upper(),
        class_property=arguments.class_property,
        strict=arguments.strict,
        compact=arguments.compact,
        relightable=arguments.relightable,
        grid=arguments.grid,
        parts=(arguments.parts or "").replace("-", " "),
    )


COMMAND = Command("dataset", "Render objects as training data", _add_arguments, _run_command)
