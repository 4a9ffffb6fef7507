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
from ...dataset.records import Shape
from ...errors import ImageError, MeshError
from ...geometry import occupancy_grid, winding_number
from ...geometry.surface_nets import surface_nets
from ...jobs.task import Progress, Task
from ...procedural import FAMILIES, make_from_draws, make_object
from ...procedural.fitting.candidates import Genome, evaluate, join_parts
from ...procedural.fitting.draw_space import axes_of
from ...procedural.fitting.poses import Pose
from ...procedural.fitting.results import FramedMesh, frame_mesh
from ...procedural.fitting.search import fit_object
from ...procedural.fitting.targets import FittingTarget, target_of_mesh
from .. import metrics
from ..inference import weights
from ..inference.meaning.family_proposals import propose_families
from ..inference.pipeline import reconstruct_views, upright_view
from ..networks.reconstruction import ReconstructionNetwork
from .baselines import Points
from .evaluate import EvaluationCase, build_case, sample_objects
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
    """

    question: str
    method: str
    name: str
    iou: float
    f2: float
    is_top1: bool | None = None
    is_top3: bool | None = None
    seconds: float = float("nan")


@dataclass(frozen=True)
class _Truth:
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
        shape = file.read_shape()
        if shape.grid is not None and shape.grid.any():
            scores += yield from _answer_shape(file, shape.grid, shape)
        try:
            case = build_case(file, InputVariant("free"))
            scores += yield from _answer_picture(file, case, network, resolution)
        except (ImageError, MeshError):  # an empty picture, or no solid in it
            continue
    if log:
        _write_csv(log, scores)
    return scores


def _answer_shape(
    file: ObjectFile, grid: NDArray[np.bool_], shape: Shape
) -> Task[list[FittingScores]]:
    """Return the scores of what is fitted to the exact shape of an object.

    Args:
        file: The object.
        grid: See ``records.Shape``.
        shape: Its ground truth.
    """
    bounds = file.record.bounds
    centers = occupancy_grid.cell_centers(bounds)
    cell = float(centers[1, 0, 0, 0] - centers[0, 0, 0, 0])
    padded = np.pad(grid, 1).astype(np.float32) - 0.5
    mesh = surface_nets(padded, 0.0, centers[0, 0, 0] - cell, cell)
    truth = _Truth(shape.uniform, shape.uniform_inside, shape.surface, shape.surface_normals)
    answers = _Answers(SHAPE, file.record.name, file.record.family, truth)
    return (yield from answers.fit(mesh, ()))


def _answer_picture(
    file: ObjectFile, case: EvaluationCase, network: ReconstructionNetwork, resolution: int
) -> Task[list[FittingScores]]:
    """Return the scores of what is reconstructed from, and fitted to a picture of an object.

    Raises:
        MeshError: The model finds no solid.
    """
    (given,) = case.views
    view = upright_view(given.image, network)
    mesh = yield from reconstruct_views([view], network, resolution)

    # The case is in the frame of the picture; the model turned the object upright.
    turn = view.camera.to_world[:3, :3] @ given.camera.to_world[:3, :3].T
    truth = _Truth(
        points=case.points @ turn.T,
        inside=case.inside,
        surface=case.surface @ turn.T,
        normals=case.normals @ turn.T,
    )
    answers = _Answers(PICTURE, file.record.name, file.record.family, truth)
    field = answers.row("field", mesh)
    rows = yield from answers.fit(mesh, (view,))
    if any(row.method == ACCEPTED for row in rows):
        rows.append(replace(field, method="field, accepted"))
    return [field, *rows]


@dataclass(frozen=True)
class _Answers:
    """Makes and scores the answers to one question about one object.

    Attributes:
        question: SHAPE or PICTURE.
        name: Of the object.
        family: Of the object.
        truth: In the frame of the answers.
    """

    question: str
    name: str
    family: str
    truth: _Truth

    def row(self, method: str, mesh: MeshArrays) -> FittingScores:
        """Return the scores of a mesh."""
        iou, f2 = self.truth.scores(mesh)
        return FittingScores(self.question, method, self.name, iou, f2)

    def fit(self, mesh: MeshArrays, views: tuple[View, ...]) -> Task[list[FittingScores]]:
        """Return the scores of what is fitted to a mesh and pictures of it, and of the rivals.

        Raises:
            MeshError: The mesh encloses nothing.
        """
        framed = frame_mesh(mesh, views)
        target = target_of_mesh(framed.mesh, framed.views)
        started = time.process_time()
        proposals = propose_families(views[0].image) if views else []
        fit = yield from fit_object(target, proposals)
        seconds = time.process_time() - started

        rows = []
        for method, genome, pose in (
            ("nearest seed", fit.first_genome, fit.first_pose),
            ("mean parameters", *_mean_parameters(fit.genome.family, target)),
            ("fitted", fit.genome, fit.pose),
        ):
            rows.append(self.row(method, _mesh_of(genome, pose, framed)))
        is_known = self.family in FAMILIES
        rows[-1] = replace(
            rows[-1],
            is_top1=self.family == fit.families[0] if is_known else None,
            is_top3=self.family in fit.families[:3] if is_known else None,
            seconds=seconds,
        )
        if fit.is_accepted:
            rows.append(replace(rows[-1], method=ACCEPTED))
        return rows


def _mesh_of(genome: Genome, pose: Pose, framed: FramedMesh) -> MeshArrays:
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


def _write_csv(path: Path, scores: Sequence[FittingScores]) -> None:
    """Write all scores."""
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer)
    table.writerow([field.name for field in fields(FittingScores)])
    for row in scores:
        table.writerow(astuple(row))
    write_bytes(path, buffer.getvalue())
