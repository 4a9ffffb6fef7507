"""Properties that hold paths, and may begin with Blender's "//"."""

from __future__ import annotations

from collections.abc import Iterable

from bpy.props import StringProperty

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
