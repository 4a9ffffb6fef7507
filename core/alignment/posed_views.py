"""Fits pictures that stand in a scene to each other, and to the cube that the model works in."""

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

_STRAIGHT = np.cos(
    np.radians(1.0)
)  # between a picture's axis and one of the frame's that it is taken to show
_TOLD = 0.01  # of a length, from which on a disagreement is told
_HELD = 1e-3  # weight of where the object is thought to be, beside what a picture says
_GUESSED = 0.05  # weight of a length that no picture shows straight on being as long as the longest
_LARGER = ("wider", "deeper", "taller")
_FURTHER = ("further right", "further back", "higher")
_ACROSS = ("width", "depth", "height")


@dataclass(frozen=True)
class ReferenceAlignment:
    """views: as ``inference.reconstruct_views`` takes them. to_world: (4, 4) similarity from their frame, metres.

    disagreements: what the pictures contradict each other in, measured; texts for the user.
    """

    views: tuple[View, ...]
    to_world: NDArray[np.float64]
    disagreements: tuple[str, ...]


@dataclass(frozen=True)
class _Span:
    """What a picture shows of the object along one of its axes: from ``low`` to ``high`` along ``direction`` (3,).

    axis: of the frame, if the picture shows that one straight on.
    """

    index: int
    direction: NDArray[np.float64]
    low: float
    high: float
    axis: int | None

    @property
    def length(self) -> float:
        return self.high - self.low


def align_references(
    references: Sequence[Reference], near: NDArray[np.float64]
) -> ReferenceAlignment:
    """The frame of the object that ``references`` show, and their cameras in it.

    The frame is centred on the object, its longest seen side 1. Orthographic pictures that show an axis of the frame
    straight on are stretched to the length that they agree on; of a length that is only seen askew an ellipsoid's
    outline gives a guess (its squares are linear in the squares of the axes).

    Args:
        references: upright (see ``references.upright``), their alpha the masks. The first counts where two disagree
            by more than 8 %.
        near: (3,) in world space: where along a view the object is that no other picture tells of.

    Raises:
        ImageError: a mask is empty, or a perspective camera has the object behind it.
    """
    axes = frame_axes([reference.view.camera for reference in references])
    turn = np.eye(4)
    turn[:3, :3] = axes.T
    cameras = [reference.view.camera.moved(turn) for reference in references]
    boxes = [_mask_corners(reference) for reference in references]
    placed = [index for index, reference in enumerate(references) if reference.placed] or list(
        range(len(cameras))
    )
    rays = [cameras[index] for index in placed], [boxes[index] for index in placed], axes.T @ near
    center = _nearest_to_rays(*rays, np.full(3, np.nan))
    names = [reference.name for reference in references]
    spans = [
        span
        for i, camera in enumerate(cameras)
        for span in _image_spans(i, camera, boxes[i], center, names[i])
    ]
    straight = [span for span in spans if span.axis is not None]
    lengths = (
        reconcile_lengths([(str(s.index), s.axis, s.length) for s in straight])
        if straight
        else np.zeros(3)
    )
    lengths = _estimate_lengths(lengths, spans)
    center = _nearest_to_rays(
        *rays, _agreed_middles([span for span in straight if span.index in placed], lengths)
    )
    size = float(lengths.max())
    move = np.eye(4)
    move[:3, 3] = -center
    shares = [None if span.axis is None else lengths[span.axis] / size for span in spans]
    framed = [
        _fitted_camera(camera.moved(move).scaled(1 / size), boxes[i], shares[2 * i : 2 * i + 2])
        for i, camera in enumerate(cameras)
    ]
    views = tuple(
        View(reference.view.image, camera)
        for reference, camera in zip(references, framed, strict=True)
    )
    to_world = np.eye(4)
    to_world[:3, :3] = axes * size
    to_world[:3, 3] = axes @ center
    return ReferenceAlignment(
        views, to_world, tuple(_measure_disagreements(names, straight, lengths, placed))
    )


def frame_axes(cameras: Sequence[Camera]) -> NDArray[np.float64]:
    """Axes of the frame in world space, as columns (3, 3): x right, y away from the front, z up.

    Those of the world; or, if more pictures are straight on in it, a frame in which one of them is the front; or, of
    a single picture from aside, the frame that looks at it from the front.
    """
    poses = [camera.to_world[:3, :3] for camera in cameras]
    world = np.eye(3)
    turned = [_turned_axes(pose) for pose in poses]
    if len(poses) == 1:
        return world if _straight_on(world, poses) else turned[0]
    fronts = [np.stack((pose[:, 0], -pose[:, 2], pose[:, 1]), axis=1) for pose in poses]
    best = max((world, *turned, *fronts), key=lambda axes: _straight_on(axes, poses))
    return best if _straight_on(best, poses) > max(_straight_on(world, poses), 1) else world


def _turned_axes(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """The world's axes turned about z until x is right in the picture of ``pose`` (3, 3)."""
    x, y = pose[:2, 0]
    length = np.hypot(x, y)
    if length < 1e-6:
        return np.eye(3)
    return np.array(((x, -y, 0), (y, x, 0), (0, 0, length))) / length


def _straight_on(axes: NDArray[np.float64], poses: Sequence[NDArray[np.float64]]) -> int:
    """How many of ``poses`` look along an axis, with an axis up."""
    return sum(bool((np.abs(axes.T @ pose).max(0) > _STRAIGHT).all()) for pose in poses)


def _mask_corners(reference: Reference) -> NDArray[np.float64]:
    """Corners (2, 2) of the mask, pixels."""
    try:
        return np.stack(mask_bounds(reference.view.image[..., 3]))
    except ImageError as error:
        raise ImageError(f"{reference.name}: {error}") from error


def _nearest_to_rays(
    cameras: Sequence[Camera],
    boxes: Sequence[NDArray[np.float64]],
    near: NDArray[np.float64],
    known: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The point (3,) nearest to the rays through the masks' middles, and ever so slightly to ``near`` (3,).

    known: (3,) its coordinates, those to find nan.
    """
    rows = [_HELD * np.eye(3)]
    values = [_HELD * near]
    for camera, box in zip(cameras, boxes, strict=True):
        start, end = camera.unproject(box.mean(0)[None].repeat(2, 0), np.array((0.0, 1.0)))
        along = (end - start) / np.linalg.norm(end - start)
        across = np.eye(3) - np.outer(along, along)
        rows.append(across)
        values.append(across @ start)
    free = np.isnan(known)
    matrix = np.concatenate(rows)
    right = np.concatenate(values) - np.concatenate(rows) @ np.where(free, 0, known)
    result = known.copy()
    result[free] = np.linalg.lstsq(matrix[:, free], right, rcond=None)[0]
    return result


def _image_spans(
    index: int, camera: Camera, box: NDArray[np.float64], center: NDArray[np.float64], name: str
) -> tuple[_Span, _Span]:
    """What a picture shows across and down, at the depth of ``center``."""
    depth = float(camera.project(center[None])[1][0])
    if not camera.orthographic and depth <= 0:
        raise ImageError(
            f"{name}: The object is behind this camera. Rotate the camera, or move the 3D cursor "
            "to the object"
        )
    corners = camera.unproject(box, np.full(2, depth))
    found = []
    for direction in (camera.to_world[:3, 0], -camera.to_world[:3, 1]):
        axis = int(np.abs(direction).argmax())
        straight = camera.orthographic and abs(direction[axis]) > _STRAIGHT
        along = np.eye(3)[axis] if straight else direction
        low, high = np.sort(corners @ direction * (np.sign(direction[axis]) if straight else 1))
        found.append(_Span(index, along, float(low), float(high), axis if straight else None))
    return found[0], found[1]


def _estimate_lengths(lengths: NDArray[np.float64], spans: Sequence[_Span]) -> NDArray[np.float64]:
    """``lengths`` (3,) with those that are 0 estimated from what is seen askew; else as long as the longest."""
    free = lengths == 0
    if not free.any():
        return lengths
    longest = lengths.max() or max(span.length for span in spans)
    askew = [span for span in spans if span.axis is None]
    rows = np.array([*(span.direction**2 for span in askew), *(_GUESSED * np.eye(3))])
    values = (
        np.array([*(span.length**2 for span in askew), *[_GUESSED * longest**2] * 3])
        - rows @ lengths**2
    )
    squares = np.linalg.lstsq(rows[:, free], values, rcond=None)[0]
    result = lengths.copy()
    result[free] = np.sqrt(squares.clip((0.05 * longest) ** 2, (3 * longest) ** 2))
    return result


def _agreed_middles(spans: Sequence[_Span], lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean (3,) of the middles that pictures show straight on, or, of far apart ones, the first; else nan."""
    result = np.full(3, np.nan)
    for axis in range(3):
        ends = np.array([(span.low, span.high) for span in spans if span.axis == axis])
        if len(ends):
            far = np.ptp(ends, axis=0).max() > LARGEST_DISAGREEMENT * lengths[axis]
            result[axis] = ends[0].mean() if far else ends.mean()
    return result


def _object_middles(spans: Sequence[_Span], axis: int) -> dict[int, float]:
    """Where along ``axis`` each picture that shows it has the object's middle."""
    return {span.index: (span.low + span.high) / 2 for span in spans if span.axis == axis}


def _fitted_camera(
    camera: Camera, box: NDArray[np.float64], lengths: Sequence[float | None]
) -> Camera:
    """``camera`` with the mask's ``box`` stretched to ``lengths`` about the origin, where those are known."""
    if not camera.orthographic:
        return camera
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, 2] = camera.project(np.zeros((1, 3)))[0][0]
    for k, length in enumerate(lengths):
        if length is not None:
            intrinsics[k, k] = np.ptp(box[:, k]) / length
            intrinsics[k, 2] = box[:, k].mean()
    pose = camera.to_world.copy()
    pose[:3, 3] = 2 * pose[:3, 2]
    return replace(camera, to_world=pose, intrinsics=intrinsics)


def _measure_disagreements(
    names: Sequence[str],
    spans: Sequence[_Span],
    lengths: NDArray[np.float64],
    placed: Sequence[int],
) -> list[str]:
    texts = []
    for axis in range(3):
        seen = sorted((span.length, span.index) for span in spans if span.axis == axis)
        if seen and seen[-1][0] > (1 + _TOLD) * seen[0][0]:
            (least, small), (most, large) = seen[0], seen[-1]
            texts.append(
                f"{names[large]} is {most / least - 1:.1%} {_LARGER[axis]} than {names[small]}"
            )
        middles = {i: m for i, m in _object_middles(spans, axis).items() if i in placed}
        if middles and np.ptp(list(middles.values())) > _TOLD * lengths[axis]:
            first = min(middles, key=middles.__getitem__)
            last = max(middles, key=middles.__getitem__)
            share = (middles[last] - middles[first]) / lengths[axis]
            texts.append(
                f"{names[last]} is {share:.1%} of the {_ACROSS[axis]} {_FURTHER[axis]} than {names[first]}"
            )
    return texts
