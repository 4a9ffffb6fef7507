import bpy
import pytest
from maquette.core.errors import MeshError
from maquette.core.jobs.task import run_to_end
from maquette.core.library.records import COLLECTION, FILE, OBJECT, AssetName
from maquette.core.scene.library.asset_files import list_assets, load_objects, prepare_asset


@pytest.fixture
def library(addon, sample_assets, tmp_path):
    return sample_assets.write_library(tmp_path / "library")


def test_marked_objects_and_collections_are_assets(library):
    assert run_to_end(list_assets(library / "box.blend", True)) == (AssetName(OBJECT, "box"),)
    (asset,) = run_to_end(list_assets(library / "sub/post.blend", False))
    assert asset == AssetName(COLLECTION, "post")


def test_a_mesh_file_is_one_asset(library):
    assert run_to_end(list_assets(library / "plate.obj", False)) == (AssetName(FILE, "plate"),)


def test_a_blend_file_without_marked_assets_is_one_unless_only_marked_ones_count(
    library, sample_assets
):
    path = library / "plain.blend"
    sample_assets.new_file()
    sample_assets.add_shape("box")
    sample_assets.save(path)
    assert run_to_end(list_assets(path, False)) == (AssetName(FILE, "plain"),)
    assert run_to_end(list_assets(path, True)) == ()


def test_a_file_that_is_no_blend_file_is_an_error(tmp_path):
    path = tmp_path / "broken.blend"
    path.write_bytes(b"this is no blend file")
    with pytest.raises(MeshError, match="not a readable"):
        run_to_end(list_assets(path, True))


def test_an_asset_that_is_gone_is_an_error(library):
    with pytest.raises(MeshError, match="no object 'chair' any more"):
        load_objects(library / "box.blend", AssetName(OBJECT, "chair"), link=False)
    assert "chair" not in bpy.data.objects


def test_a_collection_is_instanced(library):
    (empty,) = load_objects(library / "sub/post.blend", AssetName(COLLECTION, "post"), link=True)
    assert empty.instance_collection.library is not None
    assert len(empty.instance_collection.objects) == 2


def test_opened_assets_are_removed_again(library, scene_counts):
    before = scene_counts()
    for name, asset in (
        ("box.blend", AssetName(OBJECT, "box")),
        ("plate.obj", AssetName(FILE, "plate")),
    ):
        opener = run_to_end(prepare_asset(library / name, library, asset))
        with opener() as objects:
            assert [obj.name for obj in objects] == [asset.name]
            assert objects[0].name in bpy.context.scene.objects
    assert scene_counts() == before


@pytest.fixture
def scene_counts():
    """Returns a function that counts the data-blocks of the file."""
    kinds = ("objects", "meshes", "materials", "collections", "scenes", "libraries")
    return lambda: {kind: len(getattr(bpy.data, kind)) for kind in kinds}
