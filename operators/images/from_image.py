"""From an image file to a mesh in one step: dropped, from the Add menu, or the example."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty
from bpy.types import Context, Event, Menu

from ...core.errors import ImageError, MaquetteError
from ...core.imaging.image_files import READ_SUFFIXES
from ...core.resources import SAMPLES
from ...core.scene import images as scene_images
from .. import _results
from .._translation import CONTEXT
from ..properties.paths import file_property

_EXAMPLE = SAMPLES / "photo.png"
_LABEL = "Mesh from Image"


class MAQUETTE_OT_from_image(bpy.types.Operator):
    """Make a mesh from an image file."""

    bl_idname = "maquette.from_image"
    bl_label = _LABEL
    bl_description = "Make a mesh from an image file, with the settings of the panel Reconstruct"
    bl_options = {'INTERNAL'}

    filepath: file_property("File", "Image file of the object", {'SKIP_SAVE'})
    filter_image: BoolProperty(
        name="Filter Images",
        description="Show images only in the file browser",
        default=True,
        options={'HIDDEN', 'SKIP_SAVE'},
    )
    filter_folder: BoolProperty(
        name="Filter Folders",
        description="Show folders in the file browser",
        default=True,
        options={'HIDDEN', 'SKIP_SAVE'},
    )

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Open the file browser, unless a file was dropped."""
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {'RUNNING_MODAL'}

    def execute(self, context: Context) -> set[str]:
        try:
            image = _load_image(self.filepath)
        except MaquetteError as error:
            self.report({'ERROR'}, str(error))
            return {'CANCELLED'}
        return reconstruct_image(context, image)


class MAQUETTE_OT_try_example(bpy.types.Operator):
    """Make a mesh from the image that comes with Maquette."""

    bl_idname = "maquette.try_example"
    bl_label = "Try an Example"
    bl_description = "Make a mesh from a photo that comes with Maquette"
    bl_options = {'INTERNAL'}

    def execute(self, context: Context) -> set[str]:
        return reconstruct_image(context, _load_image(str(_EXAMPLE)))


class MAQUETTE_FH_image(bpy.types.FileHandler):
    """Offer a mesh for image files that are dropped into the 3D Viewport."""

    bl_idname = "MAQUETTE_FH_image"
    bl_label = "Maquette: Mesh from Image"
    bl_import_operator = MAQUETTE_OT_from_image.bl_idname
    bl_file_extensions = ";".join(sorted(READ_SUFFIXES))

    @classmethod
    def poll_drop(cls, context: Context) -> bool:
        return context.area is not None and context.area.type == 'VIEW_3D'


def _load_image(path: str) -> bpy.types.Image:
    """Return the image of a file, loaded once.

    Raises:
        ImageError: there is no such file, or Blender cannot read it.
    """
    file = _results.absolute_path(path)
    if not file.is_file():
        raise ImageError(f"There is no file {file}: choose an image")
    image = scene_images.load_image(file)
    if not image.size[0]:  # which reads it
        bpy.data.images.remove(image)
        raise ImageError(f"{file.name} is not a readable image")
    return image


def reconstruct_image(context: Context, image: bpy.types.Image) -> set[str]:
    """Choose ``image`` in the panel, and reconstruct from it with the panel's settings.

    Returns:
        What the operator Reconstruct returned.
    """
    settings = context.scene.maquette
    settings.source = 'IMAGE'
    settings.image = image
    mode = 'EXEC_DEFAULT' if bpy.app.background else 'INVOKE_DEFAULT'

    try:
        options = settings.reconstruction_options()
        return bpy.ops.maquette.reconstruct(mode, image=image.name, **options)
    except RuntimeError:  # it has been reported
        return {'CANCELLED'}


def _draw_add_menu(menu: Menu, context: Context) -> None:
    menu.layout.operator_context = 'INVOKE_DEFAULT'
    name = MAQUETTE_OT_from_image.bl_idname
    menu.layout.operator(name, text="From Image", text_ctxt=CONTEXT, icon='IMAGE_DATA')


_register: Callable[[], None]
_unregister: Callable[[], None]
_register, _unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_from_image, MAQUETTE_OT_try_example, MAQUETTE_FH_image)
)


def register() -> None:
    """Register the operators, the handler of dropped files and the entry of Add > Mesh."""
    _register()
    bpy.types.VIEW3D_MT_mesh_add.append(_draw_add_menu)


def unregister() -> None:
    """Remove them."""
    bpy.types.VIEW3D_MT_mesh_add.remove(_draw_add_menu)
    _unregister()
