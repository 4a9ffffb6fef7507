"""Write cameras of the scene for other programs, such as those that train radiance fields."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Event

from ...core.errors import MaquetteError, SceneError
from ...core.photogrammetry.exchange import write_cameras
from ...core.photogrammetry.records import SolvedScene
from ...core.scene.compat import PATH_OPTIONS
from ...core.scene.photographs.camera_export import scene_of_cameras
from ...core.scene.photographs.real_size import chosen_collection
from ...core.scene.solved_cameras import PHOTOGRAPH, cloud_of
from .._results import absolute_path

_FIRST_PATH = "transforms.json"


class MAQUETTE_OT_export_cameras(bpy.types.Operator):
    """Write cameras as transforms.json or as a model of COLMAP."""

    bl_idname = "maquette.export_cameras"
    bl_label = "Export Cameras"
    bl_description = (
        "Write the selected cameras, or else those of solved photographs, for other programs: a "
        "name that ends with .json becomes transforms.json of nerfstudio and Instant-NGP, another "
        "one a folder with a model of COLMAP. Photographs stay where they are"
    )

    filepath: StringProperty(
        name="File",
        description="A file .json, or a folder for a model of COLMAP",
        subtype='FILE_PATH',
        options={'SKIP_SAVE', *PATH_OPTIONS},
    )

    def invoke(self, context: Context, event: Event) -> set[str]:
        self.filepath = self.filepath or _FIRST_PATH
        context.window_manager.fileselect_add(self)
        return {'RUNNING_MODAL'}

    def execute(self, context: Context) -> set[str]:
        try:
            if not self.filepath:
                raise SceneError("Choose the file or the folder to write first")
            path = absolute_path(self.filepath)
            count = write_cameras(path, _chosen_cameras(context))
        except MaquetteError as error:
            self.report({'ERROR'}, str(error))
            return {'CANCELLED'}

        self.report({'INFO'}, f"{count} cameras written to {path}")
        return {'FINISHED'}


def _chosen_cameras(context: Context) -> SolvedScene:
    """Return the selected cameras, or else those of the solved collection, with its points.

    Raises:
        SceneError: There are none, or one cannot be used.
    """
    selected = [obj for obj in context.selected_objects if obj.type == 'CAMERA']
    if selected and not any(PHOTOGRAPH in obj.data for obj in selected):
        return scene_of_cameras(context, selected)

    collection = chosen_collection(context.scene, selected or _active_objects(context))
    cameras = [obj for obj in collection.all_objects if obj.type == 'CAMERA']
    return scene_of_cameras(context, selected or cameras, cloud_of(collection))


def _active_objects(context: Context) -> list[bpy.types.Object]:
    return [*context.selected_objects, *filter(None, [context.active_object])]


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_export_cameras,))
