"""Shapes for training in one folder: signed distances and surface points, mapped from disk.

shapes.json    where they came from, and which row holds which shape
rows.jsonl     a line for each row that is complete, while the folder is being made
fields.npy     (N, 64, 64, 64) int8, 127 at the truncation inside
points.npy     (N, 8192, 6) float16, positions in the cube and normals
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....atomic_files import LineFile, read_complete_lines, write_json
from ....dataset.frames import object_frame
from ....dataset.index import ObjectLocation, split_locations
from ....dataset.splits import HELD_OUT_FAMILIES, SPLITS, hash_key
from ....errors import DatasetError, MeshError
from ....geometry.shape_cube.box import FIELD_SIDE, ShapeBox
from ....geometry.shape_cube.distances import surface_points
from ....geometry.shape_cube.fields import solid_field, unit_field
from ....geometry.winding_number import OrientedSolid
from ....jobs.task import Progress, Task
from ....procedural import FAMILIES, make_object
from ..loop import lock_run

POINT_COUNT = 8192
FIELD_SCALE = 127.0  # stored value at the truncation
FIRST_SEED = 200_000  # of made objects: those of training sets have smaller ones
_TRAIN_SHARE = 0.8
_NOT_TEST_SHARE = 0.9  # train and validation
_LEAST_INSIDE = 40  # points of a field that must be inside


@dataclass(frozen=True)
class ShapeSource:
    """Where a shape comes from.

    Attributes:
        name: of the object. family: its class. split: "train", "validation" or "test".
        place: in its training set; None for a made object.
        seed: of a made object.
    """

    name: str
    family: str
    split: str
    place: ObjectLocation | None = None
    seed: int = -1


@dataclass(frozen=True)
class StoredShape:
    """A row of the store.

    Attributes:
        name, family, split: see :class:`ShapeSource`.
        row: index in the arrays.
        size: (3,) stretched sides of the box in longest sides, see ``ShapeBox``.
    """

    name: str
    family: str
    split: str
    row: int
    size: tuple[float, float, float]


@dataclass(frozen=True)
class StoreRequest:
    """What a store holds.

    Attributes:
        folder: of the store. An interrupted one is continued.
        datasets: training sets with grids.
        made: number of procedural objects to add, spread evenly over the families.
        left_out: families that are not trained on, besides ``HELD_OUT_FAMILIES``.
    """

    folder: Path
    datasets: Sequence[Path]
    made: int = 0
    left_out: Sequence[str] = ()

    @property
    def held_out(self) -> frozenset[str]:
        """All families that are not trained on."""
        return HELD_OUT_FAMILIES | frozenset(self.left_out)

    def as_dict(self) -> dict[str, Any]:
        """Return what the folder must have been made of, as JSON holds it."""
        return {
            "datasets": [str(path.resolve()) for path in self.datasets],
            "made": self.made,
            "left_out": sorted(self.held_out),
        }


class ShapeStore:
    """The arrays of a folder and what they hold.

    Attributes:
        shapes: the rows that hold a shape.
        fields: (N, 64, 64, 64) int8.
        points: (N, 8192, 6) float16.
    """

    def __init__(self, folder: Path) -> None:
        """Map the folder's arrays.

        Raises:
            DatasetError: it holds no complete store.
        """
        try:
            content = json.loads((folder / "shapes.json").read_text(encoding="utf-8"))
            self.shapes = [_stored_shape(entry) for entry in content["shapes"]]
            self.fields = np.load(folder / "fields.npy", mmap_mode="r")
            self.points = np.load(folder / "points.npy", mmap_mode="r")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{folder} holds no complete store of shapes. Delete it; it is made again"
            ) from error

    def of_split(self, split: str) -> list[StoredShape]:
        """Return the shapes of ``split``."""
        return [shape for shape in self.shapes if shape.split == split]

    def field(self, shape: StoredShape) -> NDArray[np.float32]:
        """Return the truncated distance (64, 64, 64) in -1..1 of a shape, positive inside."""
        stored: NDArray[np.float32] = self.fields[shape.row].astype(np.float32)
        return stored / np.float32(FIELD_SCALE)

    def surface(self, shape: StoredShape) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return points (8192, 3) of a shape's surface in the cube, and their normals."""
        values = self.points[shape.row].astype(np.float32)
        return values[:, :3], values[:, 3:]


def make_store(request: StoreRequest) -> Task[ShapeStore]:
    """Return the store of a request, which is made or completed first.

    Raises:
        DatasetError: a set is missing or damaged or has no grids, or the folder was made of
            others.
        OutputError: the disk is full.
    """
    folder = request.folder
    complete = folder / "shapes.json"
    if complete.is_file():
        _require_same_request(complete, request)
        return ShapeStore(folder)

    with lock_run(folder):
        begun = folder / "request.json"
        if begun.exists():
            _require_same_request(begun, request)
        else:
            write_json(begun, {"request": request.as_dict()})

        yield Progress(0.0, "Reading the training sets")

        # All shapes in a fixed order, whose rows are filled one after the other.
        sources = [*_set_sources(request.datasets), *_made_sources(request)]
        sources = [_kept_from_training(source, request.held_out) for source in sources]
        yield from _fill_rows(folder, sources)

    # Rows without a shape are left out of the list.
    lines = [json.loads(line) for line in read_complete_lines(folder / "rows.jsonl")]
    shapes = [line for line in lines if line["size"]]
    write_json(complete, {"request": request.as_dict(), "shapes": shapes})
    return ShapeStore(folder)


def _stored_shape(entry: dict[str, Any]) -> StoredShape:
    """Return a row as ``shapes.json`` holds it."""
    size = tuple(float(side) for side in entry["size"])
    return StoredShape(entry["name"], entry["family"], entry["split"], entry["row"], size)  # type: ignore[arg-type]


def _require_same_request(path: Path, request: StoreRequest) -> None:
    """Refuse a folder that was made of something else.

    Raises:
        DatasetError: it was, or the file ``path`` that says so is damaged.
    """
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["request"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is damaged. Delete the folder; it is made again") from error

    if known != request.as_dict():
        raise DatasetError(
            f"{path.parent} was made of other training sets or families. Choose another folder"
        )


def _set_sources(datasets: Sequence[Path]) -> list[ShapeSource]:
    """Return the objects of training sets; copies of held-out ones are not trained on."""
    sources = []
    for split in SPLITS:
        for place in split_locations(datasets, split) if datasets else ():
            family = place.read_record().family
            sources.append(ShapeSource(place.name, family, split, place))
    return sources


def _made_sources(request: StoreRequest) -> list[ShapeSource]:
    """Return procedural objects of all families but the held-out ones, in turn."""
    families = [name for name in sorted(FAMILIES) if name not in request.held_out]
    sources = []
    for index in range(request.made):
        family = families[index % len(families)]
        seed = FIRST_SEED + index // len(families)
        name = f"{family}_{seed:06d}"

        # The split follows from the name, and stays when objects are added.
        position = int.from_bytes(hash_key(name)[:4], "big") / 2**32
        split = "train"
        if position >= _NOT_TEST_SHARE:
            split = "test"
        elif position >= _TRAIN_SHARE:
            split = "validation"
        sources.append(ShapeSource(name, family, split, seed=seed))

    return sources


def _kept_from_training(source: ShapeSource, held_out: frozenset[str]) -> ShapeSource:
    """Return ``source``, in the split "test" if its family is held out."""
    if source.family not in held_out:
        return source
    return replace(source, split="test")


def _fill_rows(folder: Path, sources: Sequence[ShapeSource]) -> Task[None]:
    """Write the rows of ``sources`` that are not there yet.

    A training set may have grown since the folder was begun: what no longer fits is left out.
    """
    fields = _open_rows(folder / "fields.npy", (len(sources), *(FIELD_SIDE,) * 3), np.int8)
    points = _open_rows(folder / "points.npy", (len(sources), POINT_COUNT, 6), np.float16)
    count = len(fields)

    with closing(LineFile(folder / "rows.jsonl")) as lines:
        # What an interrupted run has written is kept.
        done = [json.loads(line) for line in read_complete_lines(folder / "rows.jsonl")]
        names = {(entry["name"], entry["split"]) for entry in done}
        missing = [source for source in sources if (source.name, source.split) not in names]

        for row, source in zip(range(len(done), count), missing, strict=False):
            shape = _compute_shape(source)

            # A row without a size holds no shape.
            size: list[float] = []
            if shape is not None:
                field, positions, normals, sides = shape
                fields[row] = np.rint(field * FIELD_SCALE).astype(np.int8)
                points[row, :, :3] = positions
                points[row, :, 3:] = normals
                size = [round(float(side), 5) for side in sides]

            # The line says that the row is complete.
            entry = {"name": source.name, "family": source.family, "split": source.split}
            lines.write_line(json.dumps({**entry, "row": row, "size": size}))
            yield Progress((row + 1) / count, f"{row + 1} of {count} shapes")

    fields.flush()
    points.flush()


def _open_rows(path: Path, shape: tuple[int, ...], kind: type) -> Any:
    """Return the array of ``path`` for reading and writing; it is made if it is not there."""
    open_memmap: Any = np.lib.format.open_memmap  # without types
    if path.exists():
        return open_memmap(path, mode="r+")
    return open_memmap(path, mode="w+", dtype=kind, shape=shape)


def _compute_shape(
    source: ShapeSource,
) -> (
    tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]] | None
):
    """Return field, points, normals and the sides of the box; None if nothing is inside."""
    try:
        if source.place is not None:
            field, box = _field_of_set(source.place)
        else:
            field, box = _field_of_made(source)
    except MeshError:
        return None

    # Too thin for the field to show.
    if (field > 0).sum() < _LEAST_INSIDE:
        return None
    rng = np.random.default_rng(int.from_bytes(hash_key(source.name)[:4], "big"))
    positions, normals = surface_points(field, POINT_COUNT, rng)
    return field, positions, normals, box.size / box.size.max()


def _field_of_set(place: ObjectLocation) -> tuple[NDArray[np.float32], ShapeBox]:
    """Return field and box of an object of a training set.

    Raises:
        DatasetError: it is damaged or has no grid.
        MeshError: it has no extent.
    """
    file = place.open_object()
    grid = file.grid()
    if grid is None:
        raise DatasetError(f"{place.path} has no grid: render the set with --grid")

    # The grid is in the frame of the object.
    frame = object_frame(file.record.bounds)
    corners = file.record.bounds @ frame[:3, :3].T + frame[:3, 3]
    return unit_field(grid, corners), ShapeBox.of_bounds(corners)


def _field_of_made(source: ShapeSource) -> tuple[NDArray[np.float32], ShapeBox]:
    """Return field and box of a procedural object.

    Raises:
        MeshError: it has no extent.
    """
    made = make_object(source.family, source.seed)
    vertices = []
    triangles = []
    start = 0

    for part in made.parts:
        vertices.append(part.mesh.vertices)
        triangles.append(part.mesh.to_triangles() + start)
        start += len(part.mesh.vertices)

    # All solids of the object as one.
    solid = OrientedSolid(np.concatenate(vertices).astype(float), np.concatenate(triangles), 0.0)
    return solid_field(solid)
