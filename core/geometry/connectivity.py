"""Connected components of a mesh, and meshes of some of its faces or vertices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..imaging.morphology import connected_components


def vertex_components(mesh: MeshArrays) -> NDArray[np.int64]:
    """Return for each vertex (V,) the number, from 0, of its connected component."""
    start = mesh.faces[:, :-1].ravel()
    end = mesh.faces[:, 1:].ravel()
    return connected_components(np.stack((start, end), axis=1), len(mesh.vertices))


def remove_small_components(mesh: MeshArrays, fraction: float, length: float) -> MeshArrays:
    """Remove the components that are small both in volume and in length.

    The length counts since a thin leg has next to no volume.

    Args:
        mesh: A closed mesh.
        fraction: Volume below which a component is small, as a share of the largest volume.
        length: Longest side below which a component is small, as a share of the longest one.

    Returns:
        The mesh itself if there is nothing to remove.
    """
    component = vertex_components(mesh)
    triangles = mesh.to_triangles()
    a, b, c = (mesh.vertices[triangles[:, k]].astype(float) for k in range(3))

    # The volume of a closed surface is the sum of its faces' tetrahedra with the origin.
    tetrahedra = (a * np.cross(b, c)).sum(1) / 6
    volume = np.abs(np.bincount(component[triangles[:, 0]], tetrahedra))

    upper = np.full((len(volume), 3), -np.inf)
    negative_lower = np.full((len(volume), 3), -np.inf)
    np.maximum.at(upper, component, mesh.vertices)
    np.maximum.at(negative_lower, component, -mesh.vertices)
    longest_side = (upper + negative_lower).max(1)

    is_large = volume >= fraction * volume.max()
    is_long = longest_side >= length * longest_side.max()
    is_kept = is_large | is_long
    if is_kept.all():
        return mesh
    return submesh(mesh, is_kept[component[mesh.faces[:, 0]]])


def submesh(mesh: MeshArrays, selected: NDArray[np.bool_]) -> MeshArrays:
    """Return a mesh of the ``selected`` faces (F,) of ``mesh`` and their vertices."""
    used, faces = np.unique(mesh.faces[selected], return_inverse=True)
    faces = faces.reshape(-1, mesh.faces.shape[1]).astype(np.int32)
    return replace(take_vertices(mesh, used), faces=faces)


def take_vertices(mesh: MeshArrays, index: NDArray[np.integer[Any]]) -> MeshArrays:
    """Return ``mesh`` with the vertices ``index`` (N,). Its faces must be set afterwards."""
    colors = None
    if mesh.colors is not None:
        colors = mesh.colors[index]

    confidence = None
    if mesh.confidence is not None:
        confidence = mesh.confidence[index]

    return replace(mesh, vertices=mesh.vertices[index], colors=colors, confidence=confidence)
