"""What is drawn by chance for a whole scene and its views; and its objects in other materials for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...errors import DatasetError
from ...synthesis import occluders, samplers
from ...synthesis.randomization import (
    MaterialParams,
    Purpose,
    Randomization,
    SceneryParams,
    rng_for,
    to_json,
)
from ..rendering.camera_visibility import SceneBVH
from ..rendering.lighting import LightSettings, sample_light
from ..rendering.random_materials import temporary_material

Looks = Mapping[str, Sequence[MaterialParams]]
_BACK = 0.3  # of the way from what is seen to the camera: there is nothing, whatever the scene is


@dataclass(frozen=True)
class ViewSetting:
    """What one view of a whole scene is rendered in. light: besides its own lights, None for these alone.

    dome: whether that has a dome, which takes the place of the world. looks: by the full names of objects, for each
    of their slots.
    """

    light: LightSettings | None = None
    dome: bool = False
    scenery: SceneryParams = field(default_factory=SceneryParams)
    looks: Looks = field(default_factory=dict)


def check_randomization(random: Randomization, world: bool) -> None:
    """Refuse what makes no sense of a whole scene, of which the world is seen or not.

    Raises:
        DatasetError: as it says; or as ``Randomisation.validate``.
    """
    random.validate()
    if random.changes_pose:
        raise DatasetError(
            "Random Rotation and Random Scale are not available for a whole scene because its "
            "objects would intersect. Turn them off, or render selected objects"
        )
    if world and (random.occluders or random.backgrounds != ("transparent",)):
        raise DatasetError(
            "A whole scene cannot show its world together with another background or occluders. "
            "Turn off Show World; the background HDRI is the world"
        )


def sample_scene_materials(
    random: Randomization, seed: int, name: str, sources: Iterable[str]
) -> dict[str, tuple[MaterialParams, ...]]:
    """Materials for some of the objects ``sources`` of the scene ``name``, by their full names."""
    if not random.materials:
        return {}
    objects = {obj.name_full: obj for obj in bpy.data.objects}
    found = {
        source: samplers.sample_materials(
            rng_for(seed, f"{name}/{source}", Purpose.LOOKS),
            random,
            max(1, len(objects[source].material_slots)),
        )
        for source in sorted(sources)
    }
    return {source: looks for source, looks in found.items() if looks}


@dataclass(frozen=True)
class SceneRandomizer:
    """Draws the settings of the views of the scene ``name``. domes: that stand in for its world, None to keep it."""

    random: Randomization
    domes: Sequence[Path] | None
    looks: Looks
    seed: int
    name: str

    @property
    def needs_scene_bvh(self) -> bool:
        """Whether it asks for the space in which a camera stands."""
        return bool(self.random.lamps or self.random.occluders)

    def view_setting(
        self, place: int, camera: Camera, bounds: NDArray[np.float64], space: SceneBVH | None
    ) -> tuple[ViewSetting, dict[str, Any]]:
        """That of the view with the index ``place``, and what was drawn for it, as JSON knows it.

        Args:
            bounds: (2, 3) of the scene, metres. space: what is in the scene, needed if it ``looks_around``.
        """
        of_view = [rng_for(self.seed, self.name, purpose, place) for purpose in Purpose]
        rng = dict(zip(Purpose, of_view, strict=True))
        drawn: dict[str, Any] = {}
        seen = space.visible_hits(camera) if space and self.needs_scene_bvh else np.empty((0, 3))
        lamps = self._view_lights(rng[Purpose.LAMPS], camera, bounds, space, seen)
        light = LightSettings(lamps=lamps) if lamps else None
        if self.random.lamps:
            drawn["light"] = {"lamps": to_json(lamps)}
        if self.domes is not None:
            light = sample_light(self.domes, rng[Purpose.WORLD], lamps)
            drawn["light"] = to_json(light)
        background = samplers.sample_background(rng[Purpose.BACKGROUND], self.random)
        if self.random.backgrounds != ("transparent",):
            drawn["background"] = to_json(background)
        things: tuple[occluders.Occluder, ...] = ()
        if self.random.occluders:
            near = float(camera.project(seen)[1].min()) if len(seen) else 0.0
            things, hidden = occluders.sample_occluders_before(
                rng[Purpose.OCCLUDERS], self.random, camera, seen, near
            )
            drawn |= {"occluders": to_json(things), "hidden_at_most": hidden}
        return ViewSetting(
            light, self.domes is not None, SceneryParams(background, things), self.looks
        ), drawn

    def _view_lights(
        self,
        rng: np.random.Generator,
        camera: Camera,
        bounds: NDArray[np.float64],
        space: SceneBVH | None,
        seen: NDArray[np.float64],
    ) -> tuple[samplers.AreaLight, ...]:
        """Lamps about a place between the camera and what it sees, before the next wall."""
        if not self.random.lamps:
            return ()
        if not len(seen) or not space:
            return samplers.sample_lights(rng, self.random, bounds)
        pixels, depth = camera.project(seen)
        middle = np.argsort(depth)[len(depth) // 2]
        eye = camera.unproject(pixels[[middle]], np.zeros(1))[0]
        aim = seen[middle] + _BACK * (eye - seen[middle])
        return samplers.sample_lights(
            rng, self.random, bounds, aim, lambda way: space.free_distance(aim, way)
        )


@contextmanager
def override_materials(looks: Looks) -> Iterator[None]:
    """The objects wear ``looks`` meanwhile; what geometry nodes put on them stays.

    Raises:
        DatasetError: the picture of one cannot be read.
    """
    objects = {obj.name_full: obj for obj in bpy.data.objects} if looks else {}
    with ExitStack() as stack:
        for name, own in looks.items():
            if name in objects:
                _override_object(objects[name], own, stack)
        yield


def _override_object(
    obj: bpy.types.Object, looks: Sequence[MaterialParams], stack: ExitStack
) -> None:
    sides = np.ptp(np.array(obj.bound_box), axis=0)
    made = [
        stack.enter_context(temporary_material(look, sides / max(float(sides.max()), 1e-9)))
        for look in looks
    ]
    if not obj.material_slots:
        obj.data.materials.append(None)
        stack.callback(obj.data.materials.clear)  # pop would leave a slot behind
    for slot, material in zip(obj.material_slots, made, strict=False):
        link = slot.link
        slot.link = 'OBJECT'
        stack.callback(setattr, slot, "link", link)
        stack.callback(setattr, slot, "material", slot.material)
        slot.material = material
