"""References of a known solid, drawn by casting a ray through each pixel of what stands in Blender."""

import bpy
import numpy as np
import pytest
from maquette.core import solid
from mathutils import Euler, Matrix, Vector

# An upright slab, and a foot that reaches right (+X) of it and is at its front (-Y): nowhere symmetric. (low, high)
BOXES = np.array((((1.0, 3.0, 0.5), (2.0, 3.6, 2.1)), ((2.0, 3.0, 0.5), (2.7, 3.3, 0.9))))
BOUNDS = np.array(((1.0, 3.0, 0.5), (2.7, 3.6, 2.1)))
FOOT, ABOVE_FOOT, BEHIND_FOOT = (2.4, 3.15, 0.7), (2.4, 3.15, 1.6), (2.4, 3.5, 0.7)
TURNS = {
    "front": (90, 0, 0), "right": (90, 0, 90), "back": (90, 0, 180), "left": (90, 0, 270), "top": (0, 0, 0),
    "bottom": (180, 0, 0),
}  # fmt: skip


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
    return np.stack(np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height), axis=-1)


def stand(name, place, size=4.0, offset=(-0.5, -0.5), pixels=(160, 120), parent=None):
    """An image empty with the matrix ``place``, which shows what is behind each place of it along its normal."""
    empty = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(empty)
    empty.empty_display_type, empty.empty_display_size, empty.empty_image_offset = 'IMAGE', size, offset
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
    return stand(name.capitalize(), Matrix.Translation(location) @ turn @ Matrix.Diagonal((*scale, 1)), **options)


def reconstruct(*objects, **options):
    names = [{"name": obj.name} for obj in objects]
    assert bpy.ops.maquette.reconstruct_references(objects=names, resolution=64, **options) == {'FINISHED'}
    bpy.context.view_layer.update()
    return bpy.context.object


def corners(obj):
    co = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
    return np.stack((co.min(0), co.max(0)))


def inside(obj, points):
    obj.data.calc_loop_triangles()
    co = np.array([obj.matrix_world @ vertex.co for vertex in obj.data.vertices])
    return solid.inside(co, np.array([t.vertices for t in obj.data.loop_triangles]), np.array(points, float)).tolist()


@pytest.fixture
def scene(addon, weights):
    """A scene whose add-on sees a solid wherever the masks do."""
    return {"weights": str(weights)}


def assert_stands_right(obj, atol=0.04):
    np.testing.assert_allclose(corners(obj), BOUNDS, atol=atol)
    assert inside(obj, (FOOT, ABOVE_FOOT, BEHIND_FOOT)) == [True, False, False]


def test_front_right_top_moved_back_from_the_object(scene):
    made = reconstruct(
        side("front", (1.7, 9, 1)), side("right", (-4, 3.4, 1.2), size=5), side("top", (2, 3, -2)), **scene
    )
    assert_stands_right(made)
    assert made.name == "Maquette" and tuple(made.scale) == (1, 1, 1)
    np.testing.assert_allclose(made.location, (1.85, 3.3, 0.5), atol=0.03)


def test_front_silhouette_lies_under_the_front_reference(scene):
    front = side("front", (1.7, 9, 1))
    made = reconstruct(front, side("left", (8, 3.2, 1)), **scene)
    x, z = np.meshgrid(np.arange(-0.15, 3.8, 0.1), np.arange(-0.35, 2.4, 0.1))
    starts = np.stack((x, np.zeros_like(x), z), axis=-1)
    inverse = made.matrix_world.inverted()
    turn = inverse.to_3x3()
    seen = [made.ray_cast(inverse @ Vector(start), turn @ Vector((0, 1, 0)))[0] for start in starts.reshape(-1, 3)]
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
    made = reconstruct(side("front", (1.7, 9, 1), scale=(-1, 1, 1)), side("top", (2, 3, -2), scale=(1, -1, 1)), **scene)
    assert_stands_right(made)


def test_turned_in_its_own_plane_and_sheared_by_its_parent(scene):
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.scale = (1.5, 1, 0.8)
    roll = Matrix.Rotation(np.radians(20), 4, 'Z')
    turn = Euler(np.radians(TURNS["front"])).to_matrix().to_4x4()
    sheared = stand("Sheared", Matrix.Translation((1, 9, 1)) @ turn @ roll, size=5, pixels=(200, 200), parent=parent)
    made = reconstruct(sheared, side("right", (-4, 3.4, 1.2)), side("top", (2, 3, -2)), **scene)
    assert_stands_right(made, atol=0.06)


def test_references_turned_together_turn_the_object(scene):
    """As of a parent that is turned: the frame is the references', and the object is turned in it."""
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.matrix_basis = Matrix.Translation((1, 2, 0)) @ Matrix.Rotation(np.radians(30), 4, 'Z')
    turns = {name: Euler(np.radians(TURNS[name])).to_matrix().to_4x4() for name in ("front", "right")}
    made = reconstruct(
        stand("A", Matrix.Translation((2, 3, 1)) @ turns["front"], parent=parent),
        stand("B", Matrix.Translation((0, 1, 1)) @ turns["right"], parent=parent),
        **scene,
    )
    assert made.rotation_euler.z == pytest.approx(np.radians(30), abs=1e-4)
    turn = np.array(Matrix.Rotation(np.radians(30), 3, 'Z'))
    shown = np.array([(x, y, z) for box in BOXES for x in box[:, 0] for y in box[:, 1] for z in box[:, 2]]) @ turn
    own = np.array([made.matrix_world @ vertex.co for vertex in made.data.vertices]) @ turn
    np.testing.assert_allclose((own.min(0), own.max(0)), (shown.min(0), shown.max(0)), atol=0.04)
