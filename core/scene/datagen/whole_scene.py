"""A whole scene as one object of a training set, lit as it is."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
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
from ...dataset.fingerprint import shape_fingerprint
from ...dataset.ground_truth import sample_solid
from ...dataset.records import Record, RenderedView, Shape, ViewRecord
from ...dataset.view_cache import ViewCache
from ...errors import DatasetError, MeshError, SceneError
from ...jobs.task import Progress, Task
from ...synthesis import camera_sampling
from ...synthesis.camera_rigs import OF_SCENE, Rig
from ...synthesis.randomization import to_json
from ..bvh import nearest_triangle_finder
from ..depsgraph import EvaluatedInstance, SceneSnapshot
from ..rendering.camera_visibility import SceneBVH, scene_fault
from ..rendering.hdri import hdri_files
from . import objects
from .instance_shapes import InstanceShapes, shapes_of
from .instances import InstanceTable, instances_of
from .objects import DatasetSettings, RenderSummary
from .scene_copy import SceneCopy, scene_copy
from .scene_randomization import (
    SceneRandomizer,
    ViewSetting,
    check_randomization,
    sample_scene_materials,
)

_MOST_TRIANGLES = 20_000  # beyond it the truth of the shape takes minutes


@dataclass(frozen=True)
class WholeScene:
    """How to render a whole scene.

    world: whether the scene's world is seen behind the objects; else the pictures are clear there.
    other_worlds: whether each view is lit by a light dome that is drawn, in place of the world.
    """

    world: bool = False
    other_worlds: bool = False


@dataclass(frozen=True)
class _PlannedView:
    """A picture to take: place of its snapshot among all, and name of the scene's own camera, if it is one."""

    kind: str
    camera: Camera
    snapshot: int
    own: str | None = None
    drawn: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _ScenePlan:
    """What is rendered. frames: of the snapshots. settings: of the sights, in order. flow: whether to tell of it."""

    found: InstanceTable
    frames: Sequence[int]
    sights: Sequence[_PlannedView]
    settings: Sequence[ViewSetting]
    flow: bool

    def render_view(self, stage: SceneCopy, place: int) -> RenderedView:
        sight = self.sights[place]
        found = self.found
        how = self.frames[sight.snapshot], found.sources, self.flow, self.settings[place]
        view = stage.render_view(sight.kind, sight.camera, sight.own, *how)
        return replace(
            view, index=found.index_map(view.index, passes.world_points(view), sight.snapshot)
        )


def render_whole_scene(
    scene: bpy.types.Scene, layer: str, folder: Path, settings: DatasetSettings, whole: WholeScene
) -> Task[RenderSummary]:
    """Render ``scene`` with its view layer named ``layer`` into ``folder``; one step a frame that is read, and a view.

    Goes on after the views that an earlier run left, and with ``settings.shard`` renders every n-th of them; the run
    that finds them all writes the object. Colour is in the scene's own colour management. Blur of motion and of depth,
    compositor and sequencer are left out, since no other pass could agree with them.

    Raises:
        SceneError: there is nothing to render, or no camera. MeshError: no camera around it that is clear of it was
            found. OutputError, DatasetError: as ``render_dataset``, and what is to be drawn makes no sense here.
    """
    check_randomization(settings.random, whole.world)
    if settings.compact:
        raise DatasetError("Compact is not available for a whole scene. Turn it off")
    if settings.relightable or settings.grid:
        raise DatasetError(
            "Relightable and Grid are not available for a whole scene. Turn them off"
        )
    domes = hdri_files(settings.hdri) if whole.other_worlds else None
    objects.prepare_folder(folder, settings, whole)
    name = _scene_name(scene)
    origin = f"scene:{scene.name}"
    if (folder / "objects" / f"{name}.tar").is_file():
        objects.write_splits(folder)
        return RenderSummary(0, 1, {})
    rng = np.random.default_rng((settings.seed, zlib.crc32(name.encode())))
    family = str(scene.get("maquette_family", ""))
    path = _path_rig(settings.cameras)
    if path:
        first, last = path.frames or (scene.frame_start, scene.frame_end)
        frames = range(first, last + 1, path.step)
    else:
        frames = range(scene.frame_current, scene.frame_current + 1)
    yield Progress(0, name)
    quality = settings.samples, settings.threads, settings.denoise
    with scene_copy(scene, layer, settings.size, *quality, whole.world) as stage:
        snapshots: list[SceneSnapshot] = []
        for frame in frames:
            snapshots.append(_share_arrays(stage.read_snapshot(frame), snapshots))
            yield Progress(0.1 * len(snapshots) / len(frames), f"{name}: frame {frame}")
        found = instances_of(snapshots, settings.classes_from, settings.class_property)
        mesh = _join_meshes(snapshots[0])
        sights = _planned_views(stage, snapshots, mesh, settings, rng)
        still = bool(len(mesh.faces)) and not _is_animated(found, snapshots)
        yield Progress(0.15, name)
        plan, recorded, drawn = _make_plan(settings, domes, name, sights, snapshots, found, frames)
        shapes = shapes_of(found, settings.most_triangles or _MOST_TRIANGLES)
        whole_box = _scene_bounds(snapshots), shape_fingerprint(mesh)
        record = Record(
            name, origin, family, *whole_box, recorded, found.record, drawn, shapes.told
        )
        with ViewCache(folder, record) as views:
            yield from _render_views(stage, plan, views, shapes, settings, name)
            written = views.is_complete() and not shapes.missing_indices(views)
            if written:
                record, each = shapes.complete_record(views, record)
                views.finalize(
                    _scene_truth(mesh, settings, rng) if still else None,
                    mesh if still else None,
                    record,
                    each,
                )
    objects.write_splits(folder)
    return RenderSummary(int(written), 0, {})


def _scene_name(scene: bpy.types.Scene) -> str:
    stem = Path(bpy.data.filepath).stem
    return objects.safe_name(f"{stem}__{scene.name}" if stem else scene.name)


def _path_rig(rigs: Sequence[Rig]) -> Rig | None:
    """The path among ``rigs``, which then is the only one: along it the scene may move.

    Raises:
        DatasetError: there are others beside it.
    """
    paths = [rig for rig in rigs if rig.kind == "path"]
    if paths and len(rigs) > 1:
        raise DatasetError(
            "A whole scene cannot be rendered along a camera path and from other cameras at "
            "once. Render it twice"
        )
    return paths[0] if paths else None


def _planned_views(
    stage: SceneCopy,
    snapshots: Sequence[SceneSnapshot],
    mesh: MeshArrays,
    settings: DatasetSettings,
    rng: np.random.Generator,
) -> list[_PlannedView]:
    first = snapshots[0]
    sights = []
    if any(rig.kind in OF_SCENE for rig in settings.cameras) and not stage.cameras:
        raise SceneError("The scene has no camera. Add one, or choose views around the scene")
    around = any(rig.kind not in (*OF_SCENE, "sides") for rig in settings.cameras)
    fault = scene_fault(mesh) if around and len(mesh.faces) else lambda camera: None
    for rig in settings.cameras:
        if rig.kind == "path":
            sights += [
                _PlannedView("path", at.cameras[at.active], place, at.active)
                for place, at in enumerate(snapshots)
            ]
        elif rig.kind == "scene":
            own = sorted(stage.cameras.items())
            sights += [
                _PlannedView(f"camera {name}", first.cameras[place], 0, place)
                for name, place in own
            ]
        else:
            views = camera_sampling.sample_views(
                (rig,), mesh.vertices, settings.size, rng, fault, {}
            )
            sights += [_PlannedView(view.kind, view.camera, 0, drawn=view.drawn) for view in views]
    return sights


def _make_plan(
    settings: DatasetSettings,
    domes: Sequence[Path] | None,
    name: str,
    sights: Sequence[_PlannedView],
    snapshots: Sequence[SceneSnapshot],
    found: InstanceTable,
    frames: Sequence[int],
) -> tuple[_ScenePlan, tuple[ViewRecord, ...], dict[str, Any]]:
    """In what each view is rendered, what is told of it, and what more of them all."""
    looks = sample_scene_materials(settings.random, settings.seed, name, found.sources)
    chance = SceneRandomizer(settings.random, domes, looks, settings.seed, name)
    bounds = _scene_bounds(snapshots)
    drawn = []
    recorded = []
    for snapshot, own in groupby(enumerate(sights), lambda item: item[1].snapshot):
        space = SceneBVH(_join_meshes(snapshots[snapshot])) if chance.needs_scene_bvh else None
        for place, sight in own:
            setting, told = chance.view_setting(place, sight.camera, bounds, space)
            drawn.append(setting)
            told = {**sight.drawn, **told}
            recorded.append(
                ViewRecord(
                    sight.kind, sight.camera, told, frames[snapshot], found.moved_poses(snapshot)
                )
            )
    more = {"drawn": {"materials": to_json(looks)}} if looks else {}
    return (
        _ScenePlan(found, frames, sights, drawn, any(sight.kind == "path" for sight in sights)),
        tuple(recorded),
        more,
    )


def _render_views(
    stage: SceneCopy,
    plan: _ScenePlan,
    views: ViewCache,
    shapes: InstanceShapes,
    settings: DatasetSettings,
    name: str,
) -> Iterator[Progress]:
    """Take this process's share of the views that are missing, then of the truth of the shapes.

    That has no thread of its own: beside Blender 4.2, when it renders frames, another thread's Python crashes.
    """
    index, of = settings.shard
    for place in range(len(plan.sights))[index::of]:
        if place not in views:
            views.put_view(place, plan.render_view(stage, place))
        yield Progress(0.15 + 0.65 * (place + 1) / len(plan.sights), name)
    mine = [number for number in shapes.missing_indices(views) if number % of == index]
    for done, number in enumerate(mine, 1):
        shapes.store_truth(
            views, number, shapes.shape_truth(number, settings.points, settings.seed, name)
        )
        yield Progress(0.8 + 0.2 * done / len(mine), f"{name}: {shapes.told[number].name}")


def _share_arrays(snapshot: SceneSnapshot, earlier: Sequence[SceneSnapshot]) -> SceneSnapshot:
    """``snapshot`` with the arrays of the first of ``earlier`` where they are the same, so that few are held."""
    known = {part.name: part for part in earlier[0].parts} if earlier else {}

    def shared(part: EvaluatedInstance) -> EvaluatedInstance:
        old = known.get(part.name)
        if old is None or not part.is_same_shape(old):
            return part
        return replace(part, vertices=old.vertices, triangles=old.triangles)

    return replace(snapshot, parts=tuple(shared(part) for part in snapshot.parts))


def _join_meshes(snapshot: SceneSnapshot) -> MeshArrays:
    if not snapshot.parts:
        return MeshArrays(np.zeros((1, 3), np.float32), np.zeros((0, 3), np.int32))
    starts = np.cumsum([0, *(len(part.vertices) for part in snapshot.parts)])
    triangles = [
        part.triangles + start for part, start in zip(snapshot.parts, starts, strict=False)
    ]
    vertices = np.concatenate([part.world_vertices() for part in snapshot.parts])
    return MeshArrays(vertices.astype(np.float32), np.concatenate(triangles).astype(np.int32))


def _scene_bounds(snapshots: Sequence[SceneSnapshot]) -> NDArray[np.float64]:
    vertices = [part.world_vertices() for snapshot in snapshots for part in snapshot.parts]
    return np.stack(
        (np.min([v.min(0) for v in vertices], 0), np.max([v.max(0) for v in vertices], 0))
    )


def _is_animated(found: InstanceTable, snapshots: Sequence[SceneSnapshot]) -> bool:
    """Whether anything in the scene moves or changes its shape, so that no one shape is its truth."""
    counts = {len(snapshot.parts) for snapshot in snapshots}
    bounds = {one.index: one.bounds for one in found.record}
    return (
        len(counts) > 1
        or any(found.moved_poses(place) for place in range(len(snapshots)))
        or any(
            not np.allclose(bounds[index], part.local_bounds(), atol=1e-4)
            for index, part in found.parts.items()
        )
    )


def _scene_truth(
    mesh: MeshArrays, settings: DatasetSettings, rng: np.random.Generator
) -> Shape | None:
    if len(mesh.to_triangles()) > (settings.most_triangles or _MOST_TRIANGLES):
        return None
    try:
        return sample_solid(mesh, settings.points, rng).label(nearest_triangle_finder)
    except MeshError:  # it bounds no solid
        return None
