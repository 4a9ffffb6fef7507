"""Light rendered surfaces anew: infinite light for the price of one rendering.

An image is albedo x (ambient light x openness + lamp). The ambient light is drawn as spherical
harmonics of order 2, which hold 99 % of what a diffuse surface sends back of a distant light
(Ramamoorthi and Hanrahan 2001, doi:10.1145/383259.383317); the lamp is a distant one, without
shadows. Ambient occlusion multiplies the ambient light alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....imaging.color import to_linear

Floats = NDArray[np.float32]

# Factors of the harmonics times those of the cosine lobe, over pi: a constant light of 1 gives 1.
_BAND = (1.0, 2 / 3, 1 / 4)
_LINEAR = to_linear(np.arange(256) / 255).astype(np.float32)


@dataclass(frozen=True)
class Light:
    """A distant light.

    Attributes:
        ambient: (9, 3) float32 coefficients of linear red, green and blue light for 1; x, y, z;
            xy, yz, 3zz - 1, xz, xx - yy of the direction that it comes from.
        direction: (3,) float32 unit vector towards the lamp.
        lamp: (3,) float32 linear light that a white surface sends back if it faces the lamp.
    """

    ambient: Floats
    direction: Floats
    lamp: Floats


@dataclass(frozen=True)
class LightConfig:
    """How lights are drawn.

    Attributes:
        lamp_share: share of lights with a lamp; the others are overcast.
        contrast: standard deviation of the ambient light's harmonics of order 1, of its mean.
        tint: standard deviation of the log of each color of the ambient light and of the lamp.
        exposure: standard deviation of the log of the brightness of all.
        lamp_range: least and most of the lamp's light to the ambient one.
        overhead: how much lamps come from above rather than from anywhere, 0 to 1.
    """

    lamp_share: float = 0.8
    contrast: float = 0.35
    tint: float = 0.1
    exposure: float = 0.3
    lamp_range: tuple[float, float] = (0.3, 3.0)
    overhead: float = 0.6


def draw_light(
    rng: np.random.Generator, config: LightConfig, up: NDArray[np.floating[Any]]
) -> Light:
    """Draw a light at random.

    Args:
        rng: to draw from.
        config: how lights are drawn.
        up: (3,) unit vector that is up in the frame of the normals; the sky is mostly there.
    """
    # Ambient light: bright above more often than not, and a little of everything else.
    ambient = np.zeros((9, 3), np.float32)
    level = 0.5 * np.exp(rng.normal(0, config.exposure))
    ambient[0] = level * np.exp(rng.normal(0, config.tint, 3))
    slope = rng.normal(0, config.contrast, 3) + config.contrast * config.overhead * up
    ambient[1:4] = slope[:, None] * ambient[0]
    bend = rng.normal(0, config.contrast / 2, 5)
    ambient[4:] = bend[:, None] * ambient[0]

    # Lamp: from anywhere, but rather from above.
    direction = rng.normal(size=3) + 2 * config.overhead * np.asarray(up)
    direction = direction / np.linalg.norm(direction)
    lamp = np.zeros(3)
    if rng.random() < config.lamp_share:
        strength = np.exp(rng.uniform(*np.log(config.lamp_range)))
        lamp = level * strength * np.exp(rng.normal(0, config.tint, 3))

    # As a camera meters: a white surface in the brightest light is at the edge of the range.
    brightest = ambient[0].max() + lamp.max()
    gain = np.exp(rng.normal(0, config.exposure)) / max(brightest, 1e-3)

    return Light(
        ambient=ambient * np.float32(gain),
        direction=direction.astype(np.float32),
        lamp=(lamp * gain).astype(np.float32),
    )


def irradiance(normals: Floats, light: Light) -> Floats:
    """Return what a white surface sends back of the ambient light: (P, 3), at least 0.

    Args:
        normals: (P, 3) float32 unit vectors.
        light: of which the lamp is left out.
    """
    # Real spherical harmonics of order 0, 1 and 2, in the order of `Light.ambient`.
    x, y, z = normals.T
    basis = np.empty((len(normals), 9), np.float32)
    basis[:, 0] = _BAND[0]
    basis[:, 1] = _BAND[1] * x
    basis[:, 2] = _BAND[1] * y
    basis[:, 3] = _BAND[1] * z
    basis[:, 4] = _BAND[2] * x * y
    basis[:, 5] = _BAND[2] * y * z
    basis[:, 6] = _BAND[2] * (3 * z * z - 1)
    basis[:, 7] = _BAND[2] * x * z
    basis[:, 8] = _BAND[2] * (x * x - y * y)

    return np.maximum(basis @ light.ambient, 0)


def relit(
    albedo: NDArray[np.uint8], normals: Floats, occlusion: NDArray[np.uint8], light: Light
) -> Floats:
    """Return the sRGB color (P, 3) in 0..1 of P points of a diffuse surface.

    Args:
        albedo: (P, 3) uint8 sRGB.
        normals: (P, 3) float32 unit vectors, outward.
        occlusion: (P,) uint8 share of the hemisphere that is open, 255 for all.
        light: in the frame of the normals.
    """
    openness = occlusion.astype(np.float32)[:, None] / 255
    ambient = irradiance(normals, light) * openness
    cosine = normals @ light.direction
    facing = np.maximum(cosine, 0)[:, None]
    received = ambient + facing * light.lamp
    return _srgb(_LINEAR[albedo] * received)


def _srgb(light: Floats) -> Floats:
    """Return sRGB values of linear ``light``; what is above 1 is cut off. In float32, for speed."""
    light = np.clip(light, 0, 1)
    curved = np.float32(1.055) * light ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(light <= np.float32(0.0031308), np.float32(12.92) * light, curved)


def clay(count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the albedo (count, 3) of gray clay, of one brightness drawn at random."""
    return np.full((count, 3), int(rng.integers(110, 220)), np.uint8)


def solid_texture(points: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the albedo (P, 3) of a random texture that has nothing to do with the object.

    Value noise of two octaves in space, through a random palette: blotches, stripes or plain.

    Args:
        points: (P, 3) float32 in the object's frame, about -0.5..0.5.
        rng: to draw from.
    """
    stretch = np.exp(rng.uniform(-1, 1, 3)).astype(np.float32)
    frequency = np.float32(np.exp(rng.uniform(np.log(2), np.log(14))))
    coarse = _value_noise(points * stretch * frequency, rng)
    fine = _value_noise(points * stretch * frequency * 3, rng)
    height = coarse + np.float32(rng.uniform(0, 0.6)) * fine
    if rng.random() < 0.4:
        stripes = np.float32(rng.uniform(4, 14))
        height = np.sin(height * stripes) / 2 + np.float32(0.5)

    # A palette of a few colors, with hard or soft borders.
    count = int(rng.integers(2, 5))
    colors = rng.integers(20, 250, (count, 3)).astype(np.float32)
    span = max(float(np.ptp(height)), 1e-3)
    height = (height - height.min()) / span * (len(colors) - 1)
    below = np.minimum(height.astype(int), len(colors) - 2)
    share = height - below
    if rng.random() < 0.5:
        share = np.round(share)
    step = colors[below + 1] - colors[below]
    mixed = colors[below] + step * share[:, None]
    texture: NDArray[np.uint8] = mixed.astype(np.uint8)

    return texture


def _value_noise(points: Floats, rng: np.random.Generator) -> Floats:
    """Return random values (P,) in 0..1, smooth over distances of about 1."""
    side = 16
    lattice = rng.random((side, side, side), np.float32)
    lower = np.floor(points).astype(np.int32)
    share = points - lower
    share = share * share * (3 - 2 * share)  # smooth across the borders of cells
    lower = lower % side
    upper = (lower + 1) % side

    # Each of the 8 corners of a point's cell counts by the product of its shares along the axes.
    result = np.zeros(len(points), np.float32)
    for corner in range(8):
        index = []
        weight = np.ones(len(points), np.float32)
        for axis in range(3):
            axis_share = share[:, axis]
            if (corner >> axis) & 1:
                index.append(upper[:, axis])
                weight = weight * axis_share
            else:
                index.append(lower[:, axis])
                weight = weight * (1 - axis_share)
        result += weight * lattice[tuple(index)]

    return result
