"""Renders random rooms as HDRIs: to light objects, and as their backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import bpy
import mathutils
import numpy as np

from ... import procedural
from ...atomic_files import atomic_folder, make_folder
from ...dataset.splits import HELD_OUT_FAMILIES
from ...imaging import exr
from ...jobs.task import Progress, Task
from ...synthesis.interiors import EYE, Box, Furnishing, Interior, sample_interior
from .. import compat
from ..evaluation.playback import restored_values
from ..importing.mesh_import import temporary_data
from ..procedural_objects import add_object
from ..rendering.hdri import hdri_files
from ..rendering.lighting import LightSettings, sample_light
from ..rendering.random_materials import temporary_material
from ..rendering.render_output import guard_output
from ..rendering.studio import RenderStudio, render_studio

_NAME = "Maquette Room"
_BOUNCES = 2  # of light from wall to wall
_CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)])  # of a unit box
_FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def render_rooms(
    folder: Path,
    count: int,
    seed: int = 0,
    width: int = 1280,
    samples: int = 3,
    hdri: Path | None = None,
) -> Task[int]:
    """Write ``room_0000.exr`` and so on into ``folder``, as equirectangular images.

    Rooms and yards with generated furniture, only of the families that training may see. Existing
    files are kept, so a run that was stopped is continued.

    Args:
        folder: Of the images.
        count: Of images.
        seed: Of the rooms.
        width: Pixels; the height is half of it.
        samples: Of Cycles a pixel, then denoised.
        hdri: Folder of HDRIs around the rooms; None for those that Blender ships.

    Returns:
        How many images are new.

    Raises:
        DatasetError: ``hdri`` has no HDRI.
        OutputError: ``folder`` cannot be written.
    """
    domes = hdri_files(hdri)
    families = sorted(set(procedural.FAMILIES) - HELD_OUT_FAMILIES)
    make_folder(folder)
    missing = [index for index in range(count) if not _room_path(folder, index).exists()]

    with temporary_data(), render_studio(samples, denoise=True) as stage:
        _set_panorama(stage.scene, width)
        for done, index in enumerate(missing):
            path = _room_path(folder, index)
            yield Progress(done / len(missing), path.name)

            # A generator of each room, so that a run can be continued.
            rng = np.random.default_rng((seed, index))
            room = sample_interior(families, rng)
            with _build_room(room) as objects:
                stage.set_objects(objects)
                stage.set_light(_room_light(room, domes, rng))
                _render_room(stage, path)

    return len(missing)


def _room_path(folder: Path, index: int) -> Path:
    """Return the file of a room."""
    return folder / f"room_{index:04d}.exr"


def _set_panorama(scene: bpy.types.Scene, width: int) -> None:
    """Let the camera see all around from the eye, with the world and light between walls."""
    render = scene.render
    render.resolution_x = width
    render.resolution_y = width // 2
    render.resolution_percentage = 100
    render.film_transparent = False
    render.use_persistent_data = False
    scene.cycles.max_bounces = _BOUNCES

    # Upright, looking along Y.
    upright = mathutils.Euler((np.pi / 2, 0, 0))
    rotation = upright.to_quaternion()
    scene.camera.matrix_world = mathutils.Matrix.LocRotScale((0, 0, EYE), rotation, None)
    scene.camera.data.type = 'PANO'
    scene.camera.data.panorama_type = 'EQUIRECTANGULAR'
    compat.write_exr(render.image_settings)


def _room_light(room: Interior, domes: Sequence[Path], rng: np.random.Generator) -> LightSettings:
    """Sample a light, with the sun and the area lights of the room."""
    light = sample_light(domes, rng, room.lamps)
    return replace(light, sun=room.sun, lamps=room.lamps)


@contextmanager
def _build_room(room: Interior) -> Iterator[list[bpy.types.Object]]:
    """Yield the objects of a room, which are removed on exit."""
    with temporary_data(), ExitStack() as stack:
        collection = bpy.data.collections.new(_NAME)
        boxes = [_add_box(box, stack) for box in room.boxes]
        furniture = [_add_furnishing(furnishing, collection) for furnishing in room.things]
        yield boxes + furniture


def _add_box(box: Box, stack: ExitStack) -> bpy.types.Object:
    """Return a new object for a box; its material is removed when ``stack`` is closed."""
    low = np.array(box.low)
    high = np.array(box.high)
    sides = high - low
    corners = _CORNERS * sides + low
    mesh = bpy.data.meshes.new(_NAME)
    mesh.from_pydata(corners.tolist(), [], _FACES)

    # The scale of textures depends on the proportions.
    material = stack.enter_context(temporary_material(box.look, sides / sides.max()))
    mesh.materials.append(material)
    return bpy.data.objects.new(mesh.name, mesh)


def _add_furnishing(furnishing: Furnishing, collection: bpy.types.Collection) -> bpy.types.Object:
    """Return a new object for a piece of furniture, with its lowest point at its place."""
    generated = procedural.make_object(furnishing.family, furnishing.seed)
    lowest = min(float(part.mesh.vertices[:, 2].min()) for part in generated.parts)
    obj = add_object(collection, generated)

    # Its origin may be anywhere: put its lowest point on the floor.
    lift = mathutils.Vector((0, 0, lowest * furnishing.size))
    location = mathutils.Vector(furnishing.foot) - lift

    rotation = mathutils.Euler((0, 0, furnishing.turn)).to_quaternion()
    scale = (furnishing.size,) * 3
    obj.matrix_world = mathutils.Matrix.LocRotScale(location, rotation, scale)
    return obj


def _render_room(stage: RenderStudio, path: Path) -> None:
    """Render a room into a file, which is complete or does not exist."""
    with atomic_folder(path) as folder:
        stage.scene.render.filepath = str(folder / path.name)
        with guard_output(folder, path.name), restored_values():
            bpy.ops.render.render(write_still=True, scene=stage.scene.name)
            exr.check_complete(folder / path.name)
