"""Renders objects from given cameras in a temporary scene."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...dataset.records import RenderedView
from ...errors import MeshError, SceneError
from ...jobs.temporary_folders import temporary_folder
from .. import compat
from ..depsgraph import depsgraph_reader
from ..evaluation.playback import restored_values
from .camera_visibility import CameraCheck
from .lighting import LightSettings, StudioLights, temporary_lights
from .render_output import (
    decode_albedo,
    decode_geometry,
    decode_occlusion,
    decode_parts,
    guard_output,
    read_passes,
    stack_channels,
    to_srgb8,
)

_NAME = "Maquette Studio"
_OCCLUSION_REACH = 0.5  # longest sides within which a surface occludes another
_MIN_OCCLUSION_REACH = 1e-6  # meters
_CROP_MARGIN = 4  # pixels around the object that are rendered, too
_CLIP_RATIO = 1e-5  # of the near clip plane to the far one
_CLIP_MARGIN = 1.1  # by which the clip planes are beyond what is rendered
_NEAR_SHARE = 2e-3  # of the radius: nearer than surfaces are to any camera, see camera_visibility
_CLAMP = 4  # radiance of a sample at most, against speckles
_GONE = (
    "What was being rendered was deleted or undone. Do not change it during rendering, and "
    "render again. Finished files are kept"
)


class RenderStudio:
    """A scene with one camera, a dome and a sun; make it with :func:`render_studio`.

    Lengths are in meters, whatever the unit of the objects.

    Attributes:
        scene: The temporary scene.
        shown: The collection in it of the objects to render.
        unit: Meters of a unit of length of the objects.
        part_numbers: (F,) of the triangles of the last :meth:`evaluated_mesh`: ``pass_index`` of
            their materials.
    """

    def __init__(
        self,
        scene: bpy.types.Scene,
        shown: bpy.types.Collection,
        lights: StudioLights,
        folder: Path,
        relightable: bool = False,
        with_parts: bool = False,
    ) -> None:
        self.scene = scene
        self.shown = shown
        self.unit = 1.0
        self._lights = lights
        self._folder = folder
        self.part_numbers = np.empty(0, np.int32)
        self._relightable = relightable
        self._with_parts = with_parts
        self._vertices: NDArray[np.floating] | None = None
        self._bounds: NDArray[np.floating] | None = None

    def set_objects(
        self, objects: Iterable[bpy.types.Object], vertices: NDArray[np.floating] | None = None
    ) -> None:
        """Render just these objects from now on; they stay linked where they are.

        Args:
            objects: To render.
            vertices: (V, 3) of them all, world space, meters. If given, only the part of an image
                with them is rendered, which saves a third of the time, and surfaces within half
                their longest side count for the occlusion.
        """
        self._vertices = vertices
        self._bounds = None
        if vertices is not None:
            self._bounds = np.stack((vertices.min(0), vertices.max(0)))
            reach = _OCCLUSION_REACH * float(np.ptp(vertices, axis=0).max())
            reach = max(reach, _MIN_OCCLUSION_REACH)
            self.scene.world.light_settings.distance = reach / self.unit

        # Linked to the collection that is rendered, in addition to where they are.
        for obj in list(self.shown.objects):
            self.shown.objects.unlink(obj)
        for obj in objects:
            self.shown.objects.link(obj)

    def evaluated_mesh(self) -> MeshArrays:
        """Return the objects as the renderer gets them.

        Returns:
            vertices (V, 3) in world space, meters, and triangles (F, 3).

        Raises:
            MeshError: There is no face.
        """
        # With persistent data Cycles would keep the engine of the reader.
        self.scene.render.use_persistent_data = False
        with depsgraph_reader() as reader, restored_values():
            snapshot = reader.read_scene(
                self.scene, {}, lambda: bpy.ops.render.render(scene=self.scene.name)
            )

        self.scene.render.use_persistent_data = True

        if not snapshot.parts:
            names = ", ".join(obj.name for obj in self.shown.objects)
            raise MeshError(f"{names or 'nothing'} has no faces that are visible in renders")
        mesh = snapshot.joined_mesh()
        self.part_numbers = snapshot.joined_numbers()
        if self.unit == 1:
            return mesh
        return mesh.offset_and_scaled(np.zeros(3), self.unit)

    def camera_check(
        self, points: NDArray[np.floating], normals: NDArray[np.floating]
    ) -> Callable[[Camera], str | None]:
        """Return a check of cameras that have to see a surface among the objects.

        It returns why a camera is of no use, or None; see :class:`CameraCheck`.

        Args:
            points: (P, 3) on the surface, meters.
            normals: (P, 3) outward.
        """
        check = CameraCheck(self.scene, points / self.unit, normals)
        return lambda camera: check.rejection_reason(self._in_units(camera))

    def set_light(self, light: LightSettings) -> None:
        """Set the dome, the sun and the area lights."""
        self._lights.set_light(light.scaled(1 / self.unit))

    def render_view(self, kind: str, camera: Camera) -> RenderedView:
        """Render an image with its depth and normals.

        Args:
            kind: Of the view, as its record has it.
            camera: Of the view.
        """
        with self._cropped_render(camera):
            passes = self._render_passes(camera)
        color = stack_channels(passes, "Combined", "RGBA")
        _, depth, normal = decode_geometry(passes, color[..., 3] > 0)
        depth = depth if self.unit == 1 else depth * self.unit
        view = RenderedView(kind, camera, to_srgb8(color), depth, normal)
        if self._with_parts:
            view = replace(view, parts=decode_parts(passes, view))
        if not self._relightable:
            return view

        # The albedo and occlusion of a relightable view.
        reach = self.scene.world.light_settings.distance * self.unit
        longest_side = reach / _OCCLUSION_REACH

        return replace(
            view,
            albedo=decode_albedo(passes, view.colour),
            occlusion=decode_occlusion(passes, view, longest_side),
        )

    def render_image(self, camera: Camera) -> NDArray[np.float32]:
        """Render only the color: (H, W, 4) linear, premultiplied with alpha."""
        return stack_channels(self._render_passes(camera), "Combined", "RGBA")

    @contextmanager
    def _cropped_render(self, camera: Camera) -> Iterator[None]:
        """Render only the part of the image with the object; the rest is transparent."""
        render = self.scene.render
        if self._vertices is not None:
            # The border is in shares of the image, with y up.
            pixels, depth = camera.project(self._vertices)
            size = np.array((camera.width, camera.height))
            low = (pixels.min(0) - _CROP_MARGIN).clip(0, size) / size
            high = (pixels.max(0) + _CROP_MARGIN).clip(0, size) / size
            render.use_border = bool(depth.min() > 0 and (low < high).all())
            render.border_min_x = low[0]
            render.border_max_x = high[0]
            render.border_min_y = 1 - high[1]
            render.border_max_y = 1 - low[1]

        try:
            yield
        finally:
            render.use_border = False

    def _render_passes(self, camera: Camera) -> dict[str, NDArray[np.float32]]:
        """Render all passes, see :func:`read_passes`."""
        bounds = None if self._bounds is None else self._bounds / self.unit
        apply_camera(self.scene, self._in_units(camera), bounds)
        path = self._folder / "view.exr"
        path.unlink(missing_ok=True)  # an earlier image must not be read in place of this one

        self.scene.render.filepath = str(path)
        with guard_output(self._folder, path.name):
            with restored_values():
                bpy.ops.render.render(write_still=True, scene=self.scene.name)
            return read_passes(path)

    def _in_units(self, camera: Camera) -> Camera:
        """Return ``camera`` in the unit of the objects."""
        return camera if self.unit == 1 else camera.scaled(1 / self.unit)


@contextmanager
def render_studio(
    samples: int,
    threads: int = 0,
    denoise: bool = False,
    relightable: bool = False,
    with_parts: bool = False,
) -> Iterator[RenderStudio]:
    """Yield a :class:`RenderStudio`; the open file is restored on exit, also on cancel.

    Args:
        samples: Of Cycles a pixel; time grows with it, noise falls with its square root.
        threads: Of the renderer; 0 for all cores.
        denoise: See :func:`set_quality`.
        relightable: Whether views have albedo and occlusion, too.
        with_parts: Whether views have parts, too: the ``pass_index`` of the materials.

    Raises:
        SceneError: Cycles is disabled, or the studio or what it renders was deleted or undone.
    """
    require_cycles()
    had_result = bool(_render_result())
    scene = bpy.data.scenes.new(_NAME)
    camera_data = bpy.data.cameras.new(_NAME)
    camera = bpy.data.objects.new(_NAME, camera_data)
    shown = bpy.data.collections.new(_NAME)

    try:
        scene.collection.children.link(shown)
        scene.collection.objects.link(camera)
        scene.camera = camera

        # Quality, light paths and passes.
        _set_up(scene, samples, threads, denoise)
        if relightable:
            _add_passes(scene.view_layers[0])
        scene.view_layers[0].use_pass_material_index = with_parts

        # The lights and the output folder exist as long as the studio.
        with (
            temporary_folder() as folder,
            _release_render_data(scene),
            temporary_lights(scene, {}) as lights,
        ):
            yield RenderStudio(scene, shown, lights, folder, relightable, with_parts)
    except ReferenceError as error:
        raise SceneError(_GONE) from error
    finally:
        with suppress(ReferenceError):  # an undo removes all of them
            bpy.data.scenes.remove(scene)
            bpy.data.collections.remove(shown)
            bpy.data.cameras.remove(camera_data)
        if not had_result:
            bpy.data.batch_remove(_render_result())


def _render_result() -> list[bpy.types.Image]:
    """Return Blender's image of the last render, if there was one."""
    return [image for image in bpy.data.images if image.type == 'RENDER_RESULT']


@contextmanager
def _release_render_data(scene: bpy.types.Scene) -> Iterator[None]:
    """Let Cycles release its data of ``scene`` on exit, and before an undo or another file.

    Else it would keep a graph of a scene that no longer exists, and Blender would crash.
    """

    def release(*_: object) -> None:
        with suppress(ReferenceError):
            scene.render.use_persistent_data = False

    handlers = bpy.app.handlers
    handler_lists = (handlers.undo_pre, handlers.redo_pre, handlers.load_pre)
    for handler_list in handler_lists:
        handler_list.append(release)

    try:
        yield
    finally:
        release()
        for handler_list in handler_lists:
            with suppress(ValueError):  # loading another file removes them
                handler_list.remove(release)


def apply_camera(
    scene: bpy.types.Scene, camera: Camera, bounds: NDArray[np.floating] | None = None
) -> None:
    """Let the camera object of ``scene`` render as ``camera`` does.

    Args:
        scene: With the camera object.
        camera: To render as.
        bounds: (2, 3) of what is rendered, all of which is within the clip planes.
    """
    render = scene.render
    obj = scene.camera
    data = obj.data
    focal_x = camera.intrinsics[0, 0]
    focal_y = camera.intrinsics[1, 1]
    center_x = camera.intrinsics[0, 2]
    center_y = camera.intrinsics[1, 2]

    render.resolution_x = camera.width
    render.resolution_y = camera.height
    render.resolution_percentage = 100
    obj.matrix_world = mathutils.Matrix(camera.to_world)

    # Different focal lengths are pixels that are not square; Blender accepts no aspect below 1.
    pixel_aspect = focal_x / focal_y
    render.pixel_aspect_x = max(1 / pixel_aspect, 1)
    render.pixel_aspect_y = max(pixel_aspect, 1)

    # With a horizontal fit, scale, lens and both shifts are relative to the width, and counted in
    # pixels as wide as they are.
    data.type = 'ORTHO' if camera.orthographic else 'PERSP'
    data.sensor_fit = 'HORIZONTAL'
    data.ortho_scale = camera.width / focal_x
    data.lens = focal_x / camera.width * data.sensor_width
    data.shift_x = (camera.width / 2 - center_x) / camera.width
    data.shift_y = (center_y - camera.height / 2) / camera.width * pixel_aspect

    # Far enough for any object around the origin that the camera looks at.
    max_distance = float(np.linalg.norm(camera.to_world[:3, 3])) * 4 + 100
    clip_start = max_distance * _CLIP_RATIO
    clip_end = max_distance
    if bounds is not None:
        clip_start, clip_end = _fitted_clip(camera, bounds, clip_start, clip_end)
    data.clip_start = clip_start
    data.clip_end = clip_end


def _fitted_clip(
    camera: Camera, bounds: NDArray[np.floating], clip_start: float, clip_end: float
) -> tuple[float, float]:
    """Return clip planes that hold all of ``bounds`` (2, 3) in front of the camera.

    They are the given ones wherever these do.
    """
    corners = np.array(list(itertools.product(*bounds.T.tolist())))
    depth = camera.project(corners)[1]
    farthest = float(depth.max())
    if farthest > clip_end:
        clip_end = farthest * _CLIP_MARGIN

    # Within the bounds a surface may be as near as cameras come to one.
    nearest = float(depth.min())
    radius = float(np.linalg.norm(np.ptp(bounds, axis=0))) / 2
    if nearest < clip_start:
        clip_start = min(clip_start, max(nearest / _CLIP_MARGIN, radius * _NEAR_SHARE))
    return clip_start, clip_end


def require_cycles() -> None:
    """Raise SceneError if Cycles, an add-on that comes with Blender, is disabled."""
    if not hasattr(bpy.types.Scene, "cycles"):
        raise SceneError(
            "Rendering needs Cycles, which is disabled. Enable the add-on Cycles Render Engine in "
            "the preferences"
        )


def set_quality(scene: bpy.types.Scene, samples: int, threads: int, denoise: bool) -> None:
    """Let Cycles render ``scene`` on the CPU, reproducibly.

    Args:
        scene: To set up.
        samples: Of every pixel, always the same.
        threads: 0 for all cores.
        denoise: Denoise the color by Open Image Denoise, guided by albedo and normals as they are:
            to denoise these first takes the time of 15 more samples, which show more. The other
            passes are not changed.
    """
    render = scene.render
    cycles = scene.cycles
    render.engine = 'CYCLES'
    cycles.device = 'CPU'
    cycles.samples = samples
    cycles.seed = 0
    cycles.time_limit = 0
    cycles.use_adaptive_sampling = False

    cycles.use_denoising = denoise
    if denoise:
        cycles.denoiser = 'OPENIMAGEDENOISE'
        cycles.denoising_input_passes = 'RGB_ALBEDO_NORMAL'
        cycles.denoising_prefilter = 'NONE'
        cycles.denoising_quality = 'BALANCED'
        cycles.denoising_use_gpu = False
        for layer in scene.view_layers:
            layer.cycles.use_denoising = True

    if threads:
        render.threads_mode = 'FIXED'
        render.threads = threads


def _set_up(scene: bpy.types.Scene, samples: int, threads: int, denoise: bool) -> None:
    """Set the quality, light paths and output of the studio's scene."""
    set_quality(scene, samples, threads, denoise)

    # Short light paths: one object under simple light needs no more.
    cycles = scene.cycles
    cycles.caustics_reflective = False
    cycles.caustics_refractive = False
    cycles.max_bounces = 1
    cycles.transparent_max_bounces = 4
    cycles.sample_clamp_direct = _CLAMP
    cycles.sample_clamp_indirect = _CLAMP

    render = scene.render
    render.film_transparent = True
    render.use_persistent_data = True
    render.use_compositing = False
    render.use_sequencer = False
    compat.write_multilayer_exr(render.image_settings)

    layer = scene.view_layers[0]
    layer.use_pass_z = True
    layer.use_pass_normal = True


def _add_passes(layer: bpy.types.ViewLayer) -> None:
    """Add the passes of albedo and occlusion."""
    layer.use_pass_ambient_occlusion = True
    layer.use_pass_diffuse_color = True
    layer.use_pass_glossy_color = True
    layer.use_pass_transmission_color = True
