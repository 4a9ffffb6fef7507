r"""Close an open mesh: fill its holes, thicken its sheets and the walls of its vessels.

The open edges of a mesh form loops. Whether the missing surface of a loop is a hole, which is to be
closed, or the mouth of a vessel, which is to stay open, follows from the mesh itself:

      .---.            .--   --.          |       |         ----------
     /     \          /         \         |       |
    |       |        |           |        |       |
     \     /          \         /         |       |
      `- -'            `-------'          `-------'
     a hole:          a hole: the        a vessel: the     a sheet: no
     small            walls close in     walls go straight  inside at all

All loops are filled first. A component that then encloses next to nothing is a sheet. A loop is a
mouth if all of these hold:

- its filling covers at least half of the silhouette of its component, seen through the mouth;
- the walls below its rim do not close in by more than 15 degrees;
- it does not face down: a scan is open where its object was standing, and is filled there;
- it is wide in comparison with the wall that it would get;
- nothing is close in front of it, as the head is behind an eye.

A component with a mouth becomes a wall whose outside is where the surface was. Its other loops stay
open if the first two rules and the fourth hold, as at both ends of a pipe, and are filled if not.
The holes of a sheet stay, as those of a net.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ..connectivity import vertex_components
from ..ray_crossings import count_ray_crossings
from ..topology import HalfEdges, hollow_pieces
from ..winding_number import (
    area_normals,
    fibonacci_directions,
    points_inside,
    vertex_normals,
)
from .thickening import thicken_surface

# Cuts a polygon (N, 3) into triangles (N - 2, 3) of its corners.
Triangulate = Callable[[NDArray[np.float64]], NDArray[np.int64]]

# Mean depth behind the largest loop, as a share of the loop's width, below which a component is a
# sheet: a dish that is less deep than a twentieth of its width holds nothing.
SHEET_DEPTH = 0.05
MOUTH_SHARE = 0.5  # of a silhouette, that a mouth covers at least
MOUTH_CLOSING = 0.26  # sine of the angle, 15 degrees, by which the walls at a mouth may close in
MOUTH_RIM = 0.2  # of the width of a mouth, to which its walls are looked at below the rim
MOUTH_DOWN = -0.5  # cosine to the direction up below which a loop faces down
MOUTH_WIDTH = 8.0  # walls, that the width of a mouth is at least
MOUTH_FREE = 0.3  # share of the directions out of a mouth in which nothing is in its way
# Thickness of a sheet as a share of its width, at most, so that a small one stays a sheet.
MAX_RELATIVE_THICKNESS = 0.1

_RAYS = 13  # lines by which a mouth is tested
_TESTED_FACES = 8  # of the filling of a mouth, from which the rays start
_STEP = 1e-4  # of the longest side, from a filling to the start of its rays
_FLAT = 0.01  # largest to least extent, up to which a loop is flat
_MAX_CURVED = 200  # corners of a loop that is filled with the least area, which takes N^3 steps
_SLIVER = 1e-3  # radians below which two directions are one
_TINY = 1e-300  # against division by zero


@dataclass(frozen=True)
class ClosingReport:
    """What was done to close a mesh.

    Attributes:
        holes: Number of loops that were filled.
        sheets: Number of components without an inside that were given a thickness.
        vessels: Number of components with a mouth that were given a wall.
        thickness: Of sheets and walls, at most, meters.
    """

    holes: int
    sheets: int
    vessels: int
    thickness: float

    def summary(self) -> list[str]:
        """Return what was done in words, one text a fact."""
        facts = []
        if self.holes:
            facts.append(_counted(self.holes, "hole") + " filled")
        if self.sheets:
            facts.append(_counted(self.sheets, "sheet") + " given a thickness")
        if self.vessels:
            facts.append(_counted(self.vessels, "open vessel") + " given a wall")
        return facts


@dataclass(frozen=True)
class _Loop:
    """The open edges around a missing part of the surface, and the triangles that fill it.

    Attributes:
        half_edges: (N,) numbers of the open half-edges, in order.
        faces: (N - 2, 3) the filling, with its front outward if that of the mesh is.
        area_vector: (3,) the sum of its normals times its areas.
        area: Of the filling, square meters.
        component: Which component of the mesh it belongs to.
    """

    half_edges: NDArray[np.int64]
    faces: NDArray[np.int64]
    area_vector: NDArray[np.float64]
    area: float
    component: int

    def direction(self) -> NDArray[np.float64]:
        """Return the unit vector (3,) out of the loop."""
        length = max(float(np.linalg.norm(self.area_vector)), _TINY)
        unit: NDArray[np.float64] = self.area_vector / length
        return unit


def close_surface(
    mesh: MeshArrays,
    thickness: float,
    up: NDArray[np.floating[Any]],
    triangulate: Triangulate,
    least_thickness: float = 0.0,
) -> tuple[MeshArrays, ClosingReport]:
    """Fill the holes of ``mesh``, and thicken its sheets and vessels.

    Args:
        mesh: Of triangles, of which neighbors face the same side; no edge has more than two.
        thickness: Of sheets and walls, meters; small sheets get a tenth of their width.
        up: (3,) unit vector against gravity.
        triangulate: Cuts a polygon into triangles.
        least_thickness: Of small sheets, too, meters.

    Returns:
        The mesh, closed but for loops that could not be followed, its faces outward; and what was
        done.
    """
    vertices = mesh.vertices.astype(float)
    component = vertex_components(mesh)
    loops = _fill_loops(mesh, component, triangulate)
    faces, loops = _turn_outward(mesh, component, loops)

    mouths = _Mouths(vertices, faces, component, loops, thickness, np.asarray(up, float))
    sheets = mouths.sheet_components()
    open_loops = mouths.open_loops(sheets)
    vessels = {loops[index].component for index in open_loops}

    # Fill what is neither a sheet nor a mouth.
    filled = []
    for index, loop in enumerate(loops):
        if loop.component not in sheets and index not in open_loops:
            filled.append(loop.faces)
    all_faces = np.concatenate((faces, *filled))

    # Each component as it is, or thickened.
    solids = _Assembly()
    component_of_face = component[all_faces[:, 0]]
    is_thick = np.isin(component_of_face, [*sheets, *vessels])
    solid_faces = all_faces[~is_thick]
    solids.add(vertices, solid_faces)
    sheets -= _hidden_sheets(vertices, solid_faces, all_faces, component_of_face, sheets)

    # All sheets and walls at once, each vertex with the thickness of its component.
    thick_faces = all_faces[np.isin(component_of_face, [*sheets, *vessels])]
    if len(thick_faces):
        widths = np.sqrt(_component_areas(vertices, all_faces, component))
        walls = np.minimum(thickness, MAX_RELATIVE_THICKNESS * widths)
        walls = np.maximum(walls, least_thickness)
        inward = np.full(len(walls), 0.5)
        inward[[*vessels]] = 1.0
        solids.add(*thicken_surface(vertices, thick_faces, walls[component], inward[component]))

    report = ClosingReport(len(filled), len(sheets - vessels), len(vessels), thickness)
    return solids.mesh(), report


def _hidden_sheets(
    vertices: NDArray[np.float64],
    solid_faces: NDArray[np.int64],
    faces: NDArray[np.int64],
    component: NDArray[np.int64],
    sheets: set[int],
) -> set[int]:
    """Return the sheets inside of the solids, which nobody sees, such as a partition of a box.

    Args:
        vertices: (V, 3).
        solid_faces: (S, 3) triangles of closed components, facing outward.
        faces: (F, 3) all triangles.
        component: (F,) of each of them.
        sheets: Numbers of the components to test.
    """
    numbers = sorted(sheets)
    if not len(solid_faces) or not numbers:
        return set()

    # One test for the centers of all faces of sheets.
    is_sheet = np.isin(component, numbers)
    centers = vertices[faces[is_sheet]].mean(axis=1)
    is_inside = points_inside(vertices, solid_faces.astype(np.int32), centers)
    visible = set(component[is_sheet][~is_inside].tolist())

    return sheets - visible


class _Assembly:
    """Meshes that are joined to one, without the vertices that no face uses."""

    def __init__(self) -> None:
        self._vertices: list[NDArray[np.float64]] = []
        self._faces: list[NDArray[np.int64]] = []
        self._count = 0

    def add(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
        """Add the ``faces`` and the vertices that they use."""
        used, index = np.unique(faces, return_inverse=True)
        self._vertices.append(vertices[used])
        self._faces.append(index.reshape(-1, 3) + self._count)
        self._count += len(used)

    def mesh(self) -> MeshArrays:
        """Return the joined mesh."""
        vertices = np.concatenate(self._vertices).astype(np.float32)
        return MeshArrays(vertices, np.concatenate(self._faces).astype(np.int32))


class _Mouths:
    """Decides which loops of a mesh are mouths, and which components are sheets."""

    def __init__(
        self,
        vertices: NDArray[np.float64],
        faces: NDArray[np.int64],
        component: NDArray[np.int64],
        loops: list[_Loop],
        thickness: float,
        up: NDArray[np.float64],
    ) -> None:
        self.vertices = vertices
        self.faces = faces
        self.loops = loops
        self.thickness = thickness
        self.up = up
        self.face_component = component[faces[:, 0]]
        self.closed = np.concatenate((faces, *(loop.faces for loop in loops)))
        self.closed_component = component[self.closed[:, 0]]

    def sheet_components(self) -> set[int]:
        """Return the components that enclose next to nothing, also with their loops filled."""
        volumes = _volumes(self.vertices, self.closed, self.closed_component)
        largest: dict[int, float] = {}
        for loop in self.loops:
            largest[loop.component] = max(loop.area, largest.get(loop.component, 0.0))

        sheets = set()
        for number, area in largest.items():
            if abs(volumes[number]) <= SHEET_DEPTH * area**1.5:
                sheets.add(number)
        return sheets

    def open_loops(self, sheets: set[int]) -> set[int]:
        """Return the indices of the loops that stay open, but for those of sheets."""
        wide = []
        for index, loop in enumerate(self.loops):
            if loop.component not in sheets and self._is_wide(loop) and self._is_straight(loop):
                wide.append(index)

        # A component is a vessel if one of its loops faces the open air, and not down.
        vessels = set()
        for index in wide:
            loop = self.loops[index]
            faces_down = loop.direction() @ self.up < MOUTH_DOWN
            if not faces_down and self._is_free(loop):
                vessels.add(loop.component)

        return {index for index in wide if self.loops[index].component in vessels}

    def _is_wide(self, loop: _Loop) -> bool:
        """Return whether a loop is wide, compared with its component and with a wall."""
        width = float(np.sqrt(loop.area))
        is_wide = width >= MOUTH_WIDTH * self.thickness
        return is_wide and self._share_of_silhouette(loop) >= MOUTH_SHARE

    def _share_of_silhouette(self, loop: _Loop) -> float:
        """Return the area of a loop as a share of its component's, both seen through the loop."""
        direction = loop.direction()
        part = self.closed[self.closed_component == loop.component]
        cosines = area_normals(self.vertices, part) @ direction

        # Twice the area of each face, and each of the silhouette's points has two faces.
        silhouette = float(np.abs(cosines).sum()) / 4
        return float(np.linalg.norm(loop.area_vector)) / max(silhouette, _TINY)

    def _is_straight(self, loop: _Loop) -> bool:
        """Return whether the walls next to a loop go straight on, or widen."""
        # The faces at the rim, and those of the component that are not far below it.
        direction = loop.direction()
        centers = self.vertices[self.faces].mean(axis=1)
        rim = self.vertices[loop.faces].mean(axis=(0, 1))
        depth = (rim - centers) @ direction
        reach = MOUTH_RIM * float(np.sqrt(loop.area))
        is_next = (np.abs(depth) <= reach) & (self.face_component == loop.component)
        is_next[loop.half_edges // 3] = True

        # Twice the areas, and how far these faces look out of the mouth.
        normals = area_normals(self.vertices, self.faces[is_next])
        closing = float((normals @ direction).sum())
        return closing <= MOUTH_CLOSING * float(np.linalg.norm(normals, axis=1).sum())

    def _is_free(self, loop: _Loop) -> bool:
        """Return whether one sees the outside from a loop in enough directions."""
        spread = np.linspace(0, len(loop.faces) - 1, min(_TESTED_FACES, len(loop.faces)))
        centers = self.vertices[loop.faces[spread.astype(int)]].mean(axis=1)
        size = float(np.ptp(self.vertices, axis=0).max())
        starts = centers + _STEP * size * loop.direction()

        free = 0
        tested = 0
        for direction in fibonacci_directions(_RAYS):
            crossings = count_ray_crossings(
                self.vertices, self.closed.astype(np.int32), starts, direction
            )
            is_ahead = direction @ loop.direction() > 0
            crossed = crossings.ahead if is_ahead else crossings.behind
            free += int((crossed == 0).sum())
            tested += len(starts)

        return free >= MOUTH_FREE * tested


def _fill_loops(
    mesh: MeshArrays, component: NDArray[np.int64], triangulate: Triangulate
) -> list[_Loop]:
    """Return the loops of open edges of ``mesh``, each with its filling."""
    vertices = mesh.vertices.astype(float)
    half_edges = HalfEdges(mesh)
    vertex = mesh.faces.ravel().astype(np.int64)
    loops = []

    for loop in _trace_loops(mesh, half_edges):
        # The filling runs against the half-edges of the mesh.
        ring = vertex[loop][::-1]
        faces = ring[_triangulate_ring(vertices[ring], triangulate)]
        normals = area_normals(vertices, faces) / 2
        loops.append(
            _Loop(
                half_edges=loop,
                faces=faces,
                area_vector=normals.sum(axis=0),
                area=float(np.linalg.norm(normals, axis=1).sum()),
                component=int(component[ring[0]]),
            )
        )

    return loops


def _trace_loops(mesh: MeshArrays, half_edges: HalfEdges) -> list[NDArray[np.int64]]:
    """Return the open half-edges of each loop, in order. No loop meets a vertex twice."""
    vertex = mesh.faces.ravel().astype(np.int64)
    open_half_edges = np.flatnonzero((half_edges.face_counts() == 1)[half_edges.edge])
    start = vertex[open_half_edges]
    end = vertex[half_edges.end_corner[open_half_edges]]
    successor = _successors(mesh, open_half_edges, start, end)

    loops: list[NDArray[np.int64]] = []
    is_done = np.zeros(len(open_half_edges), bool)
    for first in range(len(open_half_edges)):
        # Follow the edges; where the path meets itself, the part since then is a loop.
        path: list[int] = []
        position: dict[int, int] = {}
        current = first

        while current >= 0 and not is_done[current]:
            is_done[current] = True
            position[int(start[current])] = len(path)
            path.append(current)
            met = position.get(int(end[current]))
            if met is not None:
                loop = path[met:]
                for member in loop:
                    position.pop(int(start[member]), None)
                del path[met:]
                if len(loop) > 2:
                    loops.append(open_half_edges[loop])
            current = successor[current]

    return loops


def _successors(
    mesh: MeshArrays,
    open_half_edges: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
) -> list[int]:
    """Return for each open half-edge the next one around the same hole; -1 for none.

    Where several start at a vertex, the next one is the first counter-clockwise from the way back,
    because the hole lies between:

          face |  hole
               |________ next          seen from outside
        back   v
    """
    starting: dict[int, list[int]] = {}
    for index, vertex in enumerate(start.tolist()):
        starting.setdefault(vertex, []).append(index)

    successor = []
    is_taken = np.zeros(len(start), bool)
    normals: NDArray[np.float64] | None = None

    for index, vertex in enumerate(end.tolist()):
        candidates = [item for item in starting.get(vertex, []) if not is_taken[item]]
        if not candidates:
            successor.append(-1)
            continue

        best = candidates[0]
        if len(candidates) > 1:
            if normals is None:
                normals = vertex_normals(mesh.vertices.astype(float), mesh.faces)
            back = mesh.vertices[start[index]] - mesh.vertices[vertex]
            ways = mesh.vertices[end[candidates]] - mesh.vertices[vertex]
            angles = _counter_clockwise(back.astype(float), ways.astype(float), normals[vertex])
            best = candidates[int(angles.argmin())]

        is_taken[best] = True
        successor.append(best)

    return successor


def _counter_clockwise(
    back: NDArray[np.float64], ways: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the angles (N,) about ``normal`` from ``back`` (3,) to ``ways``.

    They are in [0, 2 pi) but for rounding: the slit between an edge and the halves of an edge that
    lies on it is a hole of angle 0.
    """
    x = back - (back @ normal) * normal
    y = np.cross(normal, x)
    angles: NDArray[np.float64] = np.arctan2(ways @ y, ways @ x)
    return np.where(angles < -_SLIVER, angles + 2 * np.pi, angles)


def _triangulate_ring(points: NDArray[np.float64], triangulate: Triangulate) -> NDArray[np.int64]:
    """Return triangles (N - 2, 3) over the corners of a polygon (N, 3), facing as it runs.

    Of the least area where the polygon is not flat; else by ``triangulate``, or as a fan from the
    first corner where that leaves an edge out.
    """
    count = len(points)
    corner = np.arange(1, count - 1)
    fan: NDArray[np.int64] = np.stack((np.zeros_like(corner), corner, corner + 1), axis=1)
    if count == 3:
        return fan
    if count <= _MAX_CURVED and not _is_flat(points):
        return _least_area_triangles(points)

    faces = np.asarray(triangulate(points), np.int64).reshape(-1, 3)
    for candidate in (faces, faces[:, ::-1]):
        if _spans_ring(candidate, count):
            return candidate
    return fan


def _is_flat(points: NDArray[np.float64]) -> bool:
    """Return whether points (N, 3) are in a plane, but for a hundredth of their extent."""
    singular_values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(singular_values[2] <= _FLAT * singular_values[0])


def _least_area_triangles(points: NDArray[np.float64]) -> NDArray[np.int64]:
    r"""Return the triangles (N - 2, 3) over a polygon (N, 3) with the least sum of areas.

    By dynamic programming over the parts i..j of the polygon, each of which is a triangle i, k, j
    and the best of the parts i..k and k..j (after Barequet and Sharir 1995, "Filling gaps in the
    boundary of a polyhedron", doi:10.1016/0167-8396(94)00011-G):

            k
          /   \
        i ----- j
    """
    count = len(points)
    cost = np.zeros((count, count))
    best = np.zeros((count, count), np.int64)

    for span in range(2, count):
        # All parts of this length at once: rows are i, columns k.
        i = np.arange(count - span)[:, None]
        j = i + span
        k = i + np.arange(1, span)
        to_middle = points[k] - points[i]
        to_end = points[j] - points[i]
        area = np.linalg.norm(np.cross(to_middle, to_end), axis=2)
        total = cost[i, k] + cost[k, j] + area

        choice = total.argmin(axis=1)
        rows = np.arange(count - span)
        cost[rows, rows + span] = total[rows, choice]
        best[rows, rows + span] = rows + 1 + choice

    triangles = []
    parts = [(0, count - 1)]
    while parts:
        start, end = parts.pop()
        if end - start > 1:
            middle = int(best[start, end])
            triangles.append((start, middle, end))
            parts += [(start, middle), (middle, end)]

    return np.array(triangles, np.int64)


def _spans_ring(faces: NDArray[np.int64], count: int) -> bool:
    """Return whether triangles have the edges of a ring 0, 1, .. once, and all others twice."""
    if len(faces) != count - 2:
        return False
    start = faces.ravel()
    end = np.roll(faces, -1, axis=1).ravel()
    forward = set(zip(start.tolist(), end.tolist(), strict=True))
    if len(forward) != len(start):
        return False

    ring = {(index, (index + 1) % count) for index in range(count)}
    inner = forward - ring
    return len(inner) == len(forward) - count and all((b, a) in inner for a, b in inner)


def _turn_outward(
    mesh: MeshArrays, component: NDArray[np.int64], loops: list[_Loop]
) -> tuple[NDArray[np.int64], list[_Loop]]:
    """Return the faces, and the loops, with open components turned outward by their volume."""
    vertices = mesh.vertices.astype(float)
    faces = mesh.faces.astype(np.int64)
    closed = np.concatenate((faces, *(loop.faces for loop in loops)))
    volumes = _volumes(vertices, closed, component[closed[:, 0]])

    # The wall of a hollow faces inward, and stays so.
    is_hollow = np.zeros(len(volumes), bool)
    pieces = np.unique(component[closed[:, 0]])
    is_hollow[pieces] = hollow_pieces(replace(mesh, faces=closed.astype(np.int32)), volumes[pieces])

    is_open = np.zeros(len(volumes), bool)
    is_open[[loop.component for loop in loops]] = True
    is_turned = is_open & (volumes < 0) & ~is_hollow
    turned_face = is_turned[component[faces[:, 0]]]
    faces = np.where(turned_face[:, None], faces[:, ::-1], faces)

    turned_loops = []
    for loop in loops:
        if is_turned[loop.component]:
            # Reversed, the half-edge from corner 0 starts at corner 1: 0, 1, 2 become 1, 0, 2.
            corner = np.array((1, 0, 2))[loop.half_edges % 3]
            loop = replace(
                loop,
                half_edges=loop.half_edges // 3 * 3 + corner,
                faces=loop.faces[:, ::-1],
                area_vector=-loop.area_vector,
            )
        turned_loops.append(loop)

    return faces, turned_loops


def _volumes(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], component: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the signed volume of each component."""
    corners = vertices[faces] - vertices.mean(axis=0)
    a, b, c = corners.transpose(1, 0, 2)
    tetrahedra = (a * np.cross(b, c)).sum(axis=1) / 6
    return np.bincount(component, tetrahedra).astype(float)


def _component_areas(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], component: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the area of each component.

    Args:
        vertices: (V, 3).
        faces: (F, 3) triangles.
        component: (V,) of each vertex.
    """
    areas = np.linalg.norm(area_normals(vertices, faces), axis=1) / 2
    count = int(component.max()) + 1
    return np.bincount(component[faces[:, 0]], areas, count).astype(float)


def _counted(count: int, noun: str) -> str:
    """Return "1 hole" or "2 holes"."""
    plural = "" if count == 1 else "s"
    return f"{count} {noun}{plural}"
