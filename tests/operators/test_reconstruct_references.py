"""References of a known solid, drawn by casting a ray through each pixel in Blender."""

import bpy
import numpy as np
import pytest
from maquette.core.geometry import winding_number
from mathutils import Euler, Matrix, Vector

# An upright slab with a foot to the right (+X) and front (-Y), symmetric from no side: (low, high).
BOXES = np.array((((1.0, 3.0, 0.5), (2.0, 3.6, 2.1)), ((1.8, 2.6, 0.5), (2.7, 3.3, 0.9))))
BOUNDS = np.array(((1.0, 2.6, 0.5), (2.7, 3.6, 2.1)))
FOOT, BACK, ABOVE_FOOT, BEFORE_SLAB, BEHIND_FOOT = (
    (2.4, 2.8, 0.7),
    (1.5, 3.5, 1.6),
    (2.4, 3.1, 1.6),
    (1.5, 2.75, 1.6),
    (2.4, 3.5, 0.7),
)
TURNS = {
    "front": (90, 0, 0),
    "right": (90, 0, 90),
    "back": (90, 0, 180),
    "left": (90, 0, 270),
    "top": (0, 0, 0),
    "bottom": (180, 0, 0),
}


def hit(starts, along):
    """Whether the lines from ``starts`` (..., 3) pass through the solid."""
    along = np.where(np.abs(along) < 1e-9, 1e-9, along)
    found = np.zeros(starts.shape[:-1], bool)
    for low, high in BOXES:
        ends = np.sort(np.stack(((low - starts) / along, (high - starts) / along)), axis=0)
        found |= ends[0].max(-1) < ends[1].min(-1)
    return found


def picture(name, mask):
    """An image of the open file, red where ``mask`` (H, W), row 0 at the top, is; cut out."""
    image = bpy.data.images.new(name, mask.shape[1], mask.shape[0], alpha=True)
    rgba = np.zeros((*mask.shape, 4), np.float32)
    rgba[mask] = (0.8, 0.2, 0.1, 1)
    image.pixels.foreach_set(rgba[::-1].ravel())
    return image


def shares(width, height):
    """Of each pixel's middle (H, W, 2): across from the left and up from the bottom, 0..1."""
    return np.stack(
        np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height),
        axis=-1,
    )


def stand(name, place, size=4.0, offset=(-0.5, -0.5), pixels=(160, 120), parent=None):
    """An image empty with the matrix ``place`` that shows what is behind it along its normal."""
    empty = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(empty)
    empty.empty_display_type, empty.empty_display_size, empty.empty_image_offset = (
        'IMAGE',
        size,
        offset,
    )
    empty.parent = parent
    empty.matrix_basis = place
    bpy.context.view_layer.update()
    matrix = np.array(empty.matrix_world)
    flat = (shares(*pixels) + offset) * size * np.array(pixels) / max(pixels)
    on_plane = flat @ matrix[:3, :2].T + matrix[:3, 3]
    empty.data = picture(name, hit(on_plane, np.cross(matrix[:3, 0], matrix[:3, 1])))
    return empty


def side(name, location, scale=(1, 1, 1), **options):
    turn = Euler(np.radians(TURNS[name])).to_matrix().to_4x4()
    return stand(
        name.capitalize(),
        Matrix.Translation(location) @ turn @ Matrix.Diagonal((*scale, 1)),
        **options,
    )


def reconstruct(*objects, **options):
    names = [{"name": obj.name} for obj in objects]
    assert bpy.ops.maquette.reconstruct_references(objects=names, resolution=64, **options) == {
        'FINISHED'
    }
    bpy.context.view_layer.update()
    return bpy.context.object


def corners(obj):
    co = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
    return np.stack((co.min(0), co.max(0)))


def inside(obj, points):
    obj.data.calc_loop_triangles()
    co = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
    return winding_number.points_inside(
        co, np.array([t.vertices for t in obj.data.loop_triangles]), np.array(points, float)
    ).tolist()


@pytest.fixture
def scene(addon, weights):
    """A scene whose add-on sees a solid wherever the masks do."""
    return {"weights": str(weights)}


def assert_stands_right(obj, atol=0.04):
    np.testing.assert_allclose(corners(obj), BOUNDS, atol=atol)
    assert inside(obj, (FOOT, BACK, ABOVE_FOOT, BEFORE_SLAB)) == [True, True, False, False]


def test_front_right_top_moved_back_from_the_object(scene):
    made = reconstruct(
        side("front", (1.7, 9, 1)),
        side("right", (-4, 3.4, 1.2), size=5),
        side("top", (2, 3, -2)),
        **scene,
    )
    assert_stands_right(made)
    assert made.name == "Maquette" and tuple(made.scale) == (1, 1, 1)
    np.testing.assert_allclose(made.location, (1.85, 3.1, 0.5), atol=0.03)
    assert inside(made, [BEHIND_FOOT]) == [False]


def test_front_silhouette_lies_under_the_front_reference(scene):
    front = side("front", (1.7, 9, 1))
    made = reconstruct(front, side("left", (8, 3.2, 1)), **scene)
    x, z = np.meshgrid(np.arange(-0.15, 3.8, 0.1), np.arange(-0.35, 2.4, 0.1))
    starts = np.stack((x, np.zeros_like(x), z), axis=-1)
    inverse = made.matrix_world.inverted()
    turn = inverse.to_3x3()
    seen = [
        made.ray_cast(inverse @ Vector(start), turn @ Vector((0, 1, 0)))[0]
        for start in starts.reshape(-1, 3)
    ]
    shown = hit(starts, np.array((0, 1, 0))).ravel()
    assert (np.array(seen) & shown).sum() / (np.array(seen) | shown).sum() > 0.95


def test_offset_scale_and_display_size_count(scene):
    made = reconstruct(
        side("back", (3, -5, 0), scale=(2, 2, 2), size=2.2, offset=(-0.2, -0.1)),
        side("bottom", (1, 2, 7), scale=(0.5, 0.8, 1), size=8, offset=(-0.3, -0.8)),
        side("right", (0, 3, 0), size=3, offset=(-0.4, 0), pixels=(90, 150)),
        **scene,
    )
    assert_stands_right(made)


def test_a_mirrored_empty_shows_the_mirrored_picture(scene):
    made = reconstruct(
        side("front", (1.7, 9, 1), scale=(-1, 1, 1)),
        side("top", (2, 3, -2), scale=(1, -1, 1)),
        **scene,
    )
    assert_stands_right(made)


def test_an_empty_that_shows_only_from_behind_is_looked_at_from_there(scene):
    from maquette.operators.reconstruct_references import seen_from

    front = side("front", (1.7, 9, 1))
    front.empty_image_side = 'BACK'
    assert seen_from(front) == "back"
    assert_stands_right(reconstruct(front, side("top", (2, 3, -2)), **scene))


def test_turned_in_its_own_plane_and_sheared_by_its_parent(scene):
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.scale = (1.5, 1, 0.8)
    roll = Matrix.Rotation(np.radians(20), 4, 'Z')
    turn = Euler(np.radians(TURNS["front"])).to_matrix().to_4x4()
    sheared = stand(
        "Sheared",
        Matrix.Translation((1, 9, 1)) @ turn @ roll,
        size=5,
        pixels=(200, 200),
        parent=parent,
    )
    made = reconstruct(sheared, side("right", (-4, 3.4, 1.2)), side("top", (2, 3, -2)), **scene)
    assert_stands_right(made, atol=0.06)


def test_references_turned_together_turn_the_object(scene):
    """As of a rotated parent: the frame is the references', and the object is rotated in it."""
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.matrix_basis = Matrix.Translation((1, 2, 0)) @ Matrix.Rotation(np.radians(30), 4, 'Z')
    turns = {
        name: Euler(np.radians(TURNS[name])).to_matrix().to_4x4() for name in ("front", "right")
    }
    made = reconstruct(
        stand("A", Matrix.Translation((2, 3, 1)) @ turns["front"], parent=parent),
        stand("B", Matrix.Translation((0, 1, 1)) @ turns["right"], parent=parent),
        **scene,
    )
    assert made.rotation_euler.z == pytest.approx(np.radians(30), abs=1e-4)
    turn = np.array(Matrix.Rotation(np.radians(30), 3, 'Z'))
    shown = (
        np.array(
            [(x, y, z) for box in BOXES for x in box[:, 0] for y in box[:, 1] for z in box[:, 2]]
        )
        @ turn
    )
    own = np.array([made.matrix_world @ vertex.co for vertex in made.data.vertices]) @ turn
    np.testing.assert_allclose((own.min(0), own.max(0)), (shown.min(0), shown.max(0)), atol=0.04)


def camera(name, place, pixels, lens=50.0, shift=(0.0, 0.0), ortho=None, **background):
    """A camera with a background image of the solid, in its frame unless ``background`` differs."""
    data = bpy.data.cameras.new(name)
    data.lens, (data.shift_x, data.shift_y) = lens, shift
    if ortho:
        data.type, data.ortho_scale = 'ORTHO', ortho
    obj = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(obj)
    obj.matrix_world = place
    bpy.context.view_layer.update()
    data.show_background_images = True
    shown = data.background_images.new()
    for key, value in background.items():
        setattr(shown, key, value)
    corners = np.array(
        data.view_frame(scene=bpy.context.scene)
    )  # upper right, lower right, lower left, upper left
    at = shares(*pixels)
    if shown.use_flip_x:
        at[..., 0] = 1 - at[..., 0]
    if shown.frame_method == 'CROP':  # pictures as wide as the frame, of twice its height
        at[..., 1] = 2 * at[..., 1] - 0.5
    local = (
        corners[2]
        + at[..., :1] * (corners[1] - corners[2])
        + at[..., 1:] * (corners[3] - corners[2])
    )
    matrix = np.array(obj.matrix_world)
    on_plane = local @ matrix[:3, :3].T + matrix[:3, 3]
    along = -matrix[:3, 2] if ortho else on_plane - matrix[:3, 3]
    shown.image = picture(name, hit(on_plane, along))
    return obj


def aimed(eye):
    eye = Vector(eye)
    return (
        Matrix.Translation(eye)
        @ (Vector((1.9, 3.3, 1.2)) - eye).to_track_quat('-Z', 'Y').to_matrix().to_4x4()
    )


@pytest.fixture
def frame(scene):
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = 400, 300, 50
    return scene


def test_cameras_with_a_background_image(frame):
    made = reconstruct(
        camera("A", aimed((1.9, -6, 1.5)), (200, 150), shift=(0.1, -0.07)),
        camera("B", aimed((9, 3, 1.4)), (400, 300), shift=(-0.06, 0.1), frame_method='FIT'),
        camera("C", aimed((2, 3, 9)), (120, 90), lens=40, use_flip_x=True),
        camera("D", aimed((-6, 1, 3)), (200, 300), frame_method='CROP'),
        **frame,
    )
    assert_stands_right(made, atol=0.12)  # the corners of a hull of cones


def test_an_orthographic_camera_beside_an_empty(frame):
    turn = Euler(np.radians(TURNS["right"])).to_matrix().to_4x4()
    side_camera = camera(
        "Side", Matrix.Translation((9, 3, 1)) @ turn, (200, 150), ortho=4.0, shift=(0.05, 0.02)
    )
    assert_stands_right(reconstruct(side("front", (1.7, 9, 1)), side_camera, **frame))


@pytest.mark.parametrize(
    ("options", "low", "high"),
    [
        ({"frame_method": 'STRETCH'}, (0, 0), (200, 150)),
        ({"frame_method": 'FIT'}, (0, 25), (200, 125)),
        ({"frame_method": 'CROP'}, (-50, 0), (250, 150)),
        ({"frame_method": 'FIT', "scale": 2.0}, (-100, -25), (300, 175)),
        ({"frame_method": 'FIT', "offset": (0.25, 0.5)}, (50, -25), (250, 75)),
    ],
)
def test_where_a_background_image_lies_in_the_frame(frame, options, low, high):
    """A picture of 2 to 1 in a frame of 4 to 3: its corners in pixels of the frame, y down."""
    from maquette.core.scene import references

    obj = camera("A", aimed((1.9, -6, 1.5)), (200, 150), **options)
    shown = obj.data.background_images[0]
    shown.image = picture("Wide", np.ones((50, 100), bool))
    own = references.reference_pose(bpy.context, obj).camera
    shown.image = picture("Full", np.ones((150, 200), bool))
    shown.frame_method, shown.scale, shown.offset = 'STRETCH', 1.0, (0, 0)
    whole = references.reference_pose(bpy.context, obj).camera
    corners = own.unproject(np.array(((0.0, 0.0), (100.0, 50.0))), np.ones(2))
    np.testing.assert_allclose(whole.project(corners)[0], (low, high), atol=1e-3)


def test_the_pictures_stay_with_the_object_and_look_at_it_as_they_stood(scene):
    from maquette.core.scene.source_views import decode_views, load_views

    obj = reconstruct(side("front", (1.5, 0, 1)), side("right", (5, 3, 1)), **scene)
    front, right = decode_views(load_views(obj))
    assert obj.matrix_world.translation.length > 1
    for view, empty in ((front, ABOVE_FOOT), (right, BEFORE_SLAB)):
        for point, full in ((FOOT, True), (empty, False)):
            (at,), _ = view.camera.project(np.array((obj.matrix_world.inverted() @ Vector(point),)))
            assert (view.image[int(at[1]), int(at[0]), 3] > 0.5) == full


def test_one_reference_stands_as_deep_as_the_cursor(scene):
    bpy.context.scene.cursor.location = (7, 3.3, 9)
    low, high = corners(reconstruct(side("front", (1.7, 9, 1)), **scene))
    np.testing.assert_allclose((low[[0, 2]], high[[0, 2]]), BOUNDS[:, [0, 2]], atol=0.04)
    assert (low[1] + high[1]) / 2 == pytest.approx(3.3, abs=0.05)


class TestOnTheFloor:
    """Where no image shows how far away the object is, and the 3D cursor is on the floor."""

    def assert_covers_its_image(self, made, obj, mask_box):
        from maquette.core.scene import references

        view = references.reference_pose(bpy.context, obj).camera
        co = np.array([made.matrix_world @ vertex.co for vertex in made.data.vertices])
        pixels = view.project(co)[0]
        np.testing.assert_allclose((pixels.min(0), pixels.max(0)), mask_box, atol=4)

    def box(self, obj):
        image = obj.data.background_images[0].image
        width, height = image.size
        alpha = np.array(image.pixels).reshape(height, width, 4)[::-1, :, 3]
        rows, columns = np.nonzero(alpha > 0.5)
        return (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)

    @pytest.mark.parametrize("cursor", [(0, 0, 0), (-3, 20, 0)])
    def test_a_single_camera(self, frame, cursor):
        bpy.context.scene.cursor.location = cursor
        obj = camera("A", aimed((4, -5, 4)), (200, 150))
        made = reconstruct(obj, **frame)
        assert corners(made)[0, 2] == pytest.approx(0, abs=1e-5)
        self.assert_covers_its_image(made, obj, self.box(obj))

    def test_a_camera_that_has_the_origin_behind_it(self, frame):
        obj = camera("A", aimed((1.5, 0.4, 2.6)), (200, 150), lens=24)
        made = reconstruct(obj, **frame)
        assert corners(made)[0, 2] == pytest.approx(0, abs=1e-5)
        self.assert_covers_its_image(made, obj, self.box(obj))

    def test_an_orthographic_camera_from_above_keeps_the_size(self, frame):
        obj = camera("A", aimed((1.9, -3, 6)), (200, 150), ortho=5.0)
        bpy.context.scene.cursor.location = (1.9, 3.1, 1.3)
        floating = reconstruct(obj, **frame)
        bpy.context.scene.cursor.location = (0, 0, 0)
        made = reconstruct(obj, **frame)
        assert abs(corners(floating)[0, 2]) > 0.2
        assert corners(made)[0, 2] == pytest.approx(0, abs=1e-5)
        np.testing.assert_allclose(
            np.ptp(corners(made), 0), np.ptp(corners(floating), 0), atol=1e-4
        )
        self.assert_covers_its_image(made, obj, self.box(obj))

    def test_an_image_of_the_top(self, scene):
        made = reconstruct(side("top", (2, 3, -2)), **scene)
        low, high = corners(made)
        assert low[2] == pytest.approx(0, abs=1e-5)
        np.testing.assert_allclose((low[:2], high[:2]), BOUNDS[:, :2], atol=0.04)

    def test_a_level_image_stays_at_the_height_that_it_shows(self, scene):
        low, high = corners(reconstruct(side("front", (1.7, 9, 1)), **scene))
        np.testing.assert_allclose((low[2], high[2]), BOUNDS[:, 2], atol=0.04)


def test_from_aside_in_words_and_in_place(scene):
    """Seen from 30 degrees right of the front: one such reference alone, and beside the front."""
    turn = Euler(np.radians((90, 0, 30))).to_matrix().to_4x4()
    aside = stand("Aside", Matrix.Translation((1, 9, 1)) @ turn, size=8, pixels=(200, 120))
    front = side("front", (1.7, 9, 1))
    from maquette.operators.reconstruct_references import seen_from

    assert (seen_from(aside), seen_from(front)) == ("30° right of front", "front")
    low, high = corners(reconstruct(aside, front, **scene))
    np.testing.assert_allclose((low[[0, 2]], high[[0, 2]]), BOUNDS[:, [0, 2]], atol=0.05)
    bpy.context.scene.cursor.location = (1.9, 3.3, 1.3)
    alone = reconstruct(aside, **scene)
    assert alone.rotation_euler.z == pytest.approx(np.radians(30), abs=1e-4)
    z = corners(alone)[:, 2]
    np.testing.assert_allclose(z, BOUNDS[:, 2], atol=0.04)


def test_what_the_user_says_it_shows_counts_more_than_how_it_stands(scene):
    """All in a row, as a drawing board: the picture of the right stands as a front would."""
    right = side("right", (-4, 3.4, 1.2))
    right.matrix_world = (
        Matrix.Translation((6, 5, 1.2)) @ Euler(np.radians(TURNS["front"])).to_matrix().to_4x4()
    )
    right.maquette_reference.side = 'RIGHT'
    bpy.context.scene.cursor.location = (0, 3.1, 0)
    made = reconstruct(side("front", (1.7, 9, 1)), right, **scene)
    np.testing.assert_allclose(corners(made), BOUNDS, atol=0.05)
    assert inside(made, (FOOT, BACK, ABOVE_FOOT, BEFORE_SLAB)) == [True, True, False, False]


def test_disagreements_are_measured_told_and_fitted(scene):
    front, left = side("front", (1.7, 9, 1)), side("left", (8, 3.2, 1))
    left.empty_display_size *= 1.04
    left.location.z += 0.02  # its foot stays on the ground
    made = reconstruct(front, left, **scene)
    text = bpy.context.scene.maquette.disagreements
    assert "Left is 4.0% taller than Front; Left is 2.0% of the height higher than Front" in text
    height = np.ptp(corners(made)[:, 2])
    assert height == pytest.approx(1.6 * 1.02, abs=0.03)
    left.empty_display_size *= 1.5
    made = reconstruct(front, left, **scene)
    low, high = corners(made)
    np.testing.assert_allclose(
        (low[[0, 2]], high[[0, 2]]), BOUNDS[:, [0, 2]], atol=0.04
    )  # the front is believed


def test_the_command_line_gives_the_same_mesh(scene, weights, tmp_path, capfd):
    from maquette.operators.cli import main

    names = [side("front", (1.7, 9, 1)).name, side("right", (-4, 3.4, 1.2)).name]
    made = reconstruct(*(bpy.data.objects[name] for name in names), **scene)
    words = [
        "references",
        *names,
        "-o",
        tmp_path / "out.glb",
        "--resolution",
        64,
        "--weights",
        weights,
    ]
    assert main.run_command([str(word) for word in words]) == 0
    assert "from Front (front), Right (right)" in capfd.readouterr().out
    again = bpy.context.object
    assert again.name == "out" and (tmp_path / "out.glb").exists()
    assert again.matrix_basis == made.matrix_basis and len(again.data.vertices) == len(
        made.data.vertices
    )
    assert main.run_command(["references", "nope", "-o", str(tmp_path / "out.glb")]) == 1
    assert "no object named 'nope'" in capfd.readouterr().err


class TestWhich:
    def test_those_selected_else_those_in_view(self, scene):
        from maquette.core.scene.references import chosen_references

        front, right = side("front", (1.7, 9, 1)), side("right", (-4, 3.4, 1.2))
        hidden, clear = side("back", (0, -5, 1)), side("top", (2, 3, -2))
        hidden.hide_set(True)
        clear.use_empty_image_alpha, clear.color[3] = True, 0
        bpy.ops.mesh.primitive_cube_add()
        assert chosen_references(bpy.context) == [front, right]
        right.select_set(True)
        assert chosen_references(bpy.context) == [right]

    def test_those_of_a_collection(self, scene):
        sheet = bpy.data.collections.new("Robot")
        bpy.context.scene.collection.children.link(sheet)
        for empty in (side("front", (1.7, 9, 1)), side("right", (-4, 3.4, 1.2))):
            sheet.objects.link(empty)
        side("back", (0, -5, 1))
        assert bpy.ops.maquette.reconstruct_references(
            collection="Robot", resolution=32, **scene
        ) == {'FINISHED'}
        assert bpy.context.object.name == "Robot"


class TestRefuses:
    def refused(self, state, match, names=(), **options):
        before = state()
        with pytest.raises(RuntimeError, match=match):
            bpy.ops.maquette.reconstruct_references(
                objects=[{"name": name} for name in names], **options
            )
        assert state() == before

    def test_no_reference(self, scene, scene_state):
        self.refused(
            scene_state,
            "No reference is visible. Add the object's front with Add > Image > Reference",
            **scene,
        )
        bpy.ops.mesh.primitive_cube_add()
        self.refused(scene_state, "Cube is not a visible image empty", ["Cube"], **scene)
        self.refused(scene_state, "no object named 'nope'", ["nope"], **scene)
        self.refused(scene_state, "no collection named 'nope'", collection="nope", **scene)

    def test_one_without_an_image_or_pixels(self, scene, scene_state, tmp_path):
        front = side("front", (1.7, 9, 1))
        front.data = None
        self.refused(scene_state, "Front: This empty has no image", ["Front"], **scene)
        path = tmp_path / "gone.png"
        path.write_bytes(b"no picture")
        front.data = bpy.data.images.load(str(path))
        self.refused(scene_state, "Front: Image 'gone.png' cannot be read from", ["Front"], **scene)

    def test_one_without_size_and_too_many(self, scene, scene_state):
        flat = side("front", (1.7, 9, 1))
        flat.scale.x = 0
        self.refused(scene_state, "Front has a scale of zero", ["Front"], **scene)
        for _ in range(6):
            side("right", (-4, 3.4, 1.2))
        self.refused(scene_state, "There are 7 references, but at most 6", **scene)


def test_every_property_says_what_it_does(addon):
    operators = (bpy.ops.maquette.reconstruct_references, bpy.ops.maquette.lay_out_turnaround)
    group = bpy.types.Object.bl_rna.properties["maquette_reference"].fixed_type
    for rna in (*(operator.get_rna_type() for operator in operators), group):
        ours = [prop for prop in rna.properties if prop.identifier not in {"rna_type", "name"}]
        assert ours and [prop.identifier for prop in ours if not prop.description] == []
