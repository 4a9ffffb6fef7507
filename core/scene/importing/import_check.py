"""Tries a mesh file in a process of its own, before the process that renders imports it.

Blender's importers may crash, hang or fill the memory with a damaged file, which must not end a run
of thousands of files. What is found out on the way is reported, so that it is not done twice.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import MaquetteError, MeshError
from ...jobs.task import Progress, Task
from .. import materials, meshes
from . import far_files, gltf_files, mesh_import

OPENING = "Opening"  # stage of the task while it may crash, hang or fill the memory
MEMORY_LIMIT = 2_000_000_000  # bytes that an import may take
_SECONDS = 20.0  # that an import may take, and more for a large file
_SECONDS_PER_BYTE = 1e-6
_ALARM_DELAY = 5.0  # seconds after its limit at which an import ends itself
_OUTPUT_LIMIT = 200_000_000  # bytes of a file that an import may write: a copy, or messages
_MOST_PIXELS = 1 << 28  # of an image: 1 GB, and as much again while it is rendered
_MOST_DISTANT = 1e18  # meters: its square is still a number of 32 bits
FAR = 1e3  # sizes of an object from the origin beyond which it is moved there

_limited = False


@dataclass(frozen=True)
class ImportReport:
    """What a trial has found out about a mesh file that can be imported.

    Attributes:
        source: The file to import: the mesh file, or a copy of what it shows in a folder that the
            receiver removes.
        scene: Of a .blend file the scene that it shows; else empty.
        unreadable: Images that cannot be read, as ``materials.image_source`` names them.
        lost_textures: Names of the files of these images.
        bounds: (2, 3) of the objects of ``source`` in world space, meters; (0, 3) without a face.
        offset: (3,) by which ``source`` was moved from where the mesh file has it, meters.
        is_posed: Whether a .blend file is animated and opens at another frame than the first.
    """

    source: Path
    scene: str
    unreadable: tuple[str, ...]
    lost_textures: tuple[str, ...]
    bounds: NDArray[np.float64]
    offset: NDArray[np.float64]
    is_posed: bool = False


def check_mesh_file(path: Path, root: Path) -> Task[ImportReport]:
    """Import a mesh file into an empty file, and return what it is like.

    The process in which this runs is not to be used for anything else.

    Args:
        path: The mesh file.
        root: The folder that it may read buffers from.

    Raises:
        MeshError: It cannot be imported.
    """
    _prepare_process()
    yield Progress(0.0, OPENING)
    scratch = Path(tempfile.mkdtemp(prefix="maquette_import_"))
    source = path

    try:
        with _alarm(time_limit(path) + _ALARM_DELAY):
            report = _check_file(path, root, scratch)
        source = report.source
        return report
    except Exception as error:  # whatever a damaged file makes of an importer
        if "MemoryError" in f"{type(error).__name__} {error}":
            gigabytes = MEMORY_LIMIT / 1e9
            raise MeshError(f"Importing it takes more than {gigabytes:.0f} GB of memory") from error
        if isinstance(error, MaquetteError):
            raise
        raise MeshError(f"{path} cannot be imported: {mesh_import.one_line(error)}") from error
    finally:
        if source == path:
            shutil.rmtree(scratch, ignore_errors=True)


def time_limit(path: Path) -> float:
    """Return how many seconds the import of a mesh file may take."""
    return _SECONDS + _SECONDS_PER_BYTE * path.stat().st_size


def distance_in_sizes(bounds: NDArray[np.float64]) -> float:
    """Return how many times its size an object is away from the origin.

    Args:
        bounds: (2, 3) of it.
    """
    size = float(np.ptp(bounds, axis=0).max())
    distance = float(np.abs(bounds.mean(axis=0)).max())
    return distance / size if size else 0.0


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """End this process if the context is not left in time, whatever it does.

    The process that waits for this one does so sooner, unless it has ended itself.
    """
    if not hasattr(signal, "SIGALRM"):
        yield  # Windows
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)

    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _prepare_process() -> None:
    """Limit the memory and the output of this process, and empty its file, at the first call."""
    global _limited
    if _limited:
        return
    _limited = True
    bpy.ops.wm.read_factory_settings(use_empty=True)

    try:
        import resource
    except ImportError:
        return  # Windows: the other process watches this one

    # Memory that programs ask for, in addition to what this process has; only Linux limits it.
    limits = {
        resource.RLIMIT_DATA: _data_bytes() + MEMORY_LIMIT,
        resource.RLIMIT_FSIZE: _OUTPUT_LIMIT,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            limit = min(limit, most)
        resource.setrlimit(kind, (limit, most))


def _data_bytes() -> int:
    """Return the size of this process's data in bytes; of another system than Linux a guess."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return MEMORY_LIMIT


def _check_file(path: Path, root: Path, scratch: Path) -> ImportReport:
    """Return the report on a mesh file; see ``check_mesh_file``."""
    source = path
    scene = ""
    suffix = path.suffix.lower()

    if suffix in (".glb", ".gltf"):
        source = gltf_files.shown_file(path, root, scratch)
    elif suffix == ".blend":
        scene = _active_scene(path)

    report = _import_report(source, scene)
    is_far = len(report.bounds) and distance_in_sizes(report.bounds) > FAR
    if not (is_far and suffix == ".obj"):
        return report

    # Its text has more digits than Blender keeps.
    copy, offset = far_files.recentered_obj(path, scratch)
    return _import_report(copy, "", offset)


def _active_scene(path: Path) -> str:
    """Return the name of the scene that a .blend file opens with; "" if it has none."""
    with bpy.data.libraries.load(str(path)) as (source, _):
        names = list(source.scenes)
    if len(names) < 2:
        return names[0] if names else ""

    # Only an open file tells. Its scripts are not run.
    bpy.ops.wm.open_mainfile(filepath=str(path), use_scripts=False, load_ui=False)
    name = bpy.context.scene.name
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return name if name in names else names[0]


def _import_report(
    source: Path, scene: str, offset: NDArray[np.float64] | None = None
) -> ImportReport:
    """Import ``source`` and return the report on it."""
    with mesh_import.imported_objects(source, scene) as objects:
        mesh_import.show_as_rendered(objects)
        bounds = _evaluated_bounds(objects)
        lost = [image for image in bpy.data.images if _is_lost(image)]
        if any(image.library for image in lost):
            raise MeshError(f"The image {lost[0].filepath} of a linked file cannot be read")
        for image in bpy.data.images:
            require_size(image)
        sources = {materials.image_source(image) for image in lost}
        names = {_file_name(image) for image in lost}
        file_scene = mesh_import.file_scene(objects)
        is_posed = file_scene is not None and _is_posed(file_scene)

    return ImportReport(
        source=source,
        scene=scene,
        unreadable=tuple(sorted(sources)),
        lost_textures=tuple(sorted(names)),
        bounds=bounds,
        offset=np.zeros(3) if offset is None else offset,
        is_posed=is_posed,
    )


def require_size(image: bpy.types.Image) -> None:
    """Raise MeshError if an image has more pixels than a renderer should load."""
    width, height = image.size
    if width * height > _MOST_PIXELS:
        raise MeshError(
            f"Its image {_file_name(image)} has {width * height:,} pixels, but the limit is "
            f"{_MOST_PIXELS:,}"
        )


def _is_posed(scene: bpy.types.Scene) -> bool:
    """Return whether ``scene`` is at another frame than the first, and anything is animated."""
    if scene.frame_current_final == 1.0:
        return False
    drivers = [obj for obj in scene.objects if obj.animation_data and obj.animation_data.drivers]
    return bool(len(bpy.data.actions) or drivers)


def _is_lost(image: bpy.types.Image) -> bool:
    """Return whether an image is of a file, or packed, and cannot be read."""
    is_used = bool(materials.image_source(image)) and bool(image.users)
    return is_used and not materials.has_pixels(image)


def _file_name(image: bpy.types.Image) -> str:
    """Return the name of the file of an image, whichever system wrote its path."""
    return image.filepath.replace("\\", "/").rpartition("/")[2] or image.name


def _evaluated_bounds(objects: Sequence[bpy.types.Object]) -> NDArray[np.float64]:
    """Return the bounds (2, 3) of ``objects`` and their instances; (0, 3) without a face.

    Raises:
        MeshError: A coordinate is not finite, or far too large.
    """
    shown = set(objects)
    boxes: dict[int, NDArray[np.float64]] = {}
    corners = []

    for item in bpy.context.evaluated_depsgraph_get().object_instances:
        obj = item.object
        owner = item.parent if item.is_instance else obj
        if owner.original not in shown or obj.type not in mesh_import.SHAPES or not item.show_self:
            continue

        # Instances share their mesh.
        key = obj.data.as_pointer()
        if key not in boxes:
            boxes[key] = _local_box(obj)
        matrix = np.array(item.matrix_world, float)
        corners.append(boxes[key] @ matrix[:3, :3].T + matrix[:3, 3])

    points = np.concatenate([np.zeros((0, 3)), *corners])
    if not len(points):
        return points
    if not (np.abs(points) < _MOST_DISTANT).all():  # also if it is not a number
        raise MeshError("It has vertices whose coordinates are not finite, or far too large")
    return np.stack((points.min(axis=0), points.max(axis=0)))


def _local_box(obj: bpy.types.Object) -> NDArray[np.float64]:
    """Return the corners (8, 3) of the box around an evaluated object; (0, 3) without a face."""
    mesh = obj.to_mesh()
    vertices = meshes.read_vertices(mesh).astype(float) if mesh else np.zeros((0, 3))
    face_count = len(meshes.read_triangles(mesh)) if mesh else 0
    obj.to_mesh_clear()
    if not face_count:
        return np.zeros((0, 3))

    # NaN stays NaN in both.
    sides = np.stack((vertices.min(axis=0), vertices.max(axis=0)))
    grid = np.indices((2, 2, 2)).reshape(3, -1).T
    return np.take_along_axis(sides, grid, axis=0)
