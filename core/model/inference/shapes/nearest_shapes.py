"""The training shape that a made one is most like, and how much of a copy it is.

The nearest codes of training shapes are a shortlist; among them the chamfer distance of the decoded
surfaces decides. A distance counts as a share of that between unseen shapes and their nearest
training shapes: the copying ratio, below 0.5 for copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....errors import WeightsError
from ....geometry.shape_cube.distances import surface_points
from ....jobs.task import Progress, Task
from ...metrics import nearest_distance
from ...networks.shape_generators import BOX_NUMBERS
from .shape_generator import ShapeGenerator, code_of_numbers
from .shape_space import ShapeCode, ShapeSpace

_SHORTLIST = 4  # codes whose surfaces are compared
_POINTS = 2048  # of a surface
_FARTHEST = 1.0  # distance to a shape without a surface, in longest sides

# Of the three numbers of the box among a thousand, as the basis of the codes has it.
_BOX_WEIGHT = 8.0


@dataclass(frozen=True)
class NearestCode:
    """A training shape.

    Attributes:
        name: Of its object.
        code: Of the shape.
        distance: Chamfer distance to it, in longest sides.
    """

    name: str
    code: ShapeCode
    distance: float


def find_nearest(space: ShapeSpace, generator: ShapeGenerator, code: ShapeCode) -> NearestCode:
    """Return the training shape that is nearest to the shape of a code.

    Args:
        space: To decode in.
        generator: That knows its training shapes.
        code: Of the made shape.

    Raises:
        WeightsError: The generator knows no training shapes.
    """
    training = generator.training
    if training is None:
        raise WeightsError(
            "The weights do not hold the training shapes of the generator. Export it again"
        )
    codes = training.coefficients @ generator.components + generator.mean
    scales = np.ones(codes.shape[1], np.float32)
    scales[-BOX_NUMBERS:] = _BOX_WEIGHT
    sides = np.log(code.box.size / code.box.size.max())
    numbers = np.concatenate((code.latent.ravel(), sides)).astype(np.float32)
    differences = (codes - numbers) * scales
    rows = np.argsort(np.square(differences).sum(1), kind="stable")[:_SHORTLIST]

    own = _surface(space, code)
    candidates = []
    for row in rows:
        known = code_of_numbers(codes[row])
        distance = _chamfer(own, _surface(space, known))
        candidates.append(NearestCode(training.names[row], known, distance))
    return min(candidates, key=lambda candidate: candidate.distance)


def typical_distance(
    space: ShapeSpace, generator: ShapeGenerator, codes: Sequence[NDArray[np.float32]]
) -> Task[float]:
    """Return the mean distance of shapes to their nearest training shapes.

    Args:
        space: To decode in.
        generator: That knows its training shapes.
        codes: (N,) each, of shapes that were not trained on.
    """
    distances = []
    for index, numbers in enumerate(codes):
        yield Progress(index / len(codes), "Measuring unseen shapes")
        nearest = find_nearest(space, generator, code_of_numbers(numbers))
        distances.append(nearest.distance)
    return float(np.mean(distances))


def _surface(space: ShapeSpace, code: ShapeCode) -> NDArray[np.float32]:
    """Return points (P, 3) of the surface of a code, in longest sides."""
    rng = np.random.default_rng(0)
    points, _ = surface_points(space.decode(code.latent), _POINTS, rng)
    size = code.box.size / code.box.size.max()
    stretched: NDArray[np.float32] = (points * size).astype(np.float32)
    return stretched


def _chamfer(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the mean distance of the points of each surface to those of the other."""
    if not len(first) or not len(second):
        return _FARTHEST
    there, _ = nearest_distance(first, second)
    back, _ = nearest_distance(second, first)
    return float(there.mean() + back.mean()) / 2
