"""A copy of a scene that is rendered in its place, so that the scene itself stays as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...dataset.records import RenderedView
from ...errors import SceneError
from ...imaging import color as color_space
from ...synthesis import samplers
from ...synthesis.randomization import Background
from .. import compat
from ..depsgraph import DepsgraphReader, SceneSnapshot, depsgraph_reader
from ..rendering.lighting import Exposures, temporary_lights
from ..rendering.studio import (
    apply_camera,
    decode_geometry,
    guard_output,
    read_passes,
    set_quality,
    stack_channels,
)
from .instances import pass_indices
from .object_randomization import holdout, placed_occluders, render_surroundings
from .scene_randomization import ViewSetting, override_materials

_NAME = "Maquette Whole Scene"
_EMPTY = "Maquette Empty"
_GONE = "The scene was removed while it was rendered. Do not remove it, and render again"
_BEYOND = 1e7  # metres
_PASSES = ("combined", "z", "normal", "object_index", "vector")
_PLAIN = (  # what would alter the picture, or make passes that are not of the scene's geometry
    "use_border",
    "use_freestyle",
    "use_multiview",
    "use_motion_blur",
    "use_stamp",
    "use_compositing",
    "use_sequencer",
    "use_persistent_data",
    "use_single_layer",
    "use_placeholder",
)


class SceneCopy:
    """The copy of a scene; make it with :func:`scene_copy`. Between its steps the user may do anything.

    cameras: names of the cameras of the copy, by those of the scene's own, in their order.
    """

    def __init__(
        self,
        name: str,
        empty: str,
        cameras: Mapping[str, str],
        own: str,
        size: int,
        reading: DepsgraphReader,
        folder: Path,
    ) -> None:
        self.cameras = cameras
        self._name = name
        self._empty = empty
        self._own = own
        self._shape = _fitted_size(bpy.data.scenes[name].render, size)
        self._reader = reading
        self._folder = folder
        self._exposures: Exposures = {}

    @property
    def blender_scene(self) -> bpy.types.Scene:
        """The copy.

        Raises:
            SceneError: it was deleted or undone.
        """
        scene = bpy.data.scenes.get(self._name)
        if scene is None:
            raise SceneError(_GONE)
        return scene

    def read_snapshot(self, frame: int) -> SceneSnapshot:
        """What the scene holds at ``frame``, and its own cameras."""
        scene = self.blender_scene
        self._set_camera(scene, next(iter(self.cameras.values()), self._own))
        self._set_size(scene)
        compat.write_png(scene.render.image_settings)

        def render() -> None:
            with guard_output(self._folder, "frame_*"):
                self._render_frame(scene, frame)

        return self._reader.read_scene(scene, tuple(self.cameras.values()), render)

    def render_view(
        self,
        kind: str,
        camera: Camera,
        own: str | None,
        frame: int,
        sources: Mapping[str, int],
        flow: bool,
        setting: ViewSetting,
    ) -> RenderedView:
        """One picture at ``frame`` in its ``setting``; its index is of ``sources``, see ``instances.pass_indices``.

        Args:
            own: name of the copy's camera that ``camera`` tells of, None for one that is not of the scene.
        """
        scene = self.blender_scene
        self._set_camera(scene, own or self._own)
        if own:
            self._set_size(scene)
        else:
            scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1
            apply_camera(scene, camera)
        scene.view_layers[0].use_pass_vector = flow
        with ExitStack() as stack:
            stack.enter_context(pass_indices(sources))
            stack.enter_context(override_materials(setting.looks))
            if setting.light:
                stack.enter_context(
                    temporary_lights(scene, self._exposures, setting.dome)
                ).set_light(setting.light)
            behind = self._render_behind(scene, frame, setting.scenery.background)
            if not setting.scenery.occluders:
                view = self._render_to_file(scene, kind, camera, frame, flow)
                return view if behind is None else replace(view, surroundings=behind)
            with placed_occluders(scene, setting.scenery.occluders) as collection:
                with holdout(scene, collection):
                    view = self._render_to_file(scene, kind, camera, frame, flow)
                with _held_out([*_objects_outside(scene, collection), *sources]):
                    before = self._render_image(scene, frame)
        none = np.zeros_like(view.colour)
        return replace(
            view,
            surroundings=render_surroundings(
                view.colour, _linear_light(before), none if behind is None else behind
            ),
        )

    def _render_to_file(
        self, scene: bpy.types.Scene, kind: str, camera: Camera, frame: int, flow: bool
    ) -> RenderedView:
        compat.write_multilayer_exr(scene.render.image_settings)
        with guard_output(self._folder, "frame_*"):
            passes = read_passes(self._render_frame(scene, frame))
            return _view_from_passes(kind, camera, passes, self._managed_color(scene), flow)

    def _render_image(self, scene: bpy.types.Scene, frame: int) -> NDArray[np.uint8]:
        """Just the colour, as of :meth:`_managed_color`."""
        compat.write_png(scene.render.image_settings)
        with guard_output(self._folder, "frame_*"):
            self._render_frame(scene, frame)
            return self._managed_color(scene)

    def _render_behind(
        self, scene: bpy.types.Scene, frame: int, background: Background
    ) -> NDArray[np.uint8] | None:
        """The ``background`` as a picture: (H, W, 4) uint8 sRGB; None if there is none."""
        render = scene.render
        if background.kind != "hdri":
            behind = samplers.background_image(background, render.resolution_x, render.resolution_y)
            return behind if behind[..., 3].any() else None
        lens = scene.camera.data
        cycles = scene.cycles
        before = lens.clip_start, lens.clip_end, cycles.samples, cycles.use_denoising
        # past all things there is the world alone
        lens.clip_start = _BEYOND
        lens.clip_end = 2 * _BEYOND
        cycles.samples = 1
        cycles.use_denoising = False
        render.film_transparent = False
        try:
            return self._render_image(scene, frame)
        finally:
            lens.clip_start, lens.clip_end, cycles.samples, cycles.use_denoising = before
            render.film_transparent = True

    def _managed_color(self, scene: bpy.types.Scene) -> NDArray[np.uint8]:
        """The picture just rendered, in the scene's own colour management: (H, W, 4) uint8."""
        from PIL import Image

        compat.write_png(scene.render.image_settings)
        path = self._folder / "colour.png"
        bpy.data.images["Render Result"].save_render(str(path), scene=scene)
        return np.array(Image.open(path))

    def _render_frame(self, scene: bpy.types.Scene, frame: int) -> Path:
        """Render ``frame``, as an animation of it: else Blender takes the frame of the scene in the window.

        After a render Blender evaluates that scene anew, and what is not keyed is lost: so an empty one stands for it.
        """
        empty = bpy.data.scenes.get(self._empty)
        if empty is None:
            raise SceneError(_GONE)
        for path in self._folder.glob("frame_*"):
            path.unlink()
        scene.frame_start = scene.frame_end = frame
        scene.render.filepath = str(self._folder / "frame_")
        with bpy.context.temp_override(scene=empty, view_layer=empty.view_layers[0]):
            bpy.ops.render.render(animation=True, scene=scene.name)
        written = list(self._folder.glob("frame_*"))
        if not written:
            raise OSError(f"Blender wrote no picture into {self._folder}")
        return written[0]

    def _set_size(self, scene: bpy.types.Scene) -> None:
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = (
            *self._shape[:2],
            100,
        )
        render.pixel_aspect_x, render.pixel_aspect_y = self._shape[2:]

    def _set_camera(self, scene: bpy.types.Scene, name: str) -> None:
        camera = scene.objects.get(name)
        if camera is None:
            raise SceneError(_GONE)
        scene.camera = camera


@contextmanager
def scene_copy(
    scene: bpy.types.Scene,
    layer: str,
    size: int,
    samples: int,
    threads: int,
    denoise: bool,
    world: bool,
) -> Iterator[SceneCopy]:
    """A :class:`SceneCopy` of the view layer named ``layer``; the open file is as before afterwards.

    Args:
        size: longer side of the pictures of the scene's own cameras, pixels.
        samples, threads, denoise: see ``render.set_quality``. world: whether it is seen behind the objects.
    """
    made: list[tuple[bpy.types.bpy_prop_collection, str]] = []
    try:
        copy = scene.copy()
        copy.name = _NAME
        made.append((bpy.data.scenes, copy.name))
        made.append((bpy.data.scenes, bpy.data.scenes.new(_EMPTY).name))
        names = {}
        for obj in [obj for obj in copy.view_layers[layer].objects if obj.type == 'CAMERA']:
            names[obj.name] = _copy_camera(copy, obj, made).name
        own = _copy_camera(copy, None, made).name
        for marker in copy.timeline_markers:
            if marker.camera and marker.camera.name in names:
                marker.camera = copy.objects[names[marker.camera.name]]
        active = scene.camera.name if scene.camera else ""
        names = dict(sorted(names.items(), key=lambda item: item[0] != active))
        set_quality(copy, samples, threads, denoise)
        _set_up(copy, layer, world)
        with (
            tempfile.TemporaryDirectory(prefix="maquette_") as folder,
            depsgraph_reader() as reading,
        ):
            yield SceneCopy(made[0][1], made[1][1], names, own, size, reading, Path(folder))
    finally:
        for blocks, name in made:
            if name in blocks:
                blocks.remove(blocks[name])


def _objects_outside(scene: bpy.types.Scene, but: bpy.types.Collection) -> list[str]:
    """Full names of the objects of ``scene`` that are not in the collection ``but``."""
    left = {obj.name_full for obj in but.objects}
    return [obj.name_full for obj in scene.objects if obj.name_full not in left]


@contextmanager
def _held_out(names: Collection[str]) -> Iterator[None]:
    """The objects with these full names cut holes into the picture meanwhile."""
    objects = [obj for obj in bpy.data.objects if obj.name_full in set(names)]
    before = [obj.is_holdout for obj in objects]
    try:
        for obj in objects:
            obj.is_holdout = True
        yield
    finally:
        for obj, own in zip(objects, before, strict=True):
            obj.is_holdout = own


def _linear_light(color: NDArray[np.uint8]) -> NDArray[np.float32]:
    """8 bit sRGB with straight alpha as linear light, premultiplied."""
    alpha = color[..., 3:] / 255.0
    return np.concatenate(
        (color_space.to_linear(color[..., :3] / 255.0) * alpha, alpha), axis=2
    ).astype(np.float32)


def _copy_camera(
    scene: bpy.types.Scene,
    obj: bpy.types.Object | None,
    made: list[tuple[bpy.types.bpy_prop_collection, str]],
) -> bpy.types.Object:
    """A camera object in ``scene``, like ``obj`` but in focus everywhere, or a new one."""
    data = obj.data.copy() if obj else bpy.data.cameras.new(_NAME)
    camera = obj.copy() if obj else bpy.data.objects.new(_NAME, data)
    camera.data = data
    data.dof.use_dof = False
    made += [(bpy.data.objects, camera.name), (bpy.data.cameras, data.name)]
    scene.collection.objects.link(camera)
    return camera


def _set_up(scene: bpy.types.Scene, layer: str, world: bool) -> None:
    render = scene.render
    for other in [one for one in scene.view_layers if one.name != layer]:
        scene.view_layers.remove(other)
    passes = scene.view_layers[layer]
    passes.name = "Passes"
    passes.use = True
    passes.samples = 0
    for name in [
        p.identifier for p in passes.bl_rna.properties if p.identifier.startswith("use_pass_")
    ]:
        setattr(passes, name, name.removeprefix("use_pass_") in _PASSES)
    for name in _PLAIN:
        setattr(render, name, False)
    render.film_transparent = not world
    render.dither_intensity = 0
    render.use_overwrite = render.use_file_extension = True


def _fitted_size(render: bpy.types.RenderSettings, size: int) -> tuple[int, int, float, float]:
    """Width and height of the same proportions whose longer side is ``size``, and the aspect of a pixel."""
    scale = size / max(render.resolution_x, render.resolution_y)
    width, height = (
        max(4, round(side * scale)) for side in (render.resolution_x, render.resolution_y)
    )
    return width, height, render.pixel_aspect_x, render.pixel_aspect_y


def _view_from_passes(
    kind: str,
    camera: Camera,
    passes: Mapping[str, NDArray[np.float32]],
    color: NDArray[np.uint8],
    flow: bool,
) -> RenderedView:
    """The passes of a file of the renderer as a view, with the numbers of objects for indices."""
    numbers = next(
        values for name, values in passes.items() if name in ("IndexOB.X", "Object Index.X")
    )
    seen, depth, normal = decode_geometry(passes, color[..., 3] > 0)
    motion = None
    if flow:  # Cycles tells (previous - now, now - next), y up
        x, y, z, w = np.moveaxis(stack_channels(passes, "Vector", "XYZW"), 2, 0)
        motion = np.where(seen[..., None], np.stack((-z, w, -x, y), axis=2), 0).astype(np.float16)
    index = np.where(seen, np.rint(numbers), 0).astype(np.uint16)
    return RenderedView(kind, camera, color, depth, normal, index=index, flow=motion)
