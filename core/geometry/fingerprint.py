"""Eleven numbers of a surface that all copies of it share.

A copy may be moved, rotated by any angle, mirrored, scaled or triangulated differently.

The numbers are made of moments of the surface about its centroid up to the fourth order, contracted
so that they depend on no direction, after the moment invariants of Sadjadi and Hall (1980,
"Three-dimensional moment invariants"). Two differences: the moments are those of the surface, which
meshes that bound no solid have, too, and they are exact, since a polynomial over a triangle is
integrated by Dunavant's rule of degree 4 (1985). Sampled distances, such as the shape distributions
of Osada et al. (2002), are noisier than the differences between some objects of one family.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from .winding_number import area_normals

_DIGITS = 5  # after the decimal point
_TRIANGLES_AT_ONCE = 1 << 15  # that are integrated at a time, to bound the memory
_TINY = 1e-300  # avoids a division by zero for a surface without area
# Dunavant's rule of degree 4: two orbits of three points each, and their shares of the area
_ORBITS = (0.445948490915965, 0.091576213509771)
_POINTS = np.array(
    [np.roll((1 - 2 * share, share, share), turn) for share in _ORBITS for turn in range(3)]
)  # (6, 3) barycentric
_SHARES = np.repeat((0.223381589678011, 0.109951743655322), 3)  # (6,)


def shape_fingerprint(mesh: MeshArrays) -> tuple[float, ...]:
    """Return the numbers, in root mean square distances of the surface from its centroid.

    With x the position on the surface relative to the centroid, they are: the roots of the
    eigenvalues of the mean of x x^T (3), the root of the area, the greatest distance from the
    centroid, the norm of the mean of x |x|^2, the norm of the third moments, the roots of the
    eigenvalues of the mean of x x^T |x|^2 (3), and the norm of the fourth moments.
    """
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1) / 2
    weights = area / max(area.sum(), _TINY)

    # Center the surface and divide by the root mean square distance from its centroid.
    corners = vertices[triangles] - weights @ vertices[triangles].mean(1)
    mean_squares = ((corners**2).sum((1, 2)) + (corners.sum(1) ** 2).sum(1)) / 12
    size = max(float(np.sqrt(weights @ mean_squares)), _TINY)
    corners /= size

    second, third, fourth = _moments(corners, weights)
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


def _moments(
    corners: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the second, third and fourth moments of triangles.

    Args:
        corners: (T, 3, 3).
        weights: (T,) shares of the area.

    Returns:
        (3, 3), (3, 3, 3) and (3, 3, 3, 3), the means of the products of two, three and four
        coordinates.
    """
    second = np.zeros((3,) * 2)
    third = np.zeros((3,) * 3)
    fourth = np.zeros((3,) * 4)

    for first in range(0, len(corners), _TRIANGLES_AT_ONCE):
        chunk = slice(first, first + _TRIANGLES_AT_ONCE)

        # Points at which a polynomial of degree four is integrated exactly, and their weights.
        points = (_POINTS @ corners[chunk]).reshape(-1, 3)
        shares = np.outer(weights[chunk], _SHARES).reshape(-1, 1)

        # Products of two coordinates give the moments of three and four.
        products = (points[:, :, None] * points[:, None]).reshape(-1, 9)
        weighted_points = (shares * points).T
        weighted_products = (shares * products).T
        second += weighted_points @ points
        third_sums = weighted_points @ products
        third += third_sums.reshape(3, 3, 3)
        fourth_sums = weighted_products @ products
        fourth += fourth_sums.reshape(3, 3, 3, 3)

    return second, third, fourth


def _eigenvalue_roots(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the roots (3,) of the eigenvalues of a positive matrix (3, 3), in ascending order."""
    roots: NDArray[np.float64] = np.sqrt(np.maximum(np.linalg.eigvalsh(matrix), 0))
    return roots
