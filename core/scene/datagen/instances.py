"""The instances of a whole scene: their numbers, and which pixel shows which."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from ...dataset.records import Instance
from ...errors import SceneError
from ..depsgraph import EvaluatedInstance, SceneSnapshot
from .class_labels import class_of

_MOST_SOURCES = 2**15 - 1  # what pass_index holds
_MOST = 2**16 - 1  # what the pictures hold
_SAME = 1e-5  # by how much of its size an instance may stir without having moved


@dataclass(frozen=True)
class InstanceTable:
    """Instances over all frames.

    record: as they first stand. poses: for each snapshot (4, 4) to_world by index, of those that it holds.
    sources: the number of each object that lends pixels its pass_index, by full name. members: indices of the
    instances that each such number stands for. parts: by index, as first met. deforming: shapes, as the record names
    them, that change from frame to frame.
    """

    record: tuple[Instance, ...]
    poses: tuple[Mapping[int, NDArray[np.float64]], ...]
    sources: Mapping[str, int]
    members: Mapping[int, Sequence[int]]
    parts: Mapping[int, EvaluatedInstance]
    deforming: frozenset[str] = frozenset()

    def moved_poses(self, snapshot: int) -> dict[int, NDArray[np.float64]]:
        """Poses in the snapshot with this index that differ from the record's."""
        first = {one.index: one for one in self.record}
        return {
            index: pose
            for index, pose in self.poses[snapshot].items()
            if np.abs(pose - first[index].to_world).max()
            > _SAME * max(1.0, float(np.ptp(first[index].bounds)))
        }

    def index_map(
        self, numbers: NDArray[np.integer], points: NDArray[np.float64], snapshot: int
    ) -> NDArray[np.uint16]:
        """(H, W) uint16 index of the instance at each pixel, 0 where none is.

        Where an object has several instances, which all bear its number, the pixel's is that whose surface is nearest.

        Args:
            numbers: (H, W) as rendered. points: (H, W, 3) of the surface, world space.
        """
        result = np.zeros(numbers.shape, np.uint16)
        for number in np.unique(numbers[numbers > 0]):
            here = [index for index in self.members[int(number)] if index in self.poses[snapshot]]
            on = numbers == number
            if len(here) == 1:
                result[on] = here[0]
            elif here:
                result[on] = self._nearest_instance(points[on], here, self.poses[snapshot])
        return result

    def _nearest_instance(
        self,
        points: NDArray[np.float64],
        here: Sequence[int],
        poses: Mapping[int, NDArray[np.float64]],
    ) -> NDArray[np.integer]:
        """Index (P,) of that of the instances ``here`` whose surface is nearest to each of ``points`` (P, 3)."""
        best = np.full(len(points), np.inf)
        found = np.full(len(points), here[0])
        for index in here:
            part = self.parts[index]
            pose = poses[index]
            own = (points - pose[:3, 3]) @ pose[:3, :3]
            low, high = part.local_bounds()
            outside = np.linalg.norm(np.maximum(low - own, own - high).clip(0), axis=1)
            near = np.flatnonzero(outside < best)  # no surface is nearer than its box
            if len(near):
                tree = BVHTree.FromPolygons(
                    part.vertices.tolist(), part.triangles.tolist(), all_triangles=True
                )
                distance = np.array([tree.find_nearest(point)[3] for point in own[near].tolist()])
                nearer = distance < best[near]
                best[near[nearer]] = distance[nearer]
                found[near[nearer]] = index
        return found


def instances_of(
    snapshots: Sequence[SceneSnapshot], classes_from: str, class_property: str
) -> InstanceTable:
    """Number what the ``snapshots`` hold, by name.

    Args:
        classes_from, class_property: see ``families.family_of``.

    Raises:
        SceneError: there is nothing, or more than the pictures can number.
    """
    first: dict[str, EvaluatedInstance] = {}
    deforming: set[str] = set()
    bounds: dict[str, NDArray[np.float64]] = {}
    for snapshot in snapshots:
        for part in snapshot.parts:
            if not part.is_same_shape(first.setdefault(part.name, part)):
                deforming.add(part.name)
            now = part.local_bounds()
            old = bounds.get(part.name, part.local_bounds())
            bounds[part.name] = np.stack((np.minimum(old[0], now[0]), np.maximum(old[1], now[1])))
    names = sorted(first)
    sources = {
        name: number
        for number, name in enumerate(sorted({part.source for part in first.values()}), 1)
    }
    if not names:
        raise SceneError(
            "Nothing to render. No object of the scene has faces and is visible in renders"
        )
    if len(names) > _MOST or len(sources) > _MOST_SOURCES:
        raise SceneError(
            f"The scene has {len(names):,} instances, but at most {_MOST:,} are supported"
        )
    number = {name: index for index, name in enumerate(names, 1)}
    objects = {obj.name_full: obj for obj in bpy.data.objects}
    shapes = _distinct_shapes(first, deforming)
    record = tuple(
        Instance(
            number[name],
            name,
            class_of(
                objects[part.source], objects.get(part.instancer), classes_from, class_property
            ),
            part.to_world,
            bounds[name],
            shapes[name],
        )
        for name, part in sorted(first.items())
    )
    members: dict[int, list[int]] = {}
    for name in names:
        members.setdefault(sources[first[name].source], []).append(number[name])
    poses = tuple(
        {number[part.name]: part.to_world for part in snapshot.parts} for snapshot in snapshots
    )
    return InstanceTable(
        record,
        poses,
        sources,
        members,
        {number[name]: part for name, part in first.items()},
        frozenset(shapes[name] for name in deforming),
    )


def _distinct_shapes(
    parts: Mapping[str, EvaluatedInstance], deforming: Collection[str]
) -> dict[str, str]:
    """The shape of each of ``parts`` by their names: one name for those that are of one shape, and stay so.

    What Blender calls one mesh may be several shapes, when modifiers differ.
    """
    found: dict[str, list[EvaluatedInstance]] = {}
    result = {}
    for name, part in sorted(parts.items()):
        kinds = found.setdefault(part.shape, [])
        same = (
            i
            for i, one in enumerate(kinds)
            if part.is_same_shape(one) and (one.name in deforming) == (name in deforming)
        )
        place = next(same, len(kinds))
        if place == len(kinds):
            kinds.append(part)
        result[name] = part.shape if not place else f"{part.shape} #{place + 1}"
    return result


@contextmanager
def pass_indices(sources: Mapping[str, int]) -> Iterator[None]:
    """The objects with these full names have these pass indices meanwhile; afterwards their own again."""
    objects = [obj for obj in bpy.data.objects if obj.name_full in sources]
    before = [obj.pass_index for obj in objects]
    try:
        for obj in objects:
            obj.pass_index = sources[obj.name_full]
        yield
    finally:
        for obj, own in zip(objects, before, strict=True):
            obj.pass_index = own
