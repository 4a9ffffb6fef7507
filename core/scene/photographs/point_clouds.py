"""Clouds of points in the scene: loose vertices with attributes, shown as small cubes.

Blender's own point clouds are white in Solid view, whatever their colors.
"""

from __future__ import annotations

from itertools import pairwise

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import materials
from ..meshes import COLOR

NORMAL = "point_normal"  # "normal" is reserved by Blender
_MODIFIER = "Points"
_SIDE = "Side"  # name of the node that holds the side of the cubes, meters


def new_cloud(
    name: str, points: NDArray[np.floating], colors: NDArray[np.floating], radius: float
) -> bpy.types.Object:
    """Return an object of loose vertices that a modifier shows as small cubes; linked nowhere.

    Args:
        name: Of the object and its mesh.
        points: (P, 3) in the object's space, meters.
        colors: (P, 3) sRGB in 0..1.
        radius: Half the side of the cubes, meters.
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
    modifier.node_group = _cube_nodes(radius)
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
    """Scale the cubes that ``obj`` is shown as, if it is one of :func:`new_cloud`."""
    modifier = obj.modifiers.get(_MODIFIER)
    if modifier is None or modifier.type != 'NODES' or modifier.node_group is None:
        return
    side = modifier.node_group.nodes.get(_SIDE)
    if side:
        side.outputs[0].default_value *= factor


def _cube_nodes(radius: float) -> bpy.types.NodeTree:
    """Return geometry nodes that make a cube of each vertex, with the vertex's attributes.

    Vertices are extruded to edges, these to squares, and these to cubes: so the mesh stays the
    same one, and Solid view still knows its color attribute.
    """
    tree = bpy.data.node_groups.new(_MODIFIER, 'GeometryNodeTree')
    tree.interface.new_socket("Geometry", in_out='INPUT', socket_type='NodeSocketGeometry')
    tree.interface.new_socket("Geometry", in_out='OUTPUT', socket_type='NodeSocketGeometry')
    nodes = tree.nodes
    side = nodes.new('ShaderNodeValue')
    side.name = _SIDE
    side.outputs[0].default_value = 2 * radius

    # The vertex becomes the middle of its cube.
    to_corner = nodes.new('ShaderNodeVectorMath')
    to_corner.operation = 'SCALE'
    to_corner.inputs[0].default_value = (-0.5, -0.5, -0.5)
    tree.links.new(side.outputs[0], to_corner.inputs["Scale"])
    shift = nodes.new('GeometryNodeSetPosition')
    tree.links.new(to_corner.outputs[0], shift.inputs["Offset"])
    chain = [nodes.new('NodeGroupInput'), shift]

    for axis, mode in enumerate(('VERTICES', 'EDGES', 'FACES')):
        extrude = nodes.new('GeometryNodeExtrudeMesh')
        extrude.mode = mode
        direction = nodes.new('FunctionNodeInputVector')  # without a link it is the normal
        direction.vector = [float(other == axis) for other in range(3)]
        tree.links.new(direction.outputs[0], extrude.inputs["Offset"])
        tree.links.new(side.outputs[0], extrude.inputs["Offset Scale"])
        chain.append(extrude)

    chain.append(nodes.new('NodeGroupOutput'))
    for place, node in enumerate(chain):
        node.location = (200 * place, 0)
    for first, second in pairwise(chain):
        tree.links.new(first.outputs[0], second.inputs[0])
    return tree
