"""Render objects or a whole scene as training data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import Context

from ..core.errors import DatasetError
from ..core.jobs.task import SteppedTask, Task
from ..core.procedural import FAMILIES
from ..core.scene.datagen.dataset_folder import RenderSummary
from ..core.scene.datagen.objects import render_dataset
from ..core.scene.datagen.sources import (
    ObjectSource,
    file_sources,
    left_out_text,
    procedural_sources,
    scene_sources,
)
from ..core.scene.datagen.whole_scene import WholeScene, render_whole_scene
from ..core.synthesis import camera_rigs
from ._results import absolute_path
from ._task_operator import TaskOperator
from .properties.dataset import DATASET_FOLDER, DatasetProperties
from .properties.paths import folder_property

_SOURCE_ITEMS = (
    ('SELECTED', "Selected", "Each selected mesh object"),
    ('SCENE', "Scene", "Each mesh object of the scene"),
    ('FILES', "Mesh Files", "Every mesh file of a folder"),
    ('PROCEDURAL', "Procedural", "Objects from Maquette's procedural generators"),
    ('WHOLE', "Whole Scene", "The whole scene with its own lighting, as one item"),
)


class MAQUETTE_OT_render_dataset(DatasetProperties, TaskOperator, bpy.types.Operator):
    """Render training data."""

    bl_idname = "maquette.render_dataset"
    bl_label = "Render Dataset"
    bl_description = (
        "Render training data: images of objects from many cameras with depth, normals and "
        "ground-truth shape"
    )
    bl_options = {'REGISTER'}
    driver = SteppedTask  # rendering needs the main thread

    folder: folder_property(*DATASET_FOLDER)
    source: EnumProperty(name="Objects", description="What to render", items=_SOURCE_ITEMS)
    mesh_folder: folder_property(
        "Mesh Folder",
        "Folder of mesh files (.glb, .gltf, .obj, .ply, .stl, .blend). Each file is one object",
    )
    families: StringProperty(
        name="Families",
        description="Names of procedural generators, separated by commas. Leave empty for all",
    )
    count: IntProperty(name="Count", description="Number of procedural objects", default=100, min=1)
    cameras: StringProperty(
        name="Cameras",
        description="Camera rigs, for example: sides:front,top free:6 "
        "orbit:24,elevation=30,lens=35..85. More cameras take longer",
        default=" ".join(map(str, camera_rigs.DEFAULT)),
    )
    compact: BoolProperty(
        name="Compact",
        description="Write only what training reads, with slightly lossy colors, in at most a "
        "third of the space. Not available for whole scenes",
    )

    def start(self, context: Context) -> Task[RenderSummary]:
        if not self.folder:
            raise DatasetError("Choose a folder to write the training set to")

        # A whole scene is one item with its lights; all else is rendered object by object.
        settings = replace(self.dataset_settings(self.cameras), compact=self.compact)
        folder = absolute_path(self.folder)
        if self.source != 'WHOLE':
            return render_dataset(self._object_sources(context), folder, settings)

        whole = WholeScene(world=self.show_world, other_worlds=self.other_worlds)
        layer_name = context.view_layer.name
        return render_whole_scene(context.scene, layer_name, folder, settings, whole)

    def finish(self, context: Context, result: RenderSummary) -> None:
        # A damaged object does not stop the others; it is reported at the end.
        for name, reason in result.skipped.items():
            self.report({'WARNING'}, f"{name} was skipped: {reason}")
        for name, note in result.notes.items():
            self.report({'WARNING'}, f"{name}: {note}")
        self.report({'INFO'}, summary_text(result))

    def _object_sources(self, context: Context) -> list[ObjectSource]:
        """Return the objects to render one by one."""
        if self.source == 'FILES':
            if not self.mesh_folder:
                raise DatasetError("Choose a folder of mesh files")
            folder = absolute_path(self.mesh_folder)
            left_out = left_out_text(folder)
            if left_out:
                self.report({'WARNING'}, left_out)
            return file_sources(folder)
        if self.source == 'PROCEDURAL':
            families = parse_families(self.families)
            return procedural_sources(families, self.count, self.seed)

        # What is left are objects of the open scene.
        objects = context.scene.objects
        if self.source == 'SELECTED':
            objects = context.selected_objects
        return scene_sources(objects, self.classes_from, self.class_property)


def parse_families(text: str) -> list[str]:
    """Return the names of procedural families in ``text``.

    Args:
        text: names separated by commas; empty for all families.

    Raises:
        DatasetError: there is no family of such a name.
    """
    names = [name.strip() for name in text.split(",") if name.strip()] or sorted(FAMILIES)
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        available = ", ".join(sorted(FAMILIES))
        raise DatasetError(
            f"There is no generator named {unknown[0]!r}. Available generators: {available}"
        )

    return names


def summary_text(result: RenderSummary) -> str:
    """Return the counts of a rendering in one line."""
    return (
        f"{result.written} objects written, {result.found} already present, "
        f"{len(result.skipped)} skipped"
    )


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_render_dataset,))
