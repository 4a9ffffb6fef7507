"""A mesh as an artist goes on with it: finished, textured or both, in one work that needs no open file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...arrays import KeptView, MeshArrays, View
from ...jobs.task import Progress, Work, part
from .. import source_views
from . import remesh, texturing
from .remesh import Finished, Settings
from .texturing import Texture


@dataclass(frozen=True)
class Final:
    """None is what was not asked for."""

    finished: Finished | None
    texture: Texture | None


def make(
    mesh: MeshArrays, views: Sequence[KeptView | View], settings: Settings | None, texture_size: int
) -> Work[Final]:
    """Finish ``mesh`` and texture it.

    Args:
        views: the pictures that it was made from, in its frame.
        settings: None for the faces as they are. texture_size: texels along each side; 0 for no texture.

    Raises:
        MeshError, ImageError: see :func:`.finishing.finish` and :func:`.kept_views.opened`.
    """
    finished = texture = None
    share = (0.6 if texture_size else 1.0) if settings else 0.0
    if settings:
        cameras = [view.camera for view in views]
        finished = yield from part(remesh.finish(mesh, settings, cameras), 0.0, share)
        mesh = finished.mesh
    if texture_size:
        yield Progress(share, "Reading the pictures")
        pictures = source_views.opened(views)
        texture = yield from part(texturing.texture(mesh, pictures, texture_size), share, 1.0)
    return Final(finished, texture)
