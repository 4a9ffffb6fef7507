import numpy as np
import pytest
import torch
from maquette.core.cameras import look_at, orthographic_camera, perspective_camera, side_camera
from maquette.core.model.networks.projection import (
    camera_matrix,
    interpolate_maps,
    project_points,
    sample_maps,
    transform_camera,
    unproject_points,
)
from maquette.core.model.networks.reconstruction import ReconstructionNetwork
from maquette.core.model.networks.single_view import DEPTH_LIMIT, sample_depth_logits

POINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
POSE = look_at(np.array((1.0, -2.0, 0.7)), np.zeros(3))
CAMERAS = [
    perspective_camera(POSE, 0.7, 64).cropped(3, -5, 64, 64),
    orthographic_camera(POSE, 1.3, 64),
]


@pytest.mark.parametrize("camera", CAMERAS, ids=["pinhole", "flat"])
def test_projects_as_the_camera_does(camera):
    where, geometry = project_points(
        torch.from_numpy(camera_matrix(camera))[None, None], torch.from_numpy(POINTS).float()[None]
    )
    pixels, depth = camera.project(POINTS)
    np.testing.assert_allclose((where[0, 0].numpy() + 1) * 32, pixels, atol=1e-3)
    np.testing.assert_allclose(np.diff(geometry[0, 0, :, 0].numpy()), np.diff(depth), atol=1e-5)
    back = camera.to_world[:3, 2] if camera.orthographic else camera.to_world[:3, 3] - POINTS
    np.testing.assert_allclose(
        geometry[0, 0, :, 1:].numpy(),
        np.broadcast_to(back / np.linalg.norm(back, axis=-1, keepdims=True), (50, 3)),
        atol=1e-5,
    )


@pytest.mark.parametrize("camera", CAMERAS, ids=["pinhole", "flat"])
def test_transformed_camera_sees_the_moved_world_alike(camera):
    transform = np.diag((-0.7, 1.2, 0.9, 1.0))
    transform[:3, 3] = (0.1, 0.2, -0.1)
    moved = POINTS @ transform[:3, :3].T + transform[:3, 3]
    first = project_points(
        torch.from_numpy(camera_matrix(camera))[None, None], torch.from_numpy(POINTS).float()[None]
    )[0]
    matrix = transform_camera(camera_matrix(camera), transform)
    second = project_points(
        torch.from_numpy(matrix)[None, None], torch.from_numpy(moved).float()[None]
    )[0]
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_sampling_reads_the_pixel_under_the_point():
    picture = torch.zeros(1, 1, 1, 8, 8)
    picture[0, 0, 0, 2, 5] = 1  # row 2, column 5: u = 5.5, v = 2.5
    where = torch.tensor([5.5 / 4 - 1, 2.5 / 4 - 1]).reshape(1, 1, 1, 2)
    assert sample_maps(picture, where).item() == 1


@pytest.mark.parametrize("beyond", ["zeros", "border"])
@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (2, 12, 4, 6, 8)])
def test_the_fast_way_to_sample_equals_the_differentiable_one(shape, beyond):
    torch.manual_seed(0)
    maps, places = torch.randn(shape), torch.rand(2, 300, len(shape) - 2) * 3 - 1.5
    places[0, 0] = 1e9
    one = interpolate_maps(maps, places, beyond)
    with torch.inference_mode():
        torch.testing.assert_close(interpolate_maps(maps, places, beyond), one, atol=1e-5, rtol=0)


@pytest.fixture
def network(tiny):
    torch.manual_seed(0)
    return ReconstructionNetwork(tiny).eval()


def inputs(views=3):
    torch.manual_seed(1)
    cameras = np.stack(
        [camera_matrix(side_camera(name, 1.1, 128)) for name in ("front", "right", "top")[:views]]
    )
    return (
        torch.rand(1, views, 4, 128, 128),
        torch.from_numpy(cameras)[None],
        torch.rand(1, 40, 3) - 0.5,
    )


def test_shapes_and_ranges(network):
    pictures, cameras, points = inputs()
    features = network.encode_views(pictures, cameras)
    assert network.predict_occupancy(features, points).shape == (1, 40)
    color = network.predict_color(features, points)
    assert color.shape == (1, 40, 3) and color.min() >= 0
    assert features.depth_logits is None and features.up is None


@pytest.mark.parametrize("views", [1, 3])
def test_what_is_asked_without_gradients_equals_what_is_trained(network, views):
    pictures, cameras, points = inputs(views)

    def answers():
        features = network.encode_views(pictures, cameras)
        return network.predict_occupancy(features, points), network.predict_color(features, points)

    with torch.inference_mode():
        fast = answers()
    for one, two in zip(fast, answers(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_what_is_up_is_a_direction_that_one_picture_tells(network):
    pictures, cameras, _ = inputs(1)
    up = network.encode_views(pictures, cameras).up
    torch.testing.assert_close(up.norm(dim=1), torch.ones(1))
    torch.testing.assert_close(network.estimate_up(pictures), up)


def test_points_do_not_see_each_other(network):
    pictures, cameras, points = inputs()
    features = network.encode_views(pictures, cameras)
    torch.testing.assert_close(
        network.predict_occupancy(features, points)[:, :7],
        network.predict_occupancy(features, points[:, :7]),
    )


def test_the_order_of_views_does_not_matter(network):
    pictures, cameras, points = inputs()
    order = [2, 0, 1]
    one = network.predict_occupancy(network.encode_views(pictures, cameras), points)
    two = network.predict_occupancy(
        network.encode_views(pictures[:, order], cameras[:, order]), points
    )
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


def test_color_under_a_clear_mask_is_not_looked_at(network):
    pictures, cameras, points = inputs()
    pictures[:, :, 3, :64] = 0
    other = pictures.clone()
    other[:, :, :3, :64] = 0.123
    one, two = (
        network.predict_occupancy(network.encode_views(p, cameras), points)
        for p in (pictures, other)
    )
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize(
    "camera", [*CAMERAS, side_camera("right", 1.1, 64)], ids=["pinhole", "flat", "right"]
)
def test_a_tube_is_read_at_the_pixel_and_the_depth_of_a_point(camera):
    """The 5th of 16 depths behind the pixel in column 11 and row 3 of 16."""
    tubes = torch.zeros(1, 1, 16, 16, 16)
    tubes[0, 0, 4, 3, 11] = 1
    where, depth = np.array([(11.5, 3.5)]) / 8 - 1, np.array([4.5 / 8 - 1]) * DEPTH_LIMIT
    matrix = camera_matrix(camera)
    point = torch.from_numpy(unproject_points(matrix, where, depth)).float()[None]
    assert sample_depth_logits(
        tubes, torch.from_numpy(matrix)[None, None], point
    ).item() == pytest.approx(1, abs=1e-3)


def test_one_picture_is_asked_as_a_whole(network):
    """What is in a corner of it bears on what lies behind another; and nothing but the tubes is asked."""
    pictures, cameras, points = inputs(1)

    def found():
        return network.predict_occupancy(network.encode_views(pictures, cameras), points)[0]

    network.train()  # normalised by the picture itself: by the means of a new network nothing comes through
    torch.testing.assert_close(
        network.predict_single_view(pictures, cameras, points)[0][0], found()
    )
    one = found()
    pictures[..., -16:, -16:] = 0
    elsewhere = project_points(cameras, points)[0][0, 0].amax(1) < 0.5
    assert elsewhere.any() and ((found() - one)[elsewhere].abs() > 1e-4).float().mean() > 0.8
    torch.nn.init.zeros_(network.single_view.depth_head.weight)
    torch.nn.init.constant_(network.single_view.depth_head.bias, 3.0)
    torch.testing.assert_close(found(), torch.full((40,), 3.0))


def test_a_mirrored_picture_is_the_mirrored_solid(network):
    pictures, cameras, _ = inputs(1)

    def both():
        return (
            network.encode_views(p, cameras).depth_logits for p in (pictures, pictures.flip(-1))
        )

    network.train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # so that something comes through
    one, two = both()
    assert (two.flip(-1) - one).abs().max() > 1e-3  # the weights are not alike left and right
    network.eval()
    one, two = both()
    assert one.std() > 1e-3
    torch.testing.assert_close(two.flip(-1), one)


def test_whether_a_picture_is_posed_is_known(network):
    pictures, _, points = inputs(1)
    flat, pinhole = (
        torch.from_numpy(
            camera_matrix(kind(look_at(np.array((0, -2.0, 0)), np.zeros(3)), size, 128))
        )[None, None]
        for kind, size in ((orthographic_camera, 1.1), (perspective_camera, 0.5))
    )
    middle = points[:, :1] * 0  # falls on the same place of both
    found = [
        network.predict_occupancy(network.encode_views(pictures, camera), middle)
        for camera in (flat, pinhole)
    ]
    assert found[0] != found[1]
