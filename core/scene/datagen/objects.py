"""Objects in, a training set out: the work behind ``maquette.render_dataset``."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...arrays import MeshArrays
from ...dataset import atomic_files, ground_truth, splits
from ...dataset.fingerprint import shape_fingerprint
from ...dataset.records import VERSION, Record, Shape, ViewRecord, read_record
from ...dataset.view_cache import ViewCache
from ...dataset.visibility import surface_colors
from ...errors import DatasetError, MeshError, OutputError, SceneError
from ...jobs import dependencies
from ...jobs.task import Progress, Task
from ...synthesis import camera_rigs, camera_sampling
from ...synthesis.camera_rigs import Rig
from ...synthesis.randomization import Randomization, to_json
from .. import cameras as scene_cameras
from .. import importing
from ..bvh import nearest_triangle_finder
from ..rendering.hdri import hdri_files
from ..rendering.lighting import sample_light
from ..rendering.studio import RenderStudio, render_studio
from . import object_randomization
from .class_labels import class_of

_NOT_TOLD = (
    "relightable",
    "grid",
)  # in ``dataset.json`` only if they are set, so that older sets go on as they are
_NOT_THE_SET = (
    "most_triangles",
    "shard",
    "threads",
    "strict",
)  # settings that leave each object as it is


@dataclass(frozen=True)
class DatasetSettings:
    """How to render a training set.

    seed: of cameras, light and sampled points. samples: Cycles' a pixel. denoise: colours, not the rest.
    size: of each square picture, pixels; of the longer side of those by the scene's own cameras.
    cameras: which, see ``core.synthesis.camera_rigs``.
    points: uniform points of ground truth, and as many near the surface.
    most_triangles: objects of more are skipped, 0 for no limit: their truth would take long.
    shard: (index, count): make every count-th object only, or view of a whole scene, so that processes share a set.
    threads: of the renderer, 0 for all cores. hdri: folder of light domes, None for those that Blender ships.
    random: what else is drawn.
    classes_from, class_property: of objects of the scene, see ``families.family_of``.
    strict: an object that cannot be used stops the run, instead of being skipped.
    compact: what training reads alone, in the compact form (``core.dataset``); not of whole scenes.
    relightable: each view with albedo, occlusion and, in the compact form too, its true normals; not of whole scenes.
    grid: each object with the cells of a cube about it that are inside; not of whole scenes.
    """

    seed: int = 0
    size: int = 128
    samples: int = 16
    denoise: bool = False
    cameras: tuple[Rig, ...] = camera_rigs.DEFAULT
    points: int = 16384
    most_triangles: int = 0
    shard: tuple[int, int] = (0, 1)
    threads: int = 0
    hdri: Path | None = None
    random: Randomization = field(default_factory=Randomization)
    classes_from: str = 'PROPERTY'
    class_property: str = "maquette_family"
    strict: bool = False
    compact: bool = False
    relightable: bool = False
    grid: bool = False


@dataclass(frozen=True)
class ObjectSource:
    """One object to come. ``open`` gives its objects, which are in the file while that context lasts.

    more: what else its record shall tell, as JSON; called when it is rendered.
    """

    name: str
    origin: str
    family: str
    open: Callable[[], AbstractContextManager[Sequence[bpy.types.Object]]] = field(repr=False)
    more: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)


@dataclass(frozen=True)
class RenderSummary:
    """What a run did: objects written now, found from before, and skipped with the reason."""

    written: int
    found: int
    skipped: dict[str, str]


def scene_sources(
    objects: Sequence[bpy.types.Object],
    classes_from: str = 'PROPERTY',
    class_property: str = "maquette_family",
) -> list[ObjectSource]:
    """Each mesh object of the scene as one object of the set; its children come along.

    Args:
        classes_from, class_property: see ``families.family_of``.

    Raises:
        SceneError: there is none.
    """
    found = [obj for obj in objects if obj.type == 'MESH']
    if not found:
        raise SceneError("No mesh object to render. Select one, or choose another source")
    names = distinct_names({obj.name_full: obj.name for obj in found})
    return [
        ObjectSource(
            names[obj.name_full],
            f"scene:{obj.name}",
            class_of(obj, None, classes_from, class_property),
            lambda obj=obj: nullcontext([obj, *obj.children_recursive]),
        )
        for obj in found
    ]


def file_sources(folder: Path) -> list[ObjectSource]:
    """Each mesh file under ``folder`` as one object; its family is the name of the folder it lies in.

    Raises:
        DatasetError: there is none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in importing.SUFFIXES)
    if not paths:
        raise DatasetError(f"{folder} contains no mesh files ({', '.join(importing.SUFFIXES)})")
    whole = {path: path.relative_to(folder) for path in paths}
    names = distinct_names(
        {own.as_posix(): own.with_suffix("").as_posix() for own in whole.values()}
    )
    return [
        ObjectSource(
            names[own.as_posix()],
            path.name,
            path.parent.name,
            lambda path=path: importing.imported_objects(path),
        )
        for path, own in whole.items()
    ]


def procedural_sources(families: Sequence[str], count: int, seed: int) -> list[ObjectSource]:
    """``count`` objects of our own generators, the families in turn."""

    def source(family: str, number: int) -> ObjectSource:
        name = f"procedural__{family}_{number:06d}"
        return ObjectSource(
            name,
            f"procedural:{family}:{number}",
            family,
            open=lambda: _procedural_mesh(family, number),
            more=lambda: _draws(family, number),
        )

    return [source(families[i % len(families)], seed + i // len(families)) for i in range(count)]


def subset(sources: Sequence[ObjectSource], count: int | None) -> list[ObjectSource]:
    """``count`` of ``sources`` as by chance, but always the same, and of more all that were of fewer; all if None.

    By another chance than that of the splits, else few would all be of one.
    """
    return sorted(sources, key=lambda source: splits.hash_key(f"drawn {source.name}"))[:count]


def render_dataset(
    sources: Sequence[ObjectSource], folder: Path, settings: DatasetSettings
) -> Task[RenderSummary]:
    """Render and sample every source into ``folder``, in the format of ``core.dataset``; one step a view.

    Goes on where an earlier run stopped: whole objects that lie there are kept.

    Raises:
        As :func:`prepare_folder`.
        OutputError: the folder cannot be written. DatasetError: another set lies there, the disk is full, there is no
            light dome, or an object cannot be used and ``settings.strict`` is set.
        SceneError: the scene's own cameras are asked for, and there is none, or one that we cannot use.
    """
    of_scene = scene_cameras.of_scene(bpy.context, settings.cameras, settings.size)
    settings.random.validate()
    domes = hdri_files(settings.hdri)
    prepare_folder(folder, settings)
    mine = sorted(sources, key=lambda source: source.name)[settings.shard[0] :: settings.shard[1]]
    written = found = 0
    skipped: dict[str, str] = {}
    with render_studio(
        settings.samples, settings.threads, settings.denoise, settings.relightable
    ) as stage:
        for index, source in enumerate(mine):
            if (folder / "objects" / f"{source.name}.tar").is_file():
                found += 1
                continue
            yield Progress(index / len(mine), source.name)
            note = folder / "objects" / f"{source.name}.skipped"
            try:
                for part in _render_object(stage, source, folder, settings, of_scene, domes):
                    yield Progress((index + part) / len(mine), source.name)
                written += 1
                note.unlink(missing_ok=True)
            except MeshError as error:
                if settings.strict:
                    raise DatasetError(
                        f"{source.name} ({source.origin}) cannot be used: {error}"
                    ) from error
                skipped[source.name] = str(error)
                atomic_files.write_bytes(note, str(error))
    write_splits(folder)
    return RenderSummary(written, found, skipped)


def preview_views(
    sources: Sequence[ObjectSource], settings: DatasetSettings
) -> Task[list[tuple[np.ndarray, list[ViewRecord]]]]:
    """The bounds (2, 3) of each of ``sources`` and the views that :func:`render_dataset` would render of it.

    Raises:
        MeshError: an object of which it would make nothing. SceneError: as there.
    """
    of_scene = scene_cameras.of_scene(bpy.context, settings.cameras, settings.size)
    found = []
    with render_studio(settings.samples) as stage:
        for index, source in enumerate(sources):
            yield Progress(index / len(sources), source.name)
            with _prepared_object(stage, source, settings, of_scene) as posed:
                found.append((posed.bounds, posed.views))
    return found


@dataclass(frozen=True)
class _PreparedObject:
    """An object before the cameras. bounds: (2, 3) metres. drawn: its pose and look. rng: as the cameras left it."""

    mesh: MeshArrays
    bounds: np.ndarray
    samples: ground_truth.UnlabelledSamples
    views: list[ViewRecord]
    drawn: Mapping[str, Any]
    rng: np.random.Generator


@contextmanager
def _prepared_object(
    stage: RenderStudio,
    source: ObjectSource,
    settings: DatasetSettings,
    of_scene: Mapping[str, Sequence[ViewRecord]],
) -> Iterator[_PreparedObject]:
    """``source`` is on the stage meanwhile."""
    rng = np.random.default_rng((settings.seed, zlib.crc32(source.name.encode())))
    random = settings.random
    own = (settings.seed, source.name)
    with (
        source.open() as given,
        object_randomization.randomized_objects(given, random, *own) as (objects, drawn),
    ):
        stage.set_objects(objects)
        mesh = stage.evaluated_mesh()
        if 0 < settings.most_triangles < len(mesh.to_triangles()):
            raise MeshError(
                f"It has {len(mesh.to_triangles()):,} triangles, but the limit is "
                f"{settings.most_triangles:,}"
            )
        bounds = np.stack((mesh.vertices.min(0), mesh.vertices.max(0))).astype(float)
        samples = ground_truth.sample_solid(mesh, settings.points, rng)
        stage.set_objects(objects, mesh.vertices)
        try:
            fault = stage.camera_check(samples.surface, samples.surface_normals).rejection_reason
            views = camera_sampling.sample_views(
                settings.cameras, mesh.vertices, settings.size, rng, fault, of_scene
            )
            yield _PreparedObject(mesh, bounds, samples, views, drawn, rng)
        finally:
            with suppress(ReferenceError):  # it was undone
                stage.set_objects(())


def _render_object(
    stage: RenderStudio,
    source: ObjectSource,
    folder: Path,
    settings: DatasetSettings,
    of_scene: Mapping[str, Sequence[ViewRecord]],
    domes: Sequence[Path],
) -> Iterator[float]:
    """Write one object; yields the fraction done after each view."""
    random = settings.random
    own = (settings.seed, source.name)
    with (
        _prepared_object(stage, source, settings, of_scene) as posed,
        _in_background(lambda: _decided(posed, settings)) as deciding,
    ):
        lit = []
        told = []
        for index, view in enumerate(posed.views):
            lamps = object_randomization.view_lights(random, *own, index, posed.bounds)
            light = sample_light(domes, posed.rng, lamps)
            scenery, around = object_randomization.view_scenery(
                random, *own, index, view.camera, posed.mesh
            )
            lit.append((light, scenery))
            told.append(replace(view, drawn={**view.drawn, "light": to_json(light), **around}))
        record = Record(
            source.name,
            source.origin,
            source.family,
            posed.bounds,
            shape_fingerprint(posed.mesh),
            tuple(told),
            more={**source.more(), **({"drawn": posed.drawn} if posed.drawn else {})},
        )
        with ViewCache(folder, record) as views:
            for index, (view, (light, scenery)) in enumerate(zip(posed.views, lit, strict=True)):
                if index not in views:
                    stage.set_light(light)
                    views.put_view(
                        index,
                        object_randomization.render_view(stage, view.kind, view.camera, scenery),
                    )
                yield (index + 1) / len(lit)
            shape = deciding.result()
    if not settings.compact:
        color, seen = surface_colors(views, shape, posed.bounds)
        shape = replace(shape, surface_colour=color, surface_seen=seen)
    views.finalize(shape, posed.mesh, small=settings.compact)


def _decided(posed: _PreparedObject, settings: DatasetSettings) -> Shape:
    """The truth of what is on the stage, as much of it as the set holds."""
    tree = None if settings.compact else nearest_triangle_finder
    return posed.samples.label(tree, posed.bounds if settings.grid else None)


@contextmanager
def _in_background(work: Callable[[], Shape]) -> Iterator[Future[Shape]]:
    """``work`` in a thread of its own, which goes on while the renderer leaves a core idle."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool.submit(work)
    finally:
        pool.shutdown(wait=False)


@contextmanager
def _procedural_mesh(family: str, seed: int) -> Iterator[Sequence[bpy.types.Object]]:
    from ... import procedural
    from ..procedural_objects import add_object

    thing = procedural.make_object(family, seed)
    with importing.detached_objects(lambda: add_object(bpy.context.scene.collection, thing)) as obj:
        yield [obj]


def _draws(family: str, seed: int) -> dict[str, Any]:
    """Return what a record tells of a generated object: [address, value] of all that was drawn."""
    from ... import procedural

    thing = procedural.make_object(family, seed)
    return {"draws": [[draw.address, draw.value] for draw in thing.draws]}


def prepare_folder(folder: Path, settings: DatasetSettings, whole: object = None) -> None:
    """Make ``folder`` ready for a set made with ``settings``, and of a whole scene with the dataclass ``whole``.

    Raises:
        DependencyError: Pillow, which writes the pictures, is missing: said before anything is rendered.
        OutputError: it cannot be written. DatasetError: a set that was made with others lies there.
    """
    dependencies.require_packages("PIL")
    kept = {key: value for key, value in asdict(settings).items() if key not in _NOT_THE_SET}
    kept = {key: value for key, value in kept.items() if value or key not in _NOT_TOLD}
    kept |= {"whole_scene": asdict(whole)} if whole else {}  # type: ignore[call-overload]
    kept = {"version": VERSION, **json.loads(json.dumps(kept, default=str))}
    path = folder / "dataset.json"
    try:
        (folder / "objects").mkdir(parents=True, exist_ok=True)
        atomic_files.remove_partials(folder)
        if path.exists():
            if _stored_settings(path) != kept:
                raise DatasetError(
                    f"{folder} contains a training set with different settings. Choose another "
                    "folder"
                )
        else:
            atomic_files.write_json(path, kept)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from error


def _stored_settings(path: Path) -> dict[str, Any]:
    """The settings in ``path``, and those that older sets tell of elsewhere or not at all."""
    usual = json.loads(json.dumps(asdict(DatasetSettings()), default=str))
    told = json.loads(path.read_text(encoding="utf-8"))
    whole = told.get("whole_scene", {})
    classes = ("classes_from", "class_property")
    if whole:
        whole.setdefault("other_worlds", False)
    moved = {key: whole.pop(key) for key in classes if key in whole}
    return {
        **{key: usual[key] for key in ("random", "denoise", "compact", *classes)},
        **moved,
        **told,
    }


def write_splits(folder: Path) -> dict[str, str]:
    """Assign every object in ``folder`` to a split and write ``splits.json``."""
    records = [read_record(path) for path in sorted((folder / "objects").glob("*.tar"))]
    fingerprints = {record.name: record.fingerprint for record in records}
    assigned = splits.assign_splits(
        fingerprints, {record.name: record.family for record in records}
    )
    atomic_files.write_bytes(folder / "splits.json", json.dumps(assigned, indent=0))
    return assigned


def distinct_names(wanted: Mapping[str, str]) -> dict[str, str]:
    """For each key the name it wants, as that of a file; with the key's checksum where several would be the same."""
    safe = {key: safe_name(name) for key, name in wanted.items()}
    often = Counter(name.casefold() for name in safe.values())
    return {
        key: f"{name}_{zlib.crc32(key.encode()):08x}" if often[name.casefold()] > 1 else name
        for key, name in safe.items()
    }


def safe_name(name: str) -> str:
    """``name`` as that of a file."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name.replace("/", "__"))
