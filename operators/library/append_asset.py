"""Put a found asset into the scene."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, FloatProperty, FloatVectorProperty, IntProperty
from bpy.types import Context
from mathutils import Vector

from ...core.console import printable
from ...core.errors import LibraryError, MaquetteError
from ...core.scene import placement
from ...core.scene.library import placing
from .. import _results
from ..properties.library import LINK, MaquetteMatch


class MAQUETTE_OT_append_asset(bpy.types.Operator):
    """Append or link a found asset, turned as in the image, beside its reference or the cursor"""

    bl_idname = "maquette.append_asset"
    bl_label = "Append Asset"
    bl_options = {'REGISTER', 'UNDO'}

    index: IntProperty(
        name="Index", description="Place among what was found, from 0", min=0, options={'SKIP_SAVE'}
    )
    link: BoolProperty(**LINK)
    turn: FloatProperty(
        name="Turn",
        description="Rotation about the vertical axis. If it is not set: as in the image",
        subtype='ANGLE',
        options={'SKIP_SAVE'},
    )
    location: FloatVectorProperty(
        name="Location",
        description="Where the object stands. If it is not set: beside the image empty that shows "
        "the image, or at the 3D cursor, or beside what stands there",
        subtype='TRANSLATION',
        min=-1e5,
        max=1e5,
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not context.window_manager.maquette_library.matches:
            cls.poll_message_set("Find something first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        try:
            match = self._match(context)
            _results.leave_edit_mode(context)
            objects = self._add(context, match)
        except MaquetteError as error:
            self.report({'ERROR'}, printable(f"{self.bl_label}: {error}"))
            return {'CANCELLED'}

        # The new object is selected and in view.
        _results.select_only(context, objects, objects[0])
        placement.show_objects(context, objects)
        verb = "linked" if self.link else "appended"
        self.report({'INFO'}, printable(f"{match.name}: {verb}"))

        return {'FINISHED'}

    def _match(self, context: Context) -> MaquetteMatch:
        """Return what was found at the index.

        Raises:
            LibraryError: There is nothing.
        """
        matches = context.window_manager.maquette_library.matches
        if self.index >= len(matches):
            raise LibraryError(f"There are {len(matches)} results. Choose an index below that")
        return matches[self.index]

    def _add(self, context: Context, match: MaquetteMatch) -> list[bpy.types.Object]:
        """Add the asset and place it; return its objects, the main one first."""
        collection = _results.collection_for_new(context)
        objects = placing.add_asset(collection, match.path(), match.asset(), self.link)
        turn = self.turn if self.properties.is_property_set("turn") else match.turn
        is_fixed = self.properties.is_property_set("location")

        if is_fixed:
            spot = placing.Spot(Vector(self.location), turn)
        else:
            image = bpy.data.images.get(context.window_manager.maquette_library.image)
            spot = placing.spot_beside(context, image, turn)

        placing.place_objects(context, objects, spot, is_fixed)
        return objects


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_append_asset,))
