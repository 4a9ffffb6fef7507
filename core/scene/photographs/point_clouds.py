"""Clouds of points in the scene: loose vertices with attributes, shown as round points."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import materials
from ..meshes import COLOR

NORMAL = "point_normal"  # "normal" is reserved by Blender
_MODIFIER = "Points"


def new_cloud(
    name: str, points: NDArray[np.floating], colors: NDArray[np.floating], radius: float
) -> bpy.types.Object:
    """Return an object of loose vertices that a modifier shows as round points; linked nowhere.

    Args:
        name: Of the object and its mesh.
        points: (P, 3) in the object's space, meters.
        colors: (P, 3) sRGB in 0..1.
        radius: Of the points, meters.
    """
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(points))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(points, np.float32).ravel())

    rgba = np.ones((len(points), 4), np.float32)
    rgba[:, :3] = colors
    color = mesh.color_attributes.new(COLOR, 'BYTE_COLOR', 'POINT')
    color.data.foreach_set("color_srgb", rgba.ravel())
    mesh.color_attributes.active_color = color
    mean = np.full(3, 0.5)
    if len(colors):
        mean = colors.mean(axis=0)
    mesh.materials.append(materials.showing_attribute(name, COLOR, mean))
    mesh.update()

    obj = bpy.data.objects.new(name, mesh)
    modifier = obj.modifiers.new(_MODIFIER, 'NODES')
    modifier.node_group = _points_nodes(radius, mesh.materials[0])
    return obj


def set_values(mesh: bpy.types.Mesh, name: str, values: NDArray[np.generic]) -> None:
    """Give each vertex a number: an attribute of integers or floats, as ``values`` (V,) are."""
    if np.issubdtype(values.dtype, np.integer):
        attribute = mesh.attributes.new(name, 'INT', 'POINT')
        attribute.data.foreach_set("value", values.astype(np.int32))
    else:
        attribute = mesh.attributes.new(name, 'FLOAT', 'POINT')
        attribute.data.foreach_set("value", values.astype(np.float32))


def set_normals(mesh: bpy.types.Mesh, normals: NDArray[np.floating]) -> None:
    """Give each vertex a normal (V, 3): the attribute ``NORMAL``."""
    attribute = mesh.attributes.new(NORMAL, 'FLOAT_VECTOR', 'POINT')
    attribute.data.foreach_set("vector", np.ascontiguousarray(normals, np.float32).ravel())


def scale_radius(obj: bpy.types.Object, factor: float) -> None:
    """Scale the radius of the points of ``obj``, if it is one of :func:`new_cloud`."""
    modifier = obj.modifiers.get(_MODIFIER)
    if modifier is None or modifier.type != 'NODES' or modifier.node_group is None:
        return
    for node in modifier.node_group.nodes:
        if node.bl_idname == 'GeometryNodeMeshToPoints':
            node.inputs["Radius"].default_value *= factor


def _points_nodes(radius: float, material: bpy.types.Material) -> bpy.types.NodeTree:
    """Return geometry nodes that make a point of each vertex; the vertices' attributes stay."""
    tree = bpy.data.node_groups.new(_MODIFIER, 'GeometryNodeTree')
    tree.interface.new_socket("Geometry", in_out='INPUT', socket_type='NodeSocketGeometry')
    tree.interface.new_socket("Geometry", in_out='OUTPUT', socket_type='NodeSocketGeometry')
    given = tree.nodes.new('NodeGroupInput')
    points = tree.nodes.new('GeometryNodeMeshToPoints')
    points.inputs["Radius"].default_value = radius
    shown = tree.nodes.new('GeometryNodeSetMaterial')
    shown.inputs["Material"].default_value = material
    result = tree.nodes.new('NodeGroupOutput')
    for place, node in enumerate((given, points, shown, result)):
        node.location = (200 * place, 0)
    tree.links.new(given.outputs[0], points.inputs[0])
    tree.links.new(points.outputs[0], shown.inputs[0])
    tree.links.new(shown.outputs[0], result.inputs[0])
    return tree
