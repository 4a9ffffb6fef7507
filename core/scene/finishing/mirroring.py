"""Mirror one half of a mesh of the scene onto the other, with all that it carries.

The plane that was found when an object was reconstructed is stored with it, for the panel.
"""

from __future__ import annotations

import bmesh
import bpy
import numpy as np
from mathutils import Matrix

from ...arrays import SymmetryPlane
from ...errors import MeshError
from ...geometry.topology import check_topology
from .. import meshes
from .blender_remeshers import symmetrize

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


def mirror_half(mesh: bpy.types.Mesh, plane: SymmetryPlane, side: int) -> None:
    """Replace one half of ``mesh`` by the mirror image of the other, joined at the plane.

    Colors, confidence, UV maps, materials and other attributes are mirrored, too. A mesh that was
    closed stays so.

    Args:
        mesh: To change.
        plane: In its local space, meters.
        side: 1 keeps the half on the side of the plane's normal, -1 the other one.

    Raises:
        MeshError: All of the mesh lies on the other side, or the halves cannot be joined. The mesh
            is as it was.
    """
    heights = (meshes.read_vertices(mesh) - plane.point) @ plane.normal
    if not (heights * side > 0).any():
        raise MeshError("The mirror plane does not cut the mesh. Choose a smaller offset")
    was_closed = check_topology(meshes.to_arrays(mesh)).is_watertight

    # The plane at x = 0.
    to_frame = np.eye(4)
    to_frame[:3, :3] = plane.frame_rotation()
    to_frame[:3, 3] = -to_frame[:3, :3] @ plane.point

    mirrored = mesh.copy()
    try:
        bm = bmesh.new()
        try:
            bm.from_mesh(mesh)
            bm.transform(Matrix(to_frame))
            symmetrize(bm, side)

            # Faces that the plane has cut may have five corners.
            many_sided = [face for face in bm.faces if len(face.verts) > 4]
            bmesh.ops.triangulate(bm, faces=many_sided)
            bm.transform(Matrix(np.linalg.inv(to_frame)))
            bm.to_mesh(mirrored)
            if was_closed and not check_topology(meshes.to_arrays(mirrored)).is_watertight:
                raise MeshError(
                    "The halves cannot be joined to a closed mesh. Choose another offset"
                )
            bm.to_mesh(mesh)
        finally:
            bm.free()
    finally:
        bpy.data.meshes.remove(mirrored)
