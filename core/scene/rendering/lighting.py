"""Temporary lights of a scene: an HDRI or a white dome, a sun, and area lights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import mathutils
import numpy as np

from ...synthesis.randomization import MOST, AreaLight
from ...synthesis.samplers import black_body_color
from .. import compat

_NAME = "Maquette Light"
_SUN_ANGLE = 0.2  # radians across: larger than the real sun, for soft edges of shadows
_IMPORTANCE_MAP_SIZE = 64  # the automatic size takes 2 s at each change of the HDRI
_CLAMP = 3  # means of an HDRI at which its lamps are clamped
_MIN_MEAN = 1e-6  # of an HDRI that is not black
_SUN_PROBABILITY = 0.35  # of a sampled light
_DIMMED = 0.7  # level of a dome next to a sun
_HDRI_PROBABILITY = 0.85  # of a sampled light, if there are HDRIs

# For each HDRI the radiance at which it is clamped, and its mean after that.
Exposures = dict[Path, tuple[float, float]]


@dataclass(frozen=True)
class LightSettings:
    """A dome, a sun, and at most three area lights. The field names are stored in records.

    Attributes:
        hdri: An EXR or HDR file for the dome, or None for a white one.
        level: Mean radiance of the dome; 1 shows white as white.
        turn: Rotation of the dome about Z, radians.
        sun: Irradiance, W/m^2; 0 for no sun.
        sun_tilt: Of the sun from the zenith, radians.
        sun_turn: Of the sun about Z, radians.
        lamps: The area lights.
    """

    hdri: Path | None = None
    level: float = 1.0
    turn: float = 0.0
    sun: float = 0.0
    sun_tilt: float = 0.0
    sun_turn: float = 0.0
    lamps: tuple[AreaLight, ...] = ()

    def scaled(self, factor: float) -> LightSettings:
        """Return the same light after the world is scaled by ``factor`` about the origin."""
        return replace(self, lamps=tuple(lamp.scaled(factor) for lamp in self.lamps))


class StudioLights:
    """The lights of a scene; make them with :func:`temporary_lights`."""

    def __init__(
        self,
        world: bpy.types.World,
        sun: bpy.types.Object,
        lamps: Sequence[bpy.types.Object],
        exposures: Exposures,
    ) -> None:
        self._world = world
        self._sun = sun
        self._lamps = lamps
        self._exposures = exposures

    def set_light(self, light: LightSettings) -> None:
        """Set the dome, the sun and the area lights."""
        self._set_dome(light)

        # A sun of no irradiance is off.
        self._sun.data.energy = light.sun
        self._sun.rotation_euler = (light.sun_tilt, 0, light.sun_turn)

        # Area lights that this setting does not use are hidden.
        for obj in self._lamps[len(light.lamps) :]:
            obj.hide_render = True
        for obj, lamp in zip(self._lamps, light.lamps, strict=False):
            _set_area_light(obj, lamp)

    def _set_dome(self, light: LightSettings) -> None:
        """Set the image, level and rotation of the dome."""
        tree = self._world.node_tree
        nodes = tree.nodes
        background = nodes["Background"]
        self._load_image(light.hdri)

        # The level is the mean radiance, whatever that of the image is.
        ceiling = 1.0
        mean = 1.0
        if light.hdri:
            ceiling, mean = self._exposures[light.hdri]
        nodes["Ceiling"].inputs[1].default_value = (ceiling,) * 3
        background.inputs["Strength"].default_value = light.level / mean
        nodes["Mapping"].inputs["Rotation"].default_value = (0, 0, light.turn)

        # Without an HDRI the background keeps its white.
        color = background.inputs["Color"]
        if light.hdri:
            tree.links.new(nodes["Ceiling"].outputs[0], color)
        elif color.is_linked:
            tree.links.remove(color.links[0])

    def _load_image(self, hdri: Path | None) -> None:
        """Replace the image of the dome, and measure its exposure at the first time."""
        node = self._world.node_tree.nodes["Environment Texture"]
        old_image = node.image
        node.image = bpy.data.images.load(str(hdri)) if hdri else None
        if old_image:
            bpy.data.images.remove(old_image)

        # It takes a tenth of the time of a small view, so only once for each HDRI.
        if hdri and hdri not in self._exposures:
            self._exposures[hdri] = _dome_clamp(node.image)


def sample_light(
    domes: Sequence[Path], rng: np.random.Generator, lamps: tuple[AreaLight, ...] = ()
) -> LightSettings:
    """Sample a dome and perhaps a sun.

    All values are drawn, used or not, so that what is switched on does not change the others.

    Args:
        domes: HDRI files to choose from; a white dome is chosen sometimes, or if there are none.
        rng: To draw from.
        lamps: Area lights to add.
    """
    choice = rng.random()
    level = rng.uniform(0.5, 1.1)
    turn = rng.uniform(0, 2 * np.pi)
    has_sun = rng.random() < _SUN_PROBABILITY
    irradiance = rng.uniform(0.5, 3)
    sun_tilt = rng.uniform(0.1, 1.2)
    sun_turn = rng.uniform(0, 2 * np.pi)

    hdri = None
    if domes and rng.random() < _HDRI_PROBABILITY:
        hdri = domes[int(choice * len(domes))]

    return LightSettings(
        hdri=hdri,
        level=level * (_DIMMED if has_sun else 1),
        turn=turn,
        sun=irradiance if has_sun else 0.0,
        sun_tilt=sun_tilt,
        sun_turn=sun_turn,
        lamps=lamps,
    )


@contextmanager
def temporary_lights(
    scene: bpy.types.Scene, exposures: Exposures, dome: bool = True
) -> Iterator[StudioLights]:
    """Yield lights in ``scene``; they are removed on exit.

    Args:
        scene: To light.
        exposures: Results for HDRIs, kept from one call to the next.
        dome: Whether the dome replaces the scene's world while the context is active.
    """
    world = _make_dome()
    scene_world = scene.world
    sun = _hidden_light('SUN')
    sun.data.angle = _SUN_ANGLE
    sun.data.energy = 0
    sun.hide_render = False

    # As many as a view can have; unused ones stay hidden.
    lamps = [_hidden_light('AREA') for _ in range(MOST)]
    objects = [sun, *lamps]
    for obj in objects:
        scene.collection.objects.link(obj)
    if dome:
        scene.world = world

    try:
        yield StudioLights(world, sun, lamps, exposures)
    finally:
        with suppress(ReferenceError):  # an undo removes all of them
            if dome:
                scene.world = scene_world
            image = world.node_tree.nodes["Environment Texture"].image
            if image:
                bpy.data.images.remove(image)
            for data in [obj.data for obj in objects]:
                bpy.data.lights.remove(data)  # and with it the object
            bpy.data.worlds.remove(world)


def _hidden_light(kind: str) -> bpy.types.Object:
    """Return a new light object that is off, and never visible to the camera."""
    obj = bpy.data.objects.new(_NAME, bpy.data.lights.new(_NAME, kind))
    obj.hide_render = True
    obj.visible_camera = False
    return obj


def _set_area_light(obj: bpy.types.Object, light: AreaLight) -> None:
    """Switch an area light on and place it."""
    obj.hide_render = False
    obj.data.energy = light.power
    obj.data.size = light.size
    obj.data.color = black_body_color(light.temperature)

    # Lights shine along their -Z.
    direction = mathutils.Vector(light.target) - mathutils.Vector(light.place)
    rotation = direction.to_track_quat('-Z', 'Y')
    obj.matrix_world = mathutils.Matrix.LocRotScale(light.place, rotation, None)


def _make_dome() -> bpy.types.World:
    """Return a new world whose nodes clamp an environment texture.

    Coordinates -> Mapping -> Environment Texture -> Ceiling (minimum), which is linked to the
    Background only with an HDRI.
    """
    world = bpy.data.worlds.new(_NAME)
    compat.use_nodes(world)
    world.cycles.sampling_method = 'MANUAL'
    world.cycles.sample_map_resolution = _IMPORTANCE_MAP_SIZE

    tree = world.node_tree
    nodes = tree.nodes
    if "Background" not in nodes:
        output = nodes.new('ShaderNodeOutputWorld')
        background = nodes.new('ShaderNodeBackground')
        tree.links.new(background.outputs[0], output.inputs["Surface"])

    # White where no HDRI is linked.
    nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)

    image = nodes.new('ShaderNodeTexEnvironment')
    mapping = nodes.new('ShaderNodeMapping')
    coordinates = nodes.new('ShaderNodeTexCoord')
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], image.inputs["Vector"])

    # Lamps in the image are clamped, so that few samples do not speckle.
    ceiling = nodes.new('ShaderNodeVectorMath')
    ceiling.name = "Ceiling"
    ceiling.operation = 'MINIMUM'
    tree.links.new(image.outputs["Color"], ceiling.inputs[0])

    return world


def _dome_clamp(image: bpy.types.Image) -> tuple[float, float]:
    """Return the radiance at which to clamp an HDRI, and its mean after that.

    Without clamping, the lamps of an HDRI would speckle images of few samples.
    """
    pixel_count = len(image.pixels)
    pixels = np.empty(pixel_count, np.float32)
    image.pixels.foreach_get(pixels)

    # Without the alpha channel.
    radiance = pixels.reshape(-1, image.channels)[:, :3]
    mean_radiance = float(radiance.mean())
    ceiling = _CLAMP * mean_radiance

    # What is left after clamping.
    clamped = np.minimum(radiance, ceiling)
    mean = float(clamped.mean())
    return ceiling, max(mean, _MIN_MEAN)
