import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.cameras import side_camera
from maquette.core.geometry.silhouette import render_silhouette
from scipy.spatial import ConvexHull


def rectangle(left, low, right, high):
    """A rectangle in the front view, in pixels of 1 / 50, y up, the origin in the middle."""
    corners = (
        np.array(((left, 0, low), (right, 0, low), (right, 0, high), (left, 0, high)), np.float32)
        / 50
    )
    return MeshArrays(corners, np.array(((0, 1, 2, 3),)))


def test_a_silhouette_is_as_large_as_its_square():
    drawn = render_silhouette(rectangle(-10, -15, 10, 15), side_camera("front", 1.0, 50))
    assert drawn.any(0).sum() == 20 and drawn.any(1).sum() == 30


def test_at_any_subpixel_position_a_silhouette_is_neither_larger_nor_shifted():
    rng = np.random.default_rng(0)
    columns = np.arange(50) - 24.5
    apart, wider = [], []
    for x, z in rng.uniform(-1, 1, (200, 2)):
        drawn = render_silhouette(
            rectangle(x - 10, z - 15, x + 10, z + 15), side_camera("front", 1.0, 50)
        )
        apart.append((columns[drawn.any(0)].mean() - x, -columns[drawn.any(1)].mean() - z))
        wider.append((drawn.any(0).sum() - 20, drawn.any(1).sum() - 30))
    assert np.mean(apart, axis=0) == pytest.approx(0, abs=0.05) and np.mean(
        wider, axis=0
    ) == pytest.approx(0, abs=0.05)


def test_what_lies_in_front_of_what_and_which_way_it_faces_does_not_matter():
    """Two squares that overlap, one of them seen from its back, and a hole between four."""
    front = rectangle(-10, -10, 10, 10)
    behind = rectangle(0, 0, 20, 20)
    vertices = np.concatenate((front.vertices, behind.vertices + (0, 0.5, 0)))
    both = MeshArrays(vertices.astype(np.float32), np.array(((0, 1, 2, 3), (7, 6, 5, 4))))
    drawn = render_silhouette(both, side_camera("front", 1.0, 50))
    assert drawn.sum() == 2 * 400 - 100

    ring = [rectangle(-20, -20, 20, -10), rectangle(-20, 10, 20, 20)]
    ring += [rectangle(-20, -10, -10, 10), rectangle(10, -10, 20, 10)]
    vertices = np.concatenate([part.vertices for part in ring])
    frame = MeshArrays(vertices, np.arange(16).reshape(4, 4))
    drawn = render_silhouette(frame, side_camera("front", 1.0, 50))
    assert drawn.sum() == 40 * 40 - 20 * 20 and not drawn[20:30, 20:30].any()


def test_a_closed_surface_covers_what_its_faces_cover():
    """Edges between two faces beside each other are left out, and nothing is lost by it."""
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(60, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    hull = ConvexHull(directions)
    radius = rng.uniform(0.15, 0.45, (60, 1))  # a star, whose faces hide each other
    star = MeshArrays((directions * radius).astype(np.float32), hull.simplices)
    camera = side_camera("front", 1.0, 64)

    expected = np.zeros((64, 64), bool)
    for face in star.faces:
        expected |= render_silhouette(MeshArrays(star.vertices, face[None]), camera)
    drawn = render_silhouette(star, camera)
    assert not (expected & ~drawn).any()
    assert (drawn & ~expected).sum() < 0.06 * drawn.sum()  # pixels that two faces cover together


def test_nothing_in_front_of_the_camera_covers_nothing():
    behind = MeshArrays(rectangle(-10, -15, 10, 15).vertices - (0, 5, 0), np.array(((0, 1, 2, 3),)))
    assert not render_silhouette(behind, side_camera("front", 1.0, 50)).any()
