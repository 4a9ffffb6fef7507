"""Whether a camera of a scene sees an object there, or anything."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import mathutils
import numpy as np
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...geometry.winding_number import fibonacci_directions

_NEAR = 0.05  # radii from a surface where a camera is too near to it
_TOLERANCE = 0.02  # radii by which the sampled surface may lie behind the mesh
_RAYS = 32
_TOO_NEAR = "the camera is too close to a surface"


def scene_fault(mesh: MeshArrays) -> Callable[[Camera], str | None]:
    """Tells why a camera is of no use for a whole scene: it is too near to something, or shows nothing.

    Args:
        mesh: all that is in the scene, world space.
    """
    space = SceneBVH(mesh)
    reach = _NEAR * float(np.linalg.norm(np.ptp(mesh.vertices, axis=0))) / 2

    def fault(camera: Camera) -> str | None:
        if space.is_near(camera.to_world[:3, 3], reach):
            return _TOO_NEAR
        return None if len(space.visible_hits(camera)) else "the image is empty"

    return fault


class SceneBVH:
    """All that is in a scene, given as its mesh in world space."""

    def __init__(self, mesh: MeshArrays) -> None:
        self._tree = BVHTree.FromPolygons(
            mesh.vertices.tolist(), mesh.to_triangles().tolist(), all_triangles=True
        )
        self._grid = (np.indices((_RAYS, _RAYS)).reshape(2, -1).T + 0.5) / _RAYS

    def is_near(self, place: NDArray[np.float64], reach: float) -> bool:
        """Whether a surface is within ``reach`` metres of ``place`` (3,)."""
        return self._tree.find_nearest(place, reach)[0] is not None

    def visible_hits(self, camera: Camera) -> NDArray[np.float64]:
        """(P, 3) what the rays of an even grid over the picture meet first, metres."""
        pixels = self._grid * (camera.width, camera.height)
        starts, ends = (
            camera.unproject(pixels, np.full(len(pixels), depth)) for depth in (0.0, 1.0)
        )
        met = (
            self._tree.ray_cast(start, way)[0]
            for start, way in zip(starts, ends - starts, strict=True)
        )
        return np.array([point for point in met if point is not None], float).reshape(-1, 3)

    def free_distance(self, place: NDArray[np.float64], way: NDArray[np.float64]) -> float:
        """How far from ``place`` (3,) towards ``way`` (3,) there is nothing, metres."""
        distance = self._tree.ray_cast(place, way)[3]
        return float("inf") if distance is None else distance


class CameraCheck:
    """The surface of an object among all that is in ``scene``, seen with the rays of Blender's viewport.

    points: (P, 3) on the object's surface, metres. normals: (P, 3) outward.
    """

    def __init__(
        self, scene: bpy.types.Scene, points: NDArray[np.floating], normals: NDArray[np.floating]
    ) -> None:
        self._scene = scene
        self._points = points.astype(float)
        self._normals = normals.astype(float)
        self._radius = float(np.linalg.norm(np.ptp(self._points, axis=0))) / 2
        layer = scene.view_layers[0]
        layer.update()
        self._graph = layer.depsgraph

    def rejection_reason(self, camera: Camera) -> str | None:
        """Why ``camera`` is of no use for the object: it is too near to something, or sees nothing of it."""
        if self._is_too_near(camera.to_world[:3, 3]):
            return _TOO_NEAR
        if not self._is_visible(camera):
            return "the object is outside the image, or hidden, or contains the camera"
        return None

    def _is_too_near(self, eye: NDArray[np.float64]) -> bool:
        reach = _NEAR * self._radius
        if np.linalg.norm(self._points - eye, axis=1).min() < reach:
            return True
        half = fibonacci_directions(_RAYS // 2)
        return any(self._hit_distance(eye, way, reach) is not None for way in (*half, *-half))

    def _is_visible(self, camera: Camera) -> bool:
        """Whether a point that is turned towards the camera is in the picture and nothing is before it.

        From inside of a closed object every surface is seen from behind.
        """
        pixels, depth = camera.project(self._points)
        if camera.orthographic:
            ways = np.broadcast_to(-camera.to_world[:3, 2], self._points.shape)
            starts = self._points - depth[:, None] * ways
        else:
            starts = np.broadcast_to(camera.to_world[:3, 3], self._points.shape)
            ways = self._points - starts
        inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(1) & (depth > 0)
        facing = (self._normals * ways).sum(1) < 0
        distance = np.linalg.norm(self._points - starts, axis=1) - _TOLERANCE * self._radius
        for index in np.nonzero(inside & facing)[0]:
            if self._hit_distance(starts[index], ways[index], distance[index]) is None:
                return True
        return False

    def _hit_distance(
        self, start: NDArray[np.float64], way: NDArray[np.float64], reach: float
    ) -> float | None:
        """How far along ``way`` something that is rendered lies, at most ``reach`` metres; None if nothing."""
        origin = mathutils.Vector(start)
        direction = mathutils.Vector(way).normalized()
        gone = 0.0
        while gone < reach:
            hit, place, _, _, obj, _ = self._scene.ray_cast(
                self._graph, origin + gone * direction, direction, distance=reach - gone
            )
            if not hit:
                return None
            gone = (place - origin).length
            if not obj.hide_render:
                return gone
            gone += 1e-4 * self._radius
        return None
