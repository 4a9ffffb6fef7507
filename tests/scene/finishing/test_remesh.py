"""Every preset gives a closed, manifold mesh with the requested faces, whatever it is given."""

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.errors import MeshError
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.geometry.topology import check_topology
from maquette.core.jobs.task import run_to_end
from maquette.core.scene.finishing.remesh import PRESETS, FinishSettings, blender_remeshers, remesh
from maquette.core.scene.finishing.wall_thickness import measure_walls


def stool(wide=2):
    """A board on two thin legs, the one at +x twice as thick; red at its front, green behind."""
    cells = np.zeros((32, 24, 32))
    cells[4:28, 4:20, 24:27] = 1
    cells[6 : 6 + wide, 11:13, 4:24] = 1
    cells[22 : 22 + 2 * wide, 11:13, 4:24] = 1
    mesh = surface_nets(cells, 0.5, np.array((-0.5, -0.375, 0)), 1 / 32)
    colors = np.where(mesh.vertices[:, 1:2] < -0.02, (1.0, 0, 0), (0, 1.0, 0))
    return MeshArrays(mesh.vertices, mesh.faces, colors.astype(np.float32))


def made(mesh, **settings):
    blocks = len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.scenes)
    result = run_to_end(remesh(mesh, FinishSettings(**settings)))
    assert blocks == (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.scenes))
    assert result.after.is_watertight and check_topology(result.mesh).is_watertight
    return result


@pytest.mark.parametrize(
    "preset, faces, quads",
    [
        ("block_out", 400, True),
        ("sculpt", 1500, True),
        ("sculpt", 12000, True),
        ("game", 300, False),
    ],
)
def test_as_many_faces_as_asked_for(addon, preset, faces, quads):
    result = made(stool(), preset=preset, faces=faces)
    assert result.mesh.faces.shape[1] == (4 if quads else 3)
    if quads:
        assert abs(len(result.mesh.faces) / faces - 1) <= 0.15
    else:
        assert faces - 2 <= len(result.mesh.faces) <= faces
    assert result.after.pieces == 1 and not result.remade
    assert result.after.volume == pytest.approx(result.before.volume, rel=0.2)


def test_no_part_is_lost(addon):
    """A ring so thin that QuadriFlow breaks it at so few faces."""
    x, y, z = np.mgrid[-1:1:64j, -1:1:64j, -1:1:64j]
    body = 0.5 - np.sqrt(x**2 + y**2 + z**2)
    handle = 0.04 - np.hypot(np.hypot(x - 0.6, z) - 0.3, y)
    mesh = surface_nets(np.maximum(body, handle), 0.0, np.full(3, -1.0), 2 / 63)
    result = made(mesh, preset="block_out", faces=300)
    far = result.mesh.vertices[:, 0].max()
    assert far == pytest.approx(mesh.vertices[:, 0].max(), abs=0.08)
    edges = {
        tuple(sorted(edge))
        for face in result.mesh.faces
        for edge in zip(face, np.roll(face, 1), strict=True)
    }
    assert (
        len(result.mesh.vertices) - len(edges) + len(result.mesh.faces) == 0
    )  # one hole through it


def test_quadriflow_takes_small_things_too(addon):
    mesh = stool()
    small = MeshArrays(mesh.vertices * np.float32(0.01), mesh.faces)
    assert len(blender_remeshers._run_quadriflow(small, 400, 0, False).faces) > 200


def test_a_budget_above_what_there_is_changes_nothing(addon):
    mesh = stool()
    result = made(mesh, preset="game", faces=100000)
    assert len(result.mesh.faces) == 2 * len(mesh.faces)


@pytest.mark.parametrize("preset", ["block_out", "game"])
def test_colors_are_those_of_the_nearest_surface(addon, preset):
    mesh = made(stool(), preset=preset, faces=300).mesh
    front = mesh.vertices[:, 1] < -0.06
    np.testing.assert_allclose(mesh.colors[front], np.tile((1, 0, 0), (front.sum(), 1)), atol=0.02)
    behind = mesh.vertices[:, 1] > 0.06
    np.testing.assert_allclose(
        mesh.colors[behind], np.tile((0, 1, 0), (behind.sum(), 1)), atol=0.02
    )


@pytest.mark.parametrize("preset, faces", [("block_out", 500), ("game", 400)])
def test_made_symmetric_after_its_better_half(addon, preset, faces):
    """The thicker leg is the one of more volume, so it stands on both sides."""
    mesh = stool()
    mesh = MeshArrays(mesh.vertices * np.float32((0.6, 1, 1)), mesh.faces, mesh.colors)
    result = made(mesh, preset=preset, faces=faces, symmetric=True)
    assert result.symmetric
    points = result.mesh.vertices
    normal = result.plane.normal
    assert abs(normal).max() > 0.999  # across x or y
    image = result.plane.mirror_points(points)
    nearest = np.linalg.norm(points[None].astype(float) - image[:, None], axis=2).min(1)
    assert nearest.max() < (0.01 if preset == "game" else 0.02)


def test_what_is_far_from_symmetric_is_left_so(addon):
    cells = np.zeros((32, 24, 32))
    cells[4:28, 4:20, 4:10] = cells[4:10, 4:10, 10:28] = cells[20:28, 14:20, 10:16] = 1
    mesh = surface_nets(cells, 0.5, np.zeros(3), 1 / 32)
    result = made(mesh, preset="print", symmetric=True)
    assert result.symmetric is False and result.plane.deviation > 0.02
    assert result.after.volume == pytest.approx(result.before.volume)


def test_the_better_half_is_the_one_that_stays(addon):
    cells = np.zeros((40, 12, 12))
    cells[4:36, 4:8, 4:8] = 1
    cells[30:36, 4:8, 4:10] = 1  # a head at +x
    cells[2:4, 5:7, 5:7] = 1
    mesh = surface_nets(cells, 0.5, np.zeros(3), 0.1)
    local = MeshArrays(mesh.vertices - np.float32((1.95, 0, 0)), mesh.faces)
    for side, high in ((1, 0.95), (-1, 0.75)):
        both = blender_remeshers.symmetrize_mesh(local, side)
        assert check_topology(both).is_watertight
        assert both.vertices[:, 2].max() == pytest.approx(high, abs=1e-3)
        assert both.vertices[:, 0].min() == pytest.approx(-both.vertices[:, 0].max(), abs=1e-5)


@pytest.mark.slow
def test_parts_that_overlap_become_one(addon):
    from maquette.core.procedural import make_object
    from maquette.core.scene import meshes, procedural_objects

    obj = procedural_objects.add_object(bpy.context.scene.collection, make_object("chair", 1))
    mesh = meshes.to_arrays(obj.data)
    assert check_topology(mesh).pieces > 4
    result = made(mesh, preset="game", faces=1500)
    assert result.remade and result.after.pieces == 1 and len(result.mesh.faces) <= 1500
    top = result.mesh.colors[result.mesh.vertices[:, 2].argmax()]
    assert np.abs(mesh.colors - top).max(1).min() < 0.02


def test_what_is_broken_is_closed(addon):
    mesh = stool()
    holes = MeshArrays(mesh.vertices, mesh.faces[20:])
    inside_out = MeshArrays(mesh.vertices, mesh.faces[:, ::-1])
    assert made(holes, preset="game", faces=800).remade
    result = made(inside_out, preset="game", faces=800)
    assert result.after.volume > 0 and not result.remade


def test_loose_pieces_below_the_stated_size_are_removed(addon):
    cells = np.zeros((24, 24, 24))
    cells[4:12, 4:12, 4:12] = cells[15:19, 15:19, 15:19] = cells[20:21, 4:5, 4:5] = 1
    cells[7:9, 7:9, 7:9] = 0  # a hollow is no piece, and closed up
    mesh = surface_nets(cells, 0.5)
    for loose, pieces, removed in ((0.0, 3, 0), (0.01, 2, 1), (0.5, 1, 2)):
        result = made(mesh, preset="print", loose=loose)
        assert (result.after.pieces, result.removed) == (pieces, removed)


def test_a_sheet_becomes_a_thin_solid(addon):
    square = np.array(((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)), np.float32)
    result = made(MeshArrays(square, np.array([[0, 1, 2, 3]], np.int32)), preset="game", faces=200)
    assert result.remade and 0 < result.after.volume < 0.03


@pytest.mark.parametrize("mesh", ["empty", "flat"])
def test_what_encloses_nothing_is_refused_and_says_why(addon, mesh):
    square = np.array(((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)), np.float32)
    if mesh == "flat":
        square[:] = 0
    faces = np.array([[0, 1, 2, 3]][: mesh != "empty"], np.int32).reshape(-1, 4)
    with pytest.raises(MeshError, match=r"no faces|encloses no volume|no extent"):
        made(MeshArrays(square, faces), preset="game")


def test_the_thinnest_wall_is_measured_in_metres_and_found(addon):
    result = made(stool(wide=1), preset="print", scale=(2.0, 2.0, 2.0))
    thickness, place = result.walls.thinnest_place()
    exact = measure_walls(MeshArrays(result.mesh.vertices * 2, result.mesh.faces)).thickness.min()
    assert thickness == pytest.approx(exact) and len(result.walls.thickness) == len(
        result.mesh.faces
    )
    assert 0.5 * 2 / 32 < thickness < 1.1 * 2 / 32
    assert place[2] < 2 * 24 / 32 and -0.65 < place[0] < -0.5  # in the thin leg
    board = result.walls.thickness[result.mesh.vertices[result.mesh.faces, 2].min(1) > 26.4 / 32]
    assert np.median(board) == pytest.approx(2 * 3 / 32)


def test_presets_say_what_they_are():
    assert set(PRESETS) == {"block_out", "sculpt", "print", "game"}
