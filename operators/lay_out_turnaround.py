"""From one sheet with several sides of a thing to references that stand around the origin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty
from bpy.types import Context

from ..core.cameras import SIDES
from ..core.errors import ImageError, MaquetteError
from ..core.imaging import image_files, turnaround_sheet
from ..core.scene import images as scene_images
from ..core.scene.compat import PATH_OPTIONS
from ..core.scene.turnaround import place_references
from .properties.scene import SIZE

_ORDER = ("first", "second", "third", "fourth", "fifth", "sixth")


def _figure_property(order: str, side: str) -> EnumProperty:
    return EnumProperty(
        name=f"{order.capitalize()} Figure",
        description=f"Side that the {order} figure of the sheet shows, counted in reading order",
        items=[(name.upper(), name.capitalize(), f"The object's {name}") for name in SIDES],
        default=side.upper(),
    )


class MAQUETTE_OT_lay_out_turnaround(bpy.types.Operator):
    """Split one picture with several sides of a thing, and stand them around the origin as references"""

    bl_idname = "maquette.lay_out_turnaround"
    bl_label = "Lay Out Turnaround"
    bl_options = {'REGISTER', 'UNDO'}

    image: StringProperty(
        name="Image",
        description="Name of the image in this file that shows the sides, apart from each other before a plain "
        "background or none",
        options={'SKIP_SAVE'},
    )
    filepath: StringProperty(
        name="File",
        description="Image file of the sides, instead of an image in this file",
        subtype='FILE_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )
    first: _figure_property("first", "front")
    second: _figure_property("second", "right")
    third: _figure_property("third", "back")
    fourth: _figure_property("fourth", "left")
    fifth: _figure_property("fifth", "top")
    sixth: _figure_property("sixth", "bottom")
    size: FloatProperty(
        **{
            **SIZE,
            "description": "Length of the largest figure's longer side in metres. Costs nothing",
        }
    )

    def execute(self, context: Context) -> set[str]:
        try:
            name, figures = self._split_figures()
        except MaquetteError as error:
            self.report({'ERROR'}, f"{self.bl_label}: {error}")
            return {'CANCELLED'}
        if context.mode != 'OBJECT':
            bpy.ops.object.mode_set(mode='OBJECT')
        for other in context.selected_objects:
            other.select_set(False)
        made = place_references(context.scene.collection, name, figures, self.size)
        for empty in made:
            empty.select_set(True)
        context.view_layer.objects.active = made[0]
        self.report({'INFO'}, f"{name}: {', '.join(figures)}, as references")
        return {'FINISHED'}

    def _split_figures(self) -> tuple[str, dict]:
        """The sheet's name, and its figures by side."""
        if bool(self.image) == bool(self.filepath):
            raise ImageError("Choose one picture of several sides")
        if self.image:
            name = self.image
            sheet = scene_images.image_pixels(
                scene_images.image_named(self.image), turnaround_sheet.MAX_SIDE
            )
        else:
            path = Path(bpy.path.abspath(self.filepath))
            name = path.name
            sheet = image_files.read_image(path, turnaround_sheet.MAX_SIDE)
        found = turnaround_sheet.split_figures(sheet)
        sides = [getattr(self, order).lower() for order in _ORDER[: len(found)]]
        if len(set(sides)) < len(sides):
            raise ImageError(
                f"{len(found)} figures are taken for {', '.join(sides)}: give each a side of its own"
            )
        return name.rpartition(".")[0] or name, dict(zip(sides, found, strict=True))


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_lay_out_turnaround,))
