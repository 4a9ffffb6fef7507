import bpy
import numpy as np
import pytest
from maquette.core.errors import MeshError
from maquette.core.scene import meshes
from maquette.core.scene.semantics.part_attributes import (
    read_parts,
    triangle_polygons,
    write_parts,
)


@pytest.fixture
def cube():
    """A cube with a red and a blue material; the blue one is on its top."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add()
    obj = bpy.context.active_object
    for name in ("Red", "Blue"):
        obj.data.materials.append(bpy.data.materials.new(name))
    for polygon in obj.data.polygons:
        polygon.material_index = int(polygon.normal.z > 0.5)
    return obj


def parts_of(obj, top, others):
    """The part of each triangle: one for the top and one for all others."""
    polygons = triangle_polygons(obj.data)
    is_top = np.array([polygon.normal.z > 0.5 for polygon in obj.data.polygons])
    return np.where(is_top[polygons], top, others)


def test_parts_become_an_attribute_groups_and_materials_that_look_as_before(cube):
    found = write_parts(cube, parts_of(cube, 2, 0), ("body", "leg", "lid"))
    assert found == ["body", "lid"]
    numbers, names = read_parts(cube.data)
    assert names == ["body", "lid"] and sorted(numbers) == [1, 1, 1, 1, 1, 2]

    top = next(polygon for polygon in cube.data.polygons if polygon.normal.z > 0.5)
    side = next(polygon for polygon in cube.data.polygons if polygon.normal.x > 0.5)
    lid = cube.vertex_groups["lid"].index
    members = {v.index for v in cube.data.vertices if lid in [g.group for g in v.groups]}
    assert members == set(top.vertices)

    slots = [material.name for material in cube.data.materials]
    assert slots == ["Red", "Blue", "body", "lid"]
    assert slots[top.material_index] == "lid" and slots[side.material_index] == "body"
    assert cube.data.materials["lid"]["maquette_part_of"] == bpy.data.materials["Blue"]
    assert cube.data.materials["body"]["maquette_part_of"] == bpy.data.materials["Red"]


def test_new_parts_replace_the_old_ones_and_nothing_else(cube):
    cube.vertex_groups.new(name="mine")
    write_parts(cube, parts_of(cube, 2, 0), ("body", "leg", "lid"))
    found = write_parts(cube, parts_of(cube, -1, 1), ("body", "leg", "lid"))
    assert found == ["leg"]
    assert [group.name for group in cube.vertex_groups] == ["mine", "leg"]
    assert [material.name for material in cube.data.materials] == ["Red", "Blue", "leg"]
    top = next(polygon for polygon in cube.data.polygons if polygon.normal.z > 0.5)
    assert cube.data.materials[top.material_index].name == "Blue"
    assert "lid" not in bpy.data.materials and "body" not in bpy.data.materials
    numbers, _ = read_parts(cube.data)
    assert sorted(numbers) == [0, 1, 1, 1, 1, 1]


def test_groups_and_slots_can_be_left_out(cube):
    write_parts(cube, parts_of(cube, 1, 0), ("body", "lid"), False, False)
    assert not cube.vertex_groups and len(cube.data.materials) == 2
    assert read_parts(cube.data)[1] == ["body", "lid"]


def test_a_mesh_of_another_number_of_triangles_is_left_as_it_is(cube):
    with pytest.raises(MeshError, match="edited"):
        write_parts(cube, np.zeros(5, np.int64), ("body",))
    assert meshes.read_triangles(cube.data).shape == (12, 3)
    assert read_parts(cube.data)[1] == []
