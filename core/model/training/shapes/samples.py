"""Inputs of the shape space as training sees them: points that are incomplete, few and noisy.

The decoder always has to return the complete shape, so completion and removal of noise are the
training task itself.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....geometry.shape_cube.splatting import SPLAT_SIDE, cell_centers, splat_points
from ..loop import prefetch_batches
from .store import ShapeStore, StoredShape

Points = NDArray[np.float32]
Cells = NDArray[np.bool_]


@dataclass(frozen=True)
class CorruptionConfig:
    """How the points of a shape are made incomplete.

    Attributes:
        complete, half, holes, side: odds of what is missing: nothing, everything beyond a plane,
            what is within a few balls, what faces away from a direction. They sum to 1.
        cut: range of the place of the plane between the two ends of the shape, and of the share
            of planes that are across an axis.
        axis_cuts: share of the planes that are across an axis of the box.
        ball_count: most balls. ball_radius: their range, in sides of the box.
        marked: share of incomplete inputs that say which cells were not looked at; in the others
            either all count as looked at, or only those with points.
        least_points: smallest share of the points that are kept.
        noise: largest standard deviation of the points, in sides of the box.
        mirror, turn: odds of a mirror image, and of a turn about z by 90, 180 or 270 degrees.
    """

    complete: float = 0.45
    half: float = 0.25
    holes: float = 0.15
    side: float = 0.15
    cut: tuple[float, float] = (0.35, 0.65)
    axis_cuts: float = 0.75
    ball_count: int = 4
    ball_radius: tuple[float, float] = (0.1, 0.3)
    marked: float = 0.7
    least_points: float = 0.125
    noise: float = 0.01
    mirror: float = 0.5
    turn: float = 0.5


@dataclass(frozen=True)
class ShapeBatch:
    """Inputs and targets.

    Attributes:
        points: (B, 8, 32, 32, 32), see ``splat_points``.
        field: (B, 64, 64, 64) truncated distance in -1..1.
        noise: standard normal numbers of the shape of the latents.
    """

    points: Tensor
    field: Tensor
    noise: Tensor


@dataclass(frozen=True)
class BatchRequest:
    """What a step's batch is drawn from.

    Attributes:
        store: of the shapes. shapes: those to train on.
        batch: shapes of a batch. seed: of all batches.
        latent_shape: of a batch's latents.
        corruption: of the points.
    """

    store: ShapeStore
    shapes: Sequence[StoredShape]
    batch: int
    seed: int
    latent_shape: tuple[int, ...]
    corruption: CorruptionConfig


def draw_batch(request: BatchRequest, step: int) -> ShapeBatch:
    """Return the batch of ``step``, which follows from the seed and the step alone."""
    rng = np.random.default_rng((request.seed, step))
    inputs = []
    fields = []

    for index in rng.integers(len(request.shapes), size=request.batch):
        shape = request.shapes[index]
        field = request.store.field(shape)
        points, normals = request.store.surface(shape)

        # The target is turned as well, but never incomplete.
        field, points, normals = turned(field, points, normals, request.corruption, rng)
        inputs.append(corrupt(points, normals, request.corruption, rng))
        fields.append(field)

    noise = rng.standard_normal(request.latent_shape, np.float32)
    return ShapeBatch(
        points=torch.from_numpy(np.stack(inputs)),
        field=torch.from_numpy(np.stack(fields)),
        noise=torch.from_numpy(noise),
    )


def batches_from(request: BatchRequest, step: int) -> Generator[ShapeBatch, None, None]:
    """Yield the batches of ``step`` and later ones; one is drawn ahead."""
    return prefetch_batches(lambda number: draw_batch(request, number), step)


def turned(
    field: NDArray[np.float32],
    points: Points,
    normals: Points,
    config: CorruptionConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], Points, Points]:
    """Return a shape mirrored across x and turned about z, by chance."""
    if rng.random() < config.mirror:
        field = field[::-1]
        points = mirrored(points)
        normals = mirrored(normals)
    if rng.random() < config.turn:
        for _ in range(int(rng.integers(1, 4))):
            # x becomes y, and y becomes -x.
            field = np.swapaxes(field, 0, 1)[::-1]
            points = _quarter_turn(points)
            normals = _quarter_turn(normals)

    return np.ascontiguousarray(field), points, normals


def mirrored(vectors: Points) -> Points:
    """Return vectors (P, 3) mirrored across x = 0."""
    return vectors * np.array((-1, 1, 1), np.float32)


def corrupt(
    points: Points, normals: Points, config: CorruptionConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the network's input (8, 32, 32, 32) for a part of the points.

    Args:
        points: (P, 3) of the whole surface, in the cube.
        normals: (P, 3).
        config: what is left out.
        rng: chooses it.
    """
    # Few points, at wrong places.
    share = np.exp(rng.uniform(np.log(config.least_points), 0))
    chosen = rng.random(len(points)) < share
    points = points[chosen]
    normals = normals[chosen]
    deviation = np.float32(config.noise * rng.random() ** 2)
    noise = rng.normal(0, 1, points.shape).astype(np.float32)
    points = points + noise * deviation

    # What is missing, see CorruptionConfig.
    kind = rng.choice(4, p=(config.complete, config.half, config.holes, config.side))
    if kind == 0:
        return splat_points(points, normals)
    if kind == 1:
        kept, missing = _beyond_plane(points, config, rng)
    elif kind == 2:
        kept, missing = _within_balls(points, config, rng)
    else:
        kept = _facing(normals, rng)
        missing = None

    # Too little is left to see the shape: all of it is given.
    if kept.sum() < 16:
        kept = np.ones(len(points), bool)
        missing = np.zeros((SPLAT_SIDE,) * 3, bool)
    return splat_points(points[kept], normals[kept], _known_cells(kind, missing, config, rng))


def _known_cells(
    kind: int, missing: Cells | None, config: CorruptionConfig, rng: np.random.Generator
) -> Cells | None:
    """Return which cells count as looked at: (32, 32, 32), or None for all.

    Nobody says so of a half: without the mark nothing would tell it from a complete shape.
    """
    # Marked cells, no cells, or all cells count as looked at.
    marked = kind == 1 or rng.random() < config.marked
    if marked and missing is not None:
        return ~missing
    if rng.random() < 0.5:
        return np.zeros((SPLAT_SIDE,) * 3, bool)
    return None


def _beyond_plane(
    points: Points, config: CorruptionConfig, rng: np.random.Generator
) -> tuple[Cells, Cells]:
    """Return which points (P,) and cells (32, 32, 32) are before and beyond a random plane."""
    direction = rng.normal(size=3)
    if rng.random() < config.axis_cuts:
        direction = np.eye(3)[rng.integers(3)] * rng.choice((-1.0, 1.0))
    direction /= np.linalg.norm(direction)

    # The plane lies between the ends of the shape along its direction.
    heights = points @ direction
    low = float(heights.min())
    high = float(heights.max())
    level = low + (high - low) * rng.uniform(*config.cut)

    return heights < level, cell_centers() @ direction > level


def _within_balls(
    points: Points, config: CorruptionConfig, rng: np.random.Generator
) -> tuple[Cells, Cells]:
    """Return which points (P,) are in no ball, and which cells (32, 32, 32) are in one."""
    kept = np.ones(len(points), bool)
    missing = np.zeros((SPLAT_SIDE,) * 3, bool)
    centers = cell_centers()

    for _ in range(int(rng.integers(1, config.ball_count + 1))):
        # A ball about a point of the surface, so that it takes something away.
        middle = points[rng.integers(len(points))]
        radius = rng.uniform(*config.ball_radius)
        point_distance = np.linalg.norm(points - middle, axis=1)
        cell_distance = np.linalg.norm(centers - middle, axis=-1)
        kept &= point_distance > radius
        missing |= cell_distance < radius

    return kept, missing


def _facing(normals: Points, rng: np.random.Generator) -> Cells:
    """Return which normals (P,) face a random direction from the side or above."""
    direction = rng.normal(size=3)

    # People look at objects from the side or from above.
    direction[2] = abs(direction[2])
    direction /= np.linalg.norm(direction)
    facing: Cells = normals @ direction > 0.1
    return facing


def _quarter_turn(vectors: Points) -> Points:
    """Return vectors (P, 3) turned so that x becomes -y and y becomes x."""
    return np.stack((-vectors[:, 1], vectors[:, 0], vectors[:, 2]), axis=1)
