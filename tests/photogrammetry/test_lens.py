import numpy as np
import pytest
from maquette.core.cameras import Camera
from maquette.core.photogrammetry.lens import distort_pixels, undistort_pixels

pycolmap = pytest.importorskip("pycolmap")
INTRINSICS = np.array(((500.0, 0, 310), (0, 500, 250), (0, 0, 1)))
CAMERA = Camera(np.eye(4), INTRINSICS, 640, 480)


def test_distorts_as_colmap_does():
    colmap = pycolmap.Camera(
        model="RADIAL", width=640, height=480, params=[500, 310, 250, -0.12, 0.03]
    )
    plane = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 2))
    ideal = plane * 500 + (310, 250)
    shown = colmap.img_from_cam(np.concatenate((plane, np.ones((50, 1))), 1))
    np.testing.assert_allclose(distort_pixels(CAMERA, (-0.12, 0.03), ideal), shown, atol=1e-9)


def test_undistorting_is_the_inverse():
    rows, columns = np.mgrid[0:480:20, 0:640:20] + 0.5
    pixels = np.stack((columns, rows), 2)
    there = distort_pixels(CAMERA, (-0.15, 0.02), pixels)
    np.testing.assert_allclose(undistort_pixels(CAMERA, (-0.15, 0.02), there), pixels, atol=1e-5)
