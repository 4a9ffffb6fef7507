import csv
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation import procedural
from maquette.core.procedural.fitting.search import SearchSettings, fit_object


@pytest.fixture(autouse=True)
def short_search(monkeypatch):
    """Let searches end after a few objects."""
    short = partial(fit_object, settings=SearchSettings(evaluations=45))
    monkeypatch.setattr(procedural, "fit_object", short)


def test_scores_all_answers_to_a_picture(dataset, weights, tmp_path):
    log = tmp_path / "log.csv"
    task = procedural.evaluate_procedural([dataset], "test", 1, 32, weights, log)
    scores = run_to_end(task)
    methods = [row.method for row in scores]
    assert methods[:4] == ["field", "nearest seed", "mean parameters", "fitted"]
    assert {row.question for row in scores} == {procedural.PICTURE}
    by_method = {row.method: row for row in scores}
    assert by_method["fitted"].iou > 0.2
    assert by_method["fitted"].seconds > 0
    assert by_method["fitted"].is_top1 is None  # no generator makes ellipsoids
    with log.open() as file:
        assert len(list(csv.DictReader(file))) == len(scores)
    assert "nearest seed" in procedural.format_scores(scores)


def test_an_exact_shape_is_fitted_in_its_own_frame(dataset):
    """The true solid scores 1, and what is fitted to it is in the same place."""
    file = ObjectFile(dataset / "objects/e03.tar")
    shape = file.read_shape()
    half = file.record.bounds[1]
    centers = procedural.occupancy_grid.cell_centers(file.record.bounds)
    grid = ((centers / half) ** 2).sum(-1) < 1
    question = procedural.shape_question(file.record, replace(shape, grid=grid))
    scores, fit = run_to_end(procedural.answer_question(question))
    by_method = {row.method: row for row in scores}
    assert {row.question for row in scores} == {procedural.SHAPE}
    assert by_method["fitted"].iou >= by_method["nearest seed"].iou - 0.02
    assert by_method["fitted"].iou > 0.6
    assert by_method["fitted"].family == fit.genome.family
    assert by_method["fitted"].volume == fit.score.field
    assert procedural.shape_question(file.record, replace(shape, grid=None)) is None
    assert np.isnan(by_method["nearest seed"].seconds)
