"""From verified matches to cameras and points, by pycolmap's incremental mapper."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import OPENCV_FROM_OPENGL, Camera
from ..jobs.task import Progress, Task, subtask
from .matching import MatchDatabase
from .records import SparseCloud

_BEAT = 0.1  # seconds between two reports
_ENOUGH = 0.8  # share of the photographs: with fewer, relaxed thresholds are tried
_EXPLAINED = 0.6  # of the matches: right cameras give 0.7 to 0.95, a wrong focal length 0.2 to 0.5
_SAME_FOCAL = 0.05  # relative difference
# Focal lengths to begin with, in units of the longer side: a phone's, a camera's, two telephoto
# lenses. Bundle adjustment finds the true one from up to a third off.
_FOCALS = (1.8, 1.2, 0.8, 2.6)
_LEAST_SPREAD = 0.02  # of the cameras' distance from the points
_SEED = 0
# Where few features are, as before a plain background; measured to register 24 of 24 instead of 10.
_RELAXED = {
    "init_min_num_inliers": 30,
    "abs_pose_min_num_inliers": 15,
    "init_min_tri_angle": 4.0,
}


@dataclass(frozen=True)
class Model:
    """Photographs that fit together, in the solver's space.

    indices: of the photographs. cameras: for each, at the reduced size.
    distortions: for each (k1, k2), see ``SolvedPhotograph``.
    explained: share of the verified matches between its photographs that its points explain.
    cloud: as it is. observations: (K, 4) photograph, point, u, v of each place where a photograph
        shows a point, pixels of the reduced photograph.
    """

    indices: list[int]
    cameras: list[Camera]
    distortions: list[tuple[float, float]]
    cloud: SparseCloud
    observations: NDArray[np.float64]
    explained: float = 1.0


@dataclass(frozen=True)
class _MapperChoices:
    """How to map.

    relaxed: with thresholds for few features.
    focal: held until all photographs are placed, in units of their longer side; None to refine the
        one that the database holds with each photograph.
    """

    relaxed: bool = False
    focal: float | None = None


def map_photographs(database: MatchDatabase) -> Task[list[Model]]:
    """Return the models that the matches give, the largest first.

    Thresholds are relaxed if few photographs fit. If matches contradict the cameras, other focal
    lengths are tried: with a flat floor in most matches a wrong one fits each pair of photographs
    well, and then bends the ring of cameras.

    The list is empty if no two photographs fit together.
    """
    runs = _MapperRuns(database)
    models = yield from runs.run(_MapperChoices())
    if not enough_registered(models, len(database.image_names)):
        relaxed = yield from runs.run(_MapperChoices(relaxed=True))
        models = _better(models, relaxed)
    if models and models[0].explained < _EXPLAINED:
        models = yield from _try_focals(runs, models)
    return models


@dataclass
class _MapperRuns:
    """Runs of the mapper, each of which takes half of what is left of the progress."""

    database: MatchDatabase
    done: float = 0.0

    def run(self, choices: _MapperChoices) -> Task[list[Model]]:
        """Return the models of one more run, the largest first."""
        begin = self.done
        self.done = (begin + 1) / 2
        return (yield from subtask(_run_mapper(self.database, choices), begin, self.done))


def enough_registered(models: list[Model], count: int) -> bool:
    """Return whether the largest of ``models`` holds most of ``count`` photographs."""
    return registered_count(models) >= _ENOUGH * count


def registered_count(models: list[Model]) -> int:
    """Return how many photographs the largest of ``models`` holds."""
    return len(models[0].indices) if models else 0


def _try_focals(runs: _MapperRuns, models: list[Model]) -> Task[list[Model]]:
    """Return the best of ``models`` and of those that other focal lengths give."""
    for focal in _FOCALS:
        tried = yield from runs.run(_MapperChoices(focal=focal))
        models = _better(models, tried)
        if models[0].explained >= _EXPLAINED:
            break

        # Once more from what bundle adjustment made of it, unless that is where it began.
        refined = _focal_of(tried[0]) if tried else focal
        if abs(refined / focal - 1) > _SAME_FOCAL:
            tried = yield from runs.run(_MapperChoices(focal=refined))
            models = _better(models, tried)
        if models[0].explained >= _EXPLAINED:
            break

    # Whoever maps again begins with the best.
    _write_focals(runs.database, _focal_of(models[0]))
    return models


def _better(models: list[Model], others: list[Model]) -> list[Model]:
    """Return those of which the first explains more matches of more photographs."""
    return others if _merit(others) > _merit(models) else models


def _merit(models: list[Model]) -> float:
    return len(models[0].indices) * models[0].explained if models else 0.0


def _focal_of(model: Model) -> float:
    """Return the focal length of most photographs in units of their longer side."""
    focals = [
        camera.intrinsics[0, 0] / max(camera.width, camera.height) for camera in model.cameras
    ]
    return float(np.median(focals))


def _run_mapper(database: MatchDatabase, choices: _MapperChoices) -> Task[list[Model]]:
    """Map on a thread, so that progress is reported and closing this stops it."""
    import pycolmap

    token = pycolmap.CancellationToken()
    registered = [0]
    outcome: dict[str, Any] = {}

    def count_image() -> None:
        registered[0] += 1

    def map_images() -> None:
        try:
            outcome["models"] = _incremental_models(database, choices, count_image, token)
        except InterruptedError:
            pass
        except Exception as error:  # raised again below, on the caller's thread
            outcome["error"] = error

    # The mapper releases the interpreter lock, so this thread can report.
    thread = threading.Thread(target=map_images, name="maquette-mapping", daemon=True)
    thread.start()
    count = len(database.image_names)

    try:
        while thread.is_alive():
            stage = f"Cameras {min(registered[0] + 2, count)}/{count}"
            yield Progress(min(registered[0] / count, 1.0), stage)
            thread.join(_BEAT)
    finally:
        with suppress(RuntimeError):
            token.cancel()
        thread.join()

    if "error" in outcome:
        raise outcome["error"]
    found: list[Model] = outcome.get("models", [])
    return found


def _incremental_models(
    database: MatchDatabase, choices: _MapperChoices, on_image: Callable[[], None], token: Any
) -> list[Model]:
    import pycolmap

    # A folder of its own, for nothing of another run is to be continued.
    output = Path(tempfile.mkdtemp(prefix="mapping-", dir=database.folder))
    if choices.focal is not None:
        _write_focals(database, choices.focal)
    reconstructions = pycolmap.incremental_mapping(
        database.path,
        database.folder,
        output,
        _mapper_options(choices),
        next_image_callback=on_image,
        cancellation_token=token,
    )
    models = []

    for reconstruction in reconstructions.values():
        if choices.focal is not None:
            _adjust_all(reconstruction)
        models.append(_read_model(reconstruction, database))

    models = [model for model in models if not _is_at_one_place(model)]
    return sorted(models, key=lambda model: (-len(model.indices), -len(model.cloud.points)))


def _is_at_one_place(model: Model) -> bool:
    """Return whether cameras stand together, seen from the points: then nothing was measured."""
    origins = np.array([camera.to_world[:3, 3] for camera in model.cameras])
    middle = np.median(model.cloud.points, axis=0) if len(model.cloud.points) else origins[0]
    distance = float(np.median(np.linalg.norm(origins - middle, axis=1)))
    spread = float(np.median(np.linalg.norm(origins - np.median(origins, axis=0), axis=1)))
    return spread < _LEAST_SPREAD * distance


def _mapper_options(choices: _MapperChoices) -> Any:
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.min_model_size = 3

    # The same photographs give the same cameras.
    options.random_seed = _SEED
    options.mapper.random_seed = _SEED
    options.triangulation.random_seed = _SEED
    if choices.relaxed:
        for name, value in _RELAXED.items():
            setattr(options.mapper, name, value)

    if choices.focal is not None:
        options.ba_refine_focal_length = False
        options.ba_refine_extra_params = False
        options.mapper.abs_pose_refine_focal_length = False
        options.mapper.abs_pose_refine_extra_params = False

    return options


def _write_focals(database: MatchDatabase, focal: float) -> None:
    """Give all cameras of the database a focal length in units of their longer side."""
    import pycolmap

    with pycolmap.Database.open(database.path) as opened:
        for camera in opened.read_all_cameras():
            length = focal * max(camera.width, camera.height)
            camera.params = [length, camera.width / 2, camera.height / 2, 0.0]
            opened.update_camera(camera)


def _adjust_all(reconstruction: Any) -> None:
    """Refine cameras, lenses and points together."""
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    pycolmap.bundle_adjustment(reconstruction, options)


def read_cloud(model: Any) -> SparseCloud:
    """Return the points of a pycolmap.Reconstruction in the order of their numbers."""
    points = [model.points3D[point_id] for point_id in sorted(model.points3D)]
    return SparseCloud(
        points=np.array([point.xyz for point in points], np.float32).reshape(-1, 3),
        colors=np.array([point.color for point in points], np.float32).reshape(-1, 3) / 255,
        track_length=np.array([point.track.length() for point in points], np.int32),
        error=np.array([point.error for point in points], np.float32),
    )


def _read_model(model: Any, database: MatchDatabase) -> Model:
    index_of = {image_id: index for index, image_id in enumerate(database.image_ids)}
    # Photographs in the order in which they were given, whatever order the mapper took.
    images = sorted(
        (model.image(image_id) for image_id in model.reg_image_ids()),
        key=lambda image: index_of[image.image_id],
    )

    # Points get rows, since their numbers have gaps.
    row_of = {point_id: row for row, point_id in enumerate(sorted(model.points3D))}

    # Where each photograph shows each point: by this masks tell the object from the floor.
    observations = [
        (index_of[image.image_id], row_of[seen.point3D_id], *seen.xy)
        for image in images
        for seen in image.get_observation_points2D()
    ]
    return Model(
        indices=[index_of[image.image_id] for image in images],
        cameras=[_read_camera(image) for image in images],
        distortions=[(float(image.camera.params[3]), 0.0) for image in images],
        cloud=read_cloud(model),
        observations=np.array(observations, np.float64).reshape(-1, 4),
        explained=_explained_share(model, database),
    )


def _explained_share(model: Any, database: MatchDatabase) -> float:
    """Return the share of the verified matches whose two features are one point of the model."""
    import pycolmap

    point_of = {}
    for image_id in model.reg_image_ids():
        ids = [
            seen.point3D_id if seen.has_point3D() else -1 for seen in model.image(image_id).points2D
        ]
        point_of[image_id] = np.array(ids, np.int64)

    matched = 0
    explained = 0
    with pycolmap.Database.open(database.path) as opened:
        for pair_id, geometry in zip(*opened.read_two_view_geometries(), strict=True):
            first, second = pycolmap.pair_id_to_image_pair(pair_id)
            matches = np.asarray(geometry.inlier_matches)
            if first in point_of and second in point_of and len(matches):
                first_points = point_of[first][matches[:, 0]]
                second_points = point_of[second][matches[:, 1]]
                matched += len(matches)
                explained += int(((first_points == second_points) & (first_points >= 0)).sum())

    return explained / max(matched, 1)


def _read_camera(image: Any) -> Camera:
    from_world = np.eye(4)
    from_world[:3] = image.cam_from_world().matrix()
    focal, center_u, center_v, _ = image.camera.params
    intrinsics = np.array(((focal, 0, center_u), (0, focal, center_v), (0, 0, 1.0)))
    to_world = np.linalg.inv(from_world) @ OPENCV_FROM_OPENGL
    return Camera(to_world, intrinsics, image.camera.width, image.camera.height)
