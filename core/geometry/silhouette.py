"""The outline of a mesh in a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera

_FINER = 4  # even, see below


def render_silhouette(mesh: MeshArrays, camera: Camera) -> NDArray[np.bool_]:
    """Where in the picture (H, W) of ``camera`` any face of ``mesh`` lies that is all before it."""
    from PIL import Image, ImageDraw

    fine = camera.resized(_FINER * camera.width, _FINER * camera.height)
    picture = Image.new("L", (fine.width, fine.height))
    draw = ImageDraw.Draw(picture)
    pixels, depth = fine.project(mesh.vertices)
    for face in pixels[mesh.faces[(depth[mesh.faces] > 0).all(1)]]:
        draw.polygon(
            face.ravel().tolist(), fill=255
        )  # of whole coordinates, down to which they are cut
    # A polygon's rim is drawn too, half a fine pixel on either side: what is half covered to the eye is a bit more.
    return np.asarray(picture.reduce(_FINER)) > 128
