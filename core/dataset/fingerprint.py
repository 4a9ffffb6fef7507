"""Eleven numbers of a surface that its copies share: moved, turned by any angle, mirrored, scaled, cut otherwise.

They are made of moments of the surface about its centroid up to the fourth order, contracted so that no direction is
left in them, after the moment invariants of Sadjadi and Hall (1980, three-dimensional moment invariants); the
differences are that the moments are of the surface, which also meshes have that bound no solid, and that they are
exact: a polynomial over a triangle is integrated by Dunavant's rule of degree 4 (1985). Sampled distances, such as
the shape distributions of Osada et al. (2002), are blurred by more than what parts some objects of one family.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..geometry.winding_number import area_normals

_DIGITS = 5
_TRIANGLES = 1 << 15  # integrated at a time
_A = 0.445948490915965
_B = 0.091576213509771
_CORNERS = np.array(
    [np.roll((1 - 2 * s, s, s), turn) for s in (_A, _B) for turn in range(3)]
)  # (6, 3) barycentric
_SHARES = np.repeat((0.223381589678011, 0.109951743655322), 3)  # (6,) of the area


def shape_fingerprint(mesh: MeshArrays) -> tuple[float, ...]:
    """The numbers, in root mean square distances of the surface from its centroid.

    3 spreads along the principal axes, the root of the area, the farthest distance from the centroid, the sizes of the
    mean of x |x|^2 and of the third moments, the roots of the eigenvalues of the mean of x x^T |x|^2 (3), and the
    size of the fourth moments.
    """
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1) / 2
    weights = area / max(area.sum(), 1e-300)
    corners = vertices[triangles] - weights @ vertices[triangles].mean(1)
    square = ((corners**2).sum((1, 2)) + (corners.sum(1) ** 2).sum(1)) / 12
    size = max(float(np.sqrt(weights @ square)), 1e-300)
    corners /= size
    second, third, fourth = _second_moments(corners, weights)
    values = (
        *_eigenvalue_roots(second),
        np.sqrt(area.sum()) / size,
        np.linalg.norm(corners, axis=2).max(initial=0),
        np.linalg.norm(np.einsum("ijj", third)),
        np.linalg.norm(third),
        *_eigenvalue_roots(np.einsum("ijkk", fourth)),
        np.linalg.norm(fourth),
    )
    return tuple(round(float(value), _DIGITS) for value in values)


def _second_moments(
    corners: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Means over triangles (T, 3, 3) with weights (T,) of the products of two, three and four coordinates."""
    second, third, fourth = (np.zeros((3,) * order) for order in (2, 3, 4))
    for first in range(0, len(corners), _TRIANGLES):
        points = (_CORNERS @ corners[first : first + _TRIANGLES]).reshape(-1, 3)
        shares = np.outer(weights[first : first + _TRIANGLES], _SHARES).reshape(-1, 1)
        squares = (points[:, :, None] * points[:, None]).reshape(-1, 9)
        second += (shares * points).T @ points
        third += ((shares * points).T @ squares).reshape(3, 3, 3)
        fourth += ((shares * squares).T @ squares).reshape(3, 3, 3, 3)
    return [second, third, fourth]


def _eigenvalue_roots(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Roots (3,) of the eigenvalues of a positive matrix (3, 3), in ascending order."""
    return np.sqrt(np.maximum(np.linalg.eigvalsh(matrix), 0))
