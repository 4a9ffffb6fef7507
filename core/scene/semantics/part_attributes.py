"""Parts of a mesh as Blender knows them: a face attribute, vertex groups and material slots."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import MeshError
from .. import meshes
from ..materials import remove_unused

PART = "Part"  # face attribute: index of the part in the names, from 1; 0 for none
NAMES_KEY = "maquette_parts"  # custom property of the mesh: the names, in their order
_BASE_KEY = "maquette_part_of"  # of a part's material: the material that it is a copy of
_GOLDEN_RATIO = 0.618034


def triangle_polygons(mesh: bpy.types.Mesh) -> NDArray[np.int32]:
    """Return the polygon (T,) of each triangle of :func:`~..meshes.read_triangles`."""
    mesh.calc_loop_triangles()
    polygons = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("polygon_index", polygons)
    return polygons


def write_parts(
    obj: bpy.types.Object,
    triangle_parts: NDArray[np.int64],
    names: Sequence[str],
    vertex_groups: bool = True,
    material_slots: bool = True,
) -> list[str]:
    """Give a mesh the parts of its triangles; those of an earlier call are replaced.

    The mesh gets the face attribute "Part". A part's material is a copy of the one that most of its
    faces have, so that the object looks as before in renderings.

    Args:
        obj: In Object Mode.
        triangle_parts: (T,) index of the name of each triangle of its mesh; -1 for none.
        names: Of the parts.
        vertex_groups: Whether each part becomes a vertex group.
        material_slots: Whether each part becomes a material slot.

    Returns:
        The names of the parts that there are, the largest number of faces first.

    Raises:
        MeshError: The mesh has another number of triangles.
    """
    mesh = obj.data

    # From triangles to the polygons of the mesh.
    polygons = triangle_polygons(mesh)
    if len(polygons) != len(triangle_parts):
        raise MeshError(f"{obj.name!r} was edited in the meantime and was not changed")
    parts = np.full(len(mesh.polygons), -1)
    parts[polygons] = triangle_parts

    # The parts in the order of their names, without those that no face has.
    present = [index for index in range(len(names)) if (parts == index).any()]
    numbers = np.zeros(len(parts), np.int32)
    for number, index in enumerate(present, start=1):
        numbers[parts == index] = number

    # Written as an attribute, and in the forms that are wanted.
    shown = [names[index] for index in present]
    previous = list(mesh.get(NAMES_KEY, ()))
    _write_attribute(mesh, numbers, shown)
    if vertex_groups:
        _write_vertex_groups(obj, numbers, shown, previous)
    if material_slots:
        _write_material_slots(mesh, numbers, shown)

    # The largest parts first.
    counts = np.bincount(numbers, minlength=len(shown) + 1)[1:]

    return [shown[place] for place in np.argsort(-counts, kind="stable")]


def read_parts(mesh: bpy.types.Mesh) -> tuple[NDArray[np.int32], list[str]]:
    """Return the number of the part of each polygon (F,), 0 for none, and the names from 1."""
    numbers = np.zeros(len(mesh.polygons), np.int32)
    attribute = mesh.attributes.get(PART)
    if attribute is not None and attribute.domain == 'FACE':
        attribute.data.foreach_get("value", numbers)
    return numbers, list(mesh.get(NAMES_KEY, ()))


def _write_attribute(
    mesh: bpy.types.Mesh, numbers: NDArray[np.int32], names: Sequence[str]
) -> None:
    old = mesh.attributes.get(PART)
    if old is not None:
        mesh.attributes.remove(old)
    attribute = mesh.attributes.new(PART, 'INT', 'FACE')
    attribute.data.foreach_set("value", numbers)
    mesh[NAMES_KEY] = list(names)


def _write_vertex_groups(
    obj: bpy.types.Object,
    numbers: NDArray[np.int32],
    names: Sequence[str],
    previous: Sequence[str],
) -> None:
    """Replace the groups ``previous`` by one group for each part, whose vertices weigh 1."""
    for name in {*previous, *names}:
        old = obj.vertex_groups.get(name)
        if old is not None:
            obj.vertex_groups.remove(old)

    # The part of each corner is that of its face.
    corners = meshes.read_corners(obj.data)
    counts = np.empty(len(numbers), np.int32)
    obj.data.polygons.foreach_get("loop_total", counts)
    corner_numbers = numbers.repeat(counts)

    for number, name in enumerate(names, start=1):
        vertices = np.unique(corners[corner_numbers == number])
        group = obj.vertex_groups.new(name=name)
        group.add(vertices.tolist(), 1.0, 'REPLACE')


def _write_material_slots(
    mesh: bpy.types.Mesh, numbers: NDArray[np.int32], names: Sequence[str]
) -> None:
    """Give each part a slot of its own, behind those that the mesh has."""
    slots = _without_part_slots(mesh)
    for number, name in enumerate(names, start=1):
        # The material that most faces of the part have.
        chosen = numbers == number
        base = None
        if len(mesh.materials):
            used = np.bincount(slots[chosen].clip(0, len(mesh.materials) - 1))
            base = mesh.materials[int(used.argmax())]
        slots[chosen] = len(mesh.materials)
        mesh.materials.append(_part_material(base, name, number))

    mesh.polygons.foreach_set("material_index", slots)
    mesh.update()


def _without_part_slots(mesh: bpy.types.Mesh) -> NDArray[np.int32]:
    """Remove the slots of an earlier call; return the slot (F,) of each face before that call."""
    slots = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    removed = []

    for place in range(len(mesh.materials) - 1, -1, -1):
        material = mesh.materials[place]
        if material is None or _BASE_KEY not in material:
            continue

        # Its faces go back to the material that it was made from.
        base = material[_BASE_KEY]
        others = [other for other in mesh.materials if other is not None and other == base]
        base_place = list(mesh.materials).index(others[0]) if others else 0
        slots[slots == place] = base_place
        slots[slots > place] -= 1
        mesh.materials.pop(index=place)
        removed.append(material)

    remove_unused(removed)
    return slots


def _part_material(base: bpy.types.Material | None, name: str, number: int) -> bpy.types.Material:
    """Return a copy of ``base`` for a part, with a color of its own in Solid viewports."""
    material = base.copy() if base else bpy.data.materials.new(name)
    material.name = name
    material[_BASE_KEY] = base

    # Hues of neighboring numbers are far apart.
    hue = number * _GOLDEN_RATIO % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.6, 0.8)
    material.diffuse_color = (red, green, blue, 1.0)
    return material
