r"""Align references that are placed in a scene, to each other and to the frame of the model.

Artists place references by eye: two drawings of one object rarely agree to the millimeter.

            back to the viewer          1. Axes of the frame: the world's, or those of a rotated
                 ^                         frame in which the references are straight views.
        left     |     right            2. Center: the point nearest to the rays through the
      .---------------------.              middles of all masks.
      |    ray \  |          |          3. Spans: what each mask covers along the two axes of its
      |         \ |          |             image, at the depth of the center.
      |          * center    |          4. Lengths: straight orthographic spans are averaged; a
      |                      |             length that is only seen at an angle is estimated.
      '---------------------'           5. Each camera moves to the frame, in which the longest
                                           length is 1, and is stretched to the common lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import View
from ..cameras import Camera
from ..errors import ImageError
from .reference import Reference
from .side_views import LARGEST_DISAGREEMENT, mask_bounds, reconcile_lengths

# Cosine between an axis of an image and one of the frame, above which the image shows it straight.
_STRAIGHT = np.cos(np.radians(1.0))
_MIN_REPORTED = 0.01  # of a length: smaller disagreements are not reported
_GUESS_WEIGHT = 1e-3  # of the assumed position of the object, compared with a ray
# Weight of the assumption that a length which no image shows straight is as long as the longest.
_LENGTH_GUESS_WEIGHT = 0.05
_MIN_LENGTH = 0.05  # of the longest; bounds of an estimated length
_MAX_LENGTH = 3.0  # of the longest
_CAMERA_DISTANCE = 2  # of orthographic cameras from the object's center, in its longest length

# Words for a larger extent, a larger position, and the extent along x, y and z.
_LARGER = ("wider", "deeper", "taller")
_FURTHER = ("further right", "further back", "higher")
_EXTENT = ("width", "depth", "height")


@dataclass(frozen=True)
class ReferenceAlignment:
    """References in one frame.

    Attributes:
        views: As ``inference.reconstruct_views`` takes them.
        to_world: (4, 4) similarity from their frame to world space, meters.
        disagreements: How the images contradict each other, with numbers; texts for the user.
    """

    views: tuple[View, ...]
    to_world: NDArray[np.float64]
    disagreements: tuple[str, ...]


@dataclass(frozen=True)
class _PosedMask:
    """A reference as the alignment uses it.

    Attributes:
        name: For reports.
        camera: In a frame with the axes of the result and the origin of the world.
        box: (2, 2) lower and upper corner of the mask, pixels.
        placed: Whether the image stands where the object is.
    """

    name: str
    camera: Camera
    box: NDArray[np.float64]
    placed: bool


@dataclass(frozen=True)
class _Span:
    """What an image shows of the object along one of the image's axes.

    Attributes:
        index: Of the reference.
        direction: (3,) unit vector.
        lower: Lower end along the direction, meters.
        upper: Upper end.
        axis: Axis of the frame that the image shows straight on, else None.
    """

    index: int
    direction: NDArray[np.float64]
    lower: float
    upper: float
    axis: int | None

    @property
    def length(self) -> float:
        """Distance of the two ends, meters."""
        return self.upper - self.lower

    @property
    def middle(self) -> float:
        """Middle of the two ends, meters."""
        return (self.lower + self.upper) / 2


def align_references(
    references: Sequence[Reference], near: NDArray[np.float64]
) -> ReferenceAlignment:
    """Return the frame of the object that references show, and their cameras in it.

    The frame is centered on the object, and the longest visible length is 1. Orthographic images
    that show an axis of the frame straight on are stretched to the common length. A length that is
    only seen at an angle is estimated from the outline of an ellipsoid (the squares of its lengths
    are linear in the squares of its axes).

    Args:
        references: Upright (see ``reference.rectify_view``), with the masks as alpha. The first
            one counts where two disagree by more than 8 %.
        near: (3,) point in world space, meters, that decides where the object is along a view if
            no other image does.

    Raises:
        ImageError: A mask is empty, or the object is behind a perspective camera.
    """
    # Without references at the object's place, the position of all of them counts.
    axes = frame_axes([reference.view.camera for reference in references])
    masks = [_posed_mask(reference, axes) for reference in references]
    placed_indices = [index for index, mask in enumerate(masks) if mask.placed]
    if not placed_indices:
        placed_indices = list(range(len(masks)))
    placed = [masks[index] for index in placed_indices]
    guess = axes.T @ near

    # Measure the masks at the depth of a first estimate of the center.
    center = _nearest_to_rays(placed, guess, np.full(3, np.nan))
    spans: list[_Span] = []
    for index, mask in enumerate(masks):
        spans += _image_spans(index, mask, center)
    lengths = _object_lengths(spans)

    # The center is exact along the axes that are seen straight on.
    placed_spans = [span for span in spans if span.index in placed_indices]
    center = _nearest_to_rays(placed, guess, _common_middles(placed_spans, lengths))

    # Bring each camera into the frame of the object.
    views = []
    for index, (reference, mask) in enumerate(zip(references, masks, strict=True)):
        shares = _common_shares(spans[2 * index : 2 * index + 2], lengths)
        camera = _fitted_camera(mask, center, float(lengths.max()), shares)
        views.append(View(reference.view.image, camera))

    names = [mask.name for mask in masks]
    return ReferenceAlignment(
        views=tuple(views),
        to_world=_frame_to_world(axes, center, float(lengths.max())),
        disagreements=tuple(_measure_disagreements(names, spans, lengths, placed_indices)),
    )


def frame_axes(cameras: Sequence[Camera]) -> NDArray[np.float64]:
    """Return the axes of the object's frame in world space.

    They are those of the world. If more images are straight on in it, they are those of a frame in
    which one of the images is the front. For a single image at an angle they are those of the frame
    that it sees from the front.

    Args:
        cameras: Of the references, in world space.

    Returns:
        (3, 3) with the axes as columns: x right, y away from the front, z up.
    """
    poses = [camera.to_world[:3, :3] for camera in cameras]
    world = np.eye(3)
    rotated = [_rotated_axes(pose) for pose in poses]

    if len(poses) == 1:
        if _count_straight(world, poses):
            return world
        return rotated[0]

    # A frame in which an image is the front has its axes to the right, away and up.
    fronts = []
    for pose in poses:
        right, up, back = pose.T
        fronts.append(np.stack((right, -back, up), axis=1))

    candidates = (world, *rotated, *fronts)
    best: NDArray[np.float64] = max(candidates, key=lambda axes: _count_straight(axes, poses))
    if _count_straight(best, poses) > max(_count_straight(world, poses), 1):
        return best
    return world


def _rotated_axes(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the world's axes rotated about z until x is to the right in an image.

    Args:
        pose: (3, 3) rotation of its camera.
    """
    x, y = pose[:2, 0]
    length = np.hypot(x, y)
    if length < 1e-6:
        return np.eye(3)
    rows = ((x, -y, 0), (y, x, 0), (0, 0, length))
    axes: NDArray[np.float64] = np.array(rows) / length
    return axes


def _count_straight(axes: NDArray[np.float64], poses: Sequence[NDArray[np.float64]]) -> int:
    """Return how many of ``poses`` look along an axis, with an axis up."""
    count = 0
    for pose in poses:
        cosines = np.abs(axes.T @ pose).max(0)
        if (cosines > _STRAIGHT).all():
            count += 1
    return count


def _posed_mask(reference: Reference, axes: NDArray[np.float64]) -> _PosedMask:
    """Return the mask of a reference with its camera in the frame of ``axes``.

    Raises:
        ImageError: The mask is empty.
    """
    rotation = np.eye(4)
    rotation[:3, :3] = axes.T
    try:
        box = np.stack(mask_bounds(reference.view.image[..., 3]))
    except ImageError as error:
        raise ImageError(f"{reference.name}: {error}") from error

    camera = reference.view.camera.moved(rotation)
    return _PosedMask(reference.name, camera, box, reference.placed)


def _nearest_to_rays(
    masks: Sequence[_PosedMask], guess: NDArray[np.float64], known: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the point nearest to the rays through the middles of masks, by least squares.

    Args:
        masks: The masks.
        guess: (3,) point that counts where the rays leave the position open.
        known: (3,) coordinates of the point, nan where they are to be found.

    Returns:
        (3,).
    """
    # The first equations hold the point near the guess, weakly.
    rows = [_GUESS_WEIGHT * np.eye(3)]
    values = [_GUESS_WEIGHT * guess]
    for mask in masks:
        # The distance from a ray is the part of the offset that is perpendicular to it.
        middle = mask.box.mean(0)[None].repeat(2, 0)
        start, end = mask.camera.unproject(middle, np.array((0.0, 1.0)))
        direction = (end - start) / np.linalg.norm(end - start)
        perpendicular = np.eye(3) - np.outer(direction, direction)
        rows.append(perpendicular)
        values.append(perpendicular @ start)

    # Coordinates that are known move to the right side.
    is_free = np.isnan(known)
    matrix = np.concatenate(rows)
    right_side = np.concatenate(values) - matrix @ np.where(is_free, 0, known)
    result = known.copy()
    result[is_free] = np.linalg.lstsq(matrix[:, is_free], right_side, rcond=None)[0]

    return result


def _image_spans(index: int, mask: _PosedMask, center: NDArray[np.float64]) -> tuple[_Span, _Span]:
    """Return what an image shows to the right and upwards, at the depth of ``center`` (3,).

    Raises:
        ImageError: The object is behind the camera.
    """
    camera = mask.camera
    depth = float(camera.project(center[None])[1][0])
    if not camera.orthographic and depth <= 0:
        raise ImageError(
            f"{mask.name}: The object is behind this camera. Rotate the camera, or move the 3D "
            "cursor to the object"
        )

    corners = camera.unproject(mask.box, np.full(2, depth))
    across = _measure_span(index, camera, corners, camera.to_world[:3, 0])
    down = _measure_span(index, camera, corners, -camera.to_world[:3, 1])
    return across, down


def _measure_span(
    index: int, camera: Camera, corners: NDArray[np.float64], direction: NDArray[np.float64]
) -> _Span:
    """Return the span of two corners (2, 3) along an axis (3,) of an image.

    Where the image shows an axis of the frame straight on, the span is along that axis.
    """
    axis = int(np.abs(direction).argmax())
    is_straight = camera.orthographic and abs(direction[axis]) > _STRAIGHT
    positions = corners @ direction
    frame_axis = None

    if is_straight:
        # The image's axis may run against that of the frame.
        frame_axis = axis
        positions = positions * np.sign(direction[axis])
        direction = np.eye(3)[axis]

    lower, upper = np.sort(positions)
    return _Span(index, direction, float(lower), float(upper), frame_axis)


def _object_lengths(spans: Sequence[_Span]) -> NDArray[np.float64]:
    """Return the object's lengths (3,) along the axes of the frame, meters."""
    measures = []
    for span in spans:
        if span.axis is not None:
            measures.append((str(span.index), span.axis, span.length))

    lengths = np.zeros(3)
    if measures:
        lengths = reconcile_lengths(measures)
    return _estimate_lengths(lengths, spans)


def _estimate_lengths(lengths: NDArray[np.float64], spans: Sequence[_Span]) -> NDArray[np.float64]:
    """Estimate the lengths that no image shows straight on.

    The outline of an ellipsoid with axes of lengths a, b and c has, along a unit vector (x, y, z),
    a length l with l^2 = x^2 a^2 + y^2 b^2 + z^2 c^2. A weak assumption that each length is as long
    as the longest decides what no image shows.

    Args:
        lengths: (3,), 0 where they are to be estimated.
        spans: All spans; those at an angle are used.
    """
    is_free = lengths == 0
    if not is_free.any():
        return lengths

    # One equation for each span at an angle, and the weak assumption for each axis.
    longest = lengths.max() or max(span.length for span in spans)
    rows = []
    values = []

    for span in spans:
        if span.axis is None:
            rows.append(span.direction**2)
            values.append(span.length**2)

    for row in _LENGTH_GUESS_WEIGHT * np.eye(3):
        rows.append(row)
        values.append(_LENGTH_GUESS_WEIGHT * longest**2)

    # Lengths that are known move to the right side.
    matrix = np.array(rows)
    right_side = np.array(values) - matrix @ lengths**2
    squares = np.linalg.lstsq(matrix[:, is_free], right_side, rcond=None)[0]
    smallest_square = (_MIN_LENGTH * longest) ** 2
    largest_square = (_MAX_LENGTH * longest) ** 2
    result = lengths.copy()
    result[is_free] = np.sqrt(squares.clip(smallest_square, largest_square))

    return result


def _common_middles(spans: Sequence[_Span], lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the object's middle (3,) along the axes that images show straight on, else nan.

    That is the mean of the images, or, if they are far apart, that of the first.
    """
    result = np.full(3, np.nan)
    for axis in range(3):
        ends = np.array([(span.lower, span.upper) for span in spans if span.axis == axis])
        if not len(ends):
            continue
        spread = np.ptp(ends, axis=0).max()
        if spread > LARGEST_DISAGREEMENT * lengths[axis]:
            result[axis] = ends[0].mean()
        else:
            result[axis] = ends.mean()

    return result


def _common_shares(
    spans: Sequence[_Span], lengths: NDArray[np.float64]
) -> tuple[float | None, ...]:
    """Return for each span the common length as a share of the longest; None at an angle."""
    longest = float(lengths.max())
    shares: list[float | None] = []
    for span in spans:
        if span.axis is None:
            shares.append(None)
        else:
            shares.append(lengths[span.axis] / longest)

    return tuple(shares)


def _fitted_camera(
    mask: _PosedMask,
    center: NDArray[np.float64],
    size: float,
    shares: Sequence[float | None],
) -> Camera:
    """Return a camera in the object's frame.

    An orthographic camera is moved to a fixed distance, and its image is stretched so that the
    mask has the common length along the axes that it shows straight on.

    Args:
        mask: The mask and its camera before.
        center: (3,) of the object, meters.
        size: Longest length of the object, meters.
        shares: Common lengths along the image's two axes, as shares of the longest, or None.
    """
    move = np.eye(4)
    move[:3, 3] = -center
    camera = mask.camera.moved(move).scaled(1 / size)
    if not camera.orthographic:
        return camera

    # The origin goes to the middle of the image, and the mask to its common length.
    origin = np.zeros((1, 3))
    pixels, _ = camera.project(origin)
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, 2] = pixels[0]

    for image_axis, share in enumerate(shares):
        if share is not None:
            bounds = mask.box[:, image_axis]
            intrinsics[image_axis, image_axis] = np.ptp(bounds) / share
            intrinsics[image_axis, 2] = bounds.mean()

    pose = camera.to_world.copy()
    pose[:3, 3] = _CAMERA_DISTANCE * pose[:3, 2]
    return replace(camera, to_world=pose, intrinsics=intrinsics)


def _frame_to_world(
    axes: NDArray[np.float64], center: NDArray[np.float64], size: float
) -> NDArray[np.float64]:
    """Return the similarity (4, 4) from the object's frame to world space."""
    to_world = np.eye(4)
    to_world[:3, :3] = axes * size
    to_world[:3, 3] = axes @ center
    return to_world


def _measure_disagreements(
    names: Sequence[str],
    spans: Sequence[_Span],
    lengths: NDArray[np.float64],
    placed: Sequence[int],
) -> list[str]:
    """Return texts on how images contradict each other, about size and position along each axis.

    Args:
        names: Of the references.
        spans: All spans; those straight on are used.
        lengths: (3,) of the object, meters.
        placed: Indices of the references whose position counts.
    """
    texts = []
    for axis in range(3):
        straight = [span for span in spans if span.axis == axis]
        texts += _size_disagreement(names, straight, axis)

        middles = {span.index: span.middle for span in straight if span.index in placed}
        texts += _position_disagreement(names, middles, axis, lengths[axis])

    return texts


def _size_disagreement(names: Sequence[str], spans: Sequence[_Span], axis: int) -> list[str]:
    """Return a text if the object has different lengths along ``axis`` in the images."""
    if not spans:
        return []
    sizes = sorted((span.length, span.index) for span in spans)
    smallest, smallest_index = sizes[0]
    largest, largest_index = sizes[-1]
    if largest <= (1 + _MIN_REPORTED) * smallest:
        return []
    difference = largest / smallest - 1
    larger_name = names[largest_index]
    smaller_name = names[smallest_index]

    return [f"{larger_name} is {difference:.1%} {_LARGER[axis]} than {smaller_name}"]


def _position_disagreement(
    names: Sequence[str], middles: dict[int, float], axis: int, length: float
) -> list[str]:
    """Return a text if the object has different middles along ``axis`` in the images.

    Args:
        names: Of the references.
        middles: Middle of the object by the index of the reference, meters.
        axis: 0, 1 or 2.
        length: Of the object along the axis, meters.
    """
    if not middles:
        return []
    first = min(middles, key=middles.__getitem__)
    last = max(middles, key=middles.__getitem__)
    distance = middles[last] - middles[first]
    if distance <= _MIN_REPORTED * length:
        return []

    share = distance / length
    return [
        f"{names[last]} is {share:.1%} of the {_EXTENT[axis]} {_FURTHER[axis]} than {names[first]}"
    ]
