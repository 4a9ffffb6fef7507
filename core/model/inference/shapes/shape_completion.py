"""Completes a surface that is partly known: what is there stays, the rest is the most likely shape.

The encoder's answer to the known points is the first guess. The latent is then changed by some
steps of gradient descent, so that the decoded surface passes through the known points and does not
leave what training shapes look like:

    known points --encoder--> latent --decoder--> field --at the points--> 0
                                 ^                             |
                                 '-------- gradient -----------'

Most objects are symmetric. Where the first guess agrees with the mirror image of what is known, the
mirror image counts as known, too: it is sharper than any guess.

Last the field near known points is replaced by the distance to the known surface, and the vertices
there are moved onto it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ....arrays import MeshArrays
from ....geometry.shape_cube.box import (
    CUBE_SIDE,
    FIELD_SIDE,
    REACH,
    ShapeBox,
    field_coordinates,
    field_spacing,
)
from ....geometry.shape_cube.splatting import SPLAT_SIDE, cell_centers, cell_coordinates
from ....imaging.morphology import dilate
from ....jobs.task import Progress, Task
from ...metrics import nearest_distance
from .shape_space import POINT_COUNT, ShapeCode, ShapeSpace, mesh_of_field

SIDES = {
    "left": (0, -1),
    "right": (0, 1),
    "front": (1, -1),
    "back": (1, 1),
    "bottom": (2, -1),
    "top": (2, 1),
}
_NEAR_CELLS = 1.5  # cells of the field within which a vertex is moved onto the known surface
_KEPT_CELLS = 2.5  # cells of the field around known points in which it is theirs
_POINTS_A_STEP = 2048

# Left and right, and front and back, may mirror each other; top and bottom seldom do.
_MIRROR_AXES = (0, 1)
# A mirrored point agrees with a guess whose field is closer to 0 there, in truncations.
_AGREEING_FIELD = 0.5
# A mirror image counts if this share of its points agrees: chosen on validation shapes.
_AGREEING_SHARE = 0.5
# A mirrored point is missing if no known one is nearer, in sides of the cube.
_MISSING_DISTANCE = 0.04


@dataclass(frozen=True)
class CompletionConfig:
    """How the latent is fitted.

    Attributes:
        steps: of gradient descent.
        rate: their size.
        prior: weight of the squared change of the latent.
        offset: distance from the surface, in truncations, at which the sign is fitted, too.
    """

    steps: int = 50
    rate: float = 0.05
    prior: float = 0.02
    offset: float = 0.3


@dataclass(frozen=True)
class KnownSurface:
    """A part of a surface, in the cube.

    Attributes:
        points: (P, 3) float32. normals: (P, 3) float32 unit normals, outwards.
        known: (32, 32, 32) cells in which all of the surface is known; None for all cells.
        box: that the cube is stretched to.
        mirrored: axes across which the mirror image was added.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    known: NDArray[np.bool_] | None
    box: ShapeBox
    mirrored: tuple[int, ...] = ()


def known_surface(
    points: NDArray[np.floating[Any]],
    normals: NDArray[np.floating[Any]],
    missing_side: str = "",
    missing_share: float = 0.5,
) -> KnownSurface:
    """Return a part of a surface as it is completed.

    Args:
        points: (P, 3) on it, meters, z up and the front towards -y.
        normals: (P, 3) unit normals, outwards.
        missing_side: of ``SIDES``: beyond this end of the points the shape goes on. Empty where
            the points reach to all ends, and have holes.
        missing_share: of the complete shape's length that is missing at that side.

    Raises:
        MeshError: the points have no extent.
    """
    bounds = np.stack((points.min(0), points.max(0))).astype(float)
    if missing_side:
        # The box of the complete shape reaches beyond the points at one end.
        axis, direction = SIDES[missing_side]
        extent = bounds[1, axis] - bounds[0, axis]
        end = 1 if direction > 0 else 0
        longer = extent * missing_share / (1 - missing_share)
        bounds[end, axis] += direction * longer

    box = ShapeBox.of_bounds(bounds)
    unit = box.to_unit(points).astype(np.float32)
    unit_normals = box.normals_to_unit(normals).astype(np.float32)

    # Where points are is known; what is beyond them is known only if nothing is missing there.
    if not missing_side:
        return KnownSurface(unit, unit_normals, np.zeros((SPLAT_SIDE,) * 3, bool), box)
    border = float((direction * unit[:, axis]).max())
    known = direction * cell_centers()[..., axis] < border
    return KnownSurface(unit, unit_normals, known, box)


def add_mirror_image(space: ShapeSpace, surface: KnownSurface) -> KnownSurface:
    """Return what is known, and of its mirror image what is missing, if the two go together.

    Across each plane through the middle of the box the first guess of the shape space judges: it
    has to pass through most of the mirrored points.

    Args:
        space: the shape space.
        surface: what is known.
    """
    latent = space.encode_points(surface.points, surface.normals, surface.known)
    guess = torch.from_numpy(space.decode(latent))[None]
    for axis in _MIRROR_AXES:
        flip = mirror_factors(axis).astype(np.float32)
        image = replace(surface, points=surface.points * flip, normals=surface.normals * flip)
        values = _sample(guess, torch.from_numpy(image.points)).numpy()
        if (np.abs(values) < _AGREEING_FIELD).mean() >= _AGREEING_SHARE:
            surface = _join_missing(surface, image, axis)
    return surface


def mirror_factors(axis: int) -> NDArray[np.float64]:
    """Return the factors (3,) that mirror coordinates in the cube across ``axis``."""
    factors = np.ones(3)
    factors[axis] = -1
    return factors


def complete_surface(
    space: ShapeSpace, surface: KnownSurface, config: CompletionConfig | None = None
) -> Task[ShapeCode]:
    """Return the code of the complete shape.

    Args:
        space: the shape space.
        surface: what is known.
        config: of the fitting.
    """
    config = config or CompletionConfig()

    # The first guess, which the latent is kept near to.
    first = space.encode_points(surface.points, surface.normals, surface.known)
    start = torch.from_numpy(first)[None]
    latent = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([latent], lr=config.rate)
    points = torch.from_numpy(surface.points)
    normals = torch.from_numpy(surface.normals)
    generator = torch.Generator().manual_seed(0)

    for step in range(config.steps):
        yield Progress(step / config.steps, "Completing")

        # Other points at each step: all of them would take longer and gain nothing.
        chosen = torch.randint(len(points), (_POINTS_A_STEP,), generator=generator)
        with torch.enable_grad():
            values = torch.tanh(space.network.decoder(latent))
            data = _surface_loss(values, points[chosen], normals[chosen], config.offset)
            loss = data + config.prior * (latent - start).square().mean()
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()

    return ShapeCode(latent.detach()[0].numpy(), surface.box)


def completed_mesh(
    space: ShapeSpace, surface: KnownSurface, code: ShapeCode, detail: int = 1
) -> MeshArrays:
    """Return the closed mesh of a completed shape, in which the known surface stays as it is.

    Args:
        space: the shape space.
        surface: what is known.
        code: of :func:`complete_surface`.
        detail: see ``mesh_of_code``.

    Raises:
        MeshError: it has no surface.
    """
    field = with_known(space.decode(code.latent), surface)
    mesh = mesh_of_field(field, code.box, detail)
    return keep_known(mesh, surface)


def with_known(field: NDArray[np.float32], surface: KnownSurface) -> NDArray[np.float32]:
    """Return a field that crosses 0 at the known points, and is the old one away from them.

    Near a known point the value is the distance to the plane at the nearest one.

    Args:
        field: (64, 64, 64) in -1..1, positive inside.
        surface: what is known.
    """
    # Only the grid points in the cells about known points.
    spacing = field_spacing()
    cells = np.floor(surface.points / spacing + FIELD_SIDE / 2).astype(np.int64)
    is_near = np.zeros(field.shape, bool)
    is_near[tuple(cells.clip(0, FIELD_SIDE - 1).T)] = True
    is_near = dilate(dilate(is_near))
    index = np.argwhere(is_near)
    places = field_coordinates()[index].astype(np.float32)

    # The height over the plane at the nearest point, as far as that is near.
    distance, nearest = nearest_distance(places, surface.points)
    to_point = surface.points[nearest] - places
    height = (to_point * surface.normals[nearest]).sum(1)
    known = (height / REACH).clip(-1, 1)
    weight = (2 * (1 - distance / (_KEPT_CELLS * spacing))).clip(0, 1)

    result = field.copy()
    near = tuple(index.T)
    old = field[near]
    result[near] = old + weight * (known - old)

    return result


def keep_known(mesh: MeshArrays, surface: KnownSurface) -> MeshArrays:
    """Return a mesh with the vertices near known points moved onto the planes at those points.

    Args:
        mesh: meters.
        surface: what is known.
    """
    vertices = surface.box.to_unit(mesh.vertices).astype(np.float32)
    distance, nearest = nearest_distance(vertices, surface.points)
    normals = surface.normals[nearest]
    to_point = surface.points[nearest] - vertices
    height = (to_point * normals).sum(1, keepdims=True)

    # Full within half the reach, none beyond it, so that the seam is smooth.
    share = distance / (_NEAR_CELLS * field_spacing())
    weight = (2 * (1 - share)).clip(0, 1)[:, None]
    moved = vertices + weight * height * normals

    meters = surface.box.from_unit(moved)
    return replace(mesh, vertices=meters.astype(np.float32))


def _join_missing(surface: KnownSurface, image: KnownSurface, axis: int) -> KnownSurface:
    """Return a surface with the points of its mirror image that it lacks.

    Args:
        surface: what is known.
        image: its mirror image.
        axis: across which it is mirrored.
    """
    distance, _ = nearest_distance(image.points, surface.points)
    is_missing = distance > _MISSING_DISTANCE
    if surface.known is not None:
        cells = np.floor(cell_coordinates(image.points)).astype(np.int64)
        index = tuple(cells.clip(0, SPLAT_SIDE - 1).T)
        is_missing &= ~surface.known[index]
    known = None if surface.known is None else surface.known | np.flip(surface.known, axis)
    return replace(
        surface,
        points=np.concatenate((surface.points, image.points[is_missing])),
        normals=np.concatenate((surface.normals, image.normals[is_missing])),
        known=known,
        mirrored=(*surface.mirrored, axis),
    )


def thinned(
    points: NDArray[np.floating[Any]], normals: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Return at most as many points (P, 3), and their normals, as are encoded."""
    if len(points) <= POINT_COUNT:
        return points, normals
    order = np.random.default_rng(0).permutation(len(points))
    chosen = order[:POINT_COUNT]
    return points[chosen], normals[chosen]


def _surface_loss(values: Tensor, points: Tensor, normals: Tensor, offset: float) -> Tensor:
    """Return how far a field is from a surface: 0 on it, and of the right sign beside it.

    Args:
        values: (1, 64, 64, 64) in -1..1.
        points: (P, 3) in the cube.
        normals: (P, 3).
        offset: distance of the points beside it, in truncations.
    """
    # The field is 0 at the points, negative beyond them and positive behind.
    step = offset * REACH * normals
    places = torch.cat((points, points + step, points - step))
    on_surface = torch.zeros(len(points))
    beside = torch.full((len(points),), offset)
    targets = torch.cat((on_surface, -beside, beside))
    sampled = _sample(values, places)

    return F.smooth_l1_loss(sampled, targets, beta=0.1)


def _sample(values: Tensor, places: Tensor) -> Tensor:
    """Return a field (1, 64, 64, 64) at places (P, 3) of the cube, linearly."""
    # grid_sample reads the last axis first.
    grid = (places.flip(1) * (2 / CUBE_SIDE))[None, None, None]
    sampled = F.grid_sample(values[None], grid, align_corners=False, padding_mode="border")
    return sampled[0, 0, 0, 0]
