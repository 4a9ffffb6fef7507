"""A mesh as an artist goes on with it: finished, textured or both, in one work that needs no open file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...arrays import MeshArrays, SourceView, View
from ...jobs.task import Progress, Task, subtask
from .. import source_views
from . import remesh, texturing
from .remesh import FinishSettings, RemeshResult
from .texturing import BakedTexture


@dataclass(frozen=True)
class FinishOutput:
    """None is what was not asked for."""

    finished: RemeshResult | None
    texture: BakedTexture | None


def finish_and_texture(
    mesh: MeshArrays,
    views: Sequence[SourceView | View],
    settings: FinishSettings | None,
    texture_size: int,
) -> Task[FinishOutput]:
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
        finished = yield from subtask(remesh.remesh(mesh, settings, cameras), 0.0, share)
        mesh = finished.mesh
    if texture_size:
        yield Progress(share, "Reading the images")
        pictures = source_views.decode_views(views)
        texture = yield from subtask(
            texturing.bake_texture_of_views(mesh, pictures, texture_size), share, 1.0
        )
    return FinishOutput(finished, texture)
