r"""Whether solved cameras agree with the outlines of the object.

The visual hull, all that lies within every mask, must fill each mask. A camera at a wrong place
cuts the hull of all others, so that some rays through its own mask and through theirs meet nothing:

        mask of A          each ray through A's mask is sampled;
          \  |  /           it agrees if one sample lies within all other masks.
        ---\-o-/--- B      A ray that would agree without B blames B.
            \|/
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from ..imaging.morphology import filter3x3

AGREEMENT = 0.93  # correct cameras give 0.95 and more, those wrong by a symmetry far less
_RAYS = 400  # for each photograph
_SAMPLES = 96  # along each ray
_MOST_DROPPED = 0.2  # of the photographs: what is left of a folded ring may agree by chance
_MARGIN = 1.5  # of the object's radius, so that a rough sphere holds all of it
_TOLERANCE = 150  # parts of the longer side: by this the other masks are widened


@dataclass(frozen=True)
class OutlineCheck:
    """How cameras agree with masks.

    kept: indices of the photographs that agree.
    dropped: indices of those that do not.
    agreement: (N,) share of each kept mask that the hull of the others fills.
    """

    kept: list[int]
    dropped: list[int]
    agreement: NDArray[np.float64]

    @property
    def accepted(self) -> bool:
        """Whether what is left agrees."""
        return bool(len(self.agreement) >= 2 and self.agreement.min() >= AGREEMENT)


def check_outlines(cameras: list[Camera], masks: list[NDArray[np.bool_]]) -> OutlineCheck:
    """Compare masks with the hull; drop the photograph that spoils most, until all others agree.

    Args:
        cameras: perspective, in one space, of any size in pixels.
        masks: (H, W) of each, of any size with the same aspect; what lies beyond an image is
            unknown, thus no reason to carve.
    """
    cameras = [
        camera.resized(mask.shape[1], mask.shape[0])
        for camera, mask in zip(cameras, masks, strict=True)
    ]
    center, radius = bounding_sphere(cameras, masks)
    kills = [_killing_views(index, cameras, masks, center, radius) for index in range(len(cameras))]

    # Greedily: each time the photograph without which most failing rays would agree.
    kept = list(range(len(cameras)))
    dropped: list[int] = []
    while True:
        agreement = np.array([_agreement(kills[index], index, kept) for index in kept])
        most = int(_MOST_DROPPED * len(cameras))
        if agreement.min() >= AGREEMENT or len(dropped) >= most or len(kept) <= 3:
            return OutlineCheck(kept, dropped, agreement)
        blame = sum(_blame(kills[index], index, kept) for index in kept)
        spoiler = kept[int(np.argmax(np.asarray(blame)[kept]))]
        kept.remove(spoiler)
        dropped.append(spoiler)


def bounding_sphere(
    cameras: list[Camera], masks: list[NDArray[np.bool_]]
) -> tuple[NDArray[np.float64], float]:
    """Return the center (3,) and radius of a sphere around the object, by its masks."""
    origins = np.array([camera.to_world[:3, 3] for camera in cameras])
    pixels = np.array([_mask_middle(mask) for mask in masks])
    ends = np.concatenate(
        [
            camera.unproject(pixel[None], np.ones(1))
            for camera, pixel in zip(cameras, pixels, strict=True)
        ]
    )
    directions = (ends - origins) / np.linalg.norm(ends - origins, axis=1, keepdims=True)

    # The point nearest to all middle rays, in the sense of least squares.
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    right = (across @ origins[:, :, None]).sum(0)[:, 0]
    center: NDArray[np.float64] = np.linalg.lstsq(across.sum(0), right, rcond=None)[0]

    # How far each mask reaches from its middle at the distance of the center.
    radii = []
    for camera, mask, origin in zip(cameras, masks, origins, strict=True):
        rows, columns = np.nonzero(mask)
        diagonal = np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1)
        distance = np.linalg.norm(center - origin)
        radii.append(distance * diagonal / 2 / camera.intrinsics[0, 0])

    return center, float(np.median(radii)) * _MARGIN


def _killing_views(
    index: int,
    cameras: list[Camera],
    masks: list[NDArray[np.bool_]],
    center: NDArray[np.float64],
    radius: float,
) -> NDArray[np.bool_]:
    """Return (R, S, N): whether view n sees sample s of ray r outside its mask.

    Rays go through the mask ``index``.
    """
    camera = cameras[index]
    rows, columns = np.nonzero(masks[index])
    step = max(len(rows) // _RAYS, 1)
    pixels = np.stack((columns[::step], rows[::step]), 1) + 0.5

    # Samples between the planes that touch the sphere in front and behind.
    middle = camera.project(center[None])[1][0]
    depths = np.linspace(max(middle - radius, middle * 0.05), middle + radius, _SAMPLES)
    points = camera.unproject(pixels.repeat(_SAMPLES, 0), np.tile(depths, len(pixels)))

    # Which other view sees each sample outside its mask.
    killed = np.zeros((len(points), len(cameras)), bool)
    for other, (view, mask) in enumerate(zip(cameras, masks, strict=True)):
        if other != index:
            killed[:, other] = _outside(view, mask, points)
    return killed.reshape(len(pixels), _SAMPLES, len(cameras))


def _outside(
    camera: Camera, mask: NDArray[np.bool_], points: NDArray[np.float64]
) -> NDArray[np.bool_]:
    wide = mask
    for _ in range(max(round(max(mask.shape) / _TOLERANCE), 1)):
        wide = filter3x3(wide, np.logical_or).astype(bool)

    # Only what lies before the camera and within the image is judged.
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels, depth = camera.project(points)
    seen = (depth > 0) & (pixels >= 0).all(1) & (pixels < mask.shape[::-1]).all(1)
    outside = np.zeros(len(points), bool)
    column, row = pixels[seen].astype(int).T
    outside[seen] = ~wide[row, column]

    return outside


def _agreement(killed: NDArray[np.bool_], index: int, kept: list[int]) -> float:
    others = [view for view in kept if view != index]
    alive = ~killed[:, :, others].any(2)
    return float(alive.any(1).mean())


def _blame(killed: NDArray[np.bool_], index: int, kept: list[int]) -> NDArray[np.int64]:
    """Return (N,) how many failing rays of ``index`` would agree without each view."""
    others = [view for view in kept if view != index]
    count = killed[:, :, others].sum(2)
    failing = ~(count == 0).any(1)
    single = killed[failing] & (count[failing] == 1)[..., None]
    blame: NDArray[np.int64] = single.any(1).sum(0)
    blame[index] = 0
    return blame


def _mask_middle(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows, columns = np.nonzero(mask)
    return np.array(((columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2))
