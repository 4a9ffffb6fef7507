"""Objects to a file, in the format of its suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy

from ..errors import OutputError
from . import materials

_Objects = Sequence[bpy.types.Object]


def check_export_path(path: Path) -> None:
    """Check, before the work begins, that :func:`write_meshes` can write ``path``.

    No file is left behind.

    Raises:
        OutputError: The suffix is unknown, or the folder is missing or cannot be written.
    """
    if path.suffix.lower() not in _WRITERS:
        raise OutputError(
            f"{path}: the file type {path.suffix or 'no suffix'} is not supported. Use one of "
            f"{', '.join(SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise OutputError(f"The folder {path.parent} does not exist. Create it first")

    # Opening it for appending fails where writing would, and changes nothing.
    try:
        existed = path.exists()
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}. Choose another file"
        ) from error


def write_meshes(path: Path, *objects: bpy.types.Object) -> None:
    """Write ``objects``, and nothing else, to a file; the selection is restored.

    Args:
        path: Its suffix is one of SUFFIXES.
        *objects: In the current view layer.

    Raises:
        OutputError: As :func:`check_export_path`, or writing failed.
    """
    check_export_path(path)
    with _only_selected(objects):
        try:
            _WRITERS[path.suffix.lower()](str(path), objects)
        except (RuntimeError, OSError, AttributeError) as error:
            # AttributeError: the exporter's add-on is disabled
            raise OutputError(f"{path} could not be written: {error}") from error

    # Some exporters report no error on a full disk.
    if not path.is_file() or not path.stat().st_size:
        raise OutputError(f"{path} could not be written. The disk may be full")


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
    """Write the selection as USD."""
    bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True)


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
