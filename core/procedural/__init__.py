"""Objects made from a seed: what the training set is made of, and what an artist may start from.

A family is a function from a random generator to parts, each a closed solid; parts may overlap. The front looks
towards -Y. The same family and seed give the same object in every version of Blender.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ..errors import MeshError
from . import (
    creatures,
    flat,
    furniture,
    hardware,
    organic,
    shapes,
    vehicles,
    vessels,
    wires,
)
from .parts import Part, ProceduralObject

Family = Callable[[np.random.Generator], list[Part]]

FAMILIES: Mapping[str, Family] = {
    **furniture.FAMILIES, **vessels.FAMILIES, **vehicles.FAMILIES, **creatures.FAMILIES, **shapes.FAMILIES,
    **hardware.FAMILIES, **flat.FAMILIES, **wires.FAMILIES, **organic.FAMILIES,
}  # fmt: skip


def make(family: str, seed: int) -> ProceduralObject:
    """The object of ``family`` and ``seed``, centred, its longest side 1.

    Raises:
        MeshError: there is no such family.
    """
    if family not in FAMILIES:
        raise MeshError(f"There is no family of objects named {family!r}. There are: {', '.join(sorted(FAMILIES))}")
    parts = FAMILIES[family](np.random.default_rng((seed, zlib.crc32(family.encode()))))
    low = np.min([part.mesh.vertices.min(0) for part in parts], axis=0)
    high = np.max([part.mesh.vertices.max(0) for part in parts], axis=0)
    scale = 1 / float((high - low).max())
    placed = []
    for part in parts:
        vertices = ((part.mesh.vertices - (low + high) / 2) * scale).astype(np.float32)
        placed.append(replace(part, mesh=replace(part.mesh, vertices=vertices)))
    return ProceduralObject(f"{family}_{seed:06d}", family, seed, tuple(placed))


__all__ = ["FAMILIES", "Family", "Part", "ProceduralObject", "make"]
