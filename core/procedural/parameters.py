"""The parameters of a procedural object: its draws, with names and in an order for people.

Left out are draws that have no range, as a radius that is always 1. Surface noise is not recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .parts import MATERIAL_NAMES, ProceduralObject
from .recording import Draw

MOST_SHOWN = 24  # parameters that are shown at first

_ELEMENT = re.compile(r"(.*?)(\d*)(?:#(\d+))?(?:\[(\d+)\])?")
_PREFIXES = ("make_", "add_", "is_", "has_")
# What an unnamed draw is called, by the method that drew it.
_UNNAMED = {
    "random": "chance",
    "uniform": "amount",
    "normal": "amount",
    "integers": "number",
    "choice": "choice",
}
_ANY_MATERIAL = "any_material"
_MATERIAL = "_material"


@dataclass(frozen=True)
class Parameter:
    """One value of an object that can be changed.

    Args:
        address: of its draw, see ``recording``.
        label: in words, such as "Legs Thick".
        group: in words, the part or helper that it belongs to; "" for the object itself.
        kind: "number", "whole" for a whole number, or "choice".
        low: the smallest possible value.
        high: the largest possible value, inclusive.
        value: that the object has; of a choice the index of the option.
        options: of a choice, in words.
        is_material: whether it is of a color or finish, and not of the shape.
        is_named: whether the generator gives it a name; others are called after their kind.
    """

    address: str
    label: str
    group: str
    kind: str
    low: float
    high: float
    value: float
    options: tuple[str, ...]
    is_material: bool
    is_named: bool


def list_parameters(obj: ProceduralObject) -> list[Parameter]:
    """Return the parameters of an object, in the order in which the generator draws them.

    A parameter cannot influence whether those before it exist, so that its index stays when its
    value is changed.
    """
    return [_parameter(draw) for draw in obj.draws if draw.low < draw.high]


def split_parameters(
    parameters: Iterable[Parameter],
) -> tuple[list[Parameter], list[Parameter]]:
    """Return the parameters to show at first, and the others, each in an order for people.

    First those of the object itself, then those of its parts, last those without a name. Colors and
    finishes are among the others, since materials have settings of their own.
    """
    ordered = sorted(parameters, key=_rank)
    shape = [parameter for parameter in ordered if not parameter.is_material]
    materials = [parameter for parameter in ordered if parameter.is_material]
    return shape[:MOST_SHOWN], shape[MOST_SHOWN:] + materials


def group_parameters(parameters: Iterable[Parameter]) -> dict[str, list[Parameter]]:
    """Return parameters by their group, in the order of first use."""
    groups: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(parameter.group, []).append(parameter)
    return groups


def readable_label(address: str) -> str:
    """Return an address in words: "make_legs.thick" becomes "Legs Thick".

    A second draw of one name is "Thick 2", the third visit of a statement "Slat #3", the second
    element of an array "Size (2)".
    """
    return _words(address.split("."))


def _rank(parameter: Parameter) -> tuple[bool, bool]:
    """Return the place of a parameter in the order, to sort by."""
    return not parameter.is_named, bool(parameter.group)


def _parameter(draw: Draw) -> Parameter:
    elements = draw.address.split(".")
    is_material = any(_base_name(element).endswith(_MATERIAL) for element in elements)
    kinds = {"integers": "whole", "choice": "choice"}

    return Parameter(
        address=draw.address,
        label=readable_label(draw.address),
        group=_words(elements[:1]) if len(elements) > 1 else "",
        kind=kinds.get(draw.kind, "number"),
        low=draw.low,
        high=draw.high,
        value=draw.value,
        options=_option_names(draw),
        is_material=is_material,
        is_named=_base_name(elements[-1]) not in _UNNAMED,
    )


def _option_names(draw: Draw) -> tuple[str, ...]:
    """Return the options of a choice in words."""
    if f"{_ANY_MATERIAL}.choice" in draw.address and len(draw.options) == len(MATERIAL_NAMES):
        return MATERIAL_NAMES
    names = []
    for option in draw.options:
        names.append(f"{option:.4g}" if isinstance(option, float) else str(option))
    return tuple(names)


def _words(elements: Sequence[str]) -> str:
    """Return the elements of an address in words."""
    words = []
    for i, element in enumerate(elements):
        is_material_choice = (
            i > 0 and elements[i - 1] == _ANY_MATERIAL and _base_name(element) == "choice"
        )
        if is_material_choice:
            words.append(_element_words(element.replace("choice", "material", 1)))
        elif element != _ANY_MATERIAL or len(elements) == 1:
            words.append(_element_words(element))

    return " ".join(words)


def _element_words(element: str) -> str:
    """Return one element of an address in words, with its numbers."""
    match = _ELEMENT.fullmatch(element)
    assert match is not None  # the pattern takes any text
    name, number, visit, index = match.groups()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    name = _UNNAMED.get(name, name.removesuffix(_MATERIAL) or name)

    words = name.replace("_", " ").strip().title()
    if number:
        words += f" {number}"
    if visit:
        words += f" #{int(visit) + 1}"
    if index:
        words += f" ({int(index) + 1})"
    return words


def _base_name(element: str) -> str:
    """Return an element of an address without its numbers."""
    match = _ELEMENT.fullmatch(element)
    assert match is not None
    return match[1]
