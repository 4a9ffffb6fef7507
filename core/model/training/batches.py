"""From objects in memory to batches of tensors: which views, in which frame, how varied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from ...alignment.side_views import align_side_cameras
from ...arrays import View
from ...dataset.ground_truth import GROWN
from ...synthesis.samplers import random_rotation
from ..inference.preprocessing import assumed_camera, crop_view, resize_square, rotate_upright
from ..networks.projection import camera_matrix, transform_camera, unproject_points
from ..networks.reconstruction import BOUND, NetworkConfig
from ..stylization import stylize
from .objects import COLORS_A_VIEW, TrainingObject


@dataclass(frozen=True)
class Batch:
    """B samples of N views each, P points of known occupancy and Q of known colour.

    pictures: (B, N, 4, H, W). cameras: (B, N, 5, 4). points: (B, P, 3), inside: (B, P).
    surface: (B, Q, 3), colour: (B, Q, 3). shown: (B, N, 256, 3) points of the surface that each view shows.
    up: (B, 3), in the first picture's own frame; zero where the picture is posed.
    """

    images: Tensor
    cameras: Tensor
    points: Tensor
    occupancy: Tensor
    surface: Tensor
    color: Tensor
    visible_points: Tensor
    up_direction: Tensor


# Which posed sides a sample shows, and how often, by the number of views; training draws up to four.
_VIEW_SETS: Mapping[int, tuple[tuple[tuple[str, ...], float], ...]] = {
    1: ((("front",), 0.8), (("right",), 0.1), (("top",), 0.1)),
    2: ((("front", "right"), 0.7), (("front", "top"), 0.15), (("front", "back"), 0.15)),
    3: ((("front", "right", "back"), 0.5), (("front", "right", "top"), 0.5)),
    4: ((("front", "right", "back", "top"), 1.0),),
    6: ((("front", "right", "back", "left", "top", "bottom"), 1.0),),
}
# Share of batches by the number of views; more views cost more time.
_VIEWS = ((1, 0.55), (2, 0.16), (3, 0.06), (4, 0.23))
_BATCH = {1: 16, 2: 12, 3: 10, 4: 8}
_SHOWN = 256
_UP_ERROR = 0.15  # of the direction taken for up
_POSE_ERROR = 2.5  # degrees, of a camera of several


@dataclass(frozen=True)
class SamplingConfig:
    """How batches are drawn: points of occupancy and of colour a sample, share of free views, and whether to vary.

    near: share of the points near the surface; the others are even ones, as the surface's level is found from.
    batch: objects of one picture each; None for batches of one to four pictures.
    picture: side of the pictures, pixels, whatever those of the sets have.
    """

    points: int = 2048
    near: float = 0.5
    colors: int = 192
    free: float = 0.6
    vary: bool = True
    batch: int | None = None
    picture: int = NetworkConfig.picture


SINGLE_VIEW = SamplingConfig(points=4096, near=0.0, colors=1, free=0.75, batch=48)


def sample_batch(
    objects: list[TrainingObject], seed: int, step: int, sampling: SamplingConfig = SamplingConfig()
) -> Batch:
    """The batch of ``step``: the same for the same seed and step, so that a resumed run goes on as if never stopped.

    Of ``objects``, each of which can be asked for with one picture, only those that have the views; if none has so
    many, of one picture.
    """
    rng = np.random.default_rng((seed, step))
    counts, shares = zip(*_VIEWS, strict=True)
    views = 1 if sampling.batch else int(rng.choice(counts, p=shares))
    able = [thing for thing in objects if is_usable(thing, views)]
    views, able = (views, able) if able else (1, objects)
    free = (
        float(views != 3 and rng.random() < 0.1) if views > 1 else sampling.free
    )  # a share of those of one picture
    count = sampling.batch or _BATCH[views]
    picked = [able[i] for i in rng.choice(len(able), count, replace=len(able) < count)]
    wanted = [bool(rng.random() < free) for _ in picked]
    return collate_samples(
        [
            sample_object(
                thing, views, kind if has_views(thing, views, kind) else not kind, rng, sampling
            )
            for thing, kind in zip(picked, wanted, strict=True)
        ]
    )


def has_views(thing: TrainingObject, views: int, free: bool) -> bool:
    """Whether ``thing`` has so many free ``views``, or posed sides that are asked for together."""
    return (
        thing.view_kinds.count("free") >= views
        if free
        else bool(_view_sets(thing.view_kinds, views))
    )


def is_usable(thing: TrainingObject, views: int) -> bool:
    """Whether ``thing`` shows so many ``views``, free or posed."""
    return has_views(thing, views, False) or has_views(thing, views, True)


@cache
def _view_sets(kinds: tuple[str, ...], views: int) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Those of ``_VIEW_SETS`` that an object with views of ``kinds`` shows."""
    return tuple(sheet for sheet in _VIEW_SETS[views] if set(sheet[0]) <= set(kinds))


Sample = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]
Move = Callable[[NDArray[np.floating]], NDArray[np.float64]]


def collate_samples(samples: list[Sample]) -> Batch:
    """Samples of equally many views as one batch."""
    return Batch(*(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True)))


@dataclass(frozen=True)
class FramedObject:
    """An object in the frame that the network sees it in.

    pictures: (N, 4, H, W). cameras: (N, 5, 4). move, back: points (P, 3) from the object's frame to this one, and back.
    up: (3,) the world's up direction in the first picture's own frame, zero if that is posed.
    chosen: which of the object's views.
    """

    pictures: NDArray[np.float32]
    cameras: NDArray[np.float32]
    move: Move
    back: Move
    up: NDArray[np.float64]
    chosen: tuple[int, ...]


def frame_object(
    thing: TrainingObject,
    views: int,
    free: bool,
    rng: np.random.Generator,
    vary: bool,
    guess: NDArray[np.floating] | None = None,
    side: int = NetworkConfig.picture,
) -> FramedObject:
    """The object as it is before the network: as reconstruction itself frames it; several free pictures as posed.

    One picture tells neither the depth's extent nor, if it is free, the camera: the frame is then what
    reconstruction would assume. If ``vary``, the object is now and then smaller in it, so that its depth has room.

    Args:
        guess: (3,) what is taken for up in a free picture; None for nearly the truth.
        side: of the pictures that the network sees, pixels.
    """
    chosen = tuple(
        sample_free_views(thing, views, rng) if free else _sample_side_views(thing, views, rng)
    )
    up = thing.view_frames[chosen[0]][:3, 2]
    up = up / np.linalg.norm(up) if free else np.zeros(3)
    if views == 1:
        room = rng.uniform(0.4, 1) if vary and rng.random() < 0.3 else 1.0
        if guess is None:
            guess = up + (rng.normal(0, _UP_ERROR, 3) if vary else 0)
        return _placed_by_one(thing, chosen[0], guess if free else None, up, room, side)
    if not free:
        return FramedObject(
            *_to_arrays(_fit_side_cameras(thing, chosen, side)),
            *_affine_matrix(np.eye(4)),
            up,
            chosen,
        )
    transform = thing.view_frames[chosen[0]]
    cameras = np.stack([transform_camera(thing.cameras[view], transform) for view in chosen])
    pictures = np.stack(
        [
            resize_square(_to_float_image(thing.color[view]), side).transpose(2, 0, 1)
            for view in chosen
        ]
    )
    return FramedObject(pictures, cameras, *_affine_matrix(transform), up, chosen)


def _fit_side_cameras(thing: TrainingObject, chosen: Sequence[int], side: int) -> list[View]:
    """The chosen sides as reconstruction fits them to each other: of their cameras it knows but the names."""
    images = {thing.view_kinds[view]: _to_float_image(thing.color[view]) for view in chosen}
    cameras = align_side_cameras({kind: image[..., 3] for kind, image in images.items()})
    return [crop_view(View(image, cameras[kind]), side) for kind, image in images.items()]


def _placed_by_one(
    thing: TrainingObject,
    view: int,
    guess: NDArray[np.float64] | None,
    up: NDArray[np.float64],
    room: float,
    side: int,
) -> FramedObject:
    """``guess``: what is taken for up in a free picture; None if the picture is posed."""
    image = _to_float_image(thing.color[view])
    true = thing.cameras[view]
    frame = thing.view_frames[view]
    mask = image[..., 3]
    kind = thing.view_kinds[view]
    posed = (
        align_side_cameras({kind: mask})[kind]
        if guess is None
        else rotate_upright(assumed_camera(mask), guess)
    )
    camera = posed.scaled(room)
    shown = crop_view(View(image, camera), side)
    assumed = camera_matrix(camera)
    scale = room * float(np.linalg.norm(frame[0, :3]))

    def move(points: NDArray[np.floating]) -> NDArray[np.float64]:
        where, depth = _seen_at(true, points)
        return unproject_points(assumed, where, depth * scale)

    def back(points: NDArray[np.floating]) -> NDArray[np.float64]:
        where, depth = _seen_at(assumed, points)
        return unproject_points(true, where, depth / scale)

    return FramedObject(*_to_arrays([shown]), move, back, up, (view,))


def _to_arrays(shown: Sequence[View]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pictures (N, 4, H, W) and cameras (N, 5, 4)."""
    pictures = np.stack([view.image.transpose(2, 0, 1) for view in shown])
    return pictures, np.stack([camera_matrix(view.camera) for view in shown])


def _seen_at(matrix: NDArray[np.floating], points: NDArray[np.floating]) -> tuple[NDArray, NDArray]:
    local = points @ matrix[:4, :3].T.astype(float) + matrix[:4, 3]
    return local[:, :2] / local[:, 2:3], local[:, 3]


def _affine_matrix(transform: NDArray[np.float64]) -> tuple[Move, Move]:
    inverse = np.linalg.inv(transform)
    return (
        lambda points: points @ transform[:3, :3].T + transform[:3, 3],
        lambda points: points @ inverse[:3, :3].T + inverse[:3, 3],
    )


def sample_object(
    thing: TrainingObject,
    views: int,
    free: bool,
    rng: np.random.Generator,
    sampling: SamplingConfig,
) -> Sample:
    """One sample: free views in the first one's frame, or posed sides in the object's."""
    placed = frame_object(thing, views, free, rng, sampling.vary, side=sampling.picture)
    if sampling.vary:
        placed = _augment(placed, free, rng)
    points, inside = _sample_volume_points(thing, placed, rng, sampling)
    surface, color = _sample_surface_colors(thing, placed, rng, sampling.colors)
    shown = np.stack([placed.move(thing.visible_points[view, :_SHOWN]) for view in placed.chosen])
    arrays = (placed.pictures, placed.cameras, points, inside, surface, color, shown, placed.up)
    return tuple(np.ascontiguousarray(array, np.float32) for array in arrays)  # type: ignore[return-value]


def _sample_side_views(thing: TrainingObject, views: int, rng: np.random.Generator) -> list[int]:
    sets, shares = zip(*_view_sets(thing.view_kinds, views), strict=True)
    chosen = sets[rng.choice(len(sets), p=np.array(shares) / sum(shares))]
    return [thing.view_kinds.index(kind) for kind in chosen]


def sample_free_views(thing: TrainingObject, views: int, rng: np.random.Generator) -> list[int]:
    free = [i for i, kind in enumerate(thing.view_kinds) if kind == "free"]
    return [free[i] for i in rng.permutation(len(free))[:views]]


def _to_float_image(color: NDArray[np.uint8]) -> NDArray[np.float32]:
    return color.astype(np.float32) / 255


def _augment(placed: FramedObject, free: bool, rng: np.random.Generator) -> FramedObject:
    """``placed`` at a slightly other scale and place, of other proportions, mirrored, in other colours; cameras a
    little off.
    """
    several = len(placed.chosen) > 1
    transform = _random_transform(several and not free, rng)
    mirror = rng.random() < 0.5
    if mirror:
        transform = np.diag((-1.0, 1, 1, 1)) @ transform
    forth, undo = _affine_matrix(transform)
    cameras = np.stack([transform_camera(camera, transform) for camera in placed.cameras])
    pictures = np.stack([_augment_colors(picture, rng) for picture in placed.pictures])
    if mirror:
        cameras[:, 0] *= -1
        pictures = pictures[..., ::-1]
    cameras[:, :2] += rng.normal(0, 0.006, (len(cameras), 2, 1)) * cameras[:, 2:3]
    if several and rng.random() < 0.4:
        cameras = np.stack(
            [
                transform_camera(
                    camera, random_rotation(rng, np.radians(rng.normal(0, _POSE_ERROR)))
                )
                for camera in cameras
            ]
        )
    up = placed.up * (-1 if mirror else 1, 1, 1)
    return FramedObject(
        pictures,
        cameras,
        lambda points: forth(placed.move(points)),
        lambda points: placed.back(undo(points)),
        up,
        placed.chosen,
    )


def _random_transform(stretch: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """Small changes of scale and place and, if ``stretch``, a quarter turn or other proportions: affine (4, 4)."""
    scale = np.full(3, rng.normal(1, 0.02))
    turn = 0
    if stretch:
        turn = int(rng.integers(1, 4)) if rng.random() < 0.2 else 0
        if rng.random() < 0.5:
            proportions = np.exp(rng.uniform(-0.35, 0.35, 3))
            scale *= proportions / proportions.max()
    c = (1, 0, -1, 0)[turn]
    s = (0, 1, 0, -1)[turn]
    result = np.diag((*scale, 1.0)) @ np.array(
        ((c, -s, 0, 0), (s, c, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1.0))
    )
    result[:3, 3] = rng.normal(0, 0.01, 3)
    return result


def _augment_colors(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """``picture`` (4, H, W) in other colours, brightness and noise, now and then as if drawn, its mask a little off."""
    picture = picture.copy()
    kind = rng.random()
    if kind < 0.04:
        picture[:3] = 0.5
    elif kind < 0.13:
        picture[:3] = picture[:3].mean(0)
    elif kind < 0.25:
        picture[:3] = stylize(picture, rng)
    gain = np.exp(rng.normal(0, 0.15, (3, 1, 1)) + rng.normal(0, 0.2))
    lift = rng.normal(0, 0.04)
    picture[:3] = (picture[:3] ** np.exp(rng.normal(0, 0.2)) * gain + lift).clip(0, 1)
    if rng.random() < 0.3:
        picture[:3] = (picture[:3] + rng.normal(0, rng.uniform(0, 0.06), picture[:3].shape)).clip(
            0, 1
        )
    if rng.random() < 0.15:
        size = ImageFilter.MaxFilter(3) if rng.random() < 0.5 else ImageFilter.MinFilter(3)
        mask = Image.fromarray((picture[3] * 255).astype(np.uint8))
        picture[3] = np.asarray(mask.filter(size), np.float32) / 255
    return picture


def _sample_volume_points(
    thing: TrainingObject, placed: FramedObject, rng: np.random.Generator, sampling: SamplingConfig
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points of the volume, some near the surface, the others evenly over the object's box and beyond it.

    All lie behind the masks of all pictures, if any do: elsewhere the masks alone decide.
    """
    near = int(sampling.near * sampling.points)
    even = rng.uniform(-BOUND, BOUND, (4 * sampling.points, 3))
    even = even[_in_visual_hull(placed, even)]
    beyond = even[(np.abs(placed.back(even)) > GROWN * thing.half_extent).any(1)]
    outside = round((sampling.points - near) * len(beyond) / max(len(even), 1))
    pools = (
        _sample_points(thing.near_points, thing.near_inside, placed, near, rng),
        _sample_points(
            thing.uniform, thing.uniform_inside, placed, sampling.points - near - outside, rng
        ),
        (beyond[np.arange(outside) % max(len(beyond), 1)], np.zeros(outside, bool)),
    )
    points, inside = zip(*pools, strict=True)
    return np.concatenate(points), np.concatenate(inside)


def _sample_points(
    pool: NDArray[np.float32],
    known: NDArray[np.bool_],
    placed: FramedObject,
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """``count`` of the points of ``pool``, moved, and what is known of them; such as are asked for if there are any."""
    pick = rng.integers(0, len(pool), 4 * count)
    points = placed.move(pool[pick])
    asked = _in_visual_hull(placed, points)
    within = np.flatnonzero((np.abs(points) < BOUND).all(1) if not asked.any() else asked)
    if not len(within):
        within = np.arange(len(points))
    chosen = within[np.arange(count) % len(within)]
    return points[chosen].clip(-BOUND, BOUND), known[pick[chosen]]


def _in_visual_hull(placed: FramedObject, points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of ``points`` (P, 3) lie in the volume and behind the masks of all pictures."""
    asked = (np.abs(points) < BOUND).all(1)
    for picture, camera in zip(placed.pictures, placed.cameras, strict=True):
        where, _ = _seen_at(camera, points)
        asked &= (np.abs(where) < 1).all(1) & (_lookup_pixels(picture[3], where) > 0.3)
    return asked


def _lookup_pixels(
    picture: NDArray[np.float32], where: NDArray[np.floating]
) -> NDArray[np.float32]:
    """What ``picture`` (..., H, H) holds at ``where`` (P, 2), in -1..1: (..., P)."""
    side = picture.shape[-1]
    i, j = ((where + 1) / 2 * side).astype(int).clip(0, side - 1).T
    return picture[..., j, i]


def _sample_surface_colors(
    thing: TrainingObject, placed: FramedObject, rng: np.random.Generator, count: int
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """Surface points (count, 3) with colours (count, 3): mostly what a chosen picture shows, else another view's."""
    pick = rng.integers(0, COLORS_A_VIEW, count)
    if rng.random() < 0.4:
        view = int(rng.integers(0, len(thing.view_kinds)))
        return placed.move(thing.visible_points[view, pick]).clip(-BOUND, BOUND), thing.seen_color[
            view, pick
        ] / 255
    index = int(rng.integers(0, len(placed.chosen)))
    surface = placed.move(thing.visible_points[placed.chosen[index], pick])
    where, _ = _seen_at(placed.cameras[index], surface)
    return surface.clip(-BOUND, BOUND), _lookup_pixels(placed.pictures[index, :3], where).T
