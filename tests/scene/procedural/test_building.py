import bpy
import numpy as np
import pytest
from maquette.core.errors import MeshError
from maquette.core.procedural.recipes import Recipe, make, reset_value, set_value
from maquette.core.scene.procedural import building, storage


@pytest.fixture
def new():
    """Return a function that adds a procedural object to an empty file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)

    def add(family="chair", seed=3, parts="GROUPS"):
        recipe = Recipe(family, seed, parts=parts)
        return building.new_object(bpy.context.scene.collection, recipe), recipe

    return add


def coordinates(obj):
    values = np.empty(3 * len(obj.data.vertices), np.float32)
    obj.data.vertices.foreach_get("co", values)
    return values.reshape(-1, 3)


def group_vertices(obj, name):
    index = obj.vertex_groups[name].index
    return [v.index for v in obj.data.vertices if index in {g.group for g in v.groups}]


def slot_of(obj, name):
    return [material.name.partition(".")[0] for material in obj.data.materials].index(name)


def test_each_label_has_a_vertex_group_and_each_label_and_finish_a_slot(new):
    obj, recipe = new("barrel", 1)
    parts = make(recipe).parts
    labels = {part.label for part in parts}
    assert set(obj.vertex_groups.keys()) == labels and len(labels) > 1
    for label in labels:
        count = sum(len(part.mesh.vertices) for part in parts if part.label == label)
        assert len(group_vertices(obj, label)) == count
    finishes = {(p.label, p.color, p.roughness, p.metallic) for p in parts}
    assert len(obj.data.materials) == len(finishes)
    assert {p.material_index for p in obj.data.polygons} == set(range(len(finishes)))
    assert not obj.data.validate()


def test_rebuilding_is_in_place_and_to_the_bit_that_of_a_new_object(new):
    obj, recipe = new()
    mesh = obj.data
    obj.location = (1, 2, 3)
    obj.modifiers.new("Bevel", 'BEVEL')
    wide = set_value(recipe, "width", 0.4)
    building.rebuild(obj, wide)
    assert obj.data == mesh and tuple(obj.location) == (1, 2, 3) and len(obj.modifiers) == 1
    assert storage.read_recipe(obj) == wide
    fresh = building.new_object(bpy.context.scene.collection, wide)
    assert coordinates(obj).tobytes() == coordinates(fresh).tobytes()

    building.rebuild(obj, reset_value(wide, "width"))
    original = building.new_object(bpy.context.scene.collection, recipe)
    assert coordinates(obj).tobytes() == coordinates(original).tobytes()


def test_materials_follow_until_the_user_changes_them(new):
    obj, recipe = new("chair", 3)
    address = "frame.paint_material.hue"
    assert address in {draw.address for draw in make(recipe).draws}
    frame = make(recipe).parts[0].label
    slot = slot_of(obj, frame)
    material = obj.data.materials[slot]
    before = tuple(material.diffuse_color)

    # As generated: the same data-block or another, but of the new color.
    other = set_value(recipe, address, 0.1 if make(recipe).parts[0].color[0] < 0.5 else 0.6)
    building.rebuild(obj, other)
    assert tuple(obj.data.materials[slot].diffuse_color) != before
    assert len(bpy.data.materials) == len(obj.data.materials)

    # Changed by the user, or replaced: it stays.
    obj.data.materials[slot].diffuse_color = (0.1, 0.2, 0.3, 1)
    mine = bpy.data.materials.new("Mine")
    second = next(i for i in range(len(obj.data.materials)) if i != slot)
    obj.data.materials[second] = mine
    assert not building.has_hand_edits(obj)
    building.rebuild(obj, recipe)
    assert tuple(obj.data.materials[slot].diffuse_color) == pytest.approx((0.1, 0.2, 0.3, 1))
    assert obj.data.materials[second] == mine


def edit_vertex(obj):
    obj.data.vertices[0].co.x += 1e-6


def scale_all(obj):
    for vertex in obj.data.vertices:
        vertex.co *= 2


def add_uv_map(obj):
    obj.data.uv_layers.new(name="UVMap")


def add_group(obj):
    obj.vertex_groups.new(name="mine")


def paint_weight(obj):
    obj.vertex_groups[0].add([0], 0.5, 'REPLACE')


def add_shape_key(obj):
    obj.shape_key_add(name="Basis")


def assign_material(obj):
    obj.data.polygons[0].material_index = 1


def remove_all(obj):
    obj.data.clear_geometry()


@pytest.mark.parametrize(
    "edit",
    [
        edit_vertex,
        scale_all,
        add_uv_map,
        add_group,
        paint_weight,
        add_shape_key,
        assign_material,
        remove_all,
    ],
)
def test_edits_by_hand_are_lost_only_on_demand(new, edit):
    obj, recipe = new()
    assert not building.has_hand_edits(obj)
    edit(obj)
    obj.data.update()
    before = coordinates(obj).tobytes()
    assert building.has_hand_edits(obj)
    with pytest.raises(MeshError, match="edited by hand"):
        building.rebuild(obj, set_value(recipe, "width", 0.5))
    assert coordinates(obj).tobytes() == before and storage.read_recipe(obj) == recipe

    building.rebuild(obj, recipe, discard_edits=True)
    fresh = building.new_object(bpy.context.scene.collection, recipe)
    assert coordinates(obj).tobytes() == coordinates(fresh).tobytes()


def test_smooth_shading_stays(new):
    obj, recipe = new()
    obj.data.shade_smooth()
    assert not building.has_hand_edits(obj)
    building.rebuild(obj, set_value(recipe, "width", 0.5))
    assert all(polygon.use_smooth for polygon in obj.data.polygons)


def test_objects_that_share_a_mesh_or_materials_stay_as_they_are(new):
    obj, recipe = new()
    linked = obj.copy()
    copied = obj.copy()
    copied.data = obj.data.copy()
    before = coordinates(obj).tobytes()
    colors = [tuple(material.diffuse_color) for material in obj.data.materials]
    edited = set_value(recipe, "width", 0.4)
    building.rebuild(obj, set_value(edited, "frame.paint_material.value", 0.2))
    for other in (linked, copied):
        assert coordinates(other).tobytes() == before
        assert [tuple(each.diffuse_color) for each in other.data.materials] == colors
        assert not building.has_hand_edits(other)
    assert coordinates(obj).tobytes() != before


def test_parts_as_objects_come_and_go(new):
    root, recipe = new("barrel", 1, "OBJECTS")
    children = storage.part_objects(root)
    assert root.type == 'EMPTY' and {child.parent for child in children} == {root}
    assert len(children) == len(make(recipe).parts)
    labels = [part.label for part in make(recipe).parts]
    assert sorted(child[storage.PART].partition("#")[0] for child in children) == sorted(labels)
    assert storage.root_of(children[0]) == root

    body = children[0]
    body.location.x = 5
    hoops = labels.count("hoop")
    other = set_value(recipe, "hoop_count", 2 if hoops != 2 else 5)
    building.rebuild(root, other)
    after = storage.part_objects(root)
    assert sum(child[storage.PART].startswith("hoop#") for child in after) == (
        2 if hoops != 2 else 5
    )
    assert body.location.x == 5 and not building.has_hand_edits(root)

    # A part that was removed, or edited, is a change of the user's.
    bpy.data.objects.remove(after[-1])
    assert building.has_hand_edits(root)
    building.rebuild(root, other, discard_edits=True)
    assert len(storage.part_objects(root)) == len(make(other).parts)


def test_linked_objects_are_refused(new, tmp_path):
    obj, recipe = new()
    bpy.data.libraries.write(str(tmp_path / "theirs.blend"), {obj})
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "theirs.blend"), link=True) as (_, here):
        here.objects = ["chair_000003"]
    with pytest.raises(MeshError, match="linked"):
        building.rebuild(here.objects[0], set_value(recipe, "width", 0.5))
