"""Rejects cameras that are too close to a surface or see nothing of interest."""

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

_MIN_DISTANCE = 0.05  # radii from a surface within which a camera is too close to it
_TOLERANCE = 0.02  # radii by which the sampled surface may be behind the mesh
_RAY_STEP = 1e-4  # radii behind a hidden surface from where a ray continues
_RAYS = 32  # along each side of an image, and around a camera
_TOO_NEAR = "the camera is too close to a surface"


def scene_fault(mesh: MeshArrays) -> Callable[[Camera], str | None]:
    """Return a function that finds out why a camera is of no use for a whole scene.

    Args:
        mesh: All that is in the scene, world space.

    Returns:
        A function from a camera to the reason (too close to a surface, or nothing visible), or None
        if there is none.
    """
    bvh = SceneBVH(mesh)
    radius = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0))) / 2
    min_distance = _MIN_DISTANCE * radius

    def fault(camera: Camera) -> str | None:
        if bvh.is_near(camera.to_world[:3, 3], min_distance):
            return _TOO_NEAR
        if not len(bvh.visible_hits(camera)):
            return "the image is empty"
        return None

    return fault


class SceneBVH:
    """Bounding volume hierarchy of all that is in a scene, given as a mesh in world space."""

    def __init__(self, mesh: MeshArrays) -> None:
        self._tree = BVHTree.FromPolygons(
            mesh.vertices.tolist(), mesh.to_triangles().tolist(), all_triangles=True
        )
        self._grid = (np.indices((_RAYS, _RAYS)).reshape(2, -1).T + 0.5) / _RAYS

    def is_near(self, point: NDArray[np.float64], distance: float) -> bool:
        """Return whether a surface is within ``distance`` meters of ``point`` (3,)."""
        return self._tree.find_nearest(point, distance)[0] is not None

    def visible_hits(self, camera: Camera) -> NDArray[np.float64]:
        """Return the points (P, 3) that an even grid of rays of the image hits first, meters."""
        # A ray of each pixel of the grid, from the image plane through the depth of a meter.
        pixels = self._grid * (camera.width, camera.height)
        starts = camera.unproject(pixels, np.zeros(len(pixels)))
        ends = camera.unproject(pixels, np.ones(len(pixels)))

        # Rays that hit nothing give no point.
        hits = []
        for start, direction in zip(starts, ends - starts, strict=True):
            point = self._tree.ray_cast(start, direction)[0]
            if point is not None:
                hits.append(point)

        return np.array(hits, float).reshape(-1, 3)

    def free_distance(self, point: NDArray[np.float64], direction: NDArray[np.float64]) -> float:
        """Return the distance from ``point`` (3,) to the next surface, meters; inf for none.

        Args:
            point: (3,) world space.
            direction: (3,) unit vector.
        """
        distance = self._tree.ray_cast(point, direction)[3]
        return float("inf") if distance is None else distance


class CameraCheck:
    """Checks whether cameras see the surface of an object.

    By ray casting in the viewport's evaluation of the scene, among all that is in it.

    Args:
        scene: With the object.
        points: (P, 3) on the object's surface, meters.
        normals: (P, 3) outward.
    """

    def __init__(
        self, scene: bpy.types.Scene, points: NDArray[np.floating], normals: NDArray[np.floating]
    ) -> None:
        self._scene = scene
        self._points = points.astype(float)
        self._normals = normals.astype(float)
        self._radius = float(np.linalg.norm(np.ptp(self._points, axis=0))) / 2

        # At the frame that is rendered. An update of the view layer would make its graph the
        # active one, which writes animated values back to the objects.
        current = bpy.context.scene
        scene.frame_set(current.frame_current, subframe=current.frame_subframe)
        self._graph = scene.view_layers[0].depsgraph

    def rejection_reason(self, camera: Camera) -> str | None:
        """Return why ``camera`` is of no use for the object, or None.

        It is too close to a surface, or does not see the object.
        """
        if self._is_too_near(camera.to_world[:3, 3]):
            return _TOO_NEAR
        if not self._is_visible(camera):
            return "the object is outside the image, or hidden, or contains the camera"
        return None

    def _is_too_near(self, eye: NDArray[np.float64]) -> bool:
        """Return whether the object or something else is too close to ``eye`` (3,)."""
        # The object: its sampled points.
        min_distance = _MIN_DISTANCE * self._radius
        distances = np.linalg.norm(self._points - eye, axis=1)
        if distances.min() < min_distance:
            return True

        # Other objects: rays into all directions.
        half_sphere = fibonacci_directions(_RAYS // 2)
        directions = (*half_sphere, *-half_sphere)
        return any(
            self._hit_distance(eye, direction, min_distance) is not None for direction in directions
        )

    def _is_visible(self, camera: Camera) -> bool:
        """Return whether some point of the object that faces the camera is visible in the image.

        From inside of a closed object every surface is seen from behind.
        """
        # A ray to each point: from the image plane, or from the eye.
        pixels, depth = camera.project(self._points)
        if camera.orthographic:
            directions = np.broadcast_to(-camera.to_world[:3, 2], self._points.shape)
            starts = self._points - depth[:, None] * directions
        else:
            starts = np.broadcast_to(camera.to_world[:3, 3], self._points.shape)
            directions = self._points - starts

        size = (camera.width, camera.height)
        is_in_image = ((pixels >= 0) & (pixels < size)).all(1) & (depth > 0)
        is_facing = (self._normals * directions).sum(1) < 0

        # Nothing may be in front of it.
        distance = np.linalg.norm(self._points - starts, axis=1) - _TOLERANCE * self._radius
        for index in np.nonzero(is_in_image & is_facing)[0]:
            if self._hit_distance(starts[index], directions[index], distance[index]) is None:
                return True
        return False

    def _hit_distance(
        self, start: NDArray[np.float64], direction: NDArray[np.float64], max_distance: float
    ) -> float | None:
        """Return the distance to the first surface that is rendered, meters; None without one.

        Args:
            start: (3,) of the ray, world space.
            direction: (3,) of any length.
            max_distance: Meters; what is further is ignored.
        """
        # The viewport also has objects that are hidden in renders.
        origin = mathutils.Vector(start)
        unit = mathutils.Vector(direction).normalized()
        distance = 0.0

        while distance < max_distance:
            is_hit, point, _, _, obj, _ = self._scene.ray_cast(
                self._graph, origin + distance * unit, unit, distance=max_distance - distance
            )
            if not is_hit:
                return None
            distance = (point - origin).length
            if not obj.hide_render:
                return distance

            # Hidden in renders: continue behind it.
            distance += _RAY_STEP * self._radius

        return None
