"""The file of one object: written complete or not at all, read in parts."""

from __future__ import annotations

import copy
import io
import json
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import atomic_files
from ..arrays import MeshArrays
from ..errors import DatasetError
from . import compact
from .members import (
    ALBEDO,
    GRID,
    MEASURED,
    OCCLUSION,
    PARTS,
    SMALL_ALBEDO,
    SMALL_DEPTH,
    SMALL_SHADING,
    SMALL_SURROUNDINGS,
    SUMS,
    SURFACE_PARTS,
    SURROUNDINGS,
    decode_grid,
    encode_grid,
    encode_npz,
    encode_png,
    pack_shape,
    shape_kind,
    unpack_shape,
)
from .reading import limits
from .reading.archives import iterate_members, open_archive, read_member
from .reading.array_rules import (
    SURFACE_ARRAYS,
    VIEW_ARRAYS,
    VIEW_BYTES_A_PIXEL,
    array_bytes,
    require_array,
    require_arrays,
    require_measured_arrays,
    require_mesh_arrays,
    require_shape_arrays,
    require_surface_part_arrays,
)
from .reading.arrays import check_npz, read_npz, require_plausible_compression
from .reading.files import describe_damage, open_regular
from .reading.json_files import parse_json
from .record_json import record_from_json, record_to_json
from .records import MeasuredPoints, Record, RenderedView, Shape


def write_object(
    folder: Path,
    record: Record,
    shape: Shape | None,
    views: Iterable[RenderedView],
    mesh: MeshArrays | None = None,
    shapes: Iterable[tuple[Shape | None, MeshArrays | None]] = (),
) -> Path:
    """Write ``objects/NAME.tar`` complete or not at all; remove what a killed run left of it.

    Args:
        folder: Of the training set.
        record: Metadata.
        shape: Ground truth; None for a whole scene that bounds no solid.
        views: In the order of the record; read one at a time.
        mesh: The source mesh in world space.
        shapes: Ground truth and mesh of each of ``record.shapes``, in its frame.

    Returns:
        The path of the file.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    with _new_object_file(folder, record) as archive:
        # Ground truth of the object, then of the shapes of a whole scene, then the views
        _add_ground_truth(archive, record.name, shape, mesh)
        for number, (instance_shape, instance_mesh) in enumerate(shapes):
            prefix = f"{record.name}.{shape_kind(number)}"
            _add_ground_truth(archive, prefix, instance_shape, instance_mesh)
        for index, view in enumerate(views):
            _add_view(archive, f"{record.name}.{index:03d}", view)

    return _object_path(folder, record)


def write_compact_object(
    folder: Path, record: Record, shape: Shape, views: Iterable[RenderedView]
) -> Path:
    """Write ``objects/NAME.tar`` in the compact form; otherwise as :func:`write_object`.

    The checksums come last.
    """
    checksums = {}
    with _new_object_file(folder, record) as archive:
        for kind, data in _compact_members(record, shape, views):
            checksums[kind] = zlib.crc32(data)
            _add_member(archive, f"{record.name}.{kind}", data)
        # WebP has no checksums.
        checksum_bytes = json.dumps(checksums).encode()
        _add_member(archive, f"{record.name}.{SUMS}", checksum_bytes)

    return _object_path(folder, record)


def _object_path(folder: Path, record: Record) -> Path:
    return folder / "objects" / f"{record.name}.tar"


@contextmanager
def _new_object_file(folder: Path, record: Record) -> Iterator[tarfile.TarFile]:
    """Give an object's file, with its record, to add members to; it is complete or absent."""
    target = _object_path(folder, record)
    atomic_files.remove_partials(target.parent, target.name)
    with atomic_files.atomic_write(target) as partial, tarfile.open(partial, "w") as archive:
        # The record comes first, so that it can be read without the rest.
        _add_member(archive, f"{record.name}.json", _encode_record(record))
        yield archive


def _encode_record(record: Record) -> bytes:
    """Return the record as JSON.

    Raises:
        DatasetError: It was read from a file that is nested more deeply than can be written.
    """
    try:
        return json.dumps(record_to_json(record)).encode()
    except RecursionError as error:
        raise DatasetError(f"The record of {record.name} is nested too deeply") from error


def _add_view(archive: tarfile.TarFile, prefix: str, view: RenderedView) -> None:
    """Add the members of one view; their names begin with ``prefix``."""
    # Images of 8 bits, each a file of its own that other software can read
    _add_member(archive, f"{prefix}.png", encode_png(view.colour))
    optional_images = (
        (SURROUNDINGS, view.surroundings),
        (ALBEDO, view.albedo),
        (OCCLUSION, view.occlusion),
        (PARTS, view.parts),
    )
    for kind, pixels in optional_images:
        if pixels is not None:
            _add_member(archive, f"{prefix}.{kind}", encode_png(pixels))

    # Everything else in one file
    arrays: dict[str, NDArray[Any]] = {"depth": view.depth, "normal": view.normal}
    if view.index is not None:
        arrays["index"] = view.index
    if view.flow is not None:
        arrays["flow"] = view.flow
    _add_member(archive, f"{prefix}.npz", encode_npz(arrays))


def _add_ground_truth(
    archive: tarfile.TarFile, prefix: str, shape: Shape | None, mesh: MeshArrays | None
) -> None:
    """Add ground truth, grid, mesh and surface colors, as far as they exist."""
    if shape is not None:
        _add_member(archive, f"{prefix}.shape.npz", encode_npz(pack_shape(shape)))
        if shape.grid is not None:
            _add_member(archive, f"{prefix}.{GRID}", encode_grid(shape.grid))
        if shape.measured is not None:
            _add_member(archive, f"{prefix}.{MEASURED}", encode_npz(vars(shape.measured)))
        if shape.surface_part is not None:
            part_bytes = encode_npz({"surface": shape.surface_part})
            _add_member(archive, f"{prefix}.{SURFACE_PARTS}", part_bytes)

    # Stored faces are unsigned, so that none can be negative.
    if mesh is not None:
        faces = mesh.to_triangles().astype(np.uint32)
        mesh_bytes = encode_npz({"vertices": mesh.vertices, "faces": faces})
        _add_member(archive, f"{prefix}.mesh.npz", mesh_bytes)

    # Colors of the surface points
    if shape is not None and shape.surface_colour is not None and shape.surface_seen is not None:
        seen = np.packbits(shape.surface_seen)
        surface_bytes = encode_npz({"colour": shape.surface_colour, "seen": seen})
        _add_member(archive, f"{prefix}.surface.npz", surface_bytes)


def _compact_members(
    record: Record, shape: Shape, views: Iterable[RenderedView]
) -> Iterator[tuple[str, bytes]]:
    """Yield kind and content of each member of the compact form."""
    # Ground truth
    arrays = compact.compact_arrays(pack_shape(shape))
    yield "shape.npz", encode_npz(arrays)
    if shape.grid is not None:
        yield GRID, encode_grid(shape.grid)
    if shape.surface_part is not None:
        yield SURFACE_PARTS, encode_npz({"surface": shape.surface_part})

    # Views
    for index, view in enumerate(views):
        prefix = f"{index:03d}"
        yield f"{prefix}.webp", compact.encode_image(view.colour)
        if view.surroundings is not None:
            yield f"{prefix}.{SMALL_SURROUNDINGS}", compact.encode_image(view.surroundings)
        depth_bytes = compact.encode_depth(view.depth, view.camera, record.bounds)
        yield f"{prefix}.{SMALL_DEPTH}", depth_bytes

        # Relighting needs exact normals; other sets compute them from depth.
        if view.albedo is not None and view.occlusion is not None:
            is_shown = view.colour[..., 3] > 0
            yield f"{prefix}.{SMALL_ALBEDO}", compact.encode_albedo(view.albedo, is_shown)
            shading_bytes = compact.encode_shading(view.normal, view.occlusion)
            yield f"{prefix}.{SMALL_SHADING}", shading_bytes
        if view.parts is not None:
            yield f"{prefix}.{PARTS}", encode_png(view.parts)


def read_record(path: Path, file: Path | None = None, start: int = 0) -> Record:
    """Read the record of an object's file, without the rest of the file.

    Args:
        path: Of the object's file; in a shard ``SHARD/NAME.tar``.
        file: The shard that contains the object, if any.
        start: Byte of ``file`` at which the object begins.

    Raises:
        DatasetError: The file is missing, damaged, or of another version of the format.
    """
    with (
        describe_damage(f"{path} is not a complete object of a training set"),
        open_regular(file or path) as stream,
    ):
        # In a shard the object is a tar of its own.
        stream.seek(start)
        with open_archive(stream) as archive:
            data = _read_record_member(archive, f"{path.stem}.json")
        record = record_from_json(parse_json(data))
        _require_record_name(record, path)
        return record


def _read_record_member(archive: tarfile.TarFile, name: str) -> bytes:
    """Return the content of the first member called ``name``.

    Raises:
        ValueError: There is no such member.
    """
    for member in iterate_members(archive, limits.MEMBERS):
        if member.name == name:
            return read_member(archive, member)
    raise ValueError(f"{name} is missing")


def _require_record_name(record: Record, path: Path) -> None:
    """Refuse the record of another object than the file's.

    Names of records become those of files, so no two objects of a set may have the same.
    """
    if record.name != path.stem:
        raise DatasetError(f"{path}: the record is that of {record.name}")


class ObjectFile:
    """An object's file, opened to read its parts.

    Args:
        path: The file.
        parts: Its members by their kinds, or all of its bytes, if they have been read already.

    Attributes:
        parts: Its members by their kinds.
        record: Metadata.

    Raises:
        DatasetError: The file is missing, damaged, or of another version of the format. Reading a
            part raises it, too.
    """

    def __init__(self, path: Path, parts: Mapping[str, bytes] | bytes | None = None) -> None:
        self.path = path
        with describe_damage(f"{path} is not a complete object of a training set"):
            if parts is None or isinstance(parts, bytes):
                parts = _read_members(path, parts)
            self.parts = parts
            self.record = record_from_json(parse_json(self.read_member("json")))
        _require_record_name(self.record, path)

    def with_parts(self, parts: Mapping[str, bytes]) -> ObjectFile:
        """Return the same object with fewer members, without reading its record again."""
        reduced = copy.copy(self)
        reduced.parts = parts
        return reduced

    @property
    def has_ground_truth(self) -> bool:
        """Whether it has the ground truth of :meth:`read_shape`; a whole scene may have none."""
        return "shape.npz" in self.parts

    @property
    def is_compact(self) -> bool:
        """Whether it is in the compact form."""
        return "000.webp" in self.parts

    @property
    def relightable(self) -> bool:
        """Whether its views have albedo and occlusion."""
        return f"000.{SMALL_ALBEDO if self.is_compact else ALBEDO}" in self.parts

    def read_shape(self, number: int | None = None) -> Shape:
        """Return the ground truth.

        Args:
            number: Index of one of the record's shapes, to get its ground truth in its frame; None
                for the ground truth of the object.
        """
        # Older sets have no colors.
        prefix = "" if number is None else f"{shape_kind(number)}."
        kind = f"{prefix}shape.npz"
        arrays = self.read_arrays(kind)
        surface = {}
        if f"{prefix}surface.npz" in self.parts:
            surface = self.read_arrays(f"{prefix}surface.npz")

        with self._describe_damage_of(kind):
            require_shape_arrays(arrays, f"{self.path}: {prefix}")
            counts = {"surface": len(arrays["surface"])}
            require_arrays(surface, SURFACE_ARRAYS, f"{self.path}: {prefix}surface.npz, ", counts)
            shape = unpack_shape(compact.shape_from_arrays(arrays), surface)

        # Only the object itself has a grid, measured points and parts.
        if number is not None:
            return shape
        return replace(
            shape,
            grid=self.grid(),
            measured=self.read_measured(),
            surface_part=self._read_surface_part(len(shape.surface)),
        )

    def _read_surface_part(self, points: int) -> NDArray[np.uint8] | None:
        """Return the part of each of the surface points; None if the set has no parts."""
        if not self.record.parts:
            return None
        arrays = self.read_arrays(SURFACE_PARTS)
        prefix = f"{self.path}: {SURFACE_PARTS}, "

        with self._describe_damage_of(SURFACE_PARTS):
            require_surface_part_arrays(arrays, points, prefix)
            surface_part = arrays["surface"]
            if surface_part.min() < 1 or surface_part.max() > len(self.record.parts):
                raise DatasetError(f"{prefix}surface: a value refers to no part")
            return surface_part

    def read_measured(self) -> MeasuredPoints | None:
        """Return the points that photographs gave; None if the object was rendered."""
        if MEASURED not in self.parts:
            return None
        arrays = self.read_arrays(MEASURED)
        with self._describe_damage_of(MEASURED):
            require_measured_arrays(arrays, f"{self.path}: {MEASURED}, ")
            return MeasuredPoints(**arrays)

    def grid(self) -> NDArray[np.bool_] | None:
        """Return which cells are inside, see :class:`Shape`; None if the set has no grids."""
        if GRID not in self.parts:
            return None
        with self._describe_damage_of(GRID):
            return decode_grid(self.read_member(GRID))

    def read_mesh(self, number: int | None = None) -> MeshArrays | None:
        """Return the triangles of the source.

        Args:
            number: Index of one of the record's shapes, to get its mesh in its frame; None for the
                mesh of the object in world space.

        Returns:
            The mesh; None in sets that were made before meshes were stored, and for scenes in which
            something moves.
        """
        kind = "mesh.npz"
        if number is not None:
            kind = f"{shape_kind(number)}.mesh.npz"
        if kind not in self.parts:
            return None

        # Blender's arrays are signed.
        arrays = self.read_arrays(kind)
        with self._describe_damage_of(kind):
            require_mesh_arrays(arrays, f"{self.path}: {kind}, ")
            faces = arrays["faces"].astype(np.int32)
            return MeshArrays(arrays["vertices"], faces)

    def read_color(self, index: int) -> NDArray[np.uint8]:
        """Return the image of view ``index``: (H, W, 4) uint8, straight alpha."""
        return self._read_image(index, self.color_kind(index), "colour")

    def color_kind(self, index: int) -> str:
        """Return the kind of the member with the image of view ``index``."""
        return f"{index:03d}.{'webp' if self.is_compact else 'png'}"

    def read_surroundings(self, index: int) -> NDArray[np.uint8] | None:
        """Return what is behind and in front of the object in view ``index``, or None.

        Returns:
            (H, W, 4) uint8, see :class:`RenderedView`.
        """
        kind = f"{index:03d}.{SMALL_SURROUNDINGS if self.is_compact else SURROUNDINGS}"
        if kind not in self.parts:
            return None
        return self._read_image(index, kind, "surroundings")

    def albedo(self, index: int) -> NDArray[np.uint8] | None:
        """Return the color of view ``index`` without light: (H, W, 3) uint8 sRGB.

        Returns:
            The image, or None if the set is not relightable.
        """
        if not self.relightable:
            return None
        if not self.is_compact:
            return self._read_pixels(index, ALBEDO, "RGB")

        # The codec filled the background with the colors next to it.
        albedo = self._read_pixels(index, SMALL_ALBEDO, "RGB")
        is_background = self.read_color(index)[..., 3] == 0
        albedo[is_background] = 0
        return albedo

    def occlusion(self, index: int) -> NDArray[np.uint8] | None:
        """Return how open the surface of view ``index`` is: (H, W) uint8.

        Returns:
            The image, or None if the set is not relightable.
        """
        if not self.relightable:
            return None
        if self.is_compact:
            return self._read_shading(index)[..., 2]
        return self._read_pixels(index, OCCLUSION, "L")

    def read_parts(self, index: int) -> NDArray[np.uint8] | None:
        """Return the part that each pixel of view ``index`` shows: (H, W) uint8.

        Returns:
            Numbers from 1 in the record's ``parts``, 0 for the background; None if the set was made
            without parts.
        """
        if not self.record.parts:
            return None
        parts = self._read_pixels(index, PARTS, "L")
        if parts.max() > len(self.record.parts):
            raise DatasetError(f"{self.path}: view {index}, parts: a value refers to no part")
        return parts

    def normal(self, index: int) -> NDArray[np.float16]:
        """Return the normals of view ``index``; see :meth:`read_view` for the compact form.

        Returns:
            (H, W, 3) float16 in world space, 0 where there is no surface.
        """
        if not self.is_compact:
            return self._read_view_arrays(index, ("normal",))["normal"]

        # The compact form stores normals only for relighting.
        depth = self.read_depth(index)
        if not self.relightable:
            camera = self.record.views[index].camera
            return compact.normals_from_depth(depth, camera)
        normal_channels = self._read_shading(index)[..., :2]
        return compact.decode_normals(normal_channels, depth > 0)

    def read_depth(self, index: int) -> NDArray[np.float32]:
        """Return the depth of view ``index``: (H, W) float32 meters, 0 for no surface."""
        # The full form stores it next to other arrays.
        if not self.is_compact:
            return self._read_view_arrays(index, ("depth",))["depth"]

        # The compact form needs the range of depth to decode it.
        kind = f"{index:03d}.{SMALL_DEPTH}"
        with self._describe_damage_of(kind):
            camera = self.record.views[index].camera
            return compact.decode_depth(self.read_member(kind), camera, self.record.bounds)

    def read_view(self, index: int) -> RenderedView:
        """Return all images of view ``index``.

        In the compact form its normals are computed from its depth unless the set is relightable.
        """
        view = self.record.views[index]
        instance_index = None
        flow = None
        color = self.read_color(index)

        if self.is_compact:
            depth = self.read_depth(index)
            normal = self.normal(index)
        else:
            arrays = self._read_view_arrays(index)
            depth = arrays["depth"]
            normal = arrays["normal"]
            instance_index = arrays.get("index")
            flow = arrays.get("flow")

        return RenderedView(
            kind=view.kind,
            camera=view.camera,
            colour=color,
            depth=depth,
            normal=normal,
            index=instance_index,
            flow=flow,
            surroundings=self.read_surroundings(index),
            albedo=self.albedo(index),
            occlusion=self.occlusion(index),
            parts=self.read_parts(index),
        )

    def read_arrays(self, kind: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of ground truth or mesh in ``NAME.kind`` by their names."""
        data = self.read_member(kind)
        with self._describe_damage_of(kind):
            require_plausible_compression(data)
            return read_npz(data, array_bytes(kind))

    def require_declared_sizes(self) -> None:
        """Check what arrays of all members declare, without reading them.

        Raises:
            DatasetError: The first that declares more than it may, or is damaged.
        """
        pixels = {
            f"{index:03d}.npz": view.camera.width * view.camera.height
            for index, view in enumerate(self.record.views)
        }
        for kind, data in self.parts.items():
            if not kind.endswith(".npz"):
                continue
            with self._describe_damage_of(kind):
                if kind in pixels:
                    check_npz(data, pixels[kind] * VIEW_BYTES_A_PIXEL)
                else:
                    require_plausible_compression(data)
                    check_npz(data, array_bytes(kind))

    def _read_view_arrays(self, index: int, only: Collection[str] = ()) -> dict[str, NDArray[Any]]:
        """Return the arrays of a view in the full form, checked against its camera.

        Args:
            index: Of the view.
            only: Names of the arrays to read; empty for all, which must have depth and normal.
        """
        kind = f"{index:03d}.npz"
        camera = self.record.views[index].camera
        with self._describe_damage_of(kind):
            most = camera.width * camera.height * VIEW_BYTES_A_PIXEL
            arrays = read_npz(self.read_member(kind), most, only)
            for name in only or ("depth", "normal"):
                if name not in arrays:
                    raise ValueError(f"the array {name} is missing")
            for name in arrays.keys() & VIEW_ARRAYS.keys():
                self._require_view_array(index, name, arrays[name])

        return arrays

    def _read_image(self, index: int, kind: str, name: str) -> NDArray[np.uint8]:
        """Return an image with alpha of view ``index``.

        Args:
            index: Of the view, which gives the expected size.
            kind: Of the member.
            name: Of the field of :class:`RenderedView`.
        """
        with self._describe_damage_of(kind):
            image = compact.decode_image(self.read_member(kind))
            self._require_view_array(index, name, image)
            return image

    def _require_view_array(self, index: int, name: str, array: NDArray[Any]) -> None:
        """Check an image of view ``index`` that is the field ``name`` of :class:`RenderedView`."""
        camera = self.record.views[index].camera
        rule = VIEW_ARRAYS[name]
        shape: tuple[int, ...] = (camera.height, camera.width)
        if rule.channels is not None:
            shape = (*shape, rule.channels)
        require_array(array, shape, rule.dtype, f"{self.path}: view {index}, {name}")

    def read_member(self, kind: str) -> bytes:
        """Return the member ``NAME.kind`` as it is stored.

        Raises:
            DatasetError: There is no such member.
        """
        if kind not in self.parts:
            raise DatasetError(f"{self.path} lacks {self.path.stem}.{kind}")
        return self.parts[kind]

    def _read_shading(self, index: int) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 of the compact form: two channels of normal, and occlusion."""
        return self._read_pixels(index, SMALL_SHADING, "RGB")

    def _read_pixels(self, index: int, kind: str, mode: str) -> NDArray[np.uint8]:
        """Return an image of view ``index`` as a writable array; see ``compact.decode_pixels``.

        Args:
            index: Of the view, which gives the expected size.
            kind: Of the member, after the number of the view.
            mode: Of Pillow, that the image must have.
        """
        camera = self.record.views[index].camera
        view_kind = f"{index:03d}.{kind}"
        with self._describe_damage_of(view_kind):
            data = self.read_member(view_kind)
            return compact.decode_pixels(data, (camera.width, camera.height), mode)

    def _describe_damage_of(self, kind: str) -> AbstractContextManager[None]:
        """Name the file and the member ``kind`` if it turns out damaged."""
        return describe_damage(f"{self.path}: {kind} is damaged")


def _read_members(path: Path, data: bytes | None) -> dict[str, bytes]:
    """Return the members of an object's file by their kinds.

    Args:
        path: Of the file, which gives the object's name.
        data: Its bytes, if they have been read already.
    """
    stream = open_regular(path) if data is None else io.BytesIO(data)
    members = {}
    with stream, open_archive(stream) as archive:
        for member in iterate_members(archive, limits.MEMBERS):
            kind = member.name.removeprefix(f"{path.stem}.")
            members[kind] = read_member(archive, member)
    return members


def _add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
