"""Entries of COLMAP's files, text and binary alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cameras import OPENCV_FROM_OPENGL
from ...dataset.exporters.colmap import quaternion_of_rotation
from .lenses import Lens
from .records import checked_lens, checked_name, pose_from_opencv, rotation_of_quaternion

MOST_POINTS = 20_000_000  # of a model that is read


@dataclass(frozen=True)
class _LensModel:
    """One of COLMAP's camera models.

    Attributes:
        number: In binary files.
        count: Of its parameters.
        focal_count: Of its focal lengths, which come first; the principal point is next.
        kind: Of the :class:`Lens`, whose coefficients come last.
    """

    number: int
    count: int
    focal_count: int
    kind: str = "brown"


LENS_MODELS = {
    "SIMPLE_PINHOLE": _LensModel(0, 3, 1),
    "PINHOLE": _LensModel(1, 4, 2),
    "SIMPLE_RADIAL": _LensModel(2, 4, 1),
    "RADIAL": _LensModel(3, 5, 1),
    "OPENCV": _LensModel(4, 8, 2),
    "OPENCV_FISHEYE": _LensModel(5, 8, 2, "fisheye"),
    "FULL_OPENCV": _LensModel(6, 12, 2),
    "SIMPLE_RADIAL_FISHEYE": _LensModel(8, 4, 1, "fisheye"),
    "RADIAL_FISHEYE": _LensModel(9, 5, 1, "fisheye"),
}


@dataclass(frozen=True)
class LensEntry:
    """A line of ``cameras.txt`` without its number.

    Attributes:
        model: A key of LENS_MODELS.
        width: Pixels.
        height: Pixels.
        parameters: As the model orders them.
    """

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]

    @classmethod
    def of_lens(cls, lens: Lens) -> LensEntry:
        """Return the entry of a lens with two coefficients at most."""
        model = "OPENCV" if any(lens.coefficients) else "PINHOLE"
        parameters: tuple[float, ...] = (*lens.focal, *lens.center)
        if model == "OPENCV":
            parameters = (*parameters, *lens.coefficients, 0.0, 0.0)
        return cls(model, *lens.size, parameters)

    def to_lens(self) -> Lens:
        """Return the lens.

        Raises:
            ValueError: The model is not read, or the numbers cannot be those of a camera.
        """
        if self.model not in LENS_MODELS:
            raise ValueError(
                f"cameras of the model {self.model[:40]} are not read: undistort the photographs "
                "(\"colmap image_undistorter\"), and read the model that comes with them"
            )

        model = LENS_MODELS[self.model]
        if len(self.parameters) != model.count:
            raise ValueError(f"{self.model} has {model.count} parameters")
        focal = self.parameters[: model.focal_count]
        center = self.parameters[model.focal_count : model.focal_count + 2]
        lens = Lens(
            size=(self.width, self.height),
            focal=(focal[0], focal[-1]),
            center=(center[0], center[1]),
            kind=model.kind,
            coefficients=self.parameters[model.focal_count + 2 :],
        )

        return checked_lens(lens)


@dataclass(frozen=True)
class ImageEntry:
    """An image and its pose.

    Attributes:
        name: Path below the folder of images.
        to_world: (4, 4) camera-to-world, OpenGL's axes.
        lens_number: Of its lens.
    """

    name: str
    to_world: NDArray[np.float64]
    lens_number: int

    @classmethod
    def from_numbers(cls, numbers: Sequence[float], name: str, lens_number: int) -> ImageEntry:
        """Return the image of a quaternion (w, x, y, z) and a translation, world-to-camera.

        Raises:
            ValueError: They are no pose, or the name is none.
        """
        if len(numbers) != 7:
            raise ValueError("an image has a number, seven of its pose, a camera, and a name")
        rotation = rotation_of_quaternion(np.array(numbers[:4]))
        pose = pose_from_opencv(rotation, np.array(numbers[4:7]))
        return cls(checked_name(name), pose, lens_number)

    def numbers(self) -> tuple[float, ...]:
        """Return quaternion and translation, world-to-camera."""
        from_world = OPENCV_FROM_OPENGL @ np.linalg.inv(self.to_world)
        quaternion = quaternion_of_rotation(from_world[:3, :3])
        return (*quaternion.tolist(), *from_world[:3, 3].tolist())


@dataclass(frozen=True)
class PointTable:
    """Points of a model.

    Attributes:
        points: (P, 3).
        colors: (P, 3) uint8 sRGB.
        track_length: (P,) int64.
        error: (P,) pixels.
    """

    points: NDArray[np.float64]
    colors: NDArray[np.uint8]
    track_length: NDArray[np.int64]
    error: NDArray[np.float64]
