"""What a training set stores of one object, as dataclasses; see the package's docstring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera

MOST_PARTS = 255  # of an object: their numbers take 8 bits, and 0 is for none
PART_ORIGINS = ("procedural", "material", "vertex group")


@dataclass(frozen=True)
class MeasuredPoints:
    """What photographs of an object have measured around it, in world space (meters).

    Attributes:
        sparse: (P, 3) float32 points that features of several photographs gave.
        sparse_colour: (P, 3) uint8 sRGB.
        sparse_views: (P,) int32, how many photographs show the point.
        dense: (D, 3) float32 points of depth maps.
        dense_normals: (D, 3) float16 unit normals.
        dense_colour: (D, 3) uint8 sRGB.
        dense_views: (D,) int32, how many photographs agree on the point.
    """

    sparse: NDArray[np.float32]
    sparse_colour: NDArray[np.uint8]
    sparse_views: NDArray[np.int32]
    dense: NDArray[np.float32]
    dense_normals: NDArray[np.float16]
    dense_colour: NDArray[np.uint8]
    dense_views: NDArray[np.int32]


@dataclass(frozen=True)
class Shape:
    """Ground truth of a solid, in world space (meters).

    Attributes:
        uniform: (P, 3) float32 points in the enlarged bounding cube.
        uniform_inside: (P,) bool, whether each uniform point is inside.
        near: (P, 3) float32 points near the surface.
        near_inside: (P,) bool, whether each near point is inside.
        surface: (S, 3) float32 points on the surface.
        surface_normals: (S, 3) float32 outward unit normals of the surface points.
        uniform_distance: (P,) float32 signed distances to the surface, meters, negative inside.
            This and the next three are None in sets that were made before they were stored.
        near_distance: (P,) float32, likewise for the near points.
        surface_colour: (S, 3) uint8 sRGB, mean over the views that show the point; gray if no view
            shows it.
        surface_seen: (S,) bool, whether a view shows the point.
        grid: (96, 96, 96) bool by x, y and z, whether the center of each cell is inside, see
            ``core.geometry.occupancy_grid``; None if the set was made without grids.
        measured: Points of photographs, from which the solid was made; None of rendered objects.
        surface_part: (S,) uint8, the part that each surface point belongs to, from 1 in
            :attr:`Record.parts`; None if the set was made without parts.
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
    measured: MeasuredPoints | None = None
    surface_part: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class RenderedView:
    """All images of one view.

    Attributes:
        kind: Of its camera: a side, or the kind of the camera rig.
        camera: In world space; its width and height are those of the images.
        colour: (H, W, 4) uint8 sRGB, straight alpha, the object alone.
        depth: (H, W) float32 plane depth, meters; 0 where there is no surface.
        normal: (H, W, 3) float16 unit normals in world space; 0 where there is no surface.
        index: (H, W) uint16 of a whole scene: the index of the :class:`Instance`, 0 for none.
        flow: (H, W, 4) float16 of a whole scene along its frames: by how many pixels, right and
            down, the surface moves until the next frame (x, y) and has moved since the previous one
            (x, y), mean over the pixel; 0 where there is no surface.
        surroundings: (H, W, 4) uint8, straight alpha, if there is a background or an occluder: what
            is visible where ``colour`` is not opaque.
        albedo: (H, W, 3) uint8 sRGB of a relightable set: color without light; 0 where alpha is 0.
        occlusion: (H, W) uint8 of a relightable set: the fraction of the hemisphere above the
            surface that is open within half the longest side, 255 for all of it; 0 where alpha is
            0.
        parts: (H, W) uint8 of a set with parts: the part of the surface, from 1 in
            :attr:`Record.parts`, at the same sample as ``depth``. Nowhere 0 where ``depth`` is not,
            and 0 where alpha is.
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
    parts: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class ViewRecord:
    """Metadata of one view.

    Attributes:
        kind: Of its camera: a side, or the kind of the camera rig.
        camera: In world space.
        drawn: Each value that was sampled for the view, in a form that JSON can hold.
        frame: Of the scene; None if the view does not show a scene.
        moved: Poses (4, 4), by the index of the instance, of the instances that are elsewhere in
            this view than the record's ``instances``; see :meth:`Record.instances_in`.
    """

    kind: str
    camera: Camera
    drawn: Mapping[str, Any] = field(default_factory=dict)
    frame: int | None = None
    moved: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Instance:
    """One occurrence of a shape in a whole scene.

    Attributes:
        index: In the index images, from 1.
        name: Of the object in the scene.
        family: Category.
        to_world: (4, 4) rigid transform from the frame of the instance; its axes have unit length.
        bounds: (2, 3) low and high corner in the frame of the instance, meters.
        shape: Name of the shape, which copies of one shape share.
    """

    index: int
    name: str
    family: str
    to_world: NDArray[np.float64]
    bounds: NDArray[np.float64]
    shape: str = ""


@dataclass(frozen=True)
class InstanceShape:
    """A shape that instances of a whole scene share, in their frame, meters.

    Attributes:
        name: As in :attr:`Instance.shape`.
        bounds: (2, 3) low and high corner.
        triangles: Number of triangles.
        holds: Which of "mesh", "shape" and "surface" the file contains.
        lacks: Why some of these are missing; "" if none is.
    """

    name: str
    bounds: NDArray[np.float64]
    triangles: int
    holds: tuple[str, ...] = ()
    lacks: str = ""


@dataclass(frozen=True)
class Record:
    """Metadata of one object, its ``NAME.json``.

    Attributes:
        name: Of the object in the set.
        source: Where it comes from.
        family: Category.
        bounds: (2, 3) low and high corner, meters.
        fingerprint: Numbers that all copies of the shape share, see ``core.geometry.fingerprint``.
        views: In the order of their images.
        instances: Of a whole scene.
        more: Further entries of the JSON file.
        shapes: Of the instances of a whole scene; empty in sets that were made before shapes were
            stored.
        parts: Names of the parts of the object, each once; empty if the set was made without parts.
            The last one may be "", which is every surface of which nothing names the part.
        parts_from: What named them: "procedural" for the generator, "material" or "vertex group".
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
    parts: tuple[str, ...] = ()
    parts_from: str = ""

    def instances_in(self, view: int) -> tuple[Instance, ...]:
        """Return the instances with their poses in the view with the index ``view``."""
        moved = self.views[view].moved
        return tuple(
            replace(instance, to_world=moved.get(instance.index, instance.to_world))
            for instance in self.instances
        )

    def unposed_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bounding box before random rotation and scaling, and that transform.

        Returns:
            (2, 3) low and high corner, meters, and (4, 4) the matrix that was applied to them.
        """
        pose = self.more.get("drawn", {}).get("pose", {})
        if "bounds" not in pose:
            return self.bounds, np.eye(4)
        return np.array(pose["bounds"]), np.array(pose["matrix"])

    def family_names(self) -> list[str]:
        """Return the sorted families of a whole scene's instances, else the object's family."""
        families = {instance.family for instance in self.instances}
        return sorted(families or {self.family})


def has_surroundings(drawn: Mapping[str, Any]) -> bool:
    """Return whether a view has anything around the object, see :class:`RenderedView`.

    Args:
        drawn: What was sampled for the view, :attr:`ViewRecord.drawn`.
    """
    background = drawn.get("background", {"kind": "transparent"})
    return background["kind"] != "transparent" or bool(drawn.get("occluders"))
