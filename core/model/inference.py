"""From pictures to a mesh: the model as a work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays, View
from ..work import Work


@dataclass(frozen=True)
class Settings:
    """How to reconstruct.

    resolution: cells along each side of the finest grid: 32 to 256; time and memory grow with its square.
    size: the longest side of the mesh, metres.
    weights: a .safetensors file; None for the bundled one.
    """

    resolution: int = 128
    size: float = 1.0
    weights: Path | None = None


def reconstruct_photo(image: NDArray[np.float32], settings: Settings = Settings()) -> Work[MeshArrays]:
    """Mesh of the object in one free picture (H, W, 4), see :class:`~..arrays.View`; without alpha the object is found.

    The mesh stands upright, its front turned as in the picture, centred in x and y, its lowest point at z = 0.
    """
    raise NotImplementedError


def reconstruct_sides(images: dict[str, NDArray[np.float32]], settings: Settings = Settings()) -> Work[MeshArrays]:
    """Mesh from orthographic pictures of sides, named as in ``cameras.SIDES``; same frame as the pictures.

    Each picture (H, W, 4) may be framed as it likes: the masks' bounding boxes are fitted to each other.
    """
    raise NotImplementedError
