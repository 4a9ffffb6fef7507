"""Whether a fitted procedural object helps the model's field, on the answers of a run.

    python tests/benchmarks/field_and_fit.py FOLDER --run plain

FOLDER and the run are those of ``procedural_fits.py``; its questions from pictures are used. IoU on
uniform points, of the field alone and of mixtures with what is inside the fitted object. The field
is unsure at the half of the points where its value is nearer to 0 than its median.
"""

import argparse
import pickle
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
from maquette.core.geometry import winding_number
from maquette.core.jobs.task import run_to_end
from maquette.core.model import metrics
from maquette.core.model.evaluation.procedural import PICTURE, mesh_of
from maquette.core.model.inference import pipeline, weights
from maquette.core.procedural.fitting.drawing import draw_triangles
from maquette.core.procedural.fitting.results import frame_mesh

POINTS = 8000
WEIGHTS = (0.25, 0.5, 1.0)  # of the fitted object, in medians of the field's values
PIXELS = 128


def behind_surface(points, mesh, camera):
    """Which points are behind the first surface of a mesh, (P,) bool."""
    camera = camera.resized(PIXELS, PIXELS)
    drawing = draw_triangles(mesh.vertices.astype(float), mesh.to_triangles(), camera)
    pixels, depth = camera.project(points)
    column, row = np.floor(pixels).astype(int).T.clip(0, PIXELS - 1)
    return depth > drawing.depth[row, column]


def ious_of(question, fit, network, resolution):
    """IoU of each mixture by name."""
    points = question.truth.points[:POINTS]
    true = question.truth.inside[:POINTS]
    task = pipeline._build_field(question.views, network, resolution)
    _, field, frame_scale = run_to_end(task)
    value = field((points * frame_scale).astype(np.float32))
    made = mesh_of(fit.genome, fit.pose, frame_mesh(question.mesh, question.views))
    fitted = winding_number.points_inside(made.vertices, made.to_triangles(), points)

    field_inside = value > 0
    middle = np.median(np.abs(value[field_inside | fitted]))
    is_unsure = np.abs(value) < middle
    is_behind = behind_surface(points, question.mesh, question.views[0].camera)
    answers = {
        "field": field_inside,
        "fitted": fitted,
        "either": field_inside | fitted,
        "both": field_inside & fitted,
        "fitted behind": np.where(is_behind, fitted, field_inside),
        "fitted behind, unsure": np.where(is_behind & is_unsure, fitted, field_inside),
    }
    side = np.where(fitted, 1.0, -1.0)
    for weight in WEIGHTS:
        answers[f"sum, {weight}"] = value + weight * middle * side > 0
        answers[f"sum behind, {weight}"] = value + weight * middle * side * is_behind > 0
    return {name: metrics.iou(inside, true) for name, inside in answers.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", default="plain")
    parser.add_argument("--resolution", type=int, default=64)
    arguments = parser.parse_args()

    network, _ = weights.load_weights(None)
    groups = {}
    for path in sorted((arguments.folder / arguments.run).glob("*.pkl")):
        fits = {}
        for scores, fit in pickle.loads(path.read_bytes()):
            fits[scores[0].question] = fit
        if PICTURE not in fits:
            continue
        questions = pickle.loads((arguments.folder / "questions" / path.name).read_bytes())
        (question,) = (each for each in questions if each.kind == PICTURE)
        fit = fits[PICTURE]
        ious = ious_of(question, fit, network, arguments.resolution)
        group = "seeds" if path.name.startswith("procedural__") else "meshes"
        groups.setdefault(f"{group}, all", []).append(ious)
        for least in (0.8, 0.85, 0.9):
            if fit.score.silhouette >= least and fit.score.field >= 0.6:
                groups.setdefault(f"{group}, silhouette {least}", []).append(ious)

    for group, members in sorted(groups.items()):
        print(f"\n{group}: {len(members)} objects")
        field = np.array([ious["field"] for ious in members])
        for name in members[0]:
            values = np.array([ious[name] for ious in members])
            better = int((values > field + 0.005).sum())
            worse = int((values < field - 0.005).sum())
            print(f"  {name:24}{values.mean():.3f}  better {better}, worse {worse}")


if __name__ == "__main__":
    main()
