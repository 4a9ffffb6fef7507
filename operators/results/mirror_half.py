"""Mirror the better half of an object that is nearly symmetric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty
from bpy.types import Context

from ...core.arrays import MeshArrays, SymmetryPlane, View
from ...core.errors import MaquetteError, MeshError
from ...core.geometry import symmetry
from ...core.geometry.symmetry import MAX_DEVIATION
from ...core.geometry.winding_number import area_normals
from ...core.scene import meshes, source_views
from ...core.scene.finishing import mirroring
from ...core.scene.finishing.mirroring import store_symmetry, stored_symmetry
from .._results import poll_editable_mesh

_SAME_NORMAL = 0.97  # cosine between normals from which on a plane is still the one of before
# A plane in another direction shows that the mesh does not stand upright any more, if its deviation
# is less than this share of that of the best upright plane, and that one is not nearly exact.
_MUCH_BETTER = 0.7
_NEARLY_EXACT = 0.005


def offers_mirroring(context: Context) -> bool:
    """Return whether the active object was found to look symmetric; cheap, for panels."""
    obj = context.active_object
    if obj is None:
        return False
    plane = stored_symmetry(obj)
    return plane is not None and symmetry.looks_symmetric(plane)


class MAQUETTE_OT_mirror_half(bpy.types.Operator):
    """Mirror the better half of the active object onto the other one."""

    bl_idname = "maquette.mirror_half"
    bl_label = "Mirror Better Half"
    bl_description = (
        "Replace one half of the active object by the mirror image of the half of which the model "
        "is more certain, with its colors, texture and confidence"
    )
    bl_options = {'REGISTER', 'UNDO'}

    half: EnumProperty(
        name="Keep",
        description="The half that is kept and mirrored",
        items=(
            ('BETTER', "Better Half", "The half of which the model is more certain"),
            ('OTHER', "Other Half", "The half of which the model is less certain"),
        ),
        options={'SKIP_SAVE'},
    )
    offset: FloatProperty(
        name="Offset",
        description="Distance by which the mirror plane is moved into the half that is kept",
        subtype='DISTANCE',
        soft_min=-1,
        soft_max=1,
        options={'SKIP_SAVE'},
    )
    tolerance: FloatProperty(
        name="Tolerance",
        description="Mean distance between the object and its mirror image up to which it is "
        "mirrored, as a share of its longest side",
        subtype='FACTOR',
        default=MAX_DEVIATION,
        min=0,
        max=1,
        options={'SKIP_SAVE'},
    )

    ignore_images: BoolProperty(
        name="Ignore Images",
        description="Mirror also where what the images show is not symmetric about the plane",
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return poll_editable_mesh(cls, context)

    def execute(self, context: Context) -> set[str]:
        obj = context.active_object
        try:
            plane = self._mirror(obj)
        except MaquetteError as error:
            self.report({'ERROR'}, str(error))
            return {'CANCELLED'}

        # What is symmetric now is no longer offered.
        store_symmetry(obj, None)
        self.report({'INFO'}, f"{obj.name}: made symmetric, {plane.summary()} before")
        return {'FINISHED'}

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change."""
        self.layout.use_property_split = True
        self.layout.prop(self, "half")
        self.layout.prop(self, "offset")

    def _mirror(self, obj: bpy.types.Object) -> SymmetryPlane:
        """Mirror a half of the mesh of ``obj``, and return the plane.

        The plane is found anew, which takes about 0.1 s, since the mesh may have been edited.

        Raises:
            MeshError: It has no surface, does not look symmetric, or cannot be mirrored.
            ImageError: As ``source_views.load_views``.
        """
        mesh = meshes.to_arrays(obj.data)
        _require_mirrorable(obj, mesh)
        views = source_views.decode_views(source_views.load_views(obj))
        plane = _find_plane(mesh, views, stored_symmetry(obj))
        self._require_symmetric(obj, plane)

        # The offset is along the normal into the half that is kept.
        side = symmetry.choose_half(mesh, plane, [view.camera for view in views])
        if self.half == 'OTHER':
            side = -side
        moved = replace(plane, point=plane.point + self.offset * side * plane.normal)

        # Other objects with the same mesh stay as they are.
        if obj.data.users == 1:
            mirroring.mirror_half(obj.data, moved, side)
            return plane
        data = obj.data.copy()
        try:
            mirroring.mirror_half(data, moved, side)
        except MeshError:
            bpy.data.meshes.remove(data)
            raise

        obj.data = data
        return plane

    def _require_symmetric(self, obj: bpy.types.Object, plane: SymmetryPlane) -> None:
        """Raise MeshError if the best plane of ``obj`` is not good enough."""
        percent = f"{plane.deviation:.1%}"
        if plane.deviation > self.tolerance:
            raise MeshError(
                f"{obj.name!r} does not look symmetric ({percent} off). "
                f"Raise the tolerance above {self.tolerance:.1%} to mirror it all the same"
            )
        if not plane.is_confirmed and not self.ignore_images:
            raise MeshError(
                f"{obj.name!r} does not look symmetric: its best plane is {percent} off, but what "
                "the images show is not symmetric about it"
            )


def _find_plane(
    mesh: MeshArrays, views: Sequence[View], offered: SymmetryPlane | None
) -> SymmetryPlane:
    """Return the best plane of ``mesh``, in any direction if the mesh was turned.

    Args:
        mesh: To mirror.
        views: The images that it was made from.
        offered: The plane that was found when it was made, if any.
    """
    upright = symmetry.find_symmetry_plane(mesh, views)
    is_offered = offered is not None and abs(offered.normal @ upright.normal) > _SAME_NORMAL
    if is_offered or upright.deviation < _NEARLY_EXACT:
        return upright
    turned = symmetry.find_symmetry_plane(mesh, views, upright=False)
    if turned.deviation < _MUCH_BETTER * upright.deviation:
        return turned
    return upright


def _require_mirrorable(obj: bpy.types.Object, mesh: MeshArrays) -> None:
    """Raise MeshError if ``obj`` has no surface, or carries what cannot be mirrored.

    Args:
        obj: To mirror.
        mesh: Its mesh.
    """
    if not len(mesh.faces):
        raise MeshError(f"{obj.name!r} has no faces to mirror")
    normals = area_normals(mesh.vertices.astype(float), mesh.to_triangles())
    if not normals.any():
        raise MeshError(
            f"{obj.name!r} has no surface to mirror: all of its faces are lines or points"
        )
    if not np.isfinite(mesh.vertices).all():
        raise MeshError(f"{obj.name!r} has coordinates that are not numbers. Remove them first")
    if obj.data.shape_keys:
        raise MeshError(f"{obj.name!r} has shape keys. Apply or remove them first")
    if any(modifier.type == 'MULTIRES' for modifier in obj.modifiers):
        raise MeshError(f"{obj.name!r} has a Multires modifier. Apply or remove it first")


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_mirror_half,))
