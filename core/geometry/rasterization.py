"""Pixels of triangles, and depth buffers that tell which points of a surface a camera sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from ..imaging.morphology import filter3x3
from .winding_number import vertex_normals

Floats = NDArray[np.floating[Any]]

MIN_COSINE = 0.15  # between the normal and the direction to the camera; below it nothing is seen
_PAIRS_AT_ONCE = 1_000_000  # pixels of bounding boxes that are tested at once, to limit the memory
_BUFFER_SIZE = 1024  # pixels along the longer side of a depth buffer
_MIN_DOUBLE_AREA = 1e-12  # square pixels; thinner triangles have no inside
_INSIDE_TOLERANCE = -1e-6  # of a barycentric coordinate, so that no pixel is lost between triangles
# Depth that is allowed in front of a point, in pixels: a constant, and for each unit of slope as
# much as the surface rises from the center of a 3 x 3 neighborhood to its farthest corner.
_DEPTH_BIAS = 1.0
_SLOPE_BIAS = 2.5


@dataclass(frozen=True)
class DepthBuffer:
    """Depth of the nearest surface in each pixel of a camera.

    Attributes:
        depth: (H, W) meters along the view axis, inf where there is no surface.
        camera: The camera of these pixels.
    """

    depth: NDArray[np.float64]
    camera: Camera

    def hides(self, points: Floats, cosine: Floats) -> NDArray[np.bool_]:
        """Return which points are hidden by the surface, or are not in the image.

        A point is compared with the nearest depth of the 3 x 3 pixels around it, so that no color
        of a surface in front bleeds past its rim. A surface that is seen at an angle is allowed
        the depth that it has over these pixels.

        Args:
            points: (P, 3) meters.
            cosine: (P,) between the normals and the directions to the camera.

        Returns:
            (P,) bool.
        """
        camera = self.camera
        pixels, depth = camera.project(points)
        cell = np.floor(pixels).astype(np.int64)
        in_image = ((cell >= 0) & (cell < (camera.width, camera.height))).all(1)
        in_view = in_image & (depth > 0)
        column, row = np.where(in_view[:, None], cell, 0).T

        distance: float | NDArray[np.float64] = depth
        if camera.orthographic:
            distance = 1.0
        pixel_size = 1 / camera.intrinsics[0, 0] * distance
        safe_cosine = np.clip(cosine, MIN_COSINE, 1.0)  # rounding exceeds 1
        slope = np.sqrt(1 / safe_cosine**2 - 1)
        allowance = pixel_size * (_DEPTH_BIAS + _SLOPE_BIAS * slope)

        nearest = filter3x3(self.depth, np.minimum)[row, column]
        hidden: NDArray[np.bool_] = ~in_view | (nearest < depth - allowance)
        return hidden


def render_depth(corners: Floats, camera: Camera) -> DepthBuffer:
    """Return the depth buffer of triangles, 1024 pixels along the longer side.

    Args:
        corners: (F, 3, 3) triangles, meters. Those not completely in front of the camera are left
            out.
        camera: The camera, of any size.
    """
    scale = _BUFFER_SIZE / max(camera.width, camera.height)
    fine = _scaled_camera(camera, scale)
    pixels, depth = fine.project(corners.reshape(-1, 3))
    depth = depth.reshape(-1, 3)
    in_front = np.flatnonzero((depth > 0).all(1))
    pixels = pixels.reshape(-1, 3, 2)[in_front]
    depth = depth[in_front]

    buffer = np.full(fine.height * fine.width, np.inf)
    for pixel, face, share in rasterize(pixels, fine.width, fine.height):
        # In perspective, the inverse of the depth is linear in the image.
        if fine.orthographic:
            pixel_depth = (depth[face] * share).sum(1)
        else:
            pixel_depth = 1 / (share / depth[face]).sum(1)
        np.minimum.at(buffer, pixel, pixel_depth)

    return DepthBuffer(buffer.reshape(fine.height, fine.width), fine)


def render_surface(
    vertices: Floats, triangles: NDArray[np.integer[Any]], camera: Camera
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return depth and normals of the nearest surface in each pixel of a pinhole camera.

    Args:
        vertices: (V, 3) meters.
        triangles: (F, 3), those not completely in front of the camera are left out.
        camera: The camera, of the size of the result.

    Returns:
        (H, W) plane depth, meters, and (H, W, 3) unit normals, smooth over the surface, in world
        space; 0 where there is no surface.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels, vertex_depth = camera.project(vertices)
    shown = triangles[(vertex_depth[triangles] > 0).all(1)]
    depth = np.full(camera.height * camera.width, np.inf)
    normal = np.zeros((len(depth), 3))
    vertex_normal = vertex_normals(np.asarray(vertices, float), triangles)

    for pixel, face, share in rasterize(pixels[shown], camera.width, camera.height):
        corners = shown[face]
        weights = share / vertex_depth[corners]
        pixel_depth = 1 / weights.sum(1)

        # Of several triangles in a pixel the nearest one is written last.
        order = np.argsort(-pixel_depth)
        order = order[pixel_depth[order] < depth[pixel[order]]]
        place = pixel[order]
        depth[place] = pixel_depth[order]
        mean = (weights[order, :, None] * vertex_normal[corners[order]]).sum(1)
        normal[place] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)

    is_surface = np.isfinite(depth) & (np.abs(normal).sum(1) > 0)
    depth = np.where(is_surface, depth, 0).reshape(camera.height, camera.width)
    normal = np.where(is_surface[:, None], normal, 0).reshape(*depth.shape, 3)
    return depth.astype(np.float32), normal.astype(np.float32)


def render_vertex_depth(vertices: Floats, camera: Camera, spacing: float) -> DepthBuffer:
    """Return the depth buffer of vertices as points, in pixels about as wide as their spacing.

    Args:
        vertices: (V, 3) meters.
        camera: The camera, of any size.
        spacing: Typical distance of neighboring vertices, meters.
    """
    _, depth = camera.project(vertices)
    distance = 1.0
    if not camera.orthographic:
        distance = float(np.median(depth))
    coarse = _scaled_camera(camera, distance / spacing / camera.intrinsics[0, 0])

    pixels, _ = coarse.project(vertices)
    column, row = np.floor(pixels).astype(np.int64).T
    in_columns = (column >= 0) & (column < coarse.width)
    in_rows = (row >= 0) & (row < coarse.height)
    in_view = (depth > 0) & in_columns & in_rows

    buffer = np.full((coarse.height, coarse.width), np.inf)
    np.minimum.at(buffer, (row[in_view], column[in_view]), depth[in_view])
    return DepthBuffer(buffer, coarse)


def rasterize(
    corners: Floats, width: int, height: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Find the pixels whose centers are in triangles.

    Each pixel of the bounding box of a triangle is tested by its barycentric coordinates.

    Args:
        corners: (F, 3, 2) triangles, pixels.
        width: Of the image, pixels.
        height: Of the image, pixels.

    Yields:
        Flat indices of pixels (N,), their triangles (N,), and the barycentric coordinates (N, 3).
    """
    # The bounding boxes, in pixels whose centers are in them.
    size = (width, height)
    first = np.ceil(corners.min(1) - 0.5).astype(np.int64).clip(0, size)
    last = np.floor(corners.max(1) - 0.5).astype(np.int64)
    end = (last + 1).clip(0, size)
    span = np.maximum(end - first, 0)
    counts = span.prod(1)

    a = corners[:, 0]
    to_b = corners[:, 1] - a
    to_c = corners[:, 2] - a
    double_area = _cross_2d(to_b, to_c)
    is_visible = (counts > 0) & (np.abs(double_area) > _MIN_DOUBLE_AREA)
    visible = np.flatnonzero(is_visible)

    # Test some triangles at a time.
    pixel_sum = np.cumsum(counts[visible])
    limits = np.arange(0, counts[visible].sum(), _PAIRS_AT_ONCE)
    breaks = np.searchsorted(pixel_sum, limits)

    for faces in np.split(visible, breaks[1:]):
        if not len(faces):
            continue

        # A pair for each pixel of a triangle's box, row by row.
        pair_counts = counts[faces]
        face = faces.repeat(pair_counts)
        first_pair = np.cumsum(pair_counts) - pair_counts
        rank = np.arange(len(face)) - first_pair.repeat(pair_counts)
        row_length = span[face, 0]
        x = first[face, 0] + rank % row_length
        y = first[face, 1] + rank // row_length

        # Keep the pairs whose pixel center is in the triangle.
        pixel_centers = np.stack((x, y), axis=1) + 0.5
        share = _barycentric(corners, double_area, face, pixel_centers)
        inside = (share >= _INSIDE_TOLERANCE).all(1)
        pixel = y * width + x
        yield pixel[inside], face[inside], share[inside].astype(np.float32)


def _scaled_camera(camera: Camera, scale: float) -> Camera:
    """Return ``camera`` with about ``scale`` times as many pixels along each side."""
    width = max(1, round(camera.width * scale))
    height = max(1, round(camera.height * scale))
    return camera.resized(width, height)


def _barycentric(
    corners: Floats, double_area: Floats, face: NDArray[np.int64], points: Floats
) -> Floats:
    """Return the barycentric coordinates (N, 3) of points in triangles.

    Args:
        corners: (F, 3, 2) triangles.
        double_area: (F,) twice their signed area.
        face: (N,) the triangle of each point.
        points: (N, 2).
    """
    a = corners[face, 0]
    b = corners[face, 1]
    c = corners[face, 2]
    area = double_area[face]

    # Each coordinate is the share of the triangle between the point and the opposite edge.
    offset = points - a
    second = _cross_2d(offset, c - a) / area
    third = _cross_2d(b - a, offset) / area
    first = 1 - second - third

    return np.stack((first, second, third), axis=1)


def _cross_2d(first: Floats, second: Floats) -> Floats:
    """Return the cross products (N,) of vectors (N, 2) and (N, 2)."""
    product: Floats = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return product
