"""Mesh arrays into Blender's mesh objects. The other way round is ``importing.world_triangles``."""

from __future__ import annotations

import bpy
import numpy as np

from ..arrays import MeshArrays
from . import materials

COLOUR = "Color"  # the name that Blender itself gives to a first colour attribute


def new_object(name: str, arrays: MeshArrays) -> bpy.types.Object:
    """A smooth mesh object, linked nowhere yet; with colours, it has a point colour attribute and a material."""
    mesh = bpy.data.meshes.new(name)
    _fill(mesh, arrays)
    if arrays.colours is not None:
        _colour(mesh, arrays.colours)
        mesh.materials.append(materials.showing_attribute(name, COLOUR, arrays.colours.mean(axis=0)))
    return bpy.data.objects.new(name, mesh)


def _fill(mesh: bpy.types.Mesh, arrays: MeshArrays) -> None:
    count, corners = arrays.faces.shape
    mesh.vertices.add(len(arrays.vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(arrays.vertices, np.float32).ravel())
    mesh.loops.add(count * corners)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(arrays.faces, np.int32).ravel())
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, count * corners, corners, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(count, bool))
    mesh.update(calc_edges=True)
    mesh.validate()


def _colour(mesh: bpy.types.Mesh, colours: np.ndarray) -> None:
    """Bytes, since a photograph has no more, and ``color_srgb``, since ``color`` would be taken for linear light."""
    attribute = mesh.color_attributes.new(COLOUR, 'BYTE_COLOR', 'POINT')
    rgba = np.ones((len(colours), 4), np.float32)
    rgba[:, :3] = colours.clip(0, 1)
    attribute.data.foreach_set("color_srgb", rgba.ravel())
    mesh.color_attributes.active_color = attribute
    mesh.color_attributes.render_color_index = mesh.color_attributes.find(COLOUR)
