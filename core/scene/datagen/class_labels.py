"""Which class an object of a scene is of."""

from __future__ import annotations

import bpy

BY = ('PROPERTY', 'COLLECTION', 'MATERIAL')


def class_of(obj: bpy.types.Object, instancer: bpy.types.Object | None, by: str, name: str) -> str:
    """The family of ``obj``, "" if nothing tells it.

    Args:
        instancer: what ``obj`` is an instance by, if it is one; it is asked where ``obj`` tells nothing.
        by: of :data:`BY`. 'PROPERTY': its custom property ``name``, or that of its data, else as 'COLLECTION'.
            'COLLECTION': the collection that it lies in. 'MATERIAL': its first material.
    """
    asked = [one for one in (obj, instancer) if one]
    if by == 'MATERIAL':
        return _first_name(
            slot.material.name for one in asked for slot in one.material_slots if slot.material
        )
    told = ""
    if by == 'PROPERTY':
        blocks = [block for one in asked for block in (one, one.data) if block]
        told = _first_name(str(block[name]) for block in blocks if name in block)
    return told or _first_name(
        collection.name for one in asked for collection in _own_collections(one)
    )


def _own_collections(obj: bpy.types.Object) -> list[bpy.types.Collection]:
    """Those that ``obj`` lies in, without the topmost ones of the scenes."""
    return [collection for collection in obj.users_collection if not collection.is_embedded_data]


def _first_name(names) -> str:
    return next((name for name in names if name), "")
