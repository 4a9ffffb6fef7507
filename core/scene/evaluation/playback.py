"""Frames in order, so that a frame of a scene is as in Blender's playback.

Rigid bodies, cloth and other simulations that are not baked need every frame since their first one.
They are played in the scene itself, as the viewport plays them, which fills their caches; a render
then reads these. Animated values that were changed and not keyed are restored afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import bpy

from ...errors import SceneError
from .. import compat

# The owner and the name of a property, or its name in brackets, in the path of an f-curve.
_PROPERTY_PATH = re.compile(r'(?:(.*)\.)?(\w+)|(.*)(\["[^"]*"\])')
_Key = tuple[bpy.types.ID, str, int]


class FrameKeeper:
    """Changes the frame of a scene, and restores it; make it with :func:`restored_frame`.

    Animated values that were changed and not keyed, which a change of the frame loses, are
    restored as well.
    """

    def __init__(self, scene: bpy.types.Scene) -> None:
        self._scene = scene
        self._frame = scene.frame_current
        self._subframe = scene.frame_subframe
        self._camera = scene.camera
        self._is_moved = False
        self._values: dict[_Key, Any] | None = None
        self._left_values: dict[_Key, Any] = {}

    def set_frame(self, frame: int) -> None:
        """Go to ``frame``."""
        # Collected only if the frame is changed at all.
        if self._values is None:
            self._values = _animated_values()
        self._scene.frame_set(frame)
        self._is_moved = True

    def restore_frame(self) -> None:
        """Go back to the frame of the beginning, with animated values as they are keyed."""
        if self._is_moved:
            self._scene.frame_set(self._frame, subframe=self._subframe)
            self._scene.camera = self._camera
            self._left_values = _animated_values()
            self._is_moved = False

    def restore_values(self) -> None:
        """Set animated values as they were, but those that someone has set since."""
        if self._values:
            _restore_values(self._values, self._left_values)


@contextmanager
def restored_frame(scene: bpy.types.Scene) -> Iterator[FrameKeeper]:
    """Yield what changes the frame of ``scene``; all is restored on exit."""
    keeper = FrameKeeper(scene)
    try:
        yield keeper
    finally:
        with suppress(ReferenceError):  # it was deleted or undone
            keeper.restore_frame()
            keeper.restore_values()


@contextmanager
def restored_values() -> Iterator[None]:
    """Restore animated values that are not keyed on exit.

    After a render Blender evaluates the scene of the context, which loses them.
    """
    values = _animated_values()
    try:
        yield
    finally:
        if values:
            _restore_values(values, _animated_values())


def first_simulated_frame(scene: bpy.types.Scene) -> int | None:
    """Return the first frame of the simulations of ``scene`` that are not baked; None for none."""
    frames = _rigid_body_frames(scene)
    for obj in scene.objects:
        frames += _simulated_frames(scene, obj)
    return min(frames, default=None)


def play_simulation(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer, last: int, keeper: FrameKeeper
) -> Iterator[int]:
    """Play ``scene`` from the first frame of its simulations; yield each frame.

    Nothing is played if nothing is simulated, or only after the last frame. In the end the scene is
    at the frame where it was.

    Args:
        scene: To play.
        layer: The view layer of it that shows what is simulated.
        last: The last frame to play.
        keeper: Of :func:`restored_frame`.

    Raises:
        SceneError: Something is simulated that the viewport does not show.
    """
    first = first_simulated_frame(scene)
    if first is None or first >= last:
        return
    _require_shown(scene, layer)

    # An update of the view layer makes its graph the one that simulates.
    layer.update()
    for frame in range(first, last + 1):
        keeper.set_frame(frame)
        yield frame
    keeper.restore_frame()


@contextmanager
def scene_drivers_on(scene: bpy.types.Scene, copy: bpy.types.Scene) -> Iterator[None]:
    """Let drivers that read ``scene`` read ``copy`` while the context is active.

    So drivers of its current frame or of its animated properties see those of the copy.
    """
    targets = list(_driver_targets(scene))
    for target in targets:
        target.id = copy
    try:
        yield
    finally:
        for target in targets:
            target.id = scene


@contextmanager
def kept_rigid_bodies(scene: bpy.types.Scene) -> Iterator[None]:
    """Let copies of ``scene`` have the rigid bodies' motion that was played, in the context.

    Raises:
        SceneError: Blender cannot keep it.
    """
    world = scene.rigidbody_world
    cache = world.point_cache if world else None
    if cache is None or cache.is_baked or not _rigid_body_frames(scene):
        yield
        return

    # Only a baked cache is copied.
    try:
        with bpy.context.temp_override(scene=scene, point_cache=cache):
            bpy.ops.ptcache.bake_from_cache()
    except RuntimeError as error:
        raise SceneError(
            f"The rigid bodies of {scene.name} cannot be kept as they were played: {error}. Bake "
            "them"
        ) from error

    try:
        yield
    finally:
        with bpy.context.temp_override(scene=scene, point_cache=cache):
            bpy.ops.ptcache.free_bake()


def _rigid_body_frames(scene: bpy.types.Scene) -> list[int]:
    """Return the first frame of the rigid bodies, if there are any that are not baked."""
    world = scene.rigidbody_world
    if not (world and world.enabled and world.collection and world.collection.all_objects):
        return []
    cache = world.point_cache
    return [] if cache.is_baked else [cache.frame_start]


def _simulated_frames(scene: bpy.types.Scene, obj: bpy.types.Object) -> list[int]:
    """Return the first frames of the simulations of ``obj`` that are not baked."""
    if obj.hide_render:
        return []

    frames = []
    for modifier in obj.modifiers:
        if modifier.show_render:
            frames += _modifier_frames(scene, modifier)
    return frames


def _modifier_frames(scene: bpy.types.Scene, modifier: bpy.types.Modifier) -> list[int]:
    """Return the first frames of what a modifier simulates and is not baked."""
    match modifier.type:
        case 'CLOTH' | 'SOFT_BODY':
            return _cache_frames(modifier.point_cache)
        case 'PARTICLE_SYSTEM':
            return _particle_frames(modifier.particle_system)
        case 'DYNAMIC_PAINT' if modifier.canvas_settings:
            surfaces = modifier.canvas_settings.canvas_surfaces
            return [frame for each in surfaces for frame in _cache_frames(each.point_cache)]
        case 'FLUID' if modifier.domain_settings:
            domain = modifier.domain_settings
            return [domain.cache_frame_start] if domain.cache_type == 'REPLAY' else []
        case 'NODES' if _simulates(modifier.node_group):
            return [scene.frame_start]
    return []


def _particle_frames(system: bpy.types.ParticleSystem) -> list[int]:
    """Return the first frame of particles that move and are not baked."""
    settings = system.settings
    if settings.type == 'HAIR':
        return _cache_frames(system.point_cache) if system.use_hair_dynamics else []
    return _cache_frames(system.point_cache) and [int(settings.frame_start)]


def _cache_frames(cache: bpy.types.PointCache | None) -> list[int]:
    """Return the first frame of a point cache, if it is not baked."""
    is_open = cache is not None and not (cache.is_baked or cache.use_external)
    return [cache.frame_start] if is_open else []


def _simulates(group: bpy.types.NodeTree | None) -> bool:
    """Return whether geometry nodes, or groups in them, have a simulation zone."""
    if group is None:
        return False
    for node in group.nodes:
        if node.bl_idname == 'GeometryNodeSimulationInput':
            return True
        if node.type == 'GROUP' and _simulates(node.node_tree):
            return True

    return False


def _require_shown(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> None:
    """Raise SceneError if something is simulated that the viewport does not show."""
    for obj in scene.objects:
        is_shown = obj.visible_get(view_layer=layer)
        if not is_shown and _simulated_frames(scene, obj):
            raise SceneError(
                f"{obj.name} is simulated, but hidden in the viewport, which has to play it. Show "
                "it, or bake its simulation"
            )


def _animated_blocks() -> Iterator[bpy.types.ID]:
    """Yield all data-blocks of the file that are animated, node trees within others included."""
    for prop in bpy.data.bl_rna.properties:
        if prop.type != 'COLLECTION':
            continue
        for block in getattr(bpy.data, prop.identifier):
            tree = getattr(block, "node_tree", None)
            for each in (block, tree):
                if getattr(each, "animation_data", None):
                    yield each


def _driver_targets(scene: bpy.types.Scene) -> Iterator[bpy.types.DriverTarget]:
    """Yield the targets of all drivers that read ``scene``."""
    for block in _animated_blocks():
        for curve in block.animation_data.drivers:
            for variable in curve.driver.variables:
                for target in variable.targets:
                    if target.id == scene:
                        yield target


def _animated_values() -> dict[_Key, Any]:
    """Return the values of all animated properties, by data-block, path and index."""
    values = {}
    for block in _animated_blocks():
        for curve in compat.animation_curves(block.animation_data):
            # Curves may be of properties that do not exist, or of shorter arrays.
            with suppress(ValueError, IndexError, TypeError):
                value = block.path_resolve(curve.data_path)
                is_array = hasattr(value, "__len__") and not isinstance(value, str)
                key = (block, curve.data_path, curve.array_index if is_array else -1)
                values[key] = value[curve.array_index] if is_array else value

    return values


def _restore_values(values: dict[_Key, Any], left_values: dict[_Key, Any]) -> None:
    """Set animated properties to ``values`` where they are still as they were left."""
    current = _animated_values()
    is_changed = False
    for key, value in values.items():
        is_touched = key not in current or current[key] != left_values.get(key)
        if is_touched or current[key] == value:
            continue
        is_changed = True
        block, path, index = key
        if index >= 0:
            block.path_resolve(path)[index] = value
            continue

        owner, name = _owner_and_name(block, path)
        if name.startswith("["):
            owner[name[2:-2]] = value
        else:
            setattr(owner, name, value)

    # The matrices of objects follow.
    if is_changed:
        bpy.context.view_layer.update()


def _owner_and_name(block: bpy.types.ID, path: str) -> tuple[Any, str]:
    """Return the struct that has the property at ``path`` of ``block``, and its name."""
    match = _PROPERTY_PATH.fullmatch(path)
    assert match is not None, "the path was resolved"
    owner_path = match[1] or match[3]
    owner = block.path_resolve(owner_path) if owner_path else block
    return owner, match[2] or match[4]
