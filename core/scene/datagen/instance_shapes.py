"""The distinct shapes of a whole scene, with the ground truth of each in its instances' frame."""

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

_MOST = 1000  # shapes; the ground truth of these takes a quarter of an hour and half a gigabyte
_CACHE_NAME = "shapes.{:03d}"  # of a shape's ground truth in the view cache


@dataclass(frozen=True)
class InstanceShapes:
    """The shapes, sorted by name.

    Attributes:
        shapes: As the record has them before their ground truth is known.
        parts: An instance of each.
    """

    shapes: tuple[InstanceShape, ...]
    parts: tuple[EvaluatedInstance, ...]

    def missing_indices(self, views: ViewCache) -> list[int]:
        """Return the indices of the shapes whose ground truth is not in the cache yet."""
        return [
            index
            for index, shape in enumerate(self.shapes)
            if not shape.lacks and not views.has(_CACHE_NAME.format(index))
        ]

    def shape_truth(self, index: int, points: int, seed: int, name: str) -> dict[str, NDArray[Any]]:
        """Return the ground truth of a shape, or why it has none, as arrays for the cache.

        Args:
            index: Of the shape.
            points: Uniform points, and as many near the surface.
            seed: Of the set.
            name: Of the scene.
        """
        shape = self.shapes[index]

        # A generator of each shape, so that processes can share the work.
        scene_key = zlib.crc32(name.encode())
        shape_key = zlib.crc32(shape.name.encode())
        rng = np.random.default_rng((seed, scene_key, shape_key))

        try:
            samples = sample_solid(self._shape_mesh(index), points, rng)
            return pack_shape(samples.label(nearest_triangle_finder))
        except MeshError as error:
            # As bytes: the cache holds arrays of numbers alone.
            return {"lacks": np.frombuffer(str(error).encode(), np.uint8)}

    def store_truth(self, views: ViewCache, index: int, truth: Mapping[str, NDArray[Any]]) -> None:
        """Store the ground truth of a shape in the cache.

        Raises:
            OutputError: The disk is full.
        """
        views.put(_CACHE_NAME.format(index), truth)

    def complete_record(
        self, views: ViewCache, record: Record
    ) -> tuple[Record, Iterator[tuple[Shape | None, MeshArrays | None]]]:
        """Return ``record`` with what is known of each shape, and the shapes.

        Args:
            views: With all views and the ground truth of all shapes.
            record: Of the scene.

        Returns:
            The record, and for each shape its ground truth and mesh, one in memory at a time.
        """
        # What was found for each shape.
        shapes = list(self.shapes)
        surfaces = {}
        for index, shape in enumerate(self.shapes):
            if shape.lacks:
                continue
            cache_name = _CACHE_NAME.format(index)
            arrays = views.get(cache_name, ("lacks", "surface", "surface_normals"))
            if "surface" in arrays:
                normals = arrays["surface_normals"].astype(np.float32)
                surfaces[index] = (arrays["surface"], normals)
                shapes[index] = replace(shape, holds=("mesh", "shape", "surface"))
            elif "lacks" in arrays:
                reason = arrays["lacks"].tobytes().decode()
                shapes[index] = replace(shape, holds=("mesh",), lacks=reason)

        # Colors need the views, and all shapes at once.
        colors = instance_colors(views, record, surfaces) if surfaces else {}
        record = replace(record, shapes=tuple(shapes))
        return record, self._truths_and_meshes(views, shapes, colors)

    def _truths_and_meshes(
        self,
        views: ViewCache,
        shapes: list[InstanceShape],
        colors: Mapping[int, tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    ) -> Iterator[tuple[Shape | None, MeshArrays | None]]:
        """Yield the ground truth and the mesh of each shape, where they are known."""
        for index, shape in enumerate(shapes):
            truth = None
            if index in colors:
                surface_color, is_seen = colors[index]
                arrays = views.get(_CACHE_NAME.format(index))
                truth = replace(
                    unpack_shape(arrays, {}),
                    surface_colour=surface_color,
                    surface_seen=is_seen,
                )
            mesh = self._shape_mesh(index) if "mesh" in shape.holds else None
            yield truth, mesh

    def _shape_mesh(self, index: int) -> MeshArrays:
        """Return the mesh of a shape in its instances' frame."""
        part = self.parts[index]
        return MeshArrays(part.vertices.astype(np.float32), part.triangles)


def shapes_of(table: InstanceTable, most_triangles: int) -> InstanceShapes:
    """Return the distinct shapes of the instances.

    Args:
        table: Of the instances.
        most_triangles: Shapes with more have only a mesh and no ground truth.
    """
    first_indices: dict[str, int] = {}
    for instance in table.instances:
        first_indices.setdefault(instance.shape, instance.index)

    # Why a shape has no ground truth, if it has none.
    shapes: list[InstanceShape] = []
    parts: list[EvaluatedInstance] = []
    for name, index in sorted(first_indices.items()):
        part = table.parts[index]
        count = len(part.triangles)
        contents: tuple[str, ...] = ()
        missing_because = ""

        if name in table.deforming:
            missing_because = "it changes its shape over the frames"
        elif len(shapes) >= _MOST:
            missing_because = f"the scene has more than {_MOST:,} shapes"
        elif count > most_triangles:
            contents = ("mesh",)
            missing_because = f"it has {count:,} triangles, more than {most_triangles:,}"

        shapes.append(InstanceShape(name, part.local_bounds(), count, contents, missing_because))
        parts.append(part)

    return InstanceShapes(tuple(shapes), tuple(parts))
