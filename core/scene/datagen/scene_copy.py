"""A temporary copy of a scene, which is rendered so that the scene is not changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...dataset.records import RenderedView
from ...errors import SceneError
from ...imaging import color as color_space
from ...jobs.temporary_folders import temporary_folder
from ...synthesis.randomization import Background
from .. import compat
from ..cameras import cameras_of_layer
from ..depsgraph import DepsgraphReader, SceneSnapshot, depsgraph_reader
from ..evaluation.hidden_objects import copied_scene
from ..evaluation.playback import kept_rigid_bodies, scene_drivers_on
from ..evaluation.units import meters_per_unit
from ..rendering.lighting import Exposures, temporary_lights
from ..rendering.render_output import (
    Passes,
    decode_geometry,
    guard_output,
    read_passes,
    stack_channels,
)
from ..rendering.studio import apply_camera, require_cycles, set_quality
from .instances import pass_indices
from .scene_randomization import override_materials
from .scenery import image_background, render_with_scenery, world_quality
from .view_randomization import ViewSetting

_NAME = "Maquette Whole Scene"
_CAMERA_NAME = "Maquette Camera"
_EMPTY_NAME = "Maquette Empty"
_FILES = "frame_*"
_GONE = (
    "The scene was deleted or undone while it was rendered. Do not change it during rendering, "
    "and render again"
)
_BEYOND = 1e7  # meters; further away than any object
_MIN_SIDE = 4  # pixels of an image
_PASSES = ("combined", "z", "normal", "object_index", "vector")
_KEYED_COLOR = ("exposure", "gamma")  # of the color management, which change along a path
# Settings that would change the image, or make passes that are not of the scene's geometry.
_DISABLED = (
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


@dataclass(frozen=True)
class CopySettings:
    """How to copy and render a scene.

    Attributes:
        layer: Name of the view layer to render.
        size: Longer side of the images of the scene's cameras, pixels.
        samples: See ``studio.set_quality``.
        threads: See ``studio.set_quality``.
        denoise: See ``studio.set_quality``.
        world: Whether the world is visible behind the objects.
        path: Whether frames along a path are rendered, where markers switch the camera.
    """

    layer: str
    size: int
    samples: int
    threads: int
    denoise: bool
    world: bool
    path: bool = False


@dataclass(frozen=True)
class FrameView:
    """An image of a scene to render.

    Attributes:
        kind: Of the view, as its record has it.
        camera: Of the view.
        frame: Of the scene.
        scene_camera: Name of the camera in the copy if it is one of the scene's, else None.
        sources: The pass_index of each object, by full name.
        flow: Whether to render the optical flow.
        bounds: (2, 3) of all that is in the scene, meters.
    """

    kind: str
    camera: Camera
    frame: int
    scene_camera: str | None
    sources: Mapping[str, int]
    flow: bool
    bounds: NDArray[np.float64]


@dataclass(frozen=True)
class _CopyNames:
    """Names of the data-blocks of a copy, which an undo may remove.

    Attributes:
        source: The scene that was copied.
        scene: The copy.
        empty: A scene with nothing in it.
        cameras: Cameras of the copy, by the names of the scene's.
        free_camera: A camera for views that the scene has no camera for.
    """

    source: str
    scene: str
    empty: str
    cameras: Mapping[str, str]
    free_camera: str


class SceneCopy:
    """The copy of a scene; make it with :func:`scene_copy`.

    Between its steps the user may do anything.

    Attributes:
        cameras: Names of the cameras of the copy, by those of the scene's; the active one is first.
    """

    def __init__(self, names: _CopyNames, size: int, reader: DepsgraphReader, folder: Path) -> None:
        scene = bpy.data.scenes[names.scene]
        self.cameras = names.cameras
        self.folder = folder
        self._names = names
        self._image_shape = _fitted_shape(scene.render, size)
        self._frame = (scene.frame_current, scene.frame_subframe)
        self._unit = meters_per_unit(scene)
        self._reader = reader
        self._exposures: Exposures = {}

    @property
    def blender_scene(self) -> bpy.types.Scene:
        """The copy.

        Raises:
            SceneError: It was deleted or undone.
        """
        scene = bpy.data.scenes.get(self._names.scene)
        if scene is None:
            raise SceneError(_GONE)
        return scene

    def read_snapshot(
        self, frame: int, cameras: Collection[str], only_active: bool = False
    ) -> SceneSnapshot:
        """Return the instances and cameras of the scene at ``frame``, in meters.

        Args:
            frame: Of the scene.
            cameras: Names of the scene's cameras to read.
            only_active: Read of these only the active one, to which a marker may switch.
        """
        scene = self.blender_scene
        first_camera = next(iter(self.cameras.values()), self._names.free_camera)
        self._set_camera(scene, first_camera)
        self._set_image_shape(scene)

        # The reader draws nothing, so the format only has to be quick.
        compat.write_png(scene.render.image_settings)

        def render() -> None:
            with guard_output(self.folder, _FILES):
                self.render_frame(scene, frame)

        shown_names = {self.cameras[name]: name for name in cameras}
        snapshot = self._reader.read_scene(scene, shown_names, render, only_active)
        return snapshot if self._unit == 1 else snapshot.scaled(self._unit)

    def render_view(self, view: FrameView, setting: ViewSetting) -> RenderedView:
        """Render a view in its setting; its index image has the numbers of ``view.sources``."""
        scene = self.blender_scene
        self._set_camera(scene, view.scene_camera or self._names.free_camera)

        # The scene's cameras keep their image; others have square pixels.
        if view.scene_camera:
            self._set_image_shape(scene)
        else:
            scene.render.pixel_aspect_x = 1
            scene.render.pixel_aspect_y = 1
            camera = view.camera.scaled(1 / self._unit) if self._unit != 1 else view.camera
            apply_camera(scene, camera, view.bounds / self._unit)

        # The flow takes time, so only where it is requested.
        scene.view_layers[0].use_pass_vector = view.flow

        with ExitStack() as stack:
            stack.enter_context(pass_indices(view.sources))
            stack.enter_context(override_materials(setting.materials))
            if setting.light:
                lights = temporary_lights(scene, self._exposures, setting.dome)
                light = setting.light.scaled(1 / self._unit)
                stack.enter_context(lights).set_light(light)
            scenery = setting.scenery.scaled(1 / self._unit)
            rendered = render_with_scenery(_CopyRenderer(self, scene, view), scenery)

        return rendered if self._unit == 1 else replace(rendered, depth=rendered.depth * self._unit)

    def render_frame(self, scene: bpy.types.Scene, frame: int) -> Path:
        """Render ``frame`` of the copy and return the file.

        Blender renders the current frame of the scene of the context, whatever scene it renders.
        After a render it evaluates that scene again, which loses values that are not keyed, so it
        is an empty one.
        """
        empty = bpy.data.scenes.get(self._names.empty)
        if empty is None:
            raise SceneError(_GONE)

        # An earlier image must not be read in place of this one.
        for path in self.folder.glob(_FILES):
            path.unlink()

        # The frame that the scene is at may be between two.
        current, current_subframe = self._frame
        subframe = current_subframe if frame == current else 0.0
        empty.frame_set(frame, subframe=subframe)
        scene.render.filepath = str(self.folder / "frame_")

        with ExitStack() as stack:
            source = bpy.data.scenes.get(self._names.source)
            if source:
                stack.enter_context(scene_drivers_on(source, scene))
            override = bpy.context.temp_override(scene=empty, view_layer=empty.view_layers[0])
            stack.enter_context(override)
            bpy.ops.render.render(write_still=True, scene=scene.name)

        files = list(self.folder.glob(_FILES))
        if not files:
            raise OSError(f"Blender wrote no image into {self.folder}")
        return files[0]

    def _set_image_shape(self, scene: bpy.types.Scene) -> None:
        """Set the size of images of the scene's cameras."""
        width, height, aspect_x, aspect_y = self._image_shape
        render = scene.render
        render.resolution_x = width
        render.resolution_y = height
        render.resolution_percentage = 100
        render.pixel_aspect_x = aspect_x
        render.pixel_aspect_y = aspect_y

    def _set_camera(self, scene: bpy.types.Scene, name: str) -> None:
        """Make the camera object called ``name`` the active one."""
        camera = scene.objects.get(name)
        if camera is None:
            raise SceneError(_GONE)
        scene.camera = camera


@dataclass(frozen=True)
class _CopyRenderer:
    """Renders one view of a scene copy, as a ``scenery.ViewRenderer``."""

    copy: SceneCopy
    scene: bpy.types.Scene
    view: FrameView

    def render_view(self) -> RenderedView:
        """Render the view with all passes; the color is color managed as the scene is."""
        compat.write_multilayer_exr(self.scene.render.image_settings)
        with guard_output(self.copy.folder, _FILES):
            passes = read_passes(self.copy.render_frame(self.scene, self.view.frame))
            catchers = _shadow_catchers(self.view.sources)
            return _view_from_passes(self.view, passes, self._managed_color(), catchers)

    def render_light(self) -> NDArray[np.float32]:
        """Render only the color, color managed, and return it as linear."""
        return _linear_light(self._render_color())

    def render_background(self, background: Background) -> NDArray[np.uint8] | None:
        """Return the background; the world is rendered."""
        render = self.scene.render
        if background.kind != "hdri":
            return image_background(background, render.resolution_x, render.resolution_y)

        # Beyond all objects there is only the world.
        lens = self.scene.camera.data
        clip_start = lens.clip_start
        clip_end = lens.clip_end
        lens.clip_start = _BEYOND
        lens.clip_end = 2 * _BEYOND

        try:
            with world_quality(self.scene):
                return self._render_color()
        finally:
            lens.clip_start = clip_start
            lens.clip_end = clip_end

    def content_holdout(self, occluders: bpy.types.Collection) -> AbstractContextManager[None]:
        """Make all objects but the occluders a holdout, instanced ones included."""
        occluder_names = {obj.name_full for obj in occluders.objects}
        names = {obj.name_full for obj in self.scene.objects} - occluder_names
        return _held_out(names | set(self.view.sources))

    def _render_color(self) -> NDArray[np.uint8]:
        """Render only the color: (H, W, 4) 8 bit, color managed."""
        compat.write_png(self.scene.render.image_settings)
        with guard_output(self.copy.folder, _FILES):
            self.copy.render_frame(self.scene, self.view.frame)
            return self._managed_color()

    def _managed_color(self) -> NDArray[np.uint8]:
        """Return the last rendered image, color managed as the scene is: (H, W, 4) 8 bit."""
        from PIL import Image

        compat.write_png(self.scene.render.image_settings)

        # The color management of the scene is applied when the result is saved.
        _animate_color_management(self.scene, self.view.frame)
        path = self.copy.folder / "colour.png"
        bpy.data.images["Render Result"].save_render(str(path), scene=self.scene)
        with Image.open(path, formats=["PNG"]) as image:
            return np.array(image)


@contextmanager
def scene_copy(scene: bpy.types.Scene, settings: CopySettings) -> Iterator[SceneCopy]:
    """Yield a :class:`SceneCopy`; the open file is restored on exit.

    Args:
        scene: To copy.
        settings: How.

    Raises:
        SceneError: Cycles is disabled.
    """
    require_cycles()
    with ExitStack() as stack:
        with kept_rigid_bodies(scene):
            copy = copied_scene(scene)
        copy.name = _NAME
        _remove_on_exit(stack, bpy.data.scenes, copy.name)
        empty = bpy.data.scenes.new(_EMPTY_NAME)
        _remove_on_exit(stack, bpy.data.scenes, empty.name)

        # Copies of cameras, because depth of field is switched off.
        cameras = _copy_cameras(copy, settings, stack)
        free_camera = _copy_camera(copy, None, stack)
        names = _CopyNames(
            source=scene.name,
            scene=copy.name,
            empty=empty.name,
            cameras=cameras,
            free_camera=free_camera.name,
        )

        set_quality(copy, settings.samples, settings.threads, settings.denoise)
        _set_up(copy, settings.layer, settings.world)
        folder = stack.enter_context(temporary_folder())
        reader = stack.enter_context(depsgraph_reader())
        yield SceneCopy(names, settings.size, reader, folder)


def _remove_on_exit(stack: ExitStack, blocks: bpy.types.bpy_prop_collection, name: str) -> None:
    """Remove a data-block when ``stack`` is closed, if it still exists."""

    def remove() -> None:
        if name in blocks:
            blocks.remove(blocks[name])

    stack.callback(remove)


def _copy_cameras(
    copy: bpy.types.Scene, settings: CopySettings, stack: ExitStack
) -> dict[str, str]:
    """Copy all cameras of a view layer; markers along a path then use the copies.

    Returns:
        The names of the copies, by those of the scene's cameras; the active one is first.
    """
    active = copy.camera
    copies = {}
    names = {}
    cameras = cameras_of_layer(copy, copy.view_layers[settings.layer])
    for name, obj in sorted(cameras.items(), key=lambda item: item[1] != active):
        copies[obj] = _copy_camera(copy, obj, stack)
        names[name] = copies[obj].name

    # Markers switch cameras, but not to hidden ones, and only along a path.
    for marker in list(copy.timeline_markers):
        if not marker.camera:
            continue
        if settings.path and not marker.camera.hide_render and marker.camera in copies:
            marker.camera = copies[marker.camera]
        else:
            copy.timeline_markers.remove(marker)

    return names


def _copy_camera(
    scene: bpy.types.Scene, obj: bpy.types.Object | None, stack: ExitStack
) -> bpy.types.Object:
    """Return a camera object in ``scene``, in focus everywhere and never hidden.

    Args:
        scene: The object is linked to it.
        obj: To copy; None for a new one.
        stack: It is removed when this is closed.
    """
    # Camera data may be shared, so they are copied, too.
    if obj:
        data = obj.data.copy()
        camera = obj.copy()
        camera.data = data
    else:
        data = bpy.data.cameras.new(_NAME)
        camera = bpy.data.objects.new(_NAME, data)

    camera.name = _CAMERA_NAME

    # Blur would be in no other pass. Hidden objects are not evaluated.
    data.dof.use_dof = False
    camera.hide_render = False
    camera.hide_viewport = False
    _remove_on_exit(stack, bpy.data.cameras, data.name)
    _remove_on_exit(stack, bpy.data.objects, camera.name)
    scene.collection.objects.link(camera)

    return camera


def _animate_color_management(scene: bpy.types.Scene, frame: int) -> None:
    """Set what is keyed of the color management to its value at ``frame``.

    A render evaluates the animation of a scene, but saving its result does not.
    """
    if not scene.animation_data:
        return
    for curve in compat.animation_curves(scene.animation_data):
        owner, _, name = curve.data_path.partition(".")
        if owner == "view_settings" and name in _KEYED_COLOR:
            setattr(scene.view_settings, name, curve.evaluate(frame))


def _shadow_catchers(sources: Mapping[str, int]) -> list[int]:
    """Return the pass_index of each object that is rendered only as the shadows on it."""
    objects = [obj for obj in bpy.data.objects if obj.is_shadow_catcher]
    return [sources[obj.name_full] for obj in objects if obj.name_full in sources]


@contextmanager
def _held_out(names: Collection[str]) -> Iterator[None]:
    """Make the objects with these full names holdouts; restore them on exit."""
    objects = [obj for obj in bpy.data.objects if obj.name_full in names]
    were_holdout = [obj.is_holdout for obj in objects]

    try:
        for obj in objects:
            obj.is_holdout = True
        yield
    finally:
        for obj, was_holdout in zip(objects, were_holdout, strict=True):
            obj.is_holdout = was_holdout


def _linear_light(color: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 8 bit sRGB with straight alpha as linear and premultiplied."""
    alpha = color[..., 3:] / 255.0
    premultiplied = color_space.to_linear(color[..., :3] / 255.0) * alpha
    return np.concatenate((premultiplied, alpha), axis=2).astype(np.float32)


def _set_up(scene: bpy.types.Scene, layer: str, world: bool) -> None:
    """Set the view layer, passes and output of the copy."""
    for other in [other for other in scene.view_layers if other.name != layer]:
        scene.view_layers.remove(other)

    passes = scene.view_layers[layer]
    passes.name = "Passes"
    passes.use = True
    passes.samples = 0

    # Only the passes that are read.
    properties = [prop.identifier for prop in passes.bl_rna.properties]
    for name in properties:
        if name.startswith("use_pass_"):
            setattr(passes, name, name.removeprefix("use_pass_") in _PASSES)

    render = scene.render
    for name in _DISABLED:
        setattr(render, name, False)
    render.film_transparent = not world
    render.dither_intensity = 0
    render.use_overwrite = True
    render.use_file_extension = True


def _fitted_shape(render: bpy.types.RenderSettings, size: int) -> tuple[int, int, float, float]:
    """Return the size of an image in the proportions of the scene's.

    Returns:
        Width and height, pixels, of which the longer one is ``size``, and the aspect of a pixel.
    """
    scale = size / max(render.resolution_x, render.resolution_y)
    width = max(_MIN_SIDE, round(render.resolution_x * scale))
    height = max(_MIN_SIDE, round(render.resolution_y * scale))
    return width, height, render.pixel_aspect_x, render.pixel_aspect_y


def _view_from_passes(
    view: FrameView, passes: Passes, color: NDArray[np.uint8], catchers: Sequence[int]
) -> RenderedView:
    """Return the passes of a file of the renderer as a view.

    Args:
        view: That was rendered.
        passes: As of ``render_output.read_passes``.
        color: (H, W, 4) 8 bit sRGB.
        catchers: The pass_index of shadow catchers. Of these only the shadows are visible, which
            have no surface.
    """
    names = ("IndexOB.X", "Object Index.X")
    numbers = np.rint(next(passes[name] for name in passes if name in names))
    is_solid = (color[..., 3] > 0) & ~np.isin(numbers, catchers)
    visible, depth, normal = decode_geometry(passes, is_solid)
    index = np.where(visible, numbers, 0).astype(np.uint16)

    flow = None
    if view.flow:
        # Cycles has (previous - current, current - next) with y up; stored are (next - current,
        # current - previous) with y down.
        vector = stack_channels(passes, "Vector", "XYZW")
        previous_x, previous_y, next_x, next_y = np.moveaxis(vector, 2, 0)
        motion = np.stack((-next_x, next_y, -previous_x, previous_y), axis=2)
        flow = np.where(visible[..., None], motion, 0).astype(np.float16)

    return RenderedView(
        kind=view.kind,
        camera=view.camera,
        colour=color,
        depth=depth,
        normal=normal,
        index=index,
        flow=flow,
    )
