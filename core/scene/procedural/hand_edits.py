"""Whether a procedural object was edited by hand since it was built.

Every bit counts: ``core.geometry.fingerprint`` would not do, since it is the same for a copy that
was moved, rotated, mirrored or scaled, all of which would be lost as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import meshes
from . import storage

_LENGTH = 16  # bytes of the digest
_SHADING = "sharp_face"  # the attribute of flat faces, which is kept where all faces are alike


def store_digest(obj: bpy.types.Object) -> None:
    """Let a mesh object remember that it is as it was built."""
    obj[storage.BUILT] = _counts(obj) + _digest(obj)


def is_edited(root: bpy.types.Object, part_keys: Iterable[str]) -> bool:
    """Return whether a mesh of a procedural object differs from what was built.

    Args:
        root: holds the recipe.
        part_keys: names of the parts that were built as objects; empty for one mesh.
    """
    objects = storage.part_objects(root)
    if root.type != 'MESH':
        found = sorted(obj[storage.PART] for obj in objects)
        if found != sorted(part_keys):
            return True
    return any(_is_mesh_edited(obj) for obj in objects)


def _is_mesh_edited(obj: bpy.types.Object) -> bool:
    """Return whether the mesh of ``obj`` differs from what was built.

    A mesh of other counts, which may be huge, is not read.
    """
    built = str(obj.get(storage.BUILT, ""))
    counts = _counts(obj)
    return not built.startswith(counts) or built != counts + _digest(obj)


def _counts(obj: bpy.types.Object) -> str:
    mesh = obj.data
    return f"{len(mesh.vertices)} {len(mesh.edges)} {len(mesh.polygons)} {len(mesh.loops)} "


def _digest(obj: bpy.types.Object) -> str:
    """Return a digest of the geometry, the materials of faces, and the names of what is on it."""
    mesh = obj.data
    digest = hashlib.blake2b(digest_size=_LENGTH)
    digest.update(meshes.read_vertices(mesh).tobytes())
    digest.update(meshes.read_corners(mesh).tobytes())

    for name in ("loop_start", "material_index"):
        values = np.empty(len(mesh.polygons), np.int32)
        mesh.polygons.foreach_get(name, values)
        digest.update(values.tobytes())

    digest.update(_weights(mesh).tobytes())

    # UV maps, colors, creases and the like; selections and other internals begin with a period.
    attributes = [attribute.name for attribute in mesh.attributes]
    names = [name for name in attributes if name[0] != "." and name != _SHADING]
    names += [f"group {group.name}" for group in obj.vertex_groups]
    keys = mesh.shape_keys.key_blocks.keys() if mesh.shape_keys else []
    facts = (sorted(names), keys, len(mesh.materials), _has_mixed_shading(mesh))
    digest.update(repr(facts).encode())

    return digest.hexdigest()


def _weights(mesh: bpy.types.Mesh) -> NDArray[np.float32]:
    """Return vertex, group and weight (N, 3) of all members of vertex groups."""
    rows = []
    for index, vertex in enumerate(mesh.vertices):
        for member in vertex.groups:
            rows.append((index, member.group, member.weight))
    return np.array(rows, np.float32)


def _has_mixed_shading(mesh: bpy.types.Mesh) -> bool:
    smooth = np.empty(len(mesh.polygons), bool)
    mesh.polygons.foreach_get("use_smooth", smooth)
    return bool(smooth.any() and not smooth.all())
