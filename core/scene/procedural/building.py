"""Build a procedural object from its recipe, and build it anew in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import bpy
import numpy as np

from ...errors import MeshError
from ...procedural.parts import Part, ProceduralObject
from ...procedural.recipes import Recipe, make
from .. import materials
from ..procedural_objects import fill_mesh, set_look
from . import generated_materials, hand_edits, storage

_SlotKey = tuple[str, int]  # label of a part, and which finish of that label


def new_object(collection: bpy.types.Collection, recipe: Recipe) -> bpy.types.Object:
    """Return a new procedural object in ``collection``, which remembers its recipe.

    With the parts "GROUPS" it is one mesh with a vertex group for each label of a part, and a
    material slot for each label and finish. With "OBJECTS" it is an empty above a mesh object a
    part.

    Args:
        collection: The objects are linked to it.
        recipe: What to build.

    Raises:
        MeshError: There is no such family.
    """
    made = make(recipe)
    data = None
    if recipe.parts == "GROUPS":
        data = bpy.data.meshes.new(made.name)
    root = bpy.data.objects.new(made.name, data)
    collection.objects.link(root)
    _build(root, made, {})
    storage.store_recipe(root, recipe)

    return root


def rebuild(root: bpy.types.Object, recipe: Recipe, discard_edits: bool = False) -> None:
    """Build a procedural object anew from another recipe; its transform and modifiers stay.

    Materials that the user changed or replaced stay, too, as long as their part is there.

    Args:
        root: Holds its present recipe.
        recipe: What to build.
        discard_edits: Also where a mesh was edited by hand, which is lost.

    Raises:
        MeshError: It cannot be edited, is not in Object Mode, or was edited by hand.
    """
    before = make(storage.read_recipe(root))
    _require_editable(root)
    if not discard_edits and has_hand_edits(root):
        raise MeshError(
            f"{root.name!r} was edited by hand, which would be lost. Discard the edits to change "
            "its parameters"
        )

    made = make(recipe)
    _build(root, made, _split_parts(root, before))
    storage.store_recipe(root, recipe)


def set_part_colors(
    root: bpy.types.Object, colors: Mapping[str, tuple[float, float, float]]
) -> None:
    """Give the materials of a procedural object, as it was built, other colors.

    They are no longer as they were generated, so that they stay when parameters are changed.

    Args:
        root: Holds the recipe.
        colors: sRGB in 0..1 by the label of a part; other parts keep theirs.
    """
    made = make(storage.read_recipe(root))
    split = _split_parts(root, made)
    for obj in storage.part_objects(root):
        parts = split[obj.get(storage.PART, "")]
        part_keys = _part_keys(parts)
        for slot, key in enumerate(_slot_keys(parts)):
            part = parts[part_keys.index(key)]
            if part.label in colors:
                look = replace(part, color=colors[part.label], metallic=0.0)
                set_look(obj.data.materials[slot], look)


def has_hand_edits(root: bpy.types.Object) -> bool:
    """Return whether a procedural object was edited by hand since it was built."""
    try:
        made = make(storage.read_recipe(root))
    except MeshError:
        return False
    return hand_edits.is_edited(root, _split_parts(root, made))


def _require_editable(root: bpy.types.Object) -> None:
    """Raise MeshError if a mesh of ``root`` cannot be replaced now."""
    for obj in (root, *storage.part_objects(root)):
        is_editable = obj.is_editable and (obj.data is None or obj.data.is_editable)
        if not is_editable:
            raise MeshError(f"{obj.name!r} is linked from another file. Make it local first")
        if obj.mode != 'OBJECT':
            raise MeshError(f"{obj.name!r} is in another mode. Switch to Object Mode first")


def _split_parts(root: bpy.types.Object, made: ProceduralObject) -> dict[str, tuple[Part, ...]]:
    """Return the parts of each mesh object, by the name that the object remembers."""
    if root.type == 'MESH':
        return {"": made.parts}
    counts: Counter[str] = Counter()
    split = {}

    for part in made.parts:
        key = f"{part.label}#{counts[part.label]}"
        counts[part.label] += 1
        split[key] = (part,)

    return split


def _build(
    root: bpy.types.Object, made: ProceduralObject, before: dict[str, tuple[Part, ...]]
) -> None:
    """Write the meshes of an object, and add and remove those of its parts.

    Args:
        root: The mesh object, or the empty above those of the parts.
        made: What to build.
        before: The parts that each mesh object was built from.
    """
    split = _split_parts(root, made)
    if root.type == 'MESH':
        _write_parts(root, split[""], before.get("", ()))
        return

    objects = {obj[storage.PART]: obj for obj in storage.part_objects(root)}
    for key, parts in split.items():
        obj = objects.pop(key, None) or _new_part_object(root, key, parts[0].label)
        _write_parts(obj, parts, before.get(key, ()))
    for obj in objects.values():
        _remove_object(obj)


def _new_part_object(root: bpy.types.Object, key: str, label: str) -> bpy.types.Object:
    """Return a new empty mesh object below ``root``, in the same collections."""
    obj = bpy.data.objects.new(label, bpy.data.meshes.new(label))
    obj[storage.PART] = key
    obj.parent = root
    for collection in root.users_collection:
        collection.objects.link(obj)
    return obj


def _remove_object(obj: bpy.types.Object) -> None:
    """Remove the object of a part that is no more, and its mesh and materials."""
    mesh = obj.data
    unused = generated_materials.unchanged(mesh.materials)
    bpy.data.objects.remove(obj)
    if not mesh.users:
        bpy.data.meshes.remove(mesh)
    materials.remove_unused(unused)


def _write_parts(obj: bpy.types.Object, parts: Sequence[Part], before: Sequence[Part]) -> None:
    """Replace the mesh of ``obj`` by that of ``parts``.

    Args:
        obj: A mesh object.
        parts: What it becomes.
        before: What it was built from; empty for a new object.
    """
    # Other objects with the same mesh stay as they are.
    if obj.data.users > 1:
        obj.data = obj.data.copy()
    mesh = obj.data
    if mesh.shape_keys:
        obj.shape_key_clear()
    is_smooth = _is_smooth(mesh)
    old_materials = dict(zip(_slot_keys(before), mesh.materials, strict=False))
    old_generated = generated_materials.unchanged(mesh.materials)

    mesh.clear_geometry()
    mesh.materials.clear()
    fill_mesh(mesh, tuple(parts))
    _set_materials(mesh, parts, old_materials)
    mesh.update(calc_edges=True)

    if is_smooth:
        mesh.shade_smooth()
    else:
        mesh.shade_flat()

    _set_groups(obj, parts, {part.label for part in before})
    materials.remove_unused(old_generated)
    hand_edits.store_digest(obj)


def _is_smooth(mesh: bpy.types.Mesh) -> bool:
    """Return whether all faces of a mesh are smooth; not if it has none."""
    smooth = np.zeros(len(mesh.polygons), bool)
    mesh.polygons.foreach_get("use_smooth", smooth)
    return bool(len(smooth) and smooth.all())


def _part_keys(parts: Sequence[Part]) -> list[_SlotKey]:
    """Return the key of the slot of each part: its label, and which finish of that label."""
    finishes: dict[str, list[generated_materials.Look]] = {}
    keys = []
    for part in parts:
        looks = finishes.setdefault(part.label, [])
        look = generated_materials.look_of(part)
        if look not in looks:
            looks.append(look)
        keys.append((part.label, looks.index(look)))

    return keys


def _slot_keys(parts: Sequence[Part]) -> list[_SlotKey]:
    """Return the keys of the slots in their order, that of first use."""
    return list(dict.fromkeys(_part_keys(parts)))


def _set_materials(
    mesh: bpy.types.Mesh,
    parts: Sequence[Part],
    old: dict[_SlotKey, bpy.types.Material | None],
) -> None:
    """Give each label and finish of the parts a slot, and assign it to their faces.

    Args:
        mesh: Its faces are those of all parts, in their order.
        parts: What it was built from.
        old: The materials that it had, by slot; None for a slot that the user emptied.
    """
    part_keys = _part_keys(parts)
    slot_keys = list(dict.fromkeys(part_keys))
    for key in slot_keys:
        part = parts[part_keys.index(key)]
        if key in old:
            material = generated_materials.adjusted(old[key], part)
        else:
            material = generated_materials.new_marked(part)
        mesh.materials.append(material)

    slots = [slot_keys.index(key) for key in part_keys]
    face_counts = [len(part.mesh.faces) for part in parts]
    face_slots = np.repeat(slots, face_counts).astype(np.int32)
    mesh.polygons.foreach_set("material_index", face_slots)


def _set_groups(obj: bpy.types.Object, parts: Sequence[Part], old_labels: set[str]) -> None:
    """Give each label of the parts a vertex group, and remove those of labels that are no more."""
    vertices: dict[str, list[int]] = {}
    first = 0
    for part in parts:
        count = len(part.mesh.vertices)
        vertices.setdefault(part.label, []).extend(range(first, first + count))
        first += count

    for label in old_labels - vertices.keys():
        group = obj.vertex_groups.get(label)
        if group:
            obj.vertex_groups.remove(group)

    for label, indices in vertices.items():
        group = obj.vertex_groups.get(label) or obj.vertex_groups.new(name=label)
        group.add(indices, 1.0, 'REPLACE')
