"""From solved photographs to a closed mesh, a dense cloud and voxels: the steps in their order.

    photographs -> masked views -> hull -> depth maps -> consistent depth -> filled depth
                -> field -> surface

PyTorch is imported when a step runs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, View
from ...errors import ImageError
from ...geometry.connectivity import remove_small_components
from ...geometry.surface_nets import surface_nets
from ...geometry.texture_baking import vertex_colors_from_views
from ...jobs.dependencies import require_packages
from ...jobs.task import Progress, Task, subtask
from ..records import SolvedScene
from .exposure import apply_factor, apply_to_photograph, even_exposures
from .outline import single_threaded, views_once
from .phantom_parts import remove_phantom_parts
from .records import DenseCloud, DenseSettings, DenseShape, DenseView, DepthMap, VoxelGrid
from .view_reading import ObjectViews

_DEFAULTS = DenseSettings()
_LEAST_VIEWS = 3
_SMALL_VOLUME = 0.01  # of the largest part, and
_SMALL_LENGTH = 0.1  # of its longest side: smaller loose parts are removed
_SURE_VIEWS = 4.0  # photographs that agree, which lower the doubt to 1/e
_ENOUGH_POINTS = 4  # around a vertex; fewer may be stray
_MEASURED = 0.6  # confidence above which depth was measured around a vertex
_UNMEASURED = 0.5  # confidence where no depth was measured, of the hull's surface
_EVENED = 0.4  # share of the coloring, in which exposures are evened out
_STAGES = {  # where each ends, of all the work
    "views": 0.1,
    "hull": 0.2,
    "depth": 0.8,
    "check": 0.84,
    "fill": 0.87,
    "field": 0.92,
    "surface": 1.0,
}


def reconstruct_surface(
    solved: SolvedScene, settings: DenseSettings = _DEFAULTS
) -> Task[DenseShape]:
    """Reconstruct the object that solved photographs show.

    Args:
        solved: Photographs with cameras.
        settings: See there.

    Raises:
        ImageError: The object cannot be told from its background, or a photograph cannot be read.
        DependencyError: PyTorch or Pillow is not installed.
    """
    require_packages("torch", "PIL")
    with single_threaded():
        views = yield from subtask(views_once(solved, settings), 0.0, _STAGES["views"])
        return (yield from subtask(surface_of_views(views, settings), _STAGES["views"], 1.0))


def surface_of_views(views: ObjectViews, settings: DenseSettings = _DEFAULTS) -> Task[DenseShape]:
    """Reconstruct the object that masked views show; see :func:`reconstruct_surface`."""
    from .consistency import dense_cloud

    if len(views.views) < _LEAST_VIEWS:
        raise ImageError(
            f"The object is visible in {len(views.views)} photographs only: "
            f"{_LEAST_VIEWS} are needed"
        )

    with single_threaded():
        hull, field, maps, notes = yield from _measure(views, settings)
        yield Progress(_STAGES["field"], "Surface")
        cloud = dense_cloud(views.views, maps)
        hull_mesh = extract_mesh(hull)
        mesh = extract_mesh(field)
        confidence = _confidence(mesh.vertices, cloud, field.spacing)
        mesh = replace(mesh, confidence=confidence)
        mesh = remove_phantom_parts(mesh, views.views, confidence > _MEASURED)
        coloring = _finish_mesh(mesh, views, field.spacing)
        mesh = yield from subtask(coloring, _STAGES["field"], 1.0, "Colors")

    return DenseShape(mesh=mesh, cloud=cloud, field=field, hull=hull_mesh, notes=notes)


def _measure(
    views: ObjectViews, settings: DenseSettings
) -> Task[tuple[VoxelGrid, VoxelGrid, list[DepthMap], tuple[str, ...]]]:
    """Return hull, field, checked depth maps and notes."""
    from .completion import fill_depths
    from .consistency import check_depths
    from .depth import measure_depths
    from .fusion import fuse_depths
    from .hull import build_hull

    building = build_hull(views.views, settings.resolution, views.floor)
    hull = yield from subtask(building, 0.0, _STAGES["hull"])
    size = float((np.array(hull.values.shape) * hull.spacing).max())
    maps, costs = yield from subtask(
        measure_depths(views.views, hull, settings), _STAGES["hull"], _STAGES["depth"]
    )

    checking = check_depths(views.views, maps, costs, size)
    maps = yield from subtask(checking, _STAGES["depth"], _STAGES["check"])
    filling = fill_depths(views.views, maps, size)
    filled = yield from subtask(filling, _STAGES["check"], _STAGES["fill"])
    fusing = fuse_depths(hull, views.views, filled)
    field = yield from subtask(fusing, _STAGES["fill"], _STAGES["field"])

    # Say what share of the object has depth, since the rest is the hull's.
    measured = sum(int((each.confidence > 0).sum()) for each in maps)
    shown = sum(int((view.mask > 0.5).sum()) for view in views.views)
    notes = views.notes
    if measured < 0.3 * shown:
        share = measured / max(shown, 1)
        notes = (*notes, f"Only {share:.0%} of the surface has depth: the rest is its outline")
    return hull, field, maps, notes


def extract_mesh(field: VoxelGrid) -> MeshArrays:
    """Return the closed surface of a field, without small loose parts."""
    mesh = surface_nets(field.values, origin=field.origin, spacing=field.spacing)
    return remove_small_components(mesh, _SMALL_VOLUME, _SMALL_LENGTH)


def _finish_mesh(mesh: MeshArrays, views: ObjectViews, spacing: float) -> Task[MeshArrays]:
    """Give a mesh its colors and the photographs that it was made from."""
    images = [_as_view(view) for view in views.views]
    photographs = views.photographs
    factors = yield from subtask(even_exposures(mesh, images, spacing), 0.0, _EVENED)

    if factors is not None:
        yield Progress(_EVENED, "Exposure")
        images = [apply_factor(*pair) for pair in zip(images, factors, strict=True)]
        # Views that were made without photographs have none to correct.
        pairs = zip(photographs, factors, strict=False)
        photographs = [apply_to_photograph(*pair) for pair in pairs]

    coloring = vertex_colors_from_views(mesh, images, spacing)
    colors = yield from subtask(coloring, _EVENED, 1.0)
    return replace(mesh, colors=colors, views=tuple(photographs))


def _as_view(view: DenseView) -> View:
    image = np.concatenate((view.color, view.mask[..., None]), axis=2)
    return View(image.astype(np.float32), view.camera)


def _confidence(
    vertices: NDArray[np.float32], cloud: DenseCloud, spacing: float
) -> NDArray[np.float32]:
    """Return the confidence (V,): higher the more photographs agree on the points around.

    It is near the share of vertices that are right to 1 % of the object's size.
    """
    lower = vertices.min(0) - 2 * spacing
    shape = np.ceil((vertices.max(0) + 2 * spacing - lower) / spacing).astype(int) + 1
    cells = np.round((cloud.points - lower) / spacing).astype(int)
    inside = ((cells >= 0) & (cells < shape)).all(1)
    flat = np.ravel_multi_index(tuple(cells[inside].T), tuple(shape))
    vertex_cells = tuple(np.round((vertices - lower) / spacing).astype(int).T)

    # Points and photographs in the 3 x 3 x 3 cells around each vertex, by one pass an axis.
    sums = []
    for weights in (np.ones(len(flat)), cloud.view_count[inside]):
        grid = np.bincount(flat, weights, minlength=int(np.prod(shape))).reshape(shape)
        for axis in range(3):
            grid = grid + np.roll(grid, 1, axis) + np.roll(grid, -1, axis)
        sums.append(grid[vertex_cells])

    point_count, view_sum = sums

    view_count = view_sum / np.maximum(point_count, 1)
    evidence = view_count * np.minimum(point_count / _ENOUGH_POINTS, 1)
    confidence: NDArray[np.float64] = 1 - _UNMEASURED * np.exp(-evidence / _SURE_VIEWS)
    return confidence.astype(np.float32)
