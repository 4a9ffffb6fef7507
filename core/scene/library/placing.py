"""Puts a found asset into the scene: appended or linked, turned, and beside what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ...errors import LibraryError, MeshError
from ...library.records import COLLECTION, FILE, AssetName
from ...library.views import turn_to_front
from .. import placement
from ..importing import mesh_import
from .asset_files import BLEND, instance_collection, load_objects

_GAP = 0.1  # between a reference and the object, in longest sides of the object


@dataclass(frozen=True)
class Spot:
    """Where an object goes.

    Attributes:
        location: (3,) of the middle of its lowest points in world space, meters.
        turn: Rotation about Z, radians.
        beside: (3,) direction in which it is moved by half its width and a gap; zeros for none.
    """

    location: Vector
    turn: float = 0.0
    beside: Vector = field(default_factory=lambda: Vector((0.0, 0.0, 0.0)))


def add_asset(
    collection: bpy.types.Collection, path: Path | None, asset: AssetName, link: bool
) -> list[bpy.types.Object]:
    """Add an asset to the open file, in ``collection``, and return its objects, the main one first.

    Args:
        collection: Gets the objects.
        path: File of the asset; None if it is an object of the open file, which was not saved.
        asset: Where it is in that file.
        link: Whether its data stay in the file. A linked object can be moved all the same, since it
            is a library override. An object of the open file is copied with the same mesh.

    Raises:
        LibraryError: The file or the asset is gone, or the file cannot be linked.
        MeshError: The file cannot be read.
    """
    if path is None or path == Path(bpy.data.filepath):
        objects = _own_objects(asset, share_data=link)
    elif not path.is_file():
        raise LibraryError(f"The file {path} is no longer there. Index the library again")
    elif asset.kind == FILE:
        objects = _imported_objects(path, link)
    else:
        objects = _loaded_objects(path, asset, link)

    return _grouped(collection, objects, asset.name)


def place_objects(
    context: bpy.types.Context, objects: Sequence[bpy.types.Object], spot: Spot, is_fixed: bool
) -> None:
    """Turn and move objects that were added, the main one with all others below it.

    Args:
        context: Its view layer holds the objects.
        objects: From :func:`add_asset`.
        spot: Where they go.
        is_fixed: Whether they go exactly there, also if something else is there.
    """
    root = objects[0]
    context.view_layer.update()
    vertices = mesh_import.world_triangles(objects).vertices.astype(float)

    # About the middle of the lowest points.
    low = vertices.min(axis=0)
    high = vertices.max(axis=0)
    base = np.array((*(low + high)[:2] / 2, low[2]))

    # Its bounds after the turn, and how far it is moved to the side.
    turn = Matrix.Rotation(spot.turn, 4, 'Z')
    turned = (vertices - base) @ np.array(turn.to_3x3()).T
    bounds = np.stack((turned.min(axis=0), turned.max(axis=0)))
    sides = np.ptp(bounds, axis=0)
    distance = sides[:2].max() / 2 + _GAP * sides.max()
    location = spot.location + spot.beside * float(distance)

    if not is_fixed:
        # Further along X, as far as something is in the way.
        others = _without(context, objects)
        offset = placement.free_offset_among(others, bounds + np.array(location))
        location = location + Vector((offset, 0.0, 0.0))

    transform = Matrix.Translation(location) @ turn @ Matrix.Translation(-Vector(base))
    root.matrix_world = transform @ root.matrix_world
    context.view_layer.update()


def spot_beside(context: bpy.types.Context, image: bpy.types.Image | None, turn: float) -> Spot:
    """Return the place to the right of the reference that shows an image, or the 3D cursor.

    Beside a reference the object is turned so that who looks at the reference sees it as in the
    image.

    Args:
        context: With the visible objects and the cursor.
        image: That was searched for; None for none.
        turn: Rotation that turns to the front what the image shows, radians.
    """
    for obj in context.visible_objects:
        is_reference = obj.type == 'EMPTY' and obj.empty_display_type == 'IMAGE'
        if image and is_reference and obj.data == image:
            return _spot_beside_reference(obj, turn)
    return Spot(context.scene.cursor.location.copy(), turn)


def _spot_beside_reference(reference: bpy.types.Object, turn: float) -> Spot:
    """Return the place at the right edge of an image empty, at the height of its lower edge."""
    # The right edge at half the height, and the lowest corner.
    width, height = _empty_size(reference)
    matrix = reference.matrix_world
    left, bottom = reference.empty_image_offset
    middle = bottom + 0.5
    right_edge = matrix @ Vector(((left + 1) * width, middle * height, 0.0))
    corners = [
        matrix @ Vector((x * width, y * height, 0.0))
        for x in (left, left + 1)
        for y in (bottom, bottom + 1)
    ]
    lowest = min(corner.z for corner in corners)

    # The object faces who looks at the reference.
    viewer = np.array(matrix.to_3x3().col[2])
    towards_viewer = -turn_to_front(viewer / max(float(np.linalg.norm(viewer)), 1e-9))
    beside = matrix.to_3x3().col[0].normalized()
    beside.z = 0.0
    location = Vector((right_edge.x, right_edge.y, lowest))

    return Spot(location, turn + towards_viewer, beside)


def _empty_size(reference: bpy.types.Object) -> tuple[float, float]:
    """Return width and height of an image empty in its own space: its longer side is its size."""
    width, height = reference.data.size
    longer = max(width, height, 1)
    size = reference.empty_display_size
    return size * width / longer, size * height / longer


def _own_objects(asset: AssetName, share_data: bool) -> list[bpy.types.Object]:
    """Return copies of an asset of the open file."""
    if asset.kind == FILE:
        raise LibraryError(f"{asset.name} is the open file. Choose another result")

    # The asset may have been renamed or deleted since it was indexed.
    names = asset.members or (asset.name,)
    blocks = bpy.data.collections if asset.kind == COLLECTION else bpy.data.objects
    missing = [name for name in names if name not in blocks]
    if missing:
        kind = "collection" if asset.kind == COLLECTION else "object"
        raise LibraryError(f"There is no {kind} {missing[0]!r} in this file any more")
    if asset.kind == COLLECTION:
        return [instance_collection(blocks[asset.name])]
    return _copied_objects([blocks[name] for name in names], share_data)


def _copied_objects(
    originals: Sequence[bpy.types.Object], share_data: bool
) -> list[bpy.types.Object]:
    """Return copies of an object and of its children, which are no assets."""
    copies = {}
    for original in originals:
        # The copy of an asset is not an asset itself.
        copy = original.copy()
        copy.asset_clear()
        if copy.data and not share_data:
            copy.data = original.data.copy()
        copies[original] = copy

    # Each copy below the copy of its parent; the first one free.
    for original, copy in copies.items():
        matrix = original.matrix_world.copy()
        if original.parent in copies:
            copy.parent = copies[original.parent]
        else:
            copy.parent = None
            copy.matrix_world = matrix

    return list(copies.values())


def _imported_objects(path: Path, link: bool) -> list[bpy.types.Object]:
    """Import a mesh file into no collection."""
    if link:
        kind = "without marked assets" if path.suffix.lower() == BLEND else path.suffix
        raise LibraryError(
            f"{path.name} cannot be linked, because only marked assets of .blend files can "
            f"({kind}). Append it"
        )

    # Importers link objects to the active collection.
    objects = mesh_import.import_objects(path)
    for obj in objects:
        for collection in list(obj.users_collection):
            collection.objects.unlink(obj)
    return objects


def _loaded_objects(path: Path, asset: AssetName, link: bool) -> list[bpy.types.Object]:
    """Append or link an asset of a .blend file."""
    try:
        objects = load_objects(path, asset, link)
    except MeshError as error:
        raise LibraryError(f"{error}. Index the library again") from error

    if not link:
        for block in (*objects, objects[0].instance_collection):
            if block:
                block.asset_clear()  # here it is used, and not offered
        return objects
    if asset.kind == COLLECTION:
        return objects
    return [obj.override_create(remap_local_usages=False) for obj in objects]


def _grouped(
    collection: bpy.types.Collection, objects: Sequence[bpy.types.Object], name: str
) -> list[bpy.types.Object]:
    """Link objects to a collection, below an empty if they are several trees, and return all."""
    if not any(collection.objects.get(obj.name) == obj for obj in objects):
        for obj in objects:
            collection.objects.link(obj)

    # One object to move them all by.
    roots = [obj for obj in objects if obj.parent not in set(objects)]
    if len(roots) == 1:
        return [roots[0], *(obj for obj in objects if obj != roots[0])]

    empty = bpy.data.objects.new(name, None)
    collection.objects.link(empty)
    for root in roots:
        root.parent = empty
    return [empty, *objects]


def _without(
    context: bpy.types.Context, objects: Sequence[bpy.types.Object]
) -> list[bpy.types.Object]:
    """Return the visible objects but ``objects``."""
    added = set(objects)
    return [obj for obj in context.visible_objects if obj not in added]
