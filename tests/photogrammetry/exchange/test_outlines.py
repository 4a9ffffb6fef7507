"""Cameras with points, of photographs whose outlines are known: the outlines judge them."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.errors import CameraFileError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.exchange import read_cameras, write_cameras
from maquette.core.photogrammetry.records import (
    SolvedPhotograph,
    SolvedScene,
    SolveSettings,
    SparseCloud,
)

COUNT = 6


@pytest.fixture
def outlined(photographs, photographed_scene):
    """Six photographs around two boxes on a floor, and points of both."""
    chosen = [SolvedPhotograph(path, camera) for path, camera in photographs.items()][:COUNT]
    generator = np.random.default_rng(0)
    floor = generator.uniform(-1.5, 1.5, (200, 3)) * (1, 1, 0)
    boxes = [generator.uniform(low, high, (60, 3)) for low, high in photographed_scene.BOXES]
    points = np.concatenate((floor, *boxes)).astype(np.float32)
    empty = np.zeros(len(points))
    cloud = SparseCloud(points, points * 0 + 0.5, empty.astype(np.int32), empty.astype(np.float32))
    return SolvedScene(tuple(chosen), cloud)


def read(scene, folder, check_outlines=True):
    write_cameras(folder / "model", scene)
    paths = [photograph.path for photograph in scene.photographs]
    settings = SolveSettings(check_outlines=check_outlines)
    return run_to_end(read_cameras(folder / "model", paths, settings))


def test_right_cameras_agree_and_the_object_is_told_from_the_floor(outlined, tmp_path):
    scene = read(outlined, tmp_path)
    assert len(scene.photographs) == COUNT and scene.outline_agreement > 0.93
    assert scene.notes[0] == "Cameras are those of COLMAP, and agree with the outlines"

    # The longest side of the boxes is 1, and they stand on the floor.
    assert scene.floor_found
    factor = np.linalg.norm(np.ptp(scene.cloud.points, axis=0)) / np.linalg.norm(
        np.ptp(outlined.cloud.points, axis=0)
    )
    assert factor == pytest.approx(1.0, abs=0.1)


def test_wrong_cameras_are_refused_unless_the_check_is_off(outlined, tmp_path):
    cameras = [photograph.camera for photograph in reversed(outlined.photographs)]
    mixed = tuple(
        replace(photograph, camera=camera)
        for photograph, camera in zip(outlined.photographs, cameras, strict=True)
    )
    wrong = replace(outlined, photographs=mixed)
    with pytest.raises(CameraFileError, match="do not agree with the object's outlines"):
        read(wrong, tmp_path)
    scene = read(wrong, tmp_path, check_outlines=False)
    assert scene.outline_agreement is None and len(scene.photographs) == COUNT


def test_one_wrong_camera_is_left_out(outlined, tmp_path):
    first, *others = outlined.photographs
    beside = np.eye(4)
    beside[0, 3] = 0.4
    moved = replace(first, camera=first.camera.moved(beside))
    wrong = replace(outlined, photographs=(moved, *others))
    scene = read(wrong, tmp_path)
    assert [entry.path for entry in scene.left_out] == [first.path]
    assert "outline" in scene.left_out[0].reason


def test_a_photograph_that_ends_early_is_left_out(outlined, tmp_path):
    """Its size can be read, its pixels cannot."""
    copies = []
    for photograph in outlined.photographs:
        path = tmp_path / photograph.path.name
        path.write_bytes(photograph.path.read_bytes())
        copies.append(replace(photograph, path=path))
    data = copies[2].path.read_bytes()
    copies[2].path.write_bytes(data[: len(data) // 2])
    scene = read(replace(outlined, photographs=tuple(copies)), tmp_path)
    assert len(scene.photographs) == COUNT - 1
    assert scene.left_out[0].path == copies[2].path and scene.left_out[0].unreadable
