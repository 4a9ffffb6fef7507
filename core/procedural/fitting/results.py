"""What a fit comes to: a recipe, where its object stands, and how well it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, View
from ...jobs.task import Progress, Task, subtask
from .. import make_from_draws
from ..parts import ProceduralObject
from ..recipes import Recipe, make
from .candidates import join_parts
from .part_colors import Color, part_colors
from .proposals import FamilyProposal
from .search import Fit, SearchSettings, fit_object
from .targets import normalized_mesh, target_of_mesh

_DIGITS = 5  # of values and colors: more would tell nothing
_SEARCHED = 0.98  # share of the time after which the search has ended


@dataclass(frozen=True)
class ProceduralFit:
    """A procedural object for a mesh, in the frame of the mesh, upright.

    A frame that was estimated from a picture may lean, and the object agrees if it leans as well.
    It is placed upright all the same, about its middle.

    Attributes:
        family: Of the object.
        seed: Of its values that are not in ``values``.
        values: Of draws by address.
        yaw: Turn about Z, radians.
        scale: (3,) along its axes, of the object as its recipe makes it.
        location: (3,) of its origin, meters.
        silhouette: IoU of the silhouettes, 0..1.
        volume: IoU with the inside of the mesh, 0..1.
        is_accepted: Whether it agrees well enough to be offered, see ``search.Fit``.
        is_expected: Whether it may be what the picture shows, see there.
        colors: sRGB in 0..1 by the label of a part; empty where none is known.
    """

    family: str
    seed: int
    values: dict[str, float]
    yaw: float
    scale: NDArray[np.float64]
    location: NDArray[np.float64]
    silhouette: float
    volume: float
    is_accepted: bool
    is_expected: bool = True
    colors: dict[str, Color] = field(default_factory=dict)

    def recipe(self, parts: str) -> Recipe:
        """Return the recipe of the object.

        Args:
            parts: One of ``recipes.PARTS``.
        """
        return Recipe(self.family, self.seed, float(self.scale.max()), parts, self.values)

    def agreement(self) -> str:
        """Return how well it agrees, in words."""
        return f"silhouette {self.silhouette:.0%}, volume {self.volume:.0%}"


@dataclass(frozen=True)
class FramedMesh:
    """A mesh about the origin, its longest side 1.

    Attributes:
        mesh: The mesh.
        views: Pictures of it with cameras in its frame.
        center: (3,) of its box before, meters.
        size: Its longest side before, meters.
    """

    mesh: MeshArrays
    views: tuple[View, ...]
    center: NDArray[np.float64]
    size: float


def fit_mesh(
    mesh: MeshArrays,
    views: Sequence[View] = (),
    proposals: Sequence[FamilyProposal] = (),
    settings: SearchSettings | None = None,
) -> Task[ProceduralFit]:
    """Return the procedural object that agrees best with a mesh and pictures of it.

    Args:
        mesh: Upright, in meters; it need not be closed.
        views: Pictures with cameras in its frame, see ``targets.target_of_mesh``.
        proposals: Of a learned head; may be empty.
        settings: How long to search.

    Raises:
        MeshError: The mesh has no extent or encloses nothing.
    """
    yield Progress(0.0, "Measuring the mesh")
    framed = frame_mesh(mesh, views)
    target = target_of_mesh(framed.mesh, framed.views)
    search = fit_object(target, proposals, settings or SearchSettings())
    fit = yield from subtask(search, 0.0, _SEARCHED)

    yield Progress(_SEARCHED, "Coloring")
    made = make_from_draws(fit.genome.family, fit.genome.seed, fit.genome.values)
    colors = part_colors(made, fit.pose, framed.views, framed.mesh)
    return _placed_fit(fit, made, colors, framed)


def frame_mesh(mesh: MeshArrays, views: Sequence[View] = ()) -> FramedMesh:
    """Return a mesh and pictures of it about the origin, its longest side 1.

    Raises:
        MeshError: The mesh has no extent.
    """
    center, size = normalized_mesh(mesh.vertices)
    framed = replace(mesh, views=(), symmetry=None).offset_and_scaled(-center, 1 / size)
    framed_views = [_framed_view(view, center, size) for view in views]
    return FramedMesh(framed, tuple(framed_views), center, size)


def _framed_view(view: View, center: NDArray[np.float64], size: float) -> View:
    """Return a view of a mesh that was moved to the origin and scaled to a longest side of 1."""
    motion = np.eye(4)
    motion[:3, 3] = -center
    return View(view.image, view.camera.moved(motion).scaled(1 / size))


def _placed_fit(
    fit: Fit,
    made: ProceduralObject,
    colors: Mapping[str, Color],
    framed: FramedMesh,
) -> ProceduralFit:
    """Return a fit in the frame of the mesh.

    Args:
        fit: In the frame of the target.
        made: Its object, centered, its longest side 1.
        colors: Of its parts.
        framed: The mesh.
    """
    genome = fit.genome
    values = {address: _rounded(value) for address, value in genome.values.items()}
    recipe = Recipe(genome.family, genome.seed, values=values)

    # The recipe keeps the scale of the unchanged object, so its object differs in size and place.
    vertices, _ = join_parts(make(recipe))
    low = vertices.min(0)
    high = vertices.max(0)
    factor = 1 / float((high - low).max())
    made_vertices, _ = join_parts(made)
    made_center = (made_vertices.min(0) + made_vertices.max(0)) / 2
    scale = fit.pose.scale * factor
    unscaled = made_center - factor * (low + high) / 2

    # Upright, with its middle where it was.
    upright = replace(fit.pose, lean=(0.0, 0.0))
    middle_shift = fit.pose.apply(made_center[None]) - upright.apply(made_center[None])
    origin = (upright.apply(unscaled[None]) + middle_shift)[0]
    return ProceduralFit(
        family=genome.family,
        seed=genome.seed,
        values=values,
        yaw=fit.pose.yaw,
        scale=framed.size * scale,
        location=framed.center + framed.size * origin,
        silhouette=fit.score.silhouette,
        volume=fit.score.field,
        is_accepted=fit.is_accepted,
        is_expected=fit.is_expected,
        colors=dict(colors),
    )


def _rounded(value: float) -> float:
    """Return a value to some significant digits; whole numbers stay."""
    return float(f"{value:.{_DIGITS}g}")
