"""Renders drawn rooms as light domes: places to light objects by, and to put behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy
import mathutils
import numpy as np

from ... import procedural
from ...dataset.atomic_files import make_folder
from ...dataset.splits import HELD_OUT_FAMILIES
from ...jobs.task import Progress, Task
from ...synthesis.interiors import EYE, Box, Furnishing, Interior, sample_interior
from .. import compat
from ..importing import temporary_data
from ..procedural_objects import add_object
from ..rendering.hdri import hdri_files
from ..rendering.lighting import LightSettings, sample_light
from ..rendering.random_materials import temporary_material
from ..rendering.studio import RenderStudio, guard_output, render_studio


def render_rooms(
    folder: Path,
    count: int,
    seed: int = 0,
    width: int = 1280,
    samples: int = 3,
    hdri: Path | None = None,
) -> Task[int]:
    """Write ``room_0000.exr`` and so on into ``folder``: equirectangular, half as high as wide; how many were new.

    Rooms and yards with furniture of our own generators, of those families alone that training may see. Those that
    are there stay, so a run that was stopped goes on.

    Args:
        samples: of Cycles a pixel, then denoised. hdri: folder of light domes about them; None for Blender's.

    Raises:
        DatasetError: ``hdri`` holds none. OutputError: ``folder`` cannot be written.
    """
    domes = hdri_files(hdri)
    families = sorted(set(procedural.FAMILIES) - HELD_OUT_FAMILIES)
    make_folder(folder)
    missing = [i for i in range(count) if not _room_path(folder, i).exists()]
    with temporary_data(), render_studio(samples, denoise=True) as room_studio:
        _look_about(room_studio.scene, width)
        for done, index in enumerate(missing):
            yield Progress(done / len(missing), _room_path(folder, index).name)
            rng = np.random.default_rng((seed, index))
            room = sample_interior(families, rng)
            with _build_room(room) as objects:
                room_studio.set_objects(objects)
                room_studio.set_light(_room_light(room, domes, rng))
                _render_room(room_studio, _room_path(folder, index))
    return len(missing)


def _room_path(folder: Path, index: int) -> Path:
    return folder / f"room_{index:04d}.exr"


def _look_about(scene: bpy.types.Scene, width: int) -> None:
    """All around from the eye, with what lies behind and light from wall to wall."""
    render = scene.render
    render.resolution_x = width
    render.resolution_y = width // 2
    render.resolution_percentage = 100
    render.film_transparent = False
    render.use_persistent_data = False
    scene.cycles.max_bounces = 2
    scene.camera.matrix_world = mathutils.Matrix.LocRotScale(
        (0, 0, EYE), mathutils.Euler((np.pi / 2, 0, 0)).to_quaternion(), None
    )
    scene.camera.data.type = 'PANO'
    scene.camera.data.panorama_type = 'EQUIRECTANGULAR'
    compat.write_exr(render.image_settings)


def _room_light(room: Interior, domes: Sequence[Path], rng: np.random.Generator) -> LightSettings:
    drawn = sample_light(domes, rng, room.lamps)
    return LightSettings(
        drawn.hdri, drawn.level, drawn.turn, room.sun, drawn.sun_tilt, drawn.sun_turn, room.lamps
    )


@contextmanager
def _build_room(room: Interior) -> Iterator[list[bpy.types.Object]]:
    with temporary_data(), ExitStack() as stack:
        collection = bpy.data.collections.new("Maquette Room")
        yield [_add_box(box, stack) for box in room.boxes] + [
            _add_furnishing(thing, collection) for thing in room.things
        ]


def _add_box(box: Box, stack: ExitStack) -> bpy.types.Object:
    low = np.array(box.low)
    high = np.array(box.high)
    corners = (
        np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (high - low) + low
    )
    faces = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    mesh = bpy.data.meshes.new("Maquette Room")
    mesh.from_pydata(corners.tolist(), [], faces)
    mesh.materials.append(
        stack.enter_context(temporary_material(box.look, (high - low) / (high - low).max()))
    )
    return bpy.data.objects.new(mesh.name, mesh)


def _add_furnishing(thing: Furnishing, collection: bpy.types.Collection) -> bpy.types.Object:
    made = procedural.make_object(thing.family, thing.seed)
    lowest = min(float(part.mesh.vertices[:, 2].min()) for part in made.parts)
    obj = add_object(collection, made)
    place = mathutils.Vector(thing.foot) - mathutils.Vector((0, 0, lowest * thing.size))
    turn = mathutils.Euler((0, 0, thing.turn)).to_quaternion()
    obj.matrix_world = mathutils.Matrix.LocRotScale(place, turn, (thing.size,) * 3)
    return obj


def _render_room(room_studio: RenderStudio, path: Path) -> None:
    """The file is whole or not there."""
    partial = path.with_suffix(".partial.exr")
    room_studio.scene.render.filepath = str(partial)
    with guard_output(path.parent, partial.name):
        bpy.ops.render.render(write_still=True, scene=room_studio.scene.name)
    partial.replace(path)
