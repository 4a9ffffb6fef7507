r"""Colors of a surface from images: each texel or vertex takes the color that images show there.

Each image is projected onto the points of the surface that its camera sees, and the images are
blended by how squarely they look at the surface:

      camera A                camera B
         \                      /
          \                    /          The point * is blended from A and B, mostly from B.
           \    ______________*____       At o only A counts: B's depth buffer has a nearer
            \  /                   \      surface there. At x no image counts, and the vertex
             o                       |     colors of the mesh remain.
             |____________x__________|

1. The points: the texels that a face covers in the unwrapping, or the vertices.
2. For each image, a depth buffer of the mesh in its camera, for the visible points.
3. The weight of an image at a point: cos^6 of the angle between the normal and the direction to the
   camera, 0 where the point is hidden or off the mask. Other colors have a small weight.
4. What no image shows has the vertex colors of the mesh; if it has none, the colors near the
   outlines, spread smoothly (``color_filling``).
5. For a texture, the colors are continued beyond the islands of the unwrapping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays, View
from ..cameras import Camera
from ..imaging.morphology import dilate, filter3x3
from ..imaging.resampling import sample_bilinear
from ..jobs.task import Progress, Task, subtask
from .color_filling import spread_colors
from .rasterization import (
    MIN_COSINE,
    DepthBuffer,
    Floats,
    rasterize,
    render_depth,
    render_vertex_depth,
)
from .winding_number import face_normals, vertex_normals

_SHARPNESS = 6  # power of the cosine by which images are blended
# Weight of the colors below those of the views; they show through where views are grazing.
_BASE_WEIGHT = 0.01
_ENOUGH_WEIGHT = 0.2  # of the views, from which on other colors need not be known
_SQUARELY_SHARE = 1e-4  # by which squarely seen surfaces count for outlines, if there is no other
_UNKNOWN_COLOR = 0.5  # of a mesh without colors: gray
_PADDING = 16  # texels around each island of the unwrapping, for filtering and mipmaps
_MIN_OPACITY = 0.5  # below it a pixel is background


ColorPrediction = Callable[[NDArray[np.int64]], Task[NDArray[np.float32]]]


@dataclass(frozen=True)
class SurfaceSamples:
    """Points on the surface.

    Attributes:
        positions: (P, 3) meters.
        face_normals: (P, 3) unit normals of the flat faces.
        smooth_normals: (P, 3) unit normals interpolated between the vertices.
        colors: (P, 3) sRGB in 0..1, vertex colors of the mesh.
    """

    positions: Floats
    face_normals: Floats
    smooth_normals: Floats
    colors: Floats


def bake_texture(
    mesh: MeshArrays, uv: NDArray[np.float32], views: Sequence[View], size: int
) -> Task[NDArray[np.float32]]:
    """Bake the texture of an unwrapped mesh from views.

    Args:
        mesh: Triangles or quads. Its colors are used where no view sees the surface.
        uv: (F, 3 or 4, 2) texture coordinates of the corners of each face, 0..1, v up.
        views: Images whose alpha is the object's mask, with cameras in the mesh's frame.
        size: Texels along each side; the time grows with its square.

    Returns:
        (size, size, 3) float32, sRGB in 0..1, row 0 at the top.
    """
    yield Progress(0.0, "Unwrapping")
    triangles = mesh.to_triangles()
    texel, samples = _surface_texels(mesh, triangles, _triangle_uv(uv), size)

    def depth_buffer(camera: Camera) -> DepthBuffer:
        return render_depth(mesh.vertices[triangles].astype(float), camera)

    seen = yield from subtask(_sum_views(samples, views, depth_buffer), 0.1, 0.8)
    colors = seen.blend_over(samples.colors)

    yield Progress(0.8, "Padding")
    background: float | NDArray[np.float32] = _UNKNOWN_COLOR
    if mesh.colors is not None:
        background = mesh.colors.mean(0)
    texture = np.full((size, size, 3), background, np.float32)
    is_filled = np.zeros((size, size), bool)
    texture.reshape(-1, 3)[texel] = colors
    is_filled.ravel()[texel] = True

    return _pad_islands(texture, is_filled)


def vertex_colors_from_views(
    mesh: MeshArrays, views: Sequence[View], cell: float, predict: ColorPrediction | None = None
) -> Task[NDArray[np.float32]]:
    """Return the colors of a mesh's vertices as views show them.

    Where no view sees a vertex, it has the color that is predicted, or the mesh's. Without either
    it is spread from where views see the surface from aside, which is next to what they do not see:
    so no feature of a front is repeated on a back. Visibility is estimated from the vertices alone,
    which is fast, and enough for dense meshes.

    Args:
        mesh: Its colors are used where no view sees a vertex.
        views: Images whose alpha is the object's mask, with cameras in the mesh's frame.
        cell: Typical distance of neighboring vertices, meters.
        predict: Returns the colors (N, 3) of vertices of some indices (N,), those that views show
            little of.

    Returns:
        (V, 3) float32, sRGB in 0..1.
    """
    vertices = mesh.vertices.astype(float)
    normals = vertex_normals(vertices, mesh.to_triangles())
    samples = SurfaceSamples(
        positions=vertices,
        face_normals=normals,
        smooth_normals=normals,
        colors=_mesh_colors(mesh),
    )

    def depth_buffer(camera: Camera) -> DepthBuffer:
        return render_vertex_depth(vertices, camera, cell)

    seen = yield from _sum_views(samples, views, depth_buffer)
    base = samples.colors
    if predict is not None:
        base = seen.mean_colors()
        unknown = np.flatnonzero(seen.weights < _ENOUGH_WEIGHT)
        base[unknown] = yield from predict(unknown)
    elif mesh.colors is None:
        outline_colors = seen.outline_colors / np.maximum(seen.outline_weights, 1e-12)[:, None]
        spread = spread_colors(vertices, outline_colors, seen.outline_weights, vertices)
        base = samples.colors if spread is None else spread

    return seen.blend_over(base).astype(np.float32)


def _mesh_colors(mesh: MeshArrays) -> Floats:
    """Return the vertex colors (V, 3) of a mesh; gray if it has none."""
    if mesh.colors is None:
        return np.full((len(mesh.vertices), 3), _UNKNOWN_COLOR)
    return mesh.colors


def _surface_texels(
    mesh: MeshArrays, triangles: NDArray[np.int32], uv: Floats, size: int
) -> tuple[NDArray[np.int64], SurfaceSamples]:
    """Return the texels that a part of the surface covers.

    Args:
        mesh: The mesh.
        triangles: (F, 3) its faces as triangles.
        uv: (F, 3, 2) their texture coordinates, v up.
        size: Texels along each side.

    Returns:
        (P,) flat indices of the texels, and the points of the surface in them.
    """
    corners = uv * (size, -size) + (0, size)
    texel_face = np.full(size * size, -1, np.int64)
    texel_share = np.zeros((size * size, 3), np.float32)
    for pixel, face, share in rasterize(corners, size, size):
        texel_face[pixel] = face
        texel_share[pixel] = share
    texel = np.flatnonzero(texel_face >= 0)
    face = texel_face[texel]
    weights = texel_share[texel, :, None]

    # Interpolate between the corners of the faces.
    vertices = mesh.vertices.astype(float)
    corner_vertices = triangles[face]
    normals = vertex_normals(vertices, triangles)[corner_vertices]
    samples = SurfaceSamples(
        positions=(vertices[corner_vertices] * weights).sum(1),
        face_normals=face_normals(vertices, triangles)[face],
        smooth_normals=_unit_vectors((normals * weights).sum(1)),
        colors=(_mesh_colors(mesh)[corner_vertices] * weights).sum(1),
    )

    return texel, samples


@dataclass(frozen=True)
class _SeenColors:
    """Sums over the views of what they show at points.

    Attributes:
        colors: (P, 3) colors times weights.
        weights: (P,) high where a view looks squarely at the surface, 0 where none sees it.
        outline_colors: (P, 3) colors times the weights of the outline.
        outline_weights: (P,) high where a view sees the surface from aside, though not at its rim,
            whose pixels the background reaches.
    """

    colors: Floats
    weights: Floats
    outline_colors: Floats
    outline_weights: Floats

    def mean_colors(self) -> Floats:
        """Return the mean colors (P, 3) of the views; black where none sees a point."""
        means: Floats = self.colors / np.maximum(self.weights, 1e-12)[:, None]
        return means

    def blend_over(self, base: Floats) -> Floats:
        """Return the blended colors (P, 3); ``base`` (P, 3) shows where views see little."""
        weighted = self.colors + base * _BASE_WEIGHT
        blended: Floats = weighted / (self.weights + _BASE_WEIGHT)[:, None]
        return blended


def _sum_views(
    samples: SurfaceSamples,
    views: Sequence[View],
    depth_buffer: Callable[[Camera], DepthBuffer],
) -> Task[_SeenColors]:
    """Return what views show of points.

    Args:
        samples: The points.
        views: Images and cameras.
        depth_buffer: Returns the depth buffer of a camera.
    """
    count = len(samples.positions)
    seen = _SeenColors(np.zeros((count, 3)), np.zeros(count), np.zeros((count, 3)), np.zeros(count))
    for index, view in enumerate(views):
        yield Progress(index / len(views), "Projecting")
        buffer = depth_buffer(view.camera)

        yield Progress((index + 0.5) / len(views), "Projecting")
        color, cosine, opacity = project_view(view, buffer, samples)
        squarely = cosine**_SHARPNESS * opacity
        aside = (cosine * (1 - cosine)) ** 2 * opacity + _SQUARELY_SHARE * squarely
        seen.colors[:] += color * squarely[:, None]
        seen.weights[:] += squarely
        seen.outline_colors[:] += color * aside[:, None]
        seen.outline_weights[:] += aside

    return seen


def project_view(
    view: View, buffer: DepthBuffer, samples: SurfaceSamples
) -> tuple[Floats, Floats, Floats]:
    """Return what a view shows at points: colors (P, 3), cosines (P,) and opacities (P,).

    The cosine is that of the angle at which the view sees the surface, 0 where it does not; the
    opacity is the smallest one around the pixel, so low at the rim of the mask.
    """
    camera = view.camera
    positions = samples.positions
    directions = camera.directions_from(positions)

    # A point must face the camera by both of its normals.
    face_cosine = (samples.face_normals * directions).sum(1)
    smooth_cosine = (samples.smooth_normals * directions).sum(1)
    cosine = np.minimum(face_cosine, smooth_cosine)
    is_seen = (cosine > MIN_COSINE) & ~buffer.hides(positions, cosine)
    seen = np.flatnonzero(is_seen)

    # Interpolate premultiplied color, and the smallest opacity around each pixel.
    alpha = view.image[..., 3:]
    safe_alpha = filter3x3(view.image[..., 3], np.minimum)[..., None]
    premultiplied = view.image[..., :3] * alpha
    layers = np.concatenate((premultiplied, alpha, safe_alpha), axis=2)
    pixels, _ = camera.project(positions[seen])
    values = sample_bilinear(layers, pixels)
    opacity = values[:, 3]

    colors = np.zeros_like(positions)
    cosines = np.zeros(len(positions))
    opacities = np.zeros(len(positions))
    straight_colors = values[:, :3] / np.maximum(opacity, 1e-6)[:, None]
    colors[seen] = straight_colors.clip(0, 1)
    cosines[seen] = cosine[seen]
    opacities[seen] = values[:, 4] * (opacity > _MIN_OPACITY)

    return colors, cosines, opacities


def _pad_islands(texture: NDArray[np.float32], is_filled: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Continue the colors of a texture beyond its islands, so that no seam shows.

    Each round fills the texels next to filled ones with the mean of their filled neighbors.

    Args:
        texture: (S, S, 3), changed in place.
        is_filled: (S, S) texels on the surface.
    """
    size = is_filled.shape[0]
    flat = texture.reshape(-1, 3)
    known = np.pad(is_filled, 1)  # a border, so that each texel has all neighbors
    neighbors = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]

    for _ in range(_PADDING):
        rim = dilate(known) & ~known
        rows, columns = np.nonzero(rim[1:-1, 1:-1])

        total = np.zeros((len(rows), 3), np.float32)
        count = np.zeros(len(rows), np.float32)
        for i, j in neighbors:
            has_color = np.flatnonzero(known[rows + 1 + i, columns + 1 + j])
            neighbor = (rows[has_color] + i) * size + columns[has_color] + j
            total[has_color] += flat[neighbor]
            count[has_color] += 1

        flat[rows * size + columns] = total / count[:, None]
        known[rows + 1, columns + 1] = True

    return texture


def _triangle_uv(uv: NDArray[np.float32]) -> Floats:
    """Return texture coordinates as of triangles, in the order of ``MeshArrays.to_triangles``.

    Args:
        uv: (F, 3 or 4, 2).

    Returns:
        (T, 3, 2) float64.
    """
    if uv.shape[1] == 4:
        uv = np.concatenate((uv[:, [0, 1, 2]], uv[:, [0, 2, 3]]))
    return uv.astype(float)


def _unit_vectors(vectors: Floats) -> Floats:
    """Return vectors (N, 3) scaled to length 1; zero stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Floats = vectors / np.maximum(length, 1e-12)
    return units
