"""Reconstruct a mesh from references in a scene; torch is imported when it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...alignment.floor import floor_point, locating_cameras, stand_on_floor
from ...alignment.posed_views import align_references
from ...alignment.reference import Reference, rectify_view
from ...arrays import MeshArrays, View
from ...errors import ImageError
from ...jobs import dependencies
from ...jobs.task import Progress, Task, subtask

# Share of the progress in which the objects are found in the images.
_SEGMENTING = 0.05


@dataclass(frozen=True)
class PosedRequest:
    """References to reconstruct from; may be passed to a thread or a process.

    Attributes:
        references: images with cameras in world space.
        near: (3,) point in world space; the object is there along a view whose depth no other image
            shows.
        resolution: cells along the longest side.
        keep_holes: whether the masks that are found may have holes.
        weights: of the model; None for the bundled ones.
        device: "cpu", "cuda", "mps" or "auto".
        fit: whether to fit the surface to the masks afterwards.
        floor: height in world space of the floor on which the object stands if no image shows how
            far away it is; None to leave it near ``near``.
    """

    references: tuple[Reference, ...]
    near: NDArray[np.float64]
    resolution: int = 128
    keep_holes: bool = True
    weights: Path | None = None
    device: str = "auto"
    fit: bool = False
    floor: float | None = None


@dataclass(frozen=True)
class PosedReconstruction:
    """Reconstruction placed among its references.

    Attributes:
        mesh: meters; the origin is at the center of the footprint.
        to_world: (4, 4) rigid transform from the mesh's frame to world space.
        disagreements: lengths on which the references disagree, in words.
    """

    mesh: MeshArrays
    to_world: NDArray[np.float64]
    disagreements: tuple[str, ...]


def reconstruct_posed(request: PosedRequest) -> Task[PosedReconstruction]:
    """Reconstruct a mesh at the place and size that the references show.

    Raises:
        ImageError: no object was found in a reference, which is named.
        MeshError: the model sees no solid.
        WeightsError: the weights are missing or damaged.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference import devices, foreground, pipeline, weights  # torch takes seconds to import

    with devices.select_device(request.device) as device:
        # The object of each image, seen by a camera without shear.
        network, foreground_network = weights.load_weights(request.weights, device.type)
        segmented = []
        for index, reference in enumerate(request.references):
            begin = _SEGMENTING * index / len(request.references)
            segmentation = foreground.segment_foreground(
                reference.view.image, foreground_network, request.keep_holes
            )
            stage = f"Finding the object, {reference.name}"
            try:
                image = yield from subtask(segmentation, begin, _SEGMENTING, stage)
            except ImageError as error:
                raise ImageError(f"{reference.name}: {error}") from error
            view = rectify_view(View(image, reference.view.camera))
            segmented.append(replace(reference, view=view))

        # One frame for all cameras, and the mesh in it.
        near = request.near
        if request.floor is not None:
            point = floor_point(segmented, request.floor)
            near = request.near if point is None else point
        alignment = align_references(segmented, near)
        mesh = yield from pipeline.reconstruct_and_fit(
            alignment.views, network, request.resolution, request.fit
        )

    # The mesh in meters with its origin at the footprint, and the rigid part of the transform.
    size = np.linalg.norm(alignment.to_world[:3, 0])
    low = mesh.vertices.min(0)
    high = mesh.vertices.max(0)
    footprint = np.array((*(low + high)[:2] / 2, low[2]))
    to_world = np.eye(4)
    to_world[:3, :3] = alignment.to_world[:3, :3] / size
    to_world[:3, 3] = alignment.to_world[:3, :3] @ footprint + alignment.to_world[:3, 3]

    return PosedReconstruction(
        mesh=mesh.offset_and_scaled(-footprint, float(size)),
        to_world=to_world,
        disagreements=alignment.disagreements,
    )


def place_on_floor(result: PosedReconstruction, request: PosedRequest) -> PosedReconstruction:
    """Return ``result`` of ``request`` moved to the floor, as far as its images leave that open.

    Its mesh may have been changed since.
    """
    if request.floor is None:
        return result
    points = result.mesh.vertices @ result.to_world[:3, :3].T + result.to_world[:3, 3]
    lowest = points[points[:, 2].argmin()]
    motion = stand_on_floor(locating_cameras(request.references), lowest, request.floor)

    # The scale goes to the mesh, the rest to the transform.
    factor = float(np.linalg.norm(motion[:3, 0]))
    to_world = result.to_world.copy()
    to_world[:3, 3] = motion[:3, :3] @ to_world[:3, 3] + motion[:3, 3]
    mesh = result.mesh.offset_and_scaled(np.zeros(3), factor)

    return replace(result, mesh=mesh, to_world=to_world)
