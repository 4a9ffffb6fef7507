"""Shapes to choose from: objects of the scene with thumbnails, beside their training shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import bpy
import numpy as np
from bpy.types import Context
from numpy.typing import NDArray

from ...core.model.jobs.shapes import MadeShape

CANDIDATE = "maquette_candidate"  # custom property: number among those made at once
_NEAREST = "maquette_nearest"  # name of the training shape that it is most like
_COPYING = "maquette_copying"  # copying ratio
_THUMBNAIL = "maquette_thumbnail"  # key of the thumbnails

_MOST_THUMBNAILS = 256  # that are kept

Pixels = NDArray[np.uint8]


class Thumbnails(NamedTuple):
    """Of a candidate, and of the training shape that it is most like."""

    own: Pixels
    nearest: Pixels | None


# Of what was made in this session, by key, the oldest first.
_thumbnails: dict[str, Thumbnails] = {}


def mark_candidate(obj: bpy.types.Object, number: int, shape: MadeShape) -> None:
    """Make an object a candidate.

    Args:
        obj: With the mesh of ``shape``.
        number: Among those made at once, from 1.
        shape: As it was made.
    """
    obj[CANDIDATE] = number
    nearest = shape.nearest
    if nearest is not None:
        obj[_NEAREST] = nearest.name
        obj[_COPYING] = nearest.copying

    key = str(hash((shape.mesh.vertices.tobytes(), number)))
    obj[_THUMBNAIL] = key
    _thumbnails.pop(key, None)
    _thumbnails[key] = Thumbnails(shape.thumbnail, nearest.thumbnail if nearest else None)
    while len(_thumbnails) > _MOST_THUMBNAILS:
        del _thumbnails[next(iter(_thumbnails))]


def list_candidates(context: Context) -> list[bpy.types.Object]:
    """Return the candidates of the view layer, in their order."""
    found = [obj for obj in context.view_layer.objects if CANDIDATE in obj]
    return sorted(found, key=lambda obj: (obj[CANDIDATE], obj.name))


def unmark(obj: bpy.types.Object) -> None:
    """Make an object of its own of a candidate; what it is like stays known."""
    del obj[CANDIDATE]
    obj.pop(_THUMBNAIL, None)


def thumbnails_of(obj: bpy.types.Object) -> tuple[str, Thumbnails] | None:
    """Return key and thumbnails of a candidate; None for one of an earlier session."""
    key = obj.get(_THUMBNAIL, "")
    found = _thumbnails.get(key)
    return (key, found) if found else None


def nearest_of(obj: bpy.types.Object) -> tuple[str, float] | None:
    """Return name and copying ratio of the nearest training shape; None if it is not known."""
    if _NEAREST not in obj:
        return None
    return str(obj[_NEAREST]), float(obj[_COPYING])


def mean_copying(made: Sequence[MadeShape]) -> str:
    """Return the mean copying ratio of shapes in words; empty if it is not known."""
    ratios = [shape.nearest.copying for shape in made if shape.nearest is not None]
    if not ratios:
        return ""
    return f"copying ratio {np.mean(ratios):.2f} (1: as new as unseen shapes, below 0.5: copies)"
