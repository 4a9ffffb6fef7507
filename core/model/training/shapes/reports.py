"""Tables of the shape space and of generators beside their rivals, on shapes never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from ....jobs.task import Progress, Task, subtask
from ...inference.shapes.shape_generator import ShapeGenerator
from ...shape_classes import class_index
from ..loop import CHECKPOINT
from ..objects import evenly_spaced
from .completion_scores import score_completion
from .export import load_run_space
from .generator_export import FITTED, fit_generator, load_run, run_codes
from .generator_scores import GeneratorScores, score_generator, stored_set
from .generators import reference_shapes, training_shapes
from .pictures import draw_generator, draw_shape_space
from .rivals import fit_rivals
from .store import ShapeStore
from .validation import rival_scores, validate_shapes


def shape_space_report(
    run: Path, store: Path, split: str, limit: int | None, drawing: Path | None = None
) -> Task[str]:
    """Return the scores of a run of the shape space and of its rivals as text.

    Args:
        run: folder of the run.
        store: folder of the shapes.
        split: to evaluate on.
        limit: number of shapes, evenly chosen; None for all.
        drawing: image file for rows of shapes; None for none.

    Raises:
        DatasetError: the run or the store is missing or damaged.
        OutputError: the drawing cannot be written.
    """
    shapes = ShapeStore(store)
    chosen = shapes.of_split(split)
    if limit:
        chosen = evenly_spaced(chosen, limit)

    # The shape space, and a sheet of what it does.
    loading = load_run_space(run / CHECKPOINT, shapes)
    space = yield from subtask(loading, 0.0, 0.2)
    if drawing is not None:
        yield from subtask(draw_shape_space(drawing, space, shapes, chosen), 0.1, 0.2)

    # The rivals know the training shapes alone.
    yield Progress(0.2, "Fitting the rivals")
    rivals = fit_rivals(shapes, shapes.of_split("train"))
    yield Progress(0.4, "Reconstructing")
    scores = validate_shapes(space.network, shapes, chosen)
    scores.update(rival_scores(rivals, shapes, chosen))

    # Completion takes longest, since latents are fitted.
    completing = score_completion(space, rivals, shapes, chosen)
    scores.update((yield from subtask(completing, 0.5, 1.0)))

    # A line for each score.
    lines = [f"{len(chosen)} shapes of the split {split}"]
    lines += [f"{name:<24}{value:.4f}" for name, value in scores.items()]

    return "\n".join(lines)


@dataclass(frozen=True)
class GeneratorReportConfig:
    """What :func:`generator_report` compares.

    Attributes:
        shape_space: folder of the run of the shape space.
        store: folder of the shapes.
        runs: folders of runs of generators.
        limit: reference shapes, and as many made ones.
        seeds: how often each generator is scored.
        drawing: image file for shapes that the first generator makes; None for none.
    """

    shape_space: Path
    store: Path
    runs: Sequence[Path]
    limit: int = 400
    seeds: int = 1
    drawing: Path | None = None


def generator_report(config: GeneratorReportConfig) -> Task[str]:
    """Return the scores of generators and of fitted distributions as text.

    Raises:
        DatasetError: a run or the store is missing or damaged.
        OutputError: the drawing cannot be written.
    """
    shapes = ShapeStore(config.store)

    # The shape space, and a sheet of what the first generator makes.
    loading = load_run_space(config.shape_space / CHECKPOINT, shapes)
    space = yield from subtask(loading, 0.0, 0.1)
    if config.drawing is not None:
        _, _, first = load_run(config.runs[0])
        yield from subtask(draw_generator(config.drawing, space, first, shapes), 0.05, 0.1)

    reference = reference_shapes(shapes, config.limit)
    labels = [class_index(shape.family) for shape in reference]
    yield Progress(0.1, "Measuring the training shapes")
    training = training_shapes(shapes)
    sets = (stored_set(shapes, reference), stored_set(shapes, training))

    generators = _generators(config.runs)
    lines = [f"{len(reference)} reference shapes, {len(training)} training shapes"]
    names = [item.name for item in fields(GeneratorScores)]
    lines.append(f"{'':<12}" + "".join(f"{name:>15}" for name in names))

    for index, (name, generator) in enumerate(generators.items()):
        start = 0.2 + 0.8 * index / len(generators)

        # The scores of a generator are means over the seeds.
        rows = []
        for seed in range(config.seeds):
            scoring = score_generator(space, generator, labels, sets, seed)
            scores = yield from subtask(scoring, start, start + 0.8 / len(generators))
            rows.append(astuple(scores))
        means = np.mean(rows, axis=0)
        lines.append(f"{name:<12}" + "".join(f"{value:15.4f}" for value in means))

    return "\n".join(lines)


def _generators(runs: Sequence[Path]) -> dict[str, ShapeGenerator]:
    """Return generators of runs by the names of their folders, and the fitted ones."""
    generators = {}
    numbers = 0
    for run in runs:
        _, sizes, generators[run.name] = load_run(run)
        numbers = sizes.numbers

    # Distributions are fitted to the codes that the first run trained on.
    codes = run_codes(runs[0])
    for kind in FITTED:
        generators[kind] = fit_generator(kind, codes, numbers)
    return generators
