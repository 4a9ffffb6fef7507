"""What the dense steps pass on, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DenseSettings:
    """Choices of the dense reconstruction.

    Attributes:
        resolution: Grid cells along the object's longest side.
        max_side: Longer side of the crops around the object on which depth is measured, pixels.
        sources: Photographs that each is compared with.
        levels: Sizes of the image pyramid, each half of the next.
        iterations: Rounds of propagation and refinement on each level, the coarsest first.
    """

    resolution: int = 176
    max_side: int = 400
    sources: int = 4
    levels: int = 3
    iterations: tuple[int, ...] = (4, 2, 1)


@dataclass(frozen=True)
class DenseView:
    """A photograph without lens distortion, cropped to the object and reduced.

    Attributes:
        color: (H, W, 3) float32 sRGB in 0..1.
        mask: (H, W) float32 in 0..1, how much of each pixel is the object.
        camera: Perspective, of these pixels.
        cut_sides: Whether the object may go on beyond the left, upper, right and lower side of
            the photograph. Beyond the others is background.
    """

    color: Floats
    mask: Floats
    camera: Camera
    cut_sides: tuple[bool, bool, bool, bool] = (False, False, False, False)


@dataclass(frozen=True)
class DepthMap:
    """Depth of the surface in each pixel of a :class:`DenseView`.

    Attributes:
        depth: (H, W) float32 plane depth, world units; 0 where unknown.
        normal: (H, W, 3) float32 unit normals in world space; 0 where unknown.
        confidence: (H, W) float32, how many other photographs agree; 0 where unknown.
    """

    depth: Floats
    normal: Floats
    confidence: Floats


@dataclass(frozen=True)
class VoxelGrid:
    """Values at the points of a regular grid.

    Attributes:
        values: (X, Y, Z) float32; of a field, world units, above 0 inside.
        origin: (3,) float64 position of the first point.
        spacing: Distance of neighboring points, world units.
    """

    values: Floats
    origin: NDArray[np.float64]
    spacing: float

    def points(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the positions (P, 3) of grid points, given by their flat index (P,)."""
        place = np.stack(np.unravel_index(index, self.values.shape), axis=1)
        positions: NDArray[np.float64] = self.origin + place * self.spacing
        return positions


@dataclass(frozen=True)
class DenseCloud:
    """Points of the surface that several photographs agree on.

    Attributes:
        points: (P, 3) float32, world space.
        normals: (P, 3) float32, unit length.
        colors: (P, 3) float32 sRGB in 0..1.
        view_count: (P,) int32, how many photographs agree on the point.
    """

    points: Floats
    normals: Floats
    colors: Floats
    view_count: NDArray[np.int32]


@dataclass(frozen=True)
class DenseShape:
    """The three outputs of the dense reconstruction: mesh, points, voxels.

    Attributes:
        mesh: Closed quads with colors and confidence, and the views that it was made from.
        cloud: The points that it was made from.
        field: Above 0 inside.
        hull: The visual hull alone, as a mesh.
        notes: Sentences for the user.
    """

    mesh: MeshArrays
    cloud: DenseCloud
    field: VoxelGrid
    hull: MeshArrays
    notes: tuple[str, ...] = ()
