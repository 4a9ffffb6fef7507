"""The active mesh as an artist goes on with it: its topology and its texture."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty
from bpy.types import Context
from mathutils import Vector

from ..core.arrays import MeshArrays
from ..core.errors import MeshError
from ..core.jobs.task import SteppedTask, Task
from ..core.scene import meshes, source_views
from ..core.scene.finishing import pipeline, remesh, texturing
from ..core.scene.finishing.pipeline import FinishOutput
from ..core.scene.finishing.remesh import RemeshResult
from . import _compute
from ._task_operator import TaskOperator
from .properties.finish import TextureProperties, TopologyProperties

TOLD = "maquette_finished"  # the object's custom property that keeps what the panel tells of it
_MILLIMETERS = 1000.0


def start_finishing(
    obj: bpy.types.Object,
    mesh: MeshArrays,
    settings: remesh.FinishSettings | None,
    texture_size: int,
    window: bool = False,
) -> Task[FinishOutput]:
    """Finish ``mesh``, that of ``obj``, and texture it. Reads ``obj`` at once and changes nothing: :func:`apply_result` does.

    Args:
        settings, texture_size: see ``core.scene.finishing.pipeline.finish_and_texture``. window: see :func:`.compute.run_blender`.

    Raises:
        MeshError, ImageError: see ``core.scene.finishing.pipeline.finish_and_texture`` and ``kept_views.kept_with``.
    """
    if settings is None and len(mesh.faces) != len(obj.data.polygons):
        raise MeshError(
            f"{obj.name!r} has faces of mixed kinds: finish it first, or triangulate it"
        )
    if not len(mesh.faces):
        raise MeshError(f"{obj.name!r} has no faces")
    return _compute.run_in_blender(
        pipeline.finish_and_texture,
        mesh,
        source_views.load_views(obj),
        settings,
        texture_size,
        window=window,
    )


def apply_result(
    obj: bpy.types.Object, result: FinishOutput, smooth_angle: float = 0.7
) -> list[str]:
    """Give ``obj``, which is in Object Mode, what came of :func:`start_finishing`, and say what that is."""
    told = []
    moved = source_views.count_stale(obj)
    if result.finished:
        for modifier in [modifier for modifier in obj.modifiers if modifier.type == 'MULTIRES']:
            obj.modifiers.remove(modifier)  # its details are the old mesh's
        meshes.replace_mesh(obj, result.finished.mesh)
        obj.data.set_sharp_from_angle(angle=smooth_angle)
        told = _finish_summary(result.finished)
    if result.texture:
        texturing.apply_texture(obj, result.texture)
        told.append("texture of {} x {}".format(*result.texture.size))
        if moved:
            told.append(
                f"{moved} pictures left out: the mesh is not where it was in them. Texture before you apply a transform"
            )
    return told


def _finish_summary(finished: RemeshResult) -> list[str]:
    kind = "quads" if finished.mesh.faces.shape[1] == 4 else "triangles"
    told = [f"{len(finished.mesh.faces):,} {kind}", finished.after.summary()]
    if finished.remade:
        told.append(
            "surface made anew: "
            + ("parts overlapped" if finished.before.is_watertight else finished.before.summary())
        )
    if finished.removed:
        told.append(f"{finished.removed} loose pieces removed")
    word = {
        None: "most symmetric",
        True: "made symmetric",
        False: "too far from symmetric to be made so",
    }
    told.append(f"{word[finished.symmetric]}: {finished.plane.summary()}")
    return told


def scale_of(obj: bpy.types.Object, scene: bpy.types.Scene) -> tuple[float, float, float]:
    """Metres along each axis of one unit of the mesh of ``obj``."""
    return tuple(
        abs(axis) * scene.unit_settings.scale_length for axis in obj.matrix_world.to_scale()
    )


def thin_walls(
    obj: bpy.types.Object, finished: RemeshResult, least: float, scene: bpy.types.Scene
) -> tuple[list[str], bool]:
    """Its size and thinnest wall in words, and whether that is below ``least`` metres; selects faces of such walls."""
    thickness, place = finished.walls.thinnest_place()
    thin = finished.walls.thickness < least
    obj.data.polygons.foreach_set("select", thin)
    unit = scene.unit_settings.scale_length
    location, rotation, _ = obj.matrix_world.decompose()
    world = rotation @ Vector(place / unit) + location
    where = ", ".join(f"{axis * unit * _MILLIMETERS:.1f}" for axis in world)
    size = " x ".join(f"{axis * unit * _MILLIMETERS:.1f}" for axis in obj.dimensions)
    return [
        f"{size} mm",
        f"thinnest wall {thickness * _MILLIMETERS:.2f} mm",
        f"at ({where}) mm",
    ], bool(thin.any())


class _ActiveMesh(TaskOperator):
    """Mix-in: acts on the active mesh object, which is kept by name, since the user may undo or delete meanwhile."""

    driver = SteppedTask  # remeshing and unwrapping need the main thread, where no second Blender does them

    @classmethod
    def poll(cls, context: Context) -> bool:
        obj = context.active_object
        if obj is None or obj.type != 'MESH' or not obj.is_editable or not obj.data.is_editable:
            cls.poll_message_set("Make a mesh object active that is not linked from another file")
            return False
        if context.mode != 'OBJECT':
            cls.poll_message_set("Go to Object Mode first")
            return False
        return True  # it reads all that it needs when its turn comes, so it may wait in line

    def label(self) -> str:
        return f"{self.bl_label} {self._name}"

    def begin_finishing(
        self, context: Context, settings: remesh.FinishSettings | None, texture_size: int
    ) -> Task[FinishOutput]:
        self._name = context.active_object.name
        return self._finishing_task(settings, texture_size)

    def _finishing_task(
        self, settings: remesh.FinishSettings | None, texture_size: int
    ) -> Task[FinishOutput]:
        obj = self._find_mesh(bpy.context)
        if obj.mode == 'EDIT':
            raise MeshError(f"{self._name!r} is in Edit Mode: leave that, then click again")
        self._mesh = meshes.to_arrays(obj.data)
        return (
            yield from start_finishing(obj, self._mesh, settings, texture_size, self.interactive)
        )

    def _find_mesh(self, context: Context) -> bpy.types.Object:
        obj = context.scene.objects.get(self._name)
        if obj is None or obj.type != 'MESH':
            raise MeshError(f"{self._name!r} is gone: nothing was changed")
        return obj

    def active_object(self, context: Context) -> bpy.types.Object:
        """The object that the work began with, in Object Mode.

        Raises:
            MeshError: it is gone, or another by now.
        """
        obj = self._find_mesh(context)
        if context.mode != 'OBJECT':  # the window stayed usable meanwhile
            bpy.ops.object.mode_set(mode='OBJECT')
        if not meshes.to_arrays(obj.data).has_same_surface(self._mesh):
            raise MeshError(
                f"{self._name!r} was changed meanwhile, and stays as it is: click again"
            )
        return obj

    def report_result(self, obj: bpy.types.Object, told: list[str], warn: bool = False) -> None:
        """Report it, and keep it for the panel."""
        obj[TOLD] = told
        self.report({'WARNING' if warn else 'INFO'}, f"{obj.name}: {'; '.join(told)}")


class MAQUETTE_OT_finish(TopologyProperties, TextureProperties, _ActiveMesh, bpy.types.Operator):
    """Remesh the active object for what it is for: closed, manifold, faces outward, colors kept"""

    bl_idname = "maquette.finish"
    bl_label = "Finish"
    bl_options = {'REGISTER', 'UNDO'}

    texture: BoolProperty(
        name="Texture",
        description="Unwrap it and give it a texture of its pictures, as the preset Game always does. Takes seconds",
    )

    def start(self, context: Context) -> Task[FinishOutput]:
        textured = self.texture or self.preset == 'GAME'
        scale = scale_of(context.active_object, context.scene)
        return self.begin_finishing(
            context, self.finish_settings(scale), int(self.texture_size) if textured else 0
        )

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: what needs no other mesh."""
        self.layout.use_property_split = True
        for name in ("smooth_angle", "multires", *(["wall"] if self.preset == 'PRINT' else [])):
            self.layout.prop(self, name)

    def finish(self, context: Context, result: FinishOutput) -> None:
        obj = self.active_object(context)
        warn = False
        told = apply_result(obj, result, self.smooth_angle)
        if self.multires:
            _add_multires(context, obj, self.multires)
        if result.finished.walls:
            if context.scene.unit_settings.system == 'METRIC':
                context.scene.unit_settings.length_unit = 'MILLIMETERS'
            measured, warn = thin_walls(obj, result.finished, self.wall, context.scene)
            told += measured
        if self.interactive:
            show_shading(context, bool(result.texture))
        self.report_result(obj, told, warn)


class MAQUETTE_OT_texture(TextureProperties, _ActiveMesh, bpy.types.Operator):
    """Unwrap the active object and give it a texture of the pictures it was made from, its own colors elsewhere"""

    bl_idname = "maquette.texture"
    bl_label = "Texture"
    bl_options = {'REGISTER', 'UNDO'}

    def start(self, context: Context) -> Task[FinishOutput]:
        return self.begin_finishing(context, None, int(self.texture_size))

    def draw(self, context: Context) -> None:
        """Adjust Last Operation has nothing here that would not bake again."""

    def finish(self, context: Context, result: FinishOutput) -> None:
        obj = self.active_object(context)
        self.report_result(obj, apply_result(obj, result))
        if self.interactive:
            show_shading(context, True)


def _add_multires(context: Context, obj: bpy.types.Object, levels: int) -> None:
    modifier = obj.modifiers.new("Multires", 'MULTIRES')
    with context.temp_override(object=obj, active_object=obj):
        for _ in range(levels):
            bpy.ops.object.multires_subdivide(modifier=modifier.name, mode='CATMULL_CLARK')


def show_shading(context: Context, texture: bool) -> None:
    """Let Solid views that show the colours of materials, attributes or textures show textures, or attributes."""
    for area in context.screen.areas:
        if area.type == 'VIEW_3D':
            shading = area.spaces.active.shading
            if shading.type == 'SOLID' and shading.color_type in {'MATERIAL', 'VERTEX', 'TEXTURE'}:
                shading.color_type = 'TEXTURE' if texture else 'VERTEX'


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_finish, MAQUETTE_OT_texture))
