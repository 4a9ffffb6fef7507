"""Label the parts of a mesh, as an operator asks for it; imports torch when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...arrays import MeshArrays, View
from ...jobs import dependencies
from ...jobs.task import Progress, Task

if TYPE_CHECKING:
    from ..inference.meaning.part_labels import SurfaceParts


@dataclass(frozen=True)
class PartRequest:
    """What to label.

    Attributes:
        mesh: Its faces are triangles.
        views: Images whose alpha is the object's mask, with cameras in the mesh's frame.
        weights: Of reconstruction; None for the bundled ones.
        heads: Weights of the heads; None for the bundled ones.
    """

    mesh: MeshArrays
    views: tuple[View, ...]
    weights: Path | None = None
    heads: Path | None = None


def label_parts(request: PartRequest) -> Task[SurfaceParts]:
    """Return the part of each face, see ``inference.meaning.part_labels``.

    Raises:
        As that; DependencyError: A package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference.meaning.part_labels import label_surface

    return (yield from label_surface(request.mesh, request.views, request.heads, request.weights))
