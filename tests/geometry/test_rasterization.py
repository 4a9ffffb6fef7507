import numpy as np
import pytest
from maquette.core import cameras
from maquette.core.geometry.rasterization import (
    rasterize,
    render_depth,
    render_surface,
    render_vertex_depth,
)

QUAD = np.array(((-0.5, 0, -0.5), (0.5, 0, -0.5), (0.5, 0, 0.5), (-0.5, 0, 0.5)))
TRIANGLES = QUAD[np.array(((0, 1, 2), (0, 2, 3)))]


def test_two_triangles_of_a_square_cover_each_pixel_once_or_at_their_seam_twice():
    square = np.array(((1.0, 2.0), (9.0, 2.0), (9.0, 6.0), (1.0, 6.0)))
    corners = square[np.array(((0, 1, 2), (0, 2, 3)))]
    ((pixel, face, share),) = rasterize(corners, 12, 8)
    covered = np.zeros((8, 12), bool)
    covered.ravel()[pixel] = True
    expected = np.zeros((8, 12), bool)
    expected[2:6, 1:9] = True
    np.testing.assert_array_equal(covered, expected)
    centers = (corners[face] * share[..., None]).sum(1)
    np.testing.assert_allclose(centers, np.stack((pixel % 12, pixel // 12), 1) + 0.5, atol=1e-5)


def test_what_is_beyond_the_image_is_cut_off():
    corners = np.array((((-50.0, -50.0), (90.0, -50.0), (-50.0, 90.0)),))
    pixels = np.concatenate([pixel for pixel, _, _ in rasterize(corners, 4, 3)])
    assert sorted(pixels.tolist()) == list(range(12))
    assert not list(rasterize(corners - 200, 4, 3))


@pytest.mark.parametrize("orthographic", [True, False])
def test_depth_and_what_it_hides(orthographic):
    pose = cameras.look_at(np.array((0.0, -2.0, 0.0)), np.zeros(3))
    camera = cameras.perspective_camera(pose, 1.0, 64)
    if orthographic:
        camera = cameras.orthographic_camera(pose, 2.0, 64)
    points = np.array(((0, 0, 0), (0.1, 0.1, 0.1), (0.1, -0.1, 0.1), (0.7, 0.1, 0), (9, 0, 0.0)))

    buffer = render_depth(TRIANGLES, camera)
    assert max(buffer.depth.shape) == 1024
    assert buffer.depth[np.isfinite(buffer.depth)] == pytest.approx(2)
    assert buffer.hides(points, np.ones(5)).tolist() == [False, True, False, False, True]

    line = np.linspace(-0.5, 0.5, 101)
    x, z = np.meshgrid(line, line)
    grid = np.stack((x.ravel(), np.zeros(x.size), z.ravel()), axis=1)
    coarse = render_vertex_depth(grid, camera, 0.01)
    assert coarse.hides(points, np.ones(5)).tolist() == [False, True, False, False, True]


def test_of_two_surfaces_the_nearer_one_is_shown_with_its_normal():
    """A square faces the camera; a tilted one is seen around it, one behind the camera is not."""
    camera = cameras.perspective_camera(
        cameras.look_at(np.array((0.0, -2.0, 0.0)), np.zeros(3)), 1.5, 64
    )
    tilted = 11 * QUAD @ np.array(((1.0, 0, 0), (0, 1, 0), (0, 0.5, 1))) + (0, 1, 0)
    behind = QUAD + (0, -2, 0)  # in the camera's plane, so not in front
    vertices = np.concatenate((tilted, QUAD, behind))
    faces = np.array(((0, 1, 2), (0, 2, 3)))
    depth, normal = render_surface(vertices, np.concatenate((faces, faces + 4, faces + 8)), camera)
    assert depth[32, 32] == pytest.approx(2) and normal[32, 32] == pytest.approx((0, -1, 0))

    # On the tilted plane y = 1 + z / 2: of the pixel's ray at depth d, z = d * slope.
    slope = (32 - 4.5) / camera.intrinsics[0, 0]
    expected = 3 / (1 - slope / 2)
    assert depth[4, 32] == pytest.approx(expected, rel=1e-5)
    steep = np.array((0, -1, 0.5)) / np.hypot(1, 0.5)
    assert normal[4, 32] == pytest.approx(steep, abs=1e-6)
    empty, none = render_surface(behind, faces, camera)
    assert not empty.any() and not none.any()


def test_a_cosine_that_rounding_took_above_one_is_as_one():
    buffer = render_vertex_depth(np.zeros((1, 3)), cameras.side_camera("front", 1, 8), 0.1)
    assert not buffer.hides(np.zeros((1, 3)), np.array((1 + 1e-6,))).any()
