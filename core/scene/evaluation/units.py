"""Meters of a scene, whose unit of length may be another."""

from __future__ import annotations

import bpy

_DIGITS = 7  # of the unit scale that single precision has


def meters_per_unit(scene: bpy.types.Scene) -> float:
    """Return the meters of a unit of length of ``scene``, by its unit scale.

    A scene without a unit system has units of a meter.
    """
    settings = scene.unit_settings
    if settings.system == 'NONE':
        return 1.0
    return float(f"{settings.scale_length:.{_DIGITS}g}")
