import numpy as np
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense.fusion import FusionSettings, fuse_depths
from maquette.core.photogrammetry.dense.records import DenseView, DepthMap, VoxelGrid

SPACING = 0.05


@pytest.fixture(scope="module")
def block():
    """A hull that is a block, 1 wide, 1 deep, 1 high, and a camera above it."""
    steps = np.arange(-6, 27) * SPACING + SPACING / 2
    x, y, z = np.meshgrid(steps, steps, steps, indexing="ij")
    sides = np.stack((x, 1 - x, y, 1 - y, z, 1 - z))
    hull = VoxelGrid(sides.min(0).astype(np.float32), np.full(3, steps[0]), SPACING)
    eye = np.array((0.5, 0.5, 4.0))
    camera = perspective_camera(look_at(eye, np.array((0.5, 0.5, 0)), np.array((0, 1, 0))), 0.5, 64)
    return hull, camera


def depth_of_height(camera, height, confidence=4.0):
    """A view whose every pixel shows a level plane at ``height``."""
    shape = (camera.height, camera.width)
    normal = np.zeros((*shape, 3), np.float32)
    normal[..., 2] = 1
    view = DenseView(np.zeros((*shape, 3), np.float32), np.ones(shape, np.float32), camera)
    depth = np.full(shape, 4.0 - height, np.float32)
    return view, DepthMap(depth, normal, np.full(shape, confidence, np.float32))


def top_of(field):
    """The height at which the field of the middle column crosses 0."""
    middle = np.abs(field.origin[0] + np.arange(field.values.shape[0]) * SPACING - 0.5).argmin()
    column = field.values[middle, middle]
    last = np.flatnonzero(column > 0)[-1]
    share = column[last] / (column[last] - column[last + 1])
    return field.origin[2] + (last + share) * SPACING


def test_without_depth_the_hull_remains(block):
    hull, camera = block
    view, depths = depth_of_height(camera, 0.6, confidence=0.0)
    field = run_to_end(fuse_depths(hull, [view], [depths]))
    assert ((field.values > 0) == (hull.values > 0)).all()


def test_depth_carves_the_hull_to_the_surface(block):
    hull, camera = block
    view, depths = depth_of_height(camera, 0.62)
    field = run_to_end(fuse_depths(hull, [view, view], [depths, depths]))
    assert top_of(field) == pytest.approx(0.62, abs=0.005)
    assert not ((field.values > 0) & (hull.values <= 0)).any()


def test_depth_in_front_of_the_hull_adds_nothing(block):
    hull, camera = block
    view, depths = depth_of_height(camera, 1.2)
    field = run_to_end(fuse_depths(hull, [view, view], [depths, depths]))
    assert ((field.values > 0) == (hull.values > 0)).all()


def test_one_view_with_little_confidence_carves_nothing(block):
    hull, camera = block
    view, depths = depth_of_height(camera, 0.3, confidence=0.2)
    field = run_to_end(fuse_depths(hull, [view], [depths]))
    assert top_of(field) > 0.9


def test_thin_parts_are_left_to_the_hull(block):
    hull, camera = block
    view, depths = depth_of_height(camera, 1 - 0.8 * SPACING)
    thick = run_to_end(fuse_depths(hull, [view, view], [depths, depths]))
    settings = FusionSettings(thin=(30.0, 31.0))  # as if all of the block was thin
    thin = run_to_end(fuse_depths(hull, [view, view], [depths, depths], settings))
    assert top_of(thick) == pytest.approx(1 - 0.8 * SPACING, abs=0.005)
    assert top_of(thin) == pytest.approx(1.0, abs=0.005)
