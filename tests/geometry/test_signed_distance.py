"""Signed distance against boxes and balls, whose distance is known."""

import numpy as np
from maquette.core.geometry.signed_distance import signed_distance
from maquette.core.geometry.winding_number import orient_and_thicken
from maquette.core.scene.bvh import nearest_triangle_finder

_QUADS = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))


def box(low, high):
    """Vertices and outward triangles."""
    corners = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])
    faces = [face for a, b, c, d in _QUADS for face in ((a, b, c), (a, c, d))]
    return np.asarray(low) + corners * (np.asarray(high, float) - low), np.array(faces)


def box_distance(points, low, high):
    """After Quilez: exact distance of (P, 3) to a box, negative inside."""
    beyond = np.maximum(low - points, points - high)
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0)


def found(vertices, faces, points):
    solid = orient_and_thicken(vertices, faces)
    inside = solid.contains(points, 7)
    return signed_distance(solid, points, inside, nearest_triangle_finder), inside


def test_a_box():
    low, high = np.array((-0.5, -0.3, 0.1)), np.array((0.5, 0.2, 0.9))
    points = np.random.default_rng(0).uniform(-1, 1, (1500, 3))
    distance, inside = found(*box(low, high), points)
    assert 50 < inside.sum() < 1000
    np.testing.assert_allclose(distance, box_distance(points, low, high), atol=1e-12)


def test_walls_inside_of_a_union_do_not_count():
    """A slab with a post that goes right through it, as the legs of a table go into its top."""
    slab, post = (
        np.array(((-1, -1, 0), (1, 1, 0.4))),
        np.array(((-0.1, -0.1, -1), (0.1, 0.1, 0.3))),
    )
    one, two = box(*slab), box(*post)
    points = np.random.default_rng(1).uniform((-1.1, -1.1, -1.1), (1.1, 1.1, 0.5), (3000, 3))
    points[:1000] = np.random.default_rng(2).uniform((-0.1, -0.1, -0.3), (0.1, 0.1, 0.4), (1000, 3))
    distance, inside = found(
        np.concatenate((one[0], two[0])), np.concatenate((one[1], two[1] + 8)), points
    )
    outside = np.minimum(box_distance(points, *slab), box_distance(points, *post))
    np.testing.assert_array_equal(inside, outside < 0)
    np.testing.assert_allclose(distance[~inside], outside[~inside], atol=1e-12)
    # Inside, the part of the slab's floor that the post covers does not count, nor the post's walls
    # and top within the slab.
    x, y, z = points.T
    wide = np.maximum(abs(x), abs(y))
    floor = np.where(wide > 0.1, z, np.hypot(z, 0.1 - wide))
    in_slab = np.minimum.reduce((0.4 - z, 1 - wide, floor))
    in_post = np.minimum(z + 1, 0.1 - wide)
    truth = np.where(z > 0, in_slab, in_post)
    seam = 2 / 96  # of the longest side 2: how well the seam between buried and not is known
    assert np.abs(-distance - truth)[inside].max() < seam
    buried = inside & (z > 0.1) & (z < 0.2) & (wide < 0.1)
    assert buried.sum() > 50 and (-distance[buried] > 0.08).all()


def test_half_the_faces_flipped_and_a_wall_inside():
    low, high = np.full(3, -0.5), np.full(3, 0.5)
    vertices, faces = box(low, high)
    inner, inside_faces = box(low / 2, high / 2)
    rng = np.random.default_rng(3)
    faces = np.concatenate((faces, inside_faces + 8))
    flip = rng.random(len(faces)) < 0.5
    faces = np.where(flip[:, None], faces[:, ::-1], faces)
    points = rng.uniform(-0.7, 0.7, (800, 3))
    distance, _ = found(np.concatenate((vertices, inner)), faces, points)
    np.testing.assert_allclose(distance, box_distance(points, low, high), atol=1e-9)
