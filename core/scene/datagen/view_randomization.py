"""Samples what each view is rendered in: its light, background and occluders.

The same for single objects and for whole scenes. What differs is where area lights and occluders
may be placed: around an object that is alone (:class:`ObjectSpace`), or between a camera and what
it sees of a scene (:class:`SceneSpace`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...synthesis import occluders, samplers
from ...synthesis.randomization import (
    AreaLight,
    MaterialParams,
    Occluder,
    Purpose,
    Randomization,
    SceneryParams,
    rng_for,
    to_json,
)
from ..rendering.camera_visibility import SceneBVH
from ..rendering.lighting import LightSettings, sample_light

Materials = Mapping[str, Sequence[MaterialParams]]  # of the slots of objects, by full name

# Share of the way back from a visible point to the camera, where nothing is, whatever the scene.
_AIM_SHARE = 0.3


@dataclass(frozen=True)
class ViewSetting:
    """What one view is rendered in.

    Attributes:
        light: In addition to the scene's lights; None for those only.
        dome: Whether ``light`` has a dome, which replaces the world.
        scenery: Background and occluders.
        materials: That replace those of the scene's objects.
    """

    light: LightSettings | None = None
    dome: bool = False
    scenery: SceneryParams = field(default_factory=SceneryParams)
    materials: Materials = field(default_factory=dict)


class ViewSpace(Protocol):
    """Where area lights and occluders of one view may be placed."""

    def sample_lights(
        self, rng: np.random.Generator, random: Randomization
    ) -> tuple[AreaLight, ...]:
        """Sample area lights."""

    def sample_occluders(
        self, rng: np.random.Generator, random: Randomization
    ) -> tuple[tuple[Occluder, ...], float]:
        """Sample occluders; return them and the share of the silhouette that they hide at most."""


@dataclass(frozen=True)
class ObjectSpace:
    """The space around a single object.

    Attributes:
        camera: Of the view.
        bounds: (2, 3) of the object, world space, meters.
        mesh: Of the object, world space.
    """

    camera: Camera
    bounds: NDArray[np.float64]
    mesh: MeshArrays

    def sample_lights(
        self, rng: np.random.Generator, random: Randomization
    ) -> tuple[AreaLight, ...]:
        """Sample area lights around the object."""
        return samplers.sample_lights(rng, random, self.bounds)

    def sample_occluders(
        self, rng: np.random.Generator, random: Randomization
    ) -> tuple[tuple[Occluder, ...], float]:
        """Sample occluders between the camera and the object."""
        return occluders.sample_occluders(rng, random, self.camera, self.mesh)


class SceneSpace:
    """The space between a camera and what it sees of a scene.

    Args:
        camera: Of the view.
        bounds: (2, 3) of the scene, meters.
        bvh: Of the scene at the view's frame; None if neither lights nor occluders are sampled.
    """

    def __init__(self, camera: Camera, bounds: NDArray[np.float64], bvh: SceneBVH | None) -> None:
        self._camera = camera
        self._bounds = bounds
        self._bvh = bvh
        self._hits = bvh.visible_hits(camera) if bvh else np.empty((0, 3))

    def sample_lights(
        self, rng: np.random.Generator, random: Randomization
    ) -> tuple[AreaLight, ...]:
        """Sample area lights around a point that is in view, in front of the next wall."""
        bvh = self._bvh
        if bvh is None or not len(self._hits):
            return samplers.sample_lights(rng, random, self._bounds)

        # The visible point of median depth, a part of the way back to the camera.
        pixels, depth = self._camera.project(self._hits)
        median = np.argsort(depth)[len(depth) // 2]
        eye = self._camera.unproject(pixels[[median]], np.zeros(1))[0]
        aim = self._hits[median] + _AIM_SHARE * (eye - self._hits[median])

        def free_distance(direction: NDArray[np.float64]) -> float:
            return bvh.free_distance(aim, direction)

        return samplers.sample_lights(rng, random, self._bounds, aim, free_distance)

    def sample_occluders(
        self, rng: np.random.Generator, random: Randomization
    ) -> tuple[tuple[Occluder, ...], float]:
        """Sample occluders in front of all that is in view."""
        min_depth = 0.0
        if len(self._hits):
            min_depth = float(self._camera.project(self._hits)[1].min())
        return occluders.sample_occluders_before(rng, random, self._camera, self._hits, min_depth)


@dataclass(frozen=True)
class ViewRandomizer:
    """Samples the settings of the views of one object or one scene.

    Attributes:
        random: What to sample.
        domes: HDRI files to choose the dome from; None to keep the world of the scene.
        seed: Of the set.
        name: Of the object or scene.
        materials: Of the scene's objects, the same in all views.
    """

    random: Randomization
    domes: Sequence[Path] | None
    seed: int
    name: str
    materials: Materials = field(default_factory=dict)

    @property
    def needs_scene_bvh(self) -> bool:
        """Return whether a :class:`SceneSpace` needs the BVH of the scene."""
        return bool(self.random.lamps or self.random.occluders)

    def view_setting(
        self, index: int, space: ViewSpace, dome_rng: np.random.Generator | None = None
    ) -> tuple[ViewSetting, dict[str, Any]]:
        """Sample the setting of a view.

        Each purpose draws from a generator of the set's seed, the name, the purpose and the view.

        Args:
            index: Of the view.
            space: Of the view.
            dome_rng: Draws the dome and the sun in place of that generator. SINGLE OBJECTS PASS THE
                GENERATOR THAT SAMPLED THEIR POINTS AND CAMERAS, so that the sets of a seed stay
                the same: it has to be passed for all views, in order.

        Returns:
            The setting, and what was sampled as JSON, for the view's record.
        """
        drawn: dict[str, Any] = {}

        # Light, background and occluders, each from its generator.
        light = self._sample_light(index, space, dome_rng, drawn)
        background = samplers.sample_background(self._rng(Purpose.BACKGROUND, index), self.random)
        if self.random.backgrounds != ("transparent",):
            drawn["background"] = to_json(background)

        # In the record only if occluders are requested, even where none was placed.
        placed: tuple[Occluder, ...] = ()
        if self.random.occluders:
            rng = self._rng(Purpose.OCCLUDERS, index)
            placed, hidden_at_most = space.sample_occluders(rng, self.random)
            drawn["occluders"] = to_json(placed)
            drawn["hidden_at_most"] = hidden_at_most

        setting = ViewSetting(
            light=light,
            dome=self.domes is not None,
            scenery=SceneryParams(background, placed),
            materials=self.materials,
        )
        return setting, drawn

    def _sample_light(
        self,
        index: int,
        space: ViewSpace,
        dome_rng: np.random.Generator | None,
        drawn: dict[str, Any],
    ) -> LightSettings | None:
        """Sample the lights of a view, and add them to ``drawn``; None if there are none."""
        lamps: tuple[AreaLight, ...] = ()

        # Else the area lights are in addition to the scene's lights.
        if self.random.lamps:
            lamps = space.sample_lights(self._rng(Purpose.LAMPS, index), self.random)

        # A dome replaces the world, and comes with a sun.
        if self.domes is not None:
            rng = self._rng(Purpose.WORLD, index) if dome_rng is None else dome_rng
            light = sample_light(self.domes, rng, lamps)
            drawn["light"] = to_json(light)
            return light

        if self.random.lamps:
            drawn["light"] = {"lamps": to_json(lamps)}
        return LightSettings(lamps=lamps) if lamps else None

    def _rng(self, purpose: Purpose, index: int) -> np.random.Generator:
        """Return the generator of one purpose for one view."""
        return rng_for(self.seed, self.name, purpose, index)
