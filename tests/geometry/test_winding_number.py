"""Inside and outside against exact truth, for clean and for broken meshes."""

import numpy as np
import pytest
from maquette.core.errors import MeshError
from maquette.core.geometry.winding_number import orient_and_thicken, points_inside


def ball(radius=0.4, rings=24, center=(0.0, 0.0, 0.0)):
    """A closed UV sphere, outward."""
    polar, turn = (
        np.linspace(0, np.pi, rings + 1),
        np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False),
    )
    grid = np.array(
        [[(np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)) for t in turn] for p in polar]
    )
    n, index = 2 * rings, np.arange((rings + 1) * 2 * rings).reshape(rings + 1, -1)
    a, b = index[:-1], np.roll(index[:-1], -1, 1)
    c, d = np.roll(index[1:], -1, 1), index[1:]
    faces = np.concatenate(
        (np.stack((a, d, c), -1).reshape(-1, 3), np.stack((a, c, b), -1).reshape(-1, 3))
    )
    vertices = grid.reshape(-1, 3) * radius + center
    assert n == len(turn)
    edge = vertices[faces]
    area = np.linalg.norm(np.cross(edge[:, 1] - edge[:, 0], edge[:, 2] - edge[:, 0]), axis=1)
    return vertices, faces[area > 1e-12]


def joined(*meshes):
    offsets = np.cumsum([0] + [len(v) for v, _ in meshes])
    return np.concatenate([v for v, _ in meshes]), np.concatenate(
        [f + o for (_, f), o in zip(meshes, offsets, strict=False)]
    )


RNG = np.random.default_rng(1)
POINTS = RNG.uniform(-0.6, 0.6, (6000, 3))
RADIUS = np.linalg.norm(POINTS, axis=1)
CLEAR = np.abs(RADIUS - 0.4) > 0.01  # the ball has facets
TRUTH = RADIUS < 0.4


def agreement(mesh, truth=TRUTH, clear=CLEAR):
    return (orient_and_thicken(*mesh).contains(POINTS)[clear] == truth[clear]).mean()


def test_clean():
    assert agreement(ball()) == 1
    vertices, faces = ball()
    assert (points_inside(vertices, faces, POINTS)[CLEAR] == TRUTH[CLEAR]).all()


def test_half_the_faces_flipped():
    vertices, faces = ball()
    flip = RNG.random(len(faces)) < 0.5
    assert agreement((vertices, np.where(flip[:, None], faces[:, ::-1], faces))) > 0.999


def test_all_faces_flipped():
    vertices, faces = ball()
    assert agreement((vertices, faces[:, ::-1])) == 1


def test_eight_holes():
    vertices, faces = ball()
    centers = vertices[faces].mean(1)
    corner = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.4 / 3**0.5
    far = np.linalg.norm(centers[:, None] - corner, axis=2).min(1) > 0.06
    assert not far.all()
    assert agreement((vertices, faces[far])) > 0.99


def test_overlapping_parts_and_an_inverted_duplicate():
    one, two = ball(0.3, center=(-0.15, 0, 0)), ball(0.3, center=(0.15, 0, 0))
    left, right = (np.linalg.norm(POINTS - (x, 0, 0), axis=1) for x in (-0.15, 0.15))
    clear = (np.abs(left - 0.3) > 0.01) & (np.abs(right - 0.3) > 0.01)
    truth = (left < 0.3) | (right < 0.3)
    assert agreement(joined(one, two), truth, clear) == 1
    assert agreement(joined(one, two, (two[0], two[1][:, ::-1])), truth, clear) > 0.999


def test_a_cavity_that_nothing_sees_is_solid():
    outer, inner = ball(0.4), ball(0.2)
    assert agreement(joined(outer, (inner[0], inner[1][:, ::-1]))) == 1


def test_an_open_bowl_is_not_filled():
    vertices, faces = ball(0.4, 32)
    outer = faces[vertices[faces].mean(1)[:, 2] < 0]
    inner_v, inner_f = ball(0.33, 32)
    inner = inner_f[inner_v[inner_f].mean(1)[:, 2] < 0]
    mesh = joined((vertices, outer), (inner_v, inner[:, ::-1]))
    wall = (RADIUS < 0.4) & (RADIUS > 0.33)
    clear = CLEAR & (np.abs(RADIUS - 0.33) > 0.01) & (np.abs(POINTS[:, 2]) > 0.05)
    assert agreement(mesh, wall & (POINTS[:, 2] < 0), clear) > 0.98


def test_a_sheet_gets_a_thickness():
    vertices = np.array(((-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)), float)
    solid = orient_and_thicken(vertices, np.array(((0, 1, 2), (0, 2, 3))))
    assert solid.sheet_share == 1
    found = solid.contains(
        np.array(((0.1, 0.2, 0.001), (0.1, 0.2, 0.05), (0.1, 0.2, -0.001), (0.7, 0, 0)))
    )
    assert found.tolist() == [True, False, True, False]


def test_surface_lies_outside_of_the_overlap():
    one, two = ball(0.3, center=(-0.15, 0, 0)), ball(0.3, center=(0.15, 0, 0))
    points, normals, _ = orient_and_thicken(*joined(one, two)).sample_surface(2000, RNG)
    left, right = (np.linalg.norm(points - (x, 0, 0), axis=1) for x in (-0.15, 0.15))
    assert len(points) > 1500
    assert np.minimum(left, right).min() > 0.29
    center = np.where((left < right)[:, None], (-0.15, 0, 0), (0.15, 0, 0))
    assert (
        ((points - center) * normals).sum(1) > 0.25
    ).mean() > 0.99  # the seam itself may belong to either


@pytest.mark.parametrize("faces", [np.zeros((0, 3), int), np.array([[0, 1, 1]])])
def test_a_mesh_without_area_is_refused(faces):
    with pytest.raises(MeshError):
        orient_and_thicken(np.eye(3), faces)
