"""How much each predicted draw changes the shape: the frozen table ``sensitivity.json``.

A draw that nobody can see, such as the depth of a hidden hole, must not count as much in training
as the width of a seat. The change is measured in outlines: an object is made twice, with the draw a
quarter of its range lower and higher, and its silhouettes from three sides are compared. After a
change of the generators rebuild the table::

    python -m maquette.core.procedural.sensitivity
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..atomic_files import write_bytes
from . import edit_object, make_object
from .draw_targets import DrawTarget, draw_targets
from .parts import ProceduralObject

PATH = Path(__file__).with_name("sensitivity.json")

_SEEDS = (3, 17)
_SIDE = 40  # pixels of a silhouette
_POINTS = 12_000  # on a surface of area 1: eight or so in a pixel
_HALF = 0.55  # of the window about the origin; the object's longest side is 1
_STEP = 0.25  # of the range, to either side of the drawn value
_VIEWS = ((0, 2), (1, 2), (0, 1))  # the axes that are across and up in each silhouette


@lru_cache(maxsize=1)
def read_sensitivities() -> dict[str, dict[str, float]]:
    """Return 1 - IoU of silhouettes by family and address, for half the range of the draw."""
    table: dict[str, dict[str, float]] = json.loads(PATH.read_text(encoding="utf-8"))
    return table


def measure_sensitivity(family: str, target: DrawTarget) -> float:
    """Return the mean change of silhouettes, 1 - IoU, over a few seeds; 0 if none draws it."""
    changes = []
    for seed in _SEEDS:
        drawn = {draw.address: draw.value for draw in make_object(family, seed).draws}
        if target.address not in drawn:
            continue
        value = drawn[target.address]
        step = max(_STEP * (target.high - target.low), 1.0 if target.is_category else 0.0)
        lower = edit_object(family, seed, {target.address: value - step})
        upper = edit_object(family, seed, {target.address: value + step})
        changes.append(_silhouette_change(lower, upper))

    return float(np.mean(changes)) if changes else 0.0


def main() -> None:
    """Write the table anew."""
    table = {}
    for family, targets in draw_targets().items():
        changes = {}
        for target in targets:
            changes[target.address] = round(measure_sensitivity(family, target), 4)
        table[family] = changes
    write_bytes(PATH, json.dumps(table, indent=0, sort_keys=True) + "\n")


def _silhouette_change(first: ProceduralObject, second: ProceduralObject) -> float:
    """Return 1 - IoU of the silhouettes of two objects from three sides."""
    first_masks = _silhouettes(first)
    second_masks = _silhouettes(second)
    union = np.count_nonzero(first_masks | second_masks)
    overlap = np.count_nonzero(first_masks & second_masks)
    return 1 - overlap / max(union, 1)


def _silhouettes(obj: ProceduralObject) -> NDArray[np.bool_]:
    """Return which pixels (3, S, S) of orthographic views have points of the surface."""
    points = np.concatenate([_surface_points(part.mesh) for part in obj.parts])
    pixels = ((points / _HALF + 1) / 2 * _SIDE).astype(int).clip(0, _SIDE - 1)
    covered = np.zeros((len(_VIEWS), _SIDE, _SIDE), bool)
    for view, (across, up) in enumerate(_VIEWS):
        covered[view, pixels[:, up], pixels[:, across]] = True
    return covered


def _surface_points(mesh: MeshArrays) -> NDArray[np.float64]:
    """Return points (P, 3) spread over a surface, the same ones of its triangles at each call."""
    corners = mesh.vertices[mesh.to_triangles()].astype(float)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1) / 2
    counts = np.ceil(areas * _POINTS).astype(int)
    triangles = np.repeat(np.arange(len(corners)), counts)

    # Uniform in a triangle: a point of the square beyond its diagonal is turned back.
    shares = np.random.default_rng(0).random((len(triangles), 2))
    beyond = shares.sum(axis=1) > 1
    shares[beyond] = 1 - shares[beyond]
    chosen = corners[triangles]
    along_first = shares[:, :1] * (chosen[:, 1] - chosen[:, 0])
    along_second = shares[:, 1:] * (chosen[:, 2] - chosen[:, 0])
    points: NDArray[np.float64] = chosen[:, 0] + along_first + along_second

    return points


if __name__ == "__main__":
    main()
