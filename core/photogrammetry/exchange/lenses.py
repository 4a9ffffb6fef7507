"""Lenses of other programs, and the nearest one with two coefficients of radial distortion.

Image coordinates (x, y) are in units of the focal length, with r2 = x^2 + y^2:

    "brown"    (x, y) (1 + k1 r2 + k2 r4 + k3 r6) / (1 + k4 r2 + k5 r4 + k6 r6) and the tangential
               part of p1 and p2; coefficients k1 k2 p1 p2 k3 k4 k5 k6, as in OpenCV
    "fisheye"  (x, y) / r times a (1 + k1 a^2 + ... + k4 a^8), where a is the angle from the axis
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COEFFICIENTS = {"brown": 8, "fisheye": 4}
_DIRECTIONS = 96  # in which a lens is sampled to fit another
_STEPS = 1024  # in each direction
_REACH = 4.0  # half diagonals of the image: as far the samples go before distortion
_LEAST_SAMPLES = 100  # within the image


@dataclass(frozen=True)
class Lens:
    """Intrinsics of a camera as another program has them.

    Attributes:
        size: Width and height of the image, pixels; (0, 0) if the file does not give it.
        focal: Focal lengths along x and y, pixels.
        center: Principal point, pixels from the outer corner of the top left pixel.
        kind: "brown" or "fisheye", see the module.
        coefficients: Of the distortion; further ones are 0.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    kind: str = "brown"
    coefficients: tuple[float, ...] = ()

    def distort(self, ideal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the lens shows the points (..., 2) of an ideal one.

        Both are in units of the focal length.
        """
        missing = _COEFFICIENTS[self.kind] - len(self.coefficients)
        values = (*self.coefficients, *(0.0,) * missing)
        if self.kind == "fisheye":
            return _distort_fisheye(ideal, values)
        return _distort_brown(ideal, values)


@dataclass(frozen=True)
class RadialLens:
    """A lens with two coefficients of radial distortion.

    Attributes:
        intrinsics: (3, 3), see ``Camera``.
        distortion: (k1, k2), see ``SolvedPhotograph``.
        error: Greatest distance from the lens that it stands for, of those sampled, pixels.
    """

    intrinsics: NDArray[np.float64]
    distortion: tuple[float, float]
    error: float = 0.0


def to_radial(lens: Lens) -> RadialLens:
    """Return the lens with two radial coefficients that is nearest to ``lens`` in its image.

    It is the same if ``lens`` has no others. Otherwise k1, k2, the focal length and the principal
    point are fitted by least squares. Directions of rays stay, so poses need no change.
    """
    if lens.kind == "brown" and not any(lens.coefficients[2:]):
        k1, k2 = (*lens.coefficients[:2], 0.0, 0.0)[:2]
        return RadialLens(_intrinsics(lens.focal, lens.center), (k1, k2))

    # True pixels minus ideal ones are linear in the unknowns.
    focal = np.array(lens.focal)
    ideal = _samples(lens)
    if len(ideal) < _LEAST_SAMPLES:
        return RadialLens(_intrinsics(lens.focal, lens.center), (0.0, 0.0), np.inf)
    offset = focal * ideal
    difference = focal * lens.distort(ideal) - offset
    r2 = (ideal**2).sum(1, keepdims=True)
    columns = [offset, offset * r2, offset * r2**2]
    shifts = [np.tile(axis, (len(ideal), 1)) for axis in np.eye(2)]
    table = np.stack([*columns, *shifts], axis=2).reshape(-1, 5)
    solution = np.linalg.lstsq(table, difference.ravel(), rcond=None)[0]
    error = np.linalg.norm((table @ solution).reshape(-1, 2) - difference, axis=1).max()

    # The first unknown lengthens the focal length, on which the coefficients depend.
    growth, k1, k2, shift_x, shift_y = solution.tolist()
    stretch = 1 + growth
    center = (lens.center[0] + shift_x, lens.center[1] + shift_y)
    scaled_focal = (lens.focal[0] * stretch, lens.focal[1] * stretch)

    return RadialLens(_intrinsics(scaled_focal, center), (k1 / stretch, k2 / stretch), float(error))


def _intrinsics(focal: tuple[float, float], center: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(((focal[0], 0, center[0]), (0, focal[1], center[1]), (0, 0, 1.0)))


def _samples(lens: Lens) -> NDArray[np.float64]:
    """Return ideal points (P, 2) that the image shows, in units of the focal length.

    Along each direction from the axis they end where the image does, or where the distortion folds.
    """
    focal = np.array(lens.focal)
    size = np.array(lens.size, float)
    longest = _REACH * float(np.linalg.norm(size / 2 / focal))
    angles = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    directions = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    radii = np.linspace(0, longest, _STEPS + 1)[1:]
    ideal = directions[:, None] * radii[None, :, None]

    shown = lens.distort(ideal)
    pixels = focal * shown + np.array(lens.center)
    in_image = ((pixels >= 0) & (pixels <= size)).all(2)
    along = (shown * directions[:, None]).sum(2)
    grows = np.diff(along, axis=1, prepend=0.0) > 0
    kept = np.logical_and.accumulate(in_image & grows, axis=1)
    samples: NDArray[np.float64] = ideal[kept]

    return samples


def _distort_brown(
    ideal: NDArray[np.float64], coefficients: tuple[float, ...]
) -> NDArray[np.float64]:
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients
    x = ideal[..., 0]
    y = ideal[..., 1]
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    shown_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    shown_y = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)

    return np.stack((shown_x, shown_y), axis=-1)


def _distort_fisheye(
    ideal: NDArray[np.float64], coefficients: tuple[float, ...]
) -> NDArray[np.float64]:
    k1, k2, k3, k4 = coefficients
    radius = np.linalg.norm(ideal, axis=-1, keepdims=True)
    angle = np.arctan(radius)
    a2 = angle * angle
    shown = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
    distorted: NDArray[np.float64] = ideal * shown / np.maximum(radius, 1e-12)
    return distorted
