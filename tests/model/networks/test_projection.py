import numpy as np
import torch
from maquette.core.cameras import look_at, perspective_camera, side_camera
from maquette.core.model.networks.projection import (
    DEPTH_REACH,
    camera_matrix,
    hull_interval,
    unproject_points,
)

SIZE = 64


def box_masks(cameras, half):
    """(1, N, 1, H, W) masks of a box about the origin: rectangles in orthographic views."""
    corners = np.array(np.meshgrid(*[(-h, h) for h in half])).reshape(3, -1).T
    masks = np.zeros((1, len(cameras), 1, SIZE, SIZE), np.float32)
    for index, camera in enumerate(cameras):
        pixels, _ = camera.project(corners)
        (left, top), (right, bottom) = (
            np.round(pixels.min(0)).astype(int),
            np.round(pixels.max(0)).astype(int),
        )
        masks[0, index, 0, top:bottom, left:right] = 1
    return torch.from_numpy(masks)


def matrices(cameras):
    return torch.from_numpy(np.stack([camera_matrix(camera) for camera in cameras])[None])


def test_rays_are_in_the_hull_from_its_front_to_its_back():
    half = np.array((0.25, 0.4, 0.125))
    cameras = [side_camera(name, 1.0, SIZE) for name in ("front", "right")]
    found = hull_interval(matrices(cameras), box_masks(cameras, half), SIZE).numpy()
    middle = slice(SIZE // 2 - 4, SIZE // 2 + 4)
    for index, depth in enumerate((0.4, 0.25)):  # the front looks along y, the right side along x
        np.testing.assert_allclose(found[0, index, 0, middle, middle], -depth, atol=0.03)
        np.testing.assert_allclose(found[0, index, 1, middle, middle], depth, atol=0.03)


def test_the_interval_is_unknown_with_a_single_view_and_outside_of_the_masks():
    cameras = [side_camera(name, 1.0, SIZE) for name in ("front", "right")]
    masks = box_masks(cameras, np.full(3, 0.25))
    one = hull_interval(matrices(cameras[:1]), masks[:, :1], 16)
    assert one.shape == (1, 1, 2, 16, 16)
    both = hull_interval(matrices(cameras), masks, 16)
    for found in (one[0, 0], both[0, :, :, 0].transpose(0, 1)):
        np.testing.assert_allclose(found[0], -DEPTH_REACH)
        np.testing.assert_allclose(found[1], DEPTH_REACH)


def test_rays_of_a_perspective_camera_agree_with_unproject_points():
    eye = np.array((0.3, -2.0, 0.8))
    camera = perspective_camera(look_at(eye, np.zeros(3)), 0.6, SIZE)
    other = side_camera("right", 1.1, SIZE)
    seen = torch.ones(1, 2, 1, SIZE, SIZE)
    seen[0, 1, 0, :, : SIZE // 2] = 0  # the right side is empty for y < 0
    found = hull_interval(matrices([camera, other]), seen, SIZE)[0, 0]
    matrix = camera_matrix(camera).astype(float)
    for i, j in ((32, 32), (20, 40), (45, 25)):
        ndc = (np.array([[i + 0.5, j + 0.5]]) / SIZE) * 2 - 1
        entry = unproject_points(matrix, ndc, np.array([float(found[0, j, i])]))
        np.testing.assert_allclose(entry[0, 1], 0, atol=0.03)
