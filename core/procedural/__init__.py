"""Objects made from a seed: for training sets, and for artists to start from.

A family is a function from a random generator to parts, each a closed solid; parts may overlap. The
front is towards -Y. The same family and seed give the same object in every version of Blender.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import MeshError
from .families import (
    architecture,
    containers,
    creatures,
    crockery,
    firearms,
    flat,
    furniture,
    hardware,
    market,
    organic,
    outdoor,
    shapes,
    street,
    vehicles,
    vessels,
    weapons,
    wires,
)
from .parts import Part, ProceduralObject
from .recording import Draw, RecordingGenerator, run

Family = Callable[[np.random.Generator], list[Part]]

FAMILIES: Mapping[str, Family] = {
    **furniture.FAMILIES,
    **vessels.FAMILIES,
    **vehicles.FAMILIES,
    **creatures.FAMILIES,
    **shapes.FAMILIES,
    **hardware.FAMILIES,
    **flat.FAMILIES,
    **wires.FAMILIES,
    **organic.FAMILIES,
    **containers.FAMILIES,
    **crockery.FAMILIES,
    **weapons.FAMILIES,
    **firearms.FAMILIES,
    **outdoor.FAMILIES,
    **architecture.FAMILIES,
    **street.FAMILIES,
    **market.FAMILIES,
}


def make_object(family: str, seed: int) -> ProceduralObject:
    """Return the object of ``family`` and ``seed``, centered, its longest side 1.

    Args:
        family: of :data:`FAMILIES`.
        seed: of its random values.

    Raises:
        MeshError: there is no such family.
    """
    return _generate_object(family, seed, _recording_generator(family, seed))


def make_from_draws(family: str, seed: int, overrides: Mapping[str, float]) -> ProceduralObject:
    """Return the object of ``family`` and ``seed`` with some of its draws replaced.

    All other draws keep their values, also where another count of parts shifts the random stream.
    Only what was not drawn before comes new from that stream.

    Args:
        family: of :data:`FAMILIES`.
        seed: of all other values.
        overrides: values by the address of a :class:`Draw`, clipped to its range; of "choice" the
            index of the option. Addresses that the object does not draw have no effect.

    Raises:
        MeshError: there is no such family.
    """
    original, _ = _make_original(family, seed)
    values = {**original.values, **overrides}
    return _generate_object(family, seed, _recording_generator(family, seed, values))


def edit_object(family: str, seed: int, values: Mapping[str, float]) -> ProceduralObject:
    """Return the object of ``family`` and ``seed`` with some of its draws replaced, to its scale.

    As :func:`make_from_draws`, but an object that is made wider becomes wider, and its other sides
    stay: the scale and the height of the lowest point are those of the unchanged object, whose
    longest side is 1. It is centered along X and Y.

    Args:
        family: of :data:`FAMILIES`.
        seed: of all other values.
        values: as the overrides of :func:`make_from_draws`.

    Raises:
        MeshError: there is no such family.
    """
    original, parts = _make_original(family, seed)
    low, high = _bounds(parts)
    center = (low + high) / 2
    scale = 1 / float((high - low).max())

    fixed = {**original.values, **values}
    edited = _recording_generator(family, seed, fixed)
    edited_parts = _run_family(family, edited)
    if edited.values == original.values:
        return _place_object(family, seed, original, parts, (center, scale))

    edited_low, edited_high = _bounds(edited_parts)
    edited_center = (edited_low + edited_high) / 2
    edited_center[2] = edited_low[2] + (center[2] - low[2])
    return _place_object(family, seed, edited, edited_parts, (edited_center, scale))


@lru_cache(maxsize=8)
def _make_original(family: str, seed: int) -> tuple[RecordingGenerator, list[Part]]:
    """Return what the unchanged object drew, and its parts, in units of the family.

    The latest ones are kept, since each change of an object needs them.

    Raises:
        MeshError: there is no such family.
    """
    generator = _recording_generator(family, seed)
    parts = _run_family(family, generator)
    return generator, parts


def _recording_generator(
    family: str, seed: int, fixed: Mapping[str, float] | None = None
) -> RecordingGenerator:
    """Return the generator of an object; ``fixed`` has values by address to use instead."""
    plain = np.random.default_rng((seed, zlib.crc32(family.encode())))
    return RecordingGenerator(plain.bit_generator, fixed)


def _generate_object(family: str, seed: int, generator: RecordingGenerator) -> ProceduralObject:
    """Return the object that ``family`` makes of ``generator``, centered, its longest side 1.

    Raises:
        MeshError: there is no such family.
    """
    parts = _run_family(family, generator)
    low, high = _bounds(parts)
    center = (low + high) / 2
    scale = 1 / float((high - low).max())
    return _place_object(family, seed, generator, parts, (center, scale))


def _run_family(family: str, generator: RecordingGenerator) -> list[Part]:
    """Return the parts that ``family`` makes of ``generator``, in its own units.

    Raises:
        MeshError: there is no such family.
    """
    if family not in FAMILIES:
        names = ", ".join(sorted(FAMILIES))
        raise MeshError(
            f"There is no family of objects named {family!r}. Available families: {names}"
        )
    parts: list[Part] = run(FAMILIES[family], generator)
    return parts


def _bounds(parts: list[Part]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest coordinates (3,) of all parts."""
    low = np.min([part.mesh.vertices.min(0) for part in parts], axis=0)
    high = np.max([part.mesh.vertices.max(0) for part in parts], axis=0)
    return low, high


def _place_object(
    family: str,
    seed: int,
    generator: RecordingGenerator,
    parts: list[Part],
    frame: tuple[NDArray[np.float64], float],
) -> ProceduralObject:
    """Return the object of ``parts``.

    Args:
        family: that made them.
        seed: that they were made from.
        generator: that recorded the draws.
        parts: in units of the family.
        frame: (3,) what becomes the origin, and the scale.
    """
    center, scale = frame
    placed = []
    for part in parts:
        vertices = ((part.mesh.vertices - center) * scale).astype(np.float32)
        placed.append(replace(part, mesh=replace(part.mesh, vertices=vertices)))

    return ProceduralObject(
        name=f"{family}_{seed:06d}",
        family=family,
        seed=seed,
        parts=tuple(placed),
        draws=tuple(generator.draws),
    )


__all__ = [
    "FAMILIES",
    "Draw",
    "Family",
    "Part",
    "ProceduralObject",
    "edit_object",
    "make_from_draws",
    "make_object",
]
