"""Objects that move before their background: on a turntable, and turned over between two rings."""

import numpy as np
import pytest
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.solve import solve_photographs
from PIL import Image

pytest.importorskip("pycolmap")


def background(seed=77):
    """A still pattern (H, W, 3) uint8 as large as a photograph."""
    generator = np.random.default_rng(seed)
    spots = Image.fromarray(generator.integers(0, 255, (40, 54, 3), np.uint8))
    return np.asarray(spots.resize((320, 240), Image.Resampling.BICUBIC))


def write(path, pixels, behind, alpha=True):
    """Write the object in ``pixels`` (H, W, 4) 0..1 before another background (H, W, 3) uint8."""
    mask = pixels[..., 3] > 0.5
    color = np.where(mask[..., None], (pixels[..., :3] * 255 + 0.5).astype(np.uint8), behind)
    if alpha:
        color = np.dstack((color, np.where(mask, 255, 0).astype(np.uint8)))
    Image.fromarray(color).save(path, compress_level=1)


def test_the_still_background_of_a_turntable_is_ignored(photographed_scene, tmp_path):
    cameras = {}
    for index in range(8):
        camera = photographed_scene.make_camera(14.0 * index)
        path = tmp_path / f"{index}.png"
        write(path, photographed_scene.render(camera), background(), alpha=False)
        cameras[path] = camera
    result = run_to_end(solve_photographs(list(cameras)))
    assert len(result.photographs) == 8
    degrees, away = photographed_scene.camera_errors(result.photographs, cameras)
    assert degrees.max() < 2 and away.max() < 0.03
    assert result.notes[0].startswith("The object turned before a still background")


@pytest.mark.slow
def test_an_object_turned_over_is_joined_by_the_object_alone(photographed_scene, tmp_path):
    cameras = {}
    for elevation in (12.0, -12.0):
        for index in range(8):
            camera = photographed_scene.make_camera(15.0 * index, elevation)
            path = tmp_path / f"{elevation}_{index}.png"

            # The floor stays below the camera, whatever side of the object is down.
            floor = photographed_scene.make_camera(15.0 * index, 32.0)
            behind = photographed_scene.render(floor)[..., :3] * 255
            write(path, photographed_scene.render(camera), behind.astype(np.uint8))
            cameras[path] = camera
    result = run_to_end(solve_photographs(list(cameras)))
    assert len(result.photographs) == 16
    degrees, away = photographed_scene.camera_errors(result.photographs, cameras)
    assert degrees.max() < 2 and away.max() < 0.03
    assert result.notes[0].startswith("Photographs were joined by the object alone")
