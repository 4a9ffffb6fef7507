"""Mesh arrays into Blender's mesh objects. The other way round is ``importing.world_triangles``."""

from __future__ import annotations

import bpy
import numpy as np

from ..arrays import MeshArrays
from . import materials

COLOUR = "Color"  # the name that Blender itself gives to a first colour attribute
CONFIDENCE = "Confidence"  # how likely the true surface is near, 0 to 1
HEAT = "Confidence Colors"
_SCALE = np.array(((0.70, 0.09, 0.17), (0.96, 0.65, 0.51), (0.97, 0.97, 0.97), (0.57, 0.77, 0.87), (0.13, 0.40, 0.67)))


def new_object(name: str, arrays: MeshArrays) -> bpy.types.Object:
    """A smooth mesh object, linked nowhere yet; with colours, it has a point colour attribute and a material."""
    mesh = bpy.data.meshes.new(name)
    _fill(mesh, arrays)
    if arrays.confidence is not None:
        sure = mesh.attributes.new(CONFIDENCE, 'FLOAT', 'POINT')
        sure.data.foreach_set("value", np.ascontiguousarray(arrays.confidence, np.float32))
    if arrays.colours is not None:
        _colour(mesh, COLOUR, arrays.colours)
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


def show_heat(mesh: bpy.types.Mesh) -> None:
    """Make a colour attribute of the confidence the one that is shown: red is a guess, blue is sure."""
    sure = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[CONFIDENCE].data.foreach_get("value", sure)
    hide_heat(mesh)
    steps = np.linspace(0, 1, len(_SCALE))
    _colour(mesh, HEAT, np.stack([np.interp(sure, steps, channel) for channel in _SCALE.T], axis=1), rendered=False)


def hide_heat(mesh: bpy.types.Mesh) -> None:
    """Take the colours of the confidence away, and show the mesh's own again."""
    if heat := mesh.color_attributes.get(HEAT):
        mesh.color_attributes.remove(heat)
    if own := mesh.color_attributes.get(COLOUR):
        mesh.color_attributes.active_color = own


def _colour(mesh: bpy.types.Mesh, name: str, colours: np.ndarray, rendered: bool = True) -> None:
    """Bytes, since a photograph has no more, and ``color_srgb``, since ``color`` would be taken for linear light."""
    attribute = mesh.color_attributes.new(name, 'BYTE_COLOR', 'POINT')
    rgba = np.ones((len(colours), 4), np.float32)
    rgba[:, :3] = colours.clip(0, 1)
    attribute.data.foreach_set("color_srgb", rgba.ravel())
    mesh.color_attributes.active_color = attribute
    if rendered:
        mesh.color_attributes.render_color_index = mesh.color_attributes.find(name)
