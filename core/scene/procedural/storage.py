"""The recipe of a procedural object, as a custom property of the object."""

from __future__ import annotations

from functools import lru_cache

import bpy

from ...errors import MeshError
from ...procedural.parameters import Parameter, list_parameters
from ...procedural.recipes import Recipe, make, parse_recipe

RECIPE = "maquette_recipe"  # of the object, or of the empty above its parts: JSON
PART = "maquette_part"  # of each object of a part: its label and which one of that label
BUILT = "maquette_built"  # of each mesh object: the digest of what was built
FAMILY = "maquette_family"


def root_of(obj: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return the object that holds the recipe of ``obj``: itself, or the empty above a part."""
    if obj is None:
        return None
    if _recipe_text(obj):
        return obj
    if PART in obj and obj.parent is not None and _recipe_text(obj.parent):
        return obj.parent
    return None


def read_recipe(root: bpy.types.Object) -> Recipe:
    """Return the recipe of an object.

    Raises:
        MeshError: it has none, or a damaged one.
    """
    text = _recipe_text(root)
    if not text:
        raise MeshError(f"{root.name!r} is no procedural object")
    return parse_recipe(text)


def store_recipe(root: bpy.types.Object, recipe: Recipe) -> None:
    """Let an object remember its recipe."""
    root[RECIPE] = recipe.to_json()
    root[FAMILY] = recipe.family


def parameters_of(root: bpy.types.Object) -> tuple[Parameter, ...]:
    """Return the parameters of an object; empty where its recipe is damaged.

    Cheap, as panels call it at each redraw.
    """
    try:
        return _parameters(_recipe_text(root))
    except MeshError:
        return ()


def part_objects(root: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the mesh objects of a procedural object: itself, or those of its parts."""
    if root.type == 'MESH':
        return [root]
    return [child for child in root.children if child.type == 'MESH' and PART in child]


def _recipe_text(obj: bpy.types.Object) -> str:
    text = obj.get(RECIPE)
    return text if isinstance(text, str) else ""


@lru_cache(maxsize=16)
def _parameters(text: str) -> tuple[Parameter, ...]:
    return tuple(list_parameters(make(parse_recipe(text))))
