"""Which part each face of a reconstructed mesh belongs to, from the images that it was made from.

    images -> heads -> probabilities of the groups at each pixel
                          |  faces that a depth buffer does not hide
                          v
    evidence at seen faces, times which groups objects of this family have
                          |  from seen faces over the surface, edge by edge
                          v
    probabilities at all faces -> smoothed -> one group each -> small islands removed

The unseen side thus continues the parts that border on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....alignment.side_views import mask_bounds
from ....arrays import MeshArrays, View
from ....errors import ImageError, MeshError
from ....geometry.rasterization import MIN_COSINE, render_depth
from ....geometry.winding_number import face_normals
from ....jobs.task import Progress, Task
from ....procedural import FAMILIES, make_object
from ....procedural.part_groups import part_group
from ..preprocessing import WINDOW_UNITS
from .semantics import ImageMeaning, describe_image

Floats = NDArray[np.floating[Any]]

UNKNOWN = -1
_NO_WINNER = -2

_PRIOR_SEEDS = 12  # objects of a family whose parts tell which groups it has
_PRIOR_FLOOR = 0.05  # weight of the groups that no likely family has
_SMOOTHINGS = 10  # rounds of averaging over neighboring faces
_SEEN_SHARE = 0.5  # of its own evidence that a seen face keeps in each round
_LEAST_ISLAND = 0.01  # of the area of the surface, below which a patch takes its neighbors' group
_LEAST_SHARE = 0.3  # of the probability that the best group needs where the family is known
_LEAST_SHARE_UNKNOWN = 0.5  # the same where it is not
_LEAST_SEEN = 1e-6


@dataclass(frozen=True)
class SurfaceParts:
    """The parts of a surface.

    Attributes:
        groups: (T,) int64 index of the group of each triangle; -1 for none.
        names: Of the groups.
        family: Most probable family of the object.
        is_known: Whether the images show a known family.
        seen_share: Share of the area that the images show.
    """

    groups: NDArray[np.int64]
    names: tuple[str, ...]
    family: str
    is_known: bool
    seen_share: float


@dataclass(frozen=True)
class _Surface:
    """Triangles and what borders on what.

    Attributes:
        centers, normals: (T, 3). areas: (T,).
        neighbors: (E, 2) pairs of triangles that share an edge, each in both orders.
    """

    centers: Floats
    normals: Floats
    areas: Floats
    neighbors: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of triangles."""
        return len(self.areas)


def label_surface(
    mesh: MeshArrays,
    views: Sequence[View],
    path: Path | None = None,
    trunk_weights: Path | None = None,
) -> Task[SurfaceParts]:
    """Return the parts of a mesh.

    Args:
        mesh: Its faces are triangles.
        views: Images whose alpha is the object's mask, with cameras in the mesh's frame.
        path: Weights of the heads; None for the bundled ones.
        trunk_weights: Weights of reconstruction; None for the bundled ones.

    Raises:
        ImageError: There is no image, or a mask is empty.
        MeshError: The mesh has no faces.
        WeightsError: Weights are missing or damaged.
    """
    if not views:
        raise ImageError("There is no image to see the parts in")
    if not len(mesh.faces):
        raise MeshError("The mesh has no faces")
    yield Progress(0.0, "Preparing the surface")
    surface = _prepare_surface(mesh)
    corners = mesh.vertices.astype(float)[mesh.to_triangles()]

    # What each image shows of the faces that it sees.
    meanings = []
    evidence: Floats = np.zeros(0)
    for index, view in enumerate(views):
        yield Progress(0.1 + 0.5 * index / len(views), "Looking at images")
        meaning = describe_image(view.image, path, trunk_weights)
        meanings.append(meaning)
        seen = _view_evidence(view, meaning, surface, corners)
        evidence = seen if index == 0 else evidence + seen

    yield Progress(0.6, "Spreading the parts")
    families = _mean_families(meanings)
    names = meanings[0].groups
    evidence = evidence * _group_prior(families, names)
    weights = evidence.sum(1)
    filled = spread_over_surface(evidence, surface.neighbors)

    yield Progress(0.8, "Smoothing")
    smooth = _smoothed(filled, weights > _LEAST_SEEN, surface.neighbors)
    is_known = any(meaning.is_known for meaning in meanings)
    least = _LEAST_SHARE if is_known else _LEAST_SHARE_UNKNOWN
    groups = np.where(smooth.max(1) >= least, smooth.argmax(1), UNKNOWN)
    groups = without_islands(groups, surface.areas, surface.neighbors)
    is_seen = weights > _LEAST_SEEN

    return SurfaceParts(
        groups=groups,
        names=names,
        family=max(families, key=lambda name: families[name]),
        is_known=is_known,
        seen_share=float(surface.areas[is_seen].sum() / surface.areas.sum()),
    )


def neighbor_pairs(triangles: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the pairs (E, 2) of triangles (T, 3) that share an edge, each in both orders."""
    # Each edge with its triangle, in the order of its vertices.
    sides = (triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]])
    edges = np.sort(np.concatenate(sides), axis=1)
    faces = np.tile(np.arange(len(triangles)), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges = edges[order]
    faces = faces[order]

    # Equal edges follow each other.
    is_same = (edges[1:] == edges[:-1]).all(1)
    first = faces[:-1][is_same]
    second = faces[1:][is_same]
    pairs = np.stack((first, second), axis=1)

    return np.concatenate((pairs, pairs[:, ::-1]))


def spread_over_surface(evidence: Floats, neighbors: NDArray[np.int64]) -> Floats:
    """Return probabilities (T, G) at all faces: those of the nearest seen ones, edge by edge.

    Args:
        evidence: (T, G), 0 at faces that nothing is known of.
        neighbors: (E, 2) pairs of faces, each in both orders.
    """
    # Begin with the faces of which something is known.
    total = evidence.sum(1, keepdims=True)
    values = np.divide(evidence, total, out=np.zeros_like(evidence), where=total > _LEAST_SEEN)
    is_known = total[:, 0] > _LEAST_SEEN
    source, target = neighbors.T

    while True:
        # All unknown faces beside known ones take the mean of these.
        is_front = is_known[source] & ~is_known[target]
        reached = np.unique(target[is_front])
        if not len(reached):
            break
        sums = _sums_at(values[source[is_front]], target[is_front], len(values))
        values[reached] = sums[reached] / sums[reached].sum(1, keepdims=True)
        is_known[reached] = True

    # Pieces of which nothing is seen take the mean of all.
    if not is_known.all() and is_known.any():
        values[~is_known] = values[is_known].mean(0)
    return values


def without_islands(
    groups: NDArray[np.int64], areas: Floats, neighbors: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return groups (T,) in which small patches have the group of what surrounds them.

    A patch is as many faces of one group as are connected.

    Args:
        groups: (T,) group of each face; -1 for none.
        areas: (T,) of the faces.
        neighbors: (E, 2) pairs of faces, each in both orders.
    """
    result = groups.copy()
    source, target = neighbors.T
    while True:
        # Patches: faces of one group that are connected.
        is_inner = result[source] == result[target]
        patches = _components(len(result), neighbors[is_inner])
        is_small = np.bincount(patches, areas) < _LEAST_ISLAND * areas.sum()

        # Those within small patches wait until these have joined large ones. What borders on
        # nothing large is a piece of its own.
        is_border = is_small[patches[target]] & ~is_small[patches[source]]
        if not is_border.any():
            return result

        # A small patch takes the group that most of its border has.
        island = patches[target[is_border]]
        winners = _most_frequent(island, result[source[is_border]], len(is_small))
        is_island = winners[patches] != _NO_WINNER
        result[is_island] = winners[patches[is_island]]


def _prepare_surface(mesh: MeshArrays) -> _Surface:
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)
    corners = vertices[triangles]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    return _Surface(
        centers=corners.mean(1),
        normals=face_normals(vertices, triangles),
        areas=np.maximum(np.linalg.norm(crosses, axis=1) / 2, 1e-12),
        neighbors=neighbor_pairs(triangles),
    )


def _view_evidence(view: View, meaning: ImageMeaning, surface: _Surface, corners: Floats) -> Floats:
    """Return how much an image says for each group at each face: (T, G), 0 at unseen ones.

    Args:
        view: Image and camera.
        meaning: Of the image.
        surface: Of the mesh.
        corners: (T, 3, 3) of its faces.
    """
    # Faces that look at the camera and that nothing hides.
    directions = view.camera.directions_from(surface.centers)
    cosine = (surface.normals * directions).sum(1)
    buffer = render_depth(corners, view.camera)
    is_seen = (cosine > MIN_COSINE) & ~buffer.hides(surface.centers, cosine)

    # The window is about the mask, not about the mesh, see `preprocessing.assumed_camera`.
    low, high = mask_bounds(view.image[..., 3])
    window = float((high - low).max()) * WINDOW_UNITS
    corner = (low + high) / 2 - window / 2

    # The cell of the part map in which each face is seen.
    side = len(meaning.parts)
    pixels, _ = view.camera.project(surface.centers[is_seen])
    places = (pixels - corner) / window * side
    cells = places.astype(int).clip(0, side - 1)

    # What is seen at a slant counts less.
    evidence = np.zeros((surface.count, len(meaning.groups)))
    groups = meaning.parts[cells[:, 1], cells[:, 0], 1:]
    evidence[is_seen] = groups * cosine[is_seen, None]
    return evidence


def _mean_families(meanings: Sequence[ImageMeaning]) -> dict[str, float]:
    """Return the mean probability of each family over the images."""
    families: dict[str, float] = {}
    for meaning in meanings:
        for name, probability in meaning.families:
            families[name] = families.get(name, 0.0) + probability / len(meanings)
    return families


def _group_prior(families: dict[str, float], names: Sequence[str]) -> Floats:
    """Return how likely each group (G,) is on an object of these families, up to 1.

    Args:
        families: Their probabilities.
        names: Of the groups.
    """
    # Each likely family vouches for its groups by its probability.
    prior = np.full(len(names), _PRIOR_FLOOR)
    ranked = sorted(families, key=lambda name: -families[name])
    unexplained = 1.0

    for family in ranked[:3]:
        if family in FAMILIES:
            unexplained -= families[family]
            has_group = np.isin(names, sorted(family_groups(family)))
            prior += families[family] * has_group

    # The rest of the probability may be of any group.
    return np.minimum(prior + max(unexplained, 0.0), 1.0)


@lru_cache(maxsize=32)
def family_groups(family: str) -> frozenset[str]:
    """Return the groups of parts that objects of ``family`` have."""
    groups = set()
    for seed in range(_PRIOR_SEEDS):
        for part in make_object(family, seed).parts:
            groups.add(part_group(part.label, family))
    return frozenset(name for name in groups if name is not None)


def _smoothed(values: Floats, is_seen: NDArray[np.bool_], neighbors: NDArray[np.int64]) -> Floats:
    """Return probabilities (T, G), averaged over neighbors; seen faces keep half of their own.

    Label propagation (Zhu and Ghahramani 2002, CMU-CALD-02-107) with a fixed number of rounds.
    """
    source, target = neighbors.T
    counts = np.bincount(target, minlength=len(values))[:, None]
    smooth = values
    kept = np.where(is_seen, _SEEN_SHARE, 0.0)[:, None]

    for _ in range(_SMOOTHINGS):
        # The mean of a face and its neighbors, mixed with what was seen.
        sums = _sums_at(smooth[source], target, len(values)) + smooth
        mean = sums / (counts + 1)
        smooth = kept * values + (1 - kept) * mean

    return smooth


def _sums_at(values: Floats, places: NDArray[np.int64], count: int) -> Floats:
    """Return the sums (count, G) of ``values`` (N, G) at ``places`` (N,)."""
    columns = [np.bincount(places, column, count) for column in values.T]
    return np.stack(columns, axis=1)


def _most_frequent(
    places: NDArray[np.int64], values: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Return the most frequent of ``values`` (N,) at each of ``count`` places, given by (N,)."""
    pairs, frequency = np.unique(np.stack((places, values), axis=1), axis=0, return_counts=True)
    order = np.argsort(frequency, kind="stable")  # the most frequent is written last
    winners = np.full(count, _NO_WINNER)
    winners[pairs[order, 0]] = pairs[order, 1]
    return winners


def _components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the connected piece of each of ``count`` faces, from 0.

    Args:
        count: Number of faces.
        pairs: (E, 2) faces that are connected.
    """
    labels = np.arange(count)
    while True:
        # Each face takes the smallest number of its neighbors.
        smallest = labels.copy()
        np.minimum.at(smallest, pairs[:, 0], labels[pairs[:, 1]])
        smallest = smallest[smallest]  # jump over faces that have been joined already
        if (smallest == labels).all():
            break
        labels = smallest

    numbers: NDArray[np.int64] = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return numbers
