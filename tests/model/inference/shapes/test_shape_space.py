from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from maquette.core.arrays import MeshArrays
from maquette.core.errors import MeshError, WeightsError
from maquette.core.geometry.shape_cube.box import ShapeBox, field_coordinates
from maquette.core.geometry.topology import check_topology
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.meaning_weights import save_part
from maquette.core.model.inference.shapes import shape_completion, shape_space
from maquette.core.model.inference.shapes.nearest_shapes import find_nearest, typical_distance
from maquette.core.model.inference.shapes.shape_generator import (
    ShapeGenerator,
    TrainingCodes,
    code_of_numbers,
    generator_part,
    load_generator,
    new_network,
)
from maquette.core.model.jobs import shapes
from maquette.core.model.networks.shape_autoencoder import ShapeAutoencoder, ShapeSpaceConfig
from maquette.core.model.networks.shape_generators import GeneratorSizes


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a small random shape space, whose shapes are about the whole cube."""
    path = tmp_path_factory.mktemp("weights") / "meaning.safetensors"
    return write_weights(path)


def write_weights(path):
    torch.manual_seed(0)
    network = ShapeAutoencoder(ShapeSpaceConfig(widths=(8, 8, 8), latent=2)).eval()
    torch.nn.init.constant_(network.decoder.head.bias, 1.0)
    latents = np.random.default_rng(0).normal(size=(6, 128)).astype(np.float32)
    space = shape_space.measure_space(network, latents, 4)
    save_part(path, "shapes", asdict(network.config), shape_space.shape_space_state(space))

    sizes = GeneratorSizes(numbers=6, width=8, blocks=1)
    flow = new_network("flow", sizes)
    components = np.random.default_rng(1).normal(size=(6, 131)).astype(np.float32)
    generator = ShapeGenerator(flow, np.zeros(131, np.float32), 0.1 * components, known_codes())
    save_part(path, "generator", *generator_part("flow", asdict(sizes), generator))
    return path


def known_codes():
    """Codes of three training shapes, the first of which are quite like each other."""
    coefficients = np.random.default_rng(2).normal(size=(3, 6)).astype(np.float32)
    coefficients[1] = 1.1 * coefficients[0]
    return TrainingCodes(coefficients, ("first", "second", "third"), 0.02)


def cube(size=1.0, colors=None):
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return MeshArrays((corners - 0.5) * np.float32(size), np.array(faces, np.int32), colors)


def test_the_field_of_a_mesh_comes_back_as_a_closed_mesh_in_its_box():
    steps = field_coordinates()
    inside = np.abs(steps) < 0.5
    solid = inside[:, None, None] & inside[None, :, None] & inside[None, None, :]
    field = np.where(solid, 1.0, -1.0).astype(np.float32)
    box = ShapeBox(np.array((1.0, 2.0, 3.0)), np.array((2.0, 1.0, 4.0)))
    mesh = shape_space.mesh_of_field(field, box)
    assert mesh.faces.shape[1] == 4
    assert check_topology(mesh).is_watertight
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    np.testing.assert_allclose(high - low, box.size, rtol=0.05)
    np.testing.assert_allclose((low + high) / 2, box.center, atol=0.02)


def test_a_part_that_is_decoded_a_little_too_thin_does_not_break():
    field = np.full((64, 64, 64), -1, np.float32)
    field[20:44, 20:44, 16:26] = 1
    field[20:44, 20:44, 38:48] = 1
    field[30:34, 30:34, 26:38] = -0.05
    space = SimpleNamespace(decode=lambda latent: field)
    code = shape_space.ShapeCode(np.zeros(1), ShapeBox(np.zeros(3), np.ones(3)))
    assert check_topology(shape_space.mesh_of_field(field, code.box)).pieces == 2
    mesh = shape_space.mesh_of_code(space, code)
    assert check_topology(mesh).pieces == 1 and check_topology(mesh).is_watertight


def test_an_empty_field_is_an_error():
    with pytest.raises(MeshError, match="no surface"):
        box = ShapeBox(np.zeros(3), np.ones(3))
        shape_space.mesh_of_field(np.full((64, 64, 64), -1, np.float32), box)


def test_a_blend_begins_and_ends_at_its_shapes():
    rng = np.random.default_rng(0)
    boxes = [ShapeBox(np.zeros(3), np.array(size)) for size in ((1.0, 1, 1), (4.0, 1, 1))]
    codes = [
        shape_space.ShapeCode(rng.normal(size=(2, 4, 4, 4)).astype(np.float32), box)
        for box in boxes
    ]
    for share, code in ((0.0, codes[0]), (1.0, codes[1])):
        blend = shape_space.blend_codes(*codes, share)
        np.testing.assert_allclose(blend.latent, code.latent, atol=1e-5)
        np.testing.assert_allclose(blend.box.size, code.box.size)
    middle = shape_space.blend_codes(*codes, 0.5)
    np.testing.assert_allclose(middle.box.size, (2, 1, 1))


def test_a_blend_of_equal_lengths_keeps_the_length():
    first = np.zeros((2, 4, 4, 4), np.float32)
    second = np.zeros_like(first)
    first[0] = 1
    second[1] = 1
    box = ShapeBox(np.zeros(3), np.ones(3))
    codes = [shape_space.ShapeCode(latent, box) for latent in (first, second)]
    blend = shape_space.blend_codes(*codes, 0.3)
    np.testing.assert_allclose(np.linalg.norm(blend.latent, axis=0), 1, atol=1e-5)


def test_no_strength_is_no_variation(weights):
    space = shape_space.load_shape_space(weights)
    code = shape_space.encode_mesh(space, cube())
    same = shape_space.vary_code(space, code, 0.0, 3)
    np.testing.assert_array_equal(same.latent, code.latent)
    other = shape_space.vary_code(space, code, 0.5, 3)
    again = shape_space.vary_code(space, code, 0.5, 3)
    assert np.abs(other.latent - code.latent).max() > 0.01
    np.testing.assert_array_equal(other.latent, again.latent)


def test_known_points_pull_near_vertices_onto_their_plane():
    box = ShapeBox(np.zeros(3), np.ones(3))
    points = np.array(((0, 0, 0.0),), np.float32)
    normals = np.array(((0, 0, 1.0),), np.float32)
    surface = shape_completion.KnownSurface(points, normals, None, box)
    vertices = np.array(((0.004, 0, 0.005), (0, 0, 0.3)), np.float32)
    mesh = MeshArrays(vertices, np.array(((0, 1, 0),), np.int32))
    moved = shape_completion.keep_known(mesh, surface).vertices
    np.testing.assert_allclose(moved, ((0.004, 0, 0), (0, 0, 0.3)), atol=1e-6)


def test_the_field_crosses_zero_at_known_points_and_stays_elsewhere():
    steps = np.linspace(-0.3, 0.3, 40)
    x, y = np.meshgrid(steps, steps)
    points = np.stack((x.ravel(), y.ravel(), np.full(x.size, 0.1)), 1).astype(np.float32)
    normals = np.tile(np.array((0, 0, 1), np.float32), (len(points), 1))
    box = ShapeBox(np.zeros(3), np.ones(3))
    surface = shape_completion.KnownSurface(points, normals, None, box)
    field = np.full((64, 64, 64), -1, np.float32)
    kept = shape_completion.with_known(field, surface)
    column = kept[32, 32]
    inside = field_coordinates()[column > 0]
    assert 0.08 < inside.max() < 0.1
    assert (kept[:, :, 50:] == -1).all() and (kept[:8] == -1).all()


def test_a_missing_back_extends_the_box_and_is_not_known():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 0.5, (50, 3))
    points[:2] = ((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    normals = np.tile((0, 0, 1.0), (50, 1))
    surface = shape_completion.known_surface(points, normals, "back", 0.5)
    np.testing.assert_allclose(surface.box.size, (1, 2, 1))
    np.testing.assert_allclose(surface.box.center, (0, 0.5, 0))
    assert surface.known[:, :15].all() and not surface.known[:, 17:].any()
    assert not shape_completion.known_surface(points, normals).known.any()


def test_completion_moves_the_latent_towards_the_points(weights):
    space = shape_space.load_shape_space(weights)
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.3, 0.3, (200, 3)).astype(np.float32)
    points[:, 2] = 0.1
    normals = np.tile(np.array((0, 0, 1), np.float32), (200, 1))
    surface = shape_completion.KnownSurface(
        points, normals, None, ShapeBox(np.zeros(3), np.ones(3))
    )
    start = space.encode_points(points, normals)
    config = shape_completion.CompletionConfig(steps=4)
    code = run_to_end(shape_completion.complete_surface(space, surface, config))

    def error(latent):
        field = torch.from_numpy(space.decode(latent))[None]
        return float(
            shape_completion._surface_loss(
                field, torch.from_numpy(points), torch.from_numpy(normals), config.offset
            )
        )

    assert error(code.latent) < error(start)


def test_colors_between_two_shapes_are_between_theirs(weights):
    red = np.tile(np.array((1, 0, 0), np.float32), (8, 1))
    blue = np.tile(np.array((0, 0, 1), np.float32), (8, 1))
    request = shapes.BlendRequest(cube(1.0, red), cube(1.0, blue), (0.25,), 1, weights)
    (mesh,) = run_to_end(shapes.blend_shapes(request))
    np.testing.assert_allclose(mesh.colors, np.tile((0.75, 0, 0.25), (len(mesh.vertices), 1)))
    assert check_topology(mesh).is_watertight


def test_generated_shapes_follow_from_class_and_seed(weights):
    generator = load_generator(weights)
    codes = generator.codes(3, 3, 7)
    again = generator.codes(3, 2, 7)
    np.testing.assert_array_equal(codes[1].latent, again[1].latent)
    assert np.abs(codes[0].latent - codes[1].latent).max() > 0
    assert max(codes[0].box.size) == 1
    request = shapes.GenerationRequest(3, 2, 7, 1, weights)
    made = run_to_end(shapes.generate_shapes(request))
    assert all(check_topology(shape.mesh).is_watertight for shape in made)
    for shape in made:
        assert shape.thumbnail.shape == (128, 128, 4) and shape.thumbnail[64, 64, 3] == 255
        assert shape.nearest.name in known_codes().names and shape.nearest.copying > 0
        assert shape.nearest.thumbnail[64, 64, 3] == 255


def numbers_of(generator, row):
    return generator.training.coefficients[row] @ generator.components + generator.mean


def test_a_training_shape_is_its_own_nearest_and_a_complete_copy(weights):
    space = shape_space.load_shape_space(weights)
    generator = load_generator(weights)
    for row, name in enumerate(known_codes().names):
        found = find_nearest(space, generator, code_of_numbers(numbers_of(generator, row)))
        assert found.name == name and found.distance < 1e-3


def test_the_typical_distance_is_the_mean_of_those_of_unseen_shapes(weights):
    space = shape_space.load_shape_space(weights)
    generator = load_generator(weights)
    unseen = [1.3 * numbers_of(generator, row) for row in (0, 2)]
    distances = [
        find_nearest(space, generator, code_of_numbers(numbers)).distance for numbers in unseen
    ]
    assert min(distances) > 0
    typical = run_to_end(typical_distance(space, generator, unseen))
    assert typical == pytest.approx(np.mean(distances))


def test_weights_without_training_shapes_make_shapes_all_the_same(weights, tmp_path):
    generator = load_generator(weights)
    older = tmp_path / "older.safetensors"
    older.write_bytes(weights.read_bytes())
    sizes = asdict(GeneratorSizes(numbers=6, width=8, blocks=1))
    part = generator_part("flow", sizes, replace(generator, training=None))
    save_part(older, "generator", *part)
    (made,) = run_to_end(shapes.generate_shapes(shapes.GenerationRequest(3, 1, 7, 1, older)))
    assert made.nearest is None
    with pytest.raises(WeightsError, match="Export it again"):
        find_nearest(
            shape_space.load_shape_space(older),
            load_generator(older),
            code_of_numbers(numbers_of(generator, 0)),
        )


def test_weights_of_another_shape_space_are_told(tmp_path):
    path = tmp_path / "other.safetensors"
    save_part(path, "shapes", {"widths": [8, 8, 8]}, {"kernel": torch.zeros(1, 2)})
    with pytest.raises(WeightsError, match="another shape space"):
        shape_space.load_shape_space(path)


class GuessedSpace:
    """A shape space whose guess is always the same field."""

    def __init__(self, field):
        self.field = field

    def encode_points(self, points, normals, known=None):
        return np.zeros((16, 4, 4, 4), np.float32)

    def decode(self, latent):
        return self.field


def ball_surface():
    """Return points and normals of a ball's front half."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(3000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[:, 1] = -np.abs(normals[:, 1])
    points = 0.4 * normals
    known = shape_completion.cell_centers()[..., 1] < 0
    box = ShapeBox(np.zeros(3), np.ones(3))
    return shape_completion.KnownSurface(
        points.astype(np.float32), normals.astype(np.float32), known, box
    )


def ball_field(radius):
    axis = field_coordinates()
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    distance = radius - np.sqrt(x**2 + y**2 + z**2)
    return (distance / shape_completion.REACH).clip(-1, 1).astype(np.float32)


def test_the_mirror_image_counts_where_the_guess_agrees_with_it():
    surface = ball_surface()
    whole = shape_completion.add_mirror_image(GuessedSpace(ball_field(0.4)), surface)
    added = whole.points[len(surface.points) :]
    assert whole.mirrored == (0, 1)
    assert len(added) > 0.8 * len(surface.points) and (added[:, 1] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(added, axis=1), 0.4, atol=1e-5)
    np.testing.assert_allclose(whole.normals[len(surface.points) :], added / 0.4, atol=1e-5)
    assert whole.known.all()


def test_the_mirror_image_does_not_count_where_the_guess_contradicts_it():
    surface = ball_surface()
    alone = shape_completion.add_mirror_image(GuessedSpace(ball_field(0.2)), surface)
    assert alone.mirrored == ()
    np.testing.assert_array_equal(alone.points, surface.points)


def test_the_mirror_image_of_a_shape_has_its_colors():
    # A triangle on the left, red, and where it is added on the right.
    corners = np.array(((-0.4, 0, 0), (-0.4, 0.1, 0), (-0.3, 0, 0.1)), np.float32)
    red = np.tile(np.array((1, 0, 0), np.float32), (3, 1))
    left = MeshArrays(corners, np.array(((0, 1, 2),), np.int32), colors=red)
    below = MeshArrays(
        np.array(((0.4, 0, -0.9), (0.5, 0, -0.9), (0.4, 0.1, -0.9)), np.float32),
        np.array(((0, 1, 2),), np.int32),
        colors=np.tile(np.array((0, 0, 1), np.float32), (3, 1)),
    )
    both = MeshArrays(
        np.concatenate((left.vertices, below.vertices)),
        np.array(((0, 1, 2), (3, 4, 5)), np.int32),
        colors=np.concatenate((left.colors, below.colors)),
    )
    box = ShapeBox(np.zeros(3), np.ones(3))
    nothing = np.zeros((0, 3), np.float32)
    alone = shape_completion.KnownSurface(nothing, nothing, None, box)
    mirrored = shape_completion.KnownSurface(nothing, nothing, None, box, (0,))
    right = np.array(((0.38, 0.02, 0.01),), np.float32)
    (color,) = shapes._completed_colors(right, both, mirrored)
    np.testing.assert_allclose(color, (1, 0, 0), atol=1e-6)
    far = np.array(((0.38, 0.02, -0.6),), np.float32)
    (color,) = shapes._completed_colors(far, both, alone)
    np.testing.assert_allclose(color, (0, 0, 1), atol=1e-6)
