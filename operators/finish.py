"""The active mesh as an artist goes on with it: its topology and its texture."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty
from bpy.types import Context
from mathutils import Vector

from ..core.arrays import MeshArrays
from ..core.errors import MeshError
from ..core.jobs.task import SteppedWork, Work
from ..core.scene import meshes, source_views
from ..core.scene.finishing import pipeline, remesh, texturing
from ..core.scene.finishing.pipeline import Final
from ..core.scene.finishing.remesh import Finished
from . import _compute
from ._task_operator import WorkOperator
from .properties.finish import TextureProperties, TopologyProperties

TOLD = "maquette_finished"  # the object's custom property that keeps what the panel tells of it
_MILLIMETRES = 1000.0


def finish(
    obj: bpy.types.Object,
    mesh: MeshArrays,
    settings: remesh.Settings | None,
    texture_size: int,
    window: bool = False,
) -> Work[Final]:
    """Finish ``mesh``, that of ``obj``, and texture it. Reads ``obj`` at once and changes nothing: :func:`put` does.

    Args:
        settings, texture_size: see ``core.scene.finishing.pipeline.make``. window: see :func:`.compute.run_blender`.

    Raises:
        MeshError, ImageError: see ``core.scene.finishing.pipeline.make`` and ``kept_views.kept_with``.
    """
    if settings is None and len(mesh.faces) != len(obj.data.polygons):
        raise MeshError(f"{obj.name!r} has faces of mixed kinds: finish it first, or triangulate it")
    if not len(mesh.faces):
        raise MeshError(f"{obj.name!r} has no faces")
    return _compute.run_blender(pipeline.make, mesh, source_views.kept_with(obj), settings, texture_size, window=window)


def put(obj: bpy.types.Object, result: Final, smooth_angle: float = 0.7) -> list[str]:
    """Give ``obj``, which is in Object Mode, what came of :func:`finish`, and say what that is."""
    told, moved = [], source_views.moved(obj)
    if result.finished:
        for modifier in [modifier for modifier in obj.modifiers if modifier.type == 'MULTIRES']:
            obj.modifiers.remove(modifier)  # its details are the old mesh's
        meshes.replace_mesh(obj, result.finished.mesh)
        obj.data.set_sharp_from_angle(angle=smooth_angle)
        told = _told(result.finished)
    if result.texture:
        texturing.put_on(obj, result.texture)
        told.append("texture of {} x {}".format(*result.texture.size))
        if moved:
            told.append(
                f"{moved} pictures left out: the mesh is not where it was in them. Texture before you apply a transform"
            )
    return told


def _told(finished: Finished) -> list[str]:
    kind = "quads" if finished.mesh.faces.shape[1] == 4 else "triangles"
    told = [f"{len(finished.mesh.faces):,} {kind}", finished.after.told()]
    if finished.remade:
        told.append("surface made anew: " + ("parts overlapped" if finished.before.sound else finished.before.told()))
    if finished.removed:
        told.append(f"{finished.removed} loose pieces removed")
    word = {None: "most symmetric", True: "made symmetric", False: "too far from symmetric to be made so"}
    told.append(f"{word[finished.symmetric]}: {finished.plane.told()}")
    return told


def scale_of(obj: bpy.types.Object, scene: bpy.types.Scene) -> tuple[float, float, float]:
    """Metres along each axis of one unit of the mesh of ``obj``."""
    return tuple(abs(axis) * scene.unit_settings.scale_length for axis in obj.matrix_world.to_scale())


def thin_walls(
    obj: bpy.types.Object, finished: Finished, least: float, scene: bpy.types.Scene
) -> tuple[list[str], bool]:
    """Its size and thinnest wall in words, and whether that is below ``least`` metres; selects faces of such walls."""
    thickness, place = finished.walls.thinnest()
    thin = finished.walls.thickness < least
    obj.data.polygons.foreach_set("select", thin)
    unit = scene.unit_settings.scale_length
    location, rotation, _ = obj.matrix_world.decompose()
    world = rotation @ Vector(place / unit) + location
    where = ", ".join(f"{axis * unit * _MILLIMETRES:.1f}" for axis in world)
    size = " x ".join(f"{axis * unit * _MILLIMETRES:.1f}" for axis in obj.dimensions)
    return [f"{size} mm", f"thinnest wall {thickness * _MILLIMETRES:.2f} mm", f"at ({where}) mm"], bool(thin.any())


class _ActiveMesh(WorkOperator):
    """Mix-in: acts on the active mesh object, which is kept by name, since the user may undo or delete meanwhile."""

    driver = SteppedWork  # remeshing and unwrapping need the main thread, where no second Blender does them

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

    def begin(self, context: Context, settings: remesh.Settings | None, texture_size: int) -> Work[Final]:
        self._name = context.active_object.name
        return self._work(settings, texture_size)

    def _work(self, settings: remesh.Settings | None, texture_size: int) -> Work[Final]:
        obj = self._found(bpy.context)
        if obj.mode == 'EDIT':
            raise MeshError(f"{self._name!r} is in Edit Mode: leave that, then click again")
        self._mesh = meshes.arrays(obj.data)
        return (yield from finish(obj, self._mesh, settings, texture_size, self.interactive))

    def _found(self, context: Context) -> bpy.types.Object:
        obj = context.scene.objects.get(self._name)
        if obj is None or obj.type != 'MESH':
            raise MeshError(f"{self._name!r} is gone: nothing was changed")
        return obj

    def object(self, context: Context) -> bpy.types.Object:
        """The object that the work began with, in Object Mode.

        Raises:
            MeshError: it is gone, or another by now.
        """
        obj = self._found(context)
        if context.mode != 'OBJECT':  # the window stayed usable meanwhile
            bpy.ops.object.mode_set(mode='OBJECT')
        if not meshes.arrays(obj.data).same(self._mesh):
            raise MeshError(f"{self._name!r} was changed meanwhile, and stays as it is: click again")
        return obj

    def tell(self, obj: bpy.types.Object, told: list[str], warn: bool = False) -> None:
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

    def start(self, context: Context) -> Work[Final]:
        textured = self.texture or self.preset == 'GAME'
        scale = scale_of(context.active_object, context.scene)
        return self.begin(context, self.topology(scale), int(self.texture_size) if textured else 0)

    def draw(self, context: Context) -> None:
        """Adjust Last Operation: what needs no other mesh."""
        self.layout.use_property_split = True
        for name in ("smooth_angle", "multires", *(["wall"] if self.preset == 'PRINT' else [])):
            self.layout.prop(self, name)

    def finish(self, context: Context, result: Final) -> None:
        obj, warn = self.object(context), False
        told = put(obj, result, self.smooth_angle)
        if self.multires:
            _add_multires(context, obj, self.multires)
        if result.finished.walls:
            if context.scene.unit_settings.system == 'METRIC':
                context.scene.unit_settings.length_unit = 'MILLIMETERS'
            measured, warn = thin_walls(obj, result.finished, self.wall, context.scene)
            told += measured
        if self.interactive:
            show(context, bool(result.texture))
        self.tell(obj, told, warn)


class MAQUETTE_OT_texture(TextureProperties, _ActiveMesh, bpy.types.Operator):
    """Unwrap the active object and give it a texture of the pictures it was made from, its own colors elsewhere"""

    bl_idname = "maquette.texture"
    bl_label = "Texture"
    bl_options = {'REGISTER', 'UNDO'}

    def start(self, context: Context) -> Work[Final]:
        return self.begin(context, None, int(self.texture_size))

    def draw(self, context: Context) -> None:
        """Adjust Last Operation has nothing here that would not bake again."""

    def finish(self, context: Context, result: Final) -> None:
        obj = self.object(context)
        self.tell(obj, put(obj, result))
        if self.interactive:
            show(context, True)


def _add_multires(context: Context, obj: bpy.types.Object, levels: int) -> None:
    modifier = obj.modifiers.new("Multires", 'MULTIRES')
    with context.temp_override(object=obj, active_object=obj):
        for _ in range(levels):
            bpy.ops.object.multires_subdivide(modifier=modifier.name, mode='CATMULL_CLARK')


def show(context: Context, texture: bool) -> None:
    """Let Solid views that show the colours of materials, attributes or textures show textures, or attributes."""
    for area in context.screen.areas:
        if area.type == 'VIEW_3D':
            shading = area.spaces.active.shading
            if shading.type == 'SOLID' and shading.color_type in {'MATERIAL', 'VERTEX', 'TEXTURE'}:
                shading.color_type = 'TEXTURE' if texture else 'VERTEX'


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_finish, MAQUETTE_OT_texture))
