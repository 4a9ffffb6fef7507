"""Which cameras are believed without mapping again."""

from pathlib import Path

import numpy as np
import pytest
from maquette.core.cameras import Camera, look_at
from maquette.core.jobs.task import Progress, run_to_end
from maquette.core.photogrammetry.mapping import Model
from maquette.core.photogrammetry.matching import MatchDatabase
from maquette.core.photogrammetry.photo_files import Photograph
from maquette.core.photogrammetry.records import SolveSettings, SparseCloud
from maquette.core.photogrammetry.solving import acceptance
from maquette.core.photogrammetry.solving.photo_set import PhotoSet

COUNT = 20
SIZE = (100, 80)


def folded_model():
    """A ring of which the second half stands where the first does."""
    cameras = []
    intrinsics = np.array(((120.0, 0, 50), (0, 120.0, 40), (0, 0, 1.0)))
    for angle in np.radians(18.0 * (np.arange(COUNT) % 10)):
        eye = 3 * np.array((np.sin(angle), -np.cos(angle), 0.4))
        cameras.append(Camera(look_at(eye, np.zeros(3)), intrinsics, *SIZE))
    points = np.zeros((1, 3), np.float32)
    cloud = SparseCloud(points, points, np.ones(1, np.int32), np.ones(1, np.float32))
    return Model(list(range(COUNT)), cameras, [(0.0, 0.0)] * COUNT, cloud, np.zeros((0, 4)))


@pytest.fixture
def accept(monkeypatch, tmp_path):
    """Accept the folded model with these masks; return it, and how often it was mapped."""
    mapped = []

    def map_photographs(database):
        yield Progress(1.0, "Cameras")
        mapped.append(1)
        return [folded_model()]

    monkeypatch.setattr(acceptance, "map_photographs", map_photographs)
    monkeypatch.setattr(acceptance.matching, "drop_pairs", lambda *_: None)

    def run(mask, has_background):
        photos = PhotoSet()
        photos.photographs = [
            Photograph(Path(f"{index}.png"), *SIZE, 0.0, 0.0, False) for index in range(COUNT)
        ]
        photos.masks = [mask] * COUNT
        database = MatchDatabase(tmp_path, [f"{index}.png" for index in range(COUNT)])
        task = acceptance.accept_model(database, photos, [], SolveSettings(), has_background)
        return run_to_end(task), len(mapped)

    return run


def test_without_masks_photographs_may_be_taken_in_any_order(accept):
    accepted, runs = accept(None, False)
    assert accepted.count == COUNT and accepted.agreement is None and runs == 1


@pytest.mark.parametrize("has_background, runs", [(True, 1), (False, 3)])
def test_a_folded_ring_is_mapped_in_order_where_only_outlines_support_it(
    accept, has_background, runs
):
    mask = np.zeros(SIZE[::-1], bool)
    mask[20:60, 30:70] = True
    accepted, made = accept(mask, has_background)
    assert made == runs
    assert accepted.count == COUNT, "folded also with neighbors alone: walked around twice"
