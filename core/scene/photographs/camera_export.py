"""Cameras of the scene as what other programs are told: with their photographs and points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...photogrammetry import photo_files
from ...photogrammetry.exchange.records import empty_cloud
from ...photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from .. import cameras as scene_cameras
from ..evaluation.hidden_objects import evaluated_objects
from ..meshes import COLOR, read_vertices
from ..solved_cameras import DISTORTION, ERROR, PHOTOGRAPH, TRACK_LENGTH


def scene_of_cameras(
    context: bpy.types.Context,
    cameras: Sequence[bpy.types.Object],
    cloud: bpy.types.Object | None = None,
) -> SolvedScene:
    """Return cameras of the scene in world space, scene units.

    A camera of a photograph has that photograph's size; another one is that of the scene's images,
    and its photograph is called as what would be rendered with it.

    Args:
        context: Of the scene.
        cameras: Objects.
        cloud: The sparse cloud of the photographs, if there is one.

    Raises:
        SceneError: A camera is panoramic, mirrored or sheared.
    """
    with evaluated_objects(context, cameras) as graph_of:
        photographs = [_photograph(context.scene, obj, graph_of(obj)) for obj in cameras]
    return SolvedScene(tuple(photographs), _read_cloud(cloud))


def _photograph(
    scene: bpy.types.Scene, obj: bpy.types.Object, graph: bpy.types.Depsgraph
) -> SolvedPhotograph:
    text = obj.data.get(PHOTOGRAPH, "")
    if not text:
        camera = scene_cameras.from_blender(scene, obj, graph)
        return SolvedPhotograph(Path(f"{obj.name}.png"), camera)

    # The file says how large it is and how it lies; without it the image in the scene does.
    path = Path(text)
    turned = False
    try:
        file = photo_files.inspect_photograph(path)
        size = (file.width, file.height)
        turned = file.turned
    except ImageError:
        size = _background_size(obj.data) or scene_cameras.image_size(scene.render)

    camera = scene_cameras.from_blender(scene, obj, graph, size=size)
    first, second = (float(obj.data.get(name, 0.0)) for name in DISTORTION)
    return SolvedPhotograph(path, camera, (first, second), turned)


def _background_size(data: bpy.types.Camera) -> tuple[int, int] | None:
    """Return the size of the image behind a camera; None if there is none."""
    for background in data.background_images:
        if background.image and all(background.image.size):
            width, height = background.image.size
            return width, height
    return None


def _read_cloud(obj: bpy.types.Object | None) -> SparseCloud:
    """Return the sparse cloud of an object in world space; an empty one for None."""
    if obj is None:
        return empty_cloud()
    mesh = obj.data
    matrix = np.array(obj.matrix_world, np.float64)
    points = read_vertices(mesh) @ matrix[:3, :3].T + matrix[:3, 3]
    rgba = np.ones((len(points), 4), np.float32)
    if COLOR in mesh.color_attributes:
        mesh.color_attributes[COLOR].data.foreach_get("color_srgb", rgba.ravel())

    return SparseCloud(
        points=points.astype(np.float32),
        colors=rgba[:, :3],
        track_length=_read_values(mesh, TRACK_LENGTH, np.dtype(np.int32)),
        error=_read_values(mesh, ERROR, np.dtype(np.float32)),
    )


def _read_values(mesh: bpy.types.Mesh, name: str, kind: np.dtype) -> NDArray:
    """Return an attribute (V,) of the vertices; zeros if the mesh has lost it."""
    values = np.zeros(len(mesh.vertices), kind)
    attribute = mesh.attributes.get(name)
    if attribute and attribute.domain == 'POINT' and len(attribute.data) == len(values):
        attribute.data.foreach_get("value", values)
    return values
