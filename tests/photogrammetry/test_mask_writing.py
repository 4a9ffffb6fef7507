import numpy as np
import pytest
from maquette.core.cameras import Camera, look_at
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry import mask_files, mask_writing
from maquette.core.photogrammetry.dense import geometric_masks
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene
from PIL import Image

SIZE = (640, 480)


@pytest.fixture
def solved(tmp_path):
    """Three photographs with cameras, and one without."""
    intrinsics = np.array(((600.0, 0, 320), (0, 600.0, 240), (0, 0, 1)))
    photographs = []
    for index in range(4):
        path = tmp_path / f"{index}.jpg"
        pixels = np.random.default_rng(index).integers(0, 255, (480, 640, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        camera = Camera(look_at(np.array((index, -3.0, 1)), np.zeros(3)), intrinsics, *SIZE)
        photographs.append(SolvedPhotograph(path, camera))
    return SolvedScene(tuple(photographs[:3]), None)


def test_masks_by_cameras_are_written_for_the_photographs_that_need_one(solved, monkeypatch):
    given = []

    def find(images, cameras, scene):
        given.extend(zip(images, cameras, strict=True))
        yield from ()
        masks = np.zeros((3, 240, 320), np.float32)
        for index in range(3):
            masks[index, 100:200, 50 : 150 + 50 * index] = 1
        return list(masks)

    monkeypatch.setattr(geometric_masks, "find_masks", find)
    paths = [photograph.path for photograph in solved.photographs]
    missing = paths[0].with_name("3.jpg")
    written = run_to_end(mask_writing.write_solved_masks(solved, [paths[0], paths[2], missing]))
    assert written == 2

    # All cameras help to find them, at the size of the small images.
    assert [image.shape for image, _ in given] == [(240, 320, 3)] * 3
    assert {camera.width for _, camera in given} == {320}

    assert mask_files.find_masks([*paths, missing]) == tuple(
        mask_files.mask_path(path) for path in (paths[0], paths[2])
    )
    last = mask_files.mask_path(paths[2])
    assert mask_files.is_by_cameras(last)
    mask = mask_files.read_mask(last, *SIZE)
    inside = np.zeros(mask.shape, bool)
    inside[200:400, 100:500] = True
    assert (mask != inside).mean() < 0.01
