"""Python that files bring along: it is never run, whatever Blender's preferences say."""

from __future__ import annotations

from collections.abc import Iterable

import bpy


def remove_script_drivers(blocks: Iterable[bpy.types.ID]) -> None:
    """Remove drivers that run Python, so that their properties keep the values in the file.

    Drivers that are arithmetic alone stay: Blender computes them itself. Text blocks do not run
    unless their file is opened, and files are only appended.

    Args:
        blocks: Data-blocks that have been appended and not been evaluated yet. The node trees of
            materials, lights, worlds and scenes, which are in no collection, are looked at with
            them.
    """
    for block in blocks:
        for owner in (block, getattr(block, "node_tree", None)):
            animation = getattr(owner, "animation_data", None)
            if animation:
                _remove_from(animation)


def _remove_from(animation: bpy.types.AnimData) -> None:
    for curve in list(animation.drivers):
        driver = curve.driver
        if driver.type == 'SCRIPTED' and not driver.is_simple_expression:
            animation.drivers.remove(curve)
