"""Mesh arrays to Blender's meshes, and back from one mesh.

From several objects: ``importing.world_triangles``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..imaging import color as color_space
from . import materials

COLOR = "Color"  # the name that Blender gives to the first color attribute of a mesh
CONFIDENCE = "Confidence"  # how likely the true surface is near, 0 to 1
HEAT = "Confidence Colors"
# sRGB from red through white to blue: ColorBrewer's RdBu
_SCALE = np.array(
    (
        (0.70, 0.09, 0.17),
        (0.96, 0.65, 0.51),
        (0.97, 0.97, 0.97),
        (0.57, 0.77, 0.87),
        (0.13, 0.40, 0.67),
    )
)


@dataclass(frozen=True)
class ConfidenceScale:
    """Which confidence has which color.

    Attributes:
        anchors: Confidence that is shown red, white and blue, 0..1, ascending.
        legend: What the colors mean, one line each.
    """

    anchors: tuple[float, float, float]
    legend: tuple[str, ...]


# Of several images the confidence is anything from 0 to 1. From one image the depth is a guess:
# most of it lies between 0.25 and 0.6, over which the typical error of vertices falls from 5 % to
# 1.5 % of the size (48 held-out objects; docs/experiments.md).
SEVERAL_IMAGES = ConfidenceScale((0.0, 0.5, 1.0), ("Blue: within 2% of its size", "Red: guessed"))
SINGLE_IMAGE = ConfidenceScale(
    (0.25, 0.36, 0.6),
    ("Blue: typically 1.5% of its size off", "White: 3%", "Red: 5% or more"),
)


def new_object(name: str, arrays: MeshArrays) -> bpy.types.Object:
    """Return a new smooth mesh object that is linked nowhere yet.

    Args:
        name: Of the object, its mesh and its material.
        arrays: With colors, the mesh has a point color attribute and a material that shows it.
    """
    mesh = bpy.data.meshes.new(name)
    _fill_mesh(mesh, arrays)

    if arrays.confidence is not None:
        attribute = mesh.attributes.new(CONFIDENCE, 'FLOAT', 'POINT')
        confidence = np.ascontiguousarray(arrays.confidence, np.float32)
        attribute.data.foreach_set("value", confidence)

    if arrays.colors is not None:
        _set_color_attribute(mesh, COLOR, arrays.colors)
        mean = arrays.colors.mean(axis=0)
        mesh.materials.append(materials.showing_attribute(name, COLOR, mean))

    return bpy.data.objects.new(name, mesh)


def replace_mesh(obj: bpy.types.Object, arrays: MeshArrays) -> None:
    """Give ``obj`` a new mesh and material; remove the old ones if nothing else uses them."""
    new = new_object(obj.name, arrays)
    old_mesh = obj.data
    old_name = obj.data.name
    old_materials = list(obj.data.materials)

    # Only the new mesh is needed, not its object.
    obj.data = new.data
    bpy.data.objects.remove(new)
    if not old_mesh.users:
        bpy.data.meshes.remove(old_mesh)
        obj.data.name = old_name

    # The old materials first, so that their names are free.
    materials.remove_unused(old_materials)
    for material in obj.data.materials:
        material.name = obj.name


def to_arrays(mesh: bpy.types.Mesh) -> MeshArrays:
    """Return ``mesh`` in its local space, with its colors and confidence.

    The faces are quads if all polygons are quads, else triangles. The colors are those of the
    COLOR attribute or the active one, else the viewport colors of the materials.
    """
    vertices = read_vertices(mesh)
    corner_counts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", corner_counts)

    # Arrays of faces need one number of corners for all of them.
    is_uniform = len(corner_counts) and (corner_counts == corner_counts[0]).all()
    if is_uniform and corner_counts[0] in (3, 4):
        faces = read_corners(mesh).reshape(-1, corner_counts[0])
    else:
        faces = read_triangles(mesh)

    return MeshArrays(vertices, faces, _vertex_colors(mesh), confidence_of(mesh))


def read_vertices(mesh: bpy.types.Mesh) -> NDArray[np.float32]:
    """Return the vertices (V, 3) float32 of ``mesh`` in its local space."""
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", vertices)
    return vertices.reshape(-1, 3)


def read_triangles(mesh: bpy.types.Mesh) -> NDArray[np.int32]:
    """Return the triangles (F, 3) int32 that Blender cuts the polygons of ``mesh`` into."""
    mesh.calc_loop_triangles()
    triangles = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    return triangles.reshape(-1, 3)


def triangle_materials(mesh: bpy.types.Mesh) -> NDArray[np.int32]:
    """Return the material slot (F,) int32 of each triangle of :func:`read_triangles`."""
    mesh.calc_loop_triangles()
    slots = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("material_index", slots)
    return slots


def join_triangles(
    vertices: Sequence[NDArray[np.floating]], triangles: Sequence[NDArray[np.integer]]
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """Join meshes into one.

    Args:
        vertices: (V, 3) of each mesh.
        triangles: (F, 3) of each mesh, indices into its vertices.

    Returns:
        The vertices and triangles of all, in the order of the meshes.
    """
    # Indices of each mesh start after the vertices of those before it.
    counts = [len(part) for part in vertices]
    offsets = np.cumsum([0, *counts[:-1]])
    shifted = [part + offset for part, offset in zip(triangles, offsets, strict=True)]
    return np.concatenate(vertices), np.concatenate(shifted)


def has_confidence(mesh: bpy.types.Mesh) -> bool:
    """Return whether ``mesh`` has a confidence; cheap, as panels call it at each redraw.

    Also right in Edit Mode, where attributes have no values.
    """
    attribute = mesh.attributes.get(CONFIDENCE)
    if attribute is None:
        return False
    return attribute.data_type == 'FLOAT' and attribute.domain == 'POINT'


def confidence_of(mesh: bpy.types.Mesh) -> NDArray[np.float32] | None:
    """Return the confidence (V,) of ``mesh``, 0..1; None if it has none."""
    if not has_confidence(mesh):
        return None
    confidence = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[CONFIDENCE].data.foreach_get("value", confidence)
    return confidence.clip(0, 1)


def show_vertex_colors(mesh: bpy.types.Mesh) -> None:
    """Let the materials of ``mesh`` show its color attribute, if it has one.

    A mesh without a material gets one. Materials with a texture stay as they are.
    """
    attributes = mesh.color_attributes
    if not len(attributes):
        return
    attribute = attributes.active_color or attributes[0]

    if not any(mesh.materials):
        colors = _attribute_colors(mesh, attribute)
        mean = colors.mean(axis=0) if len(colors) else np.zeros(3)
        material = materials.showing_attribute(mesh.name, attribute.name, mean)
        mesh.materials.clear()
        mesh.materials.append(material)
        return

    # Other meshes with the same material may have no colors.
    for slot, material in enumerate(mesh.materials):
        if material:
            mesh.materials[slot] = material.copy()
            materials.show_attribute(mesh.materials[slot], attribute.name)


def show_confidence_colors(mesh: bpy.types.Mesh, scale: ConfidenceScale = SEVERAL_IMAGES) -> None:
    """Show a color attribute of the confidence: red is a guess, blue is sure.

    Args:
        mesh: Its mesh has a confidence.
        scale: Which confidence has which color.
    """
    confidence = confidence_of(mesh)
    hide_confidence_colors(mesh)

    # Interpolate each channel of the color scale.
    place = np.interp(confidence, scale.anchors, (0, 0.5, 1))
    steps = np.linspace(0, 1, len(_SCALE))
    channels = [np.interp(place, steps, channel) for channel in _SCALE.T]
    _set_color_attribute(mesh, HEAT, np.stack(channels, axis=1), rendered=False)


def hide_confidence_colors(mesh: bpy.types.Mesh) -> None:
    """Remove the colors of the confidence, and show the colors of the mesh again."""
    attributes = mesh.color_attributes
    heat = attributes.get(HEAT)
    if heat:
        attributes.remove(heat)

    color = attributes.get(COLOR)
    if color:
        attributes.active_color = color


def _vertex_colors(mesh: bpy.types.Mesh) -> NDArray[np.float32] | None:
    """Return sRGB (V, 3) of a color attribute, else of the materials; None without either."""
    attribute = mesh.color_attributes.get(COLOR) or mesh.color_attributes.active_color
    if attribute and attribute.name != HEAT:
        return _attribute_colors(mesh, attribute)
    return _material_colors(mesh)


def _attribute_colors(mesh: bpy.types.Mesh, attribute: bpy.types.Attribute) -> NDArray[np.float32]:
    """Return sRGB (V, 3) of a color attribute of points or corners."""
    rgba = np.empty(4 * len(attribute.data), np.float32)
    attribute.data.foreach_get("color_srgb", rgba)

    # Three channels; a color attribute of points needs no averaging.
    colors = rgba.reshape(-1, 4)[:, :3].clip(0, 1)
    if attribute.domain == 'POINT':
        return colors
    return _mean_per_vertex(colors, read_corners(mesh), len(mesh.vertices))


def _material_colors(mesh: bpy.types.Mesh) -> NDArray[np.float32] | None:
    """Return sRGB (V, 3) of the materials' viewport colors; None if a slot is empty."""
    slot_colors = [slot.diffuse_color[:3] for slot in mesh.materials if slot]
    if not slot_colors or len(slot_colors) < len(mesh.materials):
        return None

    slots = np.empty(len(mesh.polygons), np.int32)
    corner_counts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    mesh.polygons.foreach_get("loop_total", corner_counts)

    # Each face has its slot's color, and each vertex the mean of its corners.
    srgb = color_space.from_linear(np.array(slot_colors))
    face_colors = srgb[slots.clip(0, len(slot_colors) - 1)]
    corner_colors = face_colors.repeat(corner_counts, 0)
    return _mean_per_vertex(corner_colors, read_corners(mesh), len(mesh.vertices))


def read_corners(mesh: bpy.types.Mesh) -> NDArray[np.int32]:
    """Return the vertex (L,) of each corner.

    Read from the attribute, because ``mesh.loops`` is a hundred times slower.
    """
    corners = np.empty(len(mesh.loops), np.int32)
    if len(corners):
        mesh.attributes[".corner_vert"].data.foreach_get("value", corners)
    return corners


def _mean_per_vertex(
    colors: NDArray[np.floating], corner_vertices: NDArray[np.int32], count: int
) -> NDArray[np.float32]:
    """Return the mean color (V, 3) of each vertex's corners.

    Args:
        colors: (L, 3) of the corners.
        corner_vertices: (L,) the vertex of each corner.
        count: Number of vertices.
    """
    # Sums of each channel over the corners of each vertex.
    sums = [np.bincount(corner_vertices, channel, count) for channel in colors.T]
    total = np.stack(sums, axis=1)

    # Vertices without corners stay 0.
    corner_counts = np.bincount(corner_vertices, minlength=count)
    mean = total / np.maximum(corner_counts, 1)[:, None]
    return mean.astype(np.float32)


def _fill_mesh(mesh: bpy.types.Mesh, arrays: MeshArrays) -> None:
    """Set the vertices and faces of the empty ``mesh``.

    By attributes, which are copied in one piece: setting a property of each vertex or corner takes
    100 times as long. Without ``validate``, which closed surfaces do not need and which would take
    as long as all the rest.
    """
    face_count, corners = arrays.faces.shape
    corner_count = face_count * corners

    mesh.vertices.add(len(arrays.vertices))
    vertices = np.ascontiguousarray(arrays.vertices, np.float32)
    mesh.attributes["position"].data.foreach_set("vector", vertices.ravel())

    # Corners: the vertices of all faces one after the other.
    mesh.loops.add(corner_count)
    if face_count:
        faces = np.ascontiguousarray(arrays.faces, np.int32)
        mesh.attributes[".corner_vert"].data.foreach_set("value", faces.ravel())

    # Faces: where the corners of each start.
    mesh.polygons.add(face_count)  # smooth by default
    starts = np.arange(0, corner_count, corners, dtype=np.int32)
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.update(calc_edges=True)


def _set_color_attribute(
    mesh: bpy.types.Mesh, name: str, colors: NDArray[np.floating], rendered: bool = True
) -> None:
    """Add a color attribute and make it the active one.

    As bytes, because a photograph has no more, and by ``color_srgb``, because ``color`` would take
    the values as linear.

    Args:
        mesh: The mesh to change.
        name: Of the attribute.
        colors: (V, 3) sRGB in 0..1.
        rendered: Make it the attribute that renders use, too.
    """
    attribute = mesh.color_attributes.new(name, 'BYTE_COLOR', 'POINT')

    # Opaque, within the range of bytes.
    rgba = np.ones((len(colors), 4), np.float32)
    rgba[:, :3] = colors.clip(0, 1)
    attribute.data.foreach_set("color_srgb", rgba.ravel())

    # The viewport shows the active one; a render may use another.
    mesh.color_attributes.active_color = attribute
    if rendered:
        mesh.color_attributes.render_color_index = mesh.color_attributes.find(name)
