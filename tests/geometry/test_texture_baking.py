"""Colors at known positions of images, found again at known positions of the surface."""

import numpy as np
import pytest
from maquette.core import cameras
from maquette.core.arrays import MeshArrays, View
from maquette.core.geometry.texture_baking import bake_texture, vertex_colors_from_views
from maquette.core.jobs.task import Progress, run_to_end

SIZE = 192
COLORS = {
    "front": 0.9,
    "right": 0.75,
    "back": 0.6,
    "left": 0.45,
    "top": 0.3,
    "bottom": 0.15,
}  # of red
GRAY = np.array((0.0, 0.0, 1.0))  # the mesh's own
# Right and up in the image of each side, independent of core.cameras.
RIGHT = {
    "front": (1, 0, 0),
    "right": (0, 1, 0),
    "back": (-1, 0, 0),
    "left": (0, -1, 0),
    "top": (1, 0, 0),
}
RIGHT["bottom"] = (1, 0, 0)
UP = dict.fromkeys(("front", "right", "back", "left"), (0, 0, 1)) | {
    "top": (0, 1, 0),
    "bottom": (0, -1, 0),
}
OUT = {
    "front": (0, -1, 0),
    "right": (1, 0, 0),
    "back": (0, 1, 0),
    "left": (-1, 0, 0),
    "top": (0, 0, 1),
}
OUT["bottom"] = (0, 0, -1)


def boxes(*extents):
    """Boxes from low to high corners, in quads, and the sides that their faces look to."""
    vertices, faces, sides = [], [], []
    for low, high in extents:
        low, high = np.array(low, float), np.array(high, float)
        for side in OUT:
            r, u, o = (np.array(table[side], float) for table in (RIGHT, UP, OUT))
            middle, half = (low + high) / 2, (high - low) / 2
            corners = [
                middle + half * (o + a * r + b * u) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            faces.append(np.arange(4) + len(vertices))
            vertices += corners
            sides.append(side)
    own = np.repeat(GRAY[None], len(vertices), 0).astype(np.float32)
    return MeshArrays(np.array(vertices, np.float32), np.array(faces, np.int32), own), sides


def layout(count):
    """Each quad upright in a cell of the texture: (F, 4, 2), the cells' lower corners and size."""
    across = int(np.ceil(np.sqrt(count)))
    low = np.array([(k % across, k // across) for k in range(count)]) / across + 0.02
    side = 1 / across - 0.04
    square = np.array(((0, 0), (1, 0), (1, 1), (0, 1)))
    return (low[:, None] + square * side).astype(np.float32), low, side


def picture(side, size=64, shown=1.2, half=0.5):
    """The square -half..half of a side in its red, and in its upper right quarter a green mark."""
    at = (np.arange(size) + 0.5) / size * shown - shown / 2
    x, y = np.meshgrid(at, -at)
    image = np.zeros((size, size, 4), np.float32)
    image[..., 0] = COLORS[side]
    image[..., 3] = (abs(x) < half) & (abs(y) < half)
    image[(x > 0.2) & (x < 0.4) & (y > 0.1) & (y < 0.4), 1] = 1
    return View(image, cameras.side_camera(side, shown, size))


def texel(texture, low, side, u, v):
    """The texture at (u, v) in 0..1 of a cell of :func:`layout`."""
    place = low + np.array((u, v)) * side
    return texture[int((1 - place[1]) * SIZE), int(place[0] * SIZE)]


def baked(mesh, uv, views):
    return run_to_end(bake_texture(mesh, uv, views, SIZE))


@pytest.mark.slow
def test_each_side_of_a_cube_shows_its_image_the_right_way_round():
    mesh, sides = boxes(((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)))
    uv, low, side = layout(6)
    texture = baked(mesh, uv, [picture(name) for name in COLORS])
    for index, name in enumerate(sides):
        found = {
            (u, v): texel(texture, low[index], side, u, v) for u in (0.2, 0.8) for v in (0.25, 0.75)
        }
        for (u, v), color in found.items():
            assert color[0] == pytest.approx(COLORS[name], abs=0.03), name
            assert (color[1] > 0.9) == (u > 0.5 and v > 0.5), (name, u, v)


def test_what_no_image_sees_keeps_its_color():
    mesh, sides = boxes(((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)))
    uv, low, side = layout(6)
    texture = baked(mesh, uv, [picture("front")])
    for index, name in enumerate(sides):
        blue = texel(texture, low[index], side, 0.2, 0.2)[2]
        assert blue < 0.05 if name == "front" else blue == pytest.approx(1), name


@pytest.mark.parametrize("far", [False, True], ids=["orthographic", "perspective"])
def test_nothing_bleeds_through_to_what_is_hidden(far):
    """A small box in front of a large one, which the front image shows only around it."""
    mesh, sides = boxes(
        ((-0.15, -0.5, -0.15), (0.15, -0.4, 0.15)), ((-0.5, 0.2, -0.5), (0.5, 0.5, 0.5))
    )
    view = picture("front", 128)
    if far:
        pose = cameras.look_at(np.array((0.0, -50, 0)), np.zeros(3))
        view = View(view.image, cameras.perspective_camera(pose, 2 * np.arctan(0.6 / 50), 128))
    uv, low, side = layout(12)
    texture = baked(mesh, uv, [view])
    behind = sides.index("front", 6)
    for u in np.linspace(0.06, 0.94, 23):
        for v in np.linspace(0.06, 0.94, 23):
            x, z = abs(u - 0.5), abs(v - 0.5)
            red = texel(texture, low[behind], side, u, v)[0]
            if max(x, z) < 0.15:
                assert red < 0.01, (u, v)
            elif max(x, z) > 0.2:
                assert red > 0.8, (u, v)
    back_of_the_small = texel(texture, low[sides.index("back")], side, 0.5, 0.5)
    assert back_of_the_small[2] == pytest.approx(1)


def test_beyond_the_mask_an_image_has_no_effect():
    mesh, _sides = boxes(((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)))
    uv, low, side = layout(6)
    texture = baked(mesh, uv, [picture("front", half=0.3)])
    assert texel(texture, low[0], side, 0.5, 0.3)[0] == pytest.approx(0.9, abs=0.03)
    np.testing.assert_allclose(texel(texture, low[0], side, 0.1, 0.1), GRAY, atol=0.01)


def test_two_pictures_are_blended_by_how_squarely_they_look():
    """A face that looks to the front and a little to the right is mostly the front's."""
    angle = np.radians(20)
    out, along = (
        np.array((np.sin(angle), -np.cos(angle), 0)),
        np.array((np.cos(angle), np.sin(angle), 0)),
    )
    corners = [
        0.2 * (a * along + b * np.array((0, 0, 1.0)))
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    assert np.cross(corners[1] - corners[0], corners[3] - corners[0]) @ out > 0
    mesh = MeshArrays(
        np.array(corners, np.float32),
        np.array([[0, 1, 2, 3]], np.int32),
        np.ones((4, 3), np.float32),
    )
    uv, low, side = layout(1)
    red = texel(baked(mesh, uv, [picture("front"), picture("right")]), low[0], side, 0.3, 0.3)[0]
    front, right = np.cos(angle) ** 6, np.sin(angle) ** 6
    assert red == pytest.approx(
        (0.9 * front + 0.75 * right + 0.01) / (front + right + 0.01), abs=0.01
    )


@pytest.mark.slow
def test_colors_reach_beyond_the_islands():
    mesh, _ = boxes(((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)))
    uv, low, _side = layout(6)
    texture = baked(mesh, uv, [picture(name) for name in COLORS])
    outside = low[0] + np.array((-0.01, 0.1))
    assert texture[int((1 - outside[1]) * SIZE), int(outside[0] * SIZE)][0] == pytest.approx(
        0.9, abs=0.05
    )


CELL = 0.02


def grids(*extents):
    """Boxes whose faces are separate grids of vertices, and the sides of the vertices."""
    coarse, looks = boxes(*extents)
    vertices, faces, sides = [], [], []
    for face, side in zip(coarse.faces, looks, strict=True):
        a, b, _, d = coarse.vertices[face]
        columns, rows = (round(np.linalg.norm(end - a) / CELL) + 1 for end in (b, d))
        u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
        first = (
            sum(map(len, vertices))
            + (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
        )
        faces.append(np.stack((first, first + 1, first + columns + 1, first + columns), 1))
        vertices.append(a + u.reshape(-1, 1) * (b - a) + v.reshape(-1, 1) * (d - a))
        sides += [side] * vertices[-1].shape[0]
    own = np.repeat(GRAY[None], len(sides), 0).astype(np.float32)
    whole = np.concatenate(vertices).astype(np.float32)
    return MeshArrays(whole, np.concatenate(faces).astype(np.int32), own), np.array(sides)


def test_vertices_take_the_colors_of_the_pictures_that_see_them():
    mesh, sides = grids(((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)))
    found = run_to_end(vertex_colors_from_views(mesh, [picture("front"), picture("right")], CELL))
    inner = np.sort(np.abs(mesh.vertices), axis=1)[:, 1] < 0.45  # of a face, clear of its edges
    for name in OUT:
        on_side = inner & (sides == name)
        if name not in ("front", "right"):
            np.testing.assert_allclose(found[on_side], np.tile(GRAY, (on_side.sum(), 1)), atol=1e-6)
            continue
        assert np.abs(found[on_side, 0] - COLORS[name]).max() < 0.02, name
        u, v = (mesh.vertices[on_side] @ np.array(table[name]) for table in (RIGHT, UP))
        marked, clear = (u > 0.22) & (u < 0.38) & (v > 0.12) & (v < 0.38), (u < 0.18) | (v < 0.08)
        assert found[on_side][marked, 1].min() > 0.9 > 0.1 > found[on_side][clear, 1].max(), name


@pytest.mark.parametrize("far", [False, True], ids=["orthographic", "perspective"])
def test_vertices_that_are_hidden_keep_their_colors(far):
    mesh, sides = grids(
        ((-0.15, -0.5, -0.15), (0.15, -0.4, 0.15)), ((-0.5, 0.2, -0.5), (0.5, 0.5, 0.5))
    )
    view = picture("front", 128)
    if far:
        pose = cameras.look_at(np.array((0.0, -50, 0)), np.zeros(3))
        view = View(view.image, cameras.perspective_camera(pose, 2 * np.arctan(0.6 / 50), 128))
    found = run_to_end(vertex_colors_from_views(mesh, [view], CELL))
    at, out = mesh.vertices, np.abs(mesh.vertices[:, [0, 2]]).max(1)
    behind = (sides == "front") & (at[:, 1] > 0)
    assert (behind & (out < 0.14)).sum() > 100
    np.testing.assert_allclose(
        found[behind & (out < 0.14)], np.tile(GRAY, ((behind & (out < 0.14)).sum(), 1)), atol=1e-6
    )
    assert found[behind & (out > 0.2) & (out < 0.48), 0].min() > 0.8
    assert found[(sides == "front") & (at[:, 1] < 0) & (out < 0.13), 0].min() > 0.8


def test_without_colors_hidden_vertices_take_those_of_the_outline():
    mesh, sides = grids(
        ((-0.15, -0.5, -0.15), (0.15, -0.4, 0.15)), ((-0.5, 0.2, -0.5), (0.5, 0.5, 0.5))
    )
    colorless = MeshArrays(mesh.vertices, mesh.faces)
    found = run_to_end(vertex_colors_from_views(colorless, [picture("front", 128)], CELL))
    out = np.abs(mesh.vertices[:, [0, 2]]).max(1)
    hidden = found[(sides == "front") & (mesh.vertices[:, 1] > 0) & (out < 0.14)]
    assert len(hidden) > 100
    np.testing.assert_allclose(hidden, np.broadcast_to((0.9, 0, 0), hidden.shape), atol=0.1)


def test_only_what_the_pictures_hardly_show_is_predicted():
    mesh, sides = grids(((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)))
    asked = []

    def predict(chosen):
        asked.append(chosen)
        yield Progress(1.0, "Coloring")
        return np.tile(np.float32((0, 0, 1)), (len(chosen), 1))

    pictures = [picture("front"), picture("right")]
    found = run_to_end(vertex_colors_from_views(mesh, pictures, CELL, predict))
    inner = np.sort(np.abs(mesh.vertices), axis=1)[:, 1] < 0.45  # of a face, clear of its edges
    shown = np.isin(sides, ("front", "right"))
    (chosen,) = asked
    assert not np.isin(np.flatnonzero(shown & inner), chosen).any()
    assert np.isin(np.flatnonzero(~shown & inner), chosen).all()
    blue = np.tile((0, 0, 1), (len(found[~shown & inner]), 1))
    np.testing.assert_allclose(found[~shown & inner], blue, atol=1e-6)
    for name in ("front", "right"):
        assert np.abs(found[inner & (sides == name), 0] - COLORS[name]).max() < 0.02, name
