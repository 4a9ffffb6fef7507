"""What the shape space is compared with: principal components, and the nearest training shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....geometry.shape_cube.box import CUBE_SIDE, field_coordinates
from ....geometry.shape_cube.distances import resample_field
from .store import ShapeStore, StoredShape

COMPONENTS = 1024  # as many as a latent has numbers
_SIDE = 32  # points along each side of the fields that are compared
Field = NDArray[np.float32]


@dataclass(frozen=True)
class Rivals:
    """Fitted to the training shapes.

    Attributes:
        mean: (32^3,) of their fields. components: (K, 32^3) orthonormal rows.
        fields: (N, 32^3) float16 of the training shapes. rows: which of the store they are.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    fields: NDArray[np.float16]
    shapes: Sequence[StoredShape]

    def project(self, field: Field) -> Field:
        """Return the field (64, 64, 64) that the components make of ``field``."""
        coarse = reduce_field(field).ravel() - self.mean
        coefficients = self.components @ coarse
        result = self.mean + coefficients @ self.components
        return expand_field(result.reshape((_SIDE,) * 3))

    def nearest(self, field: Field, known: NDArray[np.bool_] | None = None) -> StoredShape:
        """Return the training shape with the smallest mean difference from ``field``.

        Args:
            field: (64, 64, 64).
            known: (64, 64, 64) points that are compared; all if None.
        """
        coarse = reduce_field(field).ravel()

        # The fields have half as many points along each side.
        weight = np.ones(len(coarse), np.float32)
        if known is not None:
            weight = known[::2, ::2, ::2].ravel().astype(np.float32)
        best = np.inf
        nearest = self.shapes[0]

        for start in range(0, len(self.fields), 256):
            # In parts, since the fields are stored in half precision.
            part = self.fields[start : start + 256].astype(np.float32)
            difference = ((part - coarse) ** 2) @ weight
            index = int(difference.argmin())
            if difference[index] < best:
                best = float(difference[index])
                nearest = self.shapes[start + index]

        return nearest


def fit_rivals(
    store: ShapeStore, shapes: Sequence[StoredShape], most: int = 2500, count: int = COMPONENTS
) -> Rivals:
    """Return the principal components of the fields of shapes, and the fields.

    Args:
        store: of the shapes.
        shapes: those to fit to.
        most: shapes that the components are fitted to, evenly chosen.
        count: number of components.
    """
    fields = np.stack([reduce_field(store.field(shape)).ravel() for shape in shapes])

    # The components of evenly chosen shapes.
    step = max(1, -(-len(fields) // most))
    chosen = fields[::step]
    mean = chosen.mean(0)
    centered = chosen - mean

    # Of the smaller of the two matrices of products.
    products = centered @ centered.T
    values, vectors = np.linalg.eigh(products)

    # The largest ones, without those that are noise.
    kept = np.argsort(values)[::-1][:count]
    kept = kept[values[kept] > 1e-6 * values.max()]
    components = (vectors[:, kept].T @ centered) / np.sqrt(values[kept])[:, None]

    return Rivals(mean, components.astype(np.float32), fields.astype(np.float16), shapes)


def reduce_field(field: Field) -> Field:
    """Return the means (32, 32, 32) of blocks of 2^3 points of a field (64, 64, 64)."""
    blocks = field.reshape(_SIDE, 2, _SIDE, 2, _SIDE, 2)
    means: Field = blocks.mean((1, 3, 5), dtype=np.float32)
    return means


def expand_field(field: Field) -> Field:
    """Return a field (32, 32, 32) at the 64^3 points of the cube, interpolated linearly."""
    # What is beyond the coarse points is outside.
    first = float(field_coordinates(_SIDE)[0])
    spacing = CUBE_SIDE / _SIDE
    return resample_field(field, (first,) * 3, (spacing,) * 3, -1.0)
