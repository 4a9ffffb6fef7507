"""Procedural objects as Blender's objects."""

from __future__ import annotations

import bpy
import numpy as np

from ..imaging import color as color_space
from ..procedural import Part, ProceduralObject
from . import compat


def add_object(collection: bpy.types.Collection, thing: ProceduralObject) -> bpy.types.Object:
    """One mesh object of ``thing`` in ``collection``, with a material for each look; its custom property
    ``maquette_family`` tells what it is.
    """
    mesh = bpy.data.meshes.new(thing.name)
    counts = [len(part.mesh.vertices) for part in thing.parts]
    offsets = np.cumsum([0, *counts[:-1]])
    vertices = np.concatenate([part.mesh.vertices for part in thing.parts])
    faces = np.concatenate(
        [part.mesh.faces + offset for part, offset in zip(thing.parts, offsets, strict=True)]
    )
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", vertices.ravel())
    mesh.loops.add(3 * len(faces))
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * len(faces), 3, dtype=np.int32))
    looks = list(dict.fromkeys((part.color, part.roughness, part.metallic) for part in thing.parts))
    for look in looks:
        mesh.materials.append(_part_material(thing.parts, look))
    slots = [looks.index((part.color, part.roughness, part.metallic)) for part in thing.parts]
    mesh.polygons.foreach_set(
        "material_index",
        np.repeat(slots, [len(part.mesh.faces) for part in thing.parts]).astype(np.int32),
    )
    mesh.update(calc_edges=True)
    mesh.shade_flat()
    obj = bpy.data.objects.new(thing.name, mesh)
    obj["maquette_family"] = thing.family
    collection.objects.link(obj)
    return obj


def _part_material(
    parts: tuple[Part, ...], look: tuple[tuple[float, float, float], float, float]
) -> bpy.types.Material:
    color, roughness, metallic = look
    label = next(
        part.label for part in parts if (part.color, part.roughness, part.metallic) == look
    )
    material = bpy.data.materials.new(label)
    compat.use_nodes(material)
    shader = next(node for node in material.node_tree.nodes if node.type == 'BSDF_PRINCIPLED')
    linear = color_space.to_linear(np.array(color)).tolist()
    shader.inputs["Base Color"].default_value = (*linear, 1)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    material.diffuse_color = (*linear, 1)
    return material
