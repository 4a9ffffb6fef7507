"""What is done to a reconstructed surface after the model: smoothing and a flat base."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import MeshArrays
from .flat_base import flatten_base
from .smoothing import DEFAULT_SMOOTH, smooth_surface


@dataclass(frozen=True)
class SurfaceOptions:
    """How to change a reconstructed surface.

    Attributes:
        smooth: Strength of smoothing, 0 (none) to 1, see ``smoothing``.
        flat_base: Whether the feet reach one floor and are flat there, see ``flat_base``; None for
            objects from one image that stand.
    """

    smooth: float = DEFAULT_SMOOTH
    flat_base: bool | None = None


DEFAULT_OPTIONS = SurfaceOptions()


def apply_surface_options(
    mesh: MeshArrays, options: SurfaceOptions = DEFAULT_OPTIONS
) -> MeshArrays:
    """Return a mesh, smoothed and with a flat base, whose longest side is as long as before.

    Args:
        mesh: A closed mesh, z up, with the views that it was made from.
        options: What to do.
    """
    cameras = [view.camera for view in mesh.views]
    changed = smooth_surface(mesh, cameras, options.smooth)

    # Several images show where an object ends below; that of a single one is not known as well.
    flat_base = options.flat_base
    if flat_base is None and len(cameras) > 1:
        flat_base = False
    changed = flatten_base(changed, flat_base)
    if changed is mesh:
        return mesh
    before = np.ptp(mesh.vertices, axis=0).max()
    after = np.ptp(changed.vertices, axis=0).max()

    return changed.offset_and_scaled(np.zeros(3), float(before / after))
