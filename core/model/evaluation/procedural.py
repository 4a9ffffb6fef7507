"""Evaluate procedural objects that are fitted to unseen objects, beside simpler answers.

Of each object two questions: from its exact shape (the surface of its grid), and from one picture
of unknown camera, from which the model reconstructs a mesh first. Methods:

    field                what the model reconstructs from the picture, without a procedural object
    nearest seed         the best of the seeds that the search begins with, its box fitted
    mean parameters      the family that was found with all draws in the middle of their ranges
    fitted               the result of the search, of all objects
    fitted, accepted     only where it agrees well enough to be offered
    field, accepted      the field's own answer on the same objects

IoU is on the uniform points of the set, F-scores between samples of both surfaces, at 2 % of the
longest side.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, View
from ...atomic_files import write_bytes
from ...dataset.object_file import ObjectFile
from ...dataset.records import Record, Shape
from ...errors import ImageError, MeshError
from ...geometry import occupancy_grid, winding_number
from ...geometry.surface_nets import surface_nets
from ...jobs.task import Progress, Task
from ...procedural import FAMILIES, make_from_draws, make_object
from ...procedural.fitting.candidates import Genome, evaluate, join_parts
from ...procedural.fitting.draw_space import axes_of
from ...procedural.fitting.poses import Pose
from ...procedural.fitting.results import FramedMesh, frame_mesh
from ...procedural.fitting.search import Fit, fit_object
from ...procedural.fitting.targets import FittingTarget, target_of_mesh
from .. import metrics
from ..inference import weights
from ..inference.meaning.family_proposals import propose_families
from ..inference.pipeline import reconstruct_views, upright_view
from ..networks.reconstruction import ReconstructionNetwork
from .baselines import Points
from .evaluate import build_case, sample_objects
from .test_cases import InputVariant

SHAPE = "shape"  # questions
PICTURE = "picture"
ACCEPTED = "fitted, accepted"
_SAMPLES = 10_000  # of a surface
_POINTS = 20_000  # of a solid
_F_INDEX = metrics.THRESHOLDS.index(0.02)


@dataclass(frozen=True)
class FittingScores:
    """Scores of one answer.

    Attributes:
        question: SHAPE or PICTURE.
        method: See this module.
        name: Of the object.
        iou: With the true solid, 0..1.
        f2: F-score at 2 % of the longest side.
        is_top1: Whether the family is the true one; None where that is not one of a generator.
        is_top3: Whether the true family is among the best three.
        seconds: Of the search on one core; NaN of other answers.
        family: That was found; empty of other answers than the search's.
        silhouette: IoU of the silhouettes with what was fitted; NaN of other answers.
        volume: IoU with the inside of what was fitted; NaN of other answers.
    """

    question: str
    method: str
    name: str
    iou: float
    f2: float
    is_top1: bool | None = None
    is_top3: bool | None = None
    seconds: float = float("nan")
    family: str = ""
    silhouette: float = float("nan")
    volume: float = float("nan")


@dataclass(frozen=True)
class Truth:
    """The true solid in the frame of an answer.

    Attributes:
        points: (P, 3) uniform points.
        inside: (P,) which of them are inside.
        surface: (S, 3) points of the surface.
        normals: (S, 3) their unit normals.
    """

    points: Points
    inside: NDArray[np.bool_]
    surface: Points
    normals: Points

    def scores(self, mesh: MeshArrays) -> tuple[float, float]:
        """Return the IoU and the F-score of a mesh in the same frame."""
        triangles = mesh.to_triangles()
        points = self.points[:_POINTS]
        inside = winding_number.points_inside(mesh.vertices, triangles, points)
        vertices = mesh.vertices.astype(float)
        rng = np.random.default_rng(0)
        samples, faces = winding_number.sample_triangles(vertices, triangles, _SAMPLES, rng)
        normals = winding_number.face_normals(vertices, triangles)[faces]
        size = float(np.ptp(self.surface, axis=0).max())
        agreement = metrics.compare_surfaces(
            samples / size,
            normals,
            self.surface[:_SAMPLES] / size,
            self.normals[:_SAMPLES],
        )
        return metrics.iou(inside, self.inside[:_POINTS]), agreement.f_scores[_F_INDEX]


@dataclass(frozen=True)
class FittingQuestion:
    """A mesh to which a procedural object is fitted, and the right answer.

    Attributes:
        kind: SHAPE or PICTURE.
        name: Of the object.
        family: Of the object, as far as it is known.
        mesh: Its exact surface, or what the model reconstructs from a picture.
        views: The picture of it; none of a shape.
        truth: In the frame of ``mesh``.
    """

    kind: str
    name: str
    family: str
    mesh: MeshArrays
    views: tuple[View, ...]
    truth: Truth


def evaluate_procedural(
    datasets: Sequence[Path],
    split: str,
    limit: int | None,
    resolution: int,
    weights_file: Path | None,
    log: Path | None = None,
) -> Task[list[FittingScores]]:
    """Return the scores of all answers to all objects.

    Args:
        datasets: Training sets with grids.
        split: "train", "validation" or "test".
        limit: Number of objects, always the same ones; None for all.
        resolution: Cells along the longest side of the model's meshes.
        weights_file: Of the model; None for the bundled ones.
        log: CSV file for every score; None for none.

    Raises:
        DatasetError: A set is missing or damaged, or the split is empty.
        WeightsError: The weights are missing or damaged.
    """
    network, _ = weights.load_weights(weights_file)
    locations = sample_objects(datasets, split, limit)
    scores: list[FittingScores] = []
    for index, location in enumerate(locations):
        file = location.open_object()
        yield Progress(index / len(locations), file.record.name)
        question = shape_question(file.record, file.read_shape())
        if question is not None:
            answered, _ = yield from answer_question(question)
            scores += answered
        try:
            question = yield from picture_question(file, network, resolution)
            answered, _ = yield from answer_question(question)
            scores += answered
        except (ImageError, MeshError):  # an empty picture, or no solid in it
            continue
    if log:
        write_scores(log, scores)
    return scores


def shape_question(record: Record, shape: Shape) -> FittingQuestion | None:
    """Return the question from the exact shape of an object; None if its grid is empty.

    Args:
        record: Of the object.
        shape: Its ground truth.
    """
    if shape.grid is None or not shape.grid.any():
        return None
    centers = occupancy_grid.cell_centers(record.bounds)
    cell = float(centers[1, 0, 0, 0] - centers[0, 0, 0, 0])
    padded = np.pad(shape.grid, 1).astype(np.float32) - 0.5
    mesh = surface_nets(padded, 0.0, centers[0, 0, 0] - cell, cell)
    truth = Truth(shape.uniform, shape.uniform_inside, shape.surface, shape.surface_normals)
    return FittingQuestion(SHAPE, record.name, record.family, mesh, (), truth)


def picture_question(
    file: ObjectFile, network: ReconstructionNetwork, resolution: int
) -> Task[FittingQuestion]:
    """Return the question from a picture of an object, from which the model makes the mesh.

    Raises:
        ImageError: The picture is empty.
        MeshError: The model finds no solid in it.
    """
    case = build_case(file, InputVariant("free"))
    (given,) = case.views
    view = upright_view(given.image, network)
    mesh = yield from reconstruct_views([view], network, resolution)

    # The case is in the frame of the picture; the model turned the object upright.
    turn = view.camera.to_world[:3, :3] @ given.camera.to_world[:3, :3].T
    truth = Truth(
        points=case.points @ turn.T,
        inside=case.inside,
        surface=case.surface @ turn.T,
        normals=case.normals @ turn.T,
    )
    name = file.record.name
    return FittingQuestion(PICTURE, name, file.record.family, mesh, (view,), truth)


def answer_question(
    question: FittingQuestion, heads: Path | None = None
) -> Task[tuple[list[FittingScores], Fit]]:
    """Return the scores of what is fitted to a mesh, and of its rivals, and the fit.

    Args:
        question: The mesh and its pictures.
        heads: Weights that propose families; None for the bundled ones, if there are any.

    Raises:
        MeshError: The mesh encloses nothing.
    """
    framed = frame_mesh(question.mesh, question.views)
    target = target_of_mesh(framed.mesh, framed.views)
    started = time.process_time()
    proposals = propose_families(question.views[0].image, heads) if question.views else []
    fit = yield from fit_object(target, proposals)
    seconds = time.process_time() - started

    rows = []
    if question.kind == PICTURE:
        rows.append(_score_mesh(question, "field", question.mesh))
    mean = _mean_parameters(fit.genome.family, target)
    first = mesh_of(fit.first_genome, fit.first_pose, framed)
    rows.append(_score_mesh(question, "nearest seed", first))
    rows.append(_score_mesh(question, "mean parameters", mesh_of(*mean, framed)))
    is_known = question.family in FAMILIES
    scored = _score_mesh(question, "fitted", mesh_of(fit.genome, fit.pose, framed))
    fitted = replace(
        scored,
        is_top1=question.family == fit.families[0] if is_known else None,
        is_top3=question.family in fit.families[:3] if is_known else None,
        seconds=seconds,
        family=fit.genome.family,
        silhouette=fit.score.silhouette,
        volume=fit.score.field,
    )
    rows.append(fitted)
    if fit.is_accepted:
        rows.append(replace(fitted, method=ACCEPTED))
        if question.kind == PICTURE:
            rows.append(replace(rows[0], method="field, accepted"))
    return rows, fit


def _score_mesh(question: FittingQuestion, method: str, mesh: MeshArrays) -> FittingScores:
    """Return the scores of a mesh as an answer."""
    iou, f2 = question.truth.scores(mesh)
    return FittingScores(question.kind, method, question.name, iou, f2)


def mesh_of(genome: Genome, pose: Pose, framed: FramedMesh) -> MeshArrays:
    """Return the object of a genome in the frame of the mesh that it was fitted to."""
    vertices, triangles = join_parts(make_from_draws(genome.family, genome.seed, genome.values))
    placed = pose.apply(vertices) * framed.size + framed.center
    return MeshArrays(placed.astype(np.float32), triangles)


def _mean_parameters(family: str, target: FittingTarget) -> tuple[Genome, Pose]:
    """Return the object of a family whose draws are in the middle of their ranges."""
    values = {}
    for axis in axes_of(make_object(family, 0)):
        middle = axis.value_at(0.5)
        values[axis.address] = float(round(middle)) if axis.is_discrete else middle
    tried = [evaluate(Genome(family, 0, values, yaw), target) for yaw in target.yaws]
    best = max(tried, key=lambda candidate: candidate.score.total)
    return best.genome, best.pose


def format_scores(scores: Sequence[FittingScores]) -> str:
    """Return the means as text, a line for each question and method."""
    groups: dict[tuple[str, str], list[FittingScores]] = {}
    for row in scores:
        groups.setdefault((row.question, row.method), []).append(row)
    lines = [
        f"{'from':9}{'method':18}{'objects':>8}{'IoU':>8}{'F 2%':>8}{'top 1':>8}{'top 3':>8}"
        f"{'seconds':>9}"
    ]
    for (question, method), rows in groups.items():
        iou = np.mean([row.iou for row in rows])
        f2 = np.mean([row.f2 for row in rows])
        top1 = _share([row.is_top1 for row in rows])
        top3 = _share([row.is_top3 for row in rows])
        seconds = np.mean([row.seconds for row in rows])
        lines.append(
            f"{question:9}{method:18}{len(rows):8}{iou:8.3f}{f2:8.3f}{top1:8.3f}{top3:8.3f}"
            f"{seconds:9.2f}"
        )
    return "\n".join(lines)


def _share(answers: Sequence[bool | None]) -> float:
    """Return the share of True among what is not None; NaN if all are None."""
    known = [answer for answer in answers if answer is not None]
    return float(np.mean(known)) if known else float("nan")


def write_scores(path: Path, scores: Sequence[FittingScores]) -> None:
    """Write all scores."""
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer)
    table.writerow([field.name for field in fields(FittingScores)])
    for row in scores:
        table.writerow(astuple(row))
    write_bytes(path, buffer.getvalue())
