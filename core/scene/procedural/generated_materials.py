"""Materials of procedural objects, and whether the user changed them.

A material that is as it was generated follows the parameters; any other is the user's and stays.
"""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from ...procedural.parts import Part, PartMaterial
from ..procedural_objects import new_material, set_look

Look = PartMaterial

_LOOK = "maquette_look"  # of a material: what it was generated with
_TOLERANCE = 1e-5  # float32 of values up to 1, with room
_NODES = 2  # the shader and the output


def look_of(part: Part) -> Look:
    """Return the color and finish of a part."""
    return (part.color, part.roughness, part.metallic)


def new_marked(part: Part) -> bpy.types.Material:
    """Return a new material for ``part``, which remembers that it is as it was generated."""
    material = new_material(part)
    _mark(material)
    return material


def _mark(material: bpy.types.Material) -> None:
    """Let a material remember that it is as it was generated."""
    material[_LOOK] = _look_values(material)


def unchanged(
    materials: Iterable[bpy.types.Material | None],
) -> list[bpy.types.Material]:
    """Return those of ``materials`` that are as they were generated."""
    return [material for material in materials if material and _is_unchanged(material)]


def adjusted(material: bpy.types.Material | None, part: Part) -> bpy.types.Material | None:
    """Return the material for ``part`` in place of ``material``, which its slot had.

    One that the user changed or replaced is returned as it is, and so is None, an emptied slot.
    Others get the look of the part; a material that other meshes use is not changed, but replaced.
    """
    if material is None or not _is_unchanged(material):
        return material
    if material.users > 0:  # of other meshes, since this one has let go of it
        other = new_marked(part)
        if np.allclose(other[_LOOK], material[_LOOK], atol=_TOLERANCE):
            bpy.data.materials.remove(other)
            return material
        return other

    set_look(material, part)
    _mark(material)
    return material


def _is_unchanged(material: bpy.types.Material) -> bool:
    stored = material.get(_LOOK)
    if stored is None or not material.is_editable:
        return False
    values = _look_values(material)
    return len(stored) == len(values) and np.allclose(stored, values, atol=_TOLERANCE)


def _look_values(material: bpy.types.Material) -> list[float]:
    """Return what a user would change of a generated material; empty if it has other nodes."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    shaders = [node for node in nodes if node.type == 'BSDF_PRINCIPLED']
    if len(nodes) != _NODES or len(shaders) != 1:
        return []
    numbers = []

    for socket in shaders[0].inputs:
        if socket.is_linked:
            return []
        value = getattr(socket, "default_value", 0.0)
        if isinstance(value, int | float):
            numbers.append(float(value))
        elif not isinstance(value, str):  # a menu
            numbers += list(value)

    return [*numbers, *material.diffuse_color]
