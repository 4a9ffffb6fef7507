"""What a scene holds when it is rendered: its instances and cameras, as the renderer gets them.

Blender evaluates a scene for rendering (modifiers at their render settings, instances, what is hidden in renders) only
inside a render, so the reading is done by a render engine that draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import bpy
import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from .cameras import from_blender, rigid_matrix

_KINDS = ('MESH', 'CURVE', 'SURFACE', 'FONT', 'META')  # what Blender makes faces of
_UNUSED = 2**31 - 1  # fills up a persistent_id
_SAME = 1e-5


@dataclass(frozen=True)
class EvaluatedInstance:
    """One object or instance of a scene.

    name: unique in the scene, the same in every frame. source: full name of the object that lends it its pass_index.
    instancer: full name of what it is an instance of ``source`` by, or "". shape: the same for copies of one shape.
    to_world: (4, 4) its frame, rigid: scale is in the vertices. vertices: (V, 3) in its frame, metres.
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
        """(V, 3) in world space, metres."""
        return self.vertices @ self.to_world[:3, :3].T + self.to_world[:3, 3]

    def local_bounds(self) -> NDArray[np.float64]:
        """(2, 3) low and high corner in its frame, metres."""
        return np.stack((self.vertices.min(0), self.vertices.max(0)))

    def is_same_shape(self, other: EvaluatedInstance) -> bool:
        """Whether both are of one shape in their own frames, to a hundred thousandth of its size."""
        if self.vertices is other.vertices:
            return True
        if self.vertices.shape != other.vertices.shape or not np.array_equal(
            self.triangles, other.triangles
        ):
            return False
        reach = _SAME * float(np.ptp(self.vertices, axis=0).max())
        return bool(np.abs(self.vertices - other.vertices).max() <= reach)


@dataclass(frozen=True)
class SceneSnapshot:
    """A scene at one frame. cameras: by the names of their objects. active: name of that which the scene looks by."""

    parts: tuple[EvaluatedInstance, ...]
    cameras: Mapping[str, Camera]
    active: str


class DepsgraphReader:
    """Reads scenes; make it with :func:`depsgraph_reader`."""

    def read_scene(
        self, scene: bpy.types.Scene, cameras: tuple[str, ...], render: Callable[[], None]
    ) -> SceneSnapshot:
        """``scene`` as it is when ``render`` renders it, with those of its camera objects that are named."""
        found: list[SceneSnapshot] = []
        errors: list[Exception] = []

        def read(depsgraph: bpy.types.Depsgraph) -> None:
            try:
                found.append(_read_snapshot(depsgraph, cameras))
            except Exception as error:  # Blender would print it and go on
                errors.append(error)

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
        return found[0]


class _Engine(bpy.types.RenderEngine):
    bl_idname = "MAQUETTE_READER"
    bl_label = "Maquette Reader"
    read: ClassVar[Callable[[bpy.types.Depsgraph], None]]

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        type(self).read(depsgraph)


@contextmanager
def depsgraph_reader() -> Iterator[DepsgraphReader]:
    """A :class:`DepsgraphReader`; its render engine is known to Blender only meanwhile."""
    bpy.utils.register_class(_Engine)
    try:
        yield DepsgraphReader()
    finally:
        bpy.utils.unregister_class(_Engine)


def _read_snapshot(depsgraph: bpy.types.Depsgraph, cameras: tuple[str, ...]) -> SceneSnapshot:
    meshes: dict[tuple[int, str], tuple[NDArray[np.float64], NDArray[np.int32]]] = {}
    parts = []
    for item in depsgraph.object_instances:
        obj = item.object
        if not item.show_self or obj.type not in _KINDS:
            continue
        key = (obj.data.as_pointer(), "" if obj.type == 'MESH' else obj.original.name_full)
        if key not in meshes:
            meshes[key] = _object_triangles(obj)
        part = _evaluated_instance(item, *meshes[key])
        if part:
            parts.append(part)
    scene = depsgraph.scene
    found = {name: from_blender(scene, scene.objects[name].original, depsgraph) for name in cameras}
    return SceneSnapshot(tuple(parts), found, scene.camera.original.name if scene.camera else "")


def _object_triangles(obj: bpy.types.Object) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Vertices (V, 3) and triangles (F, 3) of an evaluated object, in its own space."""
    mesh = obj.data if obj.type == 'MESH' else obj.to_mesh()
    if mesh is None:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    mesh.calc_loop_triangles()
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    if obj.type != 'MESH':
        obj.to_mesh_clear()
    return vertices.reshape(-1, 3).astype(float), triangles.reshape(-1, 3)


def _evaluated_instance(
    item: bpy.types.DepsgraphObjectInstance,
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int32],
) -> EvaluatedInstance | None:
    """None if it has no face."""
    matrix = np.array(item.matrix_world, float)
    mirrored = np.linalg.det(matrix[:3, :3]) < 0
    if not len(triangles):
        return None
    frame = rigid_matrix(matrix * (-1, -1, -1, 1) if mirrored else matrix)
    if frame is None:  # flattened by its scale
        frame = np.eye(4)
        frame[:3, 3] = matrix[:3, 3]
    own = vertices @ (frame[:3, :3].T @ matrix[:3, :3]).T
    source = (item.instance_object if item.is_instance else item.object).original.name_full
    instancer = item.parent.original.name_full if item.is_instance else ""
    place = ".".join(str(number) for number in reversed(item.persistent_id) if number != _UNUSED)
    scale = ",".join(
        f"{length:.4g}"
        for length in np.linalg.norm(matrix[:3, :3], axis=0) * (-1 if mirrored else 1)
    )
    return EvaluatedInstance(
        f"{instancer}/{source}/{place}" if item.is_instance else source,
        source,
        instancer,
        f"{item.object.data.original.name_full if item.object.data.original else source} {len(vertices)} {scale}",
        frame,
        own,
        triangles[:, ::-1] if mirrored else triangles,
    )
