"""Reads the instances and cameras of a scene as the renderer gets them.

Blender evaluates a scene for rendering (modifiers at their render settings, instances, objects
hidden in renders) only inside a render, so a render engine that draws nothing does the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from . import meshes
from .cameras import from_blender, rigid_matrix
from .evaluation import strands

# Types of what is rendered. Of curves, texts, surfaces and metaballs the renderer gets a mesh, as
# an instance of the object by itself.
_RENDERED = ('MESH', 'CURVES', 'POINTCLOUD')
_UNUSED = 2**31 - 1  # fills up a persistent_id
_SAME = 1e-5  # deviation, of the size of a shape, up to which two shapes are the same


@dataclass(frozen=True)
class EvaluatedInstance:
    """One object or instance of a scene, in the unit of the scene unless it is scaled to meters.

    Attributes:
        name: Unique in the scene, the same in every frame.
        source: Full name of the object whose pass_index the instance is rendered with.
        instancer: Full name of the object that instances ``source``, or "".
        shape: The same for all copies of one shape.
        to_world: (4, 4) float64, rigid: the scale is in the vertices.
        vertices: (V, 3) float64 in the instance's frame.
        triangles: (F, 3) int32.
        numbers: (F,) int32, ``pass_index`` of the material of each triangle, 0 where there is none.
    """

    name: str
    source: str
    instancer: str
    shape: str
    to_world: NDArray[np.float64]
    vertices: NDArray[np.float64]
    triangles: NDArray[np.int32]
    numbers: NDArray[np.int32]

    def world_vertices(self) -> NDArray[np.float64]:
        """Return the vertices (V, 3) in world space."""
        return self.vertices @ self.to_world[:3, :3].T + self.to_world[:3, 3]

    def local_bounds(self) -> NDArray[np.float64]:
        """Return the low and high corner (2, 3) in the instance's frame."""
        return np.stack((self.vertices.min(0), self.vertices.max(0)))

    def is_same_shape(self, other: EvaluatedInstance) -> bool:
        """Return whether both have the same vertices in their frames, to 1e-5 of their size."""
        # Instances of one mesh share their arrays.
        if self.vertices is other.vertices:
            return True

        # Cheap comparisons first.
        if self.vertices.shape != other.vertices.shape:
            return False
        if not np.array_equal(self.triangles, other.triangles):
            return False

        # Modifiers that depend on the location leave rounding errors.
        tolerance = _SAME * float(np.ptp(self.vertices, axis=0).max())
        return bool(np.abs(self.vertices - other.vertices).max() <= tolerance)


@dataclass(frozen=True)
class SceneSnapshot:
    """A scene at one frame.

    Attributes:
        parts: All instances that have a face.
        cameras: By the names of their objects.
        active: Name of the scene's active camera, or "".
    """

    parts: tuple[EvaluatedInstance, ...]
    cameras: Mapping[str, Camera]
    active: str

    def scaled(self, factor: float) -> SceneSnapshot:
        """Return the scene scaled by ``factor`` about the origin."""
        # Parts that share their vertices still do.
        scaled_vertices: dict[int, NDArray[np.float64]] = {}
        parts = []
        for part in self.parts:
            vertices = scaled_vertices.setdefault(id(part.vertices), part.vertices * factor)
            to_world = part.to_world.copy()
            to_world[:3, 3] *= factor
            parts.append(replace(part, to_world=to_world, vertices=vertices))

        cameras = {name: camera.scaled(factor) for name, camera in self.cameras.items()}
        return SceneSnapshot(tuple(parts), cameras, self.active)

    def joined_mesh(self) -> MeshArrays:
        """Return all instances as one mesh of triangles in world space.

        An empty scene gives a mesh of one vertex and no face.
        """
        if not self.parts:
            return MeshArrays(np.zeros((1, 3), np.float32), np.zeros((0, 3), np.int32))
        vertices, triangles = meshes.join_triangles(
            [part.world_vertices() for part in self.parts],
            [part.triangles for part in self.parts],
        )
        return MeshArrays(vertices.astype(np.float32), triangles.astype(np.int32))

    def joined_numbers(self) -> NDArray[np.int32]:
        """Return ``numbers`` (F,) of the triangles of :meth:`joined_mesh`."""
        return np.concatenate([np.empty(0, np.int32), *(part.numbers for part in self.parts)])


class DepsgraphReader:
    """Reads scenes; make it with :func:`depsgraph_reader`."""

    def read_scene(
        self,
        scene: bpy.types.Scene,
        cameras: Mapping[str, str],
        render: Callable[[], None],
        only_active: bool = False,
    ) -> SceneSnapshot:
        """Return ``scene`` as it is when ``render`` renders it.

        Args:
            scene: The scene that ``render`` renders.
            cameras: What errors call the cameras to read, by the names of their objects.
            render: Renders the scene with the engine that is set in it.
            only_active: Read of the cameras only the active one.

        Raises:
            SceneError: A camera cannot be used, or there is too much hair.
        """
        snapshots: list[SceneSnapshot] = []
        errors: list[Exception] = []

        def read(depsgraph: bpy.types.Depsgraph) -> None:
            try:
                snapshots.append(_read_snapshot(depsgraph, cameras, only_active))
            except Exception as error:  # Blender would print it and continue
                errors.append(error)

        # The reading engine replaces the scene's during this render.
        engine = scene.render.engine
        scene.render.engine = _Engine.bl_idname
        _Engine.read = read

        try:
            render()
        finally:
            scene.render.engine = engine
            del _Engine.read

        if errors:
            raise errors[0]
        return snapshots[0]


class _Engine(bpy.types.RenderEngine):
    """A render engine that passes the evaluated scene to ``read`` and draws nothing."""

    bl_idname = "MAQUETTE_READER"
    bl_label = "Maquette Reader"
    read: ClassVar[Callable[[bpy.types.Depsgraph], None]]

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Read the scene; Blender calls this."""
        type(self).read(depsgraph)


@contextmanager
def depsgraph_reader() -> Iterator[DepsgraphReader]:
    """Yield a :class:`DepsgraphReader`; its render engine is registered while it is open."""
    bpy.utils.register_class(_Engine)
    try:
        yield DepsgraphReader()
    finally:
        bpy.utils.unregister_class(_Engine)


def _read_snapshot(
    depsgraph: bpy.types.Depsgraph, cameras: Mapping[str, str], only_active: bool
) -> SceneSnapshot:
    """Return what ``depsgraph`` holds; see :meth:`DepsgraphReader.read_scene`."""
    arrays: dict[tuple[int, str], tuple[NDArray[np.float64], NDArray[np.int32]]] = {}
    slots: dict[tuple[int, str], NDArray[np.int32]] = {}
    parts: dict[str, EvaluatedInstance] = {}

    for item in depsgraph.object_instances:
        if not _is_rendered(item):
            continue

        # Objects share data, but not their particles.
        emitter = item.object.original.name_full if _shows_particle_hair(item) else ""
        key = (item.object.data.as_pointer(), emitter)
        if key not in arrays:
            arrays[key] = _object_triangles(item)
            slots[key] = _triangle_slots(item, len(arrays[key][1]))

        # What one object is made of, such as its mesh and its points, is one instance.
        numbers = _material_numbers(item.object, slots[key])
        part = _evaluated_instance(item, *arrays[key], numbers)
        if part and part.name in parts:
            part = _joined_instance(parts[part.name], part)
        if part:
            parts[part.name] = part

    # Cameras are evaluated at the same frame.
    scene = depsgraph.scene
    active = scene.camera.original.name if scene.camera else ""
    scene_cameras = {}

    for name, shown_name in cameras.items():
        if name == active or not only_active:
            camera = scene.objects[name].original
            scene_cameras[name] = from_blender(scene, camera, depsgraph, shown_name)

    return SceneSnapshot(tuple(parts.values()), scene_cameras, active)


def _is_rendered(item: bpy.types.DepsgraphObjectInstance) -> bool:
    """Return whether the renderer draws a surface of ``item``."""
    if item.object.type not in _RENDERED:
        return False
    return item.show_self or _shows_particle_hair(item)


def _shows_particle_hair(item: bpy.types.DepsgraphObjectInstance) -> bool:
    """Return whether the particle hair of a mesh is rendered."""
    obj = item.object
    return item.show_particles and obj.type == 'MESH' and strands.has_particle_hair(obj)


def _object_triangles(
    item: bpy.types.DepsgraphObjectInstance,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the vertices (V, 3) and triangles (F, 3) of what is rendered, in the object's space.

    Hair and points are thin solids.

    Raises:
        SceneError: There are too many of them.
    """
    obj = item.object
    if obj.type == 'CURVES':
        return strands.curve_triangles(obj.data, obj.name)
    if obj.type == 'POINTCLOUD':
        return strands.point_triangles(obj.data, obj.name)

    parts = []
    if item.show_self:
        vertices = meshes.read_vertices(obj.data).astype(float)
        parts.append((vertices, meshes.read_triangles(obj.data)))
    if _shows_particle_hair(item):
        # Where the object itself is, not the instance.
        parts.append(strands.particle_hair_triangles(item.instance_object or obj))
    if len(parts) == 1:
        return parts[0]
    joined, triangles = meshes.join_triangles(*zip(*parts, strict=True))

    return joined, triangles.astype(np.int32)


def _triangle_slots(item: bpy.types.DepsgraphObjectInstance, count: int) -> NDArray[np.int32]:
    """Return the material slot of each of the ``count`` triangles of :func:`_object_triangles`.

    Hair and points count as of the first slot.
    """
    slots = np.zeros(count, np.int32)
    if item.object.type == 'MESH' and item.show_self:
        of_mesh = meshes.triangle_materials(item.object.data)
        slots[: len(of_mesh)] = of_mesh
    return slots


def _material_numbers(obj: bpy.types.Object, slots: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the ``pass_index`` of the materials of ``obj`` in ``slots`` (F,); 0 for no material.

    Slots of one mesh may have other materials in each object that has it.
    """
    of_slots = [slot.material.pass_index if slot.material else 0 for slot in obj.material_slots]
    lookup = np.array(of_slots or [0], np.int32)
    return lookup[slots.clip(0, len(lookup) - 1)]  # as Cycles does


def _joined_instance(first: EvaluatedInstance, second: EvaluatedInstance) -> EvaluatedInstance:
    """Return two parts of one object, which have the same pose, as one."""
    vertices, triangles = meshes.join_triangles(
        [first.vertices, second.vertices], [first.triangles, second.triangles]
    )
    return replace(
        first,
        vertices=vertices,
        triangles=triangles.astype(np.int32),
        numbers=np.concatenate((first.numbers, second.numbers)),
    )


def _evaluated_instance(
    item: bpy.types.DepsgraphObjectInstance,
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int32],
    material_numbers: NDArray[np.int32],
) -> EvaluatedInstance | None:
    """Return an instance of the mesh of ``item``, or None if the mesh has no face."""
    if not len(triangles):
        return None
    matrix = np.array(item.matrix_world, float)
    mirrored = np.linalg.det(matrix[:3, :3]) < 0

    # A rigid frame; scale, shear and mirroring go into the vertices.
    unmirrored = matrix * (-1, -1, -1, 1) if mirrored else matrix
    frame = rigid_matrix(unmirrored)
    if frame is None:  # flattened by its scale
        frame = np.eye(4)
        frame[:3, 3] = matrix[:3, 3]
    local_vertices = vertices @ (frame[:3, :3].T @ matrix[:3, :3]).T

    # Names that are the same in every frame.
    obj = item.object
    data = obj.data.original
    source = obj.original.name_full
    instancer = ""
    name = source

    if item.is_instance:
        source = item.instance_object.original.name_full
        numbers = [number for number in reversed(item.persistent_id) if number != _UNUSED]

        # What an object that is no mesh is made of is an instance of it, with a number more.
        if obj.type != item.instance_object.type:
            data = item.instance_object.data.original
            numbers.pop()

        # The object by itself, or an instance of it.
        if numbers:
            instancer = item.parent.original.name_full
            name = f"{instancer}/{source}/{'.'.join(map(str, numbers))}"

    # Copies of one mesh at one scale have the same shape.
    data_name = data.name_full if data else source
    return EvaluatedInstance(
        name=name,
        source=source,
        instancer=instancer,
        shape=f"{data_name} {len(vertices)} {_scale_name(matrix, mirrored)}",
        to_world=frame,
        vertices=local_vertices,
        triangles=triangles[:, ::-1] if mirrored else triangles,
        numbers=material_numbers,
    )


def _scale_name(matrix: NDArray[np.float64], mirrored: bool) -> str:
    """Return the scale of ``matrix`` (4, 4) as text, negative if it mirrors."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if mirrored:
        lengths = -lengths
    return ",".join(f"{length:.4g}" for length in lengths)
