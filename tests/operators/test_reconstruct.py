from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from maquette.core.jobs import dependencies
from maquette.core.jobs.task import run_to_end
from PIL import Image


def reconstruct(*how, **options):
    return bpy.ops.maquette.reconstruct(*how, resolution=32, **options)


@pytest.fixture
def cube(addon):
    """Something that was there before, active and selected."""
    bpy.ops.mesh.primitive_cube_add()
    return bpy.context.object


@pytest.fixture
def made(addon, weights, pictures):
    """What comes of ``front.png``, two metres long, at (1, 2, 3)."""
    bpy.context.scene.cursor.location = (1, 2, 3)
    path = str(pictures / "front.png")
    assert reconstruct(filepath=path, size=2.0, weights=str(weights)) == {'FINISHED'}
    return bpy.context.object


def corners(obj):
    co = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
    return co.min(0), co.max(0)


def test_fitted_to_the_pictures_and_told_so(addon, weights, pictures):
    front, right = (str(pictures / f"{name}.png") for name in ("front", "right"))
    reconstruct(front=front, right=right, weights=str(weights))
    plain = bpy.context.object
    reconstruct(front=front, right=right, weights=str(weights), fit=True)
    fitted = bpy.context.object
    assert len(fitted.data.polygons) == len(plain.data.polygons)
    moved = np.array(
        [a.co - b.co for a, b in zip(fitted.data.vertices, plain.data.vertices, strict=True)]
    )
    assert 0 < np.abs(moved).max() < 0.1


class TestResult:
    def test_is_one_selected_mesh_object_named_after_the_picture(self, made):
        assert list(bpy.data.objects) == [made] == bpy.context.selected_objects
        assert (made.type, made.name) == ('MESH', "front")

    def test_stands_on_the_cursor_in_metres(self, made):
        bpy.context.view_layer.update()
        low, high = corners(made)
        assert tuple(made.location) == (1, 2, 3) and tuple(made.rotation_euler) == (0, 0, 0)
        assert low[2] == pytest.approx(3, abs=1e-5)
        assert max(high - low) == pytest.approx(2, abs=1e-4)

    def test_is_of_quads_and_closed(self, made):
        mesh = made.data
        assert all(len(polygon.vertices) == 4 for polygon in mesh.polygons)
        assert not mesh.validate()
        uses = np.zeros(len(mesh.edges), int)
        np.add.at(uses, [loop.edge_index for loop in mesh.loops], 1)
        assert (uses == 2).all()

    def test_has_colors(self, made):
        assert made.data.color_attributes.active_color.name == "Color"
        assert made.data.materials[0].node_tree.nodes["Color Attribute"].layer_name == "Color"


def test_the_same_mesh_as_the_direct_call(made, weights, pictures):
    from maquette.core.geometry.reshaping import options
    from maquette.core.imaging import image_files
    from maquette.core.model.inference import pipeline

    settings = pipeline.ReconstructionSettings(resolution=32, weights=weights)
    image = image_files.read_image(pictures / "front.png")
    direct = run_to_end(pipeline.reconstruct_photo(image, settings))
    kept = np.array([vertex.co for vertex in made.data.vertices])
    direct = options.apply_surface_options(direct)
    vertices = 2 * direct.vertices  # of length 1, and the operator's is of 2
    np.testing.assert_allclose(kept[:, :2], vertices[:, :2], atol=1e-6)
    np.testing.assert_allclose(kept[:, 2], vertices[:, 2] - vertices[:, 2].min(), atol=1e-6)
    assert [tuple(polygon.vertices) for polygon in made.data.polygons] == [
        tuple(face) for face in direct.faces
    ]


def test_from_an_image_of_the_file(addon, weights, pictures):
    image = bpy.data.images.load(str(pictures / "front.png"))
    assert reconstruct(image=image.name, weights=str(weights)) == {'FINISHED'}
    assert (image.name, bpy.context.object.name) == ("front.png", "front")


def test_from_a_photograph_without_alpha(addon, weights, pictures):
    assert reconstruct(filepath=str(pictures / "photo.png"), weights=str(weights)) == {'FINISHED'}


def test_from_sides(addon, weights, pictures):
    sides = {side: str(pictures / f"{side}.png") for side in ("front", "top")}
    assert reconstruct(**sides, size=1.0, name="Bottle", weights=str(weights)) == {'FINISHED'}
    obj = bpy.context.object
    low, high = corners(obj)
    assert obj.name == "Bottle"
    np.testing.assert_allclose((low[2], high[2]), (0, 1), atol=0.01)  # 80 pixels tall
    np.testing.assert_allclose(
        (high - low)[:2], 0.5, atol=0.05
    )  # 40 wide, and from the top as deep


class TestSidesFromImages:
    """Images of the file are used as they are in it, beside files or instead of them."""

    def image(self, pictures, name):
        return bpy.data.images.load(str(pictures / f"{name}.png"), check_existing=True)

    def test_give_the_same_mesh_as_their_files(self, addon, weights, pictures):
        paths = {side: str(pictures / f"{side}.png") for side in ("front", "top")}
        reconstruct(**paths, weights=str(weights))
        expected = np.array([vertex.co for vertex in bpy.context.object.data.vertices])
        top = self.image(pictures, "top")
        mixed = {"top_image": top.name, "front": paths["front"]}
        for sides in ({"front_image": self.image(pictures, "front").name, **mixed}, mixed):
            if "front_image" in sides:
                del sides["front"]
            assert reconstruct(**sides, weights=str(weights)) == {'FINISHED'}
            obj = bpy.context.object
            assert obj.name.startswith("front")
            made = np.array([vertex.co for vertex in obj.data.vertices])
            np.testing.assert_allclose(made, expected, atol=1e-6)

    def test_an_edited_image_that_is_not_saved(self, addon, weights, pictures):
        """Its upper half is erased, so that the object is as wide as tall."""
        image = self.image(pictures, "front")
        pixels = np.array(image.pixels).reshape(96, 96, 4)
        pixels[48:, :, 3] = 0  # rows go from the bottom to the top: 40 are left, as many as wide
        image.pixels.foreach_set(pixels.astype(np.float32).ravel())
        assert image.is_dirty
        reconstruct(front_image=image.name, weights=str(weights))
        low, high = corners(bpy.context.object)
        assert (high - low)[2] == pytest.approx((high - low)[0], abs=0.03)

    def test_a_generated_and_a_packed_image(self, addon, weights, pictures):
        generated = bpy.data.images.new("Drawing", 64, 64, alpha=True)
        pixels = np.zeros((64, 64, 4), np.float32)
        pixels[16:48, 24:40] = 1  # twice as tall as wide
        generated.pixels.foreach_set(pixels.ravel())
        packed = self.image(pictures, "top")
        packed.pack()
        packed.filepath = "//gone.png"
        reconstruct(front_image="Drawing", top_image=packed.name, weights=str(weights))
        low, high = corners(bpy.context.object)
        np.testing.assert_allclose(high - low, (0.5, 0.5, 1), atol=0.05)
        assert bpy.context.object.name == "Drawing"

    def test_the_panel_prefers_images_and_keeps_the_files_of_older_scenes(
        self, addon, weights, pictures, tmp_path
    ):
        settings = bpy.context.scene.maquette
        settings.source = 'SIDES'
        settings.front = settings.right = str(pictures / "front.png")
        settings.right_image = self.image(pictures, "right")
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
        settings = bpy.context.scene.maquette
        options = SimpleNamespace()  # as the properties of a button
        settings.apply_sides_to(options)
        assert options.front == str(pictures / "front.png") and options.right_image == "right.png"
        assert not hasattr(options, "right") and options.top == ""
        assert [settings.has_side(side) for side in ("front", "right", "top")] == [
            True,
            True,
            False,
        ]
        given = {name: value for name, value in vars(options).items() if value}
        assert reconstruct(**given, weights=str(weights)) == {'FINISHED'}

    def test_a_cut_out_takes_the_place_of_its_side(self, addon, weights, pictures, monkeypatch):
        from maquette.operators import _results

        monkeypatch.setattr(_results, "weights_file", lambda chosen="": weights)
        settings = bpy.context.scene.maquette
        settings.source = 'SIDES'
        settings.front_image = self.image(pictures, "photo")
        settings.top_image = self.image(pictures, "top")
        assert bpy.ops.maquette.cut_out(image="photo.png") == {'FINISHED'}
        assert settings.front_image.name == "photo.png cut out" and settings.image is None
        assert settings.top_image.name == "top.png"
        bpy.ops.maquette.cut_out(image="photo.png")  # which no side shows any more
        assert settings.image.name.startswith("photo.png cut out")

    def test_a_file_and_an_image_or_no_such_image_are_refused(
        self, cube, scene_state, weights, pictures
    ):
        before = scene_state()
        path = str(pictures / "front.png")
        for match, options in {
            "The front has a file and an image": {"front": path, "front_image": "x"},
            "no image named 'nope'": {"back_image": "nope"},
            "Choose one image": {"back_image": "nope", "filepath": path},
        }.items():
            with pytest.raises(RuntimeError, match=match):
                reconstruct(**options, weights=str(weights))
        assert scene_state() == before


def test_a_path_relative_to_the_blend_file(addon, weights, pictures):
    bpy.ops.wm.save_as_mainfile(filepath=str(pictures / "a.blend"))
    assert reconstruct(filepath="//front.png", weights=str(weights)) == {'FINISHED'}


def test_leaves_edit_mode_first(cube, weights, pictures):
    bpy.ops.object.mode_set(mode='EDIT')
    assert reconstruct(filepath=str(pictures / "front.png"), weights=str(weights)) == {'FINISHED'}
    assert bpy.context.mode == 'OBJECT' and len(cube.data.vertices) == 8


def test_into_view_when_the_active_collection_is_excluded(addon, weights, pictures):
    collection = bpy.data.collections.new("Hidden")
    bpy.context.scene.collection.children.link(collection)
    layer = bpy.context.view_layer.layer_collection.children["Hidden"]
    bpy.context.view_layer.active_layer_collection = layer
    layer.exclude = True
    assert reconstruct(filepath=str(pictures / "front.png"), weights=str(weights)) == {'FINISHED'}
    assert bpy.context.object.select_get()


def test_invoke_blocks_in_background(addon, weights, pictures):
    path = str(pictures / "front.png")
    assert reconstruct('INVOKE_DEFAULT', filepath=path, weights=str(weights)) == {'FINISHED'}
    assert bpy.context.object.name == "front"


def test_undo_takes_it_away_and_redo_brings_it_back(cube, weights, pictures):
    bpy.ops.ed.undo_push(message="Before")
    reconstruct(filepath=str(pictures / "front.png"), weights=str(weights))
    bpy.ops.ed.undo_push(message="After")
    bpy.ops.ed.undo()
    assert [obj.name for obj in bpy.data.objects] == ["Cube"]
    bpy.ops.ed.redo()
    assert sorted(obj.name for obj in bpy.data.objects) == ["Cube", "front"]


def picture(path, make):
    make().save(path)
    return path


def truncated(path):
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:1000])


BAD = {
    "no such file": (lambda path: None, "There is no image file"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "not an image": (lambda path: path.write_text("hello"), "is not a readable image"),
    "a truncated one": (truncated, "is damaged or incomplete"),
    "empty alpha": (lambda path: Image.new("RGBA", (64, 64)).save(path), "completely transparent"),
    "1 x 1": (lambda path: Image.new("RGB", (1, 1)).save(path), "only 1 x 1 pixels"),
}


class TestBadInput:
    """Each is refused with a text that names the thing, and leaves the file as it was."""

    def refused(self, state, match, **options):
        before = state()
        with pytest.raises(RuntimeError, match=match) as caught:
            reconstruct(**options)
        assert state() == before
        assert "Traceback" not in str(caught.value)

    @pytest.mark.parametrize("kind", BAD)
    def test_a_picture(self, cube, scene_state, weights, tmp_path, kind):
        make, match = BAD[kind]
        make(tmp_path / "bad.png")
        self.refused(scene_state, match, filepath=str(tmp_path / "bad.png"), weights=str(weights))
        self.refused(scene_state, match, front=str(tmp_path / "bad.png"), weights=str(weights))

    def test_a_decompression_bomb(self, cube, scene_state, weights, tmp_path):
        Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
        self.refused(
            scene_state,
            "larger than 80 megapixels",
            filepath=str(tmp_path / "bomb.png"),
            weights=str(weights),
        )

    def test_an_image_that_is_not_there(self, cube, scene_state):
        self.refused(scene_state, "no image named 'nope'", image="nope")

    def test_no_picture_or_two_kinds(self, cube, scene_state, pictures):
        self.refused(scene_state, "Choose one image")
        path = str(pictures / "front.png")
        self.refused(scene_state, "Choose one image", filepath=path, top=path)

    def test_missing_weights(self, cube, scene_state, pictures, tmp_path):
        path = str(pictures / "front.png")
        self.refused(
            scene_state,
            "nope.safetensors are missing",
            filepath=path,
            weights=str(tmp_path / "nope.safetensors"),
        )

    @pytest.mark.parametrize("part", ["beginning", "tensors", "end"])
    def test_damaged_weights(self, cube, scene_state, weights, pictures, tmp_path, part):
        data = bytearray(weights.read_bytes())
        match part:
            case "beginning":
                data[3] = 255
            case "tensors":
                data[-10] ^= 1
            case "end":
                del data[-100:]
        (tmp_path / "bad.safetensors").write_bytes(data)
        options = {
            "filepath": str(pictures / "front.png"),
            "weights": str(tmp_path / "bad.safetensors"),
        }
        self.refused(scene_state, "damaged", **options)

    def test_no_torch(self, cube, scene_state, pictures, monkeypatch):
        monkeypatch.setattr(dependencies, "is_installed", lambda package: package != "torch")
        match = "PyTorch is not installed in this Python. Install it with .* -m pip install torch"
        self.refused(scene_state, match, filepath=str(pictures / "front.png"))


def test_every_property_says_what_it_does(addon):
    group = bpy.types.Scene.bl_rna.properties["maquette"].fixed_type
    for rna in (
        bpy.ops.maquette.reconstruct.get_rna_type(),
        bpy.ops.maquette.render_dataset.get_rna_type(),
        group,
    ):
        ours = [
            prop
            for prop in rna.properties
            if prop.identifier != "rna_type" and not prop.is_readonly
        ]
        assert len(ours) > 10
        assert [prop.identifier for prop in ours if not prop.description] == []
        numbers = [prop for prop in ours if prop.type in {'INT', 'FLOAT'}]
        assert numbers and all(prop.hard_min > -1e6 for prop in numbers), "one has no bounds"


class TestPlace:
    """A new object overlaps nothing that stands there, unless its place is named."""

    def test_beside_what_stands_at_the_cursor(self, cube, weights, pictures):
        path = str(pictures / "front.png")
        ends = [1.0]  # the right end of the cube
        for _ in range(2):
            assert reconstruct(filepath=path, weights=str(weights)) == {'FINISHED'}
            bpy.context.view_layer.update()
            low, high = corners(bpy.context.object)
            assert low[0] == pytest.approx(ends[-1] + 0.1, abs=1e-4)
            assert low[2] == pytest.approx(0, abs=1e-5)
            ends.append(high[0])

    def test_where_there_is_room_at_the_cursor(self, cube, weights, pictures):
        bpy.context.scene.cursor.location = (5, 0, 0)
        reconstruct(filepath=str(pictures / "front.png"), weights=str(weights))
        assert tuple(bpy.context.object.location) == (5, 0, 0)

    def test_hidden_objects_take_no_room(self, cube, weights, pictures):
        cube.hide_set(True)
        reconstruct(filepath=str(pictures / "front.png"), weights=str(weights))
        assert tuple(bpy.context.object.location) == (0, 0, 0)

    def test_at_a_named_place_and_turned(self, cube, weights, pictures):
        options = {"location": (0, 0, 0.5), "rotation": (0, 0, 1)}
        reconstruct(filepath=str(pictures / "front.png"), weights=str(weights), **options)
        made = bpy.context.object
        assert tuple(made.location) == (0, 0, 0.5)
        assert tuple(made.rotation_euler) == pytest.approx((0, 0, 1))


def test_textured_afterwards_if_wanted(addon, weights, pictures):
    front = str(pictures / "front.png")
    assert reconstruct(filepath=front, weights=str(weights), texture=True) == {'FINISHED'}
    obj = bpy.context.object
    nodes = obj.data.materials[0].node_tree.nodes
    baked = [node.image for node in nodes if node.type == 'TEX_IMAGE' and node.image]
    assert [image.name for image in baked] == ["front texture"]
    assert "Color" in obj.data.color_attributes and obj.data.uv_layers


def test_smoothing_and_base_change_without_another_run_of_the_model(
    addon, weights, pictures, monkeypatch
):
    """They are settings of Adjust Last Operation, where each change must be quick."""
    from maquette.core.model.inference import pipeline

    path = str(pictures / "front.png")
    runs = []
    run = pipeline.reconstruct_photo
    monkeypatch.setattr(pipeline, "reconstruct_photo", lambda *given: runs.append(1) or run(*given))
    meshes = []
    for smooth, flat_base in ((0.0, False), (1.0, False), (1.0, True)):
        options = {"smooth": smooth, "flat_base": flat_base, "location": (0, 0, 0)}
        reconstruct(filepath=path, weights=str(weights), **options)
        vertices = bpy.context.object.data.vertices
        meshes.append(np.array([vertex.co for vertex in vertices]))
    assert len(runs) <= 1  # none, if an earlier test has run it
    plain, smoothed, flat = meshes
    assert 0 < np.abs(smoothed - plain).max() < 0.1
    heights = flat[:, 2] - flat[:, 2].min()
    assert (heights < 0.0003).sum() > (smoothed[:, 2] - smoothed[:, 2].min() < 0.0003).sum()


def euler_number(obj):
    mesh = obj.data
    return len(mesh.vertices) - len(mesh.edges) + len(mesh.polygons)


def test_without_holes_if_they_are_not_to_be_kept(addon, weights, tmp_path):
    """A ring on white; the second call differs in nothing else, so its result is a new one."""
    rows, columns = np.mgrid[0:96, 0:96]
    radius = np.hypot(rows - 48, columns - 48)
    ring = (radius < 40) & (radius > 20)
    color = np.where(ring[..., None], (200, 40, 30), 255).astype(np.uint8)
    path = tmp_path / "ring.png"
    Image.fromarray(color).save(path)

    reconstruct(filepath=str(path), weights=str(weights))
    kept = bpy.context.object
    reconstruct(filepath=str(path), weights=str(weights), keep_holes=False)
    filled = bpy.context.object
    assert euler_number(kept) < euler_number(filled) == 2
