"""Reads the instances and cameras of a scene as the renderer gets them.

Blender evaluates a scene for rendering (modifiers at their render settings, instances, objects
hidden in renders) only inside a render, so a render engine that draws nothing does the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from . import meshes
from .cameras import from_blender, rigid_matrix

_KINDS = ('MESH', 'CURVE', 'SURFACE', 'FONT', 'META')  # object types that Blender makes faces of
_UNUSED = 2**31 - 1  # fills up a persistent_id
_SAME = 1e-5  # deviation, of the size of a shape, up to which two shapes are the same


@dataclass(frozen=True)
class EvaluatedInstance:
    """One object or instance of a scene.

    Attributes:
        name: Unique in the scene, the same in every frame.
        source: Full name of the object whose pass_index the instance is rendered with.
        instancer: Full name of the object that instances ``source``, or "".
        shape: The same for all copies of one shape.
        to_world: (4, 4) float64, rigid: the scale is in the vertices.
        vertices: (V, 3) float64 in the instance's frame, meters.
        triangles: (F, 3) int32.
    """

    name: str
    source: str
    instancer: str
    shape: str
    to_world: NDArray[np.float64]
    vertices: NDArray[np.float64]
    triangles: NDArray[np.int32]

    def world_vertices(self) -> NDArray[np.float64]:
        """Return the vertices (V, 3) in world space, meters."""
        return self.vertices @ self.to_world[:3, :3].T + self.to_world[:3, 3]

    def local_bounds(self) -> NDArray[np.float64]:
        """Return the low and high corner (2, 3) in the instance's frame, meters."""
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

    def joined_mesh(self) -> MeshArrays:
        """Return all instances as one mesh of triangles in world space, meters.

        An empty scene gives a mesh of one vertex and no face.
        """
        if not self.parts:
            return MeshArrays(np.zeros((1, 3), np.float32), np.zeros((0, 3), np.int32))
        vertices, triangles = meshes.join_triangles(
            [part.world_vertices() for part in self.parts],
            [part.triangles for part in self.parts],
        )
        return MeshArrays(vertices.astype(np.float32), triangles.astype(np.int32))


class DepsgraphReader:
    """Reads scenes; make it with :func:`depsgraph_reader`."""

    def read_scene(
        self, scene: bpy.types.Scene, cameras: tuple[str, ...], render: Callable[[], None]
    ) -> SceneSnapshot:
        """Return ``scene`` as it is when ``render`` renders it.

        Args:
            scene: The scene that ``render`` renders.
            cameras: Names of the camera objects to read.
            render: Renders the scene with the engine that is set in it.
        """
        snapshots: list[SceneSnapshot] = []
        errors: list[Exception] = []

        def read(depsgraph: bpy.types.Depsgraph) -> None:
            try:
                snapshots.append(_read_snapshot(depsgraph, cameras))
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


def _read_snapshot(depsgraph: bpy.types.Depsgraph, cameras: tuple[str, ...]) -> SceneSnapshot:
    """Return what ``depsgraph`` holds, with the camera objects that are named."""
    mesh_arrays: dict[tuple[int, str], tuple[NDArray[np.float64], NDArray[np.int32]]] = {}
    parts = []
    for item in depsgraph.object_instances:
        obj = item.object
        if not item.show_self or obj.type not in _KINDS:
            continue

        # Objects share mesh data, but what is converted to a mesh depends on the object.
        converted_from = "" if obj.type == 'MESH' else obj.original.name_full
        key = (obj.data.as_pointer(), converted_from)
        if key not in mesh_arrays:
            mesh_arrays[key] = _object_triangles(obj)

        part = _evaluated_instance(item, *mesh_arrays[key])
        if part:
            parts.append(part)

    # Cameras are evaluated at the same frame.
    scene = depsgraph.scene
    scene_cameras = {}
    for name in cameras:
        camera = scene.objects[name].original
        scene_cameras[name] = from_blender(scene, camera, depsgraph)
    active = scene.camera.original.name if scene.camera else ""
    return SceneSnapshot(tuple(parts), scene_cameras, active)


def _object_triangles(obj: bpy.types.Object) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the vertices (V, 3) and triangles (F, 3) of an evaluated object, in its space."""
    mesh = obj.data if obj.type == 'MESH' else obj.to_mesh()
    if mesh is None:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)

    # Only a converted mesh has to be freed again.
    vertices = meshes.read_vertices(mesh)
    triangles = meshes.read_triangles(mesh)
    if obj.type != 'MESH':
        obj.to_mesh_clear()
    return vertices.astype(float), triangles


def _evaluated_instance(
    item: bpy.types.DepsgraphObjectInstance,
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int32],
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
    source = obj.original.name_full
    instancer = ""
    name = source
    if item.is_instance:
        source = item.instance_object.original.name_full
        instancer = item.parent.original.name_full
        name = f"{instancer}/{source}/{_persistent_name(item)}"

    # Copies of one mesh at one scale have the same shape.
    data = obj.data.original
    data_name = data.name_full if data else source
    return EvaluatedInstance(
        name=name,
        source=source,
        instancer=instancer,
        shape=f"{data_name} {len(vertices)} {_scale_name(matrix, mirrored)}",
        to_world=frame,
        vertices=local_vertices,
        triangles=triangles[:, ::-1] if mirrored else triangles,
    )


def _persistent_name(item: bpy.types.DepsgraphObjectInstance) -> str:
    """Return the numbers that identify an instance below its instancer, as text."""
    numbers = [number for number in reversed(item.persistent_id) if number != _UNUSED]
    return ".".join(str(number) for number in numbers)


def _scale_name(matrix: NDArray[np.float64], mirrored: bool) -> str:
    """Return the scale of ``matrix`` (4, 4) as text, negative if it mirrors."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if mirrored:
        lengths = -lengths
    return ",".join(f"{length:.4g}" for length in lengths)
