"""Colors of a surface from pictures: each texel or vertex takes the color that the pictures which see it show there.

What a picture sees is told by a depth buffer of its own; pictures are blended by how squarely they look at the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays, View
from ..cameras import Camera
from ..imaging.morphology import filter3x3
from ..jobs.task import Progress, Task, subtask
from .winding_number import face_normals, vertex_normals

Floats = NDArray[np.floating]
Buffer = tuple[
    NDArray[np.float64], Camera
]  # how near the nearest is in each pixel (H, W), metres, and their camera

_PAIRS_AT_ONCE = 1_000_000
_BUFFER = 1024  # pixels along the longer side of a depth buffer
_SHARPNESS = 6  # power of the cosine to the surface by which pictures are blended
_OWN = 0.01  # weight of the mesh's own colour: where pictures see it only from the side it goes over into that
_LEAST_COSINE = 0.15
_PADDING = 16  # texels around each island of the unwrapping


def bake_texture(
    mesh: MeshArrays, uv: NDArray[np.float32], views: Sequence[View], size: int
) -> Task[NDArray[np.float32]]:
    """The texture (size, size, 3) float32, sRGB in 0..1, row 0 at the top, of an unwrapped mesh.

    Args:
        mesh: with colours, which are taken where no picture sees the surface. Triangles or quads.
        uv: (F, 3 or 4, 2) where each corner of each face lies in the texture, 0..1, v up.
        views: pictures whose alpha is the object's mask, and cameras in the mesh's frame.
        size: texels along each side; time grows with its square.
    """
    yield Progress(0.0, "Unwrapping")
    triangles = mesh.to_triangles()
    uv = _triangle_corners(uv)
    index, texels = _surface_texels(mesh, triangles, uv, size)

    def buffer(camera: Camera) -> Buffer:
        return depth_buffer(mesh.vertices[triangles].astype(float), camera)

    colors = yield from subtask(_blend_views(texels, views, buffer), 0.1, 0.8)
    yield Progress(0.8, "Padding")
    picture = np.full(
        (size, size, 3), mesh.colors.mean(0) if mesh.colors is not None else 0.5, np.float32
    )
    filled = np.zeros((size, size), bool)
    picture.reshape(-1, 3)[index] = colors
    filled.ravel()[index] = True
    return _pad_islands(picture, filled)


def vertex_colors_from_views(
    mesh: MeshArrays, views: Sequence[View], cell: float
) -> Task[NDArray[np.float32]]:
    """SRGB colors (V, 3) of the vertices of ``mesh``: what ``views`` show of them, elsewhere their own.

    What hides what is told by the vertices alone, which is fast, and enough where they lie close.

    Args:
        cell: about how far neighbouring vertices are from each other, metres.
    """
    vertices = mesh.vertices.astype(float)
    triangles = mesh.to_triangles()
    normals = vertex_normals(vertices, triangles)
    places = _SurfaceSamples(vertices, normals, normals, mesh.colors)

    def buffer(camera: Camera) -> Buffer:
        return _vertex_buffer(vertices, camera, cell)

    return (yield from _blend_views(places, views, buffer)).astype(np.float32)


def _blend_views(
    places: _SurfaceSamples, views: Sequence[View], buffer: Callable[[Camera], Buffer]
) -> Task[Floats]:
    """Colours (T, 3) of ``places``, blended of what ``views`` show of them."""
    total = places.colors * _OWN
    weight = np.full(len(total), _OWN)
    for index, view in enumerate(views):
        yield Progress(index / len(views), "Projecting")
        depth = buffer(view.camera)
        yield Progress((index + 0.5) / len(views), "Projecting")
        color, seen = _project_view(view, depth, places)
        total += color * seen[:, None]
        weight += seen
    return total / weight[:, None]


@dataclass(frozen=True)
class _SurfaceSamples:
    """Places on the surface.

    positions: (T, 3) metres. faces, normals: (T, 3) unit normals, those of the flat faces and smooth ones.
    colours: (T, 3) the mesh's own.
    """

    positions: Floats
    faces: Floats
    normals: Floats
    colors: Floats


def _surface_texels(
    mesh: MeshArrays, triangles: NDArray[np.int32], uv: Floats, size: int
) -> tuple[NDArray[np.int64], _SurfaceSamples]:
    """The texels on which some of the surface lies: where in the flat texture (T,), and on the surface."""
    corners = uv * (size, -size) + (0, size)
    owner = np.full(size * size, -1, np.int64)
    shares = np.zeros((size * size, 3), np.float32)
    for pixel, face, share in _rasterize(corners, size, size):
        owner[pixel] = face
        shares[pixel] = share
    index = np.flatnonzero(owner >= 0)
    face = owner[index]
    share = shares[index, :, None]
    vertices = mesh.vertices.astype(float)
    colors = np.full((len(vertices), 3), 0.5) if mesh.colors is None else mesh.colors
    at = triangles[face]
    return index, _SurfaceSamples(
        (vertices[at] * share).sum(1),
        face_normals(vertices, triangles)[face],
        _unit_vectors((vertex_normals(vertices, triangles)[at] * share).sum(1)),
        (colors[at] * share).sum(1),
    )


def depth_buffer(corners: Floats, camera: Camera) -> Buffer:
    """How near the nearest of the triangles ``corners`` (F, 3, 3) is in each pixel (H, W), metres, inf for none;
    and the camera of these pixels.
    """
    scale = _BUFFER / max(camera.width, camera.height)
    fine = camera.resized(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))
    pixels, depth = fine.project(corners.reshape(-1, 3))
    depth = depth.reshape(-1, 3)
    before = np.flatnonzero((depth > 0).all(1))
    pixels = pixels.reshape(-1, 3, 2)[before]
    depth = depth[before]
    buffer = np.full(fine.height * fine.width, np.inf)
    for pixel, face, share in _rasterize(pixels, fine.width, fine.height):
        across = (
            (depth[face] * share).sum(1) if fine.orthographic else 1 / (share / depth[face]).sum(1)
        )
        np.minimum.at(buffer, pixel, across)
    return buffer.reshape(fine.height, fine.width), fine


def _vertex_buffer(vertices: Floats, camera: Camera, cell: float) -> Buffer:
    """As :func:`depth_buffer`, of ``vertices`` (V, 3) as points, in pixels as wide as a cell of a grid."""
    _, depth = camera.project(vertices)
    away = 1.0 if camera.orthographic else float(np.median(depth))
    scale = away / cell / camera.intrinsics[0, 0]
    coarse = camera.resized(
        max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    )
    buffer = np.full((coarse.height, coarse.width), np.inf)
    column, row = np.floor(coarse.project(vertices)[0]).astype(np.int64).T
    within = (
        (depth > 0) & (column >= 0) & (row >= 0) & (column < coarse.width) & (row < coarse.height)
    )
    np.minimum.at(buffer, (row[within], column[within]), depth[within])
    return buffer, coarse


def _project_view(view: View, buffer: Buffer, places: _SurfaceSamples) -> tuple[Floats, Floats]:
    """What ``view`` shows at ``places``: colours (T, 3), and how much each counts (T,), 0 where it does not see it."""
    camera = view.camera
    if camera.orthographic:
        ways = np.broadcast_to(camera.to_world[:3, 2], places.positions.shape)
    else:
        ways = _unit_vectors(camera.to_world[:3, 3] - places.positions)
    cosine = np.minimum((places.faces * ways).sum(1), (places.normals * ways).sum(1))
    seen = np.flatnonzero(
        (cosine > _LEAST_COSINE) & ~_is_occluded(places.positions, cosine, *buffer)
    )
    colors = np.zeros_like(places.positions)
    weight = np.zeros(len(places.positions))
    picture = np.concatenate(
        (view.image[..., :3] * view.image[..., 3:], view.image[..., 3:]), axis=2
    )
    picture = np.concatenate(
        (picture, filter3x3(view.image[..., 3], np.minimum)[..., None]), axis=2
    )
    sample = _sample_image(picture, camera.project(places.positions[seen])[0])
    opacity = sample[:, 3]
    colors[seen] = (sample[:, :3] / np.maximum(opacity, 1e-6)[:, None]).clip(0, 1)
    weight[seen] = cosine[seen] ** _SHARPNESS * sample[:, 4] * (opacity > 0.5)
    return colors, weight


def _is_occluded(
    points: Floats, cosine: NDArray[np.floating], buffer: NDArray[np.float64], camera: Camera
) -> NDArray[np.bool_]:
    """Whether something lies before each of ``points`` (P, 3), or they are not in the picture.

    A point is compared with the nearest of what is in the 3 x 3 pixels about it, so that nothing bleeds past the rim
    of what is before it; a surface that is seen at an angle is allowed the depth that it has over these pixels.
    """
    pixels, depth = camera.project(points)
    cell = np.floor(pixels).astype(np.int64)
    inside = ((cell >= 0) & (cell < (camera.width, camera.height))).all(1) & (depth > 0)
    column, row = np.where(inside[:, None], cell, 0).T
    pixel = 1 / camera.intrinsics[0, 0] * (1.0 if camera.orthographic else depth)
    slope = np.sqrt(1 / np.maximum(cosine, _LEAST_COSINE) ** 2 - 1)
    return ~inside | (
        filter3x3(buffer, np.minimum)[row, column] < depth - pixel * (1.0 + 2.5 * slope)
    )


def _rasterize(
    corners: Floats, width: int, height: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """The pixels whose centres lie in the triangles ``corners`` (F, 3, 2), in chunks.

    Yields:
        flat pixel (N,), triangle (N,), and the shares (N, 3) of its corners.
    """
    low = np.ceil(corners.min(1) - 0.5).astype(np.int64).clip(0, (width, height))
    high = (np.floor(corners.max(1) - 0.5).astype(np.int64) + 1).clip(0, (width, height))
    span = np.maximum(high - low, 0)
    counts = span.prod(1)
    a = corners[:, 0]
    b = corners[:, 1]
    c = corners[:, 2]
    twice = _cross_2d(b - a, c - a)
    order = np.flatnonzero((counts > 0) & (np.abs(twice) > 1e-12))
    bounds = np.searchsorted(
        np.cumsum(counts[order]), np.arange(0, counts[order].sum(), _PAIRS_AT_ONCE)
    )
    for faces in np.split(order, bounds[1:]):
        if not len(faces):
            continue
        face = faces.repeat(counts[faces])
        step = np.arange(len(face)) - (np.cumsum(counts[faces]) - counts[faces]).repeat(
            counts[faces]
        )
        x = low[face, 0] + step % span[face, 0]
        y = low[face, 1] + step // span[face, 0]
        point = np.stack((x, y), axis=1) + 0.5
        second = _cross_2d(point - a[face], c[face] - a[face]) / twice[face]
        third = _cross_2d(b[face] - a[face], point - a[face]) / twice[face]
        share = np.stack((1 - second - third, second, third), axis=1)
        within = (share >= -1e-6).all(1)
        yield (y * width + x)[within], face[within], share[within].astype(np.float32)


def _sample_image(picture: Floats, pixels: Floats) -> Floats:
    """``picture`` (H, W, C) between its pixels at ``pixels`` (P, 2): (P, C)."""
    height, width = picture.shape[:2]
    place = (pixels - 0.5).clip(0, (width - 1, height - 1))
    low = np.minimum(place.astype(np.int64), (max(width - 2, 0), max(height - 2, 0)))
    (x, y), (u, v) = low.T, (place - low).T[..., None]
    right = np.minimum(x + 1, width - 1)
    down = np.minimum(y + 1, height - 1)
    upper = picture[y, x] * (1 - u) + picture[y, right] * u
    return upper * (1 - v) + (picture[down, x] * (1 - u) + picture[down, right] * u) * v


def _pad_islands(picture: NDArray[np.float32], filled: NDArray[np.bool_]) -> NDArray[np.float32]:
    """``picture`` (S, S, 3) with what is ``filled`` grown by the mean of its neighbours, so that no seam shows."""
    size = filled.shape[0]
    flat = picture.reshape(-1, 3)
    known = np.pad(filled, 1)
    ways = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    for _ in range(_PADDING):
        rim = filter3x3(known.astype(np.uint8), np.maximum).astype(bool) & ~known
        rows, columns = np.nonzero(rim[1:-1, 1:-1])
        total = np.zeros((len(rows), 3), np.float32)
        count = np.zeros(len(rows), np.float32)
        for i, j in ways:
            here = np.flatnonzero(known[rows + 1 + i, columns + 1 + j])
            total[here] += flat[(rows[here] + i) * size + columns[here] + j]
            count[here] += 1
        flat[rows * size + columns] = total / count[:, None]
        known[rows + 1, columns + 1] = True
    return picture


def _triangle_corners(uv: NDArray[np.float32]) -> Floats:
    """The corners of faces (F, 3 or 4, 2) as those of triangles, in the order of ``MeshArrays.to_triangles``."""
    return (
        uv.astype(float)
        if uv.shape[1] == 3
        else np.concatenate((uv[:, [0, 1, 2]], uv[:, [0, 2, 3]])).astype(float)
    )


def _cross_2d(one: Floats, two: Floats) -> Floats:
    return one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]


def _unit_vectors(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
