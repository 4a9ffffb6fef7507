"""Training of the dense network as the command line asks for it. Imports torch when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...jobs import dependencies
from ...jobs.task import Progress, Task


def train_dense(
    datasets: Sequence[Path],
    run: Path,
    config: Path | None,
    given: Mapping[str, Any],
    start: Path | None,
) -> Task[Path]:
    """Train a run of the dense network, or go on with it.

    Args:
        datasets: training sets.
        run: folder of the run.
        config: file of settings; by default the run's own ``config.json`` if there is one.
        given: settings of the training, or "workers", that come before those of the file.
        start: checkpoint of another run to begin with.

    Returns:
        The checkpoint.

    Raises:
        DatasetError, DependencyError, OutputError: see ``training.dense_trainer``.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the network")
    from ..training.dense import config_file, trainer

    own = run / "config.json"
    file = config or (own if own.is_file() else None)
    settings = trainer.DenseRunConfig()
    if file:
        settings = config_file.read_dense_config(file)
    training = {name: value for name, value in given.items() if name != "workers"}
    settings = replace(settings, training=replace(settings.training, **training))
    if "workers" in given:
        sampling = replace(settings.sampling, workers=given["workers"])
        settings = replace(settings, sampling=sampling)
    return (yield from trainer.train_dense(datasets, run, settings, start))


def benchmark_training(datasets: Sequence[Path], config: Path | None, steps: int) -> Task[str]:
    """Return the report of ``training.dense.speed``.

    Raises:
        As that; DependencyError.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Timing steps of training")
    from ..training.dense import config_file, trainer
    from ..training.dense.speed import training_report

    settings = trainer.DenseRunConfig()
    if config:
        settings = config_file.read_dense_config(config)
    return training_report(datasets, settings, steps)
