"""From pictures that stand in a scene to a mesh that stands among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays, View
from ..errors import ImageError
from ..reference_fit import fit
from ..references import Reference, upright
from ..work import Progress, Work
from . import weights
from .inference import Settings, reconstruct_views, with_mask


@dataclass(frozen=True)
class Standing:
    """mesh: in metres, in a frame with its origin below the object's middle. place: (4, 4) from there to world space.

    disagreements: see ``reference_fit.Fit``.
    """

    mesh: MeshArrays
    place: NDArray[np.float64]
    disagreements: tuple[str, ...]


def reconstruct_references(
    references: Sequence[Reference], near: NDArray[np.float64], settings: Settings
) -> Work[Standing]:
    """Mesh where ``references`` stand, as large as they show it; the size of ``settings`` is not used.

    Args:
        near: (3,) in world space: where along a view the object is that no other picture tells of.

    Raises:
        As ``inference.reconstruct_sides``, with the reference's name.
    """
    network, masks = weights.load(settings.weights)
    found = []
    for index, reference in enumerate(references):
        yield Progress(0.05 * (index + 1) / len(references), f"Finding the object, {reference.name}")
        try:
            view = View(with_mask(reference.view.image, masks), reference.view.camera)
        except ImageError as error:
            raise ImageError(f"{reference.name}: {error}") from error
        found.append(replace(reference, view=upright(view)))
    fitted = fit(found, near)
    mesh = yield from reconstruct_views(fitted.views, network, settings.resolution)
    size = np.linalg.norm(fitted.to_world[:3, 0])
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    foot = np.array((*(low + high)[:2] / 2, low[2]))
    place = np.eye(4)
    place[:3, :3] = fitted.to_world[:3, :3] / size
    place[:3, 3] = fitted.to_world[:3, :3] @ foot + fitted.to_world[:3, 3]
    vertices = ((mesh.vertices - foot) * size).astype(np.float32)
    return Standing(replace(mesh, vertices=vertices), place, fitted.disagreements)
