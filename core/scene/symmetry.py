"""The symmetry plane of a reconstructed mesh, stored with its object for the panel."""

from __future__ import annotations

import bpy
import numpy as np

from ..arrays import SymmetryPlane

_KEY = "maquette_symmetry"


def store_symmetry(obj: bpy.types.Object, plane: SymmetryPlane | None) -> None:
    """Store ``plane``, in the space of the mesh of ``obj``, in a custom property; None removes it.

    It is saved with the file and copied with the object.
    """
    if plane is None:
        if _KEY in obj:
            del obj[_KEY]
        return
    obj[_KEY] = {
        "point": plane.point.tolist(),
        "normal": plane.normal.tolist(),
        "deviation": plane.deviation,
        "confirmed": plane.is_confirmed,
        "vertices": len(obj.data.vertices),
    }


def stored_symmetry(obj: bpy.types.Object) -> SymmetryPlane | None:
    """Return the plane that is stored with ``obj``; cheap, as panels call it at each redraw.

    Returns:
        None if there is none, or if it is that of a mesh with other vertices.
    """
    stored = obj.get(_KEY)
    if stored is None or obj.type != 'MESH' or stored["vertices"] != len(obj.data.vertices):
        return None
    return SymmetryPlane(
        point=np.array(stored["point"]),
        normal=np.array(stored["normal"]),
        deviation=float(stored["deviation"]),
        is_confirmed=bool(stored["confirmed"]),
    )
