"""The outline of a mesh in a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import MeshArrays
from .cameras import Camera

_FINER = 3


def silhouette(mesh: MeshArrays, camera: Camera) -> NDArray[np.bool_]:
    """Where in the picture (H, W) of ``camera`` any face of ``mesh`` lies that is all before it."""
    from PIL import Image, ImageDraw

    fine = camera.resized(_FINER * camera.width, _FINER * camera.height)  # a drawn polygon's rim is a pixel wide
    picture = Image.new("L", (fine.width, fine.height))
    draw = ImageDraw.Draw(picture)
    pixels, depth = fine.project(mesh.vertices)
    for face in pixels[mesh.faces[(depth[mesh.faces] > 0).all(1)]] - 0.5:
        draw.polygon(face.ravel().tolist(), fill=255)
    return np.asarray(picture.reduce(_FINER)) > 127
