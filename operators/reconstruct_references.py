"""From the references that stand in the scene to an object that stands among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import numpy as np
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Context
from mathutils import Matrix

from ..core.cameras import SIDES
from ..core.errors import SceneError
from ..core.jobs.task import Progress, SteppedTask, Task, in_thread, single_step
from ..core.scene import references as scene_references
from . import _compute
from ._task_operator import TaskOperator
from .properties.scene import FIT, RESOLUTION, WEIGHTS
from .reconstruct import add_object, mesh_summary, show_colours, weights_file

if TYPE_CHECKING:
    from ..core.model.jobs.reconstruct_references import PosedReconstruction, PosedRequest


class MaquetteReference(bpy.types.PropertyGroup):
    """What the user says of a reference: ``Object.maquette_reference``."""

    side: EnumProperty(
        name="Shows",
        description="What this picture shows of the object. "
        "If that is not what it faces, only its scale counts, and not its place",
        items=(
            ('AUTO', "As Placed", "The side that it faces"),
            *(
                (side.upper(), side.capitalize(), f"The object's {side}, seen straight on")
                for side in SIDES
            ),
        ),
    )


def user_side(obj: bpy.types.Object) -> str:
    """The side that the user says the reference ``obj`` shows; empty if it is as it stands."""
    side = obj.maquette_reference.side
    return "" if side == 'AUTO' or obj.type == 'CAMERA' else side.lower()


def seen_from(obj: bpy.types.Object) -> str:
    """What the reference ``obj`` is taken for, in words."""
    return scene_references.seen_from(obj, user_side(obj))


class MAQUETTE_OT_reconstruct_references(TaskOperator, bpy.types.Operator):
    """Build a colored mesh object where image empties, and cameras with a background image, show it in the scene"""

    bl_idname = "maquette.reconstruct_references"
    bl_label = "Reconstruct References"
    bl_options = {'REGISTER', 'UNDO'}
    driver = SteppedTask

    objects: CollectionProperty(
        name="Objects",
        description="Names of the references to use, instead of those selected: [{\"name\": \"Empty\"}]. "
        "Each one more makes the shape surer and takes about a third of the time of the first",
        type=bpy.types.OperatorFileListElement,
        options={'SKIP_SAVE'},
    )
    collection: StringProperty(
        name="Collection",
        description="Use all references of the collection of this name, instead of those selected",
        options={'SKIP_SAVE'},
    )
    resolution: IntProperty(**RESOLUTION)
    fit: BoolProperty(**FIT)
    name: StringProperty(
        name="Name",
        description="Of the new object. Empty: the collection's name, or \"Maquette\"",
        maxlen=63,
        options={'SKIP_SAVE'},
    )
    weights: StringProperty(**WEIGHTS)

    @classmethod
    def poll(cls, context: Context) -> bool:
        return True  # it knows where the references stand from the start, so it may wait in line

    def start(self, context: Context) -> Task[PosedReconstruction]:
        names = [item.name for item in self.objects]
        weights = weights_file(self.weights)
        self._told, work = start_references(
            context,
            names,
            self.collection,
            self.resolution,
            weights,
            self.fit,
            window=self.interactive,
        )
        return work

    def finish(self, context: Context, result: PosedReconstruction) -> None:
        obj = add_posed_object(context, self.name or self.collection or "Maquette", result)
        if self.interactive and context.scene.maquette.show_colours:
            show_colours(context)
        apart = "; ".join(result.disagreements)
        context.scene.maquette.disagreements = apart
        fitted = f". Fitted to each other: {apart}" if apart else ""
        self.report(
            {'WARNING' if apart else 'INFO'},
            f"{obj.name}: {mesh_summary(result.mesh)}, from {self._told}{fitted}",
        )

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: what does not ask the model again."""
        self.layout.use_property_split = True
        self.layout.prop(self, "name")


def start_references(
    context: Context,
    names: Sequence[str],
    collection: str,
    resolution: int,
    weights: Path | None,
    fit: bool = False,
    window: bool = False,
) -> tuple[str, Task[PosedReconstruction]]:
    """What each reference is taken for, in words, and the work to do; see ``core.scene.references.chosen_references``.

    Raises:
        SceneError, ImageError: there is none, or one that cannot be used.
    """
    from ..core.model.jobs.reconstruct_references import PosedRequest

    objects = scene_references.chosen_references(context, names, collection)
    if not objects:
        raise SceneError(
            "There is no reference in view: add the object's front with Add > Image > Reference, "
            "or give a camera a background image"
        )
    stands = [scene_references.reference_pose(context, obj, user_side(obj)) for obj in objects]
    told = ", ".join(f"{obj.name} ({seen_from(obj)})" for obj in objects)
    request = PosedRequest(
        (),
        np.array(context.scene.cursor.location, float),
        resolution,
        weights,
        _compute.chosen_device(),
        fit,
    )
    return told, _reconstruct_references(stands, request, window)


def _reconstruct_references(
    stands: Sequence[scene_references.ReferencePose], request: PosedRequest, window: bool
) -> Task[PosedReconstruction]:
    """Reads one picture a step, since each holds the window, and does the rest beside it."""
    from ..core.model.jobs.reconstruct_references import reconstruct_posed

    pictures = []
    for stand in stands:
        pictures.append((yield from single_step(Progress(0.0, "Reading"), stand.read_image)))

    def made() -> PosedRequest:
        pairs = zip(stands, pictures, strict=True)
        return replace(
            request, references=tuple(stand.to_reference(picture) for stand, picture in pairs)
        )

    work = _compute.run_function(reconstruct_posed, made, window=window)
    return (yield from (in_thread(work) if window else work))


def add_posed_object(context: Context, name: str, result: PosedReconstruction) -> bpy.types.Object:
    """A new object that stands where its references show it, active and selected."""
    place = Matrix(result.to_world)
    obj = add_object(context, name, result.mesh, place.translation)
    obj.rotation_euler = place.to_euler()
    return obj


_register: Callable[[], None]
_unregister: Callable[[], None]
_register, _unregister = bpy.utils.register_classes_factory(
    (MaquetteReference, MAQUETTE_OT_reconstruct_references)
)


def register() -> None:
    _register()
    bpy.types.Object.maquette_reference = PointerProperty(type=MaquetteReference)


def unregister() -> None:
    del bpy.types.Object.maquette_reference
    _unregister()
