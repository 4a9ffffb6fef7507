"""Varies the objects of a whole scene: materials that replace theirs for some time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import bpy
import numpy as np

from ...errors import DatasetError
from ...synthesis import samplers
from ...synthesis.randomization import MaterialParams, Purpose, Randomization, rng_for
from ..rendering.random_materials import temporary_material
from .view_randomization import Materials

_MIN_EXTENT = 1e-9  # of an object that has a size


def check_randomization(random: Randomization, world: bool) -> None:
    """Reject what makes no sense for a whole scene.

    Args:
        random: What to sample.
        world: Whether the scene's world is visible.

    Raises:
        DatasetError: Objects would be rotated or scaled, or a background or occluders would be in
            front of the world; or as ``Randomization.validate``.
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
    """Sample materials for some of the objects of a scene.

    Args:
        random: What to sample.
        seed: Of the set.
        name: Of the scene.
        sources: Full names of the objects.

    Returns:
        The materials of the slots of each object that gets new ones, by full name.
    """
    if not random.materials:
        return {}
    objects = {obj.name_full: obj for obj in bpy.data.objects}

    # A generator of each object: another object in the scene changes nothing of it.
    sampled = {}
    for source in sorted(sources):
        rng = rng_for(seed, f"{name}/{source}", Purpose.LOOKS)
        obj = objects[source]
        slots = max(1, len(obj.material_slots))
        materials = samplers.sample_materials(rng, random, slots)
        if materials:
            sampled[source] = materials

    return sampled


@contextmanager
def override_materials(materials: Materials) -> Iterator[None]:
    """Give objects other materials while the context is active.

    Materials that geometry nodes assign are not replaced.

    Args:
        materials: For the slots of objects, by full name; others are not changed.

    Raises:
        DatasetError: The image of a material cannot be read.
    """
    objects = {obj.name_full: obj for obj in bpy.data.objects} if materials else {}
    with ExitStack() as stack:
        for name, params in materials.items():
            if name in objects:
                _override_object(objects[name], params, stack)
        yield


def _override_object(
    obj: bpy.types.Object, params: Sequence[MaterialParams], stack: ExitStack
) -> None:
    """Give ``obj`` other materials until ``stack`` is closed."""
    sides = np.ptp(np.array(obj.bound_box), axis=0)
    longest_side = max(float(sides.max()), _MIN_EXTENT)
    extent = sides / longest_side
    materials = [stack.enter_context(temporary_material(each, extent)) for each in params]

    # A mesh without slots gets one for some time.
    if not obj.material_slots:
        obj.data.materials.append(None)
        stack.callback(obj.data.materials.clear)  # pop would leave a slot behind

    # Linked to the object, so that the mesh data, which others may share, is not changed.
    for slot, material in zip(obj.material_slots, materials, strict=False):
        link = slot.link
        slot.link = 'OBJECT'
        stack.callback(setattr, slot, "link", link)
        stack.callback(setattr, slot, "material", slot.material)
        slot.material = material
