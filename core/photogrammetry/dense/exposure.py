"""Exposure and white balance of photographs, evened out by the surface that they share.

A phone chooses both anew for each photograph, and where one photograph's colors end and another's
begin, a seam would show. Points of the surface that several photographs show have one color: each
photograph gets a factor for red, green and blue, by which it agrees with the others.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, SourceView, View
from ...geometry.rasterization import render_vertex_depth
from ...geometry.texture_baking import SurfaceSamples, project_view
from ...geometry.winding_number import vertex_normals
from ...imaging.image_files import encode_png
from ...jobs.task import Progress, Task

_POINTS = 5000  # of the surface, that are compared
_LEAST_COSINE = 0.4  # of views of a point that are compared: from aside, surfaces shine
_LEAST_OPACITY = 0.99
_LEAST_SHARED = 50  # points, below which a photograph is left as it is
_DARKEST = 0.05  # colors below it are noise
_BRIGHTEST = 0.98  # colors above it may be clipped
_ROUNDS = 10
_WORTH = 0.02  # difference of a factor from 1, below which nothing is changed


def even_exposures(
    mesh: MeshArrays, views: Sequence[View], cell: float
) -> Task[NDArray[np.float64] | None]:
    """Find the factors by which the colors of each view agree with the others.

    Args:
        mesh: Dense; all views show parts of it.
        views: Images whose alpha is the object's mask.
        cell: Typical distance of neighboring vertices, world units.

    Returns:
        (V, 3) factors, of which the geometric mean is 1; None if all views agree as they are.
    """
    step = max(len(mesh.vertices) // _POINTS, 1)
    vertices = mesh.vertices.astype(float)
    normals = vertex_normals(vertices, mesh.to_triangles())[::step]
    points = vertices[::step]
    samples = SurfaceSamples(points, normals, normals, np.zeros_like(points))
    colors = np.zeros((len(views), len(points), 3))
    usable = np.zeros((len(views), len(points)), bool)

    for index, view in enumerate(views):
        yield Progress(index / len(views), "Exposure")
        buffer = render_vertex_depth(vertices, view.camera, cell)
        colors[index], cosine, opacity = project_view(view, buffer, samples)
        usable[index] = (cosine > _LEAST_COSINE) & (opacity > _LEAST_OPACITY)

    factors = exposure_factors(colors, usable)
    return factors if np.abs(factors - 1).max() > _WORTH else None


def exposure_factors(colors: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return factors (V, 3) by which the colors of views agree where they show the same points.

    Args:
        colors: (V, P, 3) of each point in each view, 0..1.
        usable: (V, P) whether the view shows the point well.
    """
    exposed = (colors.min(2) > _DARKEST) & (colors.max(2) < _BRIGHTEST)
    shared = usable & exposed
    shared &= shared.sum(0) > 1
    logarithms = np.log(colors.clip(_DARKEST, 1))
    logarithms[~shared] = 0
    count = np.maximum(shared.sum(0), 1)[:, None]
    gains = np.zeros((len(colors), 3))

    # In turn: the points' colors from all views, and the views' gains from all points.
    for _ in range(_ROUNDS):
        corrected = np.where(shared[..., None], logarithms - gains[:, None], 0)
        mean = corrected.sum(0) / count
        for view, seen in enumerate(shared):
            if seen.sum() >= _LEAST_SHARED:
                gains[view] = np.median(logarithms[view, seen] - mean[seen], axis=0)
        gains -= gains.mean(0)

    factors: NDArray[np.float64] = np.exp(-gains)
    return factors


def apply_factor(view: View, factor: NDArray[np.float64]) -> View:
    """Return ``view`` with its colors multiplied by ``factor`` (3,)."""
    image = view.image.copy()
    image[..., :3] = (image[..., :3] * factor).clip(0, 1)
    return View(image, view.camera)


def apply_to_photograph(photograph: SourceView, factor: NDArray[np.float64]) -> SourceView:
    """Return an encoded photograph with its colors multiplied by ``factor`` (3,)."""
    from PIL import Image

    with Image.open(io.BytesIO(photograph.png.tobytes())) as image:
        pixels = np.asarray(image.convert("RGBA"), np.float32) / 255
    evened = apply_factor(View(pixels, photograph.camera), factor)
    return SourceView(encode_png(evened.image), photograph.camera)
