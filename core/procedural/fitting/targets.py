"""What a procedural object is fitted to: the inside of a mesh, and silhouettes with depths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, View
from ...cameras import Camera, look_at, orthographic_camera
from ...errors import MeshError
from ...geometry.occupancy_grid import inside_lattice
from ...geometry.winding_number import OrientedSolid
from .drawing import Drawing, Lattice, draw_triangles
from .poses import turned_bounds

IMAGE_SIZE = 64  # pixels along each side of a silhouette
GRID_SIDE = 48  # cells along each side of the target's box
_MARGIN = 0.06  # around the object, as a share of its length, in grids and images
_SIGHT_DISTANCE = 4.0  # of the cameras around a mesh, in its longest side
# Cameras around a mesh, azimuth and elevation in degrees: two sides and two oblique views.
_DIRECTIONS = ((-90.0, 0.0), (0.0, 0.0), (-125.0, 25.0), (-30.0, 35.0))
_QUARTER = np.pi / 2
_FREE_STEPS = 24  # turns that are tried at first where the yaw is unknown
_CUBE_MARGIN = 1e-3  # of the unit cube that a target is stretched to


@dataclass(frozen=True)
class TargetView:
    """A silhouette.

    Attributes:
        camera: In the frame of the target, with square images of :data:`IMAGE_SIZE`.
        drawing: The mask; the depth is inf where it is not known.
    """

    camera: Camera
    drawing: Drawing


@dataclass(frozen=True)
class FittingTarget:
    """A mesh with its longest side 1 about the origin, upright.

    Attributes:
        vertices: (V, 3) of it.
        lattice: Cells around it.
        inside: (side, side, side) bool, which of these are inside.
        views: Silhouettes that must agree.
        yaws: Turns of the object that are possible at first, radians.
        is_turned_freely: Whether turns between these are possible, too.
    """

    vertices: NDArray[np.float64]
    lattice: Lattice
    inside: NDArray[np.bool_]
    views: tuple[TargetView, ...]
    yaws: tuple[float, ...]
    is_turned_freely: bool

    def bounds_along(self, yaw: float) -> NDArray[np.float64]:
        """Return the bounds (2, 3) along the axes of an object turned by ``yaw``."""
        return turned_bounds(self.vertices, yaw)


def target_of_mesh(mesh: MeshArrays, views: Sequence[View] = ()) -> FittingTarget:
    """Return the target of a mesh.

    Args:
        mesh: Its longest side is 1, its center the origin.
        views: Pictures of it with cameras in its frame. With them the object may be turned in any
            way, since a picture is; without them the mesh is drawn from four directions, and the
            object is turned by quarters.

    Raises:
        MeshError: The mesh encloses nothing.
    """
    vertices = mesh.vertices.astype(np.float64)
    triangles = mesh.to_triangles()
    bounds = np.stack((vertices.min(0), vertices.max(0)))
    lattice = Lattice.around(bounds, GRID_SIDE, _MARGIN)
    inside = _inside_lattice(vertices, triangles, lattice)
    if not inside.any():
        raise MeshError("The mesh encloses no volume, so no procedural object can be fitted to it")

    if views:
        target_views = tuple(_view_of_picture(view, vertices, triangles) for view in views)
        steps = _FREE_STEPS
    else:
        target_views = tuple(_drawn_views(vertices, triangles))
        steps = 4
    used = np.unique(triangles)
    return FittingTarget(
        vertices=vertices[used],
        lattice=lattice,
        inside=inside,
        views=target_views,
        yaws=tuple(2 * np.pi * step / steps for step in range(steps)),
        is_turned_freely=bool(views),
    )


def _inside_lattice(
    vertices: NDArray[np.float64], triangles: NDArray[np.int32], lattice: Lattice
) -> NDArray[np.bool_]:
    """Return which cells are inside a mesh that need not be closed."""
    # Stretched so that the cells are cubes, which changes no winding number.
    stretched = (vertices - lattice.lower) / lattice.cell
    solid = OrientedSolid(stretched, triangles, 0.0)
    return inside_lattice(solid, np.zeros(3), 1.0, lattice.side)


def _drawn_views(vertices: NDArray[np.float64], triangles: NDArray[np.int32]) -> list[TargetView]:
    """Return views of a mesh itself."""
    views = []
    for azimuth, elevation in _DIRECTIONS:
        camera = _camera_around(vertices, azimuth, elevation)
        views.append(TargetView(camera, draw_triangles(vertices, triangles, camera)))
    return views


def _camera_around(vertices: NDArray[np.float64], azimuth: float, elevation: float) -> Camera:
    """Return an orthographic camera that shows all of a mesh.

    Args:
        vertices: (V, 3) of the mesh.
        azimuth: Of the camera, degrees about Z from X.
        elevation: Of the camera, degrees.
    """
    azimuth = np.radians(azimuth)
    elevation = np.radians(elevation)
    level = np.array((np.cos(azimuth), np.sin(azimuth), 0.0))
    direction = np.cos(elevation) * level + np.array((0.0, 0.0, np.sin(elevation)))
    pose = look_at(_SIGHT_DISTANCE * direction, np.zeros(3))

    # Move the camera over the middle of what it sees.
    local = vertices @ pose[:3, :2]
    middle = (local.min(0) + local.max(0)) / 2
    pose[:3, 3] += pose[:3, :2] @ middle
    width = float(np.ptp(local, axis=0).max())
    return orthographic_camera(pose, (1 + 2 * _MARGIN) * width, IMAGE_SIZE)


def _view_of_picture(
    view: View, vertices: NDArray[np.float64], triangles: NDArray[np.int32]
) -> TargetView:
    """Return the silhouette in a picture, with the depth of the mesh behind it."""
    mask = view.image[..., 3] > 0.5
    rows, columns = np.nonzero(mask)
    if not len(rows):
        raise MeshError("A picture of the mesh shows no object")

    # A square window about the object, of which the centers of the pixels are looked up.
    left = float(columns.min())
    top = float(rows.min())
    width = columns.max() + 1 - left
    height = rows.max() + 1 - top
    length = (1 + 2 * _MARGIN) * max(width, height)
    left += (width - length) / 2
    top += (height - length) / 2
    step = length / IMAGE_SIZE
    camera = view.camera.zoomed(1 / step).cropped(left / step, top / step, IMAGE_SIZE, IMAGE_SIZE)

    centers = (np.arange(IMAGE_SIZE) + 0.5) * step
    row = np.floor(top + centers).astype(np.int64)
    column = np.floor(left + centers).astype(np.int64)
    in_rows = (row >= 0) & (row < mask.shape[0])
    in_columns = (column >= 0) & (column < mask.shape[1])
    looked_up = mask[np.ix_(row.clip(0, mask.shape[0] - 1), column.clip(0, mask.shape[1] - 1))]
    looked_up = looked_up & in_rows[:, None] & in_columns

    drawing = draw_triangles(vertices, triangles, camera)
    return TargetView(camera, Drawing(looked_up, drawing.depth))


def normalized_mesh(vertices: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], float]:
    """Return the center (3,) of the box of vertices (V, 3), and its longest side.

    Raises:
        MeshError: It has no extent.
    """
    low = vertices.min(0).astype(np.float64)
    high = vertices.max(0).astype(np.float64)
    size = float((high - low).max())
    if not size > 0 or not np.isfinite(size):
        raise MeshError("The mesh has no extent, so no procedural object can be fitted to it")
    return (low + high) / 2, size
