"""From a training set on disk to batches of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from ..cameras import Camera
from ..dataset import splits
from ..dataset.records import ObjectFile
from ..errors import DatasetError
from .network import BOUND
from .projection import camera_matrix, transformed

_COLOURS_A_VIEW = 384


@dataclass(frozen=True)
class TrainingObject:
    """One object in memory, in its own frame: centred, the longest side 1. V views, P points.

    colour: (V, H, W, 4) uint8. kinds: (V,). cameras: (V, 5, 4), see ``projection``.
    frames: (V, 4, 4) similarity from the object's frame to each view's own: x right, y away, z up in the picture,
        the visible longest side 1, the origin where the picture's middle meets the depth of the object's centre.
    near, uniform: (P, 3) float32, with near_inside, uniform_inside (P,) bool.
    half: (3,) half the extent of the bounding box.
    seen: (V, 384, 3) float32 points that each view shows, and seen_colour (V, 384, 3) uint8 their colours.
    """

    name: str
    family: str
    colour: NDArray[np.uint8]
    kinds: tuple[str, ...]
    cameras: NDArray[np.float32]
    frames: NDArray[np.float64]
    near: NDArray[np.float32]
    near_inside: NDArray[np.bool_]
    uniform: NDArray[np.float32]
    uniform_inside: NDArray[np.bool_]
    half: NDArray[np.float64]
    seen: NDArray[np.float32]
    seen_colour: NDArray[np.uint8]


@dataclass(frozen=True)
class Batch:
    """B samples of N views each, P points of known occupancy and Q of known colour.

    pictures: (B, N, 4, H, W). cameras: (B, N, 5, 4). points: (B, P, 3), inside: (B, P).
    surface: (B, Q, 3), colour: (B, Q, 3). up: (B, 3).
    """

    pictures: Tensor
    cameras: Tensor
    points: Tensor
    inside: Tensor
    surface: Tensor
    colour: Tensor
    up: Tensor


def load_split(folders: Iterable[Path], split: str) -> list[TrainingObject]:
    """Every object of ``split`` in the training sets ``folders``, in memory (about 0.8 MB each).

    Raises:
        DatasetError: a set is missing or damaged, its splits leak, or there is no object.
    """
    paths = []
    for folder in folders:
        names = splits.read(folder)
        paths += [folder / "objects" / f"{name}.tar" for name, own in sorted(names.items()) if own == split]
    with ThreadPoolExecutor(2) as pool:
        objects = [found for found in pool.map(load_object, paths) if found is not None]
    if not objects:
        raise DatasetError(f"There is no object of the split {split!r} in {', '.join(map(str, folders))}")
    return objects


def load_object(path: Path) -> TrainingObject | None:
    """One object's file as arrays; None if a view of it is empty."""
    file = ObjectFile(path)
    record, shape = file.record, file.shape()
    low, high = record.bounds
    centre, size = (low + high) / 2, float((high - low).max())
    normalise = np.diag((1 / size, 1 / size, 1 / size, 1.0))
    normalise[:3, 3] = -centre / size
    rng = np.random.default_rng(0)
    colours, cameras, frames, seen, seen_colour = [], [], [], [], []
    for index in range(len(record.views)):
        view = file.view(index)
        rows, columns = np.nonzero((view.colour[..., 3] > 127) & (view.depth > 0))
        if len(rows) < 16:
            return None
        colour = _despeckled(view.colour)
        pick = rng.integers(0, len(rows), _COLOURS_A_VIEW)
        j, i = rows[pick], columns[pick]
        world = view.camera.unproject(np.stack((i + 0.5, j + 0.5), 1), view.depth[j, i].astype(float))
        seen.append((world - centre) / size)
        seen_colour.append(colour[j, i, :3])
        colours.append(colour)
        cameras.append(transformed(camera_matrix(view.camera), normalise))
        frames.append(view_frame(view.camera, rows, columns, centre) @ np.linalg.inv(normalise))
    return TrainingObject(
        record.name, record.family, np.stack(colours), tuple(kind for kind, _ in record.views),
        np.stack(cameras), np.stack(frames),
        ((shape.near - centre) / size).astype(np.float32), shape.near_inside,
        ((shape.uniform - centre) / size).astype(np.float32), shape.uniform_inside,
        (high - low) / 2 / size, np.stack(seen).astype(np.float32), np.stack(seen_colour),
    )  # fmt: skip


def view_frame(
    camera: Camera, rows: NDArray[np.int64], columns: NDArray[np.int64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Similarity (4, 4) from world space to the view's own frame, see :class:`TrainingObject`.

    Args:
        rows, columns: of the pixels that show the object. centre: (3,) of the object, for its depth.
    """
    low = np.array((columns.min(), rows.min()), float)
    high = np.array((columns.max(), rows.max()), float) + 1
    depth = float((camera.from_world[2] * (*centre, 1)).sum())
    middle = (low + high)[None] / 2
    corners = camera.unproject(np.concatenate((middle, low[None], high[None])), np.full(3, depth))
    right, up, back = camera.to_world[:3, :3].T
    span = corners[2] - corners[1]
    frame = np.eye(4)
    frame[:3, :3] = np.stack((right, -back, up)) / max(abs(span @ right), abs(span @ up))
    frame[:3, 3] = -frame[:3, :3] @ corners[0]
    return frame


def _despeckled(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture less the speckles of few samples: a 3x3 median of the colours."""
    smooth = np.asarray(Image.fromarray(np.ascontiguousarray(colour[..., :3])).filter(ImageFilter.MedianFilter(3)))
    return np.concatenate((np.where(colour[..., 3:] > 250, smooth, colour[..., :3]), colour[..., 3:]), axis=2)


# Which posed sides a training sample shows, and how often, by the number of views.
_SHEETS: Mapping[int, tuple[tuple[tuple[str, ...], float], ...]] = {
    1: ((("front",), 0.8), (("right",), 0.1), (("top",), 0.1)),
    2: ((("front", "right"), 0.7), (("front", "top"), 0.15), (("front", "back"), 0.15)),
    3: ((("front", "right", "back"), 0.5), (("front", "right", "top"), 0.5)),
    4: ((("front", "right", "back", "top"), 1.0),),
}
# Share of batches by the number of views; more views cost more time.
_VIEWS = ((1, 0.4), (2, 0.25), (3, 0.1), (4, 0.25))
_BATCH = {1: 16, 2: 12, 3: 10, 4: 8}


@dataclass(frozen=True)
class Sampling:
    """How batches are drawn: points of occupancy and of colour a sample, share of free views, and whether to vary."""

    points: int = 1536
    colours: int = 192
    free: float = 0.5
    vary: bool = True


def draw_batch(objects: list[TrainingObject], seed: int, step: int, sampling: Sampling = Sampling()) -> Batch:
    """The batch of ``step``: the same for the same seed and step, so that a resumed run goes on as if never stopped."""
    rng = np.random.default_rng((seed, step))
    counts, shares = zip(*_VIEWS, strict=True)
    views = int(rng.choice(counts, p=shares))
    free = views != 3 and rng.random() < (sampling.free if views == 1 else 0.15)
    picked = (
        rng.choice(len(objects), _BATCH[views], replace=False)
        if len(objects) >= 16
        else rng.integers(0, len(objects), _BATCH[views])
    )
    samples = [draw_sample(objects[i], views, free, rng, sampling) for i in picked]
    return collate(samples)


Sample = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]


def collate(samples: list[Sample]) -> Batch:
    """Samples of equally many views as one batch."""
    return Batch(*(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True)))


def draw_sample(thing: TrainingObject, views: int, free: bool, rng: np.random.Generator, sampling: Sampling) -> Sample:
    """One sample: free views in the first one's frame, or posed sides in the object's."""
    chosen = free_views(thing, views, rng) if free else _sheet_views(thing, views, rng)
    transform = thing.frames[chosen[0]] if free else np.eye(4)
    if sampling.vary:
        transform = _variation(free, rng) @ transform
    mirror = sampling.vary and rng.random() < 0.5
    if mirror:
        transform = np.diag((-1.0, 1, 1, 1)) @ transform
    cameras = np.stack([transformed(thing.cameras[v], transform) for v in chosen])
    pictures = np.stack([_picture(thing.colour[v], rng if sampling.vary else None) for v in chosen])
    if mirror:
        cameras[:, 0] *= -1
        pictures = pictures[..., ::-1]
    if sampling.vary:
        cameras[:, :2] += rng.normal(0, 0.006, (len(chosen), 2, 1)) * cameras[:, 2:3]
    points, inside = _points(thing, transform, rng, sampling.points)
    surface, colour = _colours(thing, chosen, transform, cameras, pictures, rng, sampling.colours)
    up = transform[:3, 2] / np.linalg.norm(transform[:3, 2])
    return (
        np.ascontiguousarray(pictures, np.float32), cameras.astype(np.float32), points, inside.astype(np.float32),
        surface.astype(np.float32), colour.astype(np.float32), up.astype(np.float32),
    )  # fmt: skip


def _sheet_views(thing: TrainingObject, views: int, rng: np.random.Generator) -> list[int]:
    sets, shares = zip(*_SHEETS[views], strict=True)
    return [thing.kinds.index(kind) for kind in sets[rng.choice(len(sets), p=shares)]]


def free_views(thing: TrainingObject, views: int, rng: np.random.Generator) -> list[int]:
    free = [i for i, kind in enumerate(thing.kinds) if kind == "free"]
    return [free[i] for i in rng.permutation(len(free))[:views]]


def _variation(free: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """Small changes of scale and place, a quarter turn now and then, and other proportions: affine (4, 4)."""
    scale = np.full(3, rng.normal(1, 0.02))
    turn = 0
    if not free:
        turn = int(rng.integers(1, 4)) if rng.random() < 0.25 else 0
        if rng.random() < 0.5:
            stretch = np.exp(rng.uniform(-0.35, 0.35, 3))
            scale *= stretch / stretch.max()
    c, s = (1, 0, -1, 0)[turn], (0, 1, 0, -1)[turn]
    result = np.diag((*scale, 1.0)) @ np.array(((c, -s, 0, 0), (s, c, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1.0)))
    result[:3, 3] = rng.normal(0, 0.01, 3)
    return result


def _picture(colour: NDArray[np.uint8], rng: np.random.Generator | None) -> NDArray[np.float32]:
    """(4, H, W) float32; with ``rng`` in other colours, brightness and noise, and its mask a little off."""
    picture = colour.transpose(2, 0, 1).astype(np.float32) / 255
    if rng is None:
        return picture
    kind = rng.random()
    if kind < 0.04:
        picture[:3] = 0.5
    elif kind < 0.15:
        picture[:3] = picture[:3].mean(0)
    gain, lift = np.exp(rng.normal(0, 0.15, (3, 1, 1)) + rng.normal(0, 0.2)), rng.normal(0, 0.04)
    picture[:3] = (picture[:3] ** np.exp(rng.normal(0, 0.2)) * gain + lift).clip(0, 1)
    if rng.random() < 0.3:
        picture[:3] = (picture[:3] + rng.normal(0, rng.uniform(0, 0.06), picture[:3].shape)).clip(0, 1)
    if rng.random() < 0.15:
        size = ImageFilter.MaxFilter(3) if rng.random() < 0.5 else ImageFilter.MinFilter(3)
        picture[3] = np.asarray(Image.fromarray(colour[..., 3].copy()).filter(size), np.float32) / 255
    return picture.astype(np.float32)


def _points(
    thing: TrainingObject, transform: NDArray[np.float64], rng: np.random.Generator, count: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """``count`` points of the volume: half near the surface, the others spread over the object's box and beyond it."""
    quota = (count // 2, 3 * count // 8, count - count // 2 - 3 * count // 8)
    pools = (
        (_moved(thing.near, transform), thing.near_inside),
        (_moved(thing.uniform, transform), thing.uniform_inside),
        _outside(thing, transform, rng, 4 * quota[2]),
    )  # fmt: skip
    points, inside = [], []
    for (pool, known), share in zip(pools, quota, strict=True):
        within = np.flatnonzero((np.abs(pool) < BOUND).all(1))
        pick = within[rng.integers(0, len(within), share)] if len(within) else rng.integers(0, len(pool), share)
        points.append(pool[pick].clip(-BOUND, BOUND))
        inside.append(known[pick])
    return np.concatenate(points).astype(np.float32), np.concatenate(inside)


def _colours(
    thing: TrainingObject,
    chosen: list[int],
    transform: NDArray[np.float64],
    cameras: NDArray[np.float32],
    pictures: NDArray[np.float32],
    rng: np.random.Generator,
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """Surface points (count, 3) with colours (count, 3): mostly what a chosen picture shows, else another view's."""
    pick = rng.integers(0, _COLOURS_A_VIEW, count)
    if rng.random() < 0.4:
        view = int(rng.integers(0, len(thing.kinds)))
        return _moved(thing.seen[view, pick], transform).clip(-BOUND, BOUND), thing.seen_colour[view, pick] / 255
    place = int(rng.integers(0, len(chosen)))
    surface = _moved(thing.seen[chosen[place], pick], transform)
    at = np.c_[surface, np.ones(count)] @ cameras[place, :3].T
    side = pictures.shape[-1]
    i, j = ((at[:, :2] / at[:, 2:] + 1) / 2 * side).astype(int).clip(0, side - 1).T
    return surface.clip(-BOUND, BOUND), pictures[place, :3, j, i]


def _outside(
    thing: TrainingObject, transform: NDArray[np.float64], rng: np.random.Generator, count: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points of the volume beyond the object's bounding box, or where it fills the volume, of its own."""
    points = rng.uniform(-BOUND, BOUND, (count, 3))
    beyond = (np.abs(_moved(points, np.linalg.inv(transform))) > thing.half + 0.005).any(1)
    if not beyond.any():
        return _moved(thing.uniform, transform), thing.uniform_inside
    return points[beyond], np.zeros(int(beyond.sum()), bool)


def _moved(points: NDArray[np.floating], transform: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ transform[:3, :3].T + transform[:3, 3]
