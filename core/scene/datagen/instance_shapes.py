"""The distinct shapes of a whole scene: the truth of each once, in the frame of the instances that share it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...dataset.ground_truth import sample_solid
from ...dataset.members import pack_shape, unpack_shape
from ...dataset.records import InstanceShape, Record, Shape
from ...dataset.view_cache import ViewCache
from ...dataset.visibility import instance_colors
from ...errors import MeshError
from ..bvh import nearest_triangle_finder
from ..depsgraph import EvaluatedInstance
from .instances import InstanceTable

_MOST = 1000  # whose truth takes a quarter of an hour, and half a gigabyte
_KEPT = "shapes.{:03d}"


@dataclass(frozen=True)
class InstanceShapes:
    """told: for the record, before their truth is known. parts: an instance of each, in that order."""

    told: tuple[InstanceShape, ...]
    parts: tuple[EvaluatedInstance, ...]

    def missing_indices(self, views: ViewCache) -> list[int]:
        """Indices of those whose truth is yet to be found."""
        return [
            number
            for number, one in enumerate(self.told)
            if not one.lacks and not views.has(_KEPT.format(number))
        ]

    def shape_truth(
        self, number: int, points: int, seed: int, name: str
    ) -> dict[str, NDArray[Any]]:
        """That of the shape with the index ``number`` of the scene ``name``, to be kept; or why there is none."""
        told = self.told[number]
        mesh = self._shape_mesh(number)
        rng = np.random.default_rng(
            (seed, zlib.crc32(name.encode()), zlib.crc32(told.name.encode()))
        )
        try:
            return pack_shape(sample_solid(mesh, points, rng).label(nearest_triangle_finder))
        except MeshError as error:
            return {"lacks": np.array(str(error))}

    def store_truth(self, views: ViewCache, number: int, truth: Mapping[str, NDArray[Any]]) -> None:
        """Raises OutputError: the disk is full."""
        views.put(_KEPT.format(number), truth)

    def complete_record(
        self, views: ViewCache, record: Record
    ) -> tuple[Record, Iterator[tuple[Shape | None, MeshArrays | None]]]:
        """``record`` with what is there of each shape, and that, one in memory at a time."""
        told = list(self.told)
        surfaces = {}
        for number, one in enumerate(self.told):
            kept = (
                {}
                if one.lacks
                else views.get(_KEPT.format(number), ("lacks", "surface", "surface_normals"))
            )
            if "surface" in kept:
                surfaces[number] = kept["surface"], kept["surface_normals"].astype(np.float32)
                told[number] = replace(one, holds=("mesh", "shape", "surface"))
            elif "lacks" in kept:
                told[number] = replace(one, holds=("mesh",), lacks=str(kept["lacks"]))
        colors = instance_colors(views, record, surfaces) if surfaces else {}
        record = replace(record, shapes=tuple(told))

        def each() -> Iterator[tuple[Shape | None, MeshArrays | None]]:
            for number, one in enumerate(told):
                shape = None
                if number in colors:
                    color, seen = colors[number]
                    shape = replace(
                        unpack_shape(views.get(_KEPT.format(number)), {}),
                        surface_colour=color,
                        surface_seen=seen,
                    )
                yield shape, self._shape_mesh(number) if "mesh" in one.holds else None

        return record, each()

    def _shape_mesh(self, number: int) -> MeshArrays:
        part = self.parts[number]
        return MeshArrays(part.vertices.astype(np.float32), part.triangles)


def shapes_of(found: InstanceTable, most_triangles: int) -> InstanceShapes:
    """What the instances share. Those of more than ``most_triangles`` get no truth but their mesh."""
    told: list[InstanceShape] = []
    parts: list[EvaluatedInstance] = []
    first: dict[str, int] = {}
    for one in found.record:
        first.setdefault(one.shape, one.index)
    for name, index in sorted(first.items()):
        part = found.parts[index]
        count = len(part.triangles)
        holds: tuple[str, ...] = ()
        lacks = ""
        if name in found.deforming:
            lacks = "it changes its shape over the frames"
        elif len(told) >= _MOST:
            lacks = f"the scene has more than {_MOST:,} shapes"
        elif count > most_triangles:
            holds = ("mesh",)
            lacks = f"it has {count:,} triangles, more than {most_triangles:,}"
        told.append(InstanceShape(name, part.local_bounds(), count, holds, lacks))
        parts.append(part)
    return InstanceShapes(tuple(told), tuple(parts))
