import bpy
import numpy as np
import pytest
from maquette.core.jobs.task import run_to_end
from maquette.core.library.records import COLLECTION, OBJECT, AssetName
from maquette.core.scene.library.asset_rendering import render_assets


@pytest.fixture
def library(addon, sample_assets, tmp_path):
    return sample_assets.write_library(tmp_path / "library")


def render(path, *assets):
    return run_to_end(render_assets(path, path.parent, list(assets)))


def test_each_view_shows_the_asset_alone_in_its_color(library, rendering_here):
    (render_of_box,) = render(library / "box.blend", AssetName(OBJECT, "box"))
    images = render_of_box.images
    assert images.shape == (12, 128, 128, 4) and not render_of_box.problem
    for image in images:
        mask = image[..., 3] > 128
        assert 0.3 < mask.mean() < 0.95
        red, green, _ = image[mask][:, :3].mean(axis=0)
        assert red > 2 * green


def test_the_views_are_in_the_order_of_the_directions(library, rendering_here, sample_assets):
    """A ball on the right of a box: from the right it hides the box."""
    sample_assets.new_file()
    box = sample_assets.add_shape("box")
    ball = sample_assets.add_shape("ball", (2, 0, 0))
    ball.parent = box
    collection = bpy.data.collections.new("pair")
    bpy.context.scene.collection.children.link(collection)
    for obj in (box, ball):
        collection.objects.link(obj)
    collection.asset_mark()
    path = library / "pair.blend"
    sample_assets.save(path)

    (pair,) = render(path, AssetName(COLLECTION, "pair"))
    front, right, _, left = pair.images[:4].astype(int)
    is_green = [image[..., 1] > image[..., 0] + 20 for image in (front, right, left)]
    middle = slice(56, 72)
    assert is_green[1][middle, middle].all()
    assert not is_green[2][middle, middle].any()
    assert is_green[0][:, 64:].any() and not is_green[0][:, :40].any()


def test_an_instanced_collection_is_shown_whole(library, rendering_here):
    (post,) = render(library / "sub/post.blend", AssetName(COLLECTION, "post"))
    front = post.images[0][..., 3] > 128
    rows = np.flatnonzero(front.any(axis=1))
    columns = np.flatnonzero(front.any(axis=0))
    assert len(rows) > 15 * len(columns)  # 4 m by 0.2 m


def test_one_that_fails_does_not_stop_the_others(library, rendering_here):
    gone, box = render(library / "box.blend", AssetName(OBJECT, "gone"), AssetName(OBJECT, "box"))
    assert "no object 'gone'" in gone.problem and gone.images.size == 0
    assert not box.problem and len(box.images) == 12


def test_an_asset_without_faces_says_so(library, rendering_here, sample_assets):
    sample_assets.new_file()
    empty = bpy.data.objects.new("nothing", None)
    bpy.context.scene.collection.objects.link(empty)
    empty.asset_mark()
    path = library / "nothing.blend"
    sample_assets.save(path)
    (nothing,) = render(path, AssetName(OBJECT, "nothing"))
    assert "no faces" in nothing.problem
