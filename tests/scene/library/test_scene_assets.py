import bpy
import pytest
from maquette.core.errors import SceneError
from maquette.core.jobs.temporary_folders import remove_folder
from maquette.core.scene.library.scene_assets import write_collection, write_objects


@pytest.fixture
def collection(addon, sample_assets):
    """A collection with a box that has a ball as its child, and a post."""
    sample_assets.new_file()
    collection = bpy.data.collections.new("things")
    bpy.context.scene.collection.children.link(collection)
    box, ball, post = (sample_assets.add_shape(name) for name in ("box", "ball", "post"))
    ball.parent = box
    for obj in (box, ball, post):
        collection.objects.link(obj)
    bpy.context.view_layer.update()
    return collection


def digests(collection):
    written = write_collection(collection)
    remove_folder(written.file.parent)
    return {asset.name: digest for asset, digest in written.digests.items()}


def test_each_object_comes_with_its_children(collection):
    written = write_collection(collection)
    members = {asset.name: asset.members for asset in written.digests}
    assert members == {"box": ("box", "ball"), "post": ("post",)}
    with bpy.data.libraries.load(str(written.file)) as (source, _):
        assert sorted(source.objects) == ["ball", "box", "post"]
    remove_folder(written.file.parent)


def test_the_digest_follows_shape_and_materials_but_not_the_place(collection):
    before = digests(collection)
    box = bpy.data.objects["box"]
    box.location = (5, 6, 7)
    bpy.context.view_layer.update()
    assert digests(collection) == before

    box.data.vertices[0].co.x -= 0.3
    bpy.context.view_layer.update()
    changed = digests(collection)
    assert changed["box"] != before["box"] and changed["post"] == before["post"]

    bpy.data.materials["post"].diffuse_color = (1, 0, 0, 1)
    assert digests(collection)["post"] != before["post"]


def test_objects_without_faces_are_left_out(collection):
    empty = bpy.data.objects.new("empty", None)
    collection.objects.link(empty)
    assert set(digests(collection)) == {"box", "post"}
    with pytest.raises(SceneError, match="No object with faces"):
        write_objects([empty])
