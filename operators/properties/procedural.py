"""The sliders of a procedural object: ``object.maquette_procedural``.

Nothing is stored here: each property reads and writes the recipe (``core.procedural.recipes``) that
the object has as a custom property. There is a fixed number of numbered properties, the i-th for
the i-th parameter, because a collection that changes its length while one of its sliders is dragged
would leave Blender with a pointer into freed memory. Scripts use ``maquette.edit_procedural``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, PointerProperty
from bpy.types import Context

from ...core.errors import MeshError
from ...core.procedural.parameters import Parameter
from ...core.procedural.recipes import SEED, set_value
from ...core.scene.procedural import building, storage

MOST_SLIDERS = 400  # parameters beyond have none, which a few objects of sticks have
_PERCENT = 100.0
_NO_ITEMS = (('0', "", "", 0),)
_Items = tuple[tuple[str, str, str, int], ...]


def slider_name(parameter: Parameter, index: int) -> str:
    """Return the name of the property of a parameter.

    Args:
        parameter: The parameter.
        index: Its index among those of the object.
    """
    prefixes = {"whole": "whole", "choice": "option"}
    return f"{prefixes.get(parameter.kind, 'percent')}_{index}"


class MaquetteProcedural(bpy.types.PropertyGroup):
    """The sliders of an object."""

    def _read_seed(self) -> int:
        try:
            return storage.read_recipe(self.id_data).seed
        except MeshError:
            return 0

    def _write_seed(self, seed: int) -> None:
        _write(self, SEED, seed)

    seed: IntProperty(
        name="Seed",
        description="Gives all values that were not changed",
        min=0,
        get=_read_seed,
        set=_write_seed,
        options=set(),
    )


def _write(group: bpy.types.PropertyGroup, address: str, value: float) -> None:
    """Build the object of ``group`` with another value.

    Raises:
        MeshError: as ``building.rebuild``; Blender prints it, since a property cannot fail.
    """
    root = group.id_data
    recipe = storage.read_recipe(root)
    building.rebuild(root, set_value(recipe, address, value))


def _parameter(group: bpy.types.PropertyGroup, index: int) -> Parameter | None:
    parameters = storage.parameters_of(group.id_data)
    return parameters[index] if index < len(parameters) else None


def _percent(index: int) -> Any:
    """Return the property of a number: its place within its range."""

    def read(group: bpy.types.PropertyGroup) -> float:
        parameter = _parameter(group, index)
        if parameter is None:
            return 0.0
        return _PERCENT * (parameter.value - parameter.low) / (parameter.high - parameter.low)

    def write(group: bpy.types.PropertyGroup, percent: float) -> None:
        parameter = _parameter(group, index)
        if parameter is not None:
            share = percent / _PERCENT
            value = parameter.low + share * (parameter.high - parameter.low)
            _write(group, parameter.address, value)

    return FloatProperty(
        name="Parameter",
        description="Place within the range of this parameter",
        subtype='PERCENTAGE',
        min=0.0,
        max=_PERCENT,
        precision=1,
        get=read,
        set=write,
        options=set(),
    )


def _whole_access(index: int) -> tuple[Callable[..., int], Callable[..., None]]:
    """Return how a whole number or the index of an option is read and written."""

    def read(group: bpy.types.PropertyGroup) -> int:
        parameter = _parameter(group, index)
        return 0 if parameter is None else int(parameter.value)

    def write(group: bpy.types.PropertyGroup, value: int) -> None:
        parameter = _parameter(group, index)
        if parameter is not None:
            _write(group, parameter.address, value)

    return read, write


def _whole(index: int) -> Any:
    """Return the property of a whole number."""
    read, write = _whole_access(index)
    return IntProperty(
        name="Parameter",
        description="Value of this parameter, limited to its range",
        get=read,
        set=write,
        options=set(),
    )


def _option(index: int) -> Any:
    """Return the property of a choice."""

    def items(group: bpy.types.PropertyGroup, context: Context | None) -> _Items:
        parameter = _parameter(group, index)
        return _NO_ITEMS if parameter is None else _items(parameter.options)

    read, write = _whole_access(index)
    return EnumProperty(
        name="Parameter",
        description="Which one of several the object has",
        items=items,
        get=read,
        set=write,
        options=set(),
    )


@cache
def _items(options: tuple[str, ...]) -> _Items:
    """Return the items of a menu; kept, since Blender does not hold their texts."""
    items = []
    for i, option in enumerate(options):
        items.append((str(i), option, "", i))
    return tuple(items) or _NO_ITEMS


for _index in range(MOST_SLIDERS):
    MaquetteProcedural.__annotations__[f"percent_{_index}"] = _percent(_index)
    MaquetteProcedural.__annotations__[f"whole_{_index}"] = _whole(_index)
    MaquetteProcedural.__annotations__[f"option_{_index}"] = _option(_index)

_register_class: Callable[[], None]
_unregister_class: Callable[[], None]
_register_class, _unregister_class = bpy.utils.register_classes_factory((MaquetteProcedural,))


def register() -> None:
    """Register the properties of objects."""
    _register_class()
    bpy.types.Object.maquette_procedural = PointerProperty(type=MaquetteProcedural)


def unregister() -> None:
    """Remove them."""
    del bpy.types.Object.maquette_procedural
    _unregister_class()
