"""Training and judging the heads of meaning as the command line asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...dataset.index import split_locations
from ...dataset.records import Record
from ...dataset.splits import read_splits
from ...errors import DatasetError
from ...jobs import dependencies
from ...jobs.task import Progress, Task
from ...resources import MEANING_WEIGHTS
from .meaning import has_part

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
        start: Weights file whose heads to begin with, "bundled" for the bundled one. A task that
            trains some of the heads takes the others from there; by default from the bundled file.
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
    start = _resolve_start(task, start)
    settings = trainer.SemanticRunConfig()
    training = replace(settings.training, heads=trainer.TASKS[task], **given)
    settings = replace(settings, training=training)
    written = yield from trainer.train_semantics(datasets, run, settings, start)
    if weights is None:
        return written
    config, state = load_part(HEADS, written)
    save_part(weights, HEADS, config, state)

    return weights


def _resolve_start(task: str, start: Path | None) -> Path | None:
    """Return the file of the first heads; None to train all from the beginning.

    Raises:
        DatasetError: The task leaves heads as they are, and there are none.
    """
    if start is not None:
        return MEANING_WEIGHTS if start.name == "bundled" else start
    if task == "meaning":
        return None
    if not has_part("heads"):
        raise DatasetError(
            f"The task {task} trains some of the heads. Name the file of the others (--start), or "
            "train all of them (--task meaning)"
        )

    return MEANING_WEIGHTS


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
    from ..inference.meaning.semantics import load_heads
    from ..training.semantics import trainer, validation
    from ..training.semantics.labels import draw_counts

    trunk, heads = load_heads(weights)
    yield Progress(0.1, "Reading the training set")
    objects = trainer.load_judged(datasets, heads.config, limit, split)
    counts = draw_counts(_training_records(datasets), heads.config)
    yield Progress(0.3, "Looking at images")
    unseen = validation.UnseenObjects(objects, counts)
    scores = validation.evaluate_meaning(unseen, trunk, heads)

    return validation.format_scores(scores.values, len(objects))


def _training_records(datasets: Sequence[Path]) -> Iterator[Record]:
    """Yield what is known of the objects to train on; nothing of sets that only judge."""
    assigned = set()
    for folder in datasets:
        assigned |= set(read_splits(folder).values())
    if assigned <= {"test"}:
        return

    for place in split_locations(datasets, "train"):
        yield place.read_record()
