"""Properties that hold paths, and may begin with Blender's "//", or images."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
from bpy.props import PointerProperty, StringProperty

from ...core.scene.compat import PATH_OPTIONS


def folder_property(
    name: str, description: str, options: Iterable[str] = frozenset()
) -> StringProperty:
    """Return the property of a folder, an annotation for a class of properties.

    Args:
        name: label in the interface.
        description: tooltip.
        options: more of Blender's options, such as 'SKIP_SAVE'.
    """
    return StringProperty(
        name=name,
        description=description,
        subtype='DIR_PATH',
        options={*options, *PATH_OPTIONS},
    )


def file_property(
    name: str, description: str, options: Iterable[str] = frozenset()
) -> StringProperty:
    """Return the property of a file; see :func:`folder_property`."""
    return StringProperty(
        name=name,
        description=description,
        subtype='FILE_PATH',
        options={*options, *PATH_OPTIONS},
    )


def side_property(side: str, options: Iterable[str] = frozenset()) -> StringProperty:
    """Return the property of the image file of a side, of ``core.cameras.SIDES``."""
    return file_property(
        side.capitalize(),
        f"Image of the object's {side} in orthographic view. Every additional side improves the "
        "shape and adds about a third of the time of the first",
        options,
    )


def side_image_property(side: str) -> PointerProperty:
    """Return the property of the image of a side, of ``core.cameras.SIDES``."""
    return PointerProperty(
        name=side.capitalize(),
        description=f"Image of the object's {side} in orthographic view, used as it is in this "
        "file: also if it is packed, generated, or edited and not saved. Every additional side "
        "improves the shape and adds about a third of the time of the first",
        type=bpy.types.Image,
    )


def side_name_property(side: str) -> StringProperty:
    """Return the property of the name of a side's image, for an operator."""
    return StringProperty(
        name=f"{side.capitalize()} Image",
        description=f"Name of an image in the current blend file that shows the object's {side} "
        "in orthographic view, used instead of an image file",
        options={'SKIP_SAVE'},
    )
