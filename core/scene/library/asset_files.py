"""The assets of a file: listed, and opened one after the other.

Files are opened in a process of their own (see ``operators.library``), because a damaged one may
end it. Mesh files are tried in a further one, as those of a training set are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import bpy

from ...errors import MeshError
from ...jobs.task import Progress, Task
from ...library.records import COLLECTION, FILE, OBJECT, SCENE_OBJECT, AssetName
from ..datagen.mesh_files import MeshFile
from ..importing import mesh_import, scripts

BLEND = ".blend"
_DISPLAY_SIZE = 0.2  # meters, of an empty that instances a collection

OpenAsset = Callable[[], AbstractContextManager[Sequence[bpy.types.Object]]]


def list_assets(path: Path, only_marked: bool) -> Task[tuple[AssetName, ...]]:
    """Return the assets of a file.

    Those of a .blend file are the objects and collections that are marked as assets. Any other
    file is one asset, and so is a .blend file without marked ones.

    Args:
        path: Of the file.
        only_marked: Whether a .blend file without marked assets has none.

    Raises:
        MeshError: It is a .blend file that cannot be read.
    """
    yield Progress(0.0, "Listing")
    whole = AssetName(FILE, path.stem)
    if path.suffix.lower() != BLEND:
        return (whole,)

    try:
        with bpy.data.libraries.load(str(path), assets_only=True) as (marked, _):
            assets = [AssetName(COLLECTION, name) for name in marked.collections]
            assets += [AssetName(OBJECT, name) for name in marked.objects]
    except (OSError, RuntimeError) as error:
        reason = mesh_import.one_line(error)
        raise MeshError(f"{path} is not a readable .blend file: {reason}") from error

    if assets or only_marked:
        return tuple(assets)
    return (whole,)


def prepare_asset(path: Path, root: Path, asset: AssetName) -> Task[OpenAsset]:
    """Return a function that opens an asset, after a trial of its file in another process.

    It returns a context with the objects to render, linked to the current scene, and raises
    MeshError if the asset is not there.

    Args:
        path: Of the file.
        root: The folder of the library, which a mesh file may read from.
        asset: One of the file's.

    Raises:
        MeshError: It cannot be imported.
    """
    if asset.kind != FILE:
        yield Progress(0.0, "Opening")
        return partial(_appended_objects, path, asset)
    mesh_file = MeshFile(path, root)
    yield from mesh_file.check()
    return mesh_file.open


@contextmanager
def _appended_objects(path: Path, asset: AssetName) -> Iterator[Sequence[bpy.types.Object]]:
    """Yield the objects of an asset of a .blend file; they are removed on exit."""
    with mesh_import.temporary_data():
        objects = load_objects(path, asset, link=False)
        scripts.remove_script_drivers(objects)
        for obj in objects:
            bpy.context.scene.collection.objects.link(obj)
            obj.hide_viewport = False  # renders alone count, but the viewport evaluates it
        yield objects


def load_objects(path: Path, asset: AssetName, link: bool) -> list[bpy.types.Object]:
    """Append or link an asset of a .blend file, and return its objects; they are in no collection.

    That of a collection is an empty that instances it.

    Args:
        path: Of the file.
        asset: One of the file's, but not the whole file.
        link: Whether its data-blocks stay in the file.

    Raises:
        MeshError: The file cannot be read, or the asset is not in it.
    """
    is_collection = asset.kind == COLLECTION
    names = list(asset.members) if asset.kind == SCENE_OBJECT else [asset.name]
    try:
        with bpy.data.libraries.load(str(path), link=link) as (source, target):
            # Names that are not there would be left out without a word.
            there = source.collections if is_collection else source.objects
            missing = [name for name in names if name not in there]
            if missing:
                raise MeshError(f"{path} has no {asset.kind.lower()} {missing[0]!r} any more")
            setattr(target, "collections" if is_collection else "objects", names)
    except (OSError, RuntimeError) as error:
        reason = mesh_import.one_line(error)
        raise MeshError(f"{path} is not a readable .blend file: {reason}") from error

    if not is_collection:
        return list(target.objects)

    # An empty shows the collection, so that it is moved as one object.
    (collection,) = target.collections
    return [instance_collection(collection)]


def instance_collection(collection: bpy.types.Collection) -> bpy.types.Object:
    """Return a new empty that shows a collection; it is in none itself."""
    empty = bpy.data.objects.new(collection.name, None)
    empty.instance_type = 'COLLECTION'
    empty.instance_collection = collection
    empty.empty_display_size = _DISPLAY_SIZE
    return empty
