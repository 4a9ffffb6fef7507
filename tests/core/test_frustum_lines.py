import numpy as np
import pytest
from maquette.core.cameras import frustum_lines, look_at, orthographic_camera, perspective_camera

POSE = look_at(np.array((2.0, -3, 1.5)), np.zeros(3))


@pytest.mark.parametrize(
    "camera",
    [perspective_camera(POSE, 0.8, 96).cropped(9, -5, 96, 64), orthographic_camera(POSE, 2.5, 96)],
)
def test_lines_end_at_the_corners_of_the_picture(camera):
    lines = frustum_lines(camera, 0.7)
    assert lines.shape == (9, 2, 3)
    pixels, depth = camera.project(lines[:4, 1])
    width, height = camera.width, camera.height
    np.testing.assert_allclose(
        pixels, [(0, 0), (width, 0), (width, height), (0, height)], atol=1e-9
    )
    np.testing.assert_allclose(depth, 0.7)
    if not camera.orthographic:
        np.testing.assert_allclose(
            lines[:4, 0], np.tile(camera.to_world[:3, 3], (4, 1)), atol=1e-12
        )
    np.testing.assert_allclose(lines[4:8, 0], lines[:4, 1])
    assert camera.project(lines[8])[0][1, 1] < 0  # the mark is above the picture
