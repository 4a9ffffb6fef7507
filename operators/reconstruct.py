"""From pictures to an object in the scene: the one path of the button, ``bpy.ops`` and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np
from bpy.props import FloatProperty, IntProperty, StringProperty
from bpy.types import Context
from mathutils import Vector
from numpy.typing import NDArray

from ..core import dependencies, images
from ..core.arrays import MeshArrays
from ..core.cameras import SIDES
from ..core.errors import ImageError
from ..core.scene import images as scene_images
from ..core.scene import meshes
from ..core.scene.compat import PATH_OPTIONS
from ..core.work import Progress, Work
from ._work import WorkOperator
from .settings import RESOLUTION, SIZE, side_property

_PACKAGE = __package__.rpartition(".")[0]
_FRESH = frozenset({'SKIP_SAVE'})  # pictures of the last call must not come back in the next

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Request:
    """What to reconstruct, read out of Blender: may cross to a thread.

    photo: an image file, or pixels as from ``core.images.read``; None where there are sides.
    sides: image files by the names of ``core.cameras.SIDES``.
    resolution, size, weights: see ``core.model.inference.Settings``.
    """

    photo: Path | Pixels | None = None
    sides: dict[str, Path] = field(default_factory=dict)
    resolution: int = 128
    size: float = 1.0
    weights: Path | None = None


def reconstruct(request: Request) -> Work[MeshArrays]:
    """The mesh for ``request``. Touches no bpy, and does all that takes time, so that it can run on a thread.

    Raises:
        ImageError, WeightsError, DependencyError: see ``core.images.read`` and ``core.model.inference``.
    """
    yield Progress(0.0, "Reading")
    sides = {side: images.read(path) for side, path in request.sides.items()}
    photo = images.read(request.photo) if isinstance(request.photo, Path) else request.photo
    dependencies.require(*dependencies.MODEL)
    yield Progress(0.02, "Loading the model")
    from ..core.model import inference  # torch takes seconds to import

    settings = inference.Settings(request.resolution, request.size, request.weights)
    if sides:
        return (yield from inference.reconstruct_sides(sides, settings))
    assert photo is not None, "a request has a photo or sides"
    return (yield from inference.reconstruct_photo(photo, settings))


def add_object(context: Context, name: str, arrays: MeshArrays, location: Vector) -> bpy.types.Object:
    """A new object with its origin at ``location``, active, selected and in view."""
    if context.mode != 'OBJECT':  # the window stayed usable meanwhile
        bpy.ops.object.mode_set(mode='OBJECT')
    obj = meshes.new_object(name, arrays)
    obj.location = location
    layer = context.view_layer
    place = layer.active_layer_collection
    ours = place.is_visible and place.collection.is_editable  # not if it is excluded, or linked from another file
    (place.collection if ours else context.scene.collection).objects.link(obj)
    for other in context.selected_objects:
        other.select_set(False)
    space = context.space_data
    if space and space.type == 'VIEW_3D' and space.local_view:
        obj.local_view_set(space, True)
    layer.objects.active = obj
    obj.select_set(True)
    return obj


def show_colours(context: Context) -> None:
    """Let Solid views that show material colours, which is Blender's default, show colour attributes."""
    for area in context.screen.areas:
        if area.type == 'VIEW_3D':
            shading = area.spaces.active.shading
            if shading.type == 'SOLID' and shading.color_type == 'MATERIAL':
                shading.color_type = 'VERTEX'


class MAQUETTE_OT_reconstruct(WorkOperator, bpy.types.Operator):
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
    size: FloatProperty(**SIZE)
    name: StringProperty(
        name="Name",
        description="Of the new object. Empty: the picture's name",
        maxlen=63,
        options={'SKIP_SAVE'},
    )
    weights: StringProperty(
        name="Weights",
        description="File with the model's weights. Empty: the one in the preferences, else the bundled one",
        subtype='FILE_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )

    def start(self, context: Context) -> Work[MeshArrays]:
        sides = {side: _path(getattr(self, side)) for side in SIDES if getattr(self, side)}
        if bool(self.filepath) + bool(self.image) + bool(sides) != 1:
            raise ImageError("Choose one picture, or pictures of the object's sides")
        photo = None
        if self.image:
            photo = scene_images.pixels(scene_images.named(self.image))
        elif self.filepath:
            photo = _path(self.filepath)
        self._location = context.scene.cursor.location.copy()
        return reconstruct(Request(photo, sides, self.resolution, self.size, weights_file(self.weights)))

    def finish(self, context: Context, result: MeshArrays) -> None:
        obj = add_object(context, self._object_name(), result.standing(), self._location)
        if self.interactive and context.scene.maquette.show_colours:
            show_colours(context)
        self.report({'INFO'}, f"{obj.name}: {len(result.vertices):,} vertices, {len(result.faces):,} faces")

    def _object_name(self) -> str:
        first = next((path for side in SIDES if (path := getattr(self, side))), self.filepath or self.image)
        return self.name or Path(first).stem


def _path(text: str) -> Path:
    return Path(bpy.path.abspath(text))


def weights_file(chosen: str = "") -> Path | None:
    """The weights ``chosen``, else those of the preferences; None for the bundled ones."""
    addon = bpy.context.preferences.addons.get(_PACKAGE)  # none in a script that only imports us
    text = chosen or (addon.preferences.weights if addon else "")
    return _path(text) if text else None


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_reconstruct,))
