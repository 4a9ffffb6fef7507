"""Show a photograph, or the mask of the active camera's, in the Image Editor."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy.types import Context

from ...core.errors import ImageError, MaquetteError
from ...core.photogrammetry import mask_files
from ...core.scene.compat import PATH_OPTIONS
from ...core.scene.images import load_image
from ...core.scene.solved_cameras import PHOTOGRAPH
from .._results import absolute_path


class MAQUETTE_OT_show_photograph(bpy.types.Operator):
    """Show a photograph in the Image Editor."""

    bl_idname = "maquette.show_photograph"
    bl_label = "Show Photograph"
    bl_description = "Show this photograph in an Image Editor. A new window opens if there is none"
    bl_options = {'INTERNAL'}

    filepath: StringProperty(
        name="File",
        description="Image file of the photograph",
        subtype='FILE_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )

    def execute(self, context: Context) -> set[str]:
        return _show_file(self, context, absolute_path(self.filepath))


class MAQUETTE_OT_show_mask(bpy.types.Operator):
    """Show the mask of the active camera's photograph in the Image Editor."""

    bl_idname = "maquette.show_mask"
    bl_label = "Show Mask"
    bl_description = (
        "Show the mask of the active camera's photograph in an Image Editor: white is the object. "
        "Paint it, save it (Alt S) and solve again"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if photograph_of(context.active_object) is None:
            cls.poll_message_set("Select the camera of a solved photograph")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        photograph = photograph_of(context.active_object)
        path = mask_files.find_mask(photograph)
        if path is None:
            text = f"{photograph.name} has no mask to correct yet: press Write Masks first"
            self.report({'ERROR'}, text)
            return {'CANCELLED'}
        return _show_file(self, context, path, 'PAINT')


def photograph_of(obj: bpy.types.Object | None) -> Path | None:
    """Return the file of the photograph that a solved camera shows; None for other objects."""
    if obj is None or obj.type != 'CAMERA' or PHOTOGRAPH not in obj.data:
        return None
    return Path(obj.data[PHOTOGRAPH])


def _show_file(
    operator: bpy.types.Operator, context: Context, path: Path, mode: str = 'VIEW'
) -> set[str]:
    """Show an image file in an Image Editor in ``mode``; report what is wrong with it."""
    try:
        if not path.is_file():
            raise ImageError(f"There is no file {path} any more")
        image = load_image(path)
    except MaquetteError as error:
        operator.report({'ERROR'}, str(error))
        return {'CANCELLED'}

    area = _image_editor(context)
    if area:
        area.spaces.active.image = image
        area.spaces.active.mode = mode
    return {'FINISHED'}


def _image_editor(context: Context) -> bpy.types.Area | None:
    """Return an Image Editor of any window, or of a new one; None in background mode."""
    windows = context.window_manager.windows
    for window in windows:
        for area in window.screen.areas:
            if area.type == 'IMAGE_EDITOR':
                return area

    if bpy.app.background:
        return None
    bpy.ops.wm.window_new()
    area = windows[-1].screen.areas[0]
    area.ui_type = 'IMAGE_EDITOR'

    return area


register, unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_show_photograph, MAQUETTE_OT_show_mask)
)
