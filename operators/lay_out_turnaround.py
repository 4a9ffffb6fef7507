"""Split a turnaround sheet into references around the world origin."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
from bpy.props import EnumProperty, FloatProperty, StringProperty
from bpy.types import Context
from numpy.typing import NDArray

from ..core.cameras import SIDES
from ..core.errors import ImageError, MaquetteError
from ..core.imaging import image_files, turnaround_sheet
from ..core.scene import images as scene_images
from ..core.scene.turnaround import place_references
from ._results import absolute_path, leave_edit_mode, select_only
from .properties.paths import file_property
from .properties.scene import SIZE

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_FIGURE_SIZE = SIZE | {"description": "Length of the longer side of the largest figure"}


def _figure_property(ordinal: str, side: str) -> EnumProperty:
    """Return the property of the side that a figure shows, ``side`` by default."""
    return EnumProperty(
        name=f"{ordinal.capitalize()} Figure",
        description=f"Side shown by the {ordinal} figure of the sheet, in reading order",
        items=[(name.upper(), name.capitalize(), f"The object's {name}") for name in SIDES],
        default=side.upper(),
    )


class MAQUETTE_OT_lay_out_turnaround(bpy.types.Operator):
    """Split a turnaround sheet into its sides and place them as references."""

    bl_idname = "maquette.lay_out_turnaround"
    bl_label = "Lay Out Turnaround"
    bl_description = (
        "Split a turnaround sheet into its sides and place them around the world origin as "
        "references"
    )
    bl_options = {'REGISTER', 'UNDO'}

    image: StringProperty(
        name="Image",
        description="Name of an image in the current blend file with the sides separated from "
        "each other on a plain or transparent background",
        options={'SKIP_SAVE'},
    )
    filepath: file_property(
        "File",
        "Image file of the sheet, used instead of an image in the blend file",
        frozenset({'SKIP_SAVE'}),
    )
    first: _figure_property("first", "front")
    second: _figure_property("second", "right")
    third: _figure_property("third", "back")
    fourth: _figure_property("fourth", "left")
    fifth: _figure_property("fifth", "top")
    sixth: _figure_property("sixth", "bottom")
    size: FloatProperty(**_FIGURE_SIZE)

    def execute(self, context: Context) -> set[str]:
        try:
            name, figures = self._split_figures()
        except MaquetteError as error:
            self.report({'ERROR'}, f"{self.bl_label}: {error}")
            return {'CANCELLED'}

        # Selecting objects needs object mode.
        leave_edit_mode(context)
        empties = place_references(context.scene.collection, name, figures, self.size)
        select_only(context, empties, empties[0])
        self.report({'INFO'}, f"{name}: {', '.join(figures)}, as references")

        return {'FINISHED'}

    def _read_sheet(self) -> tuple[str, NDArray[np.float32]]:
        """Return the file name of the sheet and its pixels (H, W, 4)."""
        if bool(self.image) == bool(self.filepath):
            raise ImageError("Choose one image that shows several sides")

        # A larger sheet is scaled down while it is read, which saves memory.
        max_side = turnaround_sheet.MAX_SIDE
        if self.image:
            image = scene_images.image_named(self.image)
            return self.image, scene_images.image_pixels(image, max_side)
        path = absolute_path(self.filepath)
        return path.name, image_files.read_image(path, max_side)

    def _split_figures(self) -> tuple[str, dict[str, NDArray[np.float32]]]:
        """Return the name of the sheet without its ending, and its figures by side."""
        name, sheet = self._read_sheet()
        figures = turnaround_sheet.split_figures(sheet)

        # Figures come in reading order, as do the properties of their sides.
        sides = [getattr(self, ordinal).lower() for ordinal in _ORDINALS[: len(figures)]]
        if len(set(sides)) < len(sides):
            raise ImageError(
                f"The {len(figures)} figures are assigned to {', '.join(sides)}. "
                "Assign each figure to a different side"
            )

        stem = name.rpartition(".")[0] or name
        return stem, dict(zip(sides, figures, strict=True))


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_lay_out_turnaround,))
