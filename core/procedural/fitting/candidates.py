"""A procedural object at its pose, drawn as the target is, and scored against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .. import make_from_draws
from ..parts import ProceduralObject
from .drawing import Drawing, draw_triangles, fill_triangles
from .poses import Pose, fill_bounds, stretch
from .targets import FittingTarget

# Weights of the three scores in the one that is searched for.
_SILHOUETTE_WEIGHT = 0.4
_FIELD_WEIGHT = 0.4
_DEPTH_WEIGHT = 0.2
_DEPTH_REACH = 0.1  # of the longest side: depths that differ by more do not agree at all
_STRETCH_COST = 0.08  # of the score, for each unit of poses.stretch
_POOLS = 3  # resolutions at which images and grids are compared for the steps of a search


@dataclass(frozen=True)
class Score:
    """How well an object agrees with a target.

    Attributes:
        silhouette: Mean IoU of the silhouettes, 0..1.
        field: IoU with the inside of the mesh, 0..1.
        depth: Agreement of the depths where both are, 0..1; 1 where none is known.
        stretch: See ``poses.stretch``.
    """

    silhouette: float
    field: float
    depth: float
    stretch: float

    @property
    def total(self) -> float:
        """What the search makes as large as it can."""
        agreement = (
            _SILHOUETTE_WEIGHT * self.silhouette
            + _FIELD_WEIGHT * self.field
            + _DEPTH_WEIGHT * self.depth
        )
        return agreement - _STRETCH_COST * self.stretch


@dataclass(frozen=True)
class PoseShift:
    """How a pose differs from that in which the box of the object is that of the target.

    Attributes:
        yaw: Radians, added.
        scale: (3,) logarithms of factors.
        offset: (3,) added, in longest sides of the target.
        lean: Radians about X and about Y.
    """

    yaw: float = 0.0
    scale: tuple[float, float, float] = (0.0, 0.0, 0.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lean: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Genome:
    """What makes a candidate.

    Attributes:
        family: Of the object.
        seed: Of all values that are not given.
        values: Of its draws by address.
        yaw: One of those that the target allows at first, radians.
        shift: Of the pose.
    """

    family: str
    seed: int
    values: Mapping[str, float]
    yaw: float
    shift: PoseShift = PoseShift()


@dataclass(frozen=True)
class Candidate:
    """An object at its pose.

    Attributes:
        genome: What made it.
        made: The object.
        pose: Of it in the frame of the target.
        drawings: Of it in the target's views.
        inside: (side, side, side) bool, the cells of the target's lattice.
        score: Of it.
    """

    genome: Genome
    made: ProceduralObject
    pose: Pose
    drawings: tuple[Drawing, ...]
    inside: NDArray[np.bool_]
    score: Score

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Numbers that change smoothly with the shape, for the steps of a search.

        They are the masks and the occupancy, averaged over cells of several sizes and weighted
        by the square roots of the scores' weights.
        """
        image_weight = np.sqrt(_SILHOUETTE_WEIGHT / len(self.drawings))
        features = []
        for drawing in self.drawings:
            features += _pooled(drawing.mask, image_weight)
        features += _pooled(self.inside, np.sqrt(_FIELD_WEIGHT))
        return np.concatenate(features)


def target_features(target: FittingTarget) -> NDArray[np.float32]:
    """Return what ``Candidate.features`` would be of the target itself."""
    image_weight = np.sqrt(_SILHOUETTE_WEIGHT / len(target.views))
    features = []
    for view in target.views:
        features += _pooled(view.drawing.mask, image_weight)
    features += _pooled(target.inside, np.sqrt(_FIELD_WEIGHT))
    return np.concatenate(features)


def feature_similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the soft IoU of two vectors of features (F,), 0..1 (Tanimoto 1958)."""
    product = float(first @ second)
    return product / float(first @ first + second @ second - product)


def join_parts(made: ProceduralObject) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the vertices (V, 3) and the triangles (F, 3) of all parts of an object."""
    vertices = []
    triangles = []
    count = 0
    for part in made.parts:
        vertices.append(part.mesh.vertices)
        triangles.append(part.mesh.to_triangles() + np.int32(count))
        count += len(part.mesh.vertices)
    return np.concatenate(vertices).astype(np.float64), np.concatenate(triangles)


def evaluate(genome: Genome, target: FittingTarget) -> Candidate:
    """Return the candidate of a genome."""
    return place(make_from_draws(genome.family, genome.seed, genome.values), genome, target)


def place(made: ProceduralObject, genome: Genome, target: FittingTarget) -> Candidate:
    """Return the candidate of an object that was made from the draws of ``genome``."""
    vertices, triangles = join_parts(made)
    pose = _pose_of(vertices, genome, target)
    placed = pose.apply(vertices)
    drawings = tuple(draw_triangles(placed, triangles, view.camera) for view in target.views)
    inside = fill_triangles(placed, triangles, target.lattice)
    score = _score(drawings, inside, target, stretch(pose.scale))
    return Candidate(genome, made, pose, drawings, inside, score)


def _pose_of(vertices: NDArray[np.float64], genome: Genome, target: FittingTarget) -> Pose:
    """Return the pose of an object with ``vertices`` (V, 3)."""
    yaw = genome.yaw + genome.shift.yaw
    bounds = np.stack((vertices.min(0), vertices.max(0)))
    filling = fill_bounds(bounds, target.bounds_along(yaw), yaw)

    # Scaled about the middle of the target's box, then moved.
    center = filling.apply(bounds.mean(0)[None])[0] + np.array(genome.shift.offset)
    scale = filling.scale * np.exp(np.array(genome.shift.scale))
    lean = genome.shift.lean
    origin = Pose(yaw, scale, np.zeros(3), lean)
    return Pose(yaw, scale, center - origin.apply(bounds.mean(0)[None])[0], lean)


def _score(
    drawings: tuple[Drawing, ...],
    inside: NDArray[np.bool_],
    target: FittingTarget,
    stretching: float,
) -> Score:
    """Return how well drawings and the inside of an object agree with a target."""
    silhouettes = []
    depths = []
    for drawing, view in zip(drawings, target.views, strict=True):
        silhouettes.append(_iou(drawing.mask, view.drawing.mask))
        both = drawing.mask & view.drawing.mask & np.isfinite(view.drawing.depth)
        if both.any():
            difference = np.abs(drawing.depth[both] - view.drawing.depth[both])
            depths.append(float((1 - difference / _DEPTH_REACH).clip(0).mean()))
    depth = float(np.mean(depths)) if depths else 1.0
    return Score(
        silhouette=float(np.mean(silhouettes)),
        field=_iou(inside, target.inside),
        depth=depth,
        stretch=stretching,
    )


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two sets; 1 if both are empty."""
    union = int(np.count_nonzero(first | second))
    if not union:
        return 1.0
    return int(np.count_nonzero(first & second)) / union


def _pooled(values: NDArray[np.bool_], weight: float) -> list[NDArray[np.float32]]:
    """Return means over 2, 4 and 8 cells along each axis, flat, each resolution of one weight."""
    pooled = []
    level = values.astype(np.float32)
    for _ in range(_POOLS):
        for axis in range(level.ndim):
            even, odd = _halves(level.ndim, axis)
            level = level[even] + level[odd]
        level *= np.float32(0.5**level.ndim)
        pooled.append(level.ravel() * np.float32(weight / np.sqrt(level.size)))
    return pooled


def _halves(dimensions: int, axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the indices of the even and of the odd cells along an axis of an array."""
    before = (slice(None),) * axis
    after = (slice(None),) * (dimensions - axis - 1)
    return (*before, slice(0, None, 2), *after), (*before, slice(1, None, 2), *after)
