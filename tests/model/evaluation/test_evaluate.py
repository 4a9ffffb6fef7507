from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.dataset.index import build_index
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation.baselines import MeanShape, depth_carved_hull, hull_cover
from maquette.core.model.evaluation.evaluate import (
    EvaluationOptions,
    build_case,
    evaluate_model,
    format_table,
    score_mesh,
)
from maquette.core.model.evaluation.test_cases import INPUT_VARIANTS
from maquette.core.model.inference import weights
from maquette.core.model.metrics import compare_surfaces, iou, nearest_distance
from maquette.core.model.networks.foreground import ForegroundNetwork
from maquette.core.model.networks.reconstruction import ReconstructionNetwork


def test_iou():
    a, b = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert iou(a, b) == pytest.approx(1 / 3)
    assert iou(a & ~a, b & ~b) == 1


def test_nearest_is_the_nearest():
    rng = np.random.default_rng(0)
    a, b = rng.random((300, 3)), rng.random((200, 3))
    distance, index = nearest_distance(a, b)
    true = np.linalg.norm(a[:, None] - b[None], axis=2)
    np.testing.assert_array_equal(index, true.argmin(1))
    np.testing.assert_allclose(distance, true.min(1), atol=1e-3)


def test_shifted_plane():
    rng = np.random.default_rng(0)
    flat = np.c_[rng.random((4000, 2)), np.zeros(4000)]
    up = np.broadcast_to((0.0, 0, 1), flat.shape)
    scores = compare_surfaces(flat, up, flat + (0, 0, 0.03), -up)
    assert scores.chamfer_l1 == pytest.approx(0.03, abs=1e-4)
    assert scores.f_scores == pytest.approx((0, 0, 1), abs=1e-6)
    assert scores.normal_consistency == pytest.approx(1)


@pytest.mark.parametrize("question", INPUT_VARIANTS, ids=lambda q: q.name)
def test_truth_and_pictures_share_a_frame(dataset, question):
    """The true solid is within the hull of its images, and the true surface scores nearly 1."""
    judged = build_case(ObjectFile(dataset / "objects/e03.tar"), question)
    cover = hull_cover(judged.views, judged.points)
    assert (cover[judged.inside] > 0.4).mean() > 0.98
    assert iou(cover > 0.5, judged.inside) > (0.75 if len(judged.views) == 4 else 0.2)
    line = np.linspace(-0.55, 0.55, 65)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    local = points @ judged.to_object[:3, :3].T + judged.to_object[:3, 3]
    half = ObjectFile(dataset / "objects/e03.tar").record.bounds[1]
    axes = half / (2 * half.max())
    field = (1 - np.linalg.norm(local / axes, axis=1)).reshape(65, 65, 65)
    mesh = surface_nets(field.astype(np.float32), 0.0, np.full(3, -0.55), 1.1 / 64)
    found = score_mesh(mesh, judged)  # the truth is sampled sparsely here
    assert found.iou > 0.95 and found.chamfer < 3 and found.f5 > 0.85 and found.normals > 0.95
    assert found.silhouettes > 0.95
    if len(judged.views) == 1:  # from four sides nothing of an ellipsoid is hidden
        assert found.hidden_f2 > 0.3 and found.hidden_normals > 0.9
    assert score_mesh(None, judged).iou == 0
    true = judged.seen_colors.mean(0)
    painted = [
        replace(mesh, colors=np.full_like(mesh.vertices, 1) * color) for color in (true, 1 - true)
    ]
    right, wrong = (score_mesh(each, judged).colour for each in painted)
    assert right > 40 > 15 > wrong and np.isnan(found.colour)


def test_exact_depths_carve_what_masks_cannot(dataset):
    """Before the surface is outside by depth alone, behind it inside; beyond the masks outside."""
    file = ObjectFile(dataset / "objects/e03.tar")
    judged = build_case(
        file, next(question for question in INPUT_VARIANTS if question.name == "front")
    )
    carved = depth_carved_hull(file, ("front",), judged.to_object)
    first = judged.surface[judged.surface[:, 1].argmin()]
    shown = first + np.array(((0, -0.05, 0), (0, 0.05, 0), (0.5, 0.05, 0), (5, 0, 5)))
    assert (carved(shown) > 0).tolist() == [False, True, False, False]
    assert (carved(judged.points)[judged.inside] > -1).mean() > 0.98


def test_mean_shape_is_in_the_middle(dataset):
    mean = MeanShape.mean_over_objects(list(build_index(dataset).by_name.values())[:8], side=12)
    value = mean.sample_at(np.array(((0.0, 0, 0), (0.52, 0.52, 0.52), (0.9, 0, 0))), np.eye(4))
    assert value[0] > 0 > value[1] and value[2] < 0


@pytest.mark.slow
def test_evaluate_judges_every_question_and_method(dataset, tiny, tmp_path):
    torch.manual_seed(0)
    network = ReconstructionNetwork(tiny)
    network.occupancy_head.bias.data.fill_(3.0)
    weights.save_weights(tmp_path / "w.safetensors", network, ForegroundNetwork())
    options = EvaluationOptions(
        resolution=32, weights=tmp_path / "w.safetensors", log=tmp_path / "log.csv"
    )
    result = run_to_end(evaluate_model([dataset], "test", options=options))
    assert len(result) == 3 * len(INPUT_VARIANTS) + sum(
        bool(question.sides) for question in INPUT_VARIANTS
    )
    assert {count for _, count in result.values()} == {2}
    scores = [
        result["front+right+back+top", method][0].iou for method in ("visual hull", "exact depths")
    ]
    assert scores[1] > scores[0] > 0.75
    assert "visual hull" in format_table(result)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 2 * len(result)
