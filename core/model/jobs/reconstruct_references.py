"""From pictures that stand in a scene to a mesh that stands among them. Imports torch when it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...alignment.posed_views import align_references
from ...alignment.reference import Reference, rectify_view
from ...arrays import MeshArrays, View
from ...errors import ImageError
from ...jobs import dependencies
from ...jobs.task import Progress, Task, subtask


@dataclass(frozen=True)
class PosedRequest:
    """What to reconstruct: may cross to a thread.

    near: (3,) in world space: where along a view the object is that no other picture tells of.
    resolution, weights, device, fit: see ``inference.Settings``; the device may also be "auto".
    """

    references: tuple[Reference, ...]
    near: NDArray[np.float64]
    resolution: int = 128
    weights: Path | None = None
    device: str = "auto"
    fit: bool = False


@dataclass(frozen=True)
class PosedReconstruction:
    """mesh: in metres, in a frame with its origin below the object's middle. place: (4, 4) from there to world space.

    disagreements: see ``reference_fit.Fit``.
    """

    mesh: MeshArrays
    to_world: NDArray[np.float64]
    disagreements: tuple[str, ...]


def reconstruct_posed(request: PosedRequest) -> Task[PosedReconstruction]:
    """Mesh where the references stand, as large as they show it.

    Raises:
        ImageError: no object was found in one of them, which is named. WeightsError, DependencyError, MeshError: see
            ``inference``.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference import devices, foreground, pipeline, weights  # torch takes seconds to import

    with devices.select_device(request.device) as device:
        network, masks = weights.load_weights(request.weights, device.type)
        found = []
        for index, reference in enumerate(request.references):
            finding = foreground.segment_foreground(reference.view.image, masks)
            begun = 0.05 * index / len(request.references)
            stage = f"Finding the object, {reference.name}"
            try:
                image = yield from subtask(finding, begun, 0.05, stage)
            except ImageError as error:
                raise ImageError(f"{reference.name}: {error}") from error
            found.append(replace(reference, view=rectify_view(View(image, reference.view.camera))))
        fitted = align_references(found, request.near)
        mesh = yield from pipeline.reconstruct_and_fit(
            fitted.views, network, request.resolution, request.fit
        )
    size = np.linalg.norm(fitted.to_world[:3, 0])
    low = mesh.vertices.min(0)
    high = mesh.vertices.max(0)
    foot = np.array((*(low + high)[:2] / 2, low[2]))
    place = np.eye(4)
    place[:3, :3] = fitted.to_world[:3, :3] / size
    place[:3, 3] = fitted.to_world[:3, :3] @ foot + fitted.to_world[:3, 3]
    return PosedReconstruction(
        mesh.offset_and_scaled(-foot, float(size)), place, fitted.disagreements
    )
