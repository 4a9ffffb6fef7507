"""Renders objects from given cameras, in a scene of its own that is gone afterwards."""

from __future__ import annotations

import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...dataset import occlusion_smoothing
from ...dataset.records import RenderedView
from ...errors import ImageError, MeshError, OutputError, SceneError
from ...imaging import color as color_space
from ...imaging import exr
from .. import compat
from ..depsgraph import depsgraph_reader
from .camera_visibility import CameraCheck
from .lighting import LightSettings, StudioLights, temporary_lights

_OCCLUSION_REACH = 0.5  # longest sides
_SMOOTHED_APART = 0.02  # longest sides: how far from the plane of a pixel others still tell of it
_FAR = 1e9  # Blender writes 1e10 as the depth of nothing
_BESIDE = 4  # pixels about what is shown that are rendered too
_GONE = (
    "What was being rendered was deleted or undone. Do not change it during rendering, and "
    "render again. Finished files are kept"
)
_MIN_FREE_BYTES = (
    2**26
)  # bytes free on a disk on which a picture that is not whole was not the disk's fault


class RenderStudio:
    """A scene with one camera, a light dome and a sun. Make it with :func:`render_studio`.

    scene: its own, with a camera and lights. shown: the collection in it of what stands before the camera.
    """

    def __init__(
        self,
        scene: bpy.types.Scene,
        shown: bpy.types.Collection,
        lights: StudioLights,
        folder: Path,
        relightable: bool = False,
    ) -> None:
        self.scene = scene
        self.shown = shown
        self._lights = lights
        self._folder = folder
        self._relightable = relightable
        self._vertices: NDArray[np.floating] | None = None

    def set_objects(
        self, objects: Iterable[bpy.types.Object], vertices: NDArray[np.floating] | None = None
    ) -> None:
        """Put just these objects before the camera; they stay linked where they were.

        Args:
            vertices: (V, 3) of them all, world space; if given, a picture is rendered only about where these fall,
                which saves a third of the time. Occlusion is told within half the longest side of them.
        """
        self._vertices = vertices
        if vertices is not None:
            reach = _OCCLUSION_REACH * float(np.ptp(vertices, axis=0).max())
            self.scene.world.light_settings.distance = max(reach, 1e-6)
        for obj in list(self.shown.objects):
            self.shown.objects.unlink(obj)
        for obj in objects:
            self.shown.objects.link(obj)

    def evaluated_mesh(self) -> MeshArrays:
        """What is shown, as the renderer gets it: vertices (V, 3) in world space, metres, and triangles (F, 3).

        Raises:
            MeshError: it has no face.
        """
        self.scene.render.use_persistent_data = False  # it would keep the reader's engine
        with depsgraph_reader() as reading:
            snapshot = reading.read_scene(
                self.scene, (), lambda: bpy.ops.render.render(scene=self.scene.name)
            )
        self.scene.render.use_persistent_data = True
        if not snapshot.parts:
            names = ", ".join(obj.name for obj in self.shown.objects)
            raise MeshError(f"{names or 'nothing'} has no faces that are visible in renders")
        counts = np.cumsum([0, *(len(part.vertices) for part in snapshot.parts)])
        return MeshArrays(
            np.concatenate([part.world_vertices() for part in snapshot.parts]).astype(np.float32),
            np.concatenate(
                [
                    part.triangles + first
                    for part, first in zip(snapshot.parts, counts, strict=False)
                ]
            ),
        )

    def camera_check(
        self, points: NDArray[np.floating], normals: NDArray[np.floating]
    ) -> CameraCheck:
        """Tells which cameras see a surface among the shown objects; see :class:`CameraCheck`."""
        return CameraCheck(self.scene, points, normals)

    def set_light(self, light: LightSettings) -> None:
        """Set the dome, the sun and the lamps; see :class:`LightSettings`."""
        self._lights.set_light(light)

    def render_view(self, kind: str, camera: Camera) -> RenderedView:
        """One picture with its depth and normals; see :class:`RenderedView`."""
        with self._cropped_render(camera):
            passes = self._render_passes(camera)
        color = stack_channels(passes, "Combined", "RGBA")
        _, depth, normal = decode_geometry(passes, color[..., 3] > 0)
        view = RenderedView(kind, camera, to_srgb8(color), depth, normal)
        if not self._relightable:
            return view
        size = 2 * self.scene.world.light_settings.distance
        return replace(
            view,
            albedo=albedo(passes, view.colour),
            occlusion=occlusion(passes, view, size),
        )

    def render_image(self, camera: Camera) -> NDArray[np.float32]:
        """Just the light: (H, W, 4) linear, premultiplied with alpha."""
        return stack_channels(self._render_passes(camera), "Combined", "RGBA")

    @contextmanager
    def _cropped_render(self, camera: Camera) -> Iterator[None]:
        """Nothing is rendered meanwhile but the part of the picture where the object is; the rest is clear."""
        render = self.scene.render
        if self._vertices is not None:
            pixels, depth = camera.project(self._vertices)
            size = np.array((camera.width, camera.height))
            low = (pixels.min(0) - _BESIDE).clip(0, size) / size
            high = (pixels.max(0) + _BESIDE).clip(0, size) / size
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
        apply_camera(self.scene, camera)
        path = self._folder / "view.exr"
        path.unlink(missing_ok=True)  # a picture of before must not pass for this one
        self.scene.render.filepath = str(path)
        with guard_output(self._folder, path.name):
            bpy.ops.render.render(write_still=True, scene=self.scene.name)
            return read_passes(path)


@contextmanager
def render_studio(
    samples: int, threads: int = 0, denoise: bool = False, relightable: bool = False
) -> Iterator[RenderStudio]:
    """A :class:`RenderStudio`; the open file is as before afterwards, also on cancel.

    Args:
        samples: of Cycles a pixel; time grows with it, noise falls with its square root.
        threads: of the renderer; 0 for all cores. denoise: see :func:`set_quality`.
        relightable: whether its pictures have albedo and occlusion, too.

    Raises:
        SceneError: what it shows, or itself, was deleted or undone meanwhile.
    """
    rendered = bool(_render_result())
    scene = bpy.data.scenes.new("Maquette Studio")
    data = bpy.data.cameras.new("Maquette Studio")
    camera = bpy.data.objects.new("Maquette Studio", data)
    shown = bpy.data.collections.new("Maquette Studio")
    scene.collection.children.link(shown)
    scene.collection.objects.link(camera)
    scene.camera = camera
    _set_up(scene, samples, threads, denoise)
    if relightable:
        _add_passes(scene.view_layers[0])
    try:
        with (
            tempfile.TemporaryDirectory(prefix="maquette_") as folder,
            _release_render_data(scene),
            temporary_lights(scene, {}) as lights,
        ):
            yield RenderStudio(scene, shown, lights, Path(folder), relightable)
    except ReferenceError as error:
        raise SceneError(_GONE) from error
    finally:
        with suppress(ReferenceError):  # an undo takes all of them
            bpy.data.scenes.remove(scene)
            bpy.data.collections.remove(shown)
            bpy.data.cameras.remove(data)
        if not rendered:
            bpy.data.batch_remove(_render_result())


def _render_result() -> list[bpy.types.Image]:
    """Blender's own image of what was rendered last, if anything was."""
    return [image for image in bpy.data.images if image.type == 'RENDER_RESULT']


@contextmanager
def _release_render_data(scene: bpy.types.Scene) -> Iterator[None]:
    """Cycles keeps nothing of ``scene`` after this, nor through an undo or another file.

    It would keep a graph of a scene that is gone: Blender crashes.
    """

    def let_go(*_: object) -> None:
        with suppress(ReferenceError):
            scene.render.use_persistent_data = False

    moments = bpy.app.handlers.undo_pre, bpy.app.handlers.redo_pre, bpy.app.handlers.load_pre
    for handlers in moments:
        handlers.append(let_go)
    try:
        yield
    finally:
        let_go()
        for handlers in moments:
            with suppress(ValueError):  # another file's coming takes them
                handlers.remove(let_go)


def apply_camera(scene: bpy.types.Scene, camera: Camera) -> None:
    """Let the camera object of ``scene`` render as ``camera`` does."""
    render = scene.render
    obj = scene.camera
    render.resolution_x = camera.width
    render.resolution_y = camera.height
    render.resolution_percentage = 100
    obj.matrix_world = mathutils.Matrix(camera.to_world)
    data = obj.data
    focal = camera.intrinsics[0, 0]
    tall = camera.intrinsics[0, 0] / camera.intrinsics[1, 1]
    # Blender takes none below 1
    render.pixel_aspect_x = max(1 / tall, 1)
    render.pixel_aspect_y = max(tall, 1)
    data.type = 'ORTHO' if camera.orthographic else 'PERSP'
    # under a horizontal fit, scale, lens and both shifts belong to the width, counted in pixels as wide as they are
    data.sensor_fit = 'HORIZONTAL'
    data.ortho_scale = camera.width / focal
    data.lens = focal / camera.width * data.sensor_width
    data.shift_x = (camera.width / 2 - camera.intrinsics[0, 2]) / camera.width
    data.shift_y = (camera.intrinsics[1, 2] - camera.height / 2) / camera.width * tall
    reach = float(np.linalg.norm(camera.to_world[:3, 3])) * 4 + 100
    data.clip_start = reach * 1e-5
    data.clip_end = reach


def set_quality(scene: bpy.types.Scene, samples: int, threads: int, denoise: bool) -> None:
    """Let Cycles render ``scene`` on the processor, with so many samples for every pixel, always the same.

    Args:
        threads: 0 for all cores. denoise: free colour of noise by Open Image Denoise, guided by albedo and normals as
            they are: to clean these first takes the time of 15 samples more, which show more. The other passes stay.
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
    set_quality(scene, samples, threads, denoise)
    render = scene.render
    cycles = scene.cycles
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.max_bounces = 1
    cycles.transparent_max_bounces = 4
    cycles.sample_clamp_direct = cycles.sample_clamp_indirect = 4
    render.film_transparent = render.use_persistent_data = True
    render.use_compositing = render.use_sequencer = False
    compat.write_multilayer_exr(render.image_settings)
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_normal = True


def _add_passes(layer: bpy.types.ViewLayer) -> None:
    layer.use_pass_ambient_occlusion = True
    layer.use_pass_diffuse_color = layer.use_pass_glossy_color = (
        layer.use_pass_transmission_color
    ) = True


@contextmanager
def guard_output(folder: Path, name: str) -> Iterator[None]:
    """Within it a picture is rendered into ``folder``, as ``name`` (a pattern), and read.

    Raises:
        OutputError: it could not be written whole.
    """
    try:
        yield
    except (
        RuntimeError,
        OSError,
        ImageError,
        struct.error,
        zlib.error,
        ValueError,
        IndexError,
    ) as error:
        free = shutil.disk_usage(folder).free
        other = isinstance(error, RuntimeError) and "cannot save" not in str(
            error
        )  # Blender's, of the scene
        if other and any(folder.glob(name)) and free > _MIN_FREE_BYTES:
            raise
        raise OutputError(
            f"{folder} could not be written completely ({free / 2**20:.0f} MiB free). Free some "
            "space, or set TMPDIR to another folder, and run again"
        ) from error


def read_passes(path: Path) -> dict[str, NDArray[np.float32]]:
    """All channels (H, W) of the renderer's file of one view layer, named as in "Normal.X"."""
    return {name.partition(".")[2]: values for name, values in exr.read_exr(path).items()}


def stack_channels(
    passes: Mapping[str, NDArray[np.float32]], name: str, channels: str
) -> NDArray[np.float32]:
    """The pass ``name`` (H, W, C)."""
    return np.stack([passes[f"{name}.{channel}"] for channel in channels], axis=2)


def decode_geometry(
    passes: Mapping[str, NDArray[np.float32]], covered: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float16]]:
    """Where a surface is seen (H, W), its depth (H, W) and unit normal (H, W, 3), zero elsewhere.

    Args:
        covered: (H, W) where the picture shows anything.
    """
    depth = next(values for name, values in passes.items() if name in ("Depth.Z", "Depth.V"))
    along = [passes[f"Normal.{axis}"] for axis in "XYZ"]
    length = np.sqrt(sum(part * part for part in along))
    seen = covered & (depth < _FAR) & (length > 1e-6)
    normal = np.zeros((*seen.shape, 3), np.float16)
    normal[seen] = np.stack([part[seen] / length[seen] for part in along], axis=1)
    return seen, np.where(seen, depth, 0), normal


def to_srgb8(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Linear premultiplied light to sRGB with straight alpha, 8 bit (Blender's 'Standard' view)."""
    alpha = linear[..., 3].clip(0, 1)
    covered = alpha > 0
    shown = np.zeros(linear.shape, np.uint8)
    share = alpha[covered, None]
    color = color_space.from_linear(linear[covered, :3] / np.maximum(share, 1e-6))
    shown[covered] = np.concatenate((color, share), axis=1) * 255 + 0.5
    return shown


def albedo(
    passes: Mapping[str, NDArray[np.float32]], color: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB, 8 bit: the share of even white light that the surface sends back.

    The sum of Cycles' colors of diffuse, glossy and transmitted light: each alone is black on
    metal, cloth or glass. 0 where ``colour`` (H, W, 4) is clear.
    """
    light = np.sum(
        [stack_channels(passes, name, "RGB") for name in ("DiffCol", "GlossCol", "TransCol")],
        axis=0,
    )
    alpha = stack_channels(passes, "Combined", "A")
    shown = color_space.from_linear((light / np.maximum(alpha, 1e-6)).clip(0, 1))
    return np.where(color[..., 3:] > 0, shown * 255 + 0.5, 0).astype(np.uint8)


def occlusion(
    passes: Mapping[str, NDArray[np.float32]], view: RenderedView, size: float
) -> NDArray[np.uint8]:
    """(H, W) 8 bit, 255 where nothing is near above the surface; 0 where ``view`` is clear.

    Cycles sends one ray a sample, so the noise of few samples is taken out along the surface.

    Args:
        size: longest side of what is shown, metres.
    """
    open_ = (passes["AO.R"] / np.maximum(passes["Combined.A"], 1e-6)).clip(0, 1)
    if view.depth.any():
        open_ = occlusion_smoothing.along_surface(open_, view, _SMOOTHED_APART * size)
    return np.where(view.colour[..., 3] > 0, open_ * 255 + 0.5, 0).astype(np.uint8)
