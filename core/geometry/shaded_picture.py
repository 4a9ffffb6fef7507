"""A shaded picture of a mesh without Blender, as thumbnails show it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import look_at, perspective_camera
from .rasterization import render_surface

_EYE = np.array((1.3, -2.2, 1.25))
_FIELD_OF_VIEW = 0.62  # radians: the corners of a cube are just within
_LIGHT = np.array((0.35, -0.75, 0.56))
_COLOR = np.array((0.75, 0.8, 0.9))
_AMBIENT = 0.35
_DIFFUSE = 0.6


def shaded_picture(mesh: MeshArrays, size: int) -> NDArray[np.float32]:
    """Return a picture (size, size, 4) of a mesh from the front right, sRGB in 0..1.

    Args:
        mesh: Of any size, Z up; its faces look outwards.
        size: Pixels.
    """
    low = mesh.vertices.min(0)
    high = mesh.vertices.max(0)
    vertices = (mesh.vertices - (low + high) / 2) / float((high - low).max())
    camera = perspective_camera(look_at(_EYE, np.zeros(3)), _FIELD_OF_VIEW, size)
    depth, normals = render_surface(vertices, mesh.to_triangles(), camera)

    shade = _AMBIENT + _DIFFUSE * (normals @ _LIGHT).clip(0, 1)
    image = np.zeros((size, size, 4), np.float32)
    image[..., :3] = shade[..., None] * _COLOR
    image[..., 3] = depth > 0
    return image
