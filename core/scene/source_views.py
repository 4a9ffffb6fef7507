"""What an object was made from, stored with it: its images, and facts such as the model.

The images are packed, and their cameras are in the object's frame, in a custom property.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import SourceView, View
from ..cameras import Camera
from ..console import printable
from .images import image_pixels, packed_image
from .meshes import read_vertices

Fact = str | int | float

_KEY = "maquette_views"
_FACTS_KEY = "maquette_facts"
# Least IoU of the mesh's box in an image then and now: sculpting keeps more, and a moved or scaled
# mesh loses more.
_MIN_OVERLAP = 0.5


def store_facts(obj: bpy.types.Object, facts: Mapping[str, Fact]) -> None:
    """Store what ``obj`` was made from and with, in its custom property ``maquette_facts``."""
    obj[_FACTS_KEY] = {
        name: printable(fact) if isinstance(fact, str) else fact for name, fact in facts.items()
    }


def load_facts(obj: bpy.types.Object) -> dict[str, Fact]:
    """Return what :func:`store_facts` stored; nothing for an object of an older version."""
    stored = obj.get(_FACTS_KEY)
    return stored.to_dict() if stored else {}


def is_reconstructed(obj: bpy.types.Object) -> bool:
    """Return whether facts or images are stored with ``obj``; cheap, for panels."""
    return _FACTS_KEY in obj or _KEY in obj


def store_views(obj: bpy.types.Object, views: tuple[SourceView, ...]) -> None:
    """Store ``views`` in the custom property ``maquette_views`` of ``obj``.

    They are saved with the file and copied with the object.
    """
    if not views:
        return
    obj[_KEY] = [_view_to_property(obj, view) for view in views]


def load_views(obj: bpy.types.Object) -> list[SourceView | View]:
    """Return the views that are stored with ``obj``, if any.

    Without those whose image was removed, and those that :func:`count_stale` counts. Views that are
    still packed are returned as they are: decoding them (:func:`decode_views`) takes long.

    Raises:
        ImageError: An image has lost its pixels.
    """
    views = []
    for stored in obj.get(_KEY, ()):
        if stored["image"] and not _is_stale(obj, stored):
            views.append(_view_from_property(stored))
    return views


def count_views(obj: bpy.types.Object) -> int:
    """Return how many images ``obj`` was made from; cheap, as panels call it at each redraw."""
    return len(obj.get(_KEY, ()))


def count_stale(obj: bpy.types.Object) -> int:
    """Return in how many views the mesh is no longer where it was.

    For example, because its transform was applied.
    """
    return sum(_is_stale(obj, stored) for stored in obj.get(_KEY, ()))


def scale_views(obj: bpy.types.Object, factor: float) -> None:
    """Scale the cameras of the views about the origin of ``obj``, as its mesh is scaled."""
    for stored in obj.get(_KEY, ()):
        to_world = np.array(stored["to_world"]).reshape(4, 4)
        to_world[:3, 3] *= factor
        stored["to_world"] = to_world.ravel().tolist()


def decode_views(views: Sequence[SourceView | View]) -> list[View]:
    """Return ``views`` with their images decoded.

    Raises:
        ImageError: An image cannot be read.
    """
    return [_decode_view(view) if isinstance(view, SourceView) else view for view in views]


def _view_to_property(obj: bpy.types.Object, view: SourceView) -> dict[str, object]:
    """Return ``view`` of ``obj`` as values of a custom property."""
    camera = view.camera
    return {
        "image": packed_image(f"{obj.name} view", view.png.tobytes()),
        "size": (camera.width, camera.height),
        "to_world": camera.to_world.ravel().tolist(),
        "intrinsics": camera.intrinsics.ravel().tolist(),
        "orthographic": camera.orthographic,
        "box": _mesh_box(obj, camera).ravel().tolist(),
    }


def _is_stale(obj: bpy.types.Object, stored: bpy.types.bpy_struct) -> bool:
    """Return whether the mesh of ``obj`` is elsewhere in the image than when it was stored."""
    if "box" not in stored or not len(obj.data.vertices):
        return False

    # Views of older files have no box.
    camera = _camera_from_property(stored)
    box = _mesh_box(obj, camera)
    old_box = np.array(stored["box"]).reshape(2, 2)

    # Intersection over union of the two boxes.
    overlap_sides = np.minimum(box[1], old_box[1]) - np.maximum(box[0], old_box[0])
    overlap = np.prod(overlap_sides.clip(0))
    area = np.prod(box[1] - box[0])
    old_area = np.prod(old_box[1] - old_box[0])
    union = area + old_area - overlap

    return bool(overlap < _MIN_OVERLAP * union)


def _mesh_box(obj: bpy.types.Object, camera: Camera) -> NDArray[np.float64]:
    """Return the low and high corner (2, 2) of the mesh of ``obj`` in the image, pixels."""
    pixels, _ = camera.project(read_vertices(obj.data))
    return np.stack((pixels.min(0), pixels.max(0)))


def _camera_from_property(stored: bpy.types.bpy_struct) -> Camera:
    """Return the camera of a stored view, in the object's frame."""
    width, height = stored["size"]
    return Camera(
        to_world=np.array(stored["to_world"]).reshape(4, 4),
        intrinsics=np.array(stored["intrinsics"]).reshape(3, 3),
        width=width,
        height=height,
        orthographic=bool(stored["orthographic"]),
    )


def _view_from_property(stored: bpy.types.bpy_struct) -> SourceView | View:
    """Return a stored view: encoded if its image is packed and unchanged, else decoded."""
    image = stored["image"]
    camera = _camera_from_property(stored)
    if image.packed_file and not image.is_dirty:
        return SourceView(np.frombuffer(image.packed_file.data, np.uint8), camera)
    return _resized_view(image_pixels(image), camera)


def _decode_view(view: SourceView) -> View:
    """Return ``view`` with its image decoded by Blender."""
    # Decoded by Blender, by the same rules as all other images of the file.
    image = packed_image("Maquette view", view.png.tobytes())
    try:
        pixels = image_pixels(image)
    finally:
        bpy.data.images.remove(image)
    return _resized_view(pixels, view.camera)


def _resized_view(pixels: NDArray[np.float32], camera: Camera) -> View:
    """Return a view of ``pixels`` (H, W, 4), with ``camera`` for their size."""
    height, width = pixels.shape[:2]
    return View(pixels, camera.resized(width, height))
