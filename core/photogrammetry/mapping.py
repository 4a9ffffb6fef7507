"""From verified matches to cameras and points, by pycolmap's incremental mapper."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import OPENCV_FROM_OPENGL, Camera
from ..jobs.task import Progress, Task
from .matching import MatchDatabase
from .records import SparseCloud

_BEAT = 0.1  # seconds between two reports
_ENOUGH = 0.8  # share of the photographs: with fewer, relaxed thresholds are tried
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
    cloud: as it is. observations: (K, 4) photograph, point, u, v of each place where a photograph
        shows a point, pixels of the reduced photograph.
    """

    indices: list[int]
    cameras: list[Camera]
    distortions: list[tuple[float, float]]
    cloud: SparseCloud
    observations: NDArray[np.float64]


def map_photographs(database: MatchDatabase) -> Task[list[Model]]:
    """Return the models that the matches give, the largest first.

    Thresholds are relaxed if few photographs fit.

    The list is empty if no two photographs fit together.
    """
    count = len(database.image_names)
    models = yield from _run_mapper(database, relaxed=False)
    if enough_registered(models, count):
        return models
    relaxed = yield from _run_mapper(database, relaxed=True)
    return relaxed if registered_count(relaxed) > registered_count(models) else models


def enough_registered(models: list[Model], count: int) -> bool:
    """Return whether the largest of ``models`` holds most of ``count`` photographs."""
    return registered_count(models) >= _ENOUGH * count


def registered_count(models: list[Model]) -> int:
    """Return how many photographs the largest of ``models`` holds."""
    return len(models[0].indices) if models else 0


def _run_mapper(database: MatchDatabase, relaxed: bool) -> Task[list[Model]]:
    """Map on a thread, so that progress is reported and closing this stops it."""
    import pycolmap

    token = pycolmap.CancellationToken()
    registered = [0]
    outcome: dict[str, Any] = {}

    def count_image() -> None:
        registered[0] += 1

    def map_images() -> None:
        try:
            outcome["models"] = _incremental_models(database, relaxed, count_image, token)
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
    database: MatchDatabase, relaxed: bool, on_image: Callable[[], None], token: Any
) -> list[Model]:
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.min_model_size = 3

    # The same photographs give the same cameras.
    options.random_seed = _SEED
    options.mapper.random_seed = _SEED
    options.triangulation.random_seed = _SEED
    if relaxed:
        for name, value in _RELAXED.items():
            setattr(options.mapper, name, value)
    output = database.folder / ("relaxed" if relaxed else "default")
    output.mkdir(exist_ok=True)
    models = pycolmap.incremental_mapping(
        database.path,
        database.folder,
        output,
        options,
        next_image_callback=on_image,
        cancellation_token=token,
    )
    read = [_read_model(model, database) for model in models.values()]
    return sorted(read, key=lambda model: (-len(model.indices), -len(model.cloud.points)))


def _read_model(model: Any, database: MatchDatabase) -> Model:
    index_of = {image_id: index for index, image_id in enumerate(database.image_ids)}
    # Photographs in the order in which they were given, whatever order the mapper took.
    images = sorted(
        (model.image(image_id) for image_id in model.reg_image_ids()),
        key=lambda image: index_of[image.image_id],
    )

    # Points get rows, since their numbers have gaps.
    point_ids = sorted(model.points3D)
    row_of = {point_id: row for row, point_id in enumerate(point_ids)}
    points = [model.points3D[point_id] for point_id in point_ids]
    cloud = SparseCloud(
        points=np.array([point.xyz for point in points], np.float32).reshape(-1, 3),
        colors=np.array([point.color for point in points], np.float32).reshape(-1, 3) / 255,
        track_length=np.array([point.track.length() for point in points], np.int32),
        error=np.array([point.error for point in points], np.float32),
    )

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
        cloud=cloud,
        observations=np.array(observations, np.float64).reshape(-1, 4),
    )


def _read_camera(image: Any) -> Camera:
    from_world = np.eye(4)
    from_world[:3] = image.cam_from_world().matrix()
    focal, center_u, center_v, _ = image.camera.params
    intrinsics = np.array(((focal, 0, center_u), (0, focal, center_v), (0, 0, 1.0)))
    to_world = np.linalg.inv(from_world) @ OPENCV_FROM_OPENGL
    return Camera(to_world, intrinsics, image.camera.width, image.camera.height)
