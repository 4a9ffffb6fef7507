"""Which runs of the mapper follow each other, and which of their models is believed."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.cameras import Camera
from maquette.core.jobs.task import Progress, run_to_end
from maquette.core.photogrammetry import mapping
from maquette.core.photogrammetry.matching import MatchDatabase
from maquette.core.photogrammetry.records import SparseCloud


def make_model(count, explained, focal):
    """A model of ``count`` photographs 100 pixels wide; ``focal`` in units of that."""
    intrinsics = np.array(((100 * focal, 0, 50), (0, 100 * focal, 40), (0, 0, 1.0)))
    points = np.zeros((1, 3), np.float32)
    return mapping.Model(
        indices=list(range(count)),
        cameras=[Camera(np.eye(4), intrinsics, 100, 80)] * count,
        distortions=[(0.0, 0.0)] * count,
        cloud=SparseCloud(points, points, np.ones(1, np.int32), np.ones(1, np.float32)),
        observations=np.zeros((0, 4)),
        explained=explained,
    )


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Map with models by the focal length (None: refined at once), and return all choices made."""

    def map_with(models):
        made = []
        written = []

        def run(database, choices):
            yield Progress(1.0, "Cameras")
            made.append((choices.relaxed, choices.focal))
            model = models.get("relaxed" if choices.relaxed else choices.focal)
            return [model] if model else []

        monkeypatch.setattr(mapping, "_run_mapper", run)
        monkeypatch.setattr(mapping, "_write_focals", lambda _, focal: written.append(focal))
        database = MatchDatabase(tmp_path, [f"{index}.png" for index in range(10)])
        reports = []
        found = run_to_end(mapping.map_photographs(database), reports.append)
        fractions = [report.fraction for report in reports]
        assert fractions == sorted(fractions)
        return found, made, written

    return map_with


def test_cameras_that_explain_the_matches_are_taken_at_once(runs):
    right = make_model(10, 0.8, 1.2)
    found, made, written = runs({None: right})
    assert found == [right] and made == [(False, None)] and not written


def test_few_photographs_relax_the_thresholds(runs):
    some = make_model(5, 0.8, 1.2)
    more = make_model(9, 0.7, 1.2)
    found, made, _ = runs({None: some, "relaxed": more})
    assert found == [more] and made == [(False, None), (True, None)]
    assert runs({None: more, "relaxed": some})[0] == [more]


def test_contradicted_cameras_are_mapped_with_other_focal_lengths(runs):
    wrong = make_model(10, 0.3, 0.53)
    right = make_model(10, 0.73, 1.6)
    found, made, written = runs({None: wrong, 1.8: right})
    assert found == [right] and made == [(False, None), (False, 1.8)]
    assert written == [pytest.approx(1.6)]


def test_a_focal_length_that_was_refined_is_begun_with_once_more(runs):
    wrong = make_model(10, 0.3, 0.53)
    near = make_model(10, 0.5, 1.5)
    right = make_model(10, 0.73, 1.6)
    found, made, _ = runs({None: wrong, 1.8: near, 1.5: right})
    assert found == [right] and made[-1] == (False, 1.5)


def test_the_best_is_kept_where_none_explains_the_matches(runs):
    first = make_model(10, 0.4, 1.2)
    others = {focal: make_model(10, 0.2, focal) for focal in (1.8, 1.2, 0.8, 2.6)}
    found, made, written = runs({None: first, **others})
    assert found == [first] and len(made) == 5 and written == [pytest.approx(1.2)]


def test_nothing_fits_together(runs):
    found, made, _ = runs({})
    assert found == [] and made == [(False, None), (True, None)]


def test_cameras_at_one_place_are_no_model():
    model = make_model(4, 1.0, 1.2)
    far = np.array(((0.0, 0, -5), (0.1, 0, -5)), np.float32)
    model = replace(model, cloud=replace(model.cloud, points=far))
    assert mapping._is_at_one_place(model)
    moved = []
    for index, camera in enumerate(model.cameras):
        to_world = np.eye(4)
        to_world[0, 3] = 0.5 * index
        moved.append(replace(camera, to_world=to_world))
    assert not mapping._is_at_one_place(replace(model, cameras=moved))
