import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.cameras import side_camera
from maquette.core.geometry.silhouette import render_silhouette


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
