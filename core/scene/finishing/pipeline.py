"""Remesh and texture a mesh in one task, which needs no open file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...arrays import MeshArrays, SourceView, View
from ...jobs.task import Progress, Task, subtask
from .. import source_views
from . import remesh, texturing
from .remesh import FinishSettings, RemeshResult
from .texturing import BakedTexture

_REMESH_SHARE = 0.6  # of the time, where a texture is baked, too


@dataclass(frozen=True)
class FinishOutput:
    """The results; a field is None where that step was not requested."""

    finished: RemeshResult | None
    texture: BakedTexture | None


def finish_and_texture(
    mesh: MeshArrays,
    views: Sequence[SourceView | View],
    settings: FinishSettings | None,
    texture_size: int,
) -> Task[FinishOutput]:
    """Remesh ``mesh`` and texture it.

    Args:
        mesh: To finish.
        views: The images that it was made from, their cameras in its frame.
        settings: How to remesh; None to keep the faces.
        texture_size: Texels along each side; 0 for no texture.

    Raises:
        MeshError: As :func:`.remesh.remesh`.
        ImageError: As ``source_views.decode_views``.
    """
    finished = None
    texture = None

    # The cameras decide which half of a nearly symmetric mesh is the better one.
    share = 0.0
    if settings:
        share = _REMESH_SHARE if texture_size else 1.0
        cameras = [view.camera for view in views]
        finished = yield from subtask(remesh.remesh(mesh, settings, cameras), 0.0, share)
        mesh = finished.mesh

    # The images are decoded only where a texture is requested, as that takes long.
    if texture_size:
        yield Progress(share, "Reading the images")
        decoded = source_views.decode_views(views)
        baking = texturing.bake_texture_of_views(mesh, decoded, texture_size)
        texture = yield from subtask(baking, share, 1.0)

    return FinishOutput(finished, texture)
