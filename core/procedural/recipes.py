"""What a procedural object is made from, as one JSON text that a file can keep.

::

    {"family": "table", "seed": 3, "size": 1.0, "parts": "GROUPS", "values": {"width": 1.4}}

``values`` holds what was changed, by address (see ``recording``); all other values come from the
seed. A value whose address the object does not draw at present, because another value chooses
another branch, is kept and has no effect.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

from ..errors import MeshError
from . import FAMILIES, ProceduralObject, edit_object
from .addresses import read_table

PARTS = ("GROUPS", "OBJECTS")  # one mesh with vertex groups, or one object a part
SEED = "seed"  # the address of the seed in set_value

_MOST_NAMED = 3  # nearest addresses that an error names
_LEAST_SIMILAR = 0.3  # of 0..1, of addresses that an error names
_MAX_SEED = 2**31 - 1  # of a property of Blender


@dataclass(frozen=True)
class Recipe:
    """What an object is made from.

    Args:
        family: of ``FAMILIES``.
        seed: of all values that are not changed.
        size: longest side of the unchanged object, meters.
        parts: one of :data:`PARTS`.
        values: what was changed, by address.
    """

    family: str
    seed: int = 0
    size: float = 1.0
    parts: str = "GROUPS"
    values: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of this module's form."""
        fields = {
            "family": self.family,
            "seed": self.seed,
            "size": self.size,
            "parts": self.parts,
            "values": dict(self.values),
        }
        return json.dumps(fields)


def parse_recipe(text: str) -> Recipe:
    """Return the recipe of a text in this module's form.

    Raises:
        MeshError: the text is no recipe.
    """
    try:
        fields = json.loads(text)
        recipe = Recipe(
            family=str(fields["family"]),
            seed=int(fields["seed"]),
            size=float(fields.get("size", 1.0)),
            parts=str(fields.get("parts", "GROUPS")),
            values=_parse_values(fields.get("values", {})),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise MeshError(f"The recipe of a procedural object is damaged ({error})") from error

    is_valid = (
        recipe.family in FAMILIES
        and recipe.parts in PARTS
        and 0 <= recipe.seed <= _MAX_SEED
        and math.isfinite(recipe.size)
    )
    if not is_valid:
        raise MeshError(
            "The recipe of a procedural object has a family, seed, size or parts that Maquette "
            "does not know"
        )

    return recipe


def make(recipe: Recipe) -> ProceduralObject:
    """Return the object of a recipe; the latest ones are kept.

    Raises:
        MeshError: there is no such family.
    """
    return _make(recipe.family, recipe.seed, tuple(sorted(recipe.values.items())))


def set_value(recipe: Recipe, address: str, value: float) -> Recipe:
    """Return ``recipe`` with one value changed, limited to the range of its draw.

    Args:
        recipe: to change.
        address: of a draw, also of one that only another choice makes; ``SEED`` for the seed.
        value: whole numbers and indices of options are rounded.

    Raises:
        MeshError: the family has no such address, or the value is not a number.
    """
    if not math.isfinite(value):
        raise MeshError(f"The value of {address!r} is not a number")
    if address == SEED:
        return replace(recipe, seed=round(min(max(value, 0), _MAX_SEED)))

    kind, low, high = _range_of(recipe, address)
    limited = min(max(value, low), high)
    if kind in ("integers", "choice"):
        limited = round(limited)
    return replace(recipe, values={**recipe.values, address: limited})


def reset_value(recipe: Recipe, address: str) -> Recipe:
    """Return ``recipe`` with the value of the seed for one address.

    Raises:
        MeshError: the family has no such address.
    """
    if address not in recipe.values:
        _range_of(recipe, address)
    values = {key: value for key, value in recipe.values.items() if key != address}
    return replace(recipe, values=values)


def _range_of(recipe: Recipe, address: str) -> tuple[str, float, float]:
    """Return the kind and the limits of a draw.

    Those of the object as it is, else of the frozen table of the family's addresses.

    Raises:
        MeshError: the family has no such address.
    """
    draws = {draw.address: draw for draw in make(recipe).draws}
    if address in draws:
        draw = draws[address]
        return draw.kind, draw.low, draw.high

    sites = _table()[recipe.family]
    site, _, visit = address.partition("#")
    if site in sites and (not visit or visit.isdecimal()):
        kind, low, high, _ = sites[site]
        return kind, low, high

    known = sorted({*draws, *sites})
    nearest = difflib.get_close_matches(address, known, _MOST_NAMED, _LEAST_SIMILAR)
    names = ", ".join(nearest or known[:_MOST_NAMED])
    raise MeshError(
        f"The family {recipe.family!r} has no parameter {address!r}. The nearest ones: {names}"
    )


def _parse_values(values: Any) -> dict[str, float]:
    """Return the values of a recipe's JSON.

    Raises:
        ValueError: one is not a finite number.
    """
    parsed = {}
    for address, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise ValueError(f"the value of {address!r} is not a number")
        parsed[str(address)] = value
    return parsed


@lru_cache(maxsize=16)
def _make(family: str, seed: int, values: tuple[tuple[str, float], ...]) -> ProceduralObject:
    return edit_object(family, seed, dict(values))


@cache
def _table() -> Mapping[str, Mapping[str, tuple[str, float, float, int]]]:
    return read_table()
