"""References stand where they do and show what they show, hidden and moving ones as well."""

import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageError, SceneError
from mathutils import Euler, Matrix
from PIL import Image

TALL, WIDE = (slice(4, 44), slice(18, 30)), (slice(18, 30), slice(4, 44))
PLACE = (3.0, 0.0, 1.0)


def write_image(path, part, size=(48, 48)):
    """Write a picture of a red thing before white."""
    pixels = np.full((size[1], size[0], 3), 255, np.uint8)
    pixels[part] = (200, 30, 30)
    Image.fromarray(pixels).save(path)
    return path


def proportions(values):
    """The height of the red thing divided by its width."""
    red = values[..., 1] < 0.5
    return red.any(1).sum() / red.any(0).sum()


@pytest.fixture
def sequence(tmp_path):
    """Five images, of which the first three show a tall thing and the others a wide one."""
    for number in range(1, 6):
        write_image(tmp_path / f"seq_{number:04d}.png", TALL if number < 4 else WIDE)
    return tmp_path / "seq_0001.png"


def movie_of(sequence):
    """Encode the images as a movie, by Blender."""
    scene = bpy.data.scenes.new("encoder")
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    names = sorted(path.name for path in sequence.parent.glob("seq_*.png"))
    strip = strips.new_image("images", str(sequence), 1, 1)
    for name in names[1:]:
        strip.elements.append(name)
    scene.frame_start, scene.frame_end = 1, len(names)
    render = scene.render
    render.resolution_x = render.resolution_y = 48
    render.resolution_percentage = 100
    render.filepath = str(sequence.parent / "movie.mkv")
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = 'VIDEO'
    render.image_settings.file_format = 'FFMPEG'
    render.ffmpeg.format, render.ffmpeg.codec = 'MKV', 'FFV1'
    bpy.ops.render.render(animation=True, scene=scene.name)
    bpy.data.scenes.remove(scene)
    return sequence.parent / "movie.mkv"


def empty_of(path, source='FILE', name="Front"):
    empty = bpy.data.objects.new(name, None)
    empty.empty_display_type = 'IMAGE'
    empty.data = bpy.data.images.load(str(path))
    empty.data.source = source
    empty.rotation_euler = (np.pi / 2, 0, 0)
    bpy.context.scene.collection.objects.link(empty)
    return empty


def pose_of(obj):
    from maquette.core.scene.references import reference_pose

    before = blocks()
    pose = reference_pose(bpy.context, obj)
    assert blocks() == before
    return pose


def blocks():
    kinds = [prop.identifier for prop in bpy.data.bl_rna.properties if prop.type == 'COLLECTION']
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}


@pytest.mark.parametrize("frame", [1, 3, 4, 5])
@pytest.mark.parametrize("kind", ['MOVIE', 'SEQUENCE'])
def test_the_frame_that_is_shown(addon, sequence, kind, frame):
    path = movie_of(sequence) if kind == 'MOVIE' else sequence
    empty = empty_of(path, kind)
    empty.image_user.frame_start, empty.image_user.frame_duration = 1, 5
    bpy.context.scene.frame_set(frame)
    pose = pose_of(empty)
    bpy.context.scene.frame_set(1)  # the pose was taken before
    assert pose.frame == frame
    assert (pose.camera.width, pose.camera.height) == (48, 48)
    before = blocks()
    shown = proportions(pose.read_image().values)
    assert blocks() == before
    assert shown == pytest.approx(40 / 12 if frame < 4 else 12 / 40, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "scene_frame", "expected"),
    [
        ({"frame_start": 11}, 14, 4),
        ({"frame_start": 11}, 2, 0),
        ({"frame_offset": 2}, 2, 4),
        ({}, 90, 5),
        ({"use_cyclic": True}, 9, 4),
        ({"use_cyclic": True}, 10, 5),
        ({"use_cyclic": True}, -1, 4),
    ],
)
def test_frames_are_counted_as_blender_does(addon, sequence, settings, scene_frame, expected):
    empty = empty_of(sequence, 'SEQUENCE')
    empty.image_user.frame_start, empty.image_user.frame_duration = 1, 5
    for name, value in settings.items():
        setattr(empty.image_user, name, value)
    bpy.context.scene.frame_set(scene_frame)
    assert pose_of(empty).frame == expected


def test_a_background_image_of_a_camera_may_be_a_sequence(addon, sequence):
    data = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", data)
    bpy.context.scene.collection.objects.link(camera)
    data.show_background_images = True
    background = data.background_images.new()
    background.image = bpy.data.images.load(str(sequence))
    background.image.source = 'SEQUENCE'
    background.image_user.frame_duration, background.image_user.frame_start = 5, 1
    bpy.context.scene.frame_set(5)
    assert proportions(pose_of(camera).read_image().values) < 1


def test_a_frame_that_does_not_exist_is_named(addon, sequence):
    empty = empty_of(sequence, 'SEQUENCE')
    empty.image_user.frame_start, empty.image_user.frame_duration = 1, 50
    bpy.context.scene.frame_set(9)
    with pytest.raises(ImageError, match=r"Front: Frame 9 of Image 'seq_0001.png' cannot be read"):
        pose_of(empty).read_image()


def test_a_sequence_by_itself_is_the_file_that_it_names(addon, sequence):
    from maquette.core.scene.images import image_values

    for number, is_tall in ((2, True), (4, False)):
        image = bpy.data.images.load(str(sequence.with_name(f"seq_{number:04d}.png")))
        image.source = 'SEQUENCE'
        assert (proportions(image_values(image).values) > 1) == is_tall


@pytest.fixture
def hidden_file(addon, tmp_path):
    """Return a function that makes, hides, saves and opens two references in a collection."""

    def make(how):
        scene = bpy.context.scene
        collection = bpy.data.collections.new("Refs")
        scene.collection.children.link(collection)
        image = write_image(tmp_path / "image.png", TALL)
        carrier = bpy.data.objects.new("carrier", None)
        collection.objects.link(carrier)
        carrier.location = (0, 0, 1)
        target = bpy.data.objects.new("target", None)
        collection.objects.link(target)
        target.location = (3, 5, 1)
        front, right = (empty_of(image, name=name) for name in ("Front", "Right"))
        for empty in (front, right):
            scene.collection.objects.unlink(empty)
            collection.objects.link(empty)
            empty.parent = carrier
            empty.location = (3, 0, 0)
        right.rotation_euler = (np.pi / 2, 0, np.pi / 2)
        front.rotation_euler = (0, 0, 0)
        track = front.constraints.new('TRACK_TO')  # turned by what is hidden as well
        track.target, track.track_axis, track.up_axis = target, 'TRACK_NEGATIVE_Z', 'UP_Y'
        bpy.context.view_layer.update()
        layer = bpy.context.view_layer.layer_collection.children["Refs"]
        collection.hide_viewport = how == "viewport"
        layer.exclude = how == "exclude"
        for empty in (front, right):
            empty.hide_viewport = how == "objects"
            if how == "eye":
                empty.hide_set(True)
        if how == "other scene":
            scene.collection.children.unlink(collection)
            bpy.data.scenes.new("other").collection.children.link(collection)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "hidden.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "hidden.blend"))

    return make


@pytest.mark.parametrize("how", ["visible", "viewport", "exclude", "objects", "eye", "other scene"])
def test_hidden_references_stand_where_they_do(hidden_file, how):
    from maquette.core.scene.references import chosen_references, reference_poses

    hidden_file(how)
    objects = chosen_references(bpy.context, collection="Refs")
    before = blocks()
    poses = reference_poses(bpy.context, objects, ["", ""])
    assert blocks() == before
    assert [(pose.name, pose.seen_from) for pose in poses] == [
        ("Front", "front"),
        ("Right", "right"),
    ]
    for pose in poses:
        middle = np.array(((24.0, 24.0),))
        depth = np.array((0.0,))
        center = pose.camera.unproject(middle, depth)[0]
        normal = pose.camera.to_world[:3, 2]
        assert abs((center - PLACE) @ normal) < 1e-5
        offset = np.array(bpy.data.objects[pose.name].empty_image_offset) + 0.5
        assert np.linalg.norm(center - PLACE) < np.linalg.norm(offset) * 5 + 1e-5


def test_a_hidden_reference_is_evaluated_without_writing_to_it(addon, tmp_path):
    image = write_image(tmp_path / "image.png", TALL)
    empty = empty_of(image)
    for frame, x in ((1, 0.0), (11, 10.0)):
        empty.location.x = x
        empty.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_set(6)
    empty.hide_viewport = True
    empty.location.x = -4
    pose = pose_of(empty)
    np.testing.assert_allclose(pose.camera.to_world[0, 3], 5 - 0.5, atol=0.6)
    assert empty.location.x == -4
    assert bpy.context.scene.frame_current == 6


def test_what_is_drawn_of_hidden_references_needs_no_evaluation(hidden_file):
    from maquette.core.scene.evaluation.hidden_objects import displayed_matrix

    hidden_file("objects")
    matrix = displayed_matrix(bpy.data.objects["Right"])
    expected = Matrix.Translation(PLACE) @ Euler((np.pi / 2, 0, np.pi / 2)).to_matrix().to_4x4()
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


def test_a_mirrored_and_stretched_empty(addon, tmp_path):
    empty = empty_of(write_image(tmp_path / "image.png", TALL))
    empty.scale = (-2, 0.5, 1)
    empty.empty_image_offset = (0.25, -1)
    empty.empty_display_size = 3
    bpy.context.view_layer.update()
    camera = pose_of(empty).camera
    for u, v in ((0, 0), (48, 0), (12, 40)):
        place = camera.unproject(np.array(((u, v),), float), np.zeros(1))[0]
        flat = (np.array((u / 48, 1 - v / 48)) + empty.empty_image_offset) * 3
        expected = empty.matrix_world @ Matrix.Translation((*flat, 0)).translation
        np.testing.assert_allclose(place[[0, 2]], np.array(expected)[[0, 2]], atol=1e-5)


def test_a_reference_without_an_image_or_size_is_refused(addon, tmp_path):
    empty = empty_of(write_image(tmp_path / "image.png", TALL))
    empty.scale = (0, 1, 1)
    bpy.context.view_layer.update()
    with pytest.raises(SceneError, match="Front has a scale of zero"):
        pose_of(empty)
    empty.data = None
    with pytest.raises(ImageError, match="Front: This empty has no image"):
        pose_of(empty)
