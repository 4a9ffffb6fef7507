"""Renders a whole scene as one object of a training set, lit as it is.

1. read the scene at every frame           -> snapshots of its instances and cameras
2. number the instances, plan the views    -> the record, before anything is rendered
3. render the views that are missing       -> the view cache, which processes share
4. label the points of the distinct shapes -> the cache, too
5. whoever finds all of it in the cache writes the object
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...dataset import passes
from ...dataset.ground_truth import sample_solid
from ...dataset.names import safe_name
from ...dataset.records import Record, RenderedView, Shape, ViewRecord
from ...dataset.view_cache import ViewCache
from ...errors import DatasetError, MeshError, SceneError
from ...geometry.fingerprint import shape_fingerprint
from ...jobs.task import Progress, Task
from ...synthesis import camera_sampling
from ...synthesis.camera_rigs import OF_SCENE, Rig
from ...synthesis.randomization import to_json
from ..bvh import nearest_triangle_finder
from ..depsgraph import EvaluatedInstance, SceneSnapshot
from ..evaluation.playback import play_simulation, restored_frame
from ..rendering.camera_visibility import SceneBVH, scene_fault
from ..rendering.hdri import hdri_files
from .dataset_folder import (
    DatasetSettings,
    RenderSummary,
    lock_dataset,
    prepare_folder,
    write_splits,
)
from .instance_shapes import InstanceShapes, shapes_of
from .instances import InstanceTable, instances_of
from .scene_copy import CopySettings, FrameView, SceneCopy, scene_copy
from .scene_randomization import check_randomization, sample_scene_materials
from .view_randomization import SceneSpace, ViewRandomizer, ViewSetting

_MOST_TRIANGLES = 20_000  # of a shape; with more its ground truth takes minutes
_SAME_BOUNDS = 1e-4  # meters by which the bounds of an instance may change that keeps its shape
# Progress after reading the frames, after planning, and after rendering the views.
_READ = 0.1
_PLANNED = 0.15
_RENDERED = 0.8


@dataclass(frozen=True)
class WholeScene:
    """How to render a whole scene. The field names are stored in ``dataset.json``.

    Attributes:
        world: Whether the scene's world is visible behind the objects; else images are transparent
            there.
        other_worlds: Whether each view is lit by a sampled dome in place of the world.
    """

    world: bool = False
    other_worlds: bool = False


@dataclass(frozen=True)
class _PlannedView:
    """A view to render.

    Attributes:
        kind: As its record has it.
        camera: Of the view.
        snapshot: Index of the snapshot that it shows.
        scene_camera: Name of the camera in the copy if it is one of the scene's, else None.
        drawn: What was sampled for the camera, as JSON.
    """

    kind: str
    camera: Camera
    snapshot: int
    scene_camera: str | None = None
    drawn: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _SceneContent:
    """What a scene holds.

    Attributes:
        snapshots: One for each frame.
        frames: Of the snapshots.
        table: Of the instances over all frames.
        mesh: All instances of the first snapshot, world space.
        bounds: (2, 3) over all frames, meters.
    """

    snapshots: Sequence[SceneSnapshot]
    frames: Sequence[int]
    table: InstanceTable
    mesh: MeshArrays
    bounds: NDArray[np.float64]


@dataclass(frozen=True)
class _SceneRun:
    """What a run is given.

    Attributes:
        scene: To render.
        name: Of the scene in the set.
        folder: Of the set.
        settings: Of the set.
        domes: HDRI files to choose from; None to keep the world of the scene.
        rng: Draws the cameras and the points.
    """

    scene: bpy.types.Scene
    name: str
    folder: Path
    settings: DatasetSettings
    domes: Sequence[Path] | None
    rng: np.random.Generator


@dataclass(frozen=True)
class _ScenePlan:
    """What is rendered.

    Attributes:
        table: Of the instances.
        bounds: (2, 3) of the scene over all frames, meters.
        frames: Of the snapshots.
        views: To render.
        settings: Of the views.
        flow: Whether the views have an optical flow.
    """

    table: InstanceTable
    bounds: NDArray[np.float64]
    frames: Sequence[int]
    views: Sequence[_PlannedView]
    settings: Sequence[ViewSetting]
    flow: bool

    def render_view(self, stage: SceneCopy, index: int) -> RenderedView:
        """Render the view with an index, and replace the numbers of objects by instances."""
        planned = self.views[index]
        frame_view = FrameView(
            kind=planned.kind,
            camera=planned.camera,
            frame=self.frames[planned.snapshot],
            scene_camera=planned.scene_camera,
            sources=self.table.sources,
            flow=self.flow,
            bounds=self.bounds,
        )
        view = stage.render_view(frame_view, self.settings[index])

        # The renderer has one number for all instances of an object.
        points = passes.world_points(view)
        instance_index = self.table.index_map(view.index, points, planned.snapshot)
        return replace(view, index=instance_index)


def render_whole_scene(
    scene: bpy.types.Scene, layer: str, folder: Path, settings: DatasetSettings, whole: WholeScene
) -> Task[RenderSummary]:
    """Render a scene into ``folder``; one step a frame that is read, and a view.

    A run that was stopped is continued after its views. With ``settings.shard`` only every n-th
    view is rendered; the run that finds all of them writes the object. Colors are color managed as
    the scene is. Motion blur, depth of field, compositor and sequencer are off, because no other
    pass could agree with them.

    Args:
        scene: To render.
        layer: Name of its view layer.
        folder: Of the set.
        settings: Of the set.
        whole: How to render a scene.

    Raises:
        SceneError: There is nothing to render, no camera, or one that cannot be used; Cycles is
            disabled; or something is simulated that the viewport does not show.
        MeshError: No camera around the scene was found that is clear of it.
        OutputError: As ``render_dataset``.
        DatasetError: As ``render_dataset``, or the settings make no sense for a scene.
    """
    _check_settings(settings, whole)
    domes = hdri_files(settings.hdri) if whole.other_worlds else None
    prepare_folder(folder, settings, whole)
    with lock_dataset(folder, settings):
        return (yield from _render_locked(scene, layer, folder, settings, whole, domes))


def _render_locked(
    scene: bpy.types.Scene,
    layer: str,
    folder: Path,
    settings: DatasetSettings,
    whole: WholeScene,
    domes: Sequence[Path] | None,
) -> Task[RenderSummary]:
    """Render a scene into the folder, which is locked."""
    name = _scene_name(scene)
    if (folder / "objects" / f"{name}.tar").is_file():
        write_splits(folder)
        return RenderSummary(0, 1, {})

    rng = np.random.default_rng((settings.seed, zlib.crc32(name.encode())))
    frames = _frames(scene, settings.cameras)
    yield Progress(0, name)
    copy_settings = CopySettings(
        layer=layer,
        size=settings.size,
        samples=settings.samples,
        threads=settings.threads,
        denoise=settings.denoise,
        world=whole.world,
        path=_path_rig(settings.cameras) is not None,
    )
    run = _SceneRun(scene, name, folder, settings, domes, rng)

    with restored_frame(scene) as keeper:
        view_layer = scene.view_layers[layer]
        for frame in play_simulation(scene, view_layer, frames[-1], keeper):
            yield Progress(0, f"{name}: playing frame {frame}")
        with scene_copy(scene, copy_settings) as stage:
            is_complete = yield from _render_copy(stage, frames, run)

    write_splits(folder)
    return RenderSummary(int(is_complete), 0, {})


def _render_copy(stage: SceneCopy, frames: range, run: _SceneRun) -> Task[bool]:
    """Render the views that are missing, and write the scene if all are found.

    Returns:
        Whether the scene was written.
    """
    settings = run.settings
    content = yield from _read_content(stage, frames, settings, run.name)
    planned = _planned_views(stage, content, settings, run.rng)
    yield Progress(_PLANNED, run.name)

    plan, view_records, more = _make_plan(settings, run.domes, run.name, planned, content)
    shapes = shapes_of(content.table, settings.most_triangles or _MOST_TRIANGLES)
    record = _scene_record(run.scene, run.name, content, view_records, shapes, more)

    with ViewCache(run.folder, record) as cache:
        yield from _render_missing(stage, plan, cache, shapes, settings, run.name)
        is_complete = cache.is_complete() and not shapes.missing_indices(cache)
        if is_complete:
            _write_scene(cache, record, shapes, content, settings, run.rng)

    return is_complete


def _scene_record(
    scene: bpy.types.Scene,
    name: str,
    content: _SceneContent,
    views: tuple[ViewRecord, ...],
    shapes: InstanceShapes,
    more: Mapping[str, Any],
) -> Record:
    """Return the record of a scene, before the ground truth of its shapes is known.

    Args:
        scene: That is rendered.
        name: Of the scene in the set.
        content: Of the scene.
        views: Records of its views.
        shapes: Of its instances.
        more: Further fields.
    """
    return Record(
        name=name,
        source=f"scene:{scene.name}",
        family=str(scene.get("maquette_family", "")),
        bounds=content.bounds,
        fingerprint=shape_fingerprint(content.mesh),
        views=views,
        instances=content.table.instances,
        more=more,
        shapes=shapes.shapes,
    )


def _check_settings(settings: DatasetSettings, whole: WholeScene) -> None:
    """Raise DatasetError if the settings make no sense for a whole scene."""
    check_randomization(settings.random, whole.world)
    if settings.compact:
        raise DatasetError("Compact is not available for a whole scene. Turn it off")
    if settings.relightable or settings.grid or settings.parts:
        raise DatasetError(
            "Relightable, Grid and Parts are not available for a whole scene. Turn them off"
        )


def _scene_name(scene: bpy.types.Scene) -> str:
    """Return the name of the scene in the set, from its file and its name."""
    stem = Path(bpy.data.filepath).stem
    return safe_name(f"{stem}__{scene.name}" if stem else scene.name)


def _frames(scene: bpy.types.Scene, rigs: Sequence[Rig]) -> range:
    """Return the frames to read: those of a path, else the current one."""
    path = _path_rig(rigs)
    if path is None:
        return range(scene.frame_current, scene.frame_current + 1)
    first, last = path.frames or (scene.frame_start, scene.frame_end)
    return range(first, last + 1, path.step)


def _path_rig(rigs: Sequence[Rig]) -> Rig | None:
    """Return the path among ``rigs``, if any; the scene may move along it, so it is the only rig.

    Raises:
        DatasetError: There are other rigs, too.
    """
    paths = [rig for rig in rigs if rig.kind == "path"]

    # Views of a path differ in their frames, others are of the current frame.
    if paths and len(rigs) > 1:
        raise DatasetError(
            "A whole scene cannot be rendered along a camera path and from other cameras at "
            "once. Render it twice"
        )

    return paths[0] if paths else None


def _read_content(
    stage: SceneCopy, frames: range, settings: DatasetSettings, name: str
) -> Task[_SceneContent]:
    """Read the scene at all frames."""
    # Only cameras that are rendered: others may be of a kind that cannot be.
    is_path = _path_rig(settings.cameras) is not None
    needs_cameras = any(rig.kind in OF_SCENE for rig in settings.cameras)
    cameras = tuple(stage.cameras) if needs_cameras else ()
    snapshots: list[SceneSnapshot] = []

    for frame in frames:
        snapshot = stage.read_snapshot(frame, cameras, only_active=is_path)
        snapshots.append(_share_arrays(snapshot, snapshots))
        fraction = _READ * len(snapshots) / len(frames)
        yield Progress(fraction, f"{name}: frame {frame}")

    return _SceneContent(
        snapshots=snapshots,
        frames=frames,
        table=instances_of(snapshots, settings.classes_from, settings.class_property),
        mesh=snapshots[0].joined_mesh(),
        bounds=_scene_bounds(snapshots),
    )


def _planned_views(
    stage: SceneCopy, content: _SceneContent, settings: DatasetSettings, rng: np.random.Generator
) -> list[_PlannedView]:
    """Return the views of all rigs.

    Raises:
        SceneError: The scene's cameras are requested, and there is none.
        MeshError: No camera around the scene was found that is clear of it.
    """
    needs_cameras = any(rig.kind in OF_SCENE for rig in settings.cameras)
    if needs_cameras and not stage.cameras:
        raise SceneError("The scene has no camera. Add one, or choose views around the scene")

    # In the order of the rigs; only sampled cameras have to be checked.
    fault = _camera_fault(content.mesh, settings.cameras)
    planned = []
    for rig in settings.cameras:
        if rig.kind == "path":
            planned += _path_views(content.snapshots)
        elif rig.kind == "scene":
            planned += _scene_camera_views(stage, content.snapshots[0])
        else:
            views = camera_sampling.sample_views(
                (rig,), content.mesh.vertices, settings.size, rng, fault, {}
            )
            for view in views:
                view_of_rig = _PlannedView(view.kind, view.camera, 0, drawn=view.drawn)
                planned.append(view_of_rig)

    return planned


def _camera_fault(mesh: MeshArrays, rigs: Sequence[Rig]) -> Callable[[Camera], str | None]:
    """Return the check of sampled cameras; sides and the scene's cameras need none."""
    unchecked = (*OF_SCENE, "sides")
    if len(mesh.faces) and any(rig.kind not in unchecked for rig in rigs):
        return scene_fault(mesh)
    return lambda camera: None


def _path_views(snapshots: Sequence[SceneSnapshot]) -> list[_PlannedView]:
    """Return a view of the active camera for each snapshot."""
    views = []
    for index, snapshot in enumerate(snapshots):
        camera = snapshot.cameras[snapshot.active]
        views.append(_PlannedView("path", camera, index, scene_camera=snapshot.active))
    return views


def _scene_camera_views(stage: SceneCopy, snapshot: SceneSnapshot) -> list[_PlannedView]:
    """Return a view for each of the scene's cameras, sorted by name."""
    views = []
    for name, copy_name in sorted(stage.cameras.items()):
        camera = snapshot.cameras[copy_name]
        views.append(_PlannedView(f"camera {name}", camera, 0, scene_camera=copy_name))
    return views


def _make_plan(
    settings: DatasetSettings,
    domes: Sequence[Path] | None,
    name: str,
    planned: Sequence[_PlannedView],
    content: _SceneContent,
) -> tuple[_ScenePlan, tuple[ViewRecord, ...], dict[str, Any]]:
    """Sample the setting of each view.

    Returns:
        The plan, the records of the views, and further fields of the scene's record.
    """
    table = content.table
    materials = sample_scene_materials(settings.random, settings.seed, name, table.sources)
    randomizer = ViewRandomizer(settings.random, domes, settings.seed, name, materials)

    view_settings = []
    view_records = []

    # One BVH in memory at a time: views are in the order of their snapshots.
    for snapshot, group in groupby(enumerate(planned), lambda item: item[1].snapshot):
        bvh = None
        if randomizer.needs_scene_bvh:
            bvh = SceneBVH(content.snapshots[snapshot].joined_mesh())
        for index, view in group:
            space = SceneSpace(view.camera, content.bounds, bvh)
            setting, drawn = randomizer.view_setting(index, space)
            view_settings.append(setting)
            view_record = ViewRecord(
                kind=view.kind,
                camera=view.camera,
                drawn={**view.drawn, **drawn},
                frame=content.frames[snapshot],
                moved=table.moved_poses(snapshot),
            )
            view_records.append(view_record)

    # Materials are the same in all views, so the scene's record has them.
    plan = _ScenePlan(
        table=table,
        bounds=content.bounds,
        frames=content.frames,
        views=planned,
        settings=view_settings,
        flow=any(view.kind == "path" for view in planned),
    )
    more = {"drawn": {"materials": to_json(materials)}} if materials else {}
    return plan, tuple(view_records), more


def _render_missing(
    stage: SceneCopy,
    plan: _ScenePlan,
    cache: ViewCache,
    shapes: InstanceShapes,
    settings: DatasetSettings,
    name: str,
) -> Iterator[Progress]:
    """Compute this process's share of the views, then of the ground truth, that are missing.

    The ground truth is not in a thread: while Blender 4.2 renders frames, Python in another thread
    crashes.
    """
    shard_index, shard_count = settings.shard
    view_count = len(plan.views)
    for index in range(view_count)[shard_index::shard_count]:
        if index not in cache:
            view = plan.render_view(stage, index)
            cache.put_view(index, view)
        fraction = _PLANNED + (_RENDERED - _PLANNED) * (index + 1) / view_count
        yield Progress(fraction, name)

    # The ground truth of a shape is one unit of work, too.
    missing = shapes.missing_indices(cache)
    own_shapes = [index for index in missing if index % shard_count == shard_index]
    for done, index in enumerate(own_shapes, 1):
        truth = shapes.shape_truth(index, settings.points, settings.seed, name)
        shapes.store_truth(cache, index, truth)
        fraction = _RENDERED + (1 - _RENDERED) * done / len(own_shapes)
        yield Progress(fraction, f"{name}: {shapes.shapes[index].name}")


def _write_scene(
    cache: ViewCache,
    record: Record,
    shapes: InstanceShapes,
    content: _SceneContent,
    settings: DatasetSettings,
    rng: np.random.Generator,
) -> None:
    """Write the scene; with its mesh and ground truth only if nothing in it moves."""
    has_faces = bool(len(content.mesh.faces))
    is_still = has_faces and not _is_animated(content.table, content.snapshots)

    complete_record, shape_contents = shapes.complete_record(cache, record)

    truth = None
    mesh = None
    if is_still:
        truth = _scene_truth(content.mesh, settings, rng)
        mesh = content.mesh
    cache.finalize(truth, mesh, complete_record, shape_contents)


def _share_arrays(snapshot: SceneSnapshot, earlier: Sequence[SceneSnapshot]) -> SceneSnapshot:
    """Return ``snapshot`` with the arrays of the first of ``earlier`` where they are the same.

    So few arrays are in memory.
    """
    if not earlier:
        return snapshot
    first_snapshot = earlier[0]
    first_parts = {part.name: part for part in first_snapshot.parts}

    parts: list[EvaluatedInstance] = []
    for part in snapshot.parts:
        first = first_parts.get(part.name)
        if first is not None and part.is_same_shape(first):
            part = replace(part, vertices=first.vertices, triangles=first.triangles)
        parts.append(part)

    return replace(snapshot, parts=tuple(parts))


def _scene_bounds(snapshots: Sequence[SceneSnapshot]) -> NDArray[np.float64]:
    """Return the low and high corner (2, 3) of all instances over all frames, meters."""
    # Only corners are collected: scenes may have many vertices.
    lows = []
    highs = []
    for snapshot in snapshots:
        for part in snapshot.parts:
            vertices = part.world_vertices()
            lows.append(vertices.min(0))
            highs.append(vertices.max(0))

    low = np.min(lows, 0)
    high = np.max(highs, 0)
    return np.stack((low, high))


def _is_animated(table: InstanceTable, snapshots: Sequence[SceneSnapshot]) -> bool:
    """Return whether anything moves or changes its shape, so that the scene has no one shape."""
    # Instances that come or go, or that move.
    counts = {len(snapshot.parts) for snapshot in snapshots}
    if len(counts) > 1:
        return True
    indices = range(len(snapshots))
    if any(table.moved_poses(index) for index in indices):
        return True

    # Bounds over all frames that differ from those of the first.
    bounds = {instance.index: instance.bounds for instance in table.instances}
    return any(
        not np.allclose(bounds[index], part.local_bounds(), atol=_SAME_BOUNDS)
        for index, part in table.parts.items()
    )


def _scene_truth(
    mesh: MeshArrays, settings: DatasetSettings, rng: np.random.Generator
) -> Shape | None:
    """Return the ground truth of the scene, or None if it is too large or encloses nothing."""
    most_triangles = settings.most_triangles or _MOST_TRIANGLES
    if len(mesh.to_triangles()) > most_triangles:
        return None

    try:
        return sample_solid(mesh, settings.points, rng).label(nearest_triangle_finder)
    except MeshError:  # it encloses no solid
        return None
