"""Open, flipped, split, thin and overlapping meshes are closed with their shape, or refused."""

import math

import bpy  # noqa: F401  (bpy makes bmesh importable)

# isort: split
import bmesh
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.errors import MeshError
from maquette.core.geometry.topology import check_topology
from maquette.core.jobs.task import run_to_end
from maquette.core.scene.finishing.remesh import FinishSettings, remesh
from mathutils import Matrix, Vector

BALL = 4 / 3 * math.pi
SHEET = 0.012  # thickness of a sheet, as a share of the longest side
VOLUME_SHARE = 0.06  # by which a volume may differ from the right one
WALL_SHARE = 0.15  # the same for sheets and walls, whose corners count twice or not at all
AREA_SHARE = 0.12
SIZE_SHARE = 0.02


def sphere(radius=1.0, segments=32):
    bm = bmesh.new()
    bmesh.ops.create_uvsphere(bm, u_segments=segments, v_segments=segments // 2, radius=radius)
    bm.faces.ensure_lookup_table()
    return bm


def cylinder(capped=True, radius=1.0, top_radius=None, height=2.0):
    bm = bmesh.new()
    bmesh.ops.create_cone(
        bm,
        cap_ends=capped,
        segments=32,
        radius1=radius,
        radius2=radius if top_radius is None else top_radius,
        depth=height,
    )
    return bm


def cube(size=2.0, cuts=0):
    bm = bmesh.new()
    bmesh.ops.create_cube(bm, size=size)
    if cuts:
        bmesh.ops.subdivide_edges(bm, edges=bm.edges[:], cuts=cuts, use_grid_fill=True)
    bm.normal_update()
    return bm


def grid(segments=8, height=lambda x, y: 0.0):
    bm = bmesh.new()
    bmesh.ops.create_grid(bm, x_segments=segments, y_segments=segments, size=1)
    for vertex in bm.verts:
        vertex.co.z = height(vertex.co.x, vertex.co.y)
    return bm


def without(bm, chosen):
    """Delete the faces whose center and index are chosen."""
    bm.faces.ensure_lookup_table()
    faces = [face for face in bm.faces if chosen(face.calc_center_median(), face.index)]
    bmesh.ops.delete(bm, geom=faces, context='FACES')
    return bm


def flipped(bm, chosen=lambda index: True):
    bm.faces.ensure_lookup_table()
    bmesh.ops.reverse_faces(bm, faces=[face for face in bm.faces if chosen(face.index)])
    return bm


def split(bm):
    bmesh.ops.split_edges(bm, edges=bm.edges[:])
    return bm


def moved(bm, x=0.0, y=0.0, z=0.0):
    bmesh.ops.translate(bm, verts=bm.verts, vec=(x, y, z))
    return bm


def scaled(bm, *factors):
    bmesh.ops.scale(bm, vec=factors, verts=bm.verts)
    return bm


def turned(bm, angle, axis):
    bmesh.ops.rotate(bm, verts=bm.verts, matrix=Matrix.Rotation(angle, 3, axis))
    return bm


def monkey():
    bm = bmesh.new()
    bmesh.ops.create_monkey(bm)
    return bm


def cup():
    return without(cylinder(), lambda center, index: center.z > 0.99)


def moebius_strip():
    bm = bmesh.new()
    rows = []
    for step in range(48):
        angle = 2 * math.pi * step / 48
        along = Vector((math.cos(angle), math.sin(angle), 0))
        across = math.cos(angle / 2) * along + math.sin(angle / 2) * Vector((0, 0, 1))
        rows.append([bm.verts.new(along + width * across) for width in (-0.3, 0, 0.3)])
    for step in range(48):
        row = rows[step]
        following = rows[step + 1] if step < 47 else rows[0][::-1]
        for side in range(2):
            bm.faces.new((row[side], row[side + 1], following[side + 1], following[side]))
    return bm


def box_with_partition():
    bm = cube()
    geometry = [*bm.verts, *bm.edges, *bm.faces]
    bmesh.ops.bisect_plane(bm, geom=geometry, plane_co=(0, 0, 0), plane_no=(1, 0, 0))
    middle = [edge for edge in bm.edges if all(abs(v.co.x) < 1e-6 for v in edge.verts)]
    bmesh.ops.contextual_create(bm, geom=middle)
    return bm


def with_invalid_coordinates():
    bm = sphere()
    bm.verts.ensure_lookup_table()
    bm.verts[40].co.x = float("nan")
    return bm


def line():
    bm = bmesh.new()
    bm.faces.new([bm.verts.new((x, 0, 0)) for x in (0, 1, 2)])
    return bm


def arrays(*meshes):
    """Return one mesh of all, in triangles."""
    vertices = []
    faces = []
    count = 0
    for bm in meshes:
        bmesh.ops.triangulate(bm, faces=bm.faces[:])
        bm.verts.index_update()
        vertices += [tuple(vertex.co) for vertex in bm.verts]
        faces += [[vertex.index + count for vertex in face.verts] for face in bm.faces]
        count += len(bm.verts)
        bm.free()
    return MeshArrays(np.array(vertices, np.float32), np.array(faces, np.int32))


def cap_cut(height):
    """Volume of a ball of radius 1 without what is below -height."""
    return math.pi * (2 / 3 + height - height**3 / 3)


RING = math.sin(math.radians(33.75))  # of the sphere at which faces below -0.6 are cut off
TWO_BALLS = 2 * BALL - 5 / 12 * math.pi  # that overlap by half
SPHERE = (BALL, 4 * math.pi, (2, 2, 2))
CUT = (cap_cut(RING), 2 * math.pi * (1 + RING) + math.pi * (1 - RING**2), (2, 2, 1 + RING))
OPEN_CYLINDER = (4 * math.pi * 2 * SHEET, 8 * math.pi, (2, 2, 2))
CUP = (5 * math.pi * 2 * SHEET, 10 * math.pi, (2, 2, 2))
PLANE = (4 * 2 * SHEET, 8, (2, 2, 2 * SHEET))

# What is made, and the right volume, area and extent.
SOLIDS = {
    "a face is missing at the side": (lambda: [without(sphere(), lambda c, i: i == 100)], *SPHERE),
    "a face is missing at the pole": (lambda: [without(sphere(), lambda c, i: i == 5)], *SPHERE),
    "two faces that touch are missing": (
        lambda: [without(sphere(), lambda c, i: i in (100, 117))],
        *SPHERE,
    ),
    "a fifth of the faces is missing": (
        lambda: [without(sphere(), lambda c, i: i * 37 % 5 == 0)],
        *SPHERE,
    ),
    "open below": (lambda: [without(sphere(), lambda c, i: c.z < -0.6)], *CUT),
    "open at the top, closing in": (lambda: [without(sphere(), lambda c, i: c.z > 0.6)], *CUT),
    "half a ball, open below": (
        lambda: [without(sphere(), lambda c, i: c.z < 0)],
        BALL / 2,
        3 * math.pi,
        (2, 2, 1),
    ),
    "a box that is open below": (
        lambda: [without(cube(), lambda c, i: c.z < -0.9)],
        8,
        24,
        (2, 2, 2),
    ),
    "half of the faces turned over": (lambda: [flipped(sphere(), lambda i: i < 240)], *SPHERE),
    "one face turned over": (lambda: [flipped(sphere(), lambda i: i == 7)], *SPHERE),
    "all faces turned over": (lambda: [flipped(sphere())], *SPHERE),
    "every third face turned over": (lambda: [flipped(sphere(), lambda i: i % 3 == 0)], *SPHERE),
    "every face apart": (lambda: [split(sphere())], *SPHERE),
    "every face apart, some turned over": (
        lambda: [flipped(split(sphere()), lambda i: i % 3 == 0)],
        *SPHERE,
    ),
    "every face apart, some missing": (
        lambda: [without(split(sphere()), lambda c, i: i % 40 == 0)],
        *SPHERE,
    ),
    "apart, with more vertices on one side": (
        lambda: [
            split(without(cube(), lambda c, i: c.x > 0.9)),
            split(without(cube(cuts=3), lambda c, i: c.x < 0.99)),
        ],
        8,
        24,
        (2, 2, 2),
    ),
    "two shells, one turned over": (
        lambda: [sphere(), moved(flipped(sphere()), x=3)],
        2 * BALL,
        8 * math.pi,
        (5, 2, 2),
    ),
    "a hollow ball": (
        lambda: [sphere(), flipped(sphere(0.7))],
        BALL * (1 - 0.343),
        4 * math.pi * 1.49,
        (2, 2, 2),
    ),
    "a hollow ball with a hole in the hollow": (
        lambda: [sphere(), without(flipped(sphere(0.7)), lambda c, i: i == 50)],
        BALL * (1 - 0.343),
        4 * math.pi * 1.49,
        (2, 2, 2),
    ),
    "a ball inside of another": (lambda: [sphere(), sphere(0.5)], *SPHERE),
    "a box with a partition": (lambda: [box_with_partition()], 8, 24, (2, 2, 2)),
    "coordinates that are not numbers": (lambda: [with_invalid_coordinates()], *SPHERE),
    "a thin plate with a hole": (
        lambda: [
            without(
                scaled(cube(cuts=4), 1, 1, 0.005),
                lambda c, i: c.z > 0.004 and abs(c.x) < 0.1 and abs(c.y) < 0.1,
            )
        ],
        0.04,
        8.08,
        (2, 2, 0.01),
    ),
    "a thin pipe": (
        lambda: [cylinder(False, radius=0.02)],
        math.pi * 0.0008,
        0.08 * math.pi,
        (0.04, 0.04, 2),
    ),
}
SHEETS = {
    "a plane": (lambda: [grid()], *PLANE),
    "a plane of one face": (lambda: [grid(1)], *PLANE),
    "a plane with both of its sides": (lambda: [grid(), flipped(grid())], *PLANE),
    "a wave": (
        lambda: [grid(24, lambda x, y: 0.1 * math.sin(5 * x))],
        4.22 * 2 * SHEET,
        8.44,
        (2, 2, 0.2 + 2 * SHEET),
    ),
    "a cup": (lambda: [cup()], *CUP),
    "a cup of which every face is apart": (lambda: [split(cup())], *CUP),
    "a cup inside out": (lambda: [flipped(cup())], *CUP),
    "a pipe": (lambda: [cylinder(False)], *OPEN_CYLINDER),
    "a box without its lid": (
        lambda: [without(cube(), lambda c, i: c.z > 0.9)],
        20 * 2 * SHEET,
        40,
        (2, 2, 2),
    ),
    "a cup that lies on its side": (
        lambda: [turned(cup(), math.pi / 2, 'X')],
        *CUP,
    ),
    "a bowl": (
        lambda: [without(sphere(), lambda c, i: c.z > 0)],
        2 * math.pi * 2 * SHEET,
        4 * math.pi,
        (2, 2, 1),
    ),
}
# These are extracted anew, on a grid.
JOINED = {
    "Suzanne": (lambda: [monkey()], 2.2, 11.6, (2.73, 1.7, 1.97)),
    "parts that overlap": (lambda: [sphere(), moved(sphere(), x=1)], TWO_BALLS, 18.8, (3, 2, 2)),
    "parts that overlap, one of them open": (
        lambda: [sphere(), moved(without(sphere(), lambda c, i: i == 5), x=1)],
        TWO_BALLS,
        18.8,
        (3, 2, 2),
    ),
    "a strip with one side": (
        lambda: [moebius_strip()],
        3.77 * 0.04,
        2 * 3.77 * 1.08,
        (2.33, 2.45, 0.62),
    ),
}
REFUSED = {
    "a line": lambda: [line()],
    "a point": lambda: [scaled(cube(), 0, 0, 0)],
    "numbers that are none": lambda: [scaled(cube(), float("nan"), 1, 1)],
}


def finished(mesh, preset, **settings):
    result = run_to_end(remesh(mesh, FinishSettings(preset=preset, **settings)))
    assert check_topology(result.mesh).is_watertight
    return result


def check(mesh, preset, right, volume_share):
    volume, area, extent = right
    result = finished(mesh, preset)
    comparison = result.comparison
    assert check_topology(result.mesh).volume == pytest.approx(volume, rel=volume_share)
    assert comparison.volume[1] == pytest.approx(volume, rel=volume_share)
    assert comparison.area[1] == pytest.approx(area, rel=AREA_SHARE)
    tolerance = SIZE_SHARE * max(extent)
    np.testing.assert_allclose(np.ptp(result.mesh.vertices, axis=0), extent, atol=tolerance)
    assert comparison.lost < 0.01
    return result


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_with_defects_is_closed(addon, name):
    make, *right = SOLIDS[name]
    check(arrays(*make()), "print", right, VOLUME_SHARE)


@pytest.mark.parametrize(
    "name",
    [
        "a face is missing at the side",
        "open below",
        "half of the faces turned over",
        "every face apart, some missing",
        "a hollow ball",
        "a thin plate with a hole",
    ],
)
def test_a_solid_with_defects_is_remeshed_in_quads(addon, name):
    make, *right = SOLIDS[name]
    check(arrays(*make()), "block_out", right, VOLUME_SHARE)


@pytest.mark.parametrize("preset", ["print", "block_out"])
@pytest.mark.parametrize("name", SHEETS)
def test_sheets_and_vessels_become_walls(addon, name, preset):
    make, *right = SHEETS[name]
    check(arrays(*make()), preset, right, WALL_SHARE)


@pytest.mark.parametrize("name", JOINED)
def test_what_overlaps_is_joined(addon, name):
    make, *right = JOINED[name]
    share = WALL_SHARE if name == "a strip with one side" else VOLUME_SHARE
    assert check(arrays(*make()), "game", right, share).remade


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_surface_is_refused(addon, name):
    with pytest.raises(MeshError, match=r"no faces to finish|no extent|encloses no volume"):
        finished(arrays(*REFUSED[name]()), "game")


@pytest.mark.parametrize("preset", ["sculpt", "game"])
def test_the_other_presets_keep_the_shape_too(addon, preset):
    check(arrays(split(without(sphere(), lambda c, i: i == 5))), preset, SPHERE, VOLUME_SHARE)
    check(arrays(cup()), preset, CUP, WALL_SHARE)


def test_there_are_thirty_meshes_and_more():
    assert len(SOLIDS) + len(SHEETS) + len(JOINED) + len(REFUSED) >= 30


def test_the_inside_of_a_cup_stays_open(addon):
    """A ray down the middle meets the bottom, and no lid."""
    from mathutils.bvhtree import BVHTree

    mesh = finished(arrays(cup()), "block_out").mesh
    tree = BVHTree.FromPolygons(mesh.vertices.tolist(), mesh.faces.tolist())
    hit, normal, _, _ = tree.ray_cast(Vector((0.1, 0.2, 3)), Vector((0, 0, -1)))
    assert hit.z == pytest.approx(-1 + 2 * SHEET, abs=0.005) and normal.z > 0.9


@pytest.mark.parametrize("make", [lambda: [split(monkey())], lambda: [cup()]])
def test_the_result_is_the_same_each_time(addon, make):
    mesh = arrays(*make())
    first = finished(mesh, "game").mesh
    assert finished(mesh, "game").mesh.has_same_surface(first)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_tiny_and_huge_meshes_are_closed_alike(addon, factor):
    usual = finished(arrays(cup()), "block_out")
    result = finished(arrays(scaled(cup(), factor, factor, factor)), "block_out")
    volume = check_topology(usual.mesh).volume * factor**3
    assert check_topology(result.mesh).volume == pytest.approx(volume, rel=0.02)
    assert result.comparison.volume[1] == pytest.approx(volume, rel=0.02)


def test_a_mesh_far_from_the_origin_is_closed(addon):
    mesh = arrays(moved(without(sphere(), lambda c, i: i == 5), x=1e4, z=-1e4))
    result = finished(mesh, "block_out")
    assert result.comparison.volume[1] == pytest.approx(BALL, rel=VOLUME_SHARE)
    np.testing.assert_allclose(result.mesh.vertices.mean(axis=0), (1e4, 0, -1e4), atol=0.1)


def test_the_wall_has_the_proportions_of_the_object(addon):
    """Of a plane that is drawn out ten times along x by the scale of its object."""
    result = finished(arrays(grid()), "print", scale=(10.0, 1.0, 0.5))
    extent = np.ptp(result.mesh.vertices, axis=0) * (10.0, 1.0, 0.5)
    np.testing.assert_allclose(extent, (20, 2, 20 * SHEET), rtol=0.01)


def test_up_decides_where_a_scan_is_open(addon):
    """A box that is open along +x stands on its opening if -x is up."""
    mesh = arrays(without(cube(), lambda c, i: c.x > 0.9))
    standing = finished(mesh, "print", up=(-1.0, 0.0, 0.0))
    assert standing.comparison.volume[1] == pytest.approx(8)
    assert finished(mesh, "print").comparison.volume[1] < 1


def test_a_closed_mesh_keeps_its_vertices(addon):
    mesh = arrays(sphere())
    result = finished(mesh, "print")
    np.testing.assert_array_equal(result.mesh.vertices, mesh.vertices)
    assert not result.remade and result.comparison.distance_to_result == 0


def test_too_few_faces_are_refused(addon):
    with pytest.raises(MeshError, match=r"was not changed, because with .* faces .*more faces"):
        finished(arrays(monkey()), "game", faces=12)


def test_many_parts_that_do_not_overlap_keep_their_faces(addon):
    parts = [moved(cube(), x=3 * (i % 10), y=3 * (i // 10)) for i in range(100)]
    result = finished(arrays(*parts), "print")
    assert not result.remade and len(result.mesh.faces) == 1200
    assert result.comparison.volume[1] == pytest.approx(800)


def test_thin_leaves_are_no_loose_parts(addon):
    leaf = scaled(cube(), 0.5, 0.3, 0.004)
    mesh = arrays(sphere(), moved(leaf, x=2))
    result = finished(mesh, "print")
    assert result.removed == 0 and result.after.pieces == 2
