"""Which cameras see an object: not from inside, too near, through walls, or past it."""

import bpy
import numpy as np
import pytest
from maquette.core.cameras import look_at, orthographic_camera, perspective_camera


@pytest.fixture
def sight(addon):
    """Builds the Sight of a ball of radius 1 among what is in the scene."""
    from maquette.core.scene.rendering.camera_visibility import CameraCheck

    bpy.ops.mesh.primitive_uv_sphere_add()
    normals = np.random.default_rng(0).normal(size=(500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return lambda: CameraCheck(bpy.context.scene, normals * 0.995, normals)


def at(*eye, target=(0, 0, 0)):
    return perspective_camera(look_at(np.array(eye, float), np.array(target, float)), 0.8, 64)


def test_a_camera_before_it_sees_it(sight):
    assert sight().rejection_reason(at(0, -4, 1)) is None
    assert (
        sight().rejection_reason(
            orthographic_camera(look_at(np.array((0, -4.0, 1)), np.zeros(3)), 2.5, 64)
        )
        is None
    )


def test_from_inside_and_past_it_nothing_is_seen(sight):
    assert "contains the camera" in sight().rejection_reason(at(0, -0.5, 0.1))
    assert "outside the image" in sight().rejection_reason(at(0, -4, 0, target=(0, -8, 0)))
    assert "outside the image" in sight().rejection_reason(at(0, -4, 0, target=(4, -4, 0)))


def test_too_near_to_anything(sight):
    assert "too close" in sight().rejection_reason(at(0, -1.03, 0.1))
    bpy.ops.mesh.primitive_cube_add(size=0.2, location=(0, -4, 1.12))
    assert "too close" in sight().rejection_reason(at(0, -4, 1))


def test_a_wall_hides_it_unless_it_is_not_rendered(sight):
    bpy.ops.mesh.primitive_plane_add(size=9, location=(0, -2, 0), rotation=(1.5708, 0, 0))
    wall = bpy.context.object
    flat = orthographic_camera(look_at(np.array((0, -4.0, 1)), np.zeros(3)), 2.5, 64)
    assert "or hidden" in sight().rejection_reason(
        at(0, -4, 1)
    ) and "or hidden" in sight().rejection_reason(flat)
    assert sight().rejection_reason(at(0, 4, 1)) is None
    wall.hide_render = True
    assert sight().rejection_reason(at(0, -4, 1)) is None
    wall.hide_render = False
    wall.scale = (0.05, 0.05, 1)  # now a part of it is seen
    assert sight().rejection_reason(at(0, -4, 1)) is None


def test_cameras_of_a_whole_scene_are_clear_of_it_and_show_it(addon):
    from maquette.core.scene.importing.mesh_import import world_triangles
    from maquette.core.scene.rendering.camera_visibility import scene_fault

    bpy.ops.mesh.primitive_plane_add(size=8)
    floor = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(size=2, location=(0, 0, 1))
    fault = scene_fault(world_triangles([floor, bpy.context.object]))
    assert fault(at(0, -3, 1)) is None and fault(at(0, -3, 5, target=(3, 3, 0))) is None
    assert "too close" in fault(at(0, -3, 0.05)) and "too close" in fault(at(0, -1.1, 1))
    assert "the image is empty" in fault(at(0, -3, 1, target=(0, -6, 3)))
    assert fault(orthographic_camera(look_at(np.array((0, -4.0, 1)), np.zeros(3)), 2.5, 64)) is None
