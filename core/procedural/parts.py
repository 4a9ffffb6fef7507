"""What a procedural object consists of, and the looks that parts are given."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from ..arrays import MeshArrays
from .recording import Draw


@dataclass(frozen=True)
class Part:
    """One closed solid. label: what it is. colour: sRGB in 0..1. roughness, metallic: of Principled shading."""

    label: str
    mesh: MeshArrays
    color: tuple[float, float, float]
    roughness: float = 0.6
    metallic: float = 0.0


@dataclass(frozen=True)
class ProceduralObject:
    """Parts about the origin, the longest side 1, Z up, the front towards -Y.

    Args:
        draws: what the family drew to make it, see ``recording``.
    """

    name: str
    family: str
    seed: int
    parts: tuple[Part, ...]
    draws: tuple[Draw, ...] = ()


PartMaterial = tuple[tuple[float, float, float], float, float]


def paint_material(rng: np.random.Generator) -> PartMaterial:
    """Any colour, matt to glossy."""
    return (
        colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.2, 1)),
        rng.uniform(0.2, 0.9),
        0.0,
    )


def wood_material(rng: np.random.Generator) -> PartMaterial:
    return (
        colorsys.hsv_to_rgb(rng.uniform(0.04, 0.11), rng.uniform(0.3, 0.75), rng.uniform(0.2, 0.8)),
        rng.uniform(0.4, 0.8),
        0.0,
    )


def metal_material(rng: np.random.Generator) -> PartMaterial:
    return (
        colorsys.hsv_to_rgb(rng.uniform(0.05, 0.6), rng.uniform(0, 0.25), rng.uniform(0.4, 0.95)),
        rng.uniform(0.2, 0.5),
        0.9,
    )


def dark_material(rng: np.random.Generator) -> PartMaterial:
    return (rng.uniform(0.02, 0.15),) * 3, rng.uniform(0.4, 0.9), 0.0


def white_material(rng: np.random.Generator) -> PartMaterial:
    return (rng.uniform(0.8, 1),) * 3, rng.uniform(0.3, 0.9), 0.0


def any_material(rng: np.random.Generator) -> PartMaterial:
    return (paint_material, wood_material, metal_material, dark_material, white_material)[
        rng.choice(5, p=(0.5, 0.2, 0.1, 0.1, 0.1))
    ](rng)


def make_part(label: str, mesh: MeshArrays, look: PartMaterial) -> Part:
    return Part(label, mesh, *look)
