"""Confidence of a surface point: how likely it is near the true surface.

Where occupancy rises slowly from outside to inside, the surface could as well be elsewhere. The
contrast, which is the occupancy a little inside of the surface minus that a little outside,
therefore measures how sure the network is that the surface is here. A logistic curve turns it into
the probability that the true surface is within ``NEAR``. There is one curve for each number of
views, fitted to objects that are not in the training split.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...arrays import MeshArrays
from ...geometry.winding_number import vertex_normals
from ...jobs.task import Progress, Task
from ..networks.reconstruction import BOUND
from .occupancy_field import CHUNK, HullConstrainedField

NEAR = 0.02  # of the longest side
_STEP = 0.01  # units of the frame, inwards and outwards
_BLOCKS = 64  # along each side; all vertices within a block share the contrast of its first one
_WEIGHT_DECAY = 1e-4  # of slope and offset, for data that a curve separates perfectly
_ITERATIONS = 100


def occupancy_contrast(field: HullConstrainedField, mesh: MeshArrays) -> Task[NDArray[np.float32]]:
    """Return the contrast (V,) of occupancy at each vertex of ``mesh``, in -1..1.

    Args:
        field: Where to evaluate the occupancy.
        mesh: In the frame of ``field``.
    """
    # One vertex of each block stands for all: the field is smooth.
    fraction = mesh.vertices / (2 * BOUND) + 0.5
    cell = (fraction * _BLOCKS).astype(int).clip(0, _BLOCKS - 1)
    cell_index = cell @ np.array((_BLOCKS**2, _BLOCKS, 1))
    _, first, block = np.unique(cell_index, return_index=True, return_inverse=True)
    vertices = mesh.vertices[first]

    # A point on either side of the surface.
    precise_vertices = mesh.vertices.astype(np.float64)
    normals = vertex_normals(precise_vertices, mesh.to_triangles())
    step = (_STEP * normals[first]).astype(np.float32)
    points = np.concatenate((vertices - step, vertices + step))

    chunks = np.array_split(points, 1 + len(points) // CHUNK)
    probabilities = []
    for index, chunk in enumerate(chunks):
        yield Progress(index / len(chunks), "Estimating confidence")
        probabilities.append(field.inside_probability(chunk))
    all_probabilities = np.concatenate(probabilities)
    inner, outer = np.split(all_probabilities, 2)
    contrast: NDArray[np.float32] = (inner - outer)[block.reshape(-1)]

    return contrast


def apply_calibration(contrast: NDArray[np.float32], curve: Tensor) -> NDArray[np.float32]:
    """Return the probabilities (V,) that the true surface is within ``NEAR``.

    Args:
        contrast: (V,), see :func:`occupancy_contrast`.
        curve: (2,), slope and offset.
    """
    slope, offset = curve.tolist()
    return np.asarray(1 / (1 + np.exp(-(slope * contrast + offset))), np.float32)


def fit_calibration(
    contrast: NDArray[np.float32] | NDArray[np.float64], is_near: NDArray[np.bool_]
) -> Tensor:
    """Return the curve (2,), slope and offset, of a logistic regression.

    Args:
        contrast: (P,), see :func:`occupancy_contrast`.
        is_near: (P,), whether the true surface is within ``NEAR``.
    """
    inputs = torch.from_numpy(contrast.astype(np.float32))
    targets = torch.from_numpy(is_near.astype(np.float32))
    curve = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([curve], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = curve[0] * inputs + curve[1]
        decay = _WEIGHT_DECAY * curve.square().sum()
        total = F.binary_cross_entropy_with_logits(logits, targets) + decay
        torch.autograd.backward(total)
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    return curve.detach()
