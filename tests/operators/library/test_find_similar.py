"""What images, drawings, parts of images and meshes find, and how it comes into the scene."""

import bpy
import numpy as np
import pytest
from maquette.core.scene.importing.mesh_import import world_triangles


@pytest.mark.parametrize("name", ["ball", "box", "plate", "post"])
def test_an_image_finds_its_object_first(indexed, found, sample_assets, tmp_path, name):
    picture = sample_assets.write_picture(tmp_path / f"{name}.png", name)
    assert bpy.ops.maquette.find_similar(filepath=str(picture), **indexed) == {'FINISHED'}
    assert found()[0].name == name
    scores = [match.score for match in found()]
    assert scores == sorted(scores, reverse=True) and len(scores) == 4


def test_the_image_of_the_panel_counts_without_another_one(indexed, found, sample_assets, tmp_path):
    picture = sample_assets.write_picture(tmp_path / "ball.png", "ball")
    image = bpy.data.images.load(str(picture))
    bpy.context.scene.maquette.image = image
    bpy.ops.maquette.find_similar(count=2, **indexed)
    assert len(found()) == 2 and found()[0].name == "ball"
    results = bpy.context.window_manager.maquette_library
    assert results.name == image.name == results.image


def test_a_part_of_an_image_counts_alone(indexed, found, sample_assets, tmp_path):
    """The left half shows a box, the right half a ball."""
    from maquette.core.atomic_files import write_png
    from maquette.core.imaging.image_files import read_image

    halves = [
        read_image(sample_assets.write_picture(tmp_path / f"{name}.png", name))
        for name in ("box", "ball")
    ]
    path = tmp_path / "both.png"
    write_png(path, (np.concatenate(halves, axis=1) * 255).astype(np.uint8))
    for left, right, name in ((0.0, 0.5, "box"), (0.5, 1.0, "ball")):
        region = {"use_region": True, "left": left, "right": right}
        bpy.ops.maquette.find_similar(filepath=str(path), **region, **indexed)
        assert found()[0].name == name


def test_a_drawing_is_filled(indexed, found, tmp_path):
    """A broad ring: in a drawing everything within its outline is the object."""
    from maquette.core.atomic_files import write_png

    rows, columns = np.mgrid[0:160, 0:160]
    radius = np.hypot(rows - 80, columns - 80)
    pixels = np.full((160, 160, 3), 255, np.uint8)
    pixels[abs(radius - 45) < 20] = (150, 50, 25)
    path = tmp_path / "drawing.png"
    write_png(path, pixels)
    scores = []
    for query in ('DRAWING', 'IMAGE'):
        bpy.ops.maquette.find_similar(filepath=str(path), query=query, **indexed)
        scores.append({match.name: match.score for match in found()})
    drawing, image = scores
    assert drawing["ball"] > drawing["post"]
    assert drawing["ball"] > image["ball"] + 0.03  # whose hole is a hole


def test_a_mesh_finds_its_like(indexed, found, sample_assets):
    obj = sample_assets.add_shape("post", (7, 8, 9))
    obj.name = "query"
    bpy.ops.maquette.find_similar(query='MESH', **indexed)
    assert found()[0].name == "post"
    assert np.cos(4 * found()[0].turn) == pytest.approx(1, abs=1e-4)  # by quarters
    assert obj.name in bpy.context.scene.objects and len(bpy.data.libraries) == 0


def test_several_libraries_are_searched_together(
    asset_library, found, sample_assets, tmp_path, monkeypatch
):
    from maquette.operators.library import _sources

    monkeypatch.setattr(_sources, "_indexes_folder", lambda: tmp_path / "indexes")
    other = tmp_path / "other"
    other.mkdir()
    sample_assets.new_file()
    sample_assets.add_shape("plate").asset_mark()
    sample_assets.save(other / "plate.blend")
    bpy.ops.preferences.asset_library_add(directory=str(other))
    libraries = bpy.context.preferences.filepaths.asset_libraries
    try:
        bpy.ops.maquette.index_library(source='ASSETS')
        picture = sample_assets.write_picture(tmp_path / "plate.png", "plate")
        bpy.ops.maquette.find_similar(source='ASSETS', filepath=str(picture))
        assert found()[0].name == "plate"
        assert {match.name for match in found()} == {"ball", "box", "plate", "post"}
    finally:
        bpy.ops.preferences.asset_library_remove(index=len(libraries) - 1)


def test_without_an_index_or_a_query_it_says_what_to_do(indexed, tmp_path):
    missing = {**indexed, "index_file": str(tmp_path / "none.npz")}
    with pytest.raises(RuntimeError, match="Press Index Library first"):
        bpy.ops.maquette.find_similar(filepath=str(tmp_path / "x.png"), **missing)
    with pytest.raises(RuntimeError, match="Choose an image"):
        bpy.ops.maquette.find_similar(**indexed)
    with pytest.raises(RuntimeError, match="Select an object"):
        bpy.ops.maquette.find_similar(query='MESH', **indexed)


def test_an_index_of_another_model_says_so(indexed, index_file, sample_assets, tmp_path):
    from dataclasses import replace

    from maquette.core.library.index_file import read_index, write_index

    write_index(index_file, replace(read_index(index_file, True), embedding="old 1"))
    picture = sample_assets.write_picture(tmp_path / "box.png", "box")
    with pytest.raises(RuntimeError, match="another model"):
        bpy.ops.maquette.find_similar(filepath=str(picture), **indexed)


class TestAppend:
    @pytest.fixture
    def searched(self, indexed, sample_assets, tmp_path):
        """A search by an image of the box from its right front has ended."""
        picture = sample_assets.write_picture(tmp_path / "box.png", "box", (32, 22))
        bpy.ops.maquette.find_similar(filepath=str(picture), **indexed)

    def test_it_is_appended_turned_as_in_the_image_at_the_cursor(self, searched, found):
        bpy.context.scene.cursor.location = (4, 5, 6)
        assert bpy.ops.maquette.append_asset(index=0) == {'FINISHED'}
        box = bpy.context.object
        assert box.name == "box" and box.select_get() and box.library is None
        assert np.degrees(found()[0].turn) == pytest.approx(-30)
        assert np.degrees(box.rotation_euler.z) == pytest.approx(-30, abs=1e-3)
        vertices = world_triangles([box]).vertices
        np.testing.assert_allclose(vertices.mean(0)[:2], (4, 5), atol=1e-4)
        assert vertices[:, 2].min() == pytest.approx(6, abs=1e-4)

    def test_it_is_linked_on_demand(self, searched):
        assert bpy.ops.maquette.append_asset(index=0, link=True) == {'FINISHED'}
        assert bpy.context.object.data.library is not None

    def test_the_next_one_goes_beside_it(self, searched):
        for _ in range(2):
            bpy.ops.maquette.append_asset(index=0)
        first, second = bpy.context.scene.objects
        assert abs(second.location.x - first.location.x) > 1

    def test_place_and_turn_may_be_given(self, searched):
        bpy.ops.maquette.append_asset(index=0, location=(1, 2, 3), turn=0.5)
        box = bpy.context.object
        assert box.rotation_euler.z == pytest.approx(0.5, abs=1e-5)
        np.testing.assert_allclose(box.location[:2], (1, 2), atol=1e-5)

    def test_undo_takes_it_back(self, searched):
        bpy.ops.ed.undo_push(message="before")
        bpy.ops.maquette.append_asset('EXEC_DEFAULT', True, index=0)
        assert len(bpy.context.scene.objects) == 1
        bpy.ops.ed.undo()
        assert len(bpy.context.scene.objects) == 0
        assert len(bpy.context.window_manager.maquette_library.matches) == 4

    def test_a_file_that_is_gone_is_an_error_and_leaves_nothing(self, searched, found, tmp_path):
        found()[0].file = str(tmp_path / "gone.blend")
        with pytest.raises(RuntimeError, match="no longer there"):
            bpy.ops.maquette.append_asset(index=0)
        assert len(bpy.data.objects) == 0

    def test_an_index_beyond_the_results_is_an_error(self, searched):
        with pytest.raises(RuntimeError, match="There are 4 results"):
            bpy.ops.maquette.append_asset(index=7)


def test_nothing_can_be_appended_before_something_is_found(addon):
    assert not bpy.ops.maquette.append_asset.poll()


def test_thumbnails_of_what_was_found_are_there_to_be_drawn(
    indexed, found, sample_assets, tmp_path
):
    from maquette.operators.library.find_similar import thumbnail_of
    from maquette.panels.thumbnails import pixel_thumbnail

    picture = sample_assets.write_picture(tmp_path / "ball.png", "ball")
    bpy.ops.maquette.find_similar(filepath=str(picture), **indexed)
    pixels = thumbnail_of(found()[0].index_file, found()[0].row)
    mask = pixels[..., 3] > 128
    assert 0.3 < mask.mean() < 0.9
    preview = pixel_thumbnail("a name", pixels)
    assert tuple(preview.image_size) == (128, 128)
    values = np.empty(128 * 128 * 4, np.float32)
    preview.image_pixels_float.foreach_get(values)
    np.testing.assert_array_equal(values.reshape(128, 128, 4)[::-1, :, 3] > 0.5, mask)
