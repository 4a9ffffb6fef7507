"""Mesh arrays into Blender's meshes, and one mesh back; several objects: ``importing.world_triangles``."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..imaging import color as color_space
from . import materials

COLOR = "Color"  # the name that Blender itself gives to a first colour attribute
CONFIDENCE = "Confidence"  # how likely the true surface is near, 0 to 1
HEAT = "Confidence Colors"
_SCALE = np.array(
    (
        (0.70, 0.09, 0.17),
        (0.96, 0.65, 0.51),
        (0.97, 0.97, 0.97),
        (0.57, 0.77, 0.87),
        (0.13, 0.40, 0.67),
    )
)


def new_object(name: str, arrays: MeshArrays) -> bpy.types.Object:
    """A smooth mesh object, linked nowhere yet; with colours, it has a point colour attribute and a material."""
    mesh = bpy.data.meshes.new(name)
    _fill_mesh(mesh, arrays)
    if arrays.confidence is not None:
        sure = mesh.attributes.new(CONFIDENCE, 'FLOAT', 'POINT')
        sure.data.foreach_set("value", np.ascontiguousarray(arrays.confidence, np.float32))
    if arrays.colors is not None:
        _set_color_attribute(mesh, COLOR, arrays.colors)
        mesh.materials.append(materials.showing_attribute(name, COLOR, arrays.colors.mean(axis=0)))
    return bpy.data.objects.new(name, mesh)


def replace_mesh(obj: bpy.types.Object, arrays: MeshArrays) -> None:
    """Give ``obj`` a new mesh and material; what they replace goes, if nothing else uses it."""
    made = new_object(obj.name, arrays)
    old = obj.data
    name = obj.data.name
    looks = list(obj.data.materials)
    obj.data = made.data
    bpy.data.objects.remove(made)
    if not old.users:
        bpy.data.meshes.remove(old)
        obj.data.name = name
    materials.remove_unused(looks)
    for material in obj.data.materials:
        material.name = obj.name


def to_arrays(mesh: bpy.types.Mesh) -> MeshArrays:
    """``mesh`` in its own space: quads if it is all quads, else triangles; with its colours, see :func:`_vertex_colors`,
    and confidence.
    """
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", vertices)
    sides = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", sides)
    if len(sides) and sides[0] in (3, 4) and (sides == sides[0]).all():
        faces = _corner_vertices(mesh).reshape(-1, sides[0])
    else:
        mesh.calc_loop_triangles()
        faces = np.empty(3 * len(mesh.loop_triangles), np.int32)
        mesh.loop_triangles.foreach_get("vertices", faces)
        faces = faces.reshape(-1, 3)
    return MeshArrays(vertices.reshape(-1, 3), faces, _vertex_colors(mesh), confidence_of(mesh))


def has_confidence(mesh: bpy.types.Mesh) -> bool:
    """Asked at each redraw, also in Edit Mode, when attributes have no values."""
    attribute = mesh.attributes.get(CONFIDENCE)
    return attribute is not None and (attribute.data_type, attribute.domain) == ('FLOAT', 'POINT')


def confidence_of(mesh: bpy.types.Mesh) -> NDArray[np.float32] | None:
    """(V,) as in :class:`~..to_arrays.MeshArrays`; None if ``mesh`` has none."""
    if not has_confidence(mesh):
        return None
    sure = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[CONFIDENCE].data.foreach_get("value", sure)
    return sure.clip(0, 1)


def _vertex_colors(mesh: bpy.types.Mesh) -> NDArray[np.float32] | None:
    """(V, 3) sRGB of our colour attribute or the active one, else of the materials' viewport colours; None if there
    is none of these.
    """
    attribute = mesh.color_attributes.get(COLOR) or mesh.color_attributes.active_color
    if attribute and attribute.name == HEAT:
        attribute = None
    if attribute:
        rgba = np.empty(4 * len(attribute.data), np.float32)
        attribute.data.foreach_get("color_srgb", rgba)
        rgba = rgba.reshape(-1, 4)[:, :3].clip(0, 1)
        return (
            rgba
            if attribute.domain == 'POINT'
            else _mean_per_vertex(rgba, _corner_vertices(mesh), len(mesh.vertices))
        )
    slots = [slot.diffuse_color[:3] for slot in mesh.materials if slot]
    if not slots or len(slots) < len(mesh.materials):
        return None
    face, sides = np.empty((2, len(mesh.polygons)), np.int32)
    mesh.polygons.foreach_get("material_index", face)
    mesh.polygons.foreach_get("loop_total", sides)
    shown = color_space.from_linear(np.array(slots))[face.clip(0, len(slots) - 1)]
    return _mean_per_vertex(shown.repeat(sides, 0), _corner_vertices(mesh), len(mesh.vertices))


def _corner_vertices(mesh: bpy.types.Mesh) -> NDArray[np.int32]:
    """The vertex (L,) of each corner; of the attribute, since ``mesh.loops`` gives them a hundred times slower."""
    corners = np.empty(len(mesh.loops), np.int32)
    if len(corners):
        mesh.attributes[".corner_vert"].data.foreach_get("value", corners)
    return corners


def _mean_per_vertex(
    colors: NDArray[np.floating], vertex: NDArray[np.int32], count: int
) -> NDArray[np.float32]:
    """The mean (V, 3) of the ``colours`` (L, 3) of each vertex's corners."""
    total = np.stack([np.bincount(vertex, colors[:, k], count) for k in range(3)], axis=1)
    return (total / np.maximum(np.bincount(vertex, minlength=count), 1)[:, None]).astype(np.float32)


def _fill_mesh(mesh: bpy.types.Mesh, arrays: MeshArrays) -> None:
    """By the attributes, which are copied as they are: a property of each vertex or corner takes 100 times as long, and
    ``validate``, of which our closed surfaces have no need, as long as all the rest.
    """
    count, corners = arrays.faces.shape
    mesh.vertices.add(len(arrays.vertices))
    mesh.attributes["position"].data.foreach_set(
        "vector", np.ascontiguousarray(arrays.vertices, np.float32).ravel()
    )
    mesh.loops.add(count * corners)
    if count:
        corner = mesh.attributes[".corner_vert"]  # as in _corners
        corner.data.foreach_set("value", np.ascontiguousarray(arrays.faces, np.int32).ravel())
    mesh.polygons.add(count)  # smooth, as they are at first
    mesh.polygons.foreach_set("loop_start", np.arange(0, count * corners, corners, dtype=np.int32))
    mesh.update(calc_edges=True)


def show_confidence_colors(mesh: bpy.types.Mesh) -> None:
    """Make a colour attribute of the confidence the one that is shown: red is a guess, blue is sure."""
    sure = confidence_of(mesh)
    hide_confidence_colors(mesh)
    steps = np.linspace(0, 1, len(_SCALE))
    _set_color_attribute(
        mesh,
        HEAT,
        np.stack([np.interp(sure, steps, channel) for channel in _SCALE.T], axis=1),
        rendered=False,
    )


def hide_confidence_colors(mesh: bpy.types.Mesh) -> None:
    """Take the colours of the confidence away, and show the mesh's own again."""
    if heat := mesh.color_attributes.get(HEAT):
        mesh.color_attributes.remove(heat)
    if own := mesh.color_attributes.get(COLOR):
        mesh.color_attributes.active_color = own


def _set_color_attribute(
    mesh: bpy.types.Mesh, name: str, colors: np.ndarray, rendered: bool = True
) -> None:
    """Bytes, since a photograph has no more, and ``color_srgb``, since ``color`` would be taken for linear light."""
    attribute = mesh.color_attributes.new(name, 'BYTE_COLOR', 'POINT')
    rgba = np.ones((len(colors), 4), np.float32)
    rgba[:, :3] = colors.clip(0, 1)
    attribute.data.foreach_set("color_srgb", rgba.ravel())
    mesh.color_attributes.active_color = attribute
    if rendered:
        mesh.color_attributes.render_color_index = mesh.color_attributes.find(name)
