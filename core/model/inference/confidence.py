"""How likely a point of the surface found is near the true one.

Where the field rises slowly from outside to inside, the surface might as well lie elsewhere: the difference of the
probabilities a little inside and a little outside says how sure the network is that the surface is here. A logistic
curve for each number of pictures, fitted on objects that training did not see, turns that into the probability that
the true surface is within ``NEAR``.
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
_REACH = 0.01  # of the frame, inwards and outwards
_BLOCKS = 64  # along each side: within one, all vertices share what is said of the first


def occupancy_contrast(field: HullConstrainedField, mesh: MeshArrays) -> Task[NDArray[np.float32]]:
    """For each vertex (V,) of ``mesh``, in the frame of ``field``, by how much likelier it is inside than outside."""
    cells = ((mesh.vertices / (2 * BOUND) + 0.5) * _BLOCKS).astype(int).clip(0, _BLOCKS - 1)
    _, first, block = np.unique(
        cells @ (_BLOCKS**2, _BLOCKS, 1), return_index=True, return_inverse=True
    )
    step = (_REACH * vertex_normals(mesh.vertices, mesh.to_triangles())[first]).astype(np.float32)
    points = np.concatenate((mesh.vertices[first] - step, mesh.vertices[first] + step))
    parts = np.array_split(points, 1 + len(points) // CHUNK)
    found = []
    for index, part in enumerate(parts):
        yield Progress(index / len(parts), "Estimating confidence")
        found.append(field.inside_probability(part))
    inner, outer = np.split(np.concatenate(found), 2)
    return (inner - outer)[block.reshape(-1)]


def apply_calibration(steep: NDArray[np.float32], curve: Tensor) -> NDArray[np.float32]:
    """Probabilities (V,) that the true surface is within ``NEAR``; curve: (2,) slope and offset."""
    slope, offset = curve.tolist()
    return (1 / (1 + np.exp(-(slope * steep + offset)))).astype(np.float32)


def fit_calibration(steep: NDArray[np.floating], near: NDArray[np.bool_]) -> Tensor:
    """The curve (2,) that tells ``near`` (P,) from ``steep`` (P,) best (logistic regression)."""
    x = torch.from_numpy(steep.astype(np.float32))
    y = torch.from_numpy(near.astype(np.float32))
    curve = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([curve], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = (
            F.binary_cross_entropy_with_logits(curve[0] * x + curve[1], y)
            + 1e-4 * curve.square().sum()
        )
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    return curve.detach()
