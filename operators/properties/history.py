"""What was reconstructed in a scene, so that it can be run again: ``scene.maquette.history``."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ...core.geometry.reshaping.smoothing import DEFAULT_SMOOTH

_MOST = 12  # results that are kept
_SETTINGS = ("resolution", "keep_holes", "size", "smooth", "fit", "output")


class MaquetteResult(bpy.types.PropertyGroup):
    """A result: ``name`` is that of its object; the rest is what it was made with."""

    image: PointerProperty(type=bpy.types.Image)
    resolution: IntProperty()
    keep_holes: BoolProperty(default=True)
    size: FloatProperty()
    smooth: FloatProperty(default=DEFAULT_SMOOTH)
    fit: BoolProperty()
    output: StringProperty()

    def apply_to(self, settings: bpy.types.PropertyGroup) -> None:
        """Bring the settings back into the panel's."""
        for name in _SETTINGS:
            setattr(settings, name, getattr(self, name))


def record_result(
    history: bpy.types.bpy_prop_collection, name: str, operator: bpy.types.Operator
) -> None:
    """Put the result of an operator that ran from an image first in ``history``.

    Args:
        history: of the scene; the oldest is dropped where it is full.
        name: of the object.
        operator: has the image's name and the settings.
    """
    result = history.add()
    result.name = name
    result.image = bpy.data.images.get(operator.image)
    for setting in _SETTINGS:
        setattr(result, setting, getattr(operator, setting))
    history.move(len(history) - 1, 0)
    while len(history) > _MOST:
        history.remove(len(history) - 1)


register, unregister = bpy.utils.register_classes_factory((MaquetteResult,))
