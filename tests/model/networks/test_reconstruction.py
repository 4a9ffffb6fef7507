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


@pytest.mark.parametrize("camera", CAMERAS, ids=["perspective", "orthographic"])
def test_projection_agrees_with_the_camera(camera):
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


@pytest.mark.parametrize("camera", CAMERAS, ids=["perspective", "orthographic"])
def test_a_transformed_camera_sees_the_moved_world_as_before(camera):
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
    maps = torch.zeros(1, 1, 1, 8, 8)
    maps[0, 0, 0, 2, 5] = 1  # row 2, column 5: u = 5.5, v = 2.5
    where = torch.tensor([5.5 / 4 - 1, 2.5 / 4 - 1]).reshape(1, 1, 1, 2)
    assert sample_maps(maps, where).item() == 1


@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (2, 12, 4, 6, 8)])
def test_fast_sampling_equals_the_differentiable_one(shape, padding_mode):
    torch.manual_seed(0)
    maps = torch.randn(shape)
    positions = torch.rand(2, 300, len(shape) - 2) * 3 - 1.5
    positions[0, 0] = 1e9
    expected = interpolate_maps(maps, positions, padding_mode)
    with torch.inference_mode():
        values = interpolate_maps(maps, positions, padding_mode)
        torch.testing.assert_close(values, expected, atol=1e-5, rtol=0)


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
    images, cameras, points = inputs()
    features = network.encode_views(images, cameras)
    assert network.predict_occupancy(features, points).shape == (1, 40)
    color = network.predict_color(features, points)
    assert color.shape == (1, 40, 3) and color.min() >= 0
    assert features.depth_logits is None and features.up is None


@pytest.mark.parametrize("views", [1, 3])
def test_inference_equals_prediction_with_gradients(network, views):
    images, cameras, points = inputs(views)

    def answers():
        features = network.encode_views(images, cameras)
        return network.predict_occupancy(features, points), network.predict_color(features, points)

    with torch.inference_mode():
        fast = answers()
    for one, two in zip(fast, answers(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_the_up_direction_of_a_single_view_is_a_unit_vector(network):
    images, cameras, _ = inputs(1)
    up = network.encode_views(images, cameras).up
    torch.testing.assert_close(up.norm(dim=1), torch.ones(1))
    torch.testing.assert_close(network.estimate_up(images), up)


def test_points_are_independent_of_each_other(network):
    images, cameras, points = inputs()
    features = network.encode_views(images, cameras)
    torch.testing.assert_close(
        network.predict_occupancy(features, points)[:, :7],
        network.predict_occupancy(features, points[:, :7]),
    )


def test_the_order_of_views_does_not_matter(network):
    images, cameras, points = inputs()
    order = [2, 0, 1]
    one = network.predict_occupancy(network.encode_views(images, cameras), points)
    two = network.predict_occupancy(
        network.encode_views(images[:, order], cameras[:, order]), points
    )
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


def test_color_outside_of_the_mask_has_no_effect(network):
    images, cameras, points = inputs()
    images[:, :, 3, :64] = 0
    other = images.clone()
    other[:, :, :3, :64] = 0.123
    one, two = (
        network.predict_occupancy(network.encode_views(p, cameras), points) for p in (images, other)
    )
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize(
    "camera",
    [*CAMERAS, side_camera("right", 1.1, 64)],
    ids=["perspective", "orthographic", "right"],
)
def test_depth_logits_are_sampled_at_the_pixel_and_depth_of_a_point(camera):
    """The 5th of 16 depths behind the pixel in column 11 and row 3 of 16."""
    depth_logits = torch.zeros(1, 1, 16, 16, 16)
    depth_logits[0, 0, 4, 3, 11] = 1
    where, depth = np.array([(11.5, 3.5)]) / 8 - 1, np.array([4.5 / 8 - 1]) * DEPTH_LIMIT
    matrix = camera_matrix(camera)
    point = torch.from_numpy(unproject_points(matrix, where, depth)).float()[None]
    assert sample_depth_logits(
        depth_logits, torch.from_numpy(matrix)[None, None], point
    ).item() == pytest.approx(1, abs=1e-3)


def test_a_single_view_is_evaluated_in_its_entirety(network):
    """A corner has an effect behind other corners, and only the single-view network is used."""
    images, cameras, points = inputs(1)

    def found():
        return network.predict_occupancy(network.encode_views(images, cameras), points)[0]

    network.train()  # the running means of a new network would hide all differences
    torch.testing.assert_close(network.predict_single_view(images, cameras, points)[0][0], found())
    one = found()
    images[..., -16:, -16:] = 0
    elsewhere = project_points(cameras, points)[0][0, 0].amax(1) < 0.5
    assert elsewhere.any() and ((found() - one)[elsewhere].abs() > 1e-4).float().mean() > 0.8
    torch.nn.init.zeros_(network.single_view.depth_head.weight)
    torch.nn.init.constant_(network.single_view.depth_head.bias, 3.0)
    torch.testing.assert_close(found(), torch.full((40,), 3.0))


def test_a_mirrored_image_gives_the_mirrored_solid(network):
    images, cameras, _ = inputs(1)

    def both():
        pair = (images, images.flip(-1))
        return (network.encode_views(x, cameras).depth_logits for x in pair)

    network.train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # or the running means would hide all differences
    one, two = both()
    assert (two.flip(-1) - one).abs().max() > 1e-3  # the weights are not symmetric
    network.eval()
    one, two = both()
    assert one.std() > 1e-3
    torch.testing.assert_close(two.flip(-1), one)


def test_perspective_and_orthographic_single_views_differ(network):
    images, _, points = inputs(1)
    flat, pinhole = (
        torch.from_numpy(
            camera_matrix(kind(look_at(np.array((0, -2.0, 0)), np.zeros(3)), size, 128))
        )[None, None]
        for kind, size in ((orthographic_camera, 1.1), (perspective_camera, 0.5))
    )
    middle = points[:, :1] * 0  # on the same pixel of both
    found = [
        network.predict_occupancy(network.encode_views(images, camera), middle)
        for camera in (flat, pinhole)
    ]
    assert found[0] != found[1]
