"""From pictures to an object in the scene: the one path of the button, ``bpy.ops`` and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context
from mathutils import Vector

from ..core.arrays import MeshArrays
from ..core.cameras import SIDES
from ..core.errors import ImageError
from ..core.jobs.task import Task
from ..core.model.jobs import reconstruct as reconstruct_job  # without torch, until it runs
from ..core.model.jobs.reconstruct import ReconstructionRequest
from ..core.scene import images as scene_images
from ..core.scene import meshes, source_views
from ..core.scene.compat import PATH_OPTIONS
from . import _compute
from ._task_operator import TaskOperator
from .properties.scene import FIT, RESOLUTION, SIZE, WEIGHTS, side_property

_FRESH = frozenset({'SKIP_SAVE'})  # pictures of the last call must not come back in the next


def start_reconstruction(
    request: ReconstructionRequest,
    picture: scene_images.ImageValues | None = None,
    window: bool = False,
) -> Task[MeshArrays]:
    """The mesh for ``request``, from where the preferences say; at once if only the size differs from the last.

    Args:
        picture: the photo, if it is of the open file.
        window: see :func:`.compute.run`. The work that is returned touches no bpy, so that it can run on a thread.

    Raises:
        As ``core.model.jobs.reconstruct.reconstruct``; WorkerError.
    """
    request, size = replace(request, size=1.0, device=_compute.chosen_device()), request.size
    made = (lambda: replace(request, photo=picture.to_pixels())) if picture else request
    work = _compute.run_function(reconstruct_job.reconstruct_request, made, window=window)
    return _scaled_result(work, size)


def _scaled_result(work: Task[MeshArrays], size: float) -> Task[MeshArrays]:
    mesh = yield from work
    return mesh.offset_and_scaled(np.zeros(3), size)


def add_object(
    context: Context, name: str, arrays: MeshArrays, location: Vector
) -> bpy.types.Object:
    """A new object with its origin at ``location``, active, selected and in view."""
    if context.mode != 'OBJECT':  # the window stayed usable meanwhile
        bpy.ops.object.mode_set(mode='OBJECT')
    obj = meshes.new_object(name, arrays)
    source_views.store_views(obj, arrays.views)
    obj.location = location
    layer = context.view_layer
    collection_for_new(context).objects.link(obj)
    for other in context.selected_objects:
        other.select_set(False)
    space = context.space_data
    if space and space.type == 'VIEW_3D' and space.local_view:
        obj.local_view_set(space, True)
    layer.objects.active = obj
    obj.select_set(True)
    return obj


def collection_for_new(context: Context) -> bpy.types.Collection:
    """The active one, but the scene's own if that is excluded, or linked from another file."""
    place = context.view_layer.active_layer_collection
    return (
        place.collection
        if place.is_visible and place.collection.is_editable
        else context.scene.collection
    )


def mesh_summary(mesh: MeshArrays) -> str:
    """How large ``mesh`` is and, if it was fitted, how its silhouettes agree with its pictures."""
    return f"{len(mesh.vertices):,} vertices, {len(mesh.faces):,} faces{fit_summary(mesh)}"


def fit_summary(mesh: MeshArrays) -> str:
    """How the silhouettes of ``mesh`` agree with its pictures, empty if it was not fitted to them."""
    pairs = [view.silhouette for view in mesh.views if view.silhouette]
    if not pairs:
        return ""
    before, after = (
        ", ".join(f"{score:.3f}" for score in scores) for scores in zip(*pairs, strict=True)
    )
    return f", silhouettes {after} (IoU; before the fit {before})"


def show_colours(context: Context) -> None:
    """Let Solid views that show material colours, which is Blender's default, or textures show colour attributes."""
    for area in context.screen.areas:
        if area.type == 'VIEW_3D':
            shading = area.spaces.active.shading
            if shading.type == 'SOLID' and shading.color_type in {'MATERIAL', 'TEXTURE'}:
                shading.color_type = 'VERTEX'


class MAQUETTE_OT_reconstruct(TaskOperator, bpy.types.Operator):
    """Build a colored mesh object from a picture, or from pictures of its sides, at the 3D cursor"""

    bl_idname = "maquette.reconstruct"
    bl_label = "Reconstruct"
    bl_options = {'REGISTER', 'UNDO'}

    filepath: StringProperty(
        name="File",
        description="Image file of the object, from anywhere. If it has no alpha, the object is found in it",
        subtype='FILE_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )
    image: StringProperty(
        name="Image",
        description="Name of an image in this file to reconstruct from, instead of an image file",
        options={'SKIP_SAVE'},
    )
    front: side_property("front", _FRESH)
    right: side_property("right", _FRESH)
    back: side_property("back", _FRESH)
    left: side_property("left", _FRESH)
    top: side_property("top", _FRESH)
    bottom: side_property("bottom", _FRESH)
    resolution: IntProperty(**RESOLUTION)
    fit: BoolProperty(**FIT)
    size: FloatProperty(**SIZE)
    name: StringProperty(
        name="Name",
        description="Of the new object. Empty: the picture's name",
        maxlen=63,
        options={'SKIP_SAVE'},
    )
    weights: StringProperty(**WEIGHTS)

    def start(self, context: Context) -> Task[MeshArrays]:
        sides = {side: absolute_path(getattr(self, side)) for side in SIDES if getattr(self, side)}
        if bool(self.filepath) + bool(self.image) + bool(sides) != 1:
            raise ImageError("Choose one picture, or pictures of the object's sides")
        picture = (
            scene_images.image_values(scene_images.image_named(self.image)) if self.image else None
        )
        photo = absolute_path(self.filepath) if self.filepath else None
        self._location = context.scene.cursor.location.copy()
        request = ReconstructionRequest(
            photo, sides, self.resolution, self.size, weights_file(self.weights), fit=self.fit
        )
        return start_reconstruction(request, picture, self.interactive)

    def finish(self, context: Context, result: MeshArrays) -> None:
        obj = add_object(context, self._object_name(), result.on_ground(), self._location)
        if self.interactive and context.scene.maquette.show_colours:
            show_colours(context)
        self.report({'INFO'}, f"{obj.name}: {mesh_summary(result)}")

    def label(self) -> str:
        return f"{self.bl_label} {self._object_name()}"

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: what does not ask the model again."""
        self.layout.use_property_split = True
        self.layout.prop(self, "size")
        self.layout.prop(self, "name")

    def _object_name(self) -> str:
        first = next(
            (path for side in SIDES if (path := getattr(self, side))), self.filepath or self.image
        )
        return self.name or Path(first).stem


def absolute_path(text: str) -> Path:
    return Path(bpy.path.abspath(text))


def weights_file(chosen: str = "") -> Path | None:
    """The weights ``chosen``, else those of the preferences; None for the bundled ones."""
    ours = _compute.addon_preferences()
    text = chosen or (ours.weights if ours else "")
    return absolute_path(text) if text else None


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_reconstruct,))
