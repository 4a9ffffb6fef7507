"""Renders the views of assets by which a library is searched, as a training set's are rendered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import MeshError
from ...jobs.task import Progress, Task
from ...library.records import AssetName, AssetRender
from ...library.views import SIZE, view_cameras
from ..importing import mesh_import
from ..rendering.lighting import LightSettings
from ..rendering.studio import RenderStudio, render_studio
from .asset_files import OpenAsset, prepare_asset

SAMPLES = 8  # of Cycles a pixel: the median filter of the embedding removes what noise is left
_LIGHT = LightSettings(level=0.75, sun=1.5, sun_tilt=0.7, sun_turn=0.6)

_is_prepared = False


def render_assets(
    path: Path, root: Path, assets: Sequence[AssetName], threads: int = 0
) -> Task[list[AssetRender]]:
    """Render assets of one file, each from twelve directions, in a process of its own.

    One that fails has a problem in place of images.

    Args:
        path: Of the file.
        root: The folder of the library, which a mesh file may read from.
        assets: Of the file.
        threads: Of the renderer; 0 for all cores.

    Raises:
        SceneError: Cycles is disabled.
    """
    _prepare_process()
    renders = []
    for index, asset in enumerate(assets):
        yield Progress(index / len(assets), asset.name)
        try:
            opener = yield from prepare_asset(path, root, asset)
            images = yield from _render_asset(opener, threads)
            renders.append(AssetRender(asset, images))
        except MeshError as error:
            reason = " ".join(str(error).split())
            renders.append(AssetRender(asset, np.zeros((0, 0, 0, 4), np.uint8), reason))

    return renders


def _prepare_process() -> None:
    """Empty the file of this process at the first call: a new Blender shows a cube."""
    global _is_prepared
    if not _is_prepared:
        _is_prepared = True
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


def _render_asset(opener: OpenAsset, threads: int) -> Task[NDArray[np.uint8]]:
    """Return the views (12, S, S, 4) of an asset.

    Raises:
        MeshError: It has no face.
    """
    with opener() as objects, render_studio(SAMPLES, threads) as stage:
        # The frame of the object follows from its evaluated mesh.
        mesh_import.show_as_rendered(objects)
        stage.set_objects(objects)
        mesh = stage.evaluated_mesh()
        stage.set_objects(objects, mesh.vertices)
        stage.set_light(_LIGHT)
        try:
            return (yield from _render_views(stage, mesh.vertices))
        finally:
            stage.set_objects(())


def _render_views(stage: RenderStudio, vertices: NDArray[np.floating]) -> Task[NDArray[np.uint8]]:
    """Render what ``stage`` shows, with ``vertices`` (V, 3), from all directions."""
    images = []
    for camera in view_cameras(vertices, SIZE):
        yield Progress(0.0, "Rendering")
        images.append(stage.render_view("library", camera).colour)
    return np.stack(images)
