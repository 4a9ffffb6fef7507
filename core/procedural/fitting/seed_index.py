"""The shapes of the first seeds of all families, in a file: the nearest of them to a target.

An object is described by how much of each cell of its box is inside, and by the lengths of the
box. Since a fit may stretch an object, two objects are compared box to box, and a difference in
proportions only lowers their similarity a little.

After a change of the generators build the file anew, which takes a minute::

    python -m maquette.core.procedural.fitting.seed_index
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import write_bytes
from .. import FAMILIES, make_object
from .candidates import join_parts
from .drawing import Lattice, fill_triangles
from .poses import rotation
from .targets import FittingTarget

PATH = Path(__file__).with_name("seed_index.npz")
SIDE = 16  # cells along each side of a box
SEEDS = 14  # of each family
_FINE = 3  # cells along a side of such a cell that are counted
_LEVELS = _FINE**3
_COARSE = 4  # pixels along a pixel of the coarse images in which seeds are drawn
_MOST_DRAWN = 400  # seeds at turns that are drawn
_SOLID = 0.2  # share of a cell that is inside, from which on it is drawn
_COVERED = 0.3  # share of a coarse pixel from which on it is covered
_STRETCH_COST = 0.1  # of the similarity, for each unit of poses.stretch
# Shapes without a meaning, which would fit anything and whose sliders say nothing.
ABSTRACT = frozenset(
    {
        "blob",
        "carved",
        "cut_out",
        "metaballs",
        "profile",
        "random_composition",
        "random_lathe",
        "random_sweep",
        "sticks",
        "symmetric_composition",
        "wireframe",
        "zeroverse",
    }
)


@dataclass(frozen=True)
class Neighbor:
    """A seed that is similar to a target.

    Attributes:
        family: Of the seed.
        seed: Of that family.
        yaw: Turn at which it is similar, radians.
        similarity: 1 for the same shape and proportions; may be below 0.
    """

    family: str
    seed: int
    yaw: float
    similarity: float


@dataclass(frozen=True)
class SeedIndex:
    """Descriptions of seeds.

    Attributes:
        families: Names.
        family: (N,) index of the family of each seed.
        seed: (N,) its number.
        lengths: (N, 3) float32 of its box.
        cover: (N, SIDE**3) float32, unit vectors: share of each cell that is inside.
        norms: (N,) float32, lengths of these vectors before they were normalized.
        milliseconds: (families,) that an object of a family took when the file was made.
    """

    families: tuple[str, ...]
    family: NDArray[np.int64]
    seed: NDArray[np.int64]
    lengths: NDArray[np.float32]
    cover: NDArray[np.float32]
    norms: NDArray[np.float32]
    milliseconds: NDArray[np.float32]

    def cost_of(self, family: str) -> float:
        """Return the milliseconds that an object of a family takes, about."""
        return float(self.milliseconds[self.families.index(family)])

    def nearest(
        self, target: FittingTarget, count: int, most_per_family: int, families: Sequence[str] = ()
    ) -> list[Neighbor]:
        """Return the most similar seeds, the nearest one first.

        Args:
            target: To compare with, at each of its turns.
            count: Number of seeds.
            most_per_family: Seeds of one family.
            families: Only these; all if empty.
        """
        similarity = np.stack([self._similarity(target, yaw) for yaw in target.yaws])
        if families:
            wanted = [self.families.index(family) for family in families]
            similarity[:, ~np.isin(self.family, wanted)] = -np.inf
        if target.is_turned_freely:
            similarity = self._with_silhouettes(target, similarity)
        best_yaw = similarity.argmax(0)
        best = similarity.max(0)

        neighbors: list[Neighbor] = []
        counts: dict[str, int] = {}
        for index in np.argsort(-best, kind="stable"):
            family = self.families[self.family[index]]
            if counts.get(family, 0) >= most_per_family or not np.isfinite(best[index]):
                continue
            counts[family] = counts.get(family, 0) + 1
            yaw = target.yaws[best_yaw[index]]
            neighbors.append(Neighbor(family, int(self.seed[index]), yaw, float(best[index])))
            if len(neighbors) == count:
                break
        return neighbors

    def _with_silhouettes(
        self, target: FittingTarget, similarity: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the similarities plus the IoU of the silhouettes, where the sum may be large.

        A picture tells more than a mesh that was reconstructed from it.

        Args:
            target: With pictures.
            similarity: (turns, N) of the covers.

        Returns:
            (turns, N), -inf for all but the most similar seeds.
        """
        sums = np.full_like(similarity, -np.inf)
        order = np.argsort(-similarity, axis=None, kind="stable")[:_MOST_DRAWN]
        for turn, index in zip(*np.unravel_index(order, similarity.shape), strict=True):
            if np.isfinite(similarity[turn, index]):
                iou = self._silhouette_iou(target, target.yaws[turn], int(index))
                sums[turn, index] = similarity[turn, index] + iou
        return sums

    def _silhouette_iou(self, target: FittingTarget, yaw: float, index: int) -> float:
        """Return the mean IoU of the cells of a seed, as points in coarse images, with a target.

        Args:
            target: With views.
            yaw: Turn of the seed, radians.
            index: Of the seed.
        """
        low, high = target.bounds_along(yaw)
        is_solid = self.cover[index] * self.norms[index] > _SOLID
        cells = np.stack(np.nonzero(is_solid.reshape(SIDE, SIDE, SIDE)), axis=1)
        points = (low + (cells + 0.5) / SIDE * (high - low)) @ rotation(yaw).T

        ious = []
        for view in target.views:
            pixels, _ = view.camera.project(points)
            column, row = np.floor(pixels / _COARSE).astype(np.int64).T
            side = view.camera.width // _COARSE
            in_image = (column >= 0) & (row >= 0) & (column < side) & (row < side)
            drawn = np.zeros((side, side), bool)
            drawn[row[in_image], column[in_image]] = True
            blocks = view.drawing.mask.reshape(side, _COARSE, side, _COARSE)
            mask = blocks.mean((1, 3)) > _COVERED
            ious.append((drawn & mask).sum() / max((drawn | mask).sum(), 1))
        return float(np.mean(ious))

    def _similarity(self, target: FittingTarget, yaw: float) -> NDArray[np.float32]:
        """Return the similarities (N,) of all seeds with a target, if they are turned by ``yaw``.

        The soft IoU of two covers a and b is a.b / (a.a + b.b - a.b) (Tanimoto 1958).
        """
        cover, lengths = _describe_target(target, yaw)
        norm = np.float32(np.linalg.norm(cover))
        product = (self.cover @ cover) * self.norms
        soft_iou = product / np.maximum(norm**2 + self.norms**2 - product, 1e-6)

        ratios = np.log(self.lengths / lengths)
        stretching = ratios.max(1) - ratios.min(1)
        similarity: NDArray[np.float32] = soft_iou - np.float32(_STRETCH_COST) * stretching
        return similarity


@cache
def read_index() -> SeedIndex:
    """Return the index of the file :data:`PATH`."""
    with np.load(PATH) as stored:
        counts = stored["cover"].astype(np.float32).reshape(len(stored["seed"]), -1)
        norms = np.linalg.norm(counts, axis=1)
        return SeedIndex(
            families=tuple(str(name) for name in stored["families"]),
            family=stored["family"].astype(np.int64),
            seed=stored["seed"].astype(np.int64),
            lengths=stored["lengths"],
            cover=counts / norms[:, None],
            norms=norms / _LEVELS,
            milliseconds=stored["milliseconds"],
        )


def describe_seed(family: str, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return how many of the 27 parts of each cell are inside (SIDE**3,), and the lengths (3,)."""
    vertices, triangles = join_parts(make_object(family, seed))
    bounds = np.stack((vertices.min(0), vertices.max(0)))
    lattice = Lattice.around(bounds, SIDE * _FINE, 0.0)
    inside = fill_triangles(vertices, triangles, lattice)
    lengths = np.maximum(bounds[1] - bounds[0], 1e-3)
    return _count_inside(inside), lengths.astype(np.float32)


def _describe_target(
    target: FittingTarget, yaw: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the cover (SIDE**3,) and the lengths (3,) along the axes of an object so turned."""
    bounds = target.bounds_along(yaw)
    lattice = Lattice.around(bounds, SIDE * _FINE, 0.0)
    steps = (np.arange(lattice.side) + 0.5)[:, None] * lattice.cell + lattice.lower
    centers = np.stack(np.meshgrid(*steps.T, indexing="ij"), axis=-1).reshape(-1, 3)

    # Look up the centers of the turned cells in the target's own lattice.
    cells = np.rint(target.lattice.to_cells(centers @ rotation(yaw).T)).astype(np.int64)
    side = target.lattice.side
    in_lattice = ((cells >= 0) & (cells < side)).all(1)
    i, j, k = cells.clip(0, side - 1).T
    inside = target.inside[i, j, k] & in_lattice

    cover = _count_inside(inside.reshape((lattice.side,) * 3)).astype(np.float32) / _LEVELS
    lengths = np.maximum(bounds[1] - bounds[0], 1e-3)
    return cover, lengths.astype(np.float32)


def _count_inside(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return how many cells are inside in each cube of :data:`_FINE` cells, flat."""
    shape = (SIDE, _FINE, SIDE, _FINE, SIDE, _FINE)
    counts: NDArray[np.uint8] = inside.reshape(shape).sum((1, 3, 5)).astype(np.uint8).ravel()
    return counts


def main() -> None:
    """Write the file anew."""
    names = sorted(set(FAMILIES) - ABSTRACT)
    rows = []
    milliseconds = []
    for index, name in enumerate(names):
        make_object(name, 0)  # imports and caches
        started = time.process_time()
        for seed in range(SEEDS):
            make_object(name, seed)
        milliseconds.append(1000 * (time.process_time() - started) / SEEDS)
        for seed in range(SEEDS):
            rows.append((index, seed, *describe_seed(name, seed)))

    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        families=np.array(names),
        family=np.array([row[0] for row in rows], np.uint8),
        seed=np.array([row[1] for row in rows], np.uint8),
        cover=np.stack([row[2] for row in rows]),
        lengths=np.stack([row[3] for row in rows]),
        milliseconds=np.round(milliseconds, 1).astype(np.float32),
    )
    write_bytes(PATH, buffer.getvalue())


if __name__ == "__main__":
    main()
