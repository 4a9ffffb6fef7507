"""A small relightable training set with parts: ellipsoids whose upper half is a lid."""

import json
from dataclasses import replace

import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.dataset.object_file import write_compact_object
from maquette.core.dataset.records import Record, RenderedView, Shape, ViewRecord
from maquette.core.geometry.occupancy_grid import cell_centers
from maquette.core.synthesis import camera_sampling

SIDES = ("front", "right", "top")
SIZE = 64


def render_ellipsoid(kind, camera, half, color):
    """The ellipsoid with the half axes ``half`` about the origin; its upper half is part 2."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width]
    pixels = np.stack((columns + 0.5, rows + 0.5), axis=-1).reshape(-1, 2)
    near = camera.unproject(pixels, np.full(len(pixels), 0.5)) / half
    along = camera.unproject(pixels, np.full(len(pixels), 1.5)) / half - near
    a = (along**2).sum(1)
    b = (near * along).sum(1)
    root = b * b - a * ((near**2).sum(1) - 1)
    hit = root > 0
    depth = np.where(hit, 0.5 + (-b - np.sqrt(np.maximum(root, 0))) / a, 0)
    points = camera.unproject(pixels, depth)
    normal = points / half**2
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    size = (camera.height, camera.width)
    rgba = np.zeros((len(pixels), 4), np.uint8)
    rgba[hit] = (*color, 255)
    parts = np.where(points[:, 2] > 0, 2, 1) * hit
    return RenderedView(
        kind,
        camera,
        rgba.reshape(*size, 4),
        depth.reshape(size).astype(np.float32),
        (normal * hit[:, None]).reshape(*size, 3).astype(np.float16),
        albedo=rgba[:, :3].reshape(*size, 3),
        occlusion=np.where(hit, 255, 0).astype(np.uint8).reshape(size),
        parts=parts.reshape(size).astype(np.uint8),
    )


def write_object(folder, name, family, half, parts_from):
    """Write an ellipsoid in the compact form: three sides and two free views."""
    half = np.asarray(half, float)
    bounds = np.stack((-half, half))
    cameras = list(zip(SIDES, camera_sampling.side_cameras(SIDES, *bounds, SIZE), strict=True))
    for turn in (0.5, 2.5):
        eye = 3 * np.array((np.sin(turn), -np.cos(turn), 0.4))
        cameras.append(("free", perspective_camera(look_at(eye, np.zeros(3)), 0.45, SIZE)))
    rng = np.random.default_rng(0)
    uniform = rng.uniform(-1.1, 1.1, (256, 3)) * half.max()
    surface = rng.normal(size=(64, 3))
    surface /= np.linalg.norm(surface, axis=1, keepdims=True)
    inside = ((uniform / half) ** 2).sum(1) < 1
    shape = Shape(
        uniform=uniform.astype(np.float32),
        uniform_inside=inside,
        near=uniform.astype(np.float32),
        near_inside=inside,
        surface=(surface * half).astype(np.float32),
        surface_normals=surface.astype(np.float32),
        grid=((cell_centers(bounds) / half) ** 2).sum(-1) < 1,
        surface_part=np.where(surface[:, 2] > 0, 2, 1).astype(np.uint8),
    )
    views = [render_ellipsoid(kind, camera, half, (200, 120, 60)) for kind, camera in cameras]
    is_procedural = parts_from == "procedural"
    more = {"draws": [["depth", 0.5], ["height", 1.0], ["wall", 0.05]]} if is_procedural else {}
    record = Record(
        name=name,
        source=f"procedural:{family}:1" if is_procedural else f"{name}.glb",
        family=family,
        bounds=bounds,
        fingerprint=tuple(half),
        views=tuple(ViewRecord(*each) for each in cameras),
        more=more,
        parts=("body", "lid"),
        parts_from=parts_from,
    )
    write_compact_object(folder, record, shape, views)


def write_meaning_set(folder, parts_from="procedural"):
    """Write six ellipsoids, four to train on: flat ones are bowls, tall ones vases."""
    splits = {}
    for i in range(6):
        is_flat = i % 2 == 0
        family = "bowl" if is_flat else "vase"
        half = (0.5, 0.5, 0.2 + 0.01 * i) if is_flat else (0.2, 0.2 + 0.01 * i, 0.5)
        write_object(folder, f"{family}{i}", family, half, parts_from)
        splits[f"{family}{i}"] = "train" if i < 4 else "validation"
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


@pytest.fixture(scope="session")
def meaning_set(tmp_path_factory):
    """A folder with parts that generators have named."""
    return write_meaning_set(tmp_path_factory.mktemp("meaning"))


@pytest.fixture(scope="session")
def unnamed_set(tmp_path_factory):
    """The same objects as meshes of an artist; their parts are named by materials."""
    return write_meaning_set(tmp_path_factory.mktemp("unnamed"), "material")


@pytest.fixture(scope="session")
def small_run():
    """Settings of a run of few objects and steps."""
    from maquette.core.model.training.semantics.batches import SemanticSampling
    from maquette.core.model.training.semantics.trainer import SemanticRunConfig

    config = SemanticRunConfig(sampling=SemanticSampling(objects=2))
    training = replace(
        config.training,
        steps=4,
        warmup_steps=1,
        decay_steps=2,
        uses=2,
        kept=2,
        precision="float32",
        validate_every=100,
    )
    return replace(config, training=training)
