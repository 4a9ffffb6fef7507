"""Entry points of the operators of the shape space; they import torch when they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...errors import MeshError
from ...geometry.shaded_picture import shaded_picture
from ...geometry.surface_outputs import sample_surface
from ...jobs import dependencies
from ...jobs.task import Progress, Task, subtask

if TYPE_CHECKING:
    from ..inference.shapes.shape_completion import KnownSurface
    from ..inference.shapes.shape_generator import ShapeGenerator
    from ..inference.shapes.shape_space import ShapeCode, ShapeSpace

_COLOR_POINTS = 8192  # of a mesh whose colors are carried over
_SCAN_POINTS = 16_384  # of a mesh that is completed
_THUMBNAIL = 128  # pixels
_CUT = 0.02  # of a scan's length: faces this close to its missing side that face it are the cut


@dataclass(frozen=True)
class BlendRequest:
    """Two shapes and what is wanted between them.

    Attributes:
        first: at a share of 0, meters.
        second: at a share of 1, meters.
        shares: of the second one, one for each result.
        detail: factor of the points along each side at which surfaces are extracted, 1 or 2.
        weights: file of weights; None for the bundled one.
    """

    first: MeshArrays
    second: MeshArrays
    shares: tuple[float, ...]
    detail: int = 1
    weights: Path | None = None


@dataclass(frozen=True)
class CompletionRequest:
    """A part of a surface.

    Attributes:
        mesh: what there is, meters, its faces outwards.
        missing: "holes", or the side at which the shape goes on: "left", "right", "front", "back",
            "bottom" or "top".
        share: of the complete shape's length that is missing at that side.
        detail: see :class:`BlendRequest`.
        weights: file of weights; None for the bundled one.
    """

    mesh: MeshArrays
    missing: str = "holes"
    share: float = 0.5
    detail: int = 1
    weights: Path | None = None


@dataclass(frozen=True)
class VariationRequest:
    """A shape and how it is varied.

    Attributes:
        mesh: the shape, meters.
        strength: 1 for changes as large as the distance between any two shapes.
        seeds: one for each result.
        detail: see :class:`BlendRequest`.
        weights: file of weights; None for the bundled one.
    """

    mesh: MeshArrays
    strength: float
    seeds: tuple[int, ...]
    detail: int = 1
    weights: Path | None = None


@dataclass(frozen=True)
class GenerationRequest:
    """What to make.

    Attributes:
        label: index of the class, see ``shape_classes``.
        count: number of shapes.
        seed: of all of them.
        detail: see :class:`BlendRequest`.
        weights: file of weights; None for the bundled one.
    """

    label: int
    count: int
    seed: int
    detail: int = 1
    weights: Path | None = None


@dataclass(frozen=True)
class NearestShape:
    """The training shape that a made one is most like.

    Attributes:
        name: of its object.
        copying: distance to it, as a share of that of unseen shapes to theirs; below 0.5 the made
            shape is a copy.
        thumbnail: (128, 128, 4) uint8.
    """

    name: str
    copying: float
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True)
class MadeShape:
    """A new shape.

    Attributes:
        mesh: closed; its longest side is 1.
        thumbnail: (128, 128, 4) uint8.
        nearest: None where the weights do not tell what was trained on.
    """

    mesh: MeshArrays
    thumbnail: NDArray[np.uint8]
    nearest: NearestShape | None = None


def blend_shapes(request: BlendRequest) -> Task[tuple[MeshArrays, ...]]:
    """Return closed meshes between two shapes, with colors between theirs where they have some.

    Raises:
        MeshError: a mesh encloses nothing, or a result has no surface.
        WeightsError: there are no weights of the shape space.
        DependencyError: a package is missing.
    """
    space = yield from _load(request.weights)
    from ..inference.shapes import shape_space

    yield Progress(0.1, "Encoding")
    first = shape_space.encode_mesh(space, request.first)
    yield Progress(0.3, "Encoding")
    second = shape_space.encode_mesh(space, request.second)
    results = []

    for index, share in enumerate(request.shares):
        yield Progress(0.5 + 0.5 * index / len(request.shares), "Blending")
        code = shape_space.blend_codes(first, second, share)
        mesh = shape_space.mesh_of_code(space, code, request.detail)
        colors = _blended_colors(
            mesh, code, (request.first, first), (request.second, second), share
        )
        results.append(replace(mesh, colors=colors))

    return tuple(results)


def complete_shape(request: CompletionRequest) -> Task[MeshArrays]:
    """Return the closed mesh of a shape of which a part is known; what is known stays.

    Raises:
        MeshError: the mesh has no faces, or the result no surface.
        WeightsError: there are no weights of the shape space.
        DependencyError: a package is missing.
    """
    space = yield from _load(request.weights)
    from ..inference.shapes import shape_completion

    points, normals = _scan(request)
    side = "" if request.missing == "holes" else request.missing
    surface = shape_completion.known_surface(points, normals, side, request.share)
    surface = shape_completion.add_mirror_image(space, surface)
    completing = shape_completion.complete_surface(space, surface)
    code = yield from subtask(completing, 0.2, 0.9)
    mesh = shape_completion.completed_mesh(space, surface, code, request.detail)
    yield Progress(0.95, "Coloring")

    return replace(mesh, colors=_completed_colors(mesh.vertices, request.mesh, surface))


def vary_shape(request: VariationRequest) -> Task[tuple[MeshArrays, ...]]:
    """Return closed meshes of shapes near another one, with its colors.

    Raises:
        MeshError: the mesh encloses nothing, or a result has no surface.
        WeightsError: there are no weights of the shape space.
        DependencyError: a package is missing.
    """
    space = yield from _load(request.weights)
    from ..inference.shapes import shape_space

    yield Progress(0.1, "Encoding")
    code = shape_space.encode_mesh(space, request.mesh)
    results = []

    for index, seed in enumerate(request.seeds):
        yield Progress(0.4 + 0.6 * index / len(request.seeds), "Varying")
        varied = shape_space.vary_code(space, code, request.strength, seed)
        mesh = shape_space.mesh_of_code(space, varied, request.detail)
        results.append(replace(mesh, colors=_nearest_colors(mesh.vertices, request.mesh)))

    return tuple(results)


def generate_shapes(request: GenerationRequest) -> Task[tuple[MadeShape, ...]]:
    """Return new shapes with the training shapes that they are most like.

    Raises:
        MeshError: a result has no surface.
        WeightsError: there are no weights of the shape space or of a generator.
        DependencyError: a package is missing.
    """
    space = yield from _load(request.weights)
    from ..inference.shapes import shape_generator, shape_space

    generator = shape_generator.load_generator(request.weights)
    results = []
    codes = generator.codes(request.label, request.count, request.seed)
    for index, code in enumerate(codes):
        yield Progress(0.1 + 0.9 * index / request.count, "Imagining")
        mesh = shape_space.mesh_of_code(space, code, request.detail)
        nearest = None
        if generator.training is not None:
            yield Progress(0.1 + 0.9 * (index + 0.5) / request.count, "Comparing")
            nearest = _nearest_shape(space, generator, code)
        results.append(MadeShape(mesh, _thumbnail(mesh), nearest))
    return tuple(results)


def _nearest_shape(space: ShapeSpace, generator: ShapeGenerator, code: ShapeCode) -> NearestShape:
    """Return the training shape that is nearest to the shape of a code.

    Raises:
        MeshError: it has no surface.
    """
    from ..inference.shapes import nearest_shapes, shape_space

    found = nearest_shapes.find_nearest(space, generator, code)
    assert generator.training is not None, "find_nearest refuses it"
    copying = found.distance / generator.training.typical
    mesh = shape_space.mesh_of_code(space, found.code)
    return NearestShape(found.name, copying, _thumbnail(mesh))


def _thumbnail(mesh: MeshArrays) -> NDArray[np.uint8]:
    shares = shaded_picture(mesh, _THUMBNAIL)
    return (shares * 255 + 0.5).astype(np.uint8)


def _load(weights: Path | None) -> Task[ShapeSpace]:
    """Load the shape space.

    Raises:
        WeightsError: there are no weights of it.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference.shapes import shape_space  # torch takes seconds to import

    return shape_space.load_shape_space(weights)


def _scan(request: CompletionRequest) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return points of a part of a surface and their normals, without the faces of the cut.

    Raises:
        MeshError: the mesh has no faces.
    """
    from ..inference.shapes.shape_completion import SIDES, thinned

    mesh = request.mesh
    if not len(mesh.faces):
        raise MeshError("The object has no faces to complete. Select a mesh with faces")
    surface = sample_surface(mesh, _SCAN_POINTS)
    points = surface.points
    normals = surface.normals

    if request.missing != "holes":
        axis, direction = SIDES[request.missing]
        heights = direction * points[:, axis]
        is_end = heights > heights.max() - _CUT * np.ptp(heights)
        kept = ~(is_end & (direction * normals[:, axis] > 0.9))
        if kept.any():
            points = points[kept]
            normals = normals[kept]

    return thinned(points, normals)


def _blended_colors(
    mesh: MeshArrays,
    code: ShapeCode,
    first: tuple[MeshArrays, ShapeCode],
    second: tuple[MeshArrays, ShapeCode],
    share: float,
) -> NDArray[np.float32] | None:
    """Return the colors (V, 3) of a mesh between two; None if neither has colors.

    Args:
        mesh: whose vertices are colored.
        code: of the mesh.
        first: a mesh and its code.
        second: the same of the other one.
        share: of the second one.
    """
    unit = code.box.to_unit(mesh.vertices).astype(np.float32)
    colors = []
    for source, own in (first, second):
        colors.append(_nearest_colors(unit, source, own.box.to_unit))
    if colors[0] is None or colors[1] is None:
        return colors[0] if colors[1] is None else colors[1]
    blended: NDArray[np.float32] = (1 - share) * colors[0] + share * colors[1]

    return blended.astype(np.float32)


def _completed_colors(
    vertices: NDArray[np.float32], source: MeshArrays, surface: KnownSurface
) -> NDArray[np.float32] | None:
    """Return the colors (V, 3) of a completed shape; None if what is known has none.

    Args:
        vertices: (V, 3) to color.
        source: what is known, with colors.
        surface: what is known, with its mirror image where that was added.
    """
    if source.colors is None:
        return None
    from ..inference.shapes.shape_completion import mirror_factors
    from ..metrics import nearest_distance

    known = sample_surface(source, _COLOR_POINTS)
    images = [known.points.astype(float)]
    for axis in surface.mirrored:
        for points in images.copy():
            image = surface.box.to_unit(points) * mirror_factors(axis)
            images.append(surface.box.from_unit(image))
    places = np.concatenate(images).astype(np.float32)
    colors = np.tile(known.colors, (len(images), 1))
    _, nearest = nearest_distance(vertices, places)
    return colors[nearest]


def _nearest_colors(
    vertices: NDArray[np.float32],
    source: MeshArrays,
    place: Callable[[NDArray[np.float32]], NDArray[np.float64]] | None = None,
) -> NDArray[np.float32] | None:
    """Return the colors (V, 3) of the nearest points of another mesh; None if it has none.

    Args:
        vertices: (V, 3) to color.
        source: with colors.
        place: moves points of ``source`` to where the vertices are.
    """
    if source.colors is None:
        return None
    from ..metrics import nearest_distance

    surface = sample_surface(source, _COLOR_POINTS)
    points = surface.points if place is None else place(surface.points)
    _, nearest = nearest_distance(vertices, points.astype(np.float32))
    return surface.colors[nearest]
