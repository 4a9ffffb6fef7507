from dataclasses import replace

import numpy as np
import pytest
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene, SparseCloud
from PIL import Image

SIZE = (64, 48)
FOCAL = 66.0


def make_camera(photographed_scene, angle, center):
    """A camera of 64 x 48 pixels with its own principal point."""
    camera = photographed_scene.make_camera(angle).resized(*SIZE)
    intrinsics = np.array(((FOCAL, 0, center[0]), (0, FOCAL, center[1]), (0, 0, 1.0)))
    return replace(camera, intrinsics=intrinsics)


@pytest.fixture
def scene(photographed_scene, tmp_path):
    """Six photographs around an object on a floor, of two lenses, and points of both."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photographs = []
    for index in range(6):
        path = folder / f"view {index}.png"
        Image.new("RGB", SIZE, (20 * index, 90, 60)).save(path)
        center, distortion = (
            ((32.0, 24.0), (0.0, 0.0)) if index % 2 else ((31.0, 25.5), (0.1, -0.02))
        )
        camera = make_camera(photographed_scene, 60.0 * index, center)
        photographs.append(SolvedPhotograph(path, camera, distortion))
    generator = np.random.default_rng(0)
    floor = generator.uniform(-1.5, 1.5, (150, 3)) * (1, 1, 0)
    box = generator.uniform((-0.5, -0.3, 0), (0.5, 0.3, 0.6), (80, 3))
    points = np.concatenate((floor, box)).astype(np.float32)
    cloud = SparseCloud(
        points=points,
        colors=(generator.integers(0, 256, points.shape) / 255).astype(np.float32),
        track_length=np.full(len(points), 3, np.int32),
        error=np.full(len(points), 0.25, np.float32),
    )
    return SolvedScene(tuple(photographs), cloud, floor_found=True)


@pytest.fixture
def paths(scene):
    return [photograph.path for photograph in scene.photographs]
