"""Find objects of a library that look like an image, a drawing or a mesh."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context
from numpy.typing import NDArray

from ...core.errors import ImageError, SceneError
from ...core.jobs.task import Task
from ...core.model.jobs.embedding import ImageQuery
from ...core.scene import images as scene_images
from ...core.scene.library.scene_assets import write_objects
from .. import _compute, _results
from .._task_operator import TaskOperator
from ..properties.library import (
    ASSET_LIBRARY,
    BOTTOM,
    COUNT,
    FOLDER,
    INDEX_FILE,
    LEFT,
    QUERY,
    RIGHT,
    SOURCE,
    TOP,
    USE_REGION,
)
from ..properties.paths import file_property, folder_property
from ._finding import FoundAsset, MeshQuery, find_by_image, find_by_mesh
from ._rendering import AssetRenderer
from ._sources import LibraryChoice

_NOT_SAVED = frozenset({'SKIP_SAVE'})
_TOLD = 3  # names of assets in the report

# Of what was found last, by index file and row; the panel draws them.
_thumbnails: dict[tuple[str, int], NDArray[np.uint8]] = {}


def thumbnail_of(index_file: str, row: int) -> NDArray[np.uint8] | None:
    """Return the thumbnail (S, S, 4) of an asset that was found last; None for another one."""
    return _thumbnails.get((index_file, row))


class MAQUETTE_OT_find_similar(LibraryChoice, TaskOperator, bpy.types.Operator):
    """Find the assets of a library that look most like an image, a drawing or the active object"""

    bl_idname = "maquette.find_similar"
    bl_label = "Find Similar"
    bl_options = {'REGISTER'}

    source: EnumProperty(**SOURCE)
    library: StringProperty(**ASSET_LIBRARY)
    folder: folder_property(*FOLDER)
    collection: StringProperty(
        name="Collection", description="Name of the collection whose objects are searched"
    )
    index_file: file_property(*INDEX_FILE)
    query: EnumProperty(**QUERY)
    filepath: file_property("File", "Image file to search by", _NOT_SAVED)
    image: StringProperty(
        name="Image",
        description="Name of an image in the current blend file, used instead of an image file. "
        "Leave both empty for the image of the panel Reconstruct",
        options={'SKIP_SAVE'},
    )
    use_region: BoolProperty(**USE_REGION)
    left: FloatProperty(**LEFT)
    top: FloatProperty(**TOP)
    right: FloatProperty(**RIGHT)
    bottom: FloatProperty(**BOTTOM)
    count: IntProperty(**COUNT)

    def start(self, context: Context) -> Task[list[FoundAsset]]:
        indexes = [place.index for place in self.chosen_places()]
        target = _compute.compute_target(self.interactive)
        self._image_name = ""
        if self.query == 'MESH':
            mesh = self._mesh_query(context)
            return find_by_mesh(mesh, indexes, self.count, target, AssetRenderer())

        # The paper within the lines of a drawing is no hole in the object.
        query = ImageQuery(
            image=_results.absolute_path(self.filepath),
            region=self._region(),
            is_drawing=self.query == 'DRAWING',
        )
        values = None
        self._query_name = query.image.name

        if not self.filepath:
            # Pixels are copied here, since Blender may not be used on a thread.
            image = self._chosen_image(context)
            self._image_name = image.name
            self._query_name = image.name
            values = scene_images.image_values(image)

        return find_by_image(query, values, indexes, self.count, target)

    def finish(self, context: Context, result: list[FoundAsset]) -> None:
        matches = [found.match for found in result]
        found = context.window_manager.maquette_library
        found.set_matches(self._query_name, self._image_name, matches)

        _thumbnails.clear()
        for item in result:
            _thumbnails[str(item.match.index), item.match.row] = item.thumbnail

        # The best ones by name.
        told = [f"{match.entry.asset.name} ({match.score:.2f})" for match in matches[:_TOLD]]
        self.report({'INFO'}, f"{self._query_name}: {', '.join(told) or 'nothing found'}")

    def _region(self) -> tuple[float, float, float, float]:
        """Return the part of the image that counts."""
        if not self.use_region:
            return (0.0, 0.0, 1.0, 1.0)
        return (self.left, self.top, self.right, self.bottom)

    def _chosen_image(self, context: Context) -> bpy.types.Image:
        """Return the named image, or that of the panel.

        Raises:
            ImageError: There is none.
        """
        if self.image:
            return scene_images.image_named(self.image)
        image = context.scene.maquette.image
        if image is None:
            raise ImageError("Choose an image to search by first")
        return image

    def _mesh_query(self, context: Context) -> MeshQuery:
        """Write the active object to a file of its own.

        Raises:
            SceneError: There is none with faces.
        """
        obj = context.active_object
        if obj is None:
            raise SceneError("Select an object to search by first")
        _results.leave_edit_mode(context)  # so that the edits are in the mesh
        self._query_name = obj.name
        written = write_objects([obj])
        (asset,) = written.digests

        return MeshQuery(written.file, asset, is_temporary=True)


_register: Callable[[], None]
_unregister: Callable[[], None]
_register, _unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_find_similar,))


def register() -> None:
    """Register the operator."""
    _register()


def unregister() -> None:
    """Remove it, and forget what was found."""
    _thumbnails.clear()
    _unregister()
