"""Light that is drawn: a dome around a scene, a sun, and area lamps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import bpy
import mathutils
import numpy as np

from ...synthesis.randomization import MOST, AreaLight
from ...synthesis.samplers import black_body_color
from .. import compat

_NAME = "Maquette Light"
Exposures = dict[Path, tuple[float, float]]


@dataclass(frozen=True)
class LightSettings:
    """A dome, a sun, and at most three area lamps.

    hdri: an EXR or HDR picture, or None for even white. level: mean radiance of the dome (1 shows white as white).
    turn: of the dome about Z, radians. sun: irradiance, W/m^2; 0 for none.
    sun_tilt, sun_turn: where it stands, radians from the zenith and about Z.
    """

    hdri: Path | None = None
    level: float = 1.0
    turn: float = 0.0
    sun: float = 0.0
    sun_tilt: float = 0.0
    sun_turn: float = 0.0
    lamps: tuple[AreaLight, ...] = ()


class StudioLights:
    """What lights a scene; make it with :func:`temporary_lights`."""

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
        """Set the dome, the sun and the lamps."""
        tree = self._world.node_tree
        nodes = tree.nodes
        picture = nodes["Environment Texture"]
        background = nodes["Background"]
        old = picture.image
        picture.image = bpy.data.images.load(str(light.hdri)) if light.hdri else None
        if old:
            bpy.data.images.remove(old)
        if (
            light.hdri and light.hdri not in self._exposures
        ):  # a tenth of a small view's time, so once a dome
            self._exposures[light.hdri] = _dome_clamp(picture.image)
        ceiling, mean = self._exposures[light.hdri] if light.hdri else (1.0, 1.0)
        nodes["Ceiling"].inputs[1].default_value = (ceiling,) * 3
        background.inputs["Strength"].default_value = light.level / mean
        nodes["Mapping"].inputs["Rotation"].default_value = (0, 0, light.turn)
        if light.hdri:
            tree.links.new(nodes["Ceiling"].outputs[0], background.inputs["Color"])
        elif background.inputs["Color"].is_linked:
            tree.links.remove(background.inputs["Color"].links[0])
        self._sun.data.energy = light.sun
        self._sun.rotation_euler = (light.sun_tilt, 0, light.sun_turn)
        for obj in self._lamps[len(light.lamps) :]:
            obj.hide_render = True
        for obj, lamp in zip(self._lamps, light.lamps, strict=False):
            _set_lamp(obj, lamp)


def sample_light(
    domes: Sequence[Path], rng: np.random.Generator, lamps: tuple[AreaLight, ...] = ()
) -> LightSettings:
    """One of ``domes`` or none, and sometimes a sun, besides ``lamps``."""
    pick = rng.random()
    level = rng.uniform(0.5, 1.1)
    turn = rng.uniform(0, 2 * np.pi)
    sunny = rng.random() < 0.35
    sun = rng.uniform(0.5, 3)
    tilt = rng.uniform(0.1, 1.2)
    about = rng.uniform(0, 2 * np.pi)
    dome = domes[int(pick * len(domes))] if domes and rng.random() < 0.85 else None
    return LightSettings(
        dome, level * (0.7 if sunny else 1), turn, sun if sunny else 0.0, tilt, about, lamps
    )


@contextmanager
def temporary_lights(
    scene: bpy.types.Scene, exposures: Exposures, dome: bool = True
) -> Iterator[StudioLights]:
    """Lights of their own in ``scene``; gone afterwards.

    Args:
        exposures: what has been found out of domes, kept from one time to the next.
        dome: whether it takes the place of the scene's world meanwhile.
    """
    world = _make_dome()
    own = scene.world
    sun = _hidden_light('SUN')
    sun.data.angle = 0.2
    sun.data.energy = 0
    sun.hide_render = False
    objects = [sun, *(_hidden_light('AREA') for _ in range(MOST))]
    for obj in objects:
        scene.collection.objects.link(obj)
    if dome:
        scene.world = world
    try:
        yield StudioLights(world, sun, objects[1:], exposures)
    finally:
        with suppress(ReferenceError):  # an undo takes all of them
            if dome:
                scene.world = own
            picture = world.node_tree.nodes["Environment Texture"].image
            if picture:
                bpy.data.images.remove(picture)
            for data in [obj.data for obj in objects]:
                bpy.data.lights.remove(data)  # and with it the object
            bpy.data.worlds.remove(world)


def _hidden_light(kind: str) -> bpy.types.Object:
    lamp = bpy.data.objects.new(_NAME, bpy.data.lights.new(_NAME, kind))
    lamp.hide_render = True
    lamp.visible_camera = False
    return lamp


def _set_lamp(obj: bpy.types.Object, lamp: AreaLight) -> None:
    obj.hide_render = False
    obj.data.energy = lamp.power
    obj.data.size = lamp.size
    obj.data.color = black_body_color(lamp.temperature)
    way = mathutils.Vector(lamp.target) - mathutils.Vector(lamp.place)
    obj.matrix_world = mathutils.Matrix.LocRotScale(lamp.place, way.to_track_quat('-Z', 'Y'), None)


def _make_dome() -> bpy.types.World:
    world = bpy.data.worlds.new(_NAME)
    compat.use_nodes(world)
    # automatic: 2 s a change of light
    world.cycles.sampling_method = 'MANUAL'
    world.cycles.sample_map_resolution = 64
    tree = world.node_tree
    if "Background" not in tree.nodes:
        output = tree.nodes.new('ShaderNodeOutputWorld')
        tree.links.new(tree.nodes.new('ShaderNodeBackground').outputs[0], output.inputs["Surface"])
    tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    picture = tree.nodes.new('ShaderNodeTexEnvironment')
    mapping = tree.nodes.new('ShaderNodeMapping')
    coordinates = tree.nodes.new('ShaderNodeTexCoord')
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], picture.inputs["Vector"])
    ceiling = tree.nodes.new('ShaderNodeVectorMath')
    ceiling.name = "Ceiling"
    ceiling.operation = 'MINIMUM'
    tree.links.new(picture.outputs["Color"], ceiling.inputs[0])
    return world


def _dome_clamp(picture: bpy.types.Image) -> tuple[float, float]:
    """Where to cut the lamps of a dome off, so that few samples do not speckle, and the mean of what is left."""
    pixels = np.empty(len(picture.pixels), np.float32)
    picture.pixels.foreach_get(pixels)
    light = pixels.reshape(-1, picture.channels)[:, :3]
    ceiling = 3 * float(light.mean())
    return ceiling, max(float(np.minimum(light, ceiling).mean()), 1e-6)
