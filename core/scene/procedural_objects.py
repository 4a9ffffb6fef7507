"""Procedural objects as Blender's objects."""

from __future__ import annotations

import bpy
import numpy as np

from ..imaging import color as color_space
from ..procedural.parts import Part, ProceduralObject
from . import compat, meshes

_MaterialKey = tuple[tuple[float, float, float], float, float]  # color, roughness, metallic


def add_object(collection: bpy.types.Collection, obj: ProceduralObject) -> bpy.types.Object:
    """Return a new mesh object in ``collection``, with a material for each distinct finish.

    Its category is in the custom property ``maquette_family``.

    Args:
        collection: The object is linked to it.
        obj: What to add.
    """
    mesh = bpy.data.meshes.new(obj.name)
    fill_mesh(mesh, obj.parts)
    _set_materials(mesh, obj.parts)
    mesh.update(calc_edges=True)
    mesh.shade_flat()

    blender_object = bpy.data.objects.new(obj.name, mesh)
    blender_object["maquette_family"] = obj.family
    collection.objects.link(blender_object)
    return blender_object


def fill_mesh(mesh: bpy.types.Mesh, parts: tuple[Part, ...]) -> None:
    """Set the vertices and triangles of the empty ``mesh`` to those of all parts."""
    vertices, faces = meshes.join_triangles(
        [part.mesh.vertices for part in parts], [part.mesh.faces for part in parts]
    )

    # Vertices, corners, then the first corner of each triangle.
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", vertices.ravel())
    mesh.loops.add(3 * len(faces))
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    starts = np.arange(0, 3 * len(faces), 3, dtype=np.int32)
    mesh.polygons.foreach_set("loop_start", starts)


def _set_materials(mesh: bpy.types.Mesh, parts: tuple[Part, ...]) -> None:
    """Add a material for each distinct finish of the parts, and assign it to their faces."""
    # In order of first use, named after the first part that has it.
    part_keys = [_material_key(part) for part in parts]
    keys = list(dict.fromkeys(part_keys))
    for key in keys:
        first = parts[part_keys.index(key)]
        mesh.materials.append(new_material(first))

    # The slot of each face is that of its part.
    slots = [keys.index(key) for key in part_keys]
    face_counts = [len(part.mesh.faces) for part in parts]
    face_slots = np.repeat(slots, face_counts).astype(np.int32)
    mesh.polygons.foreach_set("material_index", face_slots)


def _material_key(part: Part) -> _MaterialKey:
    """Return what parts of one material have in common."""
    return (part.color, part.roughness, part.metallic)


def new_material(part: Part) -> bpy.types.Material:
    """Return a new material with the color and finish of ``part``, named after it."""
    material = bpy.data.materials.new(part.label)
    compat.use_nodes(material)
    set_look(material, part)
    return material


def set_look(material: bpy.types.Material, part: Part) -> None:
    """Set the color and finish of ``material``, which has a Principled shader, to those of a part.

    They are the same in renders and in Solid view.
    """
    nodes = material.node_tree.nodes
    shader = next(node for node in nodes if node.type == 'BSDF_PRINCIPLED')
    linear = color_space.to_linear(np.array(part.color)).tolist()
    shader.inputs["Base Color"].default_value = (*linear, 1)
    shader.inputs["Roughness"].default_value = part.roughness
    shader.inputs["Metallic"].default_value = part.metallic
    material.diffuse_color = (*linear, 1)
