import bpy
import numpy as np
import pytest
from maquette.core.errors import LibraryError
from maquette.core.library.records import COLLECTION, FILE, OBJECT, SCENE_OBJECT, AssetName
from maquette.core.scene.importing.mesh_import import world_triangles
from maquette.core.scene.library.placing import Spot, add_asset, place_objects, spot_beside
from mathutils import Vector


@pytest.fixture
def library(addon, sample_assets, tmp_path):
    return sample_assets.write_library(tmp_path / "library")


def add(path, asset, link=False, spot=None, is_fixed=True):
    objects = add_asset(bpy.context.scene.collection, path, asset, link)
    place_objects(bpy.context, objects, spot or Spot(Vector((0, 0, 0))), is_fixed)
    return objects


def bounds(objects):
    vertices = world_triangles(objects).vertices
    return vertices.min(axis=0), vertices.max(axis=0)


def test_an_appended_object_is_of_this_file_and_stands_at_the_place(library):
    (box,) = add(library / "box.blend", AssetName(OBJECT, "box"), spot=Spot(Vector((1, 2, 3))))
    assert box.library is None and box.data.library is None and box.asset_data is None
    low, high = bounds([box])
    np.testing.assert_allclose(low, (0.5, 1.5, 3), atol=1e-5)
    np.testing.assert_allclose(high, (1.5, 2.5, 4), atol=1e-5)


def test_a_linked_object_keeps_its_mesh_in_the_file_but_can_be_moved(library):
    (box,) = add(
        library / "box.blend", AssetName(OBJECT, "box"), link=True, spot=Spot(Vector((1, 2, 3)))
    )
    assert box.library is None and box.override_library
    assert box.data.library is not None
    np.testing.assert_allclose(bounds([box])[0], (0.5, 1.5, 3), atol=1e-5)


@pytest.mark.parametrize("link", [False, True])
def test_a_collection_is_one_object_in_the_scene(library, link):
    (post,) = add(library / "sub/post.blend", AssetName(COLLECTION, "post"), link)
    assert bool(post.instance_collection.library) == link
    assert bool(post.instance_collection.asset_data) == link
    low, high = bounds([post])
    np.testing.assert_allclose(high - low, (0.2, 0.2, 4), atol=1e-5)
    assert low[2] == pytest.approx(0, abs=1e-5)


def test_a_mesh_file_is_imported_and_cannot_be_linked(library):
    before = len(bpy.data.objects)
    with pytest.raises(LibraryError, match="cannot be linked"):
        add(library / "plate.obj", AssetName(FILE, "plate"), link=True)
    assert len(bpy.data.objects) == before
    (plate,) = add(library / "plate.obj", AssetName(FILE, "plate"))
    low, high = bounds([plate])
    np.testing.assert_allclose(high - low, (2, 2, 0.1), atol=1e-5)


def test_of_a_whole_blend_file_all_objects_come_below_an_empty_and_no_scene(library, sample_assets):
    sample_assets.new_file()
    sample_assets.add_shape("box")
    sample_assets.add_shape("ball", (3, 0, 0))
    sample_assets.save(library / "both.blend")
    sample_assets.new_file()
    root, *others = add(library / "both.blend", AssetName(FILE, "both"))
    assert root.type == 'EMPTY' and {obj.parent for obj in others} == {root}
    assert {obj.name for obj in others} == {"box", "ball"}
    assert len(bpy.data.scenes) == 1
    low, high = bounds([root, *others])
    np.testing.assert_allclose(high - low, (4.5, 2, 2), atol=0.1)
    np.testing.assert_allclose((low + high)[:2] / 2, (0, 0), atol=1e-5)


def test_an_object_of_this_file_is_copied_with_its_children(library, sample_assets):
    sample_assets.new_file()
    box = sample_assets.add_shape("box")
    ball = sample_assets.add_shape("ball", (0, 0, 2))
    ball.parent = box
    bpy.context.view_layer.update()
    asset = AssetName(SCENE_OBJECT, "box", ("box", "ball"))
    first, second = add(None, asset, spot=Spot(Vector((5, 0, 0))))
    assert second.parent == first and first not in (box, ball)
    assert first.data != box.data
    np.testing.assert_allclose(first.matrix_world.translation[:2], (5, 0), atol=1e-5)
    linked, _ = add(None, asset, link=True)
    assert linked.data == box.data


def test_assets_of_the_open_file_are_copied(library):
    bpy.ops.wm.open_mainfile(filepath=str(library / "box.blend"))
    (box,) = add(library / "box.blend", AssetName(OBJECT, "box"))
    assert box != bpy.data.objects["box"] and box.asset_data is None
    bpy.ops.wm.open_mainfile(filepath=str(library / "sub/post.blend"))
    (post,) = add(library / "sub/post.blend", AssetName(COLLECTION, "post"))
    assert post.instance_collection == bpy.data.collections["post"]
    with pytest.raises(LibraryError, match="is the open file"):
        add(library / "sub/post.blend", AssetName(FILE, "post"))


def test_what_is_gone_is_an_error(library):
    with pytest.raises(LibraryError, match="no longer there"):
        add(library / "none.blend", AssetName(OBJECT, "box"))
    with pytest.raises(LibraryError, match="any more"):
        add(library / "box.blend", AssetName(OBJECT, "none"))
    with pytest.raises(LibraryError, match="any more"):
        add(None, AssetName(SCENE_OBJECT, "none", ("none",)))


def test_the_turn_is_about_the_middle_of_the_object(library):
    spot = Spot(Vector((1, 2, 0)), np.pi / 4)
    (box,) = add(library / "box.blend", AssetName(OBJECT, "box"), spot=spot)
    low, high = bounds([box])
    np.testing.assert_allclose((low + high)[:2] / 2, (1, 2), atol=1e-5)
    np.testing.assert_allclose((high - low)[:2], np.sqrt((2, 2)), atol=1e-5)


def test_a_second_one_goes_to_the_right_of_the_first(library):
    for asset, path in (
        (AssetName(OBJECT, "box"), "box.blend"),
        (AssetName(COLLECTION, "post"), "sub/post.blend"),
    ):
        first = add(library / path, asset, is_fixed=False)
        second = add(library / path, asset, is_fixed=False)
        assert bounds(second)[0][0] > bounds(first)[1][0]


def test_beside_a_reference_it_is_seen_as_in_the_image(library):
    """The reference faces +X: what faces -Y without it faces +X, and stands at its right edge."""
    image = bpy.data.images.new("shown", 200, 100)
    reference = bpy.data.objects.new("reference", None)
    reference.empty_display_type = 'IMAGE'
    reference.data = image
    reference.empty_display_size = 2
    reference.rotation_euler = (np.pi / 2, 0, np.pi / 2)
    reference.location = (0, 0, 3)
    bpy.context.scene.collection.objects.link(reference)
    bpy.context.view_layer.update()

    spot = spot_beside(bpy.context, image, 0.0)
    assert np.cos(spot.turn - np.pi / 2) == pytest.approx(1)
    np.testing.assert_allclose(spot.location, (0, 1, 2.5), atol=1e-5)
    (box,) = add(library / "box.blend", AssetName(OBJECT, "box"), spot=spot, is_fixed=False)
    low, _ = bounds([box])
    assert low[1] > 1 and low[1] < 1.3
    assert low[2] == pytest.approx(2.5, abs=1e-5)


def test_without_a_reference_it_goes_to_the_cursor(addon):
    bpy.context.scene.cursor.location = (1, 2, 3)
    image = bpy.data.images.new("shown", 20, 10)
    spot = spot_beside(bpy.context, image, 0.5)
    assert tuple(spot.location) == (1, 2, 3) and spot.turn == 0.5
