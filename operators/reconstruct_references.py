"""Reconstruct an object from references in the scene, and place it where they show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import numpy as np
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Context
from mathutils import Matrix

from ..core.cameras import SIDES
from ..core.errors import SceneError
from ..core.geometry.reshaping.smoothing import DEFAULT_SMOOTH, smooth_surface
from ..core.jobs.task import Progress, SteppedTask, Task, in_thread, single_step
from ..core.scene import images as scene_images
from ..core.scene import references as scene_references
from ..core.scene import source_views
from . import _compute, _results
from ._compute import ComputeTarget
from ._task_operator import TaskOperator
from .properties.scene import FIT, KEEP_HOLES, RESOLUTION, SMOOTH, TEXTURE, WEIGHTS

if TYPE_CHECKING:
    from ..core.model.jobs.reconstruct_references import PosedReconstruction, PosedRequest

_FLOOR = 1e-4  # height of the 3D cursor up to which it is on the floor, meters
_SIDE_ITEMS = [('AUTO', "As Placed", "The side that the image faces")]
_SIDE_ITEMS += [
    (side.upper(), side.capitalize(), f"Orthographic {side} view of the object") for side in SIDES
]


class MaquetteReference(bpy.types.PropertyGroup):
    """What the user sets for a reference: ``Object.maquette_reference``."""

    side: EnumProperty(
        name="Shows",
        description="Side of the object that this image shows. If it differs from the direction "
        "the image faces, only the image's scale is used, not its position",
        items=_SIDE_ITEMS,
    )


@dataclass(frozen=True)
class ReferenceChoice:
    """Which references to reconstruct from, and how.

    names: of the objects; empty for those of ``collection``, the selected or the visible ones.
    collection: name of the collection to use; empty for none.
    resolution: grid cells along the longest side.
    weights: file of the model's weights; None for the bundled ones.
    fit: move the surface so that its outline matches the images.
    keep_holes: let masks that are found have holes.
    smooth: strength of smoothing, 0 to 1.
    """

    names: Sequence[str]
    collection: str
    resolution: int
    weights: Path | None
    fit: bool = False
    keep_holes: bool = True
    smooth: float = DEFAULT_SMOOTH


def user_side(obj: bpy.types.Object) -> str:
    """Return the side that the user set for the reference ``obj``; empty if it is as placed."""
    side = obj.maquette_reference.side
    return "" if side == 'AUTO' or obj.type == 'CAMERA' else side.lower()


def seen_from(obj: bpy.types.Object) -> str:
    """Return what the reference ``obj`` is used as, in words."""
    return scene_references.seen_from(obj, user_side(obj))


class MAQUETTE_OT_reconstruct_references(TaskOperator, bpy.types.Operator):
    """Reconstruct an object from the references of the scene."""

    bl_idname = "maquette.reconstruct_references"
    bl_label = "Reconstruct References"
    bl_description = (
        "Create a colored mesh from the image empties and camera background images of the scene, "
        "placed where they show it"
    )
    bl_options = {'REGISTER', 'UNDO'}
    driver = SteppedTask

    objects: CollectionProperty(
        name="Objects",
        description="Names of the references to use instead of the selected ones: "
        "[{\"name\": \"Empty\"}]. Every additional reference improves the shape and adds about a "
        "third of the time of the first",
        type=bpy.types.OperatorFileListElement,
        options={'SKIP_SAVE'},
    )
    collection: StringProperty(
        name="Collection",
        description="Name of a collection whose references are used instead of the selected ones",
        options={'SKIP_SAVE'},
    )
    resolution: IntProperty(**RESOLUTION)
    keep_holes: BoolProperty(**KEEP_HOLES)
    smooth: FloatProperty(**SMOOTH)
    fit: BoolProperty(**FIT)
    texture: BoolProperty(**TEXTURE, options={'SKIP_SAVE'})
    name: StringProperty(
        name="Name",
        description="Name of the new object. Leave empty to use the collection's name, or "
        "\"Maquette\"",
        maxlen=63,
        options={'SKIP_SAVE'},
    )
    weights: WEIGHTS

    @classmethod
    def poll(cls, context: Context) -> bool:
        return True  # it reads the poses of the references at once, so it may wait in the queue

    def start(self, context: Context) -> Task[PosedReconstruction]:
        choice = ReferenceChoice(
            names=[item.name for item in self.objects],
            collection=self.collection,
            resolution=self.resolution,
            keep_holes=self.keep_holes,
            weights=_results.weights_file(self.weights),
            fit=self.fit,
            smooth=self.smooth,
        )
        self._sources, task = start_references(context, choice, self.interactive)
        return task

    def finish(self, context: Context, result: PosedReconstruction) -> None:
        obj = add_posed_object(context, self.name or self.collection or "Maquette", result)

        weights = _results.weights_file(self.weights)
        facts = _results.origin_facts(self._sources, weights, self.resolution)
        source_views.store_facts(obj, {**facts, "fit": _results.fit_summary(result.mesh)})

        # A script's viewport is left as it is.
        if self.interactive:
            _results.show_result(context, [obj])

        # The panel shows the disagreements until the next reconstruction.
        disagreements = "; ".join(result.disagreements)
        context.scene.maquette.disagreements = disagreements
        text = f"{obj.name}: {_results.result_line(result.mesh)}, from {self._sources}"
        if disagreements:
            text += f". References disagree and were averaged: {disagreements}"
        self.report({'WARNING' if disagreements else 'INFO'}, text)
        if self.texture:
            _results.begin_texturing(context, obj, self.interactive)

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change without running the model again."""
        self.layout.use_property_split = True
        self.layout.prop(self, "smooth")
        self.layout.prop(self, "name")


def start_references(
    context: Context, choice: ReferenceChoice, window: bool = False
) -> tuple[str, Task[PosedReconstruction]]:
    """Read the poses of the chosen references and return the task that reconstructs from them.

    Args:
        context: its scene holds the references and the 3D cursor.
        choice: which references, and how; see ``core.scene.references.chosen_references``.
        window: see :func:`._compute.compute_target`.

    Returns:
        What each reference is used as, in words, and the task.

    Raises:
        SceneError, ImageError: there is no reference, or one that cannot be used.
    """
    from ..core.model.jobs.reconstruct_references import PosedRequest

    objects = scene_references.chosen_references(context, choice.names, choice.collection)
    if not objects:
        raise SceneError(
            "No reference is visible. Add the object's front with Add > Image > Reference, "
            "or give a camera a background image"
        )

    # Poses are read at once, so that the task may wait in the queue while the scene changes.
    sides = [user_side(obj) for obj in objects]
    poses = scene_references.reference_poses(context, objects, sides)
    sources = ", ".join(f"{pose.name} ({pose.seen_from})" for pose in poses)

    # A cursor in the air or below the floor says where the object is.
    cursor = np.array(context.scene.cursor.location, float)
    is_on_floor = abs(cursor[2]) < _FLOOR
    request = PosedRequest(
        references=(),
        near=cursor,
        floor=0.0 if is_on_floor else None,
        resolution=choice.resolution,
        keep_holes=choice.keep_holes,
        weights=choice.weights,
        device=_compute.chosen_device(),
        fit=choice.fit,
    )
    return sources, _read_and_reconstruct(poses, request, choice.smooth, window)


def _read_and_reconstruct(
    poses: Sequence[scene_references.ReferencePose],
    request: PosedRequest,
    smooth: float,
    window: bool,
) -> Task[PosedReconstruction]:
    """Read the images of ``poses``, one a step since each blocks the window, and reconstruct."""
    images = []
    for pose in poses:
        image = yield from single_step(Progress(0.0, "Reading"), pose.read_image)
        images.append(image)

    # All the rest uses no bpy.
    pairs = list(zip(poses, images, strict=True))
    task = _reconstruct_posed(_compute.compute_target(window), request, pairs, smooth)
    if window:
        task = in_thread(task)
    return (yield from task)


def _reconstruct_posed(
    target: ComputeTarget,
    request: PosedRequest,
    pairs: Sequence[tuple[scene_references.ReferencePose, scene_images.ImageValues]],
    smooth: float,
) -> Task[PosedReconstruction]:
    """Complete ``request`` by the references and reconstruct it; uses no bpy."""
    from ..core.model.jobs.reconstruct_references import place_on_floor, reconstruct_posed

    yield Progress(0.0, "Reading")
    references = tuple(pose.to_reference(image) for pose, image in pairs)
    request = replace(request, references=references)
    result = yield from target.run(reconstruct_posed, request)
    _results.weights_digest(request.weights)  # of which the object tells

    # The result of the model is kept as it is, so that another strength needs no other run.
    yield Progress(1.0, "Smoothing")
    cameras = [view.camera for view in result.mesh.views]
    smoothed = smooth_surface(result.mesh, cameras, smooth)
    return place_on_floor(replace(result, mesh=smoothed), request)


def add_posed_object(context: Context, name: str, result: PosedReconstruction) -> bpy.types.Object:
    """Add a new object where its references show it, active and selected."""
    to_world = Matrix(result.to_world)
    obj = _results.add_object(context, name, result.mesh, to_world.translation)
    obj.rotation_euler = to_world.to_euler()
    return obj


_register: Callable[[], None]
_unregister: Callable[[], None]
_register, _unregister = bpy.utils.register_classes_factory(
    (MaquetteReference, MAQUETTE_OT_reconstruct_references)
)


def register() -> None:
    """Register the operator, and the property of objects."""
    _register()
    bpy.types.Object.maquette_reference = PointerProperty(type=MaquetteReference)


def unregister() -> None:
    """Remove both."""
    del bpy.types.Object.maquette_reference
    _unregister()
