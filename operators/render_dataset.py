"""Objects become training data: the one path of the button, ``bpy.ops`` and the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import Context

from ..core.console import silence_stdout
from ..core.errors import DatasetError
from ..core.jobs.task import SteppedTask, Task
from ..core.scene.compat import PATH_OPTIONS
from ..core.scene.datagen import class_labels
from ..core.scene.datagen.dataset_folder import DatasetSettings, RenderSummary, write_splits
from ..core.scene.datagen.objects import render_dataset
from ..core.scene.datagen.sources import (
    ObjectSource,
    file_sources,
    procedural_sources,
    scene_sources,
    subset,
)
from ..core.scene.datagen.whole_scene import WholeScene, render_whole_scene
from ..core.synthesis import camera_rigs
from ._task_operator import TaskOperator
from .cli.command import Command, run_with_progress_line
from .cli.processes import in_processes
from .properties import randomization as randomization_properties
from .properties.dataset import DatasetProperties

SOURCES = (
    ('SELECTED', "Selected", "Each selected mesh object"),
    ('SCENE', "Scene", "Each mesh object of the scene"),
    ('FILES', "Mesh Files", "Each mesh file of a folder"),
    ('PROCEDURAL', "Procedural", "Objects of Maquette's own generators"),
    ('WHOLE', "Whole Scene", "The scene as it is and is lit, with all that it shows, as one"),
)


class MAQUETTE_OT_render_dataset(DatasetProperties, TaskOperator, bpy.types.Operator):
    """Render objects from many sides, with depth, normals, cameras and the truth of their shape, as training data"""

    bl_idname = "maquette.render_dataset"
    bl_label = "Render Dataset"
    bl_options = {'REGISTER'}
    driver = SteppedTask  # rendering needs the main thread

    folder: StringProperty(
        name="Folder",
        description="Where to write the training set. A set that is begun there is gone on with",
        subtype='DIR_PATH',
        options=set(PATH_OPTIONS),
    )
    source: EnumProperty(name="Objects", description="What to render", items=SOURCES)
    mesh_folder: StringProperty(
        name="Mesh Folder",
        description="Folder of glb, gltf, obj, ply, stl and blend files, each one object",
        subtype='DIR_PATH',
        options=set(PATH_OPTIONS),
    )
    families: StringProperty(
        name="Families",
        description="Names of generators, parted by commas. Empty: all of them",
    )
    count: IntProperty(
        name="Count",
        description="Procedural objects to make; time grows with it",
        default=100,
        min=1,
    )
    cameras: StringProperty(
        name="Cameras",
        description="Kinds of cameras, such as: sides:front,top free:6 orbit:24,elevation=30,lens=35..85. "
        "Time grows with their number",
        default=" ".join(map(str, camera_rigs.DEFAULT)),
    )

    compact: BoolProperty(
        name="Compact",
        description="Write what training reads alone, its colors a little lossy, in a third of the bytes or less. "
        "Costs nothing; a whole scene has no such form",
    )

    def start(self, context: Context) -> Task[RenderSummary]:
        if not self.folder:
            raise DatasetError("Choose a folder to write the training set to")
        settings = replace(self.dataset_settings(self.cameras), compact=self.compact)
        folder = Path(bpy.path.abspath(self.folder))
        if self.source == 'WHOLE':
            whole = WholeScene(self.show_world, self.other_worlds)
            return render_whole_scene(
                context.scene, context.view_layer.name, folder, settings, whole
            )
        return render_dataset(self._object_sources(context), folder, settings)

    def finish(self, context: Context, result: RenderSummary) -> None:
        for name, reason in result.skipped.items():
            self.report({'WARNING'}, f"{name} was skipped: {reason}")
        self.report({'INFO'}, _summary_text(result))

    def _object_sources(self, context: Context) -> list[ObjectSource]:
        match self.source:
            case 'FILES':
                if not self.mesh_folder:
                    raise DatasetError("Choose a folder of mesh files")
                return file_sources(Path(bpy.path.abspath(self.mesh_folder)))
            case 'PROCEDURAL':
                return procedural_sources(_parse_families(self.families), self.count, self.seed)
            case _:
                objects = (
                    context.selected_objects if self.source == 'SELECTED' else context.scene.objects
                )
                return scene_sources(objects, self.classes_from, self.class_property)


def _parse_families(text: str) -> list[str]:
    from ..core.procedural import FAMILIES

    names = [name.strip() for name in text.split(",") if name.strip()] or sorted(FAMILIES)
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise DatasetError(
            f"There is no generator named {unknown[0]!r}. There are: {', '.join(sorted(FAMILIES))}"
        )
    return names


def _summary_text(result: RenderSummary) -> str:
    return f"{result.written} objects written, {result.found} were there, {len(result.skipped)} skipped"


def _parse_shard(text: str) -> tuple[int, int]:
    try:
        index, count = (int(part) for part in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not like 0/2") from None
    if not 0 <= index < count:
        raise argparse.ArgumentTypeError(f"{text}: the first number is one of 0 to {count - 1}")
    return index, count


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, help="where to write; a set that is begun there is gone on with"
    )
    parser.add_argument("--meshes", type=Path, metavar="FOLDER", help="each mesh file of a folder")
    parser.add_argument(
        "--procedural",
        metavar="FAMILIES",
        help="our own generators: names parted by commas, or all",
    )
    parser.add_argument(
        "--whole-scene",
        action="store_true",
        help="the open scene as it is and is lit, as one object",
    )
    parser.add_argument("--count", type=int, default=100, help="procedural objects (%(default)s)")
    parser.add_argument(
        "--limit", type=int, help="only so many of the objects, drawn as by chance, always the same"
    )
    parser.add_argument(
        "--most-triangles", type=int, default=0, help="skip objects of more (no limit)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--size", type=int, default=128, help="side of the pictures, pixels (%(default)s)"
    )
    parser.add_argument("--samples", type=int, default=16, help="of Cycles a pixel (%(default)s)")
    parser.add_argument("--denoise", action="store_true", help="free the colors of noise")
    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="KIND",
        default=[str(rig) for rig in camera_rigs.DEFAULT],
        help="kinds of cameras, each KIND[:HOW MANY][,NAME=VALUE...]: sides:front,top free:6 sphere:20 hemisphere:20 "
        "shell:20,distance=2..4 orbit:24,elevation=30,lens=35..85 scene path:1..250,step=5; with elevation, roll, "
        "lens or angle, distance, fill, aim and orthographic as in core/synthesis/camera_rigs.py (sides free:6)",
    )
    parser.add_argument(
        "--points", type=int, default=16384, help="points told inside or outside (%(default)s)"
    )
    parser.add_argument(
        "--hdri",
        type=Path,
        metavar="FOLDER",
        help="EXR or HDR light domes (those that Blender ships)",
    )
    randomization_properties.add_arguments(parser)
    names = [name.lower() for name in class_labels.BY]
    parser.add_argument(
        "--classes-from",
        choices=names,
        default=names[0],
        help="of objects of the scene (%(default)s)",
    )
    parser.add_argument(
        "--class-property", default="maquette_family", metavar="NAME", help="(%(default)s)"
    )
    parser.add_argument(
        "--show-world", action="store_true", help="see a whole scene before its world"
    )
    parser.add_argument(
        "--other-worlds",
        action="store_true",
        help="light a whole scene by drawn domes, not its world",
    )
    parser.add_argument(
        "--shard",
        type=_parse_shard,
        default=(0, 1),
        metavar="I/N",
        help="make every N-th object, or view of a whole scene, from I on",
    )
    parser.add_argument(
        "--compact",
        action="store_true",
        help="write what training reads alone, in a third of the bytes",
    )
    parser.add_argument(
        "--relightable",
        action="store_true",
        help="write albedo, ambient occlusion and true normals",
    )
    parser.add_argument(
        "--grid", action="store_true", help="write which of 96^3 cells about each object are inside"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at an object that cannot be used (it is skipped)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="work in so many at once, a core each (%(default)s)",
    )


def _run_command(arguments: argparse.Namespace) -> int:
    if arguments.whole_scene and (arguments.meshes or arguments.procedural):
        arguments.error("--whole-scene takes neither --meshes nor --procedural")
    if arguments.processes > 1:
        code = in_processes(arguments.processes, arguments.shard, together=arguments.strict)
        if not code:
            write_splits(arguments.folder)
        return code
    settings = _dataset_settings(arguments)
    if arguments.whole_scene:
        whole = WholeScene(arguments.show_world, arguments.other_worlds)
        scene = bpy.context.scene
        layer = bpy.context.view_layer.name
        return _run_to_summary(
            arguments, render_whole_scene(scene, layer, arguments.folder, settings, whole)
        )
    sources = file_sources(arguments.meshes) if arguments.meshes else []
    if arguments.procedural:
        text = "" if arguments.procedural == "all" else arguments.procedural
        sources += procedural_sources(_parse_families(text), arguments.count, arguments.seed)
    if not (arguments.meshes or arguments.procedural):
        by = settings.classes_from, settings.class_property
        sources = scene_sources(bpy.context.scene.objects, *by)
    sources = subset(sources, arguments.limit)
    return _run_to_summary(arguments, render_dataset(sources, arguments.folder, settings))


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
        random=randomization_properties.from_arguments(arguments),
        classes_from=arguments.classes_from.upper(),
        class_property=arguments.class_property,
        strict=arguments.strict,
        compact=arguments.compact,
        relightable=arguments.relightable,
        grid=arguments.grid,
    )


def _run_to_summary(arguments: argparse.Namespace, work: Task[RenderSummary]) -> int:
    with silence_stdout():
        result = run_with_progress_line(work)
    for name, reason in result.skipped.items():
        print(f"skipped {name}: {reason}")
    print(f"{arguments.folder}: {_summary_text(result)}")
    return 0


COMMAND = Command("dataset", "Render objects as training data", _add_arguments, _run_command)

register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_render_dataset,))
