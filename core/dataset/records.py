"""What one object of a training set holds, and its file: written whole, read in parts."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from ..errors import DatasetError
from ..geometry.occupancy_grid import SIDE as GRID_SIDE
from . import atomic_files, compact

VERSION = 1
SURROUNDINGS = "surroundings.png"
# of the compact form
SMALL_SURROUNDINGS = "surroundings.webp"
SMALL_DEPTH = "depth.png"
SUMS = "crc.json"
ALBEDO = "albedo.png"
OCCLUSION = "occlusion.png"
SMALL_ALBEDO = "albedo.webp"
SMALL_SHADING = "shading.webp"
GRID = "grid.npz"
_GRID_BYTES = GRID_SIDE**3 // 8 + 128  # of the array and its header
# What the standard library, numpy and Pillow are seen to raise on damaged files.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    EOFError,
    SyntaxError,
    RuntimeError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Shape:
    """Ground truth of a solid, in world space (metres); see the package's docstring.

    uniform, near: (P, 3) float32. uniform_inside, near_inside: (P,) bool.
    surface: (S, 3) float32. surface_normals: (S, 3) float32.
    Sets that were made before these were stored have None:
    uniform_distance, near_distance: (P,) float32 metres to the solid's surface, negative inside.
    surface_colour: (S, 3) uint8, the mean of what the pictures show, grey where none does.
    surface_seen: (S,) bool, whether a picture shows the point.
    Only sets that were made with it have
    grid: (96, 96, 96) bool by x, y and z, whether the center of each cell is inside, see ``core.geometry.occupancy_grid``.
    """

    uniform: NDArray[np.float32]
    uniform_inside: NDArray[np.bool_]
    near: NDArray[np.float32]
    near_inside: NDArray[np.bool_]
    surface: NDArray[np.float32]
    surface_normals: NDArray[np.float32]
    uniform_distance: NDArray[np.float32] | None = None
    near_distance: NDArray[np.float32] | None = None
    surface_colour: NDArray[np.uint8] | None = None
    surface_seen: NDArray[np.bool_] | None = None
    grid: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class RenderedView:
    """One picture: colour (H, W, 4) uint8 straight alpha, depth (H, W) float32 metres, normal (H, W, 3) float16.

    Of a whole scene besides: index (H, W) uint16, see :class:`Instance`, 0 where none is; and along its frames
    flow (H, W, 4) float16: by how many pixels, right and down, what is seen moves until the next frame (x, y), and
    has moved since the previous one (x, y), the mean over the pixel; 0 where nothing is.
    With a background or occluders besides: surroundings (H, W, 4) uint8 straight alpha, what is to be seen where colour
    is not opaque.
    In relightable sets besides: albedo (H, W, 3) uint8 sRGB, the color without light, and occlusion (H, W) uint8, the
    share of the hemisphere over the surface that is open within half the longest side, 255 for all; 0 where alpha is.
    """

    kind: str
    camera: Camera
    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]
    normal: NDArray[np.float16]
    index: NDArray[np.uint16] | None = None
    flow: NDArray[np.float16] | None = None
    surroundings: NDArray[np.uint8] | None = None
    albedo: NDArray[np.uint8] | None = None
    occlusion: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class ViewRecord:
    """What is written of a view.

    drawn: each value that was drawn by chance for it, as JSON knows it.
    frame: of the scene, None if it shows no scene. moved: to_world (4, 4) of those instances, by their index, that
        stand elsewhere in it than the record says; see :meth:`Record.instances_in`.
    """

    kind: str
    camera: Camera
    drawn: Mapping[str, Any] = field(default_factory=dict)
    frame: int | None = None
    moved: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Instance:
    """One object of a whole scene: index in the pictures, from 1; its frame to_world (4, 4) and bounds (2, 3) in it.

    to_world is rigid: its axes are of unit length and bounds are in metres. shape: the same for copies of one shape.
    """

    index: int
    name: str
    family: str
    to_world: NDArray[np.float64]
    bounds: NDArray[np.float64]
    shape: str = ""


@dataclass(frozen=True)
class InstanceShape:
    """What instances of a whole scene share, in their own frame, metres.

    name: as the instances tell it. bounds: (2, 3) low and high corner. triangles: how many.
    holds: of "mesh", "shape" and "surface", what the file has of it. lacks: why that is not all, else "".
    """

    name: str
    bounds: NDArray[np.float64]
    triangles: int
    holds: tuple[str, ...] = ()
    lacks: str = ""


@dataclass(frozen=True)
class Record:
    """The object's ``NAME.json``. bounds: (2, 3) low and high corner, metres.

    instances, and shapes, those that they share: of a whole scene; sets made before shapes were stored have none.
    """

    name: str
    source: str
    family: str
    bounds: NDArray[np.float64]
    fingerprint: tuple[float, ...]
    views: tuple[ViewRecord, ...]
    instances: tuple[Instance, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[InstanceShape, ...] = ()

    def instances_in(self, view: int) -> tuple[Instance, ...]:
        """The instances as they stand in the view with the index ``view``."""
        moved = self.views[view].moved
        return tuple(
            replace(one, to_world=moved.get(one.index, one.to_world)) for one in self.instances
        )

    def unposed_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounding box (2, 3) of the object before chance turned and scaled it, and the matrix (4, 4) that did."""
        pose = self.more.get("drawn", {}).get("pose", {})
        if "bounds" not in pose:
            return self.bounds, np.eye(4)
        return np.array(pose["bounds"]), np.array(pose["matrix"])

    def family_names(self) -> list[str]:
        """Sorted families: its own or, of a whole scene, those of its instances."""
        return sorted({one.family for one in self.instances} or {self.family})


def write_object(
    folder: Path,
    record: Record,
    shape: Shape | None,
    views: Iterable[RenderedView],
    mesh: MeshArrays | None = None,
    shapes: Iterable[tuple[Shape | None, MeshArrays | None]] = (),
    small: bool = False,
) -> Path:
    """Write ``objects/NAME.tar`` whole or not at all. What a killed run left of it goes.

    Args:
        shape: None for a whole scene that bounds no solid. mesh: as it was found, world space.
        shapes: the same of each of ``record.shapes``, in its own frame.
        small: in the compact form; objects alone have one, not whole scenes.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    target = folder / "objects" / f"{record.name}.tar"
    atomic_files.remove_partials(target.parent, target.name)
    with atomic_files.atomic_write(target) as partial, tarfile.open(partial, "w") as archive:
        _add_member(archive, f"{record.name}.json", json.dumps(record_to_json(record)).encode())
        if small:
            _add_small(archive, record, shape, views)
            return target
        _add_truth(archive, record.name, shape, mesh)
        for number, (own, own_mesh) in enumerate(shapes):
            _add_truth(archive, f"{record.name}.{shape_kind(number)}", own, own_mesh)
        for index, view in enumerate(views):
            _add_member(archive, f"{record.name}.{index:03d}.png", _encode_png(view.colour))
            if view.surroundings is not None:
                _add_member(
                    archive,
                    f"{record.name}.{index:03d}.{SURROUNDINGS}",
                    _encode_png(view.surroundings),
                )
            for kind, pixels in ((ALBEDO, view.albedo), (OCCLUSION, view.occlusion)):
                if pixels is not None:
                    _add_member(archive, f"{record.name}.{index:03d}.{kind}", _encode_png(pixels))
            arrays = {
                "depth": view.depth,
                "normal": view.normal,
                "index": view.index,
                "flow": view.flow,
            }
            arrays = {kind: values for kind, values in arrays.items() if values is not None}
            _add_member(archive, f"{record.name}.{index:03d}.npz", _encode_npz(arrays))
    return target


def _add_small(
    archive: tarfile.TarFile, record: Record, shape: Shape, views: Iterable[RenderedView]
) -> None:
    """The members of the compact form, and last their checksums, which WebP lacks."""
    sums = {}

    def add(kind: str, data: bytes) -> None:
        sums[kind] = zlib.crc32(data)
        _add_member(archive, f"{record.name}.{kind}", data)

    add("shape.npz", _encode_npz(compact.compact_arrays(pack_shape(shape))))
    if shape.grid is not None:
        add(GRID, _grid_bytes(shape.grid))
    for index, view in enumerate(views):
        add(f"{index:03d}.webp", compact.encode_image(view.colour))
        if view.surroundings is not None:
            add(f"{index:03d}.{SMALL_SURROUNDINGS}", compact.encode_image(view.surroundings))
        add(
            f"{index:03d}.{SMALL_DEPTH}",
            compact.encode_depth(view.depth, view.camera, record.bounds),
        )
        if view.albedo is not None and view.occlusion is not None:
            add(
                f"{index:03d}.{SMALL_ALBEDO}",
                compact.albedo_bytes(view.albedo, view.colour[..., 3] > 0),
            )
            add(f"{index:03d}.{SMALL_SHADING}", compact.shading_bytes(view.normal, view.occlusion))
    _add_member(archive, f"{record.name}.{SUMS}", json.dumps(sums).encode())


def read_record(path: Path, file: Path | None = None, start: int = 0) -> Record:
    """The record of an object's file, without reading the rest of it.

    Args:
        file: where it is if that is a shard, and the byte at which it starts there.

    Raises:
        DatasetError: it is missing, damaged, or of another version.
    """
    with (
        _reading(f"{path} is not a complete object of a training set"),
        (file or path).open("rb") as stream,
    ):
        stream.seek(start)
        with tarfile.open(fileobj=stream) as archive:
            stored = next(
                (archive.extractfile(m) for m in archive if m.name == f"{path.stem}.json"), None
            )
            if stored is None:
                raise ValueError(f"it lacks {path.stem}.json")
            return _from_json(json.load(stored))


class ObjectFile:
    """An object's file, open for reading its parts.

    Args:
        path: the file. parts: its members by their kinds, or all of its bytes, if they have been read from elsewhere.

    Attributes:
        parts: its members by their kinds. record: see :class:`Record`.

    Raises:
        DatasetError: it is missing, damaged, or of another version. Reading a part raises it too.
    """

    def __init__(self, path: Path, parts: Mapping[str, bytes] | bytes | None = None) -> None:
        self.path = path
        with _reading(f"{path} is not a complete object of a training set"):
            if parts is None or isinstance(parts, bytes):
                with tarfile.open(
                    path, fileobj=None if parts is None else io.BytesIO(parts)
                ) as archive:
                    members = [
                        (m.name.removeprefix(f"{path.stem}."), archive.extractfile(m))
                        for m in archive
                        if m.isfile()
                    ]
                    parts = {kind: stored.read() for kind, stored in members}  # type: ignore[union-attr]
            self.parts = parts
            self.record = _from_json(json.loads(self.read_member("json")))

    @property
    def has_ground_truth(self) -> bool:
        """Whether it has the ground truth of :meth:`read_shape`; a whole scene may have none."""
        return "shape.npz" in self.parts

    @property
    def is_compact(self) -> bool:
        """Whether it is in the compact form."""
        return "000.webp" in self.parts

    def read_shape(self, number: int | None = None) -> Shape:
        """The ground truth; of the shape with the index ``number`` of the record's, in its own frame."""
        own = "" if number is None else f"{shape_kind(number)}."
        data = self.read_arrays(f"{own}shape.npz")
        surface = self.read_arrays(f"{own}surface.npz") if f"{own}surface.npz" in self.parts else {}
        with _reading(f"{self.path}: {own}shape.npz is damaged"):
            shape = unpack_shape(compact.shape_from_arrays(data), surface)
        return replace(shape, grid=self.grid()) if number is None else shape

    def grid(self) -> NDArray[np.bool_] | None:
        """Which cells are inside, see :class:`Shape`; None if the set was made without."""
        if GRID not in self.parts:
            return None
        with _reading(f"{self.path}: {GRID} is damaged"):
            return grid_of(self.read_member(GRID))

    def read_mesh(self, number: int | None = None) -> MeshArrays | None:
        """The triangles as they were found, world space; or of the shape with the index ``number``, in its own frame.

        None in sets made before they were stored, and of scenes in which something moves.
        """
        kind = "mesh.npz" if number is None else f"{shape_kind(number)}.mesh.npz"
        if kind not in self.parts:
            return None
        data = self.read_arrays(kind)
        with _reading(f"{self.path}: {kind} is damaged"):
            return MeshArrays(data["vertices"], data["faces"].astype(np.int32))

    def read_color(self, index: int) -> NDArray[np.uint8]:
        """Picture of view ``index``: (H, W, 4) uint8, straight alpha."""
        kind = self.color_kind(index)
        with _reading(f"{self.path}: {kind} is damaged"):
            return compact.decode_image(self.read_member(kind))

    def color_kind(self, index: int) -> str:
        """The member that holds the picture of view ``index``."""
        return f"{index:03d}.{'webp' if self.is_compact else 'png'}"

    def read_surroundings(self, index: int) -> NDArray[np.uint8] | None:
        """What is behind and before the object in view ``index``, see :class:`RenderedView`; None if nothing is."""
        kind = f"{index:03d}.{SMALL_SURROUNDINGS if self.is_compact else SURROUNDINGS}"
        if kind not in self.parts:
            return None
        with _reading(f"{self.path}: {kind} is damaged"):
            return compact.decode_image(self.read_member(kind))

    @property
    def relightable(self) -> bool:
        """Whether its views have albedo and occlusion."""
        return f"000.{SMALL_ALBEDO if self.is_compact else ALBEDO}" in self.parts

    def albedo(self, index: int) -> NDArray[np.uint8] | None:
        """Color of view ``index`` without light: (H, W, 3) uint8 sRGB; None if the set was made without."""
        if not self.relightable:
            return None
        albedo = self._pixels(index, SMALL_ALBEDO if self.is_compact else ALBEDO, "RGB")
        if self.is_compact:
            albedo[self.read_color(index)[..., 3] == 0] = 0
        return albedo

    def occlusion(self, index: int) -> NDArray[np.uint8] | None:
        """How open the surface of view ``index`` is: (H, W) uint8; None if the set was made without."""
        if not self.relightable:
            return None
        return (
            self._shading(index)[..., 2] if self.is_compact else self._pixels(index, OCCLUSION, "L")
        )

    def normal(self, index: int) -> NDArray[np.float16]:
        """Of view ``index``: (H, W, 3) float16, world space, 0 where nothing is; see :meth:`read_view`."""
        if not self.is_compact:
            return self.read_arrays(f"{index:03d}.npz")["normal"]
        depth = self.read_depth(index)
        if not self.relightable:
            return compact.normals_from_depth(depth, self.record.views[index].camera)
        return compact.unit_vectors(self._shading(index)[..., :2], depth > 0)

    def _shading(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, of the compact form: two channels of the normal, and occlusion."""
        return self._pixels(index, SMALL_SHADING, "RGB")

    def _pixels(self, index: int, kind: str, mode: str) -> NDArray[np.uint8]:
        """A picture of view ``index`` that must be of its size and of ``mode``, in memory of its own."""
        camera = self.record.views[index].camera
        kind = f"{index:03d}.{kind}"
        with _reading(f"{self.path}: {kind} is damaged"):
            return compact.pixels_of(self.read_member(kind), (camera.width, camera.height), mode)

    def read_depth(self, index: int) -> NDArray[np.float32]:
        """Of view ``index``: (H, W) float32 metres, 0 where nothing is."""
        kind = f"{index:03d}.{SMALL_DEPTH if self.is_compact else 'npz'}"
        with _reading(f"{self.path}: {kind} is damaged"):
            if self.is_compact:
                return compact.decode_depth(
                    self.read_member(kind), self.record.views[index].camera, self.record.bounds
                )
            with np.load(io.BytesIO(self.read_member(kind))) as data:
                return data["depth"]

    def read_view(self, index: int) -> RenderedView:
        """All of view ``index``; in the compact form its normals follow from its depth if it is not relightable."""
        view = self.record.views[index]
        if self.is_compact:
            return RenderedView(
                view.kind,
                view.camera,
                self.read_color(index),
                self.read_depth(index),
                self.normal(index),
                surroundings=self.read_surroundings(index),
                albedo=self.albedo(index),
                occlusion=self.occlusion(index),
            )
        data = self.read_arrays(f"{index:03d}.npz")
        with _reading(f"{self.path}: {index:03d}.npz is damaged"):
            return RenderedView(
                view.kind,
                view.camera,
                self.read_color(index),
                data["depth"],
                data["normal"],
                data.get("index"),
                data.get("flow"),
                self.read_surroundings(index),
                self.albedo(index),
                self.occlusion(index),
            )

    def read_arrays(self, kind: str) -> dict[str, NDArray[Any]]:
        """The arrays of the member ``NAME.kind`` by their names."""
        with (
            _reading(f"{self.path}: {kind} is damaged"),
            np.load(io.BytesIO(self.read_member(kind))) as data,
        ):
            return dict(data)

    def read_member(self, kind: str) -> bytes:
        """The member ``NAME.kind`` as it is stored.

        Raises:
            DatasetError: there is none.
        """
        if kind not in self.parts:
            raise DatasetError(f"{self.path} lacks {self.path.stem}.{kind}")
        return self.parts[kind]


@contextmanager
def _reading(problem: str) -> Iterator[None]:
    """Turn what damaged data raises into a DatasetError that begins with ``problem``."""
    try:
        yield
    except _DAMAGE as error:
        raise DatasetError(f"{problem}: {error or type(error).__name__}") from error


def camera_to_json(camera: Camera) -> dict[str, Any]:
    return {
        "width": camera.width,
        "height": camera.height,
        "orthographic": camera.orthographic,
        "intrinsics": camera.intrinsics.tolist(),
        "camera_to_world_opengl": camera.to_world.tolist(),
        "world_to_camera_opencv": camera.from_world.tolist(),
    }


def camera_from_json(data: Mapping[str, Any]) -> Camera:
    return Camera(
        np.array(data["camera_to_world_opengl"]),
        np.array(data["intrinsics"]),
        data["width"],
        data["height"],
        data["orthographic"],
    )


def record_to_json(record: Record) -> dict[str, Any]:
    return {
        "version": VERSION,
        "name": record.name,
        "source": record.source,
        "family": record.family,
        "bounds": record.bounds.tolist(),
        "fingerprint": list(record.fingerprint),
        "views": [_view_to_json(view) for view in record.views],
        "instances": [
            {
                "index": instance.index,
                "name": instance.name,
                "family": instance.family,
                "to_world": instance.to_world.tolist(),
                "bounds": instance.bounds.tolist(),
                "shape": instance.shape,
            }
            for instance in record.instances
        ],
        **({"shapes": [_shape_to_json(one) for one in record.shapes]} if record.shapes else {}),
        **record.more,
    }


def _from_json(data: dict[str, Any]) -> Record:
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']}, not {VERSION}")
    own = {
        "version",
        "name",
        "source",
        "family",
        "bounds",
        "fingerprint",
        "views",
        "instances",
        "shapes",
    }
    return Record(
        data["name"],
        data["source"],
        data["family"],
        np.array(data["bounds"]),
        tuple(data["fingerprint"]),
        tuple(_view_from_json(view) for view in data["views"]),
        tuple(
            Instance(
                one["index"],
                one["name"],
                one["family"],
                np.array(one["to_world"]),
                np.array(one["bounds"]),
                one.get("shape", ""),
            )
            for one in data.get("instances", ())
        ),
        {key: value for key, value in data.items() if key not in own},
        tuple(
            InstanceShape(
                one["name"],
                np.array(one["bounds"]),
                one["triangles"],
                tuple(one["holds"]),
                one.get("lacks", ""),
            )
            for one in data.get("shapes", ())
        ),
    )


def _shape_to_json(shape: InstanceShape) -> dict[str, Any]:
    lacks = {"lacks": shape.lacks} if shape.lacks else {}
    bounds = shape.bounds.tolist()
    holds = list(shape.holds)
    return {
        "name": shape.name,
        "bounds": bounds,
        "triangles": shape.triangles,
        "holds": holds,
        **lacks,
    }


def _view_to_json(view: ViewRecord) -> dict[str, Any]:
    data = {"kind": view.kind, **camera_to_json(view.camera), "drawn": dict(view.drawn)}
    if view.frame is not None:
        data["frame"] = view.frame
        data["moved"] = {str(index): to_world.tolist() for index, to_world in view.moved.items()}
    return data


def _view_from_json(data: Mapping[str, Any]) -> ViewRecord:
    moved = {int(index): np.array(to_world) for index, to_world in data.get("moved", {}).items()}
    return ViewRecord(
        data["kind"], camera_from_json(data), data.get("drawn", {}), data.get("frame"), moved
    )


def pack_shape(shape: Shape) -> dict[str, NDArray[Any]]:
    """The arrays of ``shape.npz``: all but the colours."""
    arrays = {
        "uniform": shape.uniform,
        "uniform_inside": np.packbits(shape.uniform_inside),
        "near": shape.near,
        "near_inside": np.packbits(shape.near_inside),
        "surface": shape.surface,
        "surface_normals": shape.surface_normals.astype(np.float16),
        "uniform_distance": shape.uniform_distance,
        "near_distance": shape.near_distance,
    }
    return {name: values for name, values in arrays.items() if values is not None}


def unpack_shape(data: Mapping[str, NDArray[Any]], surface: Mapping[str, NDArray[Any]]) -> Shape:
    """What :func:`pack_shape` was given. surface: the arrays of ``surface.npz``, or none."""
    bits = {
        k: np.unpackbits(data[f"{k}_inside"], count=len(data[k])).astype(bool)
        for k in ("uniform", "near")
    }
    return Shape(
        data["uniform"],
        bits["uniform"],
        data["near"],
        bits["near"],
        data["surface"],
        data["surface_normals"].astype(np.float32),
        data.get("uniform_distance"),
        data.get("near_distance"),
        surface.get("colour"),
        np.unpackbits(surface["seen"], count=len(data["surface"])).astype(bool)
        if surface
        else None,
    )


def shape_kind(number: int) -> str:
    """How the kinds of the members begin that are of the shape with the index ``number`` of a record's ``shapes``."""
    return f"shapes.{number:03d}"


def _add_truth(
    archive: tarfile.TarFile, name: str, shape: Shape | None, mesh: MeshArrays | None
) -> None:
    if shape is not None:
        _add_member(archive, f"{name}.shape.npz", _encode_npz(pack_shape(shape)))
        if shape.grid is not None:
            _add_member(archive, f"{name}.{GRID}", _grid_bytes(shape.grid))
    if mesh is not None:
        faces = mesh.to_triangles().astype(np.uint32)
        _add_member(
            archive, f"{name}.mesh.npz", _encode_npz({"vertices": mesh.vertices, "faces": faces})
        )
    if shape is not None and shape.surface_colour is not None and shape.surface_seen is not None:
        seen = np.packbits(shape.surface_seen)
        _add_member(
            archive,
            f"{name}.surface.npz",
            _encode_npz({"colour": shape.surface_colour, "seen": seen}),
        )


def _add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _encode_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A compressed .npz whose bytes depend on the arrays alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.save(member, values, allow_pickle=False)
            # level 3 takes less than half the time of numpy's 6, for files that are a few hundredths larger
            info = zipfile.ZipInfo(f"{name}.npy")
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=3)
    return buffer.getvalue()


def _grid_bytes(grid: NDArray[np.bool_]) -> bytes:
    """The member of ``grid`` (96, 96, 96): eight cells along z in each byte."""
    return _encode_npz({"inside": np.packbits(grid)})


def grid_of(data: bytes) -> NDArray[np.bool_]:
    """What the member ``grid.npz`` holds, (96, 96, 96) bool; no more memory is taken than such a grid needs.

    Raises:
        ValueError: it holds something else. Damaged files raise what the standard library does.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        if sizes != {"inside.npy": _GRID_BYTES}:
            raise ValueError(f"it holds {sizes}, not the bits of {GRID_SIDE} cells a side")
        bits = np.load(io.BytesIO(archive.read("inside.npy")), allow_pickle=False)
    if bits.shape != (GRID_SIDE**3 // 8,) or bits.dtype != np.uint8:
        raise ValueError(f"its bits are {bits.dtype} {bits.shape}")
    return np.unpackbits(bits).astype(bool).reshape((GRID_SIDE,) * 3)


def _encode_png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
