"""Renders a training set of single objects: the work of ``maquette.render_dataset``.

For each object: open it, sample its pose and materials, sample points and cameras, render each view
in its light and scenery, and write all with the ground truth.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...dataset import ground_truth, passes
from ...dataset.records import Record, Shape, ViewRecord
from ...dataset.view_cache import ViewCache
from ...dataset.visibility import surface_colors
from ...errors import DatasetError, MeshError
from ...geometry.fingerprint import shape_fingerprint
from ...jobs.task import Progress, Task
from ...synthesis import camera_sampling
from .. import cameras as scene_cameras
from ..bvh import nearest_triangle_finder
from ..rendering.hdri import hdri_files
from ..rendering.studio import RenderStudio, render_studio
from .dataset_folder import (
    DatasetSettings,
    RenderSummary,
    lock_dataset,
    prepare_folder,
    write_splits,
)
from .mesh_files import end_import_process
from .object_parts import PartNames, numbered_parts
from .object_randomization import randomized_objects, render_view
from .skip_notes import SkipNote
from .sources import ObjectSource
from .view_randomization import ObjectSpace, ViewRandomizer, ViewSetting


def render_dataset(
    sources: Sequence[ObjectSource], folder: Path, settings: DatasetSettings
) -> Task[RenderSummary]:
    """Render every source into ``folder``, in the format of ``core.dataset``; one step a view.

    A run that was stopped is continued: objects that are complete are kept.

    Args:
        sources: What to render; with ``settings.shard`` a part of it.
        folder: Of the set.
        settings: Of the set.

    Raises:
        DependencyError: As :func:`prepare_folder`.
        OutputError: The folder cannot be written, the disk is full, or another process writes into
            the folder.
        DatasetError: The folder has another set, there is no HDRI, or an object cannot be used and
            ``settings.strict`` is set.
        SceneError: The scene's cameras are requested, and there is none, or one cannot be used.
    """
    # Everything that can be wrong is checked before the first object.
    cameras_of_scene = scene_cameras.of_scene(bpy.context, settings.cameras, settings.size)
    settings.random.validate()
    domes = hdri_files(settings.hdri)
    prepare_folder(folder, settings)
    run = _DatasetRun(folder, settings, cameras_of_scene, domes)
    with lock_dataset(folder, settings):
        return (yield from _render_sources(sources, run))


def _render_sources(sources: Sequence[ObjectSource], run: _DatasetRun) -> Task[RenderSummary]:
    """Render the sources of this process's shard into the folder, which is locked."""
    folder = run.folder
    settings = run.settings

    # By name, so that processes agree who renders what.
    shard_index, shard_count = settings.shard
    own_sources = sorted(sources, key=lambda source: source.name)[shard_index::shard_count]

    # What an earlier run may have ended at comes last.
    own_sources.sort(key=lambda source: _note_of(folder, source).is_suspect())

    written = 0
    existing = 0
    skipped: dict[str, str] = {}
    notes: dict[str, str] = {}

    with (
        _import_process(),
        render_studio(
            settings.samples,
            settings.threads,
            settings.denoise,
            settings.relightable,
            bool(settings.parts),
        ) as stage,
    ):
        for index, source in enumerate(own_sources):
            if (folder / "objects" / f"{source.name}.tar").is_file():
                existing += 1
                continue

            # A note next to the objects explains why one is missing.
            yield Progress(index / len(own_sources), source.name)
            note = _note_of(folder, source)
            try:
                for fraction in _render_source(stage, source, run, note):
                    yield Progress((index + fraction) / len(own_sources), source.name)
                written += 1
                note.remove()
                if source.notes():
                    notes[source.name] = _one_line(" ".join(source.notes()))
            except MeshError as error:
                reason = _one_line(str(error))
                if settings.strict:
                    raise DatasetError(
                        f"{source.name} ({source.origin}) cannot be used: {reason}"
                    ) from error
                skipped[source.name] = reason
                note.write(reason)

    write_splits(folder)
    return RenderSummary(written, existing, skipped, notes)


def preview_views(
    sources: Sequence[ObjectSource], settings: DatasetSettings
) -> Task[list[tuple[NDArray[np.float64], list[ViewRecord]]]]:
    """Return what :func:`render_dataset` would render, without rendering it.

    Args:
        sources: Objects to preview.
        settings: Of the set.

    Returns:
        For each object its bounds (2, 3) and its views, in units of Blender.

    Raises:
        MeshError: An object would be skipped.
        SceneError: As :func:`render_dataset`.
    """
    cameras_of_scene = scene_cameras.of_scene(bpy.context, settings.cameras, settings.size)
    previews = []
    with _import_process(), render_studio(settings.samples) as stage:
        for index, source in enumerate(sources):
            yield Progress(index / len(sources), source.name)
            yield from source.prepare()
            with _prepared_object(stage, source, settings, cameras_of_scene) as prepared:
                views = _scaled_views(prepared.views, 1 / source.unit)
                previews.append((prepared.bounds / source.unit, views))

    return previews


@dataclass(frozen=True)
class _DatasetRun:
    """What all objects of a run have in common.

    Attributes:
        folder: Of the set.
        settings: Of the set.
        cameras_of_scene: Views of the rigs that use the scene's cameras, by their text, in units
            of the scene.
        domes: HDRI files.
    """

    folder: Path
    settings: DatasetSettings
    cameras_of_scene: Mapping[str, Sequence[ViewRecord]]
    domes: Sequence[Path]


@dataclass(frozen=True)
class _ObjectParts:
    """The parts of an object.

    Attributes:
        names: Without names if the set has no parts.
        unnamed: Number of the part that has no name; 0 if all surfaces have one.
        numbers: (F,) of the triangles of the mesh, from 1.
    """

    names: PartNames
    unnamed: int
    numbers: NDArray[np.int32]


@dataclass(frozen=True)
class _PreparedObject:
    """An object that is ready to be rendered.

    Attributes:
        mesh: In world space.
        bounds: (2, 3) meters.
        samples: Points whose ground truth is still to be computed.
        views: To render.
        drawn: Its sampled pose and materials as JSON.
        rng: The generator that sampled points and cameras; it samples the light next.
        parts: Of a set with parts.
    """

    mesh: MeshArrays
    bounds: NDArray[np.float64]
    samples: ground_truth.UnlabeledSamples
    views: list[ViewRecord]
    drawn: Mapping[str, Any]
    rng: np.random.Generator
    parts: _ObjectParts


@contextmanager
def _prepared_object(
    stage: RenderStudio,
    source: ObjectSource,
    settings: DatasetSettings,
    cameras_of_scene: Mapping[str, Sequence[ViewRecord]],
) -> Iterator[_PreparedObject]:
    """Yield the object of ``source``, which ``stage`` shows while the context is active."""
    rng = np.random.default_rng((settings.seed, zlib.crc32(source.name.encode())))
    with (
        source.open() as source_objects,
        randomized_objects(
            source_objects,
            settings.random,
            settings.seed,
            source.name,
            source.unit,
            always_copy=bool(settings.parts),
        ) as (objects, drawn),
        numbered_parts(source_objects, objects, settings.parts, source.face_parts) as part_names,
    ):
        stage.unit = source.unit
        # As the renderer gets it, with modifiers at their render settings.
        stage.set_objects(objects)
        mesh = stage.evaluated_mesh()
        _check_triangles(mesh, settings.most_triangles)
        parts = _object_parts(part_names, stage.part_numbers)
        bounds = np.stack((mesh.vertices.min(0), mesh.vertices.max(0))).astype(float)
        samples = ground_truth.sample_solid(mesh, settings.points, rng)

        # With the vertices only the part of an image with the object is rendered.
        stage.set_objects(objects, mesh.vertices)
        try:
            # Cameras that see nothing of the object are drawn again.
            views = camera_sampling.sample_views(
                settings.cameras,
                mesh.vertices,
                settings.size,
                rng,
                stage.camera_check(samples.surface, samples.surface_normals),
                {
                    rig: _scaled_views(scene_views, source.unit)
                    for rig, scene_views in cameras_of_scene.items()
                },
            )
            yield _PreparedObject(mesh, bounds, samples, views, drawn, rng, parts)
        finally:
            with suppress(ReferenceError):  # it was undone
                stage.set_objects(())


def _object_parts(names: PartNames, numbers: NDArray[np.int32]) -> _ObjectParts:
    """Return the parts of an object whose triangles have ``numbers`` (F,), 0 for no name."""
    all_names, unnamed = names.with_unnamed(numbers)
    return _ObjectParts(all_names, unnamed, np.where(numbers > 0, numbers, unnamed))


def _scaled_views(views: Sequence[ViewRecord], factor: float) -> list[ViewRecord]:
    """Return ``views`` after the world is scaled by ``factor`` about the origin."""
    if factor == 1:
        return list(views)
    return [replace(view, camera=view.camera.scaled(factor)) for view in views]


def _check_triangles(mesh: MeshArrays, most: int) -> None:
    """Raise MeshError if ``mesh`` has more than ``most`` triangles; 0 for no limit."""
    count = len(mesh.to_triangles())
    if 0 < most < count:
        raise MeshError(f"It has {count:,} triangles, but the limit is {most:,}")


@contextmanager
def _import_process() -> Iterator[None]:
    """End the process that tries mesh files on exit, if one was started."""
    try:
        yield
    finally:
        end_import_process()


def _one_line(text: str) -> str:
    """Return ``text`` in one line that can be written, whatever the names of files in it."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())


def _note_of(folder: Path, source: ObjectSource) -> SkipNote:
    """Return the note on why an object is missing from the set in ``folder``."""
    return SkipNote(folder, source.name, source.path)


def _render_source(
    stage: RenderStudio, source: ObjectSource, run: _DatasetRun, note: SkipNote
) -> Iterator[float]:
    """Prepare, render and write one object; yield the fraction done.

    Raises:
        MeshError: The object cannot be used, or ended earlier runs.
    """
    lasting_reason = note.lasting_reason()
    if lasting_reason:
        raise MeshError(lasting_reason)

    with note.attempt():
        for _ in source.prepare():
            yield 0.0
    noted_source = replace(source, open=partial(_open_noted, source, note))
    yield from _render_object(stage, noted_source, run)


@contextmanager
def _open_noted(source: ObjectSource, note: SkipNote) -> Iterator[Sequence[bpy.types.Object]]:
    """Yield the objects of ``source``; note the attempt while they are imported."""
    with ExitStack() as stack:
        with note.attempt():
            objects = stack.enter_context(source.open())
        yield objects


def _render_object(stage: RenderStudio, source: ObjectSource, run: _DatasetRun) -> Iterator[float]:
    """Render and write one object; yield the fraction done after each view."""
    settings = run.settings
    with (
        _prepared_object(stage, source, settings, run.cameras_of_scene) as prepared,
        _in_background(lambda: _label_samples(prepared, settings)) as future,
    ):
        # The record is complete before the first view, so that a run can be continued.
        view_settings, view_records = _sample_settings(prepared, source, run)
        record = _object_record(prepared, source, view_records)
        with ViewCache(run.folder, record) as cache:
            for index, view in enumerate(prepared.views):
                setting = view_settings[index]

                # An earlier run may have rendered it.
                if index not in cache:
                    stage.set_light(setting.light)
                    rendered = render_view(stage, view.kind, view.camera, setting.scenery)
                    if rendered.parts is not None:
                        part_map = passes.complete_part_map(
                            rendered.parts, rendered, prepared.parts.unnamed
                        )
                        rendered = replace(rendered, parts=part_map)
                    cache.put_view(index, rendered)
                yield (index + 1) / len(prepared.views)
            shape = future.result()

    # The colors of surface points come from the views.
    if not settings.compact:
        color, is_seen = surface_colors(cache, shape, prepared.bounds)
        shape = replace(shape, surface_colour=color, surface_seen=is_seen)
    cache.finalize(shape, prepared.mesh, small=settings.compact)


def _sample_settings(
    prepared: _PreparedObject, source: ObjectSource, run: _DatasetRun
) -> tuple[list[ViewSetting], list[ViewRecord]]:
    """Sample light and scenery of all views, and return them with the views' records."""
    randomizer = ViewRandomizer(
        random=run.settings.random, domes=run.domes, seed=run.settings.seed, name=source.name
    )
    view_settings = []
    view_records = []

    for index, view in enumerate(prepared.views):
        space = ObjectSpace(view.camera, prepared.bounds, prepared.mesh)
        setting, drawn = randomizer.view_setting(index, space, dome_rng=prepared.rng)
        view_settings.append(setting)
        view_records.append(replace(view, drawn={**view.drawn, **drawn}))

    return view_settings, view_records


def _object_record(
    prepared: _PreparedObject, source: ObjectSource, views: Sequence[ViewRecord]
) -> Record:
    """Return the record of an object."""
    more = dict(source.more())
    if prepared.drawn:
        more["drawn"] = prepared.drawn

    return Record(
        name=source.name,
        source=source.origin,
        family=source.family,
        bounds=prepared.bounds,
        fingerprint=shape_fingerprint(prepared.mesh),
        views=tuple(views),
        more=more,
        parts=prepared.parts.names.names,
        parts_from=prepared.parts.names.origin,
    )


def _label_samples(prepared: _PreparedObject, settings: DatasetSettings) -> Shape:
    """Return the ground truth of an object, as much of it as the set stores."""
    finder = None if settings.compact else nearest_triangle_finder
    bounds = prepared.bounds if settings.grid else None
    shape = prepared.samples.label(finder, bounds)
    if not settings.parts:
        return shape

    # Points were sampled on triangles of the solid. They are those of the mesh, except for sheets,
    # whose thickness is small, so the nearest triangle of the mesh is that of the point.
    corners = prepared.mesh.vertices[prepared.mesh.to_triangles()].astype(float)
    triangle = nearest_triangle_finder(corners)(shape.surface.astype(float))
    return replace(shape, surface_part=prepared.parts.numbers[triangle].astype(np.uint8))


@contextmanager
def _in_background(function: Callable[[], Shape]) -> Iterator[Future[Shape]]:
    """Run ``function`` in a thread, which continues while the renderer leaves a core idle."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool.submit(function)
    finally:
        pool.shutdown(wait=False)
