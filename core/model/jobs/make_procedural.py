"""Fit a procedural object to a mesh and its pictures; torch is imported only for a learned head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import MeshArrays, SourceView, View
from ...errors import MaquetteError
from ...imaging.image_files import decode_png
from ...jobs import dependencies
from ...jobs.task import Progress, Task, subtask
from ...procedural.fitting.proposals import FamilyProposal
from ...procedural.fitting.results import ProceduralFit, fit_mesh
from . import meaning

if TYPE_CHECKING:
    from ..inference.semantics import ImageMeaning

_HEADS = "heads"  # the part of the weights that proposes families
_SAMPLES = 2  # of the draws of a family, beside the most probable values and the mean ones
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
        proposals = propose_families(views[0])
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


def propose_families(view: View) -> list[FamilyProposal]:
    """Return what the learned heads expect of a picture; nothing without their weights.

    Args:
        view: The mask of the object as alpha.
    """
    if not meaning.has_part(_HEADS) or dependencies.missing_packages(*dependencies.MODEL):
        return []
    from ..inference.semantics import describe_image  # torch takes seconds to import

    try:
        return proposals_of(describe_image(view.image))
    except MaquetteError:  # the weights belong to another model: the nearest seeds remain
        return []


def proposals_of(described: ImageMeaning) -> list[FamilyProposal]:
    """Return the families that a picture may show, with samples of their draws."""
    rng = np.random.default_rng(0)
    proposals = []
    for family, probability in described.families:
        samples: list[dict[str, float]] = []
        draws = described.draws.get(family, ())
        if draws:
            samples.append({draw.target.address: draw.most_likely() for draw in draws})
            samples.append({draw.target.address: draw.mean() for draw in draws})
        for _ in range(_SAMPLES if draws else 0):
            samples.append({draw.target.address: draw.sample(rng) for draw in draws})
        proposals.append(FamilyProposal(family, probability, tuple(samples)))
    return proposals
