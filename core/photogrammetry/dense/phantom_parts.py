r"""Parts of the surface that no photograph needs: phantoms of the visual hull.

From few sides, the hull has parts in the air where nothing is:

        \  a  /               The part x is within all masks, since in each photograph it is
      ___\___/___             in front of the object or behind it. Without x the object still
         /\ x/\               covers every mask. A true part b covers some of a mask alone in
        /  \/  \              at least one photograph.

So the parts are added from the largest on, and one that covers next to nothing that is not covered
yet is left out, unless depth was measured on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...geometry.connectivity import submesh, vertex_components
from .records import DenseView

_CELL = 4  # pixels of the squares in which parts cover masks
_NEEDED = 0.25  # share of a part's squares that it covers alone, in some photograph
_LEAST_CELLS = 3  # such squares
_MEASURED = 0.3  # share of a part's vertices with measured depth, which keeps it


def remove_phantom_parts(
    mesh: MeshArrays, views: list[DenseView], measured: NDArray[np.bool_]
) -> MeshArrays:
    """Remove the parts of a closed mesh that the masks do not need.

    Args:
        mesh: So dense that its vertices are closer than pixels of the masks.
        views: Whose masks the mesh covers.
        measured: (V,) whether depth was measured near each vertex.

    Returns:
        The mesh itself if there is nothing to remove.
    """
    component = vertex_components(mesh)
    sizes = np.bincount(component)
    if len(sizes) == 1:
        return mesh
    cells = [_mask_cells(mesh.vertices, view) for view in views]
    covered = [np.zeros(count, bool) for _, count in cells]
    vertices_of = np.split(np.argsort(component, kind="stable"), np.cumsum(sizes)[:-1])
    is_kept = np.zeros(len(sizes), bool)

    for part in np.argsort(-sizes):
        vertices = vertices_of[part]
        part_cells = [np.unique(index[vertices]) for index, _ in cells]
        kept = measured[vertices].mean() > _MEASURED
        if kept or _is_needed(part_cells, covered):
            is_kept[part] = True
            for view_covered, own in zip(covered, part_cells, strict=True):
                view_covered[own] = True

    if is_kept.all():
        return mesh
    return submesh(mesh, is_kept[component[mesh.faces[:, 0]]])


def _mask_cells(vertices: NDArray[np.float32], view: DenseView) -> tuple[NDArray[np.int64], int]:
    """Return the square of a view's image in which each vertex (V,) is, and how many there are."""
    pixels, _ = view.camera.project(vertices.astype(float))
    across = -(-view.camera.width // _CELL)
    down = -(-view.camera.height // _CELL)
    place = np.floor(pixels / _CELL).astype(int).clip(0, (across - 1, down - 1))
    return place[:, 1] * across + place[:, 0], across * down


def _is_needed(part_cells: list[NDArray[np.int64]], covered: list[NDArray[np.bool_]]) -> bool:
    """Return whether a part covers much in one view that is not covered yet."""
    for cells, view_covered in zip(part_cells, covered, strict=True):
        alone = int((~view_covered[cells]).sum())
        if alone >= max(_LEAST_CELLS, _NEEDED * len(cells)):
            return True
    return False
