"""Draw the values of ``randomization``: poses, materials, lights, backgrounds."""

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

# Materials.
_METALLIC = (-3, 1)  # clipped at 0, so that three of four materials are not metallic
_ROUGHNESS = (0.1, 1)  # a perfect mirror shows nothing of its own shape
_LOG2_FREQUENCY = (0, 4)  # 1 to 16 periods

# Lights, in radii (half diagonals of the bounding box).
_LIGHT_HEIGHT = (-0.2, 1)  # of its direction, even on the sphere; mostly from above
_LIGHT_DISTANCE = (2, 5)
_LIGHT_SIZE = (0.2, 1.5)  # from hard to soft shadows
_WALL_MARGIN = 0.8  # of the distance to a wall, beyond which there is no light
_IRRADIANCE = (0.5, 3)  # W/m2 of all lights together; Blender's sun has 1 by default
_TEMPERATURE = (2500, 9000)  # kelvin, from light bulbs to shade

_WINDOW_PART = (0.5, 1)  # of a background image that is shown, so that it is not too coarse

# Chromaticities of the Planckian locus, as polynomials of 1000 K / temperature (Kim et al. 2002, US
# patent 7024034), and the matrix from XYZ to linear sRGB (IEC 61966-2-1).
_SPLIT_OF_X = 4000  # kelvin
_X_WARM = (-0.2661239, -0.2343589, 0.8776956, 0.179910)
_X_COLD = (-3.0258469, 2.1070379, 0.2226347, 0.240390)
_SPLITS_OF_Y = (2222, 4000)  # kelvin
_Y_WARM = (-1.1063814, -1.34811020, 2.18555832, -0.20219683)
_Y_MIDDLE = (-0.9549476, -1.37418593, 2.09137015, -0.16748867)
_Y_COLD = (3.0817580, -5.87338670, 3.75112997, -0.37001483)
_XYZ_TO_RGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))


def sample_pose(
    rng: np.random.Generator, random: Randomization, center: NDArray[np.float64]
) -> Pose:
    """Return a rotation and a scale.

    The rotation is uniform over all (Shoemake 1992, Uniform Random Rotations) or over those about
    Z, the scale uniform by its logarithm.

    Args:
        rng: draws the pose.
        random: which rotations and scales there are.
        center: (3,) fixed point, meters.
    """
    u, v, w, s = rng.random(4)
    least, greatest = random.scale
    scale = float(least * (greatest / least) ** s)

    quaternion: tuple[float, float, float, float]
    if random.turn == "any":
        quaternion = (
            np.sqrt(1 - v) * np.sin(2 * np.pi * u),
            np.sqrt(1 - v) * np.cos(2 * np.pi * u),
            np.sqrt(v) * np.sin(2 * np.pi * w),
            np.sqrt(v) * np.cos(2 * np.pi * w),
        )
    elif random.turn == "z":
        quaternion = (np.cos(np.pi * u), 0.0, 0.0, np.sin(np.pi * u))
    else:
        quaternion = (1.0, 0.0, 0.0, 0.0)

    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation_matrix(quaternion)
    matrix[:3, 3] = center - matrix[:3, :3] @ center
    return Pose(to_floats(quaternion), scale, matrix)


def random_rotation(rng: np.random.Generator, angle: float) -> NDArray[np.float64]:
    """Return a rotation (4, 4) by ``angle``, radians, about a random axis."""
    axis = rng.normal(size=3)
    unit_axis = axis / np.linalg.norm(axis)
    quaternion = (np.cos(angle / 2), *(unit_axis * np.sin(angle / 2)))

    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(quaternion)
    return matrix


def rotation_matrix(quaternion: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix (3, 3) of a unit quaternion (w, x, y, z)."""
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
    """Return ``count`` materials, or none if the object keeps those that it has."""
    if rng.random() >= random.materials:
        return ()
    files = images_in(random.textures) if random.textures else []
    textures = (*TEXTURES, "picture") if files else TEXTURES
    return tuple(_sample_material(rng, textures, files) for _ in range(count))


def _sample_material(
    rng: np.random.Generator, textures: Sequence[str], files: Sequence[Path]
) -> MaterialParams:
    """Return one material with a texture of ``textures``; a "picture" is one of ``files``."""
    texture = textures[rng.integers(len(textures))]
    file_choice = rng.random()  # drawn always, so that files change no other value
    picture = None
    if texture == "picture":
        picture = files[int(file_choice * len(files))]

    metallic = max(0.0, float(rng.uniform(*_METALLIC)))
    first_color = to_floats(rng.random(3))
    second_color = to_floats(rng.random(3))

    return MaterialParams(
        texture=texture,
        picture=picture,
        colours=(first_color, second_color),
        roughness=float(rng.uniform(*_ROUGHNESS)),
        metallic=metallic,
        frequency=float(2 ** rng.uniform(*_LOG2_FREQUENCY)),
        offset=to_floats(rng.random(3)),
    )


def sample_lights(
    rng: np.random.Generator,
    random: Randomization,
    bounds: NDArray[np.float64],
    aim: NDArray[np.float64] | None = None,
    free: Callable[[NDArray[np.float64]], float] | None = None,
) -> tuple[AreaLight, ...]:
    """Return lights around the object, mostly above it, together about as bright on it as the sun.

    Args:
        rng: draws the lights.
        random: how many there are.
        bounds: (2, 3) of the object, meters.
        aim: (3,) what they surround and face; None for the middle of the bounds.
        free: returns the distance to the next surface from there in the direction of a unit
            vector (3,), meters; None for no limit.
    """
    center = bounds.mean(0) if aim is None else aim
    radius = float(np.linalg.norm(bounds[1] - bounds[0])) / 2
    lights = []
    count = rng.integers(random.lamps + 1)

    for _ in range(count):
        # Direction, by even heights on the sphere, and distance, before any wall.
        height = rng.uniform(*_LIGHT_HEIGHT)
        azimuth = rng.uniform(0, 2 * np.pi)
        distance = radius * rng.uniform(*_LIGHT_DISTANCE)
        level = np.sqrt(1 - height * height)
        direction = np.array((level * np.cos(azimuth), level * np.sin(azimuth), height))
        if free:
            distance = min(distance, _WALL_MARGIN * free(direction))

        # Power for an irradiance: a flat light emits its power over pi, straight ahead.
        irradiance = rng.uniform(*_IRRADIANCE) / count
        size = min(radius * rng.uniform(*_LIGHT_SIZE), distance)
        lights.append(
            AreaLight(
                place=to_floats(center + distance * direction),
                target=to_floats(center),
                size=float(size),
                temperature=float(rng.uniform(*_TEMPERATURE)),
                power=float(irradiance * np.pi * distance**2),
            )
        )

    return tuple(lights)


def black_body_color(temperature: float) -> NDArray[np.float64]:
    """Return the linear sRGB color (3,) of a black body, of luminance about 1.

    The cubic splines of Kim et al. 2002 (US patent 7024034) for the Planckian locus.

    Args:
        temperature: 1667 to 25000 K.
    """
    inverse = 1000 / temperature
    x = np.polyval(_X_WARM if temperature < _SPLIT_OF_X else _X_COLD, inverse)

    warm_limit, middle_limit = _SPLITS_OF_Y
    if temperature < warm_limit:
        y = np.polyval(_Y_WARM, x)
    elif temperature < middle_limit:
        y = np.polyval(_Y_MIDDLE, x)
    else:
        y = np.polyval(_Y_COLD, x)

    # From chromaticity to XYZ of luminance 1; colors out of sRGB's gamut are clipped.
    xyz = (x / y, 1, (1 - x - y) / y)
    color: NDArray[np.float64] = np.maximum(np.array(_XYZ_TO_RGB) @ xyz, 0)
    return color


def sample_background(rng: np.random.Generator, random: Randomization) -> Background:
    """Return a background of one of the kinds that ``random`` has; each kind draws all values."""
    kind = random.backgrounds[rng.integers(len(random.backgrounds))]
    color = rng.integers(0, 256, 3).tolist()
    file_choice = rng.random()
    window = (*rng.random(2), rng.uniform(*_WINDOW_PART))

    if kind == "plain":
        return Background(kind, colour=tuple(color))
    if kind == "image":
        assert random.pictures is not None  # Randomization.validate
        files = images_in(random.pictures)
        picture = files[int(file_choice * len(files))]
        return Background(kind, picture=picture, window=to_floats(window))

    return Background(kind)


def background_image(background: Background, width: int, height: int) -> NDArray[np.uint8]:
    """Return a background that needs no renderer: plain, image, or transparent.

    Returns:
        (H, W, 4) 8-bit sRGB.

    Raises:
        ImageError: the image cannot be read.
    """
    if background.colour is not None:
        rgba = np.array((*background.colour, 255), np.uint8)
        return np.broadcast_to(rgba, (height, width, 4))
    if background.picture is None or background.window is None:
        return np.zeros((height, width, 4), np.uint8)
    return _cropped_image(background.picture, background.window, width, height)


def _cropped_image(
    path: Path, window: Sequence[float], width: int, height: int
) -> NDArray[np.uint8]:
    """Return the window of an image, (H, W, 4) 8-bit sRGB; ``window`` as in :class:`Background`."""
    from PIL import Image

    source = image_files.read_image(path)[..., :3]
    rows, columns = source.shape[:2]

    # The largest window of the view's proportions has `unit` source pixels for one of the view.
    x, y, part = window
    unit = part * min(columns / width, rows / height)
    left = x * (columns - unit * width)
    top = y * (rows - unit * height)
    box = (left, top, left + unit * width, top + unit * height)

    image = Image.fromarray((source * 255 + 0.5).astype(np.uint8))
    cropped = image.resize((width, height), Image.Resampling.BICUBIC, box)
    return np.dstack((np.asarray(cropped), np.full((height, width), 255, np.uint8)))


def to_floats(values: Iterable[float]) -> tuple[float, ...]:
    """Return ``values`` as Python's floats, which JSON has."""
    return tuple(float(value) for value in values)
