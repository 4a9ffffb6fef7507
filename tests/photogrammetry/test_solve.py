import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from maquette.core.errors import DependencyError, ImageError
from maquette.core.jobs import dependencies
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.photo_files import list_photographs
from maquette.core.photogrammetry.records import SolveSettings
from maquette.core.photogrammetry.solve import solve_photographs

pytest.importorskip("pycolmap")


@pytest.fixture(scope="module")
def solved(photographs):
    """What is solved from the photographs, and each report of progress."""
    reports = []
    folder = next(iter(photographs)).parent
    result = run_to_end(solve_photographs(list_photographs(folder)), reports.append)
    return result, reports


def test_cameras_are_where_they_were(solved, photographs, photographed_scene):
    result, _ = solved
    assert [photograph.path for photograph in result.photographs] == list(photographs)
    degrees, away = photographed_scene.camera_errors(result.photographs, photographs)
    assert degrees.max() < 0.5
    assert away.max() < 0.01
    focal = result.photographs[0].camera.intrinsics[0, 0]
    assert focal == pytest.approx(photographed_scene.FOCAL, rel=0.01)


def test_up_is_the_true_up_and_the_object_stands_on_the_floor(
    solved, photographs, photographed_scene
):
    result, _ = solved
    own = np.array([photograph.camera.to_world[:3, 3] for photograph in result.photographs])
    true = np.array([photographs[each.path].to_world[:3, 3] for each in result.photographs])
    _, rotation, offset = photographed_scene.align(own, true)
    assert result.floor_found
    assert np.degrees(np.arccos((rotation @ (0, 0, 1))[2])) < 0.5
    assert abs(offset[2]) < 0.01
    assert abs(own[0][0]) < 0.3 and own[0][1] < -1.5


def test_the_longest_side_of_the_object_is_one(solved, photographs, photographed_scene):
    result, _ = solved
    own = np.array([photograph.camera.to_world[:3, 3] for photograph in result.photographs])
    true = np.array([photographs[each.path].to_world[:3, 3] for each in result.photographs])
    factor, _, _ = photographed_scene.align(own, true)
    assert factor == pytest.approx(1.0, abs=0.1)


def test_points_lie_on_the_surfaces(solved, photographs, photographed_scene):
    result, _ = solved
    cloud = result.cloud
    own = np.array([photograph.camera.to_world[:3, 3] for photograph in result.photographs])
    true = np.array([photographs[each.path].to_world[:3, 3] for each in result.photographs])
    factor, rotation, offset = photographed_scene.align(own, true)
    points = factor * cloud.points @ rotation.T + offset
    away = [np.abs(points[:, 2])]
    for low, high in np.array(photographed_scene.BOXES):
        outside = np.maximum(np.maximum(low - points, points - high), 0)
        inside = np.minimum(points - low, high - points).min(1).clip(0)
        away.append(np.linalg.norm(outside, axis=1) + inside)
    nearest = np.min(away, axis=0)
    assert len(points) > 300 and np.median(nearest) < 0.005
    assert (nearest < 0.03).mean() > 0.9


def test_points_have_colors_tracks_and_errors(solved):
    cloud = solved[0].cloud
    assert len(cloud.colors) == len(cloud.track_length) == len(cloud.error) == len(cloud.points)
    assert cloud.track_length.min() >= 2 and cloud.error.max() < 4.1
    assert cloud.colors.min() >= 0 and cloud.colors.max() <= 1 and np.ptp(cloud.colors) > 0.3


def test_what_does_not_belong_is_left_out_with_a_reason(solved):
    reasons = {entry.path.name: entry.reason for entry in solved[0].left_out}
    assert reasons.keys() == {"something_else.png", "text.jpg"}
    assert "fewer than 15 points" in reasons["something_else.png"]
    assert "is not a readable image" in reasons["text.jpg"]
    unreadable = {entry.path.name for entry in solved[0].left_out if entry.unreadable}
    assert unreadable == {"text.jpg"}


def test_outlines_agree_and_progress_rises(solved):
    result, reports = solved
    assert result.outline_agreement > 0.95 and result.notes == ()
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    stages = {report.stage.split()[0] for report in reports}
    assert stages >= {"Reading", "Features", "Matching", "Cameras", "Comparing"}


def test_one_photograph_is_too_few(photographs):
    with pytest.raises(ImageError, match="at least 3 photographs, 1 given"):
        run_to_end(solve_photographs(list(photographs)[:1]))


def test_copies_and_texts_are_not_counted(photographs, tmp_path):
    first = next(iter(photographs))
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.read_bytes())
    text = first.with_name("text.jpg")
    reason = r"Only 1 of 3.*same file as photo_1\.png.*not a readable image"
    with pytest.raises(ImageError, match=reason):
        run_to_end(solve_photographs([first, copy, text]))


def test_photographs_that_do_not_overlap_say_what_to_do(photographed_scene, tmp_path):
    paths = []
    for seed in (1000, 2000, 3000):
        folder = tmp_path / str(seed)
        folder.mkdir()
        paths += photographed_scene.write_photographs(folder, [0.0], seed=seed)
    with pytest.raises(ImageError, match=r"cannot be solved: .*newspaper"):
        run_to_end(solve_photographs(paths))


def test_without_pycolmap_it_says_how_to_install_it(photographs, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    dependencies.is_installed.cache_clear()
    try:
        with pytest.raises(DependencyError, match="pip install pycolmap"):
            run_to_end(solve_photographs(list(photographs)))
    finally:
        dependencies.is_installed.cache_clear()


def test_closing_stops_at_once_and_leaves_no_file(photographs, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    task = solve_photographs(list(photographs)[:3], replace(SolveSettings(), max_side=160))
    while not next(task).stage.startswith("Features 2"):
        pass
    assert list(tmp_path.iterdir())
    began = time.monotonic()
    task.close()
    assert time.monotonic() - began < 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_sides_that_look_alike_are_solved_right_or_refused(photographed_scene, tmp_path):
    angles = [18.0 * index for index in range(20)]
    cameras = photographed_scene.write_photographs(tmp_path, angles, alike=True)
    paths = list(cameras)
    unchecked = run_to_end(solve_photographs(paths, SolveSettings(check_outlines=False)))
    assert photographed_scene.camera_errors(unchecked.photographs, cameras)[0].max() > 10
    try:
        result = run_to_end(solve_photographs(paths))
    except ImageError as error:
        assert "look alike" in str(error)
    else:
        degrees, away = photographed_scene.camera_errors(result.photographs, cameras)
        assert degrees.max() < 2 and away.max() < 0.03
