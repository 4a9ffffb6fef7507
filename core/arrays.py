"""Plain data that passes between the model and the scene: meshes and views."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cameras import Camera

_ALONG_AXIS = 0.98  # component of a normal above which it is named by the axis
_SURFACE_FIELDS = ("vertices", "faces", "colors", "confidence")


@dataclass(frozen=True)
class SymmetryPlane:
    """A plane, and how well it mirrors a mesh.

    Attributes:
        point: (3,) a point of the plane, meters.
        normal: (3,) unit normal.
        deviation: Mean distance between the mesh and its mirror image, as a share of the mesh's
            longest side.
        is_confirmed: Whether the images of the object confirm it: one of them shows both halves,
            and the mirror image of what it shows lies within its mask. True without images.
    """

    point: NDArray[np.float64]
    normal: NDArray[np.float64]
    deviation: float
    is_confirmed: bool = True

    def summary(self) -> str:
        """Return a text such as "plane across X, 0.4% off"."""
        axis = int(np.abs(self.normal).argmax())
        if abs(self.normal[axis]) > _ALONG_AXIS:
            name = "XYZ"[axis]
        else:
            name = "({:.2f}, {:.2f}, {:.2f})".format(*self.normal)
        return f"plane across {name}, {self.deviation:.1%} off"

    def mirror_points(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the mirror images (P, 3) of ``points`` (P, 3)."""
        height = ((points - self.point) @ self.normal)[:, None]
        mirrored: NDArray[np.float64] = points - 2 * height * self.normal
        return mirrored

    def frame_rotation(self) -> NDArray[np.float64]:
        """Return the rotation (3, 3) to a frame with the plane at x = 0; rows are its axes.

        The frame's origin is at ``point``.
        """
        helper = np.eye(3)[np.abs(self.normal).argmin()]
        second = np.cross(self.normal, helper)
        second /= np.linalg.norm(second)
        return np.stack((self.normal, second, np.cross(self.normal, second)))


@dataclass(frozen=True)
class MeshArrays:
    """A mesh in Blender's axes: right-handed, Z up, the front of the object faces -Y.

    Attributes:
        vertices: (V, 3) float32, meters.
        faces: (F, 3) or (F, 4) int32 indices into ``vertices``, counter-clockwise seen from
            outside.
        colors: (V, 3) float32 sRGB in 0..1 for each vertex, or None.
        confidence: (V,) float32 in 0..1, the probability that the true surface is within 2 % of the
            longest side, or None.
        views: The images that the mesh was made from, with their cameras in its frame.
        symmetry: The plane about which the mesh is nearest to its mirror image; None if it was not
            looked for.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.float32] | None = None
    confidence: NDArray[np.float32] | None = None
    views: tuple[SourceView, ...] = ()
    symmetry: SymmetryPlane | None = None

    def to_triangles(self) -> NDArray[np.int32]:
        """Return the faces as triangles, (T, 3) int32; each quad becomes two."""
        if self.faces.shape[1] == 3:
            return self.faces
        return np.concatenate((self.faces[:, [0, 1, 2]], self.faces[:, [0, 2, 3]]))

    def has_same_surface(self, other: MeshArrays) -> bool:
        """Return whether both meshes agree in everything but their views."""
        return all(
            _are_equal(getattr(self, name), getattr(other, name)) for name in _SURFACE_FIELDS
        )

    def on_ground(self) -> MeshArrays:
        """Return the mesh moved along Z so that its lowest point is at z = 0."""
        lowest = float(self.vertices[:, 2].min())
        return self.offset_and_scaled(np.array((0, 0, -lowest)))

    def offset_and_scaled(
        self, offset: NDArray[np.floating[Any]], factor: float = 1.0
    ) -> MeshArrays:
        """Return the mesh and its views moved by an offset, then scaled about the origin.

        Args:
            offset: (3,), meters.
            factor: Scale, above 0.
        """
        translation = np.eye(4)
        translation[:3, 3] = offset
        views = tuple(
            replace(view, camera=view.camera.moved(translation).scaled(factor))
            for view in self.views
        )

        vertices = ((self.vertices + offset) * factor).astype(np.float32)
        symmetry = self.symmetry
        if symmetry is not None:
            symmetry = replace(symmetry, point=(symmetry.point + offset) * factor)
        return replace(self, vertices=vertices, views=views, symmetry=symmetry)


def _are_equal(first: NDArray[Any] | None, second: NDArray[Any] | None) -> bool:
    """Return whether two arrays, or Nones, are equal; what is not a number equals itself."""
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second, equal_nan=True)


@dataclass(frozen=True)
class SourceView:
    """A :class:`View` that is kept with a mesh for later use.

    Attributes:
        png: (N,) uint8, the bytes of the image as a PNG file.
        camera: In the frame of the mesh.
        silhouette: IoU of the mesh's silhouette with the mask of the image, before and after the
            mesh was fitted to it, equal if it was not fitted; None if it was not measured.
    """

    png: NDArray[np.uint8]
    camera: Camera
    silhouette: tuple[float, float] | None = None


@dataclass(frozen=True)
class View:
    """An image and its camera.

    Attributes:
        image: (H, W, 4) float32 in 0..1, row 0 at the top, sRGB color, straight (not premultiplied)
            alpha; the alpha is the mask of the object.
        camera: In the frame of the object; its width and height are those of the image.
    """

    image: NDArray[np.float32]
    camera: Camera
