"""What was drawn is what is rendered and told; the objects that were given are never changed."""

import bpy
import numpy as np
import pytest
from maquette.core.cameras import look_at, orthographic, perspective
from maquette.core.errors import DatasetError
from maquette.core.work import run_to_end
from PIL import Image

SIZE = 48
CAMERA = perspective(look_at(np.array((2.0, -3, 1.5)), np.zeros(3)), 0.8, SIZE)
KINDS = ("scenes", "collections", "objects", "cameras", "lights", "worlds", "images", "meshes", "materials")


def state():
    return {kind: [item.name for item in getattr(bpy.data, kind) if item.name != "Render Result"] for kind in KINDS}


@pytest.fixture
def cube(addon):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0.2, 0.1, 0.3))
    material = bpy.data.materials.new("own")
    bpy.context.object.data.materials.append(material)
    return bpy.context.object


@pytest.fixture
def pictures(tmp_path):
    """A folder of two pictures: red, and green."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in (("red", (250, 0, 0)), ("green", (0, 250, 0))):
        Image.new("RGB", (40, 24), colour).save(folder / f"{name}.png")
    return folder


def draw(**options):
    from maquette.core.dataset.randomisation import Randomisation

    return Randomisation(**options)


def shoot(cube, scenery, light=None, camera=CAMERA, samples=4):
    from maquette.core.scene import randomisation
    from maquette.core.scene.render import Light, studio

    with studio(samples) as stage:
        stage.show([cube])
        stage.light(light or Light())
        return randomisation.render(stage, "free", camera, scenery)


def ball(centre, radius, colour=(0.9, 0.1, 0.1), shape="ball"):
    from maquette.core.dataset.randomisation import Occluder

    matrix = np.diag((radius, radius, radius, 1.0))
    matrix[:3, 3] = centre
    return Occluder(shape, colour, matrix)


def between(part, side=0.0):
    """A point that is ``part`` of the way from the eye to the cube, and ``side`` metres to the right."""
    eye = CAMERA.to_world[:3, 3]
    return eye + part * (np.array((0.2, 0.1, 0.3)) - eye) + side * CAMERA.to_world[:3, 0]


def test_occluders_hide_the_object_and_the_whole_picture_is_the_one_with_all_in_it(cube):
    from maquette.core.dataset import passes
    from maquette.core.dataset.randomisation import Background, Scenery
    from maquette.core.scene import randomisation
    from maquette.core.scene.render import Light, studio

    light = Light(level=0.6, sun=2, sun_tilt=0.6)
    things = (ball(between(0.7), 0.12), ball(between(0.5, 0.3), 0.2, (0.1, 0.2, 0.9), "cube"))
    scenery = Scenery(Background("plain", (30, 200, 90)), things)
    with studio(8) as stage:
        stage.show([cube])
        stage.light(light)
        alone = randomisation.render(stage, "free", CAMERA, Scenery())
        view = randomisation.render(stage, "free", CAMERA, scenery)
        with randomisation._standing(stage, things):
            together = stage.render("free", CAMERA)
    middle = tuple(CAMERA.project(between(0.7)[None])[0][0, ::-1].astype(int))
    assert alone.surroundings is None
    assert alone.colour[middle][3] == 255 and alone.depth[middle] > 0
    assert view.colour[middle][3] == 0 and view.depth[middle] == 0 and not view.normal[middle].any()
    assert (view.surroundings[..., 3] == 255).all()
    assert (passes.mask(alone) & ~passes.mask(view)).sum() > 50
    assert not (passes.mask(view) & ~passes.mask(alone)).any()
    stays = view.depth > 0
    np.testing.assert_allclose(view.depth[stays], alone.depth[stays], rtol=1e-4)
    over = together.colour / 255.0
    green = np.where(np.array((30, 200, 90)) / 255 <= 0.04045, 0, ((np.array((30, 200, 90)) / 255 + 0.055) / 1.055) ** 2.4)
    light_of = ((over[..., :3] + 0.055) / 1.055) ** 2.4
    mixed = over[..., 3:] * light_of + (1 - over[..., 3:]) * green
    whole = passes.composite(view)[..., :3] / 255.0
    assert np.abs(((whole + 0.055) / 1.055) ** 2.4 - mixed).max() < 0.03


def test_occluders_before_nothing_are_seen_with_their_own_alpha(cube):
    from maquette.core.dataset import passes
    from maquette.core.dataset.randomisation import Scenery

    view = shoot(cube, Scenery(occluders=(ball(between(0.5, 0.55), 0.15),)))
    beside = passes.composite(view)[..., 3] > 127
    assert (beside & ~passes.mask(view)).sum() > 20
    assert view.surroundings[0, 0, 3] == 0 and not beside[0, 0]
