"""What is solved from photographs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera


@dataclass(frozen=True)
class SolveSettings:
    """Choices of a solve.

    max_side: the longer side to which photographs are reduced for features, pixels.
    check_outlines: whether cameras must agree with the outlines of the object, where its masks are
        known.
    masks: files of painted masks beside the photographs, see ``mask_files``. They are found there;
        listed here, a changed one makes a solve another one.
    """

    max_side: int = 1600
    check_outlines: bool = True
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SolvedPhotograph:
    """A photograph and the camera that took it.

    path: of its file.
    camera: of an ideal lens at the photograph's full size, turned upright; see the package's axes
        and units.
    distortion: (k1, k2) of the radial distortion in COLMAP's convention: with (x, y) the ideal
        image coordinates in units of the focal length and r2 = x^2 + y^2, the photograph shows the
        point at (x, y) * (1 + k1 * r2 + k2 * r2^2).
    turned: whether its EXIF orientation turns or mirrors it.
    mask: file of its painted mask; None if there is none.
    """

    path: Path
    camera: Camera
    distortion: tuple[float, float] = (0.0, 0.0)
    turned: bool = False
    mask: Path | None = None


@dataclass(frozen=True)
class SparseCloud:
    """Points that several photographs show.

    points: (P, 3) float32, world space.
    colors: (P, 3) float32 sRGB in 0..1.
    track_length: (P,) int32, how many photographs show the point.
    error: (P,) float32, mean reprojection error, pixels of the reduced photographs.
    """

    points: NDArray[np.float32]
    colors: NDArray[np.float32]
    track_length: NDArray[np.int32]
    error: NDArray[np.float32]


@dataclass(frozen=True)
class LeftOut:
    """A photograph without a camera, and the reason in a sentence.

    unreadable: whether its file could not be read.
    """

    path: Path
    reason: str
    unreadable: bool = False


@dataclass(frozen=True)
class SolvedScene:
    """All that a solve gives.

    outline_agreement: the lowest agreement of an outline with the hull of the others, 0..1; None
        if not checked.
    floor_found: whether z = 0 is a plane of the cloud; otherwise up is the mean up direction of
        the cameras.
    notes: sentences for the user.
    """

    photographs: tuple[SolvedPhotograph, ...]
    cloud: SparseCloud
    left_out: tuple[LeftOut, ...] = ()
    outline_agreement: float | None = None
    floor_found: bool = False
    notes: tuple[str, ...] = field(default=())
