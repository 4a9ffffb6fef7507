"""Objects of the open file as assets: written to a file of their own, for another process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...errors import MeshError, OutputError, SceneError
from ...jobs.temporary_folders import create_folder, remove_folder
from ...library.records import SCENE_OBJECT, AssetName
from ..importing import mesh_import

_ROUNDING = 1e-4  # longest sides: smaller changes of a shape are not seen


@dataclass(frozen=True)
class SceneAssets:
    """Objects of the open file, each with its children, in a file of their own.

    Attributes:
        file: In a temporary folder, which the receiver removes.
        digests: Of each object's shape and materials, by its asset.
    """

    file: Path
    digests: Mapping[AssetName, str]


def write_collection(collection: bpy.types.Collection) -> SceneAssets:
    """Write the objects of a collection and of those below it, each with its children.

    Linked objects and those without faces are left out.

    Raises:
        SceneError: There is no such object.
        OutputError: The temporary file cannot be written.
    """
    members = set(collection.all_objects)
    roots = [obj for obj in members if obj.parent not in members]
    return write_objects(sorted(roots, key=lambda obj: obj.name), members)


def write_objects(
    roots: Sequence[bpy.types.Object], among: set[bpy.types.Object] | None = None
) -> SceneAssets:
    """Write objects, each with its children.

    Args:
        roots: The objects. Linked ones and those without faces are left out.
        among: Children that are not among these are left out; None for all children.

    Raises:
        SceneError: None of them can be written.
        OutputError: The temporary file cannot be written.
    """
    digests = {}
    written: set[bpy.types.Object] = set()
    for root in roots:
        # An object with all of its children is one asset.
        family = [obj for obj in (root, *root.children_recursive) if _is_kept(obj, among)]
        if not family or family[0] != root:
            continue
        try:
            digest = _digest(family)
        except MeshError:
            continue  # without faces
        asset = AssetName(SCENE_OBJECT, root.name, tuple(obj.name for obj in family))
        digests[asset] = digest
        written.update(family)

    if not digests:
        raise SceneError("No object with faces to search by. Select a mesh, or another collection")

    # Paths in the file are absolute, since it is in a temporary folder.
    folder = create_folder()
    path = folder / "objects.blend"
    try:
        bpy.data.libraries.write(str(path), written, path_remap='ABSOLUTE')
    except (OSError, RuntimeError) as error:
        remove_folder(folder)
        raise OutputError(f"{path} could not be written: {error}") from error

    return SceneAssets(path, digests)


def _is_kept(obj: bpy.types.Object, among: set[bpy.types.Object] | None) -> bool:
    return obj.library is None and (among is None or obj in among)


def _digest(objects: Sequence[bpy.types.Object]) -> str:
    """Return a checksum of the shapes of objects, wherever they are, and of their materials.

    Raises:
        MeshError: There is no face.
    """
    mesh = mesh_import.world_triangles(objects)
    vertices = mesh.vertices.astype(float)

    # The shape in steps of its size, wherever it is.
    low = vertices.min(axis=0)
    size = float(np.ptp(vertices, axis=0).max()) or 1.0
    steps = np.rint((vertices - low) / (size * _ROUNDING)).astype(np.int32)

    # The materials by name and color.
    total = hashlib.sha256(steps.tobytes())
    total.update(mesh.to_triangles().tobytes())
    for obj in objects:
        for slot in obj.material_slots:
            material = slot.material
            text = f"{material.name} {tuple(material.diffuse_color)}" if material else "none"
            total.update(text.encode())

    return total.hexdigest()
