"""Cut the object out of an image, so that the mask can be seen and corrected by painting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, StringProperty
from bpy.types import Context
from numpy.typing import NDArray

from ...core.errors import ImageError
from ...core.jobs.task import Progress, Task
from ...core.model.jobs import reconstruct as reconstruct_job  # without torch, until it runs
from ...core.scene import images as scene_images
from .. import _compute, _results
from .._task_operator import TaskOperator
from ..properties.scene import KEEP_HOLES

_SUFFIX = " cut out"
_MAX_SIDE = 1024  # pixels: the model sees fewer, and more are slow to paint on

Pixels = NDArray[np.float32]


class MAQUETTE_OT_cut_out(TaskOperator, bpy.types.Operator):
    """Make an image that shows the object alone."""

    bl_idname = "maquette.cut_out"
    bl_label = "Cut Out"
    bl_description = (
        "Make a copy of the image with the background transparent, as a reconstruction sees it. "
        "Where the outline is wrong, paint on the copy in the Image Editor with the brush's blend "
        "Erase Alpha or Add Alpha; Reconstruct uses it as it is"
    )
    bl_options = {'REGISTER', 'UNDO'}

    image: StringProperty(
        name="Image",
        description="Name of an image in the current blend file. Empty: the image of the panel "
        "Reconstruct",
        options={'SKIP_SAVE'},
    )
    keep_holes: BoolProperty(**KEEP_HOLES)

    def start(self, context: Context) -> Task[Pixels]:
        image = self._image(context)
        self._name = image.name
        values = scene_images.image_values(image)
        weights = _results.weights_file()
        device = _compute.chosen_device()
        target = _compute.compute_target(self.interactive)
        options = (weights, device, self.keep_holes)

        return _cut_out(values, options, target)

    def finish(self, context: Context, result: Pixels) -> None:
        name = self._name.removesuffix(_SUFFIX) + _SUFFIX
        cut_out = scene_images.image_from_pixels(name, result)
        scene_images.update_preview(cut_out)
        original = bpy.data.images.get(self._name)
        settings = context.scene.maquette

        if original:
            settings.replace_image(original, cut_out)
        else:
            settings.image = cut_out

        _show_in_editor(context, cut_out)
        share = float((result[..., 3] > 0.5).mean())
        self.report({'INFO'}, f"{cut_out.name}: the object covers {share:.0%} of the image")

    def draw(self, context: Context) -> None:
        """Draw nothing: there is nothing to adjust."""

    def _image(self, context: Context) -> bpy.types.Image:
        if self.image:
            return scene_images.image_named(self.image)
        image = context.scene.maquette.image
        if image is None:
            raise ImageError("Choose an image in the panel Reconstruct first")
        return image


def _cut_out(
    values: scene_images.ImageValues,
    options: tuple[Path | None, str, bool],
    target: _compute.ComputeTarget,
) -> Task[Pixels]:
    """Cut out ``values`` with the ``options`` of ``cut_out_object``."""
    yield Progress(0.0, "Reading")
    pixels = values.to_pixels(_MAX_SIDE)
    return (yield from target.run(reconstruct_job.cut_out_object, pixels, *options))


def _show_in_editor(context: Context, image: bpy.types.Image) -> None:
    """Show ``image`` in the Image Editors of the screen; in none if there is none."""
    areas = context.screen.areas if context.screen else ()
    for area in areas:
        if area.type == 'IMAGE_EDITOR':
            area.spaces.active.image = image


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_cut_out,))
