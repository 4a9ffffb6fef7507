"""Objects into a file, of the kind that its suffix says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy

from ..errors import OutputError
from . import materials

_Objects = Sequence[bpy.types.Object]


def check_export_path(path: Path) -> None:
    """Make sure, before the work begins, that :func:`write_meshes` can write ``path``; leaves no file.

    Raises:
        OutputError: the suffix is unknown, or the folder is missing or cannot be written.
    """
    if path.suffix.lower() not in _WRITERS:
        raise OutputError(
            f"{path}: the file type {path.suffix or 'no suffix'} is not supported. Use one of "
            f"{', '.join(SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise OutputError(f"The folder {path.parent} does not exist. Create it first")
    try:
        there = path.exists()
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}. Choose another file"
        ) from error


def write_meshes(path: Path, *objects: bpy.types.Object) -> None:
    """Write ``objects``, which are in the current view layer, and nothing else; the selection is as before afterwards.

    Raises:
        OutputError: as :func:`check_export_path`, or writing failed.
    """
    check_export_path(path)
    with _only_selected(objects):
        try:
            _WRITERS[path.suffix.lower()](str(path), objects)
        except (
            RuntimeError,
            OSError,
            AttributeError,
        ) as error:  # AttributeError: the exporter's add-on is disabled
            raise OutputError(f"{path} could not be written: {error}") from error
    if not path.is_file() or not path.stat().st_size:
        raise OutputError(f"{path} could not be written. The disk may be full")


@contextmanager
def _only_selected(objects: _Objects) -> Iterator[None]:
    layer = bpy.context.view_layer
    before = list(bpy.context.selected_objects)
    active = layer.objects.active
    for other in before:
        other.select_set(False)
    for obj in objects:
        obj.select_set(True)
    layer.objects.active = objects[0]
    try:
        yield
    finally:
        for obj in objects:
            obj.select_set(False)
        for other in before:
            other.select_set(True)
        layer.objects.active = active


def _write_gltf(path: str, objects: _Objects) -> None:
    kind = 'GLB' if path.lower().endswith(".glb") else 'GLTF_SEPARATE'
    bpy.ops.export_scene.gltf(
        filepath=path,
        export_format=kind,
        use_selection=True,
        export_yup=True,
        export_all_vertex_colors=False,
    )


def _write_obj(path: str, objects: _Objects) -> None:
    """With its textures beside it: its exporter copies files, and packed pictures are none.

    ``chair.obj`` has ``chair_texture.png``, since ``chair.png`` may well be the picture that it was made from.
    """
    images = [image for obj in objects for image in materials.images_of(obj) if image.packed_file]
    with ExitStack() as stack:
        for index, image in enumerate(images):
            beside = f"{Path(path).stem}_texture{index or ''}.png"
            stack.enter_context(_saved_image(image, Path(path).with_name(beside)))
        bpy.ops.wm.obj_export(
            filepath=path, export_selected_objects=True, export_colors=not images, path_mode='STRIP'
        )


@contextmanager
def _saved_image(image: bpy.types.Image, path: Path) -> Iterator[None]:
    """The packed ``image`` is a file at ``path``, and known as that meanwhile."""
    path.write_bytes(image.packed_file.data)
    before = image.filepath_raw
    image.filepath_raw = str(path)
    try:
        yield
    finally:
        image.filepath_raw = before


def _write_ply(path: str, objects: _Objects) -> None:
    """Colours of the vertices alone: for a UV map it would cut them apart along its seams, and it knows no picture."""
    bpy.ops.wm.ply_export(
        filepath=path, export_selected_objects=True, export_colors='SRGB', export_uv=False
    )


def _write_stl(path: str, objects: _Objects) -> None:
    bpy.ops.wm.stl_export(filepath=path, export_selected_objects=True)


def _write_usd(path: str, objects: _Objects) -> None:
    bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True)


def _write_blend(path: str, objects: _Objects) -> None:
    """A file of one scene with the objects alone, whatever else is open."""
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
