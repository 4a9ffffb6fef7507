"""The silhouette of a mesh in an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera

_SUPERSAMPLING = 4  # fine pixels along a pixel; even, see below
# A polygon is drawn with its rim, half a fine pixel wide on either side. So a pixel that is half
# covered has a value slightly above the middle of 0..255.
_HALF_COVERED = 128


def render_silhouette(mesh: MeshArrays, camera: Camera) -> NDArray[np.bool_]:
    """Return which pixels (H, W) of a camera are at least half covered by a mesh.

    Faces that are not completely in front of the camera are left out.

    Args:
        mesh: The mesh.
        camera: Its width and height are those of the result.
    """
    from PIL import Image, ImageDraw

    fine = camera.resized(_SUPERSAMPLING * camera.width, _SUPERSAMPLING * camera.height)
    image = Image.new("L", (fine.width, fine.height))
    draw = ImageDraw.Draw(image)

    pixels, depth = fine.project(mesh.vertices)
    in_front = (depth[mesh.faces] > 0).all(1)
    for polygon in pixels[mesh.faces[in_front]]:
        draw.polygon(polygon.ravel().tolist(), fill=255)  # Pillow rounds coordinates down

    return np.asarray(image.reduce(_SUPERSAMPLING)) > _HALF_COVERED


def silhouette_iou(mesh: MeshArrays, camera: Camera, mask: NDArray[np.bool_]) -> float:
    """Return the IoU of a mesh's silhouette with a mask (H, W); 1 if both are empty.

    Args:
        mesh: The mesh.
        camera: In the frame of the mesh; its width and height are those of the mask.
        mask: Where the object is.
    """
    silhouette = render_silhouette(mesh, camera)
    union = int((silhouette | mask).sum())
    if not union:
        return 1.0
    return float((silhouette & mask).sum() / union)
