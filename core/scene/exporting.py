"""Objects to a file, in the format of its suffix.

Blender writes into a temporary folder next to the file. What it wrote is checked, because its
exporters report success on a full disk, and takes the place of an older file only then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy

from ..atomic_files import atomic_folder, probe_folder, utf8_name
from ..console import silence_stderr
from ..errors import OutputError
from . import materials
from .export_checks import MeshCounts, check_export
from .gltf_log import restored_log

_Objects = Sequence[bpy.types.Object]

# Bytes of a path that Blender handles, and those that a temporary folder and companions add.
_MAX_PATH = 1023
_ADDED_TO_PATH = 160
# The last line of a traceback in the text of an exporter's error.
_PYTHON_ERROR = re.compile(r"^\w*(?:Error|Exception|Interrupt): (.+)$", re.MULTILINE)
_SYSTEM_ERROR = re.compile(r"\[(?:Errno|WinError) \d+\] ([^:]+)")
# The name by which USD's viewers know a color of points or faces.
_USD_COLOR = "displayColor"
_NO_COUNTS = MeshCounts(0, 0)


def check_export_path(path: Path, others: tuple[str, ...] = ()) -> None:
    """Check, before the work begins, that :func:`write_meshes` can write ``path``.

    No file is left behind.

    Args:
        path: Of the file.
        others: Further suffixes, of files that the caller writes.

    Raises:
        OutputError: The suffix is unknown, the folder is missing or cannot be written, or the path
            is that of something else.
    """
    if path.suffix.lower() not in (*_WRITERS, *others):
        raise OutputError(
            f"{path}: the file type {path.suffix or 'no suffix'} is not supported. Use one of "
            f"{', '.join((*SUFFIXES, *others))}"
        )
    if not path.parent.is_dir():
        raise OutputError(f"The folder {path.parent} does not exist. Create it first")
    if len(os.fsencode(path.absolute())) > _MAX_PATH - _ADDED_TO_PATH:
        raise OutputError(f"{path} cannot be written: its path is too long. Choose another folder")

    try:
        if not path.exists():
            probe_folder(path)
        elif path.is_file() or path.is_dir():
            # Opening it for appending fails where writing would, and changes nothing.
            path.open("ab").close()
        else:
            raise OutputError(f"{path} cannot be written: it is a device. Choose another file")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}. Choose another file"
        ) from error


def write_meshes(path: Path, *objects: bpy.types.Object) -> None:
    """Write ``objects``, and nothing else, to a file; the selection is restored.

    The file is complete, or as it was before.

    Args:
        path: Its suffix is one of SUFFIXES.
        *objects: In the current view layer.

    Raises:
        OutputError: As :func:`check_export_path`, or writing failed.
    """
    check_export_path(path)
    write = _WRITERS[path.suffix.lower()]
    counts = _count(objects)
    with _only_selected(objects), written_completely(path, counts) as partial, silence_stderr():
        write(str(partial), objects)


@contextmanager
def written_completely(path: Path, counts: MeshCounts = _NO_COUNTS) -> Iterator[Path]:
    """Give a path to write; check the file, and move it to ``path`` on success.

    Args:
        path: Its suffix is one of SUFFIXES.
        counts: What is written; only OBJ files need it.

    Raises:
        OutputError: Writing failed.
    """
    with atomic_folder(path) as folder:
        # Blender's exporters in Python take no names but those in UTF-8.
        written = folder / utf8_name(path.name)
        try:
            yield written
        except (RuntimeError, AttributeError, UnicodeError) as error:
            # AttributeError: the exporter's add-on is disabled
            raise OutputError(f"{path} could not be written: {_reason(error)}") from error
        check_export(written, counts, path)
        written.replace(folder / path.name)


def _reason(error: Exception) -> str:
    """Return what an exporter's error says, without the traceback that its text may hold."""
    text = str(error).strip()
    messages = _PYTHON_ERROR.findall(text)
    if messages:
        text = messages[-1]
    system_message = _SYSTEM_ERROR.search(text)
    if system_message:
        text = system_message[1]
    return f"{text}. If the disk is full, free some space and run again"


def _count(objects: _Objects) -> MeshCounts:
    """Return how much of meshes there is in ``objects``, with their modifiers."""
    graph = bpy.context.evaluated_depsgraph_get()
    vertices = 0
    faces = 0

    for obj in objects:
        if obj.type == 'MESH':
            mesh = obj.evaluated_get(graph).data
            vertices += len(mesh.vertices)
            faces += len(mesh.polygons)

    return MeshCounts(vertices, faces)


@contextmanager
def _only_selected(objects: _Objects) -> Iterator[None]:
    """Select just ``objects``, the first as the active one; restore the selection on exit."""
    layer = bpy.context.view_layer
    selected = list(bpy.context.selected_objects)
    active = layer.objects.active

    for obj in selected:
        obj.select_set(False)
    for obj in objects:
        obj.select_set(True)
    layer.objects.active = objects[0]

    try:
        yield
    finally:
        for obj in objects:
            obj.select_set(False)
        for obj in selected:
            obj.select_set(True)
        layer.objects.active = active


def _write_gltf(path: str, objects: _Objects) -> None:
    """Write the selection as glTF."""
    export_format = 'GLB' if path.lower().endswith(".glb") else 'GLTF_SEPARATE'
    with restored_log():
        bpy.ops.export_scene.gltf(
            filepath=path,
            export_format=export_format,
            use_selection=True,
            export_yup=True,
            export_all_vertex_colors=False,
        )


def _write_obj(path: str, objects: _Objects) -> None:
    """Write the selection as OBJ, with its textures next to it.

    The exporter copies image files, so packed images need one first. The texture of ``chair.obj``
    is ``chair_texture.png``, because ``chair.png`` may be the image that it was made from.
    """
    # Only packed images have no file that the exporter could copy.
    images = []
    for obj in objects:
        images += [image for image in materials.images_of(obj) if image.packed_file]

    with ExitStack() as stack:
        for index, image in enumerate(images):
            name = f"{Path(path).stem}_texture{index or ''}.png"
            stack.enter_context(_saved_image(image, Path(path).with_name(name)))
        bpy.ops.wm.obj_export(
            filepath=path, export_selected_objects=True, export_colors=not images, path_mode='STRIP'
        )


@contextmanager
def _saved_image(image: bpy.types.Image, path: Path) -> Iterator[None]:
    """Write the packed ``image`` to ``path``; that is its file path while the context is active."""
    path.write_bytes(image.packed_file.data)
    file_path = image.filepath_raw
    image.filepath_raw = str(path)
    try:
        yield
    finally:
        image.filepath_raw = file_path


def _write_ply(path: str, objects: _Objects) -> None:
    """Write the selection as PLY, with vertex colors only.

    The format has no textures, and for a UV map the exporter would split vertices along seams.
    """
    bpy.ops.wm.ply_export(
        filepath=path, export_selected_objects=True, export_colors='SRGB', export_uv=False
    )


def _write_stl(path: str, objects: _Objects) -> None:
    """Write the selection as STL."""
    bpy.ops.wm.stl_export(filepath=path, export_selected_objects=True)


def _write_usd(path: str, objects: _Objects) -> None:
    """Write the selection as USD: its meshes and materials, without Blender's world."""
    with ExitStack() as stack:
        for obj in objects:
            if obj.type == 'MESH' and not materials.images_of(obj):
                stack.enter_context(_usd_colors(obj))
        bpy.ops.wm.usd_export(
            filepath=path,
            selected_objects_only=True,
            convert_world_material=False,
            export_lights=False,
            export_cameras=False,
        )


@contextmanager
def _usd_colors(obj: bpy.types.Object) -> Iterator[None]:
    """Name the active color attribute as viewers know it, and take the materials off.

    The exporter cannot write a material that shows the attribute, and without a material, viewers
    show the attribute itself.
    """
    mesh = obj.data
    attribute = mesh.color_attributes.active_color
    if attribute is None:
        yield
        return

    name = attribute.name
    shown = [slot.material for slot in obj.material_slots]
    attribute.name = _USD_COLOR
    for slot in obj.material_slots:
        slot.material = None

    try:
        yield
    finally:
        # Looked up again, since the attribute may have moved in memory.
        mesh.color_attributes[_USD_COLOR].name = name
        for slot, material in zip(obj.material_slots, shown, strict=True):
            slot.material = material


def _write_blend(path: str, objects: _Objects) -> None:
    """Write a .blend file of one scene with only the objects, whatever else is open."""
    # Libraries are written with all that their data-blocks use.
    scene = bpy.data.scenes.new("Maquette")
    try:
        for obj in objects:
            scene.collection.objects.link(obj)
        bpy.data.libraries.write(path, {scene}, compress=True)
    finally:
        bpy.data.scenes.remove(scene)


_WRITERS: dict[str, Callable[[str, _Objects], None]] = {
    ".glb": _write_gltf,
    ".gltf": _write_gltf,
    ".obj": _write_obj,
    ".ply": _write_ply,
    ".stl": _write_stl,
    ".usd": _write_usd,
    ".usda": _write_usd,
    ".usdc": _write_usd,
    ".usdz": _write_usd,
    ".blend": _write_blend,
}
SUFFIXES = tuple(_WRITERS)
