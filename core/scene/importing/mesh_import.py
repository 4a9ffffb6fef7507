"""Mesh files to Blender's objects, and Blender's objects to arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...errors import MeshError
from .. import materials, meshes
from ..evaluation.hidden_objects import evaluated_objects
from ..gltf_log import restored_log
from . import scripts

T = TypeVar("T")

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".blend")
SHAPES = ('MESH', 'CURVE', 'SURFACE', 'FONT', 'META')  # object types that Blender makes faces of
_HELPERS = ('CAMERA', 'LIGHT', 'LIGHT_PROBE', 'SPEAKER')  # object types that are no part of a thing
_VERTEX_COLORED = (".obj", ".ply")  # Blender's importers make no material of their vertex colors
_REASON_LENGTH = 300  # characters of an error text


@contextmanager
def imported_objects(
    path: Path, scene: str = "", unreadable: Collection[str] = ()
) -> Iterator[list[bpy.types.Object]]:
    """Yield the objects that a mesh file shows, linked to the current scene's collection.

    They are removed on exit, with all that was imported with them.

    Args:
        path: The file.
        scene: Of a .blend file the scene to show; empty for its first one.
        unreadable: Images that cannot be read, as ``materials.image_source`` names them. Materials
            with these have their plain colors in place of them.

    Raises:
        MeshError: The file is missing, of an unknown format, damaged, or without a mesh.
    """
    if not path.exists():
        raise MeshError(f"The mesh file {path} does not exist")
    if not path.is_file():
        raise MeshError(f"The mesh file {path} is not a regular file")

    with detached_objects(lambda: _read_objects(path, scene, unreadable)) as objects:
        yield objects


def import_objects(path: Path) -> list[bpy.types.Object]:
    """Import the objects that a mesh file shows into the current scene, where they stay.

    Args:
        path: The file; of a .blend file its first scene counts.

    Raises:
        MeshError: As :func:`imported_objects`; nothing of the file stays then.
    """
    if not path.is_file():
        raise MeshError(f"The mesh file {path} does not exist")
    before = _data_blocks()
    try:
        objects = _read_objects(path, "", ())
    except MeshError:
        bpy.data.batch_remove(_data_blocks() - before)
        raise

    # Of a .blend file the objects alone are wanted.
    scene = file_scene(objects)
    if scene:
        bpy.data.scenes.remove(scene)
    return objects


def shown_objects(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the objects that a render of ``scene`` shows, or that are instances there.

    Not those that are hidden, excluded, disabled in renders, holdouts or unseen by cameras.
    """
    layers = [layer for layer in scene.view_layers if layer.use] or list(scene.view_layers)
    shown: set[bpy.types.Object] = set()
    for layer in layers:
        _collect_shown(layer.layer_collection, shown)
    return [obj for obj in scene.objects if obj in shown]


@contextmanager
def detached_objects(make: Callable[[], T]) -> Iterator[T]:
    """Yield what ``make`` returns; remove the data-blocks that it created on exit.

    Only those: while the context is active, the user may create others, or undo.
    """
    # Identified by their session_uid, which undo does not change.
    before = _data_blocks()
    created_uids: set[int] = set()
    try:
        try:
            result = make()
        finally:
            created_uids = {block.session_uid for block in _data_blocks() - before}
        yield result
    finally:
        created = {block for block in _data_blocks() if block.session_uid in created_uids}
        bpy.data.batch_remove(created)


@contextmanager
def temporary_data() -> Iterator[None]:
    """Remove on exit all data-blocks that were created while the context was active."""
    before = _data_blocks()
    try:
        yield
    finally:
        bpy.data.batch_remove(_data_blocks() - before)


def world_triangles(objects: Iterable[bpy.types.Object]) -> MeshArrays:
    """Return the evaluated meshes of ``objects`` joined, in world space.

    Returns:
        vertices (V, 3), triangles (F, 3).

    Raises:
        MeshError: There is no face among them.
    """
    objects = list(objects)
    vertices = [np.empty((0, 3), np.float32)]
    triangles = [np.empty((0, 3), np.int32)]

    with evaluated_objects(bpy.context, objects) as graph_of:
        for obj in objects:
            graph = graph_of(obj)
            parts = _instance_meshes(obj, graph) if obj.is_instancer else []
            if obj.type in SHAPES:
                evaluated = obj.evaluated_get(graph)
                parts.append(_world_mesh(evaluated, evaluated.matrix_world))
            for part_vertices, part_triangles in parts:
                vertices.append(part_vertices)
                triangles.append(part_triangles)

    face_count = sum(len(part) for part in triangles)
    if face_count == 0:
        names = ", ".join(obj.name for obj in objects)
        raise MeshError(f"There is no mesh face in {names or 'nothing'}")

    joined_vertices, joined_triangles = meshes.join_triangles(vertices, triangles)
    return MeshArrays(joined_vertices, joined_triangles.astype(np.int32))


def _instance_meshes(
    obj: bpy.types.Object, graph: bpy.types.Depsgraph
) -> list[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """Return the meshes in world space of what ``obj`` instances, each (V, 3) and (F, 3)."""
    parts = []
    for item in graph.object_instances:
        if item.is_instance and item.parent.original == obj and item.object.type in SHAPES:
            parts.append(_world_mesh(item.object, item.matrix_world))
    return parts


def _world_mesh(
    evaluated: bpy.types.Object, matrix: mathutils.Matrix
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the mesh of an evaluated object at ``matrix``: (V, 3) meters and (F, 3)."""
    # The mesh after modifiers, in the object's space; text may have none.
    mesh = evaluated.to_mesh()
    if mesh is None:
        return np.empty((0, 3), np.float32), np.empty((0, 3), np.int32)
    vertices = meshes.read_vertices(mesh)
    triangles = meshes.read_triangles(mesh)
    evaluated.to_mesh_clear()

    # Where the object is mirrored, turn the faces outward again.
    to_world = np.array(matrix)
    is_mirrored = np.linalg.det(to_world[:3, :3]) < 0
    if is_mirrored:
        triangles = triangles[:, ::-1]
    world_vertices = vertices @ to_world[:3, :3].T + to_world[:3, 3]

    return world_vertices.astype(np.float32), triangles


def show_as_rendered(objects: Iterable[bpy.types.Object]) -> None:
    """Let the viewport evaluate the modifiers of ``objects`` as renders do."""
    for obj in objects:
        for modifier in obj.modifiers:
            with suppress(AttributeError):  # of a linked library
                modifier.show_viewport = modifier.show_render
                if hasattr(modifier, "render_levels"):
                    modifier.levels = modifier.render_levels


def file_scene(objects: Iterable[bpy.types.Object]) -> bpy.types.Scene | None:
    """Return the scene of a .blend file that was imported with ``objects``; None for others."""
    for obj in objects:
        for scene in obj.users_scene:
            if scene != bpy.context.scene:
                return scene
    return None


def one_line(error: BaseException) -> str:
    """Return what is wrong by an error of an importer, in one line.

    Importers in Python give a whole traceback, of which the last line says it.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Location:", "File "))]
    if not told:
        return type(error).__name__
    text = told[-1] if "Traceback" in str(error) else told[0]
    return text.removeprefix("Error: ")[:_REASON_LENGTH]


def _collect_shown(layer: bpy.types.LayerCollection, shown: set[bpy.types.Object]) -> None:
    """Add the objects to ``shown`` that a layer collection or those below it show in renders."""
    if layer.collection.hide_render:
        return  # with all below it
    if not (layer.exclude or layer.holdout or layer.indirect_only):
        shown.update(obj for obj in layer.collection.objects if _is_shown(obj))
    for child in layer.children:
        _collect_shown(child, shown)


def _is_shown(obj: bpy.types.Object) -> bool:
    """Return whether renders show ``obj``, as far as itself decides it."""
    is_hidden = obj.hide_render or obj.is_holdout or obj.is_shadow_catcher
    return obj.visible_camera and not is_hidden


def _read_objects(path: Path, scene: str, unreadable: Collection[str]) -> list[bpy.types.Object]:
    """Import a mesh file and return the new objects that it shows; see ``imported_objects``."""
    before = _data_blocks()
    try:
        shown = _import_file(path, scene)
    except (RuntimeError, OSError) as error:  # OSError: no .blend file, whatever its suffix
        raise MeshError(f"{path} cannot be imported: {one_line(error)}") from error

    # Nothing in a file is run, whatever the preferences say.
    new_blocks = _data_blocks() - before
    scripts.remove_script_drivers(new_blocks)
    _require_libraries(new_blocks)

    # In the order of Blender's data.
    objects = [obj for obj in bpy.data.objects if obj in new_blocks]
    if shown is not None:
        objects = [obj for obj in objects if obj in shown]
    objects = [obj for obj in objects if _is_shown(obj) and obj.type not in _HELPERS]
    if not any(obj.type in SHAPES or obj.instance_type != 'NONE' for obj in objects):
        raise MeshError(f"{path} contains no mesh")

    for obj in objects:
        with suppress(AttributeError):  # of a linked library
            obj.hide_viewport = False  # only renders count, but the viewport has to evaluate it
    _complete_materials(path, new_blocks, unreadable)
    return objects


def _require_libraries(blocks: Collection[bpy.types.ID]) -> None:
    """Raise MeshError if one of ``blocks`` is a linked .blend file that is missing."""
    for library in bpy.data.libraries:
        path = Path(bpy.path.abspath(library.filepath, library=library.parent))
        if library in blocks and not path.is_file():
            raise MeshError(f"It links the file {library.filepath}, which does not exist")


def _complete_materials(
    path: Path, new_blocks: Collection[bpy.types.ID], unreadable: Collection[str]
) -> None:
    """Let the imported materials show vertex colors, and not the images that cannot be read."""
    if path.suffix.lower() in _VERTEX_COLORED:
        for mesh in bpy.data.meshes:
            if mesh in new_blocks:
                meshes.show_vertex_colors(mesh)

    lost = set()
    for image in bpy.data.images:
        if image in new_blocks and materials.image_source(image) in unreadable:
            lost.add(image)
    if not lost:
        return
    for block in (*bpy.data.materials, *bpy.data.node_groups):
        if block in new_blocks:
            materials.remove_images(block, lost)


def _data_blocks() -> set[bpy.types.ID]:
    """Return all data-blocks of the open file but Blender's render results."""
    # All collections of bpy.data: objects, meshes, images and so on.
    blocks = set()
    for prop in bpy.data.bl_rna.properties:
        if prop.type == 'COLLECTION':
            blocks |= set(getattr(bpy.data, prop.identifier))

    # Blender owns these, and reuses them for the next render.
    results = ('RENDER_RESULT', 'COMPOSITING')
    return {block for block in blocks if getattr(block, "type", "") not in results}


def _import_file(path: Path, scene: str) -> Collection[bpy.types.Object] | None:
    """Import a mesh file by Blender's importer for its suffix.

    Returns:
        The objects that it shows, if not all.
    """
    match path.suffix.lower():
        case ".glb" | ".gltf":
            if "gltf" not in dir(bpy.ops.import_scene):
                raise MeshError(
                    f"{path} cannot be imported, because the add-on glTF 2.0 is disabled. Enable "
                    "it in the preferences"
                )
            # The shape of bones is a sphere that is no part of the object.
            with restored_log():
                bpy.ops.import_scene.gltf(filepath=str(path), disable_bone_shape=True)
        case ".obj":
            bpy.ops.wm.obj_import(filepath=str(path))
        case ".ply":
            bpy.ops.wm.ply_import(filepath=str(path))
        case ".stl":
            bpy.ops.wm.stl_import(filepath=str(path))
        case ".blend":
            return _append_blend(path, scene)
        case other:
            raise MeshError(
                f"{path}: the file type {other or 'no suffix'} is not supported. Use one of "
                f"{', '.join(SUFFIXES)}"
            )

    return None


def _append_blend(path: Path, scene: str) -> Collection[bpy.types.Object]:
    """Append what a scene of a .blend file shows, and link it to the current scene.

    A file without scenes shows all its objects.
    """
    # Blender appends what is assigned when the context is left.
    with bpy.data.libraries.load(str(path)) as (source, target):
        if source.scenes:
            target.scenes = [scene or source.scenes[0]]
        else:
            target.objects = source.objects

    if target.scenes:
        objects = shown_objects(target.scenes[0])
    else:
        objects = [obj for obj in target.objects if obj]

    # They are evaluated in the current scene.
    for obj in objects:
        bpy.context.scene.collection.objects.link(obj)
    return objects
