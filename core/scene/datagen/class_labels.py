"""Categories of the objects of a scene, from custom properties, collections or materials."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

BY = ('PROPERTY', 'COLLECTION', 'MATERIAL')


def class_of(obj: bpy.types.Object, instancer: bpy.types.Object | None, by: str, name: str) -> str:
    """Return the category of ``obj``, or "" if it has none.

    Args:
        obj: The object.
        instancer: The object that instances ``obj``, if any: its category is used where ``obj`` has
            none.
        by: Of BY. 'PROPERTY': the custom property ``name`` of the object or its data, else as
            'COLLECTION'. 'COLLECTION': the collection that the object is in. 'MATERIAL': its first
            material.
        name: Of the custom property.
    """
    objects = [candidate for candidate in (obj, instancer) if candidate]
    if by == 'MATERIAL':
        return _first_text(_material_names(objects))

    # A property takes precedence over the collection.
    category = ""
    if by == 'PROPERTY':
        category = _first_text(_property_values(objects, name))
    if category:
        return category
    return _first_text(_collection_names(objects))


def _material_names(objects: Iterable[bpy.types.Object]) -> list[str]:
    """Return the names of the materials of ``objects``, in order."""
    names = []
    for obj in objects:
        names += [slot.material.name for slot in obj.material_slots if slot.material]
    return names


def _property_values(objects: Iterable[bpy.types.Object], name: str) -> list[str]:
    """Return the values of a custom property of ``objects`` and their data, as text."""
    values = []
    for obj in objects:
        # The object first, then its data.
        for block in (obj, obj.data):
            if block and name in block:
                values.append(str(block[name]))
    return values


def _collection_names(objects: Iterable[bpy.types.Object]) -> list[str]:
    """Return the names of the collections of ``objects``, without those of the scenes."""
    names = []
    for obj in objects:
        collections = obj.users_collection
        names += [collection.name for collection in collections if not collection.is_embedded_data]
    return names


def _first_text(texts: Iterable[str]) -> str:
    """Return the first text that is not empty, or ""."""
    return next((text for text in texts if text), "")
