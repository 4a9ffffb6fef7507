"""Evolution strategy with covariance matrix adaptation (CMA-ES).

Written after N. Hansen, The CMA Evolution Strategy: A Tutorial (arXiv:1604.00772), with its
constants for positive weights. What differs: points outside the unit cube are evaluated at the
nearest point of the cube, and the caller subtracts a cost for how far they are outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SMALLEST_VARIANCE = 1e-12


class EvolutionStrategy:
    """Points to try, and what is learned from their scores.

    Args:
        mean: (D,) where to begin.
        step: Standard deviation of the first points, the same along all axes.
        seed: Of the random numbers.
    """

    def __init__(self, mean: NDArray[np.float64], step: float, seed: int) -> None:
        self.mean = mean
        self.step = step
        self._rng = np.random.default_rng(seed)
        dimension = len(mean)
        self.size = 4 + int(3 * np.log(dimension))  # points of a generation

        # Weights of the better half of a generation.
        parents = self.size // 2
        weights = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
        self._weights = weights / weights.sum()
        effective = 1 / (self._weights**2).sum()
        self._effective = effective

        # Rates at which the step and the covariance are learned.
        self._step_rate = (effective + 2) / (dimension + effective + 5)
        excess = max(0.0, np.sqrt((effective - 1) / (dimension + 1)) - 1)
        self._step_damping = 1 + 2 * excess + self._step_rate
        path_share = effective / dimension
        self._path_rate = (4 + path_share) / (dimension + 4 + 2 * path_share)
        self._rank_one = 2 / ((dimension + 1.3) ** 2 + effective)
        rank_parents = 2 * (effective - 2 + 1 / effective) / ((dimension + 2) ** 2 + effective)
        self._rank_parents = min(1 - self._rank_one, rank_parents)
        self._expected_length = np.sqrt(dimension) * (
            1 - 1 / (4 * dimension) + 1 / (21 * dimension**2)
        )

        self._covariance = np.eye(dimension)
        self._path = np.zeros(dimension)
        self._step_path = np.zeros(dimension)
        self._generation = 0
        self._axes = np.eye(dimension)
        self._lengths = np.ones(dimension)

    def ask(self) -> list[NDArray[np.float64]]:
        """Return the points (D,) of a generation."""
        variances, self._axes = np.linalg.eigh(self._covariance)
        self._lengths = np.sqrt(np.maximum(variances, _SMALLEST_VARIANCE))
        points = []
        for _ in range(self.size):
            direction = self._axes @ (self._lengths * self._rng.standard_normal(len(self.mean)))
            points.append(self.mean + self.step * direction)
        return points

    def tell(self, points: Sequence[NDArray[np.float64]], scores: Sequence[float]) -> None:
        """Learn from the scores of a generation; larger is better."""
        order = np.argsort(-np.asarray(scores), kind="stable")[: len(self._weights)]
        directions = (np.stack(points)[order] - self.mean) / self.step
        direction = self._weights @ directions
        self.mean = self.mean + self.step * direction
        self._generation += 1

        # How far the mean moves, measured where the covariance is a sphere.
        rate = self._step_rate
        whitened = self._axes @ ((self._axes.T @ direction) / self._lengths)
        self._step_path = (1 - rate) * self._step_path + whitened * np.sqrt(
            rate * (2 - rate) * self._effective
        )
        length = float(np.linalg.norm(self._step_path))
        start_bias = np.sqrt(1 - (1 - rate) ** (2 * self._generation))
        limit = (1.4 + 2 / (len(self.mean) + 1)) * self._expected_length
        is_steady = float(length / start_bias < limit)

        # The covariance, by the path of the mean and by the better points.
        rate = self._path_rate
        self._path = (1 - rate) * self._path + is_steady * direction * np.sqrt(
            rate * (2 - rate) * self._effective
        )
        kept = 1 - self._rank_one - self._rank_parents
        kept += self._rank_one * (1 - is_steady) * rate * (2 - rate)
        self._covariance = (
            kept * self._covariance
            + self._rank_one * np.outer(self._path, self._path)
            + self._rank_parents * (directions.T * self._weights) @ directions
        )
        relative = length / self._expected_length - 1
        self.step *= float(np.exp(self._step_rate / self._step_damping * relative))
