"""Choose views of an object and express it in the frame in which the network sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ....alignment.side_views import align_side_cameras
from ....arrays import View
from ....errors import DatasetError
from ...inference.preprocessing import assumed_camera, crop_view, resize_square, rotate_upright
from ...networks.projection import camera_matrix, transform_camera, unproject_points
from ...networks.reconstruction import NetworkConfig
from ..objects import TrainingObject, load_split
from .augmentation import AugmentationConfig

# The kind that training sets give to views with an unknown camera.
UNPOSED = "free"
# Which orthographic views a sample shows together, and how often, by their number. Mostly what
# users have: a front. The sets of one, two and three views without a front, or with a top, keep the
# network from relying on a front.
_VIEW_SETS: Mapping[int, tuple[tuple[tuple[str, ...], float], ...]] = {
    1: ((("front",), 0.8), (("right",), 0.1), (("top",), 0.1)),
    2: ((("front", "right"), 0.7), (("front", "top"), 0.15), (("front", "back"), 0.15)),
    3: ((("front", "right", "back"), 0.5), (("front", "right", "top"), 0.5)),
    4: ((("front", "right", "back", "top"), 1.0),),
    6: ((("front", "right", "back", "left", "top", "bottom"), 1.0),),
}


@dataclass(frozen=True)
class ViewQuery:
    """How many views of an object, and of which kind.

    Attributes:
        count: number of views.
        unposed: views with an unknown camera instead of orthographic ones.
    """

    count: int
    unposed: bool


class PointMap(Protocol):
    """An invertible map of points from the object's frame to the network's frame."""

    def forward(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return points (P, 3) of the object's frame in the network's frame."""
        ...

    def inverse(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return points (P, 3) of the network's frame in the object's frame."""
        ...


@dataclass(frozen=True)
class AffineMap:
    """An affine map given by its matrix (4, 4)."""

    matrix: NDArray[np.float64]

    @cached_property
    def _inverse_matrix(self) -> NDArray[np.float64]:
        return np.linalg.inv(self.matrix)

    def forward(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Apply the matrix to points (P, 3)."""
        return _apply_affine(self.matrix, points)

    def inverse(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Apply the inverse matrix to points (P, 3)."""
        return _apply_affine(self._inverse_matrix, points)


def _apply_affine(matrix: NDArray[np.float64], points: NDArray[Any]) -> NDArray[np.float64]:
    mapped: NDArray[np.float64] = points @ matrix[:3, :3].T + matrix[:3, 3]
    return mapped


@dataclass(frozen=True)
class CameraMap:
    """Keep each point at its pixel while the true camera is replaced by the assumed one.

    Attributes:
        true: (5, 4) camera matrix in the object's frame.
        assumed: (5, 4) camera matrix in the network's frame.
        scale: from depths of the object's frame to those of the network's.
    """

    true: NDArray[np.float32]
    assumed: NDArray[np.float32]
    scale: float

    def forward(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return points (P, 3) as the assumed camera would see them."""
        ndc, depth = project_to_view(self.true, points)
        return unproject_points(self.assumed, ndc, depth * self.scale)

    def inverse(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return points (P, 3) as the true camera sees them."""
        ndc, depth = project_to_view(self.assumed, points)
        return unproject_points(self.true, ndc, depth / self.scale)


@dataclass(frozen=True)
class ComposedMap:
    """One map after another."""

    first: PointMap
    second: PointMap

    def forward(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Apply the first map, then the second."""
        return self.second.forward(self.first.forward(points))

    def inverse(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Undo the second map, then the first."""
        return self.first.inverse(self.second.inverse(points))


@dataclass(frozen=True)
class FramedObject:
    """An object in the frame that the network sees it in.

    Attributes:
        images: (N, 4, H, W) sRGB color and alpha in 0..1.
        cameras: (N, 5, 4), see ``networks.projection``.
        mapping: from the object's frame to this one.
        up_direction: (3,) unit vector, the world's up in the frame of the first image; zero if that
            is posed.
        views: indices of the object's views.
    """

    images: NDArray[np.float32]
    cameras: NDArray[np.float32]
    mapping: PointMap
    up_direction: NDArray[np.float64]
    views: tuple[int, ...]


def has_views(training_object: TrainingObject, query: ViewQuery) -> bool:
    """Return whether the object has enough unposed views, or a set of orthographic views."""
    kinds = training_object.view_kinds
    if query.unposed:
        return kinds.count(UNPOSED) >= query.count
    return bool(_available_view_sets(kinds, query.count))


def is_usable(training_object: TrainingObject, count: int) -> bool:
    """Return whether the object has ``count`` views of either kind."""
    return any(has_views(training_object, ViewQuery(count, unposed)) for unposed in (False, True))


def load_usable_objects(datasets: Sequence[Path], split: str) -> list[TrainingObject]:
    """Return the objects of a split that can answer a single-view query.

    Raises:
        DatasetError: a set is missing, damaged or leaks, or there is no such object.
    """
    usable = [item for item in load_split(datasets, split) if is_usable(item, 1)]
    if not usable:
        raise DatasetError(
            f"No object in the split {split!r} has side views or handheld views. Render some "
            "(--cameras sides free:6)"
        )
    return usable


def choose_views(
    training_object: TrainingObject, query: ViewQuery, rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw the indices of views for ``query``; the object must have them, see :func:`has_views`."""
    kinds = training_object.view_kinds

    # Any of the unposed views.
    if query.unposed:
        unposed = [index for index, kind in enumerate(kinds) if kind == UNPOSED]
        order = rng.permutation(len(unposed))[: query.count]
        return tuple(unposed[index] for index in order)

    # One of the sets of orthographic views that the object has, in proportion to their shares.
    sets = _available_view_sets(kinds, query.count)
    shares = [share for _, share in sets]
    probabilities = np.array(shares) / sum(shares)
    names, _ = sets[rng.choice(len(sets), p=probabilities)]

    return tuple(kinds.index(name) for name in names)


@cache
def _available_view_sets(
    kinds: tuple[str, ...], count: int
) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Return those of ``_VIEW_SETS`` that an object with views of ``kinds`` has."""
    return tuple(view_set for view_set in _VIEW_SETS[count] if set(view_set[0]) <= set(kinds))


def frame_object(
    training_object: TrainingObject,
    query: ViewQuery,
    rng: np.random.Generator,
    augmentation: AugmentationConfig | None = None,
    up_guess: NDArray[Any] | None = None,
    image_size: int = NetworkConfig.picture,
) -> FramedObject:
    """Express the object in the frame that inference would give it.

    Several unposed views are taken as posed. A single view shows neither the extent of depth nor,
    if it is unposed, the camera: its frame is then the one that inference would assume.

    Args:
        training_object: object with the views of ``query``.
        query: number and kind of views.
        rng: source of the choices.
        augmentation: how often the object is smaller in its frame, and how inaccurate the up
            direction of an unposed view is; None for neither.
        up_guess: (3,) estimate of the up direction of an unposed view; None for nearly the truth.
        image_size: side of the images that the network sees, pixels.
    """
    # The world's up in the frame of the first view, which the network learns to estimate.
    views = choose_views(training_object, query, rng)
    up_direction = np.zeros(3)
    if query.unposed:
        up_direction = training_object.view_frames[views[0]][:3, 2]
        up_direction = up_direction / np.linalg.norm(up_direction)

    if query.count == 1:
        # All choices are drawn, needed or not.
        frame_scale = 1.0
        if augmentation and rng.random() < augmentation.shrink_odds:
            frame_scale = rng.uniform(augmentation.smallest_frame_scale, 1)
        if up_guess is None:
            error = rng.normal(0, augmentation.up_error, 3) if augmentation else 0
            up_guess = up_direction + error
        guess = up_guess if query.unposed else None
        placement = _place_single_view(training_object, views[0], guess, frame_scale, image_size)
    elif query.unposed:
        placement = _place_unposed_views(training_object, views, image_size)
    else:
        placement = _place_side_views(training_object, views, image_size)

    images, cameras, mapping = placement
    return FramedObject(images, cameras, mapping, up_direction, views)


_Placement = tuple[NDArray[np.float32], NDArray[np.float32], PointMap]


def _place_single_view(
    training_object: TrainingObject,
    view: int,
    up_guess: NDArray[Any] | None,
    frame_scale: float,
    image_size: int,
) -> _Placement:
    """Place an object by one view as inference does.

    Args:
        training_object: see :func:`frame_object`.
        view: index of the view.
        up_guess: (3,) estimate of the up direction of an unposed view; None if the view is
            orthographic.
        frame_scale: size of the object in the frame, at most 1.
        image_size: pixels.
    """
    # The camera that inference would assume.
    image = to_float_image(training_object.color[view])
    mask = image[..., 3]
    if up_guess is None:
        kind = training_object.view_kinds[view]
        camera = align_side_cameras({kind: mask})[kind]
    else:
        camera = rotate_upright(assumed_camera(mask), up_guess)

    camera = camera.scaled(frame_scale)

    # Each visible point stays at its pixel, at its true depth in the scale of this frame.
    cropped = crop_view(View(image, camera), image_size)
    view_scale = float(np.linalg.norm(training_object.view_frames[view][0, :3]))
    mapping = CameraMap(
        true=training_object.cameras[view],
        assumed=camera_matrix(camera),
        scale=frame_scale * view_scale,
    )
    return *_stack_views([cropped]), mapping


def _place_unposed_views(
    training_object: TrainingObject, views: Sequence[int], image_size: int
) -> _Placement:
    """Place an object in the frame of the first of several views, whose cameras are known."""
    transform = training_object.view_frames[views[0]]
    cameras = [transform_camera(training_object.cameras[view], transform) for view in views]
    images = []
    for view in views:
        image = resize_square(to_float_image(training_object.color[view]), image_size)
        images.append(image.transpose(2, 0, 1))
    return np.stack(images), np.stack(cameras), AffineMap(transform)


def _place_side_views(
    training_object: TrainingObject, views: Sequence[int], image_size: int
) -> _Placement:
    """Place an object by orthographic views of unknown scales, as inference does."""
    images = {}
    for view in views:
        kind = training_object.view_kinds[view]
        images[kind] = to_float_image(training_object.color[view])

    # Inference knows the names of the sides only, and fits them to each other by their masks.
    masks = {kind: image[..., 3] for kind, image in images.items()}
    cameras = align_side_cameras(masks)
    cropped = []
    for kind, image in images.items():
        cropped.append(crop_view(View(image, cameras[kind]), image_size))
    return *_stack_views(cropped), AffineMap(np.eye(4))


def _stack_views(views: Sequence[View]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return images (N, 4, H, W) and cameras (N, 5, 4)."""
    images = np.stack([view.image.transpose(2, 0, 1) for view in views])
    cameras = np.stack([camera_matrix(view.camera) for view in views])
    return images, cameras


def to_float_image(color: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return an 8-bit image (H, W, C) in 0..1."""
    return color.astype(np.float32) / 255


def project_to_view(
    matrix: NDArray[Any], points: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates (P, 2) in -1..1 and depths (P,) of points, by a camera (5, 4)."""
    local = points @ matrix[:4, :3].T.astype(float) + matrix[:4, 3]
    ndc = local[:, :2] / local[:, 2:3]
    return ndc, local[:, 3]
