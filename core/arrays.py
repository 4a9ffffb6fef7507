"""The plain data that passes between the model and the scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .cameras import Camera


@dataclass(frozen=True)
class MeshArrays:
    """A mesh in Blender's axes: right-handed, Z up, the object's front looks towards -Y.

    vertices: (V, 3) float32, metres.
    faces: (F, 3) or (F, 4) int32 indices into ``vertices``, counter-clockwise seen from outside.
    colours: (V, 3) float32 sRGB in 0..1, one a vertex, or None.
    confidence: (V,) float32 in 0..1, how likely the true surface is within 2 % of the longest side, or None.
    views: the pictures that it was made from, their cameras in its frame.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.float32] | None = None
    confidence: NDArray[np.float32] | None = None
    views: tuple[SourceView, ...] = ()

    def to_triangles(self) -> NDArray[np.int32]:
        """The faces as triangles, (T, 3) int32; a quad becomes two."""
        if self.faces.shape[1] == 3:
            return self.faces
        return np.concatenate((self.faces[:, [0, 1, 2]], self.faces[:, [0, 2, 3]]))

    def has_same_surface(self, other: MeshArrays) -> bool:
        """Whether nothing of both differs, but for the views."""
        names = ("vertices", "faces", "colors", "confidence")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    def on_ground(self) -> MeshArrays:
        """The mesh with its lowest point at z = 0."""
        return self.offset_and_scaled(np.array((0, 0, -float(self.vertices[:, 2].min()))))

    def offset_and_scaled(self, offset: NDArray[np.floating], factor: float = 1.0) -> MeshArrays:
        """The mesh and its views moved by ``offset`` (3,), then scaled by ``factor`` about the origin."""
        move = np.eye(4)
        move[:3, 3] = offset
        views = tuple(
            replace(view, camera=view.camera.moved(move).scaled(factor)) for view in self.views
        )
        return replace(
            self, vertices=((self.vertices + offset) * factor).astype(np.float32), views=views
        )


@dataclass(frozen=True)
class SourceView:
    """A :class:`View` that is kept for later.

    png: (N,) uint8, the bytes of a PNG file of its picture.
    silhouette: IoU of the mesh's silhouette with its mask, before and after the mesh was fitted to it, if it was.
    """

    png: NDArray[np.uint8]
    camera: Camera
    silhouette: tuple[float, float] | None = None


@dataclass(frozen=True)
class View:
    """A picture and where it was taken from.

    image: (H, W, 4) float32 in 0..1, row 0 at the top, sRGB colour, straight (not premultiplied) alpha;
        the alpha is the mask of the object.
    camera: in the object's frame; its width and height are the image's.
    """

    image: NDArray[np.float32]
    camera: Camera
