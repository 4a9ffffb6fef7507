import os

import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageError, OutputError
from maquette.core.imaging import exr
from maquette.core.jobs.task import run_to_end
from maquette.core.scene.datagen import interiors
from maquette.core.scene.rendering.hdri import hdri_files, read_panoramas
from maquette.core.synthesis.interiors import Box, Interior
from maquette.core.synthesis.randomization import AreaLight, MaterialParams

NOTHING = (0.0, 0.0, 0.0)


def state():
    kinds = (
        "scenes",
        "objects",
        "cameras",
        "lights",
        "worlds",
        "images",
        "meshes",
        "materials",
        "collections",
    )
    return {
        kind: [item.name for item in getattr(bpy.data, kind) if item.name != "Render Result"]
        for kind in kinds
    }


def cube(middle, color):
    middle = np.array(middle)
    return Box(
        tuple(middle - 0.4),
        tuple(middle + 0.4),
        MaterialParams("none", None, (color, color), 1.0, 0.0, 1.0, NOTHING),
    )


def test_rooms_are_domes_and_the_file_is_as_before(tmp_path, addon):
    before = state()
    assert run_to_end(interiors.render_rooms(tmp_path, 2, width=64, samples=1)) == 2
    assert state() == before
    first, second = read_panoramas(hdri_files(tmp_path))
    assert first.shape == (32, 64, 3) and np.abs(first.astype(int) - second).mean() > 5
    (tmp_path / "room_0001.exr").unlink()
    assert run_to_end(interiors.render_rooms(tmp_path, 2, width=64, samples=1)) == 1
    assert (read_panoramas(hdri_files(tmp_path))[1] == second).all()


def test_what_is_ahead_lies_in_the_middle_and_what_is_right_of_it_on_the_right(
    tmp_path, addon, monkeypatch
):
    """The eye looks along Y; a turned or mirrored dome would light from elsewhere than it shows."""
    lamp = AreaLight((0.0, 0.0, 3.0), NOTHING, 1.0, 6500.0, 200.0)
    boxes = (
        cube((0, 2, 1.4), (0.9, 0.05, 0.05)),
        cube((2, 0, 1.4), (0.05, 0.05, 0.9)),
        cube((0, 0, 0), (0.05, 0.9, 0.05)),
    )
    monkeypatch.setattr(
        interiors, "sample_interior", lambda families, rng: Interior(boxes, (), (lamp,), 0.0)
    )
    run_to_end(interiors.render_rooms(tmp_path, 1, width=64, samples=4))
    (picture,) = read_panoramas(hdri_files(tmp_path))
    assert (
        picture[16, 32].argmax() == 0
        and picture[16, 48].argmax() == 2
        and picture[31, :].mean(0).argmax() == 1
    )


@pytest.mark.skipif(os.name != "posix", reason="file sizes are limited as POSIX does it")
def test_a_full_disk_is_reported_and_leaves_no_part_of_a_room(tmp_path, addon):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        with pytest.raises(OutputError, match="could not be written"):
            run_to_end(interiors.render_rooms(tmp_path, 1, width=64, samples=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
    run_to_end(interiors.render_rooms(tmp_path, 1, width=64, samples=1))
    assert [path.name for path in tmp_path.iterdir()] == ["room_0000.exr"]
    data = (tmp_path / "room_0000.exr").read_bytes()
    for length in (len(data) - 1, len(data) // 2, 400, 0):
        (tmp_path / "room_0000.exr").write_bytes(data[:length])
        with pytest.raises(ImageError, match="is not complete"):
            exr.check_complete(tmp_path / "room_0000.exr")
