from dataclasses import dataclass, replace

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, SourceView
from maquette.core.cameras import Camera, look_at
from maquette.core.imaging import image_files
from maquette.core.photogrammetry.dense.records import DenseCloud, DenseShape, VoxelGrid
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from maquette.core.scene.solved_cameras import add_solved_scene, add_surface
from PIL import Image

SIDE = 64
BOX = np.array(
    [(x, y, z) for x in (-0.5, 0.5) for y in (-0.3, 0.3) for z in (0.0, 0.4)], np.float32
)
QUADS = np.array(
    ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)), np.int32
)


@dataclass(frozen=True)
class Capture:
    """Solved photographs of a box whose longest side is 1, and the box."""

    solved: SolvedScene
    shape: DenseShape

    def add(self, size):
        """Add them to the open file as the operator does; return the collection."""
        collection = add_solved_scene(bpy.context, self.solved, size)
        add_surface(collection, "Box", self.shape, size)
        bpy.context.view_layer.update()
        return collection


def make_camera(angle):
    """A camera at degrees around the box."""
    turn = np.radians(angle)
    eye = np.array((2.5 * np.sin(turn), -2.5 * np.cos(turn), 1.2))
    intrinsics = np.array(((70.0, 0, SIDE / 2), (0, 70.0, SIDE / 2), (0, 0, 1)))
    return Camera(look_at(eye, np.array((0.0, 0.0, 0.2))), intrinsics, SIDE, SIDE)


@pytest.fixture
def capture(tmp_path):
    photographs = []
    for index in range(3):
        path = tmp_path / f"view_{index}.jpg"
        Image.new("RGB", (SIDE, SIDE), (40 * index, 90, 60)).save(path)
        photographs.append(SolvedPhotograph(path, make_camera(30 * index)))
    count = len(BOX)
    colors = np.full((count, 3), 0.5, np.float32)
    cloud = SparseCloud(BOX, colors, np.full(count, 3, np.int32), np.full(count, 0.5, np.float32))
    mesh = MeshArrays(BOX, QUADS, colors)
    png = image_files.encode_png(np.ones((8, 8, 4), np.float32))
    view = SourceView(png, photographs[0].camera.resized(8, 8))
    dense = DenseCloud(BOX, np.full((count, 3), 0.577, np.float32), colors, cloud.track_length)
    grid = VoxelGrid(np.ones((2, 2, 2), np.float32), np.zeros(3), 1.0)
    shape = DenseShape(replace(mesh, views=(view,)), dense, grid, mesh)
    return Capture(SolvedScene(tuple(photographs), cloud), shape)
