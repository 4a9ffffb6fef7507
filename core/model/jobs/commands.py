"""What the command line asks of the model, as it may cross to another process. Imports torch when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...errors import DatasetError
from ...imaging import image_files
from ...jobs import dependencies
from ...jobs.task import Progress, Task, single_step


def _prepare_worker() -> Task[None]:
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")


def run_training(
    config: Path | None,
    datasets: Sequence[Path],
    run: Path | None,
    given: Mapping[str, Any],
    start: Path | None,
    weights: Path | None,
    panoramas: Sequence[NDArray[np.uint8]] | None = None,
    export: bool = True,
) -> Task[Path | None]:
    """Train a run; what is given comes before what stands in the file ``config``, see ``run_settings.RunSettings``.

    Args:
        panoramas: train the network that finds the object instead, before these; see ``mask_training``.
        export: whether to write the weights.

    Returns:
        The weights, if they were written.

    Raises:
        DatasetError; DependencyError; OutputError: see ``run_settings`` and ``training``.
    """
    yield from _prepare_worker()
    from ..inference.weights import resolve_weights
    from ..training import config_file, foreground_trainer, trainer

    file = config_file.read_settings(config) if config else config_file.RunSettings({})
    file = replace(
        file,
        training={**file.training, **given},
        datasets=tuple(datasets) or file.datasets,
        run=run or file.run,
        start=start or file.start,
        weights=weights or file.weights,
    )
    if not file.datasets or not file.run:
        raise DatasetError(
            "Give the training sets and the run folder (--run), or a settings file (--config)"
        )
    if panoramas is None:
        yield from config_file.training_work(file)
    else:
        own = trainer.TrainingConfig(**file.training)
        yield from foreground_trainer.train_mask(
            file.datasets,
            file.run,
            panoramas,
            own.steps,
            rate=own.rate,
            seed=own.seed,
            imagenet=own.imagenet,
            start=resolve_weights(file.start),
        )
    if not (file.weights and export):
        return None
    yield from single_step(
        Progress(1.0, "Calibrating"),
        lambda: trainer.export_run(file.run, file.datasets, file.weights),
    )
    return file.weights


def run_evaluation(
    datasets: Sequence[Path],
    split: str,
    ask: str,
    limit: int | None,
    resolution: int,
    weights: Path | None,
    log: Path | None,
    panoramas: Sequence[NDArray[np.uint8]] = (),
) -> Task[str]:
    """The table of ``evaluation.evaluate``; of ``reliability.judge_confidence`` if ``ask`` is "confidence", of
    ``mask_evaluation.judge_masks`` if it is "masks".

    Args:
        ask: also "standard", "sides" or "inputs": see ``questions``. panoramas: what masks are sought before.

    Raises:
        As these; DependencyError.
    """
    yield from _prepare_worker()
    from ..evaluation import confidence, foreground, test_cases
    from ..evaluation import evaluate as evaluation

    if ask == "confidence":
        sure = yield from confidence.evaluate_confidence(
            datasets, split, limit, resolution, weights
        )
        return confidence.format_calibration(sure)
    if ask == "masks":
        found = yield from foreground.evaluate_masks(datasets, split, panoramas, limit, weights)
        return foreground.format_mask_scores(found)
    asked = {
        "standard": test_cases.INPUT_VARIANTS,
        "sides": test_cases.COUNTS,
        "inputs": test_cases.INPUTS,
    }[ask]
    scores = yield from evaluation.evaluate_model(
        datasets, split, asked, limit, resolution, weights, log
    )
    return evaluation.format_table(scores)


def run_benchmark(
    photo: Path | None, resolution: int, runs: int, weights: Path | None, others: bool
) -> Task[str]:
    """The report of ``core.model.evaluation.speed``.

    Raises:
        As that; DependencyError.
    """
    yield from _prepare_worker()
    from ..evaluation.speed import benchmark_report

    return benchmark_report(photo, resolution, runs, weights, others)


def score_photo(
    photo: Path, resolution: int, weights: Path | None
) -> Task[tuple[MeshArrays, float]]:
    """See ``evaluation.photo_score``.

    Raises:
        As that; ImageError, DependencyError.
    """
    yield from _prepare_worker()
    from ..evaluation.evaluate import silhouette_score
    from ..inference.pipeline import ReconstructionSettings

    return (
        yield from silhouette_score(
            image_files.read_image(photo), ReconstructionSettings(resolution, weights=weights)
        )
    )
