"""Training and judging the heads of meaning as the command line asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from ...jobs import dependencies
from ...jobs.task import Progress, Task

TASKS = ("parts", "retrieval", "procedural", "meaning")  # see ``training.semantics.trainer``


def train_meaning(
    task: str,
    datasets: Sequence[Path],
    run: Path | None,
    given: Mapping[str, Any],
    start: Path | None,
    weights: Path | None,
) -> Task[Path]:
    """Train the heads of a task, or go on with a run.

    Args:
        task: One of ``TASKS``.
        datasets: Relightable training sets.
        run: Folder of the run.
        given: Settings of ``training.semantics.trainer.SemanticTrainingConfig``.
        start: Weights file whose heads to begin with.
        weights: File to write the heads to at the end; its other parts stay.

    Returns:
        The weights.

    Raises:
        DatasetError, WeightsError, OutputError: See ``training.semantics.trainer``.
        DependencyError: A package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference.meaning_weights import HEADS, load_part, save_part
    from ..training.semantics import trainer

    if not datasets or run is None:
        raise DatasetError("Give the training sets and the run folder (--run)")
    settings = trainer.SemanticRunConfig()
    training = replace(settings.training, heads=trainer.TASKS[task], **given)
    settings = replace(settings, training=training)
    written = yield from trainer.train_semantics(datasets, run, settings, start)
    if weights is None:
        return written
    config, state = load_part(HEADS, written)
    save_part(weights, HEADS, config, state)
    return weights


def evaluate_meaning(
    datasets: Sequence[Path], split: str, limit: int | None, weights: Path | None
) -> Task[str]:
    """Return a table of what the heads are worth beside simple rivals.

    Args:
        datasets: Relightable training sets.
        split: "train", "validation" or "test".
        limit: Number of objects; None for all.
        weights: File of the heads; None for the bundled one.

    Raises:
        DatasetError: A set is missing or damaged, or the split is empty.
        DependencyError: A package is missing.
        WeightsError: The weights are missing or damaged.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference.semantics import load_heads
    from ..training.semantics import trainer, validation

    trunk, heads = load_heads(weights)
    yield Progress(0.1, "Reading the training set")
    objects = trainer.load_validation(datasets, heads.config, limit, split)
    yield Progress(0.3, "Looking at images")
    scores = validation.evaluate_meaning(objects, trunk, heads)
    return validation.format_scores(scores.values, len(objects))
