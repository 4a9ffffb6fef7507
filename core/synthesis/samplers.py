"""Draws the values of ``randomization``: poses, looks, lamps, backgrounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..imaging import image_files
from .randomization import (
    TEXTURES,
    AreaLight,
    Background,
    MaterialParams,
    Pose,
    Randomization,
    images_in,
)

_BEFORE = 0.8  # of the way to a wall: where a lamp stands at most


def sample_pose(
    rng: np.random.Generator, random: Randomization, center: NDArray[np.float64]
) -> Pose:
    """A turn, uniform over all (Shoemake 1992, Uniform Random Rotations) or over those about Z, and a scale.

    Args:
        centre: (3,) what stays where it is, metres.
    """
    u, v, w, s = rng.random(4)
    low, high = random.scale
    scale = float(low * (high / low) ** s)
    quaternion = {
        "none": (1.0, 0.0, 0.0, 0.0),
        "z": (np.cos(np.pi * u), 0.0, 0.0, np.sin(np.pi * u)),
        "any": (
            np.sqrt(1 - v) * np.sin(2 * np.pi * u),
            np.sqrt(1 - v) * np.cos(2 * np.pi * u),
            np.sqrt(v) * np.sin(2 * np.pi * w),
            np.sqrt(v) * np.cos(2 * np.pi * w),
        ),
    }[random.turn]
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation_matrix(quaternion)
    matrix[:3, 3] = center - matrix[:3, :3] @ center
    return Pose(tuple(float(part) for part in quaternion), scale, matrix)


def random_rotation(rng: np.random.Generator, angle: float) -> NDArray[np.float64]:
    """A turn by ``angle``, radians, about any axis (4, 4)."""
    axis = rng.normal(size=3)
    result = np.eye(4)
    result[:3, :3] = rotation_matrix(
        (np.cos(angle / 2), *(axis / np.linalg.norm(axis) * np.sin(angle / 2)))
    )
    return result


def rotation_matrix(quaternion: Sequence[float]) -> NDArray[np.float64]:
    """(3, 3) of a unit quaternion (w, x, y, z)."""
    w, x, y, z = quaternion
    return np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
    )


def sample_materials(
    rng: np.random.Generator, random: Randomization, count: int
) -> tuple[MaterialParams, ...]:
    """``count`` materials, or none if the object keeps its own."""
    if rng.random() >= random.materials:
        return ()
    files = images_in(random.textures) if random.textures else []
    textures = (*TEXTURES, "picture") if files else TEXTURES
    return tuple(_sample_material(rng, textures, files) for _ in range(count))


def _sample_material(
    rng: np.random.Generator, textures: Sequence[str], files: Sequence[Path]
) -> MaterialParams:
    texture = textures[rng.integers(len(textures))]
    pick = rng.random()
    metallic = max(0.0, float(rng.uniform(-3, 1)))  # three in four are none
    return MaterialParams(
        texture,
        files[int(pick * len(files))] if texture == "picture" else None,
        (to_floats(rng.random(3)), to_floats(rng.random(3))),
        float(rng.uniform(0.1, 1)),
        metallic,
        float(2 ** rng.uniform(0, 4)),
        to_floats(rng.random(3)),
    )


def sample_lights(
    rng: np.random.Generator,
    random: Randomization,
    bounds: NDArray[np.float64],
    aim: NDArray[np.float64] | None = None,
    free: Callable[[NDArray[np.float64]], float] | None = None,
) -> tuple[AreaLight, ...]:
    """Lamps around the object, mostly above it, together about as bright on it as the sun.

    Args:
        bounds: (2, 3) metres. aim: (3,) what they stand around and face; None for the middle of the bounds.
        free: how far from there towards a unit vector (3,) there is nothing, metres; None for no limit.
    """
    center = bounds.mean(0) if aim is None else aim
    radius = float(np.linalg.norm(bounds[1] - bounds[0])) / 2
    lamps = []
    count = rng.integers(random.lamps + 1)
    for _ in range(count):
        up = rng.uniform(-0.2, 1)
        about = rng.uniform(0, 2 * np.pi)
        distance = radius * rng.uniform(2, 5)
        out = np.sqrt(1 - up * up)
        way = np.array((out * np.cos(about), out * np.sin(about), up))
        distance = min(distance, _BEFORE * free(way)) if free else distance
        place = center + distance * way
        irradiance = rng.uniform(0.5, 3) / count
        lamps.append(
            AreaLight(
                to_floats(place),
                to_floats(center),
                float(min(radius * rng.uniform(0.2, 1.5), distance)),
                float(rng.uniform(2500, 9000)),
                float(irradiance * np.pi * distance**2),
            )
        )
    return tuple(lamps)


def black_body_color(temperature: float) -> NDArray[np.float64]:
    """(3,) linear sRGB of luminance about 1 of a black body of 1667 to 25000 K.

    The cubic splines of Kim et al. 2002 (US patent 7024034) for the Planckian locus.
    """
    inverse = 1000 / temperature
    warm = (-0.2661239, -0.2343589, 0.8776956, 0.179910)
    cold = (-3.0258469, 2.1070379, 0.2226347, 0.240390)
    x = np.polyval(warm if temperature < 4000 else cold, inverse)
    if temperature < 2222:
        y = np.polyval((-1.1063814, -1.34811020, 2.18555832, -0.20219683), x)
    elif temperature < 4000:
        y = np.polyval((-0.9549476, -1.37418593, 2.09137015, -0.16748867), x)
    else:
        y = np.polyval((3.0817580, -5.87338670, 3.75112997, -0.37001483), x)
    to_rgb = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
    return np.maximum(np.array(to_rgb) @ (x / y, 1, (1 - x - y) / y), 0)


def sample_background(rng: np.random.Generator, random: Randomization) -> Background:
    kind = random.backgrounds[rng.integers(len(random.backgrounds))]
    color = rng.integers(0, 256, 3).tolist()
    pick = rng.random()
    window = (*rng.random(2), rng.uniform(0.5, 1))
    if kind == "plain":
        return Background(kind, tuple(color))
    if kind == "image":
        files = images_in(random.pictures)  # type: ignore[arg-type]
        return Background(kind, None, files[int(pick * len(files))], to_floats(window))
    return Background(kind)


def background_image(background: Background, width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 4) 8 bit sRGB of a background that needs no renderer: plain, image, or transparent.

    Raises:
        ImageError: the picture cannot be read.
    """
    if background.kind == "plain":
        return np.broadcast_to(np.uint8((*background.colour, 255)), (height, width, 4))  # type: ignore[misc]
    if background.kind != "image":
        return np.zeros((height, width, 4), np.uint8)
    from PIL import Image

    whole = image_files.read_image(background.picture)[..., :3]  # type: ignore[arg-type]
    rows, columns = whole.shape[:2]
    x, y, part = background.window  # type: ignore[misc]
    unit = part * min(columns / width, rows / height)
    left = x * (columns - unit * width)
    top = y * (rows - unit * height)
    picture = Image.fromarray((whole * 255 + 0.5).astype(np.uint8))
    cut = picture.resize(
        (width, height),
        Image.Resampling.BICUBIC,
        (left, top, left + unit * width, top + unit * height),
    )
    return np.dstack((np.asarray(cut), np.full((height, width), 255, np.uint8)))


def to_floats(values: Iterable[float]) -> tuple[float, ...]:
    """As Python's own, which JSON knows."""
    return tuple(float(value) for value in values)
