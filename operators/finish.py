"""Finish the active mesh: remesh it for a use, and bake its texture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import bpy
from bpy.props import BoolProperty
from bpy.types import Context
from mathutils import Matrix, Vector

from ..core.arrays import MeshArrays
from ..core.errors import MeshError
from ..core.jobs.task import SteppedTask, Task
from ..core.scene import meshes, source_views
from ..core.scene.evaluation.hidden_objects import evaluated_matrices
from ..core.scene.finishing import pipeline, remesh, texturing
from ..core.scene.finishing.pipeline import FinishOutput
from ..core.scene.finishing.remesh import RemeshResult
from . import _compute
from ._results import leave_edit_mode, poll_editable_mesh, show_colors
from ._task_operator import TaskOperator
from .properties.finish import TextureProperties, TopologyProperties

REPORT_KEY = "maquette_finished"  # custom property of an object: its last report, for the panel
_MILLIMETERS = 1000.0  # in a meter
_SYMMETRY_TEXTS = {
    None: "best symmetry plane",
    True: "made symmetric",
    False: "not symmetric enough to mirror",
}


class Fact(NamedTuple):
    """One fact of a report.

    Attributes:
        text: In words, for a list.
        is_detail: Whether it is only for the panel and the command line, which show all, and not
            for the line in the status bar.
    """

    text: str
    is_detail: bool = False


def fact_texts(report: Iterable[Fact]) -> list[str]:
    """Return the texts of all facts."""
    return [fact.text for fact in report]


def result_line(report: Iterable[Fact]) -> str:
    """Return what the user should read at once."""
    return ", ".join(fact.text for fact in report if not fact.is_detail)


def start_finishing(
    obj: bpy.types.Object,
    mesh: MeshArrays,
    settings: remesh.FinishSettings | None,
    texture_size: int,
    window: bool = False,
) -> Task[FinishOutput]:
    """Return the task that finishes and textures ``mesh``.

    Reads ``obj`` at once and does not change it: :func:`apply_result` does.

    Args:
        obj: the object, with its source images.
        mesh: its mesh.
        settings: how to remesh; None to keep the faces.
        texture_size: width and height of the texture in pixels; 0 for none.
        window: see :func:`._compute.run_in_blender`.

    Raises:
        MeshError: the mesh cannot be finished or textured.
        ImageError: a source image cannot be read.
    """
    if settings is None and len(mesh.faces) != len(obj.data.polygons):
        raise MeshError(f"{obj.name!r} has triangles and quads. Finish it first, or triangulate it")
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
) -> list[Fact]:
    """Give ``obj``, which is in Object Mode, its new mesh and texture.

    Args:
        obj: the object that :func:`start_finishing` read.
        result: what its task returned.
        smooth_angle: edges are sharp where the angle of the faces exceeds it, radians.

    Returns:
        A report.
    """
    # Count before the mesh is replaced, since the source images are compared with the old one.
    report = []
    stale_count = source_views.count_stale(obj)
    if result.finished:
        left_behind = _left_behind(obj)
        _remove_multires(obj)
        meshes.replace_mesh(obj, result.finished.mesh)
        obj.data.set_sharp_from_angle(angle=smooth_angle)
        report = _finish_summary(result.finished)
        report += [Fact(text) for text in left_behind]

    # The new texture, and how many images could not be used for it.
    if result.texture:
        texturing.apply_texture(obj, result.texture)
        width, height = result.texture.size
        report.append(Fact(f"texture of {width} x {height}"))
        if stale_count:
            text = (
                f"{stale_count} source images were ignored because the mesh was moved since. "
                "Bake the texture before you apply a transform"
            )
            report.append(Fact(text))

    return report


def _left_behind(obj: bpy.types.Object) -> list[str]:
    """Return what of ``obj`` cannot come along to a new mesh, one text a fact."""
    mesh = obj.data

    # What a new mesh cannot have, with its number.
    keys = mesh.shape_keys.key_blocks if mesh.shape_keys else ()
    counts = {
        "shape keys": len(keys),
        "vertex groups": len(obj.vertex_groups),
        "UV maps": len(mesh.uv_layers),
        "materials, but for their colors": len(mesh.materials) if len(mesh.materials) > 1 else 0,
    }
    lost = [f"{count} {name}" for name, count in counts.items() if count]
    facts = []
    if lost:
        facts.append(f"not kept: {', '.join(lost)}")

    # Modifiers stay on the object, but some do nothing without what was lost.
    kept = [modifier for modifier in obj.modifiers if modifier.type != 'MULTIRES']
    if kept:
        names = ", ".join(modifier.name for modifier in kept)
        facts.append(f"modifiers were not applied and act on the new mesh: {names}")
    has_armature = any(modifier.type == 'ARMATURE' for modifier in kept)
    is_bound = obj.parent_type == 'ARMATURE' or has_armature
    if is_bound and len(obj.vertex_groups):
        facts.append("its armature moves nothing until it has new weights")
    if len(kept) < len(obj.modifiers):
        facts.append("the Multires modifier was removed")
    if obj.instance_type in ('VERTS', 'FACES') and obj.children:
        facts.append("it instances its children on the new faces and vertices")
    return facts


def _remove_multires(obj: bpy.types.Object) -> None:
    """Remove Multiresolution modifiers, whose details belong to the old mesh."""
    for modifier in [modifier for modifier in obj.modifiers if modifier.type == 'MULTIRES']:
        obj.modifiers.remove(modifier)


def _finish_summary(finished: RemeshResult) -> list[Fact]:
    """Return the report on a remeshed mesh."""
    kind = "quads" if finished.mesh.faces.shape[1] == 4 else "triangles"

    # What everybody wants to know, then details.
    report = [Fact(f"{len(finished.mesh.faces):,} {kind}")]
    report.append(Fact(finished.after.summary(), is_detail=finished.after.is_watertight))

    if finished.remade:
        before = finished.before
        reason = "parts overlapped" if before.is_watertight else before.summary()
        report.append(Fact(f"surface repaired: {reason}", is_detail=True))

    report += [Fact(text, is_detail=True) for text in finished.facts]
    if finished.removed:
        report.append(Fact(f"{finished.removed} loose parts removed"))
    report += [Fact(text, is_detail=True) for text in finished.comparison.summary()]

    # Without a wish to make it symmetric the plane is a detail.
    symmetry = f"{_SYMMETRY_TEXTS[finished.symmetric]}: {finished.plane.summary()}"
    report.append(Fact(symmetry, is_detail=finished.symmetric is None))
    return report


def scale_of(obj: bpy.types.Object, scene: bpy.types.Scene) -> tuple[float, float, float]:
    """Return the meters along each axis of one unit of the mesh of ``obj``.

    Raises:
        MeshError: the scale of ``obj`` is 0 along an axis.
    """
    unit = scene.unit_settings.scale_length
    factors = [abs(factor) * unit for factor in _matrix_of(obj).to_scale()]
    if not all(factors):
        raise MeshError(f"{obj.name!r} is scaled to 0 along an axis. Give it a size first")
    return tuple(factors)


def _matrix_of(obj: bpy.types.Object) -> Matrix:
    """Return the world matrix of ``obj`` as it is evaluated, also if it is hidden."""
    return evaluated_matrices(bpy.context, [obj])[0]


def up_of(obj: bpy.types.Object) -> tuple[float, float, float]:
    """Return the direction up (3,) along the axes of the mesh of ``obj``, scaled to its size."""
    _, rotation, scale = _matrix_of(obj).decompose()

    # An axis of negative scale points the other way.
    up = rotation.inverted() @ Vector((0, 0, 1))
    mirrored = (-axis if factor < 0 else axis for axis, factor in zip(up, scale, strict=True))
    return tuple(mirrored)


def thin_walls(
    obj: bpy.types.Object, finished: RemeshResult, min_thickness: float, scene: bpy.types.Scene
) -> tuple[list[Fact], bool]:
    """Measure the walls of a remeshed object, and select the faces of those that are too thin.

    Args:
        obj: the object, which has the new mesh.
        finished: with the walls.
        min_thickness: meters.
        scene: for its unit.

    Returns:
        The size of the object, its thinnest wall and its location in words, and whether a wall is
        too thin.
    """
    thickness, thinnest_point = finished.walls.thinnest_place()
    is_thin = finished.walls.thickness < min_thickness
    obj.data.polygons.foreach_set("select", is_thin)

    # The walls were measured in meters along the mesh's axes: rotation and location are left.
    unit = scene.unit_settings.scale_length
    location, rotation, _ = _matrix_of(obj).decompose()
    world_point = rotation @ Vector(thinnest_point / unit) + location
    point_text = ", ".join(f"{axis * unit * _MILLIMETERS:.1f}" for axis in world_point)
    extent = finished.comparison.extent[1]
    size_text = " x ".join(f"{axis * _MILLIMETERS:.1f}" for axis in extent)
    report = [
        Fact(f"{size_text} mm"),
        Fact(f"thinnest wall {thickness * _MILLIMETERS:.2f} mm"),
        Fact(f"at ({point_text}) mm", is_detail=True),
    ]

    return report, bool(is_thin.any())


class _ActiveMesh(TaskOperator):
    """Mix-in: works on the active mesh object.

    The object is kept by name, since the user may undo or delete it while the task runs.
    """

    # Remeshing and unwrapping need the main thread where there is no second Blender.
    driver = SteppedTask

    @classmethod
    def poll(cls, context: Context) -> bool:
        # It reads the mesh at once when its turn comes, so it may wait in the queue.
        return poll_editable_mesh(cls, context)

    def label(self) -> str:
        return f"{self.bl_label} {self._name}"

    def begin_finishing(
        self, context: Context, settings: remesh.FinishSettings | None, texture_size: int
    ) -> Task[FinishOutput]:
        """Return the task for the active object; see :func:`start_finishing`."""
        self._name = context.active_object.name
        return self._finishing_task(settings, texture_size)

    def _finishing_task(
        self, settings: remesh.FinishSettings | None, texture_size: int
    ) -> Task[FinishOutput]:
        # This is the first step, in the queue's turn: what the user did until then counts.
        obj = self._find_mesh(bpy.context)
        if obj.mode == 'EDIT':
            raise MeshError(
                f"{self._name!r} is in Edit Mode. Leave it, then run {self.bl_label} again"
            )

        self._mesh = meshes.to_arrays(obj.data)
        task = start_finishing(obj, self._mesh, settings, texture_size, self.interactive)
        return (yield from task)

    def _find_mesh(self, context: Context) -> bpy.types.Object:
        obj = context.scene.objects.get(self._name)
        if obj is None or obj.type != 'MESH':
            raise MeshError(f"{self._name!r} no longer exists. Nothing was changed")
        return obj

    def active_object(self, context: Context) -> bpy.types.Object:
        """Return the object that the task began with, in Object Mode.

        Raises:
            MeshError: it no longer exists, or was changed.
        """
        # The window stayed usable, so that the mesh may differ from the one that was finished.
        obj = self._find_mesh(context)
        leave_edit_mode(context)
        if not meshes.to_arrays(obj.data).has_same_surface(self._mesh):
            raise MeshError(
                f"{self._name!r} was edited while the job was running and was not changed. "
                f"Run {self.bl_label} again"
            )

        return obj

    def report_result(self, obj: bpy.types.Object, report: list[Fact], warn: bool = False) -> None:
        """Report what the user should read at once, and keep all with ``obj`` for the panel."""
        obj[REPORT_KEY] = fact_texts(report)
        self.report({'WARNING' if warn else 'INFO'}, f"{obj.name}: {result_line(report)}")


class MAQUETTE_OT_finish(TopologyProperties, TextureProperties, _ActiveMesh, bpy.types.Operator):
    """Remesh the active object, and bake its texture if wanted."""

    bl_idname = "maquette.finish"
    bl_label = "Finish"
    bl_description = (
        "Remesh the active object for the chosen use. The result is closed and manifold with "
        "outward normals, and keeps its colors"
    )
    bl_options = {'REGISTER', 'UNDO'}

    texture: BoolProperty(
        name="Texture",
        description="Unwrap the mesh and bake a texture from its images. Always done by the preset "
        "Game. Takes a few seconds",
    )

    def start(self, context: Context) -> Task[FinishOutput]:
        has_texture = self.texture or self.preset == 'GAME'
        texture_size = int(self.texture_size) if has_texture else 0
        obj = context.active_object
        settings = self.finish_settings(scale_of(obj, context.scene), up_of(obj))
        return self.begin_finishing(context, settings, texture_size)

    def draw(self, context: Context) -> None:
        """Draw what Adjust Last Operation may change without remeshing again."""
        self.layout.use_property_split = True
        self.layout.prop(self, "smooth_angle")
        self.layout.prop(self, "multires")
        if self.preset == 'PRINT':
            self.layout.prop(self, "wall")
            self.layout.prop(self, "millimeters")

    def finish(self, context: Context, result: FinishOutput) -> None:
        obj = self.active_object(context)
        report = apply_result(obj, result, self.smooth_angle)
        if self.multires:
            _add_multires(context, obj, self.multires)

        is_thin = False
        if result.finished.walls:
            if self.millimeters and context.scene.unit_settings.system == 'METRIC':
                context.scene.unit_settings.length_unit = 'MILLIMETERS'
            measured, is_thin = thin_walls(obj, result.finished, self.wall, context.scene)
            report += measured

        if self.interactive:
            show_colors(context, texture=bool(result.texture))
        self.report_result(obj, report, is_thin)


class MAQUETTE_OT_texture(TextureProperties, _ActiveMesh, bpy.types.Operator):
    """Bake a texture of the active object."""

    bl_idname = "maquette.texture"
    bl_label = "Texture"
    bl_description = (
        "Unwrap the active object and bake a texture from its source images, and from its vertex "
        "colors where no image shows it"
    )
    bl_options = {'REGISTER', 'UNDO'}

    def start(self, context: Context) -> Task[FinishOutput]:
        return self.begin_finishing(context, None, int(self.texture_size))

    def draw(self, context: Context) -> None:
        """Draw nothing: every property would bake again."""

    def finish(self, context: Context, result: FinishOutput) -> None:
        obj = self.active_object(context)
        self.report_result(obj, apply_result(obj, result))
        if self.interactive:
            show_colors(context, texture=True)


def _add_multires(context: Context, obj: bpy.types.Object, levels: int) -> None:
    modifier = obj.modifiers.new("Multires", 'MULTIRES')
    with context.temp_override(object=obj, active_object=obj):
        for _ in range(levels):
            bpy.ops.object.multires_subdivide(modifier=modifier.name, mode='CATMULL_CLARK')


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_finish, MAQUETTE_OT_texture))
