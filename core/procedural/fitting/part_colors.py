"""The colors of the parts of a fitted object: where pictures or a colored mesh show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, View
from ..parts import ProceduralObject
from .drawing import draw_triangles
from .poses import Pose

Color = tuple[float, float, float]
Floats = NDArray[np.floating[Any]]

_SIDE = 128  # pixels along the longer side of a picture in which parts are drawn
_LEAST_PIXELS = 6  # of a part that is seen
_OPAQUE = 0.9  # alpha from which on a pixel shows no background
_MOST_VERTICES = 2000  # of a colored mesh
_REACH = 0.06  # distance of a part's vertex to a colored one, in longest sides of the object


def part_colors(
    made: ProceduralObject, pose: Pose, views: Sequence[View], mesh: MeshArrays | None = None
) -> dict[str, Color]:
    """Return the color of each label of the parts, sRGB in 0..1.

    It is the median of the pixels in which a part is the nearest one; of a part that no picture
    shows that of the mesh near it, and else the median of all that was seen. Nothing is returned
    where there are neither pictures nor colors.

    Args:
        made: The object.
        pose: Of it in the frame of the target.
        views: Pictures with cameras in that frame.
        mesh: In that frame, with or without colors.
    """
    labels = [part.label for part in made.parts]
    seen: dict[str, list[Floats]] = {label: [] for label in labels}
    for view in views:
        part_of_pixel, pixels = _visible_parts(made, pose, view)
        for index, label in enumerate(labels):
            seen[label].append(pixels[part_of_pixel == index])

    colors = {}
    for label, lists in seen.items():
        pixels = np.concatenate([np.empty((0, 3)), *lists])
        if len(pixels) >= _LEAST_PIXELS:
            colors[label] = _median(pixels)
    if mesh is not None and mesh.colors is not None:
        for label in set(labels) - colors.keys():
            nearby = _colors_near(made, pose, label, mesh)
            if len(nearby):
                colors[label] = _median(nearby)

    # What nothing shows looks like the rest.
    if colors:
        typical = _median(np.array(list(colors.values())))
        for label in labels:
            colors.setdefault(label, typical)
    return colors


def _visible_parts(
    made: ProceduralObject, pose: Pose, view: View
) -> tuple[NDArray[np.int64], Floats]:
    """Return the index of the part (P,) that opaque pixels show, and their colors (P, 3)."""
    step = max(1, max(view.image.shape[:2]) // _SIDE)
    image = view.image[step // 2 :: step, step // 2 :: step]
    height, width = image.shape[:2]
    camera = view.camera.zoomed(1 / step).cropped(0.0, 0.0, width, height)

    depths = []
    for part in made.parts:
        vertices = pose.apply(part.mesh.vertices)
        depths.append(draw_triangles(vertices, part.mesh.to_triangles(), camera).depth)
    stacked = np.stack(depths)
    is_shown = np.isfinite(stacked.min(0)) & (image[..., 3] > _OPAQUE)
    nearest: NDArray[np.int64] = stacked.argmin(0)[is_shown]
    return nearest, image[is_shown][:, :3]


def _colors_near(made: ProceduralObject, pose: Pose, label: str, mesh: MeshArrays) -> Floats:
    """Return the colors (P, 3) of the vertices of a mesh that are nearest to those of parts."""
    assert mesh.colors is not None, "the caller has looked"
    vertices = []
    for part in made.parts:
        if part.label == label:
            vertices.append(pose.apply(part.mesh.vertices))
    points = np.concatenate(vertices)
    points = points[:: 1 + len(points) // 200]

    # Some of the vertices of the mesh are enough for a median.
    chosen = slice(None, None, 1 + len(mesh.vertices) // _MOST_VERTICES)
    others = mesh.vertices[chosen].astype(np.float64)
    squared = ((points[:, None] - others[None]) ** 2).sum(2)
    nearest = squared.argmin(1)
    is_near = squared.min(1) < _REACH**2
    nearby: Floats = mesh.colors[chosen][nearest[is_near]]
    return nearby


def _median(colors: Floats) -> Color:
    """Return the median of each channel of colors (P, 3)."""
    red, green, blue = np.median(colors, axis=0).clip(0, 1).tolist()
    return red, green, blue
