"""Solved photographs in the scene: cameras that show them, clouds of points, and the surface."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..cameras import Camera
from ..console import printable
from ..errors import OutputError
from ..imaging import image_files
from ..photogrammetry.dense.records import DenseCloud, DenseShape
from ..photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from . import exporting, meshes, source_views
from .images import load_image, packed_image
from .photographs.point_clouds import new_cloud, set_normals, set_values
from .photographs.real_size import SIZE

COLLECTION = "Photographs"
SUFFIXES = (".blend", ".ply")  # of files without a mesh
TRACK_LENGTH = "track_length"  # photographs that show the point
VIEW_COUNT = "view_count"  # photographs that agree on the point of the dense cloud
_DENSE_CLOUD = "Dense Cloud"
ERROR = "error"  # pixels
PHOTOGRAPH = "maquette_photograph"  # custom property of the cameras' data: path of the file
DISTORTION = ("maquette_k1", "maquette_k2")  # custom properties of the cameras' data
_SENSOR = 36.0  # millimeters
_DRAWN = 0.15  # of the object's size: how large cameras are drawn
_RADIUS = 0.006  # of the object's size: of points
_DENSE_RADIUS = 0.0015
_TURNED_SIDE = 2400  # pixels: of images that must be turned, which Blender does not do


def add_solved_scene(
    context: bpy.types.Context, solved: SolvedScene, size: float
) -> bpy.types.Collection:
    """Add cameras and cloud in a new collection; give the scene the shape of the photographs.

    The photographs are the cameras' background images. They are shown as they are: the distortion
    of the lens is kept as custom properties ``maquette_k1`` and ``maquette_k2`` of the camera.

    Args:
        context: of the scene.
        solved: in units of the object's longest side.
        size: length of that side, meters.

    Raises:
        ImageError: a photograph's file cannot be read any more.
    """
    loaded = [_load_image(photograph) for photograph in solved.photographs]
    collection = bpy.data.collections.new(COLLECTION)
    collection[SIZE] = size
    context.scene.collection.children.link(collection)
    _match_resolution(context.scene, solved.photographs)

    for photograph, image in zip(solved.photographs, loaded, strict=True):
        obj = _camera_object(context.scene, photograph, size)
        _show_background(context.scene, obj.data, image, photograph.camera)
        collection.objects.link(obj)
        context.scene.camera = context.scene.camera or obj

    collection.objects.link(_cloud_object(solved.cloud, size))
    return collection


def cloud_of(collection: bpy.types.Collection) -> bpy.types.Object:
    """Return the sparse cloud in a collection of :func:`add_solved_scene`."""
    meshes_of_collection = [obj for obj in collection.objects if obj.type == 'MESH']
    return next(obj for obj in meshes_of_collection if TRACK_LENGTH in obj.data.attributes)


def add_surface(
    collection: bpy.types.Collection, name: str, shape: DenseShape, size: float
) -> bpy.types.Object:
    """Add the surface and, hidden, the dense cloud to a collection of :func:`add_solved_scene`.

    The object keeps the photographs, so that it can be textured later.

    Args:
        collection: Where the cameras are.
        name: Of the object.
        shape: In units of the object's longest side.
        size: Length of that side, meters.

    Returns:
        The object of the surface.
    """
    arrays = shape.mesh.offset_and_scaled(np.zeros(3), size)
    obj = meshes.new_object(name, arrays)
    source_views.store_views(obj, arrays.views)
    collection.objects.link(obj)

    cloud = _dense_cloud_object(shape.cloud, size)
    cloud.hide_viewport = True
    cloud.hide_render = True
    collection.objects.link(cloud)

    return obj


def write_solved(path: Path, scene: bpy.types.Scene, collection: bpy.types.Collection) -> None:
    """Write a collection of :func:`add_solved_scene`, of which a .ply holds the sparse cloud alone.

    Args:
        path: of a .blend or .ply.
        scene: where the collection is; a .blend takes its resolution.
        collection: to write.

    Raises:
        OutputError: as ``exporting.write_meshes``.
    """
    if path.suffix.lower() == ".ply":
        _write_points(path, cloud_of(collection))
    else:
        _write_blend(path, scene, collection)


def check_solved_path(path: Path) -> None:
    """Make sure, before the work begins, that :func:`write_solved` can write ``path``.

    Raises:
        OutputError: the suffix is another, or the folder is missing or cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"{path}: solved photographs without a mesh are written as {' or '.join(SUFFIXES)}: "
            "name such a file"
        )
    exporting.check_export_path(path)


def _write_points(path: Path, cloud: bpy.types.Object) -> None:
    """Write the vertices; of the points that the modifier makes of them, no exporter knows."""
    modifier = cloud.modifiers[0]
    modifier.show_viewport = False
    try:
        bpy.context.view_layer.update()
        exporting.write_meshes(path, cloud)
    finally:
        modifier.show_viewport = True


def _write_blend(path: Path, scene: bpy.types.Scene, collection: bpy.types.Collection) -> None:
    written = bpy.data.scenes.new("Maquette")
    try:
        written.collection.children.link(collection)
        written.render.resolution_x = scene.render.resolution_x
        written.render.resolution_y = scene.render.resolution_y
        written.camera = next(obj for obj in collection.objects if obj.type == 'CAMERA')
        with exporting.written_completely(path) as partial:
            bpy.data.libraries.write(str(partial), {written}, compress=True)
    finally:
        bpy.data.scenes.remove(written)


def _load_image(photograph: SolvedPhotograph) -> bpy.types.Image:
    path = photograph.path.resolve()
    if photograph.turned:
        png = image_files.encode_png(image_files.read_image(path, _TURNED_SIDE))
        return packed_image(path.name, png.tobytes())
    return load_image(path)


def _match_resolution(scene: bpy.types.Scene, photographs: tuple[SolvedPhotograph, ...]) -> None:
    sizes = Counter((each.camera.width, each.camera.height) for each in photographs)
    width, height = sizes.most_common(1)[0][0]
    scene.render.resolution_x = width
    scene.render.resolution_y = height
    scene.render.resolution_percentage = 100
    scene.render.pixel_aspect_x = 1.0
    scene.render.pixel_aspect_y = 1.0


def _camera_object(
    scene: bpy.types.Scene, photograph: SolvedPhotograph, size: float
) -> bpy.types.Object:
    """Return a camera whose sensor is as wide as the photograph, whatever the scene's shape."""
    camera = photograph.camera.scaled(size)
    data = bpy.data.cameras.new(photograph.path.stem)
    data.sensor_fit = 'HORIZONTAL'
    data.sensor_width = _SENSOR
    data.lens = camera.intrinsics[0, 0] / camera.width * _SENSOR
    data.shift_x = 0.5 - camera.intrinsics[0, 2] / camera.width
    data.shift_y = (camera.intrinsics[1, 2] - camera.height / 2) / camera.width
    data.display_size = _DRAWN * size
    data.clip_start = 0.001 * size
    data.clip_end = 1000 * size
    data[PHOTOGRAPH] = printable(str(photograph.path.resolve()))
    for name, value in zip(DISTORTION, photograph.distortion, strict=True):
        data[name] = value

    obj = bpy.data.objects.new(photograph.path.stem, data)
    obj.matrix_world = Matrix(camera.to_world)
    return obj


def _show_background(
    scene: bpy.types.Scene, data: bpy.types.Camera, image: bpy.types.Image, camera: Camera
) -> None:
    """Show the photograph as wide as the camera's frame, whatever the shape of the scene."""
    render = scene.render
    taller = camera.width * render.resolution_y <= camera.height * render.resolution_x
    data.show_background_images = True
    background = data.background_images.new()
    background.image = image
    background.frame_method = 'CROP' if taller else 'FIT'


def _cloud_object(cloud: SparseCloud, size: float) -> bpy.types.Object:
    obj = new_cloud("Cloud", cloud.points * size, cloud.colors, _RADIUS * size)
    set_values(obj.data, TRACK_LENGTH, cloud.track_length)
    set_values(obj.data, ERROR, cloud.error)
    return obj


def _dense_cloud_object(cloud: DenseCloud, size: float) -> bpy.types.Object:
    obj = new_cloud(_DENSE_CLOUD, cloud.points * size, cloud.colors, _DENSE_RADIUS * size)
    set_values(obj.data, VIEW_COUNT, cloud.view_count)
    set_normals(obj.data, cloud.normals)
    return obj
