"""The parts that a procedural object consists of, and their materials."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from ..arrays import MeshArrays
from .recording import Draw

PartMaterial = tuple[tuple[float, float, float], float, float]  # color, roughness, metallic

_MATERIAL_ODDS = (0.5, 0.2, 0.1, 0.1, 0.1)  # of any_material: most manufactured objects are painted


@dataclass(frozen=True)
class Part:
    """One closed solid.

    Args:
        label: what it is.
        mesh: its surface.
        color: sRGB in 0..1.
        roughness: of Principled shading, 0..1.
        metallic: of Principled shading, 0..1.
    """

    label: str
    mesh: MeshArrays
    color: tuple[float, float, float]
    roughness: float = 0.6
    metallic: float = 0.0


@dataclass(frozen=True)
class ProceduralObject:
    """Parts about the origin, the longest side 1, Z up, the front towards -Y.

    Args:
        name: of the object, unique among families and seeds.
        family: that made it.
        seed: that it was made from.
        parts: its solids; they may overlap.
        draws: the random values that the family used, see ``recording``.
    """

    name: str
    family: str
    seed: int
    parts: tuple[Part, ...]
    draws: tuple[Draw, ...] = ()


def make_part(label: str, mesh: MeshArrays, look: PartMaterial) -> Part:
    """Return a part of one material."""
    return Part(label, mesh, *look)


def paint_material(rng: np.random.Generator) -> PartMaterial:
    """Return any color, matte to glossy."""
    hue = rng.random()
    saturation = rng.uniform(0, 0.9)
    value = rng.uniform(0.2, 1)
    roughness = rng.uniform(0.2, 0.9)
    return colorsys.hsv_to_rgb(hue, saturation, value), roughness, 0.0


def wood_material(rng: np.random.Generator) -> PartMaterial:
    """Return a brown."""
    hue = rng.uniform(0.04, 0.11)
    saturation = rng.uniform(0.3, 0.75)
    value = rng.uniform(0.2, 0.8)
    roughness = rng.uniform(0.4, 0.8)
    return colorsys.hsv_to_rgb(hue, saturation, value), roughness, 0.0


def metal_material(rng: np.random.Generator) -> PartMaterial:
    """Return a metal, from gold over steel to blue."""
    hue = rng.uniform(0.05, 0.6)
    saturation = rng.uniform(0, 0.25)
    value = rng.uniform(0.4, 0.95)
    roughness = rng.uniform(0.2, 0.5)
    return colorsys.hsv_to_rgb(hue, saturation, value), roughness, 0.9


def dark_material(rng: np.random.Generator) -> PartMaterial:
    """Return a dark gray, as of rubber and screens."""
    value = rng.uniform(0.02, 0.15)
    roughness = rng.uniform(0.4, 0.9)
    return (value, value, value), roughness, 0.0


def white_material(rng: np.random.Generator) -> PartMaterial:
    """Return a white, as of paper and cloth."""
    value = rng.uniform(0.8, 1)
    roughness = rng.uniform(0.3, 0.9)
    return (value, value, value), roughness, 0.0


_MATERIALS = (paint_material, wood_material, metal_material, dark_material, white_material)
# The options of the draw that chooses in any_material.
MATERIAL_NAMES = tuple(
    function.__name__.removesuffix("_material").title() for function in _MATERIALS
)


def any_material(rng: np.random.Generator) -> PartMaterial:
    """Return one of the materials above, most often paint."""
    choice = rng.choice(len(_MATERIALS), p=_MATERIAL_ODDS)
    return _MATERIALS[choice](rng)
