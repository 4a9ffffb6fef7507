"""Draw samples of objects, with labeled points, and stack them into batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....dataset.ground_truth import GROWN
from ....errors import DatasetError
from ....synthesis.samplers import random_rotation
from ...networks.projection import transform_camera
from ...networks.reconstruction import BOUND, NetworkConfig
from ..objects import COLORS_A_VIEW, Points, TrainingObject
from .augmentation import AugmentationConfig, augment_colors, random_transform
from .placement import (
    AffineMap,
    ComposedMap,
    FramedObject,
    ViewQuery,
    frame_object,
    has_views,
    is_usable,
    project_to_view,
)

# Points of each view whose depth is learned, of the 384 that an object holds.
_VISIBLE_POINTS = 256
# So many times more candidates are drawn than points are needed, since many are outside the visual
# hull.
_CANDIDATES = 4
# A pixel whose alpha is above this belongs to the visual hull: below a half, so that points at its
# rim are learned too.
_HULL_ALPHA = 0.3


@dataclass(frozen=True)
class SamplingConfig:
    """How batches are drawn. The defaults train on one to four views; see also :data:`SINGLE_VIEW`.

    Attributes:
        points: labeled points of each sample. More lower the noise of a step, and cost time in
            proportion.
        near_share: of them near the surface; the others are uniform, as the surface's level is
            found from.
        color_points: surface points with a known color of each sample.
        other_view_color_odds: of color points from any view of the object instead of one that the
            sample shows: the network also learns the color of what no input shows.
        view_counts: numbers of views of a batch.
        view_count_shares: of the batches, one for each of ``view_counts``. Single views are what
            most users have.
        batch_sizes: samples of a batch, one for each of ``view_counts``: more views take more time
            and memory.
        unposed_share: of unposed views among samples of a single view.
        unposed_batch_odds: of batches of several views that may be of unposed ones, whose cameras
            are then given: rare in use. Never of three views, so that the smallest share is not
                divided further.
        batch_size: samples of a batch of single views; 0 for batches of ``view_counts``.
        image_size: side of the images, pixels, whatever that of the training set is.
    """

    points: int = 2048
    near_share: float = 0.5
    color_points: int = 192
    other_view_color_odds: float = 0.4
    view_counts: tuple[int, ...] = (1, 2, 3, 4)
    view_count_shares: tuple[float, ...] = (0.55, 0.16, 0.06, 0.23)
    batch_sizes: tuple[int, ...] = (16, 12, 10, 8)
    unposed_share: float = 0.6
    unposed_batch_odds: float = 0.1
    batch_size: int = 0
    image_size: int = NetworkConfig.picture

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            DatasetError: the lists differ in length, or a number is too small.
        """
        lengths = {len(self.view_counts), len(self.view_count_shares), len(self.batch_sizes)}
        if len(lengths) > 1:
            raise DatasetError(
                "view_counts, view_count_shares and batch_sizes differ in length: give one of each"
            )
        if abs(sum(self.view_count_shares) - 1) > 1e-6:
            raise DatasetError("view_count_shares must add up to 1")
        if self.points < 1 or self.color_points < 1:
            raise DatasetError("points and color_points must be 1 or more")


# For training the single-view network alone. It has no use for colors, and its field is smooth
# along a ray, so that uniform points alone do; it sees more objects in a step instead.
SINGLE_VIEW = SamplingConfig(
    points=4096,
    near_share=0.0,
    color_points=1,
    unposed_share=0.75,
    batch_size=48,
)


class Sample(NamedTuple):
    """One sample, as float32 arrays; see :class:`Batch`, which has B of them."""

    images: NDArray[np.float32]
    cameras: NDArray[np.float32]
    points: NDArray[np.float32]
    occupancy: NDArray[np.float32]
    surface: NDArray[np.float32]
    color: NDArray[np.float32]
    visible_points: NDArray[np.float32]
    up_direction: NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """B samples of N views each, with P points of known occupancy and Q of known color.

    Attributes:
        images: (B, N, 4, H, W) sRGB color and alpha in 0..1.
        cameras: (B, N, 5, 4), see ``networks.projection``.
        points: (B, P, 3) in the network's frame.
        occupancy: (B, P) 1 inside, 0 outside.
        surface: (B, Q, 3) points of the surface.
        color: (B, Q, 3) their sRGB colors in 0..1.
        visible_points: (B, N, 256, 3) points of the surface that each view shows.
        up_direction: (B, 3) unit vectors in the frame of the first image; zero where that is posed.
    """

    images: Tensor
    cameras: Tensor
    points: Tensor
    occupancy: Tensor
    surface: Tensor
    color: Tensor
    visible_points: Tensor
    up_direction: Tensor


_DEFAULT_SAMPLING = SamplingConfig()
_DEFAULT_AUGMENTATION = AugmentationConfig()


def sample_batch(
    objects: Sequence[TrainingObject],
    seed: int,
    step: int,
    sampling: SamplingConfig = _DEFAULT_SAMPLING,
    augmentation: AugmentationConfig | None = _DEFAULT_AUGMENTATION,
) -> Batch:
    """Return the batch of a step, a function of seed and step: so a run resumes to the bit.

    Args:
        objects: each usable for a single view, see ``placement.load_usable_objects``. Only those
            with as many views as the batch are drawn; if none has them, the batch is of single
            views.
        seed: of the run.
        step: number of the step.
        sampling: how batches are drawn.
        augmentation: how samples vary; None for not at all.
    """
    rng = np.random.default_rng((seed, step))

    # How many views the batch has, and which objects have them.
    view_count = 1
    if not sampling.batch_size:
        view_count = int(rng.choice(sampling.view_counts, p=sampling.view_count_shares))
    candidates = [item for item in objects if is_usable(item, view_count)]
    if not candidates:
        view_count = 1
        candidates = list(objects)

    # Of single views a share is unposed; of several views all or none may be.
    unposed_share = sampling.unposed_share
    if view_count > 1:
        may_be_unposed = view_count != 3 and rng.random() < sampling.unposed_batch_odds
        unposed_share = float(may_be_unposed)

    size = sampling.batch_size
    if not size:
        size = sampling.batch_sizes[sampling.view_counts.index(view_count)]
    indices = rng.choice(len(candidates), size, replace=len(candidates) < size)
    unposed_wishes = [bool(rng.random() < unposed_share) for _ in indices]

    samples = []
    for index, unposed in zip(indices, unposed_wishes, strict=True):
        query = ViewQuery(view_count, unposed)
        if not has_views(candidates[index], query):
            query = ViewQuery(view_count, not unposed)
        samples.append(sample_object(candidates[index], query, rng, sampling, augmentation))

    return collate_samples(samples)


def collate_samples(samples: Sequence[Sample]) -> Batch:
    """Stack samples with the same number of views."""
    columns = zip(*samples, strict=True)
    return Batch(*(torch.from_numpy(np.stack(column)) for column in columns))


def sample_object(
    training_object: TrainingObject,
    query: ViewQuery,
    rng: np.random.Generator,
    sampling: SamplingConfig = _DEFAULT_SAMPLING,
    augmentation: AugmentationConfig | None = _DEFAULT_AUGMENTATION,
) -> Sample:
    """Draw one sample: in the frame of the first unposed view, or the object's."""
    framed = frame_object(training_object, query, rng, augmentation, image_size=sampling.image_size)
    if augmentation:
        framed = augment_object(framed, query.unposed, augmentation, rng)

    points, occupancy = _sample_volume_points(training_object, framed, rng, sampling)
    surface, color = _sample_surface_colors(training_object, framed, rng, sampling)
    visible_points = []
    for view in framed.views:
        view_points = training_object.visible_points[view, :_VISIBLE_POINTS]
        visible_points.append(framed.mapping.forward(view_points))

    arrays = (
        framed.images,
        framed.cameras,
        points,
        occupancy,
        surface,
        color,
        np.stack(visible_points),
        framed.up_direction,
    )
    return Sample(*(np.ascontiguousarray(array, np.float32) for array in arrays))


def augment_object(
    framed: FramedObject, unposed: bool, config: AugmentationConfig, rng: np.random.Generator
) -> FramedObject:
    """Vary an object's shape, position and colors, and make its cameras inaccurate.

    Args:
        framed: the object as inference would see it.
        unposed: whether its views are unposed, whose proportions must stay.
        config: how much.
        rng: source of the changes.
    """
    # The object changes, and the cameras with it: images and labels stay in agreement.
    several_views = len(framed.views) > 1
    transform = random_transform(config, several_views and not unposed, rng)
    mirrored = rng.random() < config.mirror_odds
    if mirrored:
        transform = np.diag((-1.0, 1, 1, 1)) @ transform
    cameras = np.stack([transform_camera(camera, transform) for camera in framed.cameras])
    images = np.stack([augment_colors(image, config, rng) for image in framed.images])
    up_direction = framed.up_direction

    # In the mirror image, x of the image and of the camera's frame change their sign.
    if mirrored:
        cameras[:, 0] *= -1
        images = images[..., ::-1]
        up_direction = up_direction * (-1, 1, 1)

    # Only now, so that images and labels disagree with the cameras as they do in use.
    image_shift = rng.normal(0, config.camera_shift_std, (len(cameras), 2, 1))
    cameras[:, :2] += image_shift * cameras[:, 2:3]
    if several_views and rng.random() < config.pose_error_odds:
        cameras = np.stack([_rotated_camera(camera, config, rng) for camera in cameras])
    mapping = ComposedMap(framed.mapping, AffineMap(transform))

    return FramedObject(images, cameras, mapping, up_direction, framed.views)


def _rotated_camera(
    camera: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a camera (5, 4) rotated a little about the origin."""
    angle = np.radians(rng.normal(0, config.pose_error_std))
    return transform_camera(camera, random_rotation(rng, angle))


def _sample_volume_points(
    training_object: TrainingObject,
    framed: FramedObject,
    rng: np.random.Generator,
    sampling: SamplingConfig,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return points (P, 3) of the volume, and which (P,) are inside.

    Some are near the surface, the others uniform over the object's box and beyond it. All are
    within the visual hull, if any point is: elsewhere the masks alone decide.
    """
    near_count = int(sampling.near_share * sampling.points)
    uniform_count = sampling.points - near_count

    # Beyond the box that the labels cover, all is outside. Its share of the uniform points is that
    # of its volume.
    candidates = rng.uniform(-BOUND, BOUND, (_CANDIDATES * sampling.points, 3))
    candidates = candidates[_in_visual_hull(framed, candidates)]
    object_points = framed.mapping.inverse(candidates)
    beyond = candidates[(np.abs(object_points) > GROWN * training_object.half_extent).any(1)]
    beyond_count = round(uniform_count * len(beyond) / max(len(candidates), 1))
    beyond = beyond[np.arange(beyond_count) % max(len(beyond), 1)]

    # From the labels of the object.
    near = _PointPool(training_object.near_points, training_object.near_inside)
    near_points, near_inside = near.sample(framed, near_count, rng)
    uniform = _PointPool(training_object.uniform, training_object.uniform_inside)
    uniform_points, uniform_inside = uniform.sample(framed, uniform_count - beyond_count, rng)

    points = np.concatenate((near_points, uniform_points, beyond))
    inside = np.concatenate((near_inside, uniform_inside, np.zeros(beyond_count, bool)))
    return points, inside


@dataclass(frozen=True)
class _PointPool:
    """Labeled points of an object: (K, 3) in the object's frame, and which (K,) are inside."""

    points: Points
    inside: NDArray[np.bool_]

    def sample(
        self, framed: FramedObject, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Draw points in the network's frame, within the visual hull if possible."""
        indices = rng.integers(0, len(self.points), _CANDIDATES * count)
        points = framed.mapping.forward(self.points[indices])

        # Points within the hull; those within the volume where the hull has none; else all.
        accepted = _in_visual_hull(framed, points)
        if not accepted.any():
            accepted = (np.abs(points) < BOUND).all(1)
        accepted_indices = np.flatnonzero(accepted)
        if not len(accepted_indices):
            accepted_indices = np.arange(len(points))

        # In turn from the first on, again if there are too few.
        chosen = accepted_indices[np.arange(count) % len(accepted_indices)]
        return points[chosen].clip(-BOUND, BOUND), self.inside[indices[chosen]]


def _in_visual_hull(framed: FramedObject, points: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of ``points`` (P, 3) are in the volume and behind the masks of all images."""
    inside: NDArray[np.bool_] = (np.abs(points) < BOUND).all(1)
    for image, camera in zip(framed.images, framed.cameras, strict=True):
        ndc, _ = project_to_view(camera, points)
        in_image = (np.abs(ndc) < 1).all(1)
        on_mask = _lookup_pixels(image[3], ndc) > _HULL_ALPHA
        inside &= in_image & on_mask
    return inside


def _lookup_pixels(image: NDArray[np.float32], ndc: NDArray[Any]) -> NDArray[np.float32]:
    """Return the pixels (..., P) of an image (..., H, H) at coordinates (P, 2) in -1..1."""
    size = image.shape[-1]
    columns, rows = ((ndc + 1) / 2 * size).astype(int).clip(0, size - 1).T
    return image[..., rows, columns]


def _sample_surface_colors(
    training_object: TrainingObject,
    framed: FramedObject,
    rng: np.random.Generator,
    sampling: SamplingConfig,
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return surface points (Q, 3) and colors (Q, 3): mostly what one of the views shows."""
    visible_points = training_object.visible_points
    pick = rng.integers(0, COLORS_A_VIEW, sampling.color_points)

    # Of any view of the object: the colors that its file has.
    if rng.random() < sampling.other_view_color_odds:
        view = int(rng.integers(0, len(training_object.view_kinds)))
        surface = framed.mapping.forward(visible_points[view, pick])
        color = training_object.seen_color[view, pick] / 255
        return surface.clip(-BOUND, BOUND), color

    # Of a view of the sample: the colors of the augmented image, which is what the network sees.
    index = int(rng.integers(0, len(framed.views)))
    view = framed.views[index]
    surface = framed.mapping.forward(visible_points[view, pick])
    ndc, _ = project_to_view(framed.cameras[index], surface)
    color = _lookup_pixels(framed.images[index, :3], ndc).T

    return surface.clip(-BOUND, BOUND), color
