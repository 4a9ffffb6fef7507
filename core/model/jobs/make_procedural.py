"""Fit a procedural object to a mesh and its pictures; torch is imported only for a learned head."""

from __future__ import annotations

from dataclasses import dataclass

from ...arrays import MeshArrays, SourceView, View
from ...imaging.image_files import decode_png
from ...jobs import dependencies
from ...jobs.task import Progress, Task, subtask
from ...procedural.fitting.proposals import FamilyProposal
from ...procedural.fitting.results import ProceduralFit, fit_mesh
from . import meaning

_HEADS = "heads"  # the part of the weights that proposes families
_PROPOSED = 0.1  # share of the time after which there are proposals


@dataclass(frozen=True)
class FittingRequest:
    """What to fit a procedural object to.

    Attributes:
        mesh: Upright, in meters.
        views: Pictures of it with cameras in its frame; may be empty.
    """

    mesh: MeshArrays
    views: tuple[SourceView | View, ...] = ()


def fit_request(request: FittingRequest) -> Task[ProceduralFit]:
    """Return the procedural object that agrees best with a request.

    Raises:
        MeshError: The mesh has no extent or encloses nothing.
        ImageError: A picture cannot be read.
    """
    yield Progress(0.0, "Reading")
    views = [_decoded(view) for view in request.views]
    proposals: list[FamilyProposal] = []
    if views:
        yield Progress(0.0, "Recognizing")
        proposals = _propose_families(views[0])
    fitting = fit_mesh(request.mesh, views, proposals)
    return (yield from subtask(fitting, _PROPOSED, 1.0))


def _decoded(view: SourceView | View) -> View:
    """Return a view with its image decoded.

    Raises:
        ImageError: It cannot be read.
    """
    if isinstance(view, View):
        return view
    pixels = decode_png(view.png)
    height, width = pixels.shape[:2]
    return View(pixels, view.camera.resized(width, height))


def _propose_families(view: View) -> list[FamilyProposal]:
    """Return what the learned heads expect of a picture; nothing without their weights."""
    is_possible = meaning.has_part(_HEADS)
    if not is_possible or dependencies.missing_packages(*dependencies.MODEL):
        return []
    from ..inference.meaning.family_proposals import (
        propose_families,  # torch takes seconds to import
    )

    return propose_families(view.image)
