"""Entry points of the command line that may run in a worker; they import torch when they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...jobs import dependencies
from ...jobs.task import Progress, Task, single_step


def _prepare_worker() -> Task[None]:
    """Check that the model's packages are installed.

    Raises:
        DependencyError: one is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")


def run_training(  # noqa: PLR0913 plain arguments, as they come from the command line
    config: Path | None,
    datasets: Sequence[Path],
    run: Path | None,
    given: Mapping[str, Any],
    start: Path | None,
    weights: Path | None,
    panoramas: Sequence[NDArray[np.uint8]] | None = None,
    export: bool = True,
) -> Task[Path | None]:
    """Train a run, and export it. Arguments take precedence over the file ``config``.

    Args:
        config: file of settings, see ``training.config_file.read_settings``.
        datasets: training sets.
        run: folder of the run.
        given: values of ``training.config_file.TrainingConfig`` by their stored keys.
        start: checkpoint or weights to start from.
        weights: file to export to; None for no export.
        panoramas: train the foreground network instead, on these backgrounds.
        export: whether to export; of several processes one does.

    Returns:
        The weights, if they were exported.

    Raises:
        DatasetError: a setting is missing or wrong, or see ``training.trainer``.
        DependencyError: a package is missing.
        OutputError: a file cannot be written.
    """
    yield from _prepare_worker()
    from ..inference.weights import resolve_weights
    from ..training import config_file, foreground_trainer, trainer
    from ..training import export as run_export

    # The file first, then what was given on the command line.
    settings = config_file.RunSettings({})
    if config:
        settings = config_file.read_settings(config)
    settings = replace(
        settings,
        training={**settings.training, **given},
        datasets=tuple(datasets) or settings.datasets,
        run=run or settings.run,
        start=start or settings.start,
        weights=weights or settings.weights,
    )
    run_folder = settings.run
    target = settings.weights

    if not settings.datasets or not run_folder:
        raise DatasetError(
            "Give the training sets and the run folder (--run), or a settings file (--config)"
        )

    # One of the two networks.
    if panoramas is None:
        yield from trainer.train_run(settings)
    else:
        training = settings.training_config()
        foreground_config = foreground_trainer.ForegroundConfig(
            steps=training.steps,
            learning_rate=training.learning_rate,
            seed=training.seed,
            pretrained=training.pretrained,
        )
        yield from foreground_trainer.train_mask(
            settings.datasets,
            run_folder,
            foreground_config,
            panoramas,
            resolve_weights(settings.start),
        )
    # Both networks of the run, of which the other one may have been trained before.
    if not (target and export):
        return None
    yield from single_step(
        Progress(1.0, "Calibrating"),
        lambda: run_export.export_run(run_folder, settings.datasets, target),
    )
    return target


def run_evaluation(  # noqa: PLR0913 plain arguments, as they come from the command line
    datasets: Sequence[Path],
    split: str,
    ask: str,
    limit: int | None,
    resolution: int,
    weights: Path | None,
    log: Path | None,
    panoramas: Sequence[NDArray[np.uint8]] = (),
) -> Task[str]:
    """Evaluate the model on training sets; return a table.

    Args:
        datasets: training sets.
        split: "train", "validation" or "test".
        ask: what to evaluate: "standard", "sides" or "inputs" (see ``evaluation.test_cases``),
            "confidence" (see ``evaluation.confidence``), "masks" (see
            ``evaluation.foreground``), or "procedural" (see ``evaluation.procedural``).
        limit: number of objects; None for all.
        resolution: cells along the longest side.
        weights: of the model; None for the bundled ones.
        log: CSV file for all scores.
        panoramas: backgrounds of "masks".

    Raises:
        DatasetError: a set is missing or damaged, or the split is empty.
        DependencyError: a package is missing.
        WeightsError: the weights are missing or damaged.
    """
    yield from _prepare_worker()
    from ..evaluation import confidence, evaluate, foreground, procedural, test_cases

    # Three suites have metrics of their own.
    if ask == "confidence":
        calibration = yield from confidence.evaluate_confidence(
            datasets, split, limit, resolution, weights
        )
        return confidence.format_calibration(calibration)
    if ask == "masks":
        ious = yield from foreground.evaluate_masks(datasets, split, panoramas, limit, weights)
        return foreground.format_mask_scores(ious)
    if ask == "procedural":
        fits = yield from procedural.evaluate_procedural(
            datasets, split, limit, resolution, weights, log
        )
        return procedural.format_scores(fits)

    # The others differ in their inputs only.
    suites = {
        "standard": test_cases.INPUT_VARIANTS,
        "sides": test_cases.COUNTS,
        "inputs": test_cases.INPUTS,
    }
    options = evaluate.EvaluationOptions(limit, resolution, weights, log)
    scores = yield from evaluate.evaluate_model(datasets, split, suites[ask], options)
    return evaluate.format_table(scores)


def run_benchmark(
    photo: Path | None, resolution: int, runs: int, weights: Path | None, others: bool
) -> Task[str]:
    """Time the stages of a reconstruction, see ``evaluation.speed.benchmark_report``.

    Raises:
        ImageError: ``photo`` cannot be read.
        WeightsError: the weights are missing or damaged.
        DependencyError: a package is missing.
    """
    yield from _prepare_worker()
    from ..evaluation.speed import benchmark_report

    return benchmark_report(photo, resolution, runs, weights, others)
