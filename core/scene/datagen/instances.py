"""The instances of a whole scene: their indices, and which pixel shows which."""

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

_MOST_SOURCES = 2**15 - 1  # values of Blender's pass_index
_MOST = 2**16 - 1  # values of an index image
_SAME = 1e-5  # deviation, of its size, up to which an instance has not moved


@dataclass(frozen=True)
class InstanceTable:
    """Instances over all frames.

    Attributes:
        instances: As their records have them, in the pose where they first appear.
        poses: For each snapshot the to_world (4, 4) of its instances by index.
        sources: The pass_index of each object that is rendered, by full name.
        members: The indices of the instances that are rendered with each pass_index.
        parts: By index, as they first appear.
        deforming: Names of shapes that change from frame to frame.
    """

    instances: tuple[Instance, ...]
    poses: tuple[Mapping[int, NDArray[np.float64]], ...]
    sources: Mapping[str, int]
    members: Mapping[int, Sequence[int]]
    parts: Mapping[int, EvaluatedInstance]
    deforming: frozenset[str] = frozenset()

    def moved_poses(self, snapshot: int) -> dict[int, NDArray[np.float64]]:
        """Return the poses in a snapshot that differ from those of ``instances``."""
        first = {instance.index: instance for instance in self.instances}
        moved = {}
        for index, pose in self.poses[snapshot].items():
            instance = first[index]
            size = float(np.ptp(instance.bounds))

            # Small movements are rounding errors of the evaluation.
            difference = np.abs(pose - instance.to_world).max()
            tolerance = _SAME * max(1.0, size)
            if difference > tolerance:
                moved[index] = pose

        return moved

    def index_map(
        self, numbers: NDArray[np.integer], points: NDArray[np.float64], snapshot: int
    ) -> NDArray[np.uint16]:
        """Return the index of the instance at each pixel.

        Where an object has several instances, which are all rendered with its pass_index, the
        pixel belongs to the instance whose surface is nearest.

        Args:
            numbers: (H, W) the rendered pass_index.
            points: (H, W, 3) of the surface, world space.
            snapshot: Index of the snapshot that was rendered.

        Returns:
            (H, W) uint16, 0 where there is no instance.
        """
        poses = self.poses[snapshot]
        result = np.zeros(numbers.shape, np.uint16)
        for number in np.unique(numbers[numbers > 0]):
            pixels = numbers == number
            candidates = [index for index in self.members[int(number)] if index in poses]

            # Only where several instances share a pass_index the geometry decides.
            if len(candidates) == 1:
                result[pixels] = candidates[0]
            elif candidates:
                result[pixels] = self._nearest_instance(points[pixels], candidates, poses)

        return result

    def _nearest_instance(
        self,
        points: NDArray[np.float64],
        candidates: Sequence[int],
        poses: Mapping[int, NDArray[np.float64]],
    ) -> NDArray[np.integer]:
        """Return the index (P,) of the candidate whose surface is nearest to each point (P, 3)."""
        best_distance = np.full(len(points), np.inf)
        best_index = np.full(len(points), candidates[0])
        for index in candidates:
            part = self.parts[index]
            pose = poses[index]
            local_points = (points - pose[:3, 3]) @ pose[:3, :3]

            # No surface is nearer than its bounding box.
            low, high = part.local_bounds()
            outside = np.maximum(low - local_points, local_points - high).clip(0)
            near = np.flatnonzero(np.linalg.norm(outside, axis=1) < best_distance)
            if not len(near):
                continue

            tree = BVHTree.FromPolygons(
                part.vertices.tolist(), part.triangles.tolist(), all_triangles=True
            )

            # Distances of the remaining points to the surface.
            hits = [tree.find_nearest(point) for point in local_points[near].tolist()]
            distance = np.array([hit[3] for hit in hits])
            is_nearer = distance < best_distance[near]
            best_distance[near[is_nearer]] = distance[is_nearer]
            best_index[near[is_nearer]] = index

        return best_index


def instances_of(
    snapshots: Sequence[SceneSnapshot], classes_from: str, class_property: str
) -> InstanceTable:
    """Number the instances of all snapshots, by name.

    Args:
        snapshots: Of all frames.
        classes_from: The argument ``by`` of ``class_labels.class_of``.
        class_property: The argument ``name`` of it.

    Raises:
        SceneError: There is no instance, or more than an image can number.
    """
    first, deforming = _first_appearances(snapshots)
    names = sorted(first)
    source_names = sorted({part.source for part in first.values()})
    _check_counts(len(names), len(source_names))

    # Instances are numbered by name, objects that are rendered by full name; both from 1.
    indices = {name: index for index, name in enumerate(names, 1)}
    sources = {name: number for number, name in enumerate(source_names, 1)}
    members: dict[int, list[int]] = {}
    for name in names:
        number = sources[first[name].source]
        members.setdefault(number, []).append(indices[name])

    bounds = _bounds_over_frames(snapshots)
    shapes = _distinct_shapes(first, deforming)
    categories = _categories(first, classes_from, class_property)
    instances = []

    for name in names:
        instance = Instance(
            index=indices[name],
            name=name,
            family=categories[name],
            to_world=first[name].to_world,
            bounds=bounds[name],
            shape=shapes[name],
        )
        instances.append(instance)

    return InstanceTable(
        instances=tuple(instances),
        poses=tuple(_poses_by_index(snapshot, indices) for snapshot in snapshots),
        sources=sources,
        members=members,
        parts={indices[name]: part for name, part in first.items()},
        deforming=frozenset(shapes[name] for name in deforming),
    )


def _first_appearances(
    snapshots: Sequence[SceneSnapshot],
) -> tuple[dict[str, EvaluatedInstance], set[str]]:
    """Return the first appearance of each instance by name, and the names of those that deform."""
    first: dict[str, EvaluatedInstance] = {}
    deforming: set[str] = set()
    for snapshot in snapshots:
        for part in snapshot.parts:
            first_part = first.setdefault(part.name, part)
            if not part.is_same_shape(first_part):
                deforming.add(part.name)

    return first, deforming


def _categories(
    parts: Mapping[str, EvaluatedInstance], classes_from: str, class_property: str
) -> dict[str, str]:
    """Return the category of each of ``parts``, by their names; see :func:`class_of`."""
    objects = {obj.name_full: obj for obj in bpy.data.objects}
    categories = {}
    for name, part in parts.items():
        source = objects[part.source]
        instancer = objects.get(part.instancer)
        categories[name] = class_of(source, instancer, classes_from, class_property)
    return categories


def _check_counts(instance_count: int, source_count: int) -> None:
    """Raise SceneError if there is no instance, or more than an image can number."""
    if not instance_count:
        raise SceneError(
            "Nothing to render. No object of the scene has faces and is visible in renders"
        )
    if instance_count > _MOST or source_count > _MOST_SOURCES:
        raise SceneError(
            f"The scene has {instance_count:,} instances, but at most {_MOST:,} are supported"
        )


def _bounds_over_frames(snapshots: Sequence[SceneSnapshot]) -> dict[str, NDArray[np.float64]]:
    """Return for each instance the box (2, 3) that holds it in all frames, in its frame."""
    bounds: dict[str, NDArray[np.float64]] = {}
    for snapshot in snapshots:
        for part in snapshot.parts:
            low, high = part.local_bounds()

            # Grown by the box of each frame.
            old_low, old_high = bounds.get(part.name, (low, high))
            joint_low = np.minimum(old_low, low)
            joint_high = np.maximum(old_high, high)
            bounds[part.name] = np.stack((joint_low, joint_high))

    return bounds


def _poses_by_index(
    snapshot: SceneSnapshot, indices: Mapping[str, int]
) -> dict[int, NDArray[np.float64]]:
    """Return the to_world (4, 4) of the instances of a snapshot by index."""
    return {indices[part.name]: part.to_world for part in snapshot.parts}


def _distinct_shapes(
    parts: Mapping[str, EvaluatedInstance], deforming: Collection[str]
) -> dict[str, str]:
    """Return the name of the shape of each of ``parts``, by their names.

    Instances have the same name if they have the same shape and keep it. One mesh of Blender may
    give several shapes, where modifiers differ; these are numbered.
    """
    representatives: dict[str, list[EvaluatedInstance]] = {}
    shapes = {}
    for name, part in sorted(parts.items()):
        variants = representatives.setdefault(part.shape, [])

        # A new variant, if it has the shape of none of them.
        variant = _variant_of(part, variants, deforming)
        if variant == len(variants):
            variants.append(part)
        shapes[name] = part.shape if variant == 0 else f"{part.shape} #{variant + 1}"

    return shapes


def _variant_of(
    part: EvaluatedInstance, variants: Sequence[EvaluatedInstance], deforming: Collection[str]
) -> int:
    """Return the index of the variant that ``part`` has the shape of, or their number."""
    is_deforming = part.name in deforming
    for index, variant in enumerate(variants):
        if part.is_same_shape(variant) and (variant.name in deforming) == is_deforming:
            return index
    return len(variants)


@contextmanager
def pass_indices(sources: Mapping[str, int]) -> Iterator[None]:
    """Set the pass_index of objects, by full name, and of all others to 0; restore it on exit."""
    changed = []
    for obj in bpy.data.objects:
        number = sources.get(obj.name_full, 0)
        if obj.pass_index != number:
            changed.append((obj, obj.pass_index, number))

    try:
        for obj, _, number in changed:
            obj.pass_index = number
        yield
    finally:
        for obj, old_number, _ in changed:
            obj.pass_index = old_number
