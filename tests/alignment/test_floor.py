"""Objects whose distance is open, moved along their rays to the floor."""

import numpy as np
import pytest
from maquette.core.alignment.floor import floor_point, locating_cameras, stand_on_floor
from maquette.core.alignment.reference import Reference
from maquette.core.arrays import View
from maquette.core.cameras import Camera, look_at, orthographic_camera

EYE = np.array((0.0, -4.0, 3.0))
TARGET = np.array((1.0, 2.0, 0.5))


def perspective(eye=EYE, target=TARGET):
    intrinsics = np.array(((80.0, 0, 50), (0, 80.0, 50), (0, 0, 1)))
    return Camera(look_at(np.array(eye, float), np.array(target, float)), intrinsics, 100, 100)


def parallel(eye=EYE, target=TARGET):
    return orthographic_camera(look_at(np.array(eye, float), np.array(target, float)), 4.0, 100)


def reference(camera, placed=True):
    image = np.zeros((100, 100, 4), np.float32)
    image[48:52, 48:52] = 1  # its middle is that of the image
    return Reference("A", View(image, camera), placed)


def moved(cameras, point, height):
    motion = stand_on_floor(cameras, point, height)
    return motion[:3, :3] @ point + motion[:3, 3], motion


@pytest.mark.parametrize("height", [0.0, -1.0, 0.2])
@pytest.mark.parametrize("make", [perspective, parallel])
def test_the_lowest_point_comes_to_the_floor_and_every_point_keeps_its_pixel(make, height):
    camera = make()
    lowest = np.array((0.9, 1.8, 0.4))
    point, motion = moved([camera], lowest, height)
    assert point[2] == pytest.approx(height, abs=1e-12)
    others = lowest + np.random.default_rng(0).uniform(0, 1, (20, 3))
    there = others @ motion[:3, :3].T + motion[:3, 3]
    np.testing.assert_allclose(camera.project(there)[0], camera.project(others)[0], atol=1e-9)
    assert there[:, 2].min() > height


def test_parallel_rays_keep_the_size_and_those_of_an_eye_scale():
    lowest = np.array((0.9, 1.8, 0.4))
    _, motion = moved([parallel()], lowest, 0.0)
    np.testing.assert_allclose(motion[:3, :3], np.eye(3))
    _, motion = moved([perspective()], lowest, 0.0)
    np.testing.assert_allclose(motion[:3, :3], 3.0 / 2.6 * np.eye(3))  # 3 above the floor, 2.6 here


@pytest.mark.parametrize(
    "cameras",
    [
        [perspective((0, -4, 0.5), (0, 2, 0.5))],  # level, as is the ray to the lowest point
        [parallel((0, -4, 0.5), (0, 2, 0.5))],
        [parallel((0, -4, 0.5), (0, 2, 0.2))],  # less than 5 degrees down
        [perspective((0, 0, 2), (0, 2, 9))],  # up to an object above it
        [perspective(), perspective((3, -4, 3))],  # two eyes show the distance
        [parallel(), parallel((3, -4, 3))],
        [perspective(), parallel()],
    ],
)
def test_left_where_it_is(cameras):
    lowest = cameras[0].unproject(np.array(((50.0, 50.0),)), np.array((5.0,)))[0]
    np.testing.assert_array_equal(stand_on_floor(cameras, lowest, 0.0), np.eye(4))


def test_two_images_of_one_direction_leave_the_distance_open():
    cameras = [parallel((0, 0, 5), (0, 0.001, 0)), parallel((1, 1, -5), (1, 1.001, 0))]
    assert moved(cameras, np.array((0.0, 0.0, -0.7)), 0.0)[0][2] == pytest.approx(0)


def test_the_ray_through_the_middle_of_the_mask_meets_the_floor():
    for camera in (perspective(), parallel()):
        expected = EYE + (TARGET - EYE) * 3.0 / 2.5
        np.testing.assert_allclose(floor_point([reference(camera)], 0.0), expected, atol=1e-9)
    assert floor_point([reference(perspective(EYE, (0, 0, 9)))], 0.0) is None
    assert floor_point([reference(perspective()), reference(parallel())], 0.0) is None


def test_an_image_that_gives_only_its_scale_has_no_say():
    cameras = locating_cameras([reference(perspective(), False), reference(parallel())])
    assert [camera.orthographic for camera in cameras] == [True]
    cameras = locating_cameras([reference(perspective(), False)])
    assert [camera.orthographic for camera in cameras] == [False]
