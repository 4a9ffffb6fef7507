"""Surfaces that are lit anew look as the physics of diffuse light says."""

import numpy as np
import pytest
from maquette.core.imaging.color import from_linear, to_linear
from maquette.core.model.training.dense.relighting import (
    Light,
    LightConfig,
    clay,
    draw_light,
    irradiance,
    relit,
    solid_texture,
)

UP = np.array((0.0, 0.0, 1.0))


def sphere(count=500):
    normals = np.random.default_rng(0).normal(size=(count, 3))
    return (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)


def lamp(direction, strength):
    direction = np.array(direction, np.float32)
    return Light(np.zeros((9, 3), np.float32), direction, np.full(3, strength, np.float32))


def sky(level):
    ambient = np.zeros((9, 3), np.float32)
    ambient[0] = level
    return Light(ambient, np.array((0, 0, 1), np.float32), np.zeros(3, np.float32))


def test_a_white_sphere_under_one_lamp_is_lit_by_the_cosine():
    normals = sphere()
    white = np.full((len(normals), 3), 255, np.uint8)
    closed = np.zeros(len(normals), np.uint8)
    color = relit(white, normals, closed, lamp((0.6, 0, 0.8), 0.7))
    expected = 0.7 * np.maximum(normals @ (0.6, 0, 0.8), 0)
    assert np.abs(to_linear(color) - expected[:, None]).max() < 1e-3


def test_occlusion_multiplies_the_ambient_light_alone():
    normals = sphere()
    white = np.full((len(normals), 3), 255, np.uint8)
    half = np.full(len(normals), 128, np.uint8)
    open_ = np.full(len(normals), 255, np.uint8)
    assert np.allclose(
        relit(white, normals, half, sky(0.5)), from_linear(0.5 * 128 / 255), atol=1e-4
    )
    under_lamp = [relit(white, normals, part, lamp((0, 0, 1), 0.5)) for part in (half, open_)]
    assert np.array_equal(*under_lamp)


def test_gray_albedo_multiplies_linear_light():
    normals = sphere(4)
    gray = np.full((4, 3), 188, np.uint8)
    open_ = np.full(4, 255, np.uint8)
    color = relit(gray, normals, open_, sky(0.5))
    assert np.allclose(to_linear(color), 0.5 * to_linear(np.array(188 / 255)), atol=1e-4)


def test_irradiance_is_the_integral_of_the_light_over_the_hemisphere():
    light = draw_light(np.random.default_rng(3), LightConfig(), UP)
    ways = sphere(200_000)
    x, y, z = ways.T
    basis = (np.ones_like(x), x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y)
    radiance = np.stack(basis, axis=1) @ light.ambient
    for normal in sphere(5):
        cosine = np.maximum(ways @ normal, 0)[:, None]
        expected = 4 * (cosine * radiance).mean(axis=0)  # over pi, by samples of the whole sphere
        assert irradiance(normal[None], light)[0] == pytest.approx(expected, abs=0.01)


def test_lights_differ_from_draw_to_draw_and_none_is_negative():
    rng = np.random.default_rng(1)
    lights = [draw_light(rng, LightConfig(), UP) for _ in range(50)]
    assert len({float(light.ambient[0, 0]) for light in lights}) == 50
    assert all((irradiance(sphere(), light) >= 0).all() for light in lights)
    assert np.mean([light.direction[2] for light in lights]) > 0.3


def test_wrong_textures_have_several_colors_and_clay_has_one():
    rng = np.random.default_rng(2)
    points = rng.uniform(-0.5, 0.5, (2000, 3)).astype(np.float32)
    textures = [solid_texture(points, rng) for _ in range(8)]
    assert all(texture.shape == (2000, 3) for texture in textures)
    assert min(texture.astype(float).std(axis=0).max() for texture in textures) > 5
    assert len(np.unique(clay(2000, rng))) == 1
