"""The parts of an object that is rendered: which names it has, and a number for each surface.

Parts are told apart by the renderer's material index, which costs nothing to render and is exact:
Cycles stores it, like depth, for one sample of a pixel and without filtering. (To look for the
triangle nearest to each point of the depth image takes longer than a view, and is wrong along the
seams of parts, where a sample may be a pixel away from the place that its depth leads to.)

So while an object is rendered, the ``pass_index`` of each of its materials is the number of a part.
Where the faces of one material belong to several parts, each of them gets a copy of the material.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ...dataset.records import MOST_PARTS
from .. import compat

MATERIAL = "material"
VERTEX_GROUP = "vertex group"
PROCEDURAL = "procedural"
_MOST_NAMED = MOST_PARTS - 1  # one number is left for surfaces without a name
_DEFAULT_GRAY = 0.8  # of what Cycles shows where there is no material


@dataclass(frozen=True)
class FaceParts:
    """Which part each face of a mesh is of.

    Attributes:
        names: Of the parts.
        numbers: (F,) number of the part of each face from 1, 0 for none.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.int32]


@dataclass(frozen=True)
class PartNames:
    """The parts of an object.

    Attributes:
        names: Of the parts; the number of a part is its place, from 1.
        origin: What named them, see ``Record.parts_from``.
    """

    names: tuple[str, ...] = ()
    origin: str = ""

    def with_unnamed(self, numbers: NDArray[np.integer]) -> tuple[PartNames, int]:
        """Return the parts with one more, named "", if a surface has no name, and its number.

        Args:
            numbers: Of the parts of all triangles, 0 for none.
        """
        if not self.origin or numbers.all():
            return self, 0
        names = (*self.names, "")
        return PartNames(names, self.origin), len(names)


@contextmanager
def numbered_parts(
    objects: Sequence[bpy.types.Object],
    copies: Sequence[bpy.types.Object],
    kind: str,
    face_parts: Callable[[], FaceParts] | None,
) -> Iterator[PartNames]:
    """Number the parts of an object by the ``pass_index`` of materials; restore them on exit.

    Args:
        objects: Of one object of the set.
        copies: Of ``objects``, in their order: what is rendered, without modifiers.
        kind: What names the parts of meshes: "material", or "vertex group" where there is one;
            empty for no parts.
        face_parts: Returns the parts of the faces of the only mesh, if its generator names them.

    Yields:
        The parts; without names if ``kind`` is empty.
    """
    if not kind:
        yield PartNames()
        return

    meshes = [copy for copy in copies if copy.type == 'MESH']
    by_group = kind == VERTEX_GROUP and any(mesh.vertex_groups for mesh in meshes)
    with _restored_numbers(), ExitStack() as stack:
        if face_parts:
            parts = face_parts()
            _split_materials(meshes[0], parts.numbers, stack)
            yield PartNames(parts.names, PROCEDURAL)
        elif by_group:
            yield PartNames(_number_groups(meshes, stack), VERTEX_GROUP)
        else:
            yield PartNames(_number_materials(objects, copies), MATERIAL)


@contextmanager
def _restored_numbers() -> Iterator[None]:
    """Let all materials have the ``pass_index`` 0; restore what they have on exit."""
    before = {material: material.pass_index for material in bpy.data.materials}
    for material in before:
        _set_number(material, 0)
    try:
        yield
    finally:
        for material, number in before.items():
            with suppress(ReferenceError):  # it was deleted or undone
                _set_number(material, number)


def _set_number(material: bpy.types.Material, number: int) -> None:
    """Set the ``pass_index`` of a material if it differs, since a change costs an evaluation."""
    if material.pass_index != number:
        material.pass_index = number


def _number_materials(
    objects: Sequence[bpy.types.Object], copies: Sequence[bpy.types.Object]
) -> tuple[str, ...]:
    """Number the materials in the slots of ``copies``; return the names of those of ``objects``.

    These may differ: copies may have random materials. What is instanced has its materials.
    """
    pairs = [*zip(objects, copies, strict=True)]
    for obj in _instanced_objects(objects):
        pairs.append((obj, obj))

    # In the order of the slots; what comes after the last number has no name.
    numbers: dict[str, int] = {}
    for obj, copy in pairs:
        for slot, copied_slot in zip(obj.material_slots, copy.material_slots, strict=False):
            if not (slot.material and copied_slot.material):
                continue
            name = slot.material.name
            if name not in numbers and len(numbers) < _MOST_NAMED:
                numbers[name] = len(numbers) + 1
            _set_number(copied_slot.material, numbers.get(name, 0))

    return tuple(numbers)


def _instanced_objects(objects: Sequence[bpy.types.Object]) -> list[bpy.types.Object]:
    """Return the objects of all collections that ``objects`` instance, at any depth."""
    remaining = list(objects)
    found: dict[bpy.types.Object, None] = {}
    while remaining:
        collection = remaining.pop(0).instance_collection
        if collection:
            new = [obj for obj in collection.all_objects if obj not in found]
            found.update(dict.fromkeys(new))
            remaining += new

    return list(found)


def _number_groups(meshes: Sequence[bpy.types.Object], stack: ExitStack) -> tuple[str, ...]:
    """Number the faces of mesh objects by their vertex groups, and return the groups' names.

    Args:
        meshes: To number; groups of one name are one part.
        stack: What is made is removed when this is closed.
    """
    group_names = [[group.name for group in mesh.vertex_groups] for mesh in meshes]
    distinct = dict.fromkeys(itertools.chain.from_iterable(group_names))
    names = tuple(distinct)[:_MOST_NAMED]
    numbers = {name: number for number, name in enumerate(names, 1)}

    for mesh, own_names in zip(meshes, group_names, strict=True):
        # Of each group the number, and 0 for no group
        lookup = np.array([numbers.get(name, 0) for name in own_names] + [0], np.int32)
        _split_materials(mesh, lookup[_heaviest_groups(mesh)], stack)

    return names


def _heaviest_groups(obj: bpy.types.Object) -> NDArray[np.int32]:
    """Return the vertex group with the greatest weight on each face of a mesh object.

    Weights of the corners add up: the corners of a face at the seam of two groups are often in
    both, but all of them in one only.

    Returns:
        (F,) index of the group; -1 for none. Of equal ones the first.
    """
    mesh = obj.data
    weights: dict[int, NDArray[np.float32]] = {}
    for vertex in mesh.vertices:
        for entry in vertex.groups:
            if entry.group not in weights:
                weights[entry.group] = np.zeros(len(mesh.vertices), np.float32)
            weights[entry.group][vertex.index] = entry.weight

    # Corners follow each other face by face.
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    starts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_start", starts)
    heaviest = np.full(len(starts), -1, np.int32)
    greatest = np.zeros(len(starts), np.float32)

    for group, vertex_weights in sorted(weights.items()):
        sums = np.add.reduceat(vertex_weights[corners], starts)
        is_heavier = sums > greatest
        heaviest[is_heavier] = group
        greatest[is_heavier] = sums[is_heavier]

    return heaviest


def _split_materials(
    obj: bpy.types.Object, part_numbers: NDArray[np.int32], stack: ExitStack
) -> None:
    """Give the faces of each part materials of their own, which look as before.

    Args:
        obj: A mesh object that may be changed.
        part_numbers: (F,) of its faces.
        stack: The materials are removed when this is closed.
    """
    mesh = obj.data
    if not len(mesh.polygons):
        return
    slots = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    old_materials = list(mesh.materials) or [None]
    slots = slots.clip(0, len(old_materials) - 1)  # as the renderer does

    # A material for each pair of a slot and a part
    pairs, pair_of_face = np.unique(
        np.stack((slots, part_numbers), axis=1), axis=0, return_inverse=True
    )
    mesh.materials.clear()
    for slot, number in pairs.tolist():
        old = old_materials[slot]
        material = old.copy() if old else _new_default_material()
        stack.callback(bpy.data.materials.remove, material)
        material.pass_index = number
        mesh.materials.append(material)

    mesh.polygons.foreach_set("material_index", pair_of_face.ravel().astype(np.int32))
    mesh.update()


def _new_default_material() -> bpy.types.Material:
    """Return a new material that looks as a surface without one does in Cycles."""
    material = bpy.data.materials.new("Maquette Part")
    compat.use_nodes(material)
    nodes = material.node_tree.nodes
    nodes.clear()
    output = nodes.new('ShaderNodeOutputMaterial')
    shader = nodes.new('ShaderNodeBsdfDiffuse')
    gray = (_DEFAULT_GRAY, _DEFAULT_GRAY, _DEFAULT_GRAY, 1)
    shader.inputs["Color"].default_value = gray
    material.node_tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])

    return material


def face_parts_of(labels: Sequence[str], face_counts: Sequence[int]) -> FaceParts:
    """Return the parts of a mesh that consists of solids one after the other.

    Args:
        labels: Of the solids; those of one label are one part.
        face_counts: Of the solids.
    """
    names = tuple(dict.fromkeys(labels))[:_MOST_NAMED]
    numbers: Mapping[str, int] = {name: number for number, name in enumerate(names, 1)}
    of_solids = np.array([numbers.get(label, 0) for label in labels], np.int32)
    return FaceParts(names, np.repeat(of_solids, face_counts))
