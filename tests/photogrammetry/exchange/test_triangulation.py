"""Cameras without points: they are found in the photographs, by which wrong cameras are noticed."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.errors import CameraFileError, DependencyError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry import exchange
from maquette.core.photogrammetry.exchange import read_cameras, triangulation, write_cameras
from maquette.core.photogrammetry.exchange.records import empty_cloud
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene

COUNT = 4


def without_points(photographs):
    return SolvedScene(tuple(photographs), empty_cloud())


@pytest.fixture
def chosen(photographs):
    return [SolvedPhotograph(path, camera) for path, camera in photographs.items()][:COUNT]


def test_points_are_found_and_give_the_floor(chosen, photographs, photographed_scene, tmp_path):
    pytest.importorskip("pycolmap")
    write_cameras(tmp_path / "transforms.json", without_points(chosen))
    paths = [each.path for each in chosen]
    scene = run_to_end(read_cameras(tmp_path, paths))
    assert len(scene.cloud.points) > 100 and scene.floor_found
    share = int(scene.notes[0].partition("agree with ")[2].partition("%")[0])
    assert share > 75
    degrees, away = photographed_scene.camera_errors(scene.photographs, photographs)
    assert degrees.max() < 1e-4 and away.max() < 1e-6
    up = scene.photographs[0].camera.to_world[:3, :3] @ chosen[0].camera.to_world[:3, :3].T
    assert np.degrees(np.arccos(up[2, 2])) < 1


def test_cameras_of_other_photographs_are_noticed(chosen, tmp_path):
    pytest.importorskip("pycolmap")
    others = [
        replace(each, camera=other.camera)
        for each, other in zip(chosen, reversed(chosen), strict=True)
    ]
    write_cameras(tmp_path / "transforms.json", without_points(others))
    with pytest.raises(CameraFileError, match="do not fit the photographs"):
        run_to_end(read_cameras(tmp_path, [each.path for each in chosen]))


def test_without_pycolmap_the_cameras_are_read_alone(scene, paths, tmp_path, monkeypatch):
    def missing(*packages):
        raise DependencyError("pycolmap is not installed")

    monkeypatch.setattr(triangulation, "require_packages", missing)
    write_cameras(tmp_path / "transforms.json", without_points(scene.photographs))
    again = run_to_end(exchange.read_cameras(tmp_path, paths))
    assert not len(again.cloud.points)
    assert again.notes[0].endswith("there are no points. pycolmap is not installed")

    # They stand around the origin, as far away as an object of size 1 would be photographed.
    positions = np.array([each.camera.to_world[:3, 3] for each in again.photographs])
    assert np.abs(positions[:, :2].mean(0)).max() < 0.2
    assert 2 < np.linalg.norm(positions, axis=1).mean() < 4
    assert all(each.camera.to_world[2, 1] > 0.5 for each in again.photographs)
