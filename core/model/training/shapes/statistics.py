"""Distributions fitted to codes without training, which a trained generator must beat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...networks.shape_generators import FactorMixture
from ...shape_classes import ANY_CLASS
from .latents import CodeSet

_RANK = 48  # of the covariances
_CLUSTERS = 32
_KMEANS_ROUNDS = 20
_SHRINKAGE = 0.1  # share of the variance that is taken to be that of all shapes, independent
_WIDTHS = (0.05, 0.1, 0.2, 0.3, 0.45)  # of the kernels, tried on held-out codes

Floats = NDArray[np.float32]


def fit_gaussians(codes: CodeSet) -> FactorMixture:
    """Return a normal distribution for each class, with a shrunk covariance.

    The last one, of any class, is that of all codes.
    """
    members = []
    for label in range(ANY_CLASS):
        members.append(np.flatnonzero(codes.labels == label))

    # The last distribution is of all classes.
    members.append(np.arange(len(codes.labels)))
    mixture = _fit_factors(codes.codes, members)
    mixture.weights.copy_(torch.eye(ANY_CLASS + 1))
    return mixture


def fit_mixture(codes: CodeSet, count: int = _CLUSTERS) -> FactorMixture:
    """Return normal distributions of clusters (k-means), weighted by class."""
    cluster = _clusters(codes.codes, count)
    members = [np.flatnonzero(cluster == index) for index in range(count)]
    mixture = _fit_factors(codes.codes, members)
    weights = np.zeros((ANY_CLASS + 1, count), np.float32)

    # How often each class is in each cluster.
    np.add.at(weights, (codes.labels, cluster), 1.0)
    weights[ANY_CLASS] = np.bincount(cluster, minlength=count)
    weights += 1e-6
    mixture.weights.copy_(torch.from_numpy(weights))

    return mixture


def fit_kernels(codes: CodeSet, held_out: Floats) -> tuple[FactorMixture, float]:
    """Return one narrow normal distribution for each code, and its width.

    Args:
        codes: standardized.
        held_out: (B, N) codes to which the best width gives the highest mean likelihood.
    """
    best = max(_WIDTHS, key=lambda width: _kernel_likelihood(codes.codes, held_out, width))
    count, numbers = codes.codes.shape

    # A factor of zeros, since weights files hold no empty tensors.
    mixture = FactorMixture(count, 1, numbers, ANY_CLASS)
    mixture.means.copy_(torch.from_numpy(codes.codes))
    mixture.deviation.fill_(best)
    weights = np.zeros((ANY_CLASS + 1, count), np.float32)
    weights[codes.labels, np.arange(count)] = 1.0
    weights[ANY_CLASS] = 1.0
    mixture.weights.copy_(torch.from_numpy(weights))

    return mixture, best


def _fit_factors(codes: Floats, members: list[NDArray[np.int64]]) -> FactorMixture:
    """Return normal distributions of groups of codes with covariances of a low rank."""
    mixture = FactorMixture(len(members), _RANK, codes.shape[1], ANY_CLASS)
    for index, group in enumerate(members):
        # An empty group has the distribution of all.
        part = codes[group] if len(group) else codes
        mean = part.mean(0)
        centered = part - mean

        # The directions of greatest variance; the rest is shared by all groups.
        _, lengths, directions = np.linalg.svd(centered, full_matrices=False)
        freedom = max(len(part) - 1, 1)
        scale = lengths[:_RANK] * np.sqrt((1 - _SHRINKAGE) / freedom)
        factors = directions[:_RANK] * scale[:, None]
        mixture.means[index] = torch.from_numpy(mean)
        mixture.factors[index, : len(factors)] = torch.from_numpy(factors)

    deviation = np.sqrt(_SHRINKAGE) * codes.std(0)
    mixture.deviation.copy_(torch.from_numpy(deviation))
    return mixture


def _clusters(codes: Floats, count: int) -> NDArray[np.int64]:
    """Return the cluster (B,) of codes by k-means."""
    rng = np.random.default_rng(0)
    data = torch.from_numpy(codes)
    centers = data[rng.choice(len(codes), count, replace=False)].clone()
    cluster = torch.zeros(len(codes), dtype=torch.int64)

    for _ in range(_KMEANS_ROUNDS):
        # Each code to the nearest center, then each center to the mean of its codes.
        cluster = torch.cdist(data, centers).argmin(1)
        for index in range(count):
            group = data[cluster == index]
            if len(group):
                centers[index] = group.mean(0)

    return cluster.numpy()


def _kernel_likelihood(codes: Floats, held_out: Floats, width: float) -> float:
    """Return the mean logarithm of the density of held-out codes (B, N)."""
    numbers = codes.shape[1]
    centers = torch.from_numpy(codes)
    distances = torch.cdist(torch.from_numpy(held_out), centers)
    squared = distances.square()

    # A constant factor of the density does not matter for the choice of a width.
    exponents = -squared / (2 * width**2)
    normalizer = numbers * float(np.log(width))
    density = torch.logsumexp(exponents, 1) - normalizer
    return float(density.mean())
