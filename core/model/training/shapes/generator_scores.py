"""How good generators are: coverage, distance, and whether a neighbor tells made shapes from real.

Distances between shapes are chamfer distances of 2,048 surface points, in longest sides of the
object. The distance of a point to a surface is read from a grid of distances, 40^3 about the
object, so that all distances of hundreds of shapes are one product of matrices:

    mean distance of A's points to B = (points of A, spread over grid points) x (distances to B)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....geometry.shape_cube.distances import corner_weights, surface_points, unsigned_distance
from ....geometry.surface_nets import surface_nets
from ....geometry.topology import check_topology
from ....jobs.task import Progress, Task
from ...inference.shapes.shape_generator import ShapeGenerator
from ...inference.shapes.shape_space import ShapeSpace
from .store import ShapeStore, StoredShape

_POINTS = 2048
_SIDE = 40  # grid points along each side of the cube about an object
_CUBE = 1.2  # side of that cube, in longest sides of the object
_INSPECTED = 60  # shapes whose mesh is inspected


@dataclass(frozen=True)
class ShapeSet:
    """Shapes to compare.

    Attributes:
        spreads: (B, 40^3) float32 points spread over grid points; each row sums to 1.
        distances: (B, 40^3) float32 distances of grid points to the surface.
    """

    spreads: NDArray[np.float32]
    distances: NDArray[np.float32]

    def chamfer(self, others: ShapeSet) -> NDArray[np.float32]:
        """Return the chamfer distances (B, C) to other shapes."""
        # Mean distances from these points to the others, and back.
        there = self.spreads @ others.distances.T
        back = others.spreads @ self.distances.T
        return (there + back.T) / 2


@dataclass(frozen=True)
class GeneratorScores:
    """Scores of made shapes.

    Attributes:
        coverage: share of the reference shapes that are nearest to some made one; more is better.
        distance: mean distance of a reference shape to the nearest made one; less is better.
        neighbor: share of shapes whose nearest neighbor is of their own set; 0.5 is best.
        one_component: share of made shapes of one component. closed: of closed ones.
        copying: mean distance of made shapes to the nearest training shape, as a share of that of
            reference shapes; below 0.5 they are copies.
    """

    coverage: float
    distance: float
    neighbor: float
    one_component: float
    closed: float
    copying: float


def compare_sets(
    made: ShapeSet, reference: ShapeSet, training: ShapeSet
) -> tuple[float, float, float, float]:
    """Return coverage, distance, neighbor and copying of :class:`GeneratorScores`."""
    # Which reference shapes are reached, and how closely.
    between = made.chamfer(reference)
    coverage = len(np.unique(between.argmin(1))) / between.shape[1]
    distance = float(between.min(0).mean())

    # All shapes against all; the nearest neighbor of a shape is not itself.
    within_made = made.chamfer(made)
    within_reference = reference.chamfer(reference)
    rows = np.block([[within_made, between], [between.T, within_reference]])
    np.fill_diagonal(rows, np.inf)
    is_made = np.arange(len(rows)) < len(within_made)
    same = is_made[rows.argmin(1)] == is_made

    # Copies are nearer to training shapes than other real shapes are.
    from_made = made.chamfer(training).min(1).mean()
    from_reference = reference.chamfer(training).min(1).mean()
    copying = from_made / from_reference

    return coverage, distance, float(same.mean()), float(copying)


def score_generator(
    space: ShapeSpace,
    generator: ShapeGenerator,
    labels: Sequence[int],
    sets: tuple[ShapeSet, ShapeSet],
    seed: int,
) -> Task[GeneratorScores]:
    """Return the scores of as many made shapes as there are labels.

    Args:
        space: to decode in.
        generator: to score.
        labels: classes of the shapes to make: those of the reference shapes.
        sets: the reference shapes and the training shapes.
        seed: of the shapes.
    """
    fields = []
    sizes = []
    for index, label in enumerate(labels):
        # Each shape has a seed of its own, so that it is the same for any number of shapes.
        (code,) = generator.codes(label, 1, seed * 100_003 + index)
        fields.append(space.decode(code.latent))
        sizes.append(code.box.size)
        yield Progress(index / len(labels), "Making shapes")

    made = shape_set(fields, sizes)
    coverage, distance, neighbor, copying = compare_sets(made, *sets)
    one_component, closed = _inspect(fields[:_INSPECTED])
    return GeneratorScores(coverage, distance, neighbor, one_component, closed, copying)


def stored_set(store: ShapeStore, shapes: Sequence[StoredShape]) -> ShapeSet:
    """Return shapes of a store to compare with."""
    fields = [store.field(shape) for shape in shapes]
    return shape_set(fields, [np.array(shape.size) for shape in shapes])


def shape_set(
    fields: Sequence[NDArray[np.float32]], sizes: Sequence[NDArray[np.float64]]
) -> ShapeSet:
    """Return shapes to compare.

    Args:
        fields: (64, 64, 64) each.
        sizes: (3,) sides that the cube is stretched to; the longest one is 1.
    """
    rng = np.random.default_rng(0)
    spreads = []
    distances = []

    for field, size in zip(fields, sizes, strict=True):
        points, _ = surface_points(field, _POINTS, rng)
        if not len(points):  # as far as can be from any other
            points = np.zeros((1, 3), np.float32)

        # Grid coordinates of the points in a cube that the longest side fits into.
        cells = (points * size / _CUBE + 0.5) * _SIDE - 0.5
        spreads.append(_spread(cells))

        # Distances from all grid points to the nearest one that has a surface point.
        marked = np.zeros((_SIDE,) * 3, bool)
        index = np.rint(cells).astype(np.int64).clip(0, _SIDE - 1)
        marked[tuple(index.T)] = True
        distances.append(unsigned_distance(marked, _CUBE / _SIDE, _CUBE).ravel())

    return ShapeSet(np.stack(spreads), np.stack(distances).astype(np.float32))


def _spread(cells: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return points (P, 3) in grid points, spread linearly over their eight neighbors."""
    lower = np.floor(cells).astype(np.int64).clip(0, _SIDE - 2)
    share = (cells - lower).clip(0, 1)

    count = _SIDE**3
    total = np.zeros(count)
    for offset, weight in corner_weights(share):
        x, y, z = (lower + offset).T
        flat = (x * _SIDE + y) * _SIDE + z
        total += np.bincount(flat, weight, count)

    return (total / len(cells)).astype(np.float32)


def _inspect(fields: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Return the shares of fields whose surface is one component, and closed."""
    single = []
    closed = []
    for field in fields:
        # What is empty has neither one component nor a closed surface.
        if not (field > 0).any():
            single.append(False)
            closed.append(False)
            continue
        report = check_topology(surface_nets(field))
        single.append(report.pieces == 1)
        closed.append(report.boundary == 0)

    return float(np.mean(single)), float(np.mean(closed))
