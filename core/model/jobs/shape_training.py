"""Training of the shape space as the command line asks for it. Imports torch when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from ...jobs import dependencies
from ...jobs.task import Progress, Task

# As ``training.shapes.generators.KINDS``, and ``training.shapes.generator_export.FITTED``.
TRAINED_KINDS = ("flow", "r3gan", "wgan_gp")
FITTED_KINDS = ("gaussian", "mixture", "kernels")


@dataclass(frozen=True)
class ShapeRequest:
    """The shapes to train on.

    Attributes:
        store: folder of the shapes, which is made first if it is missing.
        datasets: training sets with grids.
        made: number of procedural objects to train on besides them.
        left_out: families of objects that are not trained on.
    """

    store: Path
    datasets: Sequence[Path]
    made: int
    left_out: Sequence[str] = ()


def train_shape_space(
    run: Path,
    request: ShapeRequest,
    given: Mapping[str, Any],
    weights: Path | None,
) -> Task[Path]:
    """Train a run of the shape space, or continue it.

    Args:
        run: folder of the run.
        request: the shapes.
        given: settings of ``training.shapes.trainer.ShapeTrainingConfig`` that come before those
            of the run's own ``config.json``, or before the defaults in a new run.
        weights: file of weights to write the part "shapes" to; None for none.

    Returns:
        The checkpoint.

    Raises:
        DatasetError: see ``training.shapes.trainer``.
        OutputError: a file cannot be written.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the network")
    from ..training.shapes import config_file, export, store, trainer

    # A run that is continued has its own settings; what is given comes before them.
    own = run / "config.json"
    settings = trainer.ShapeRunConfig()
    if own.is_file():
        settings = config_file.read_shape_config(own)
    settings = replace(settings, training=replace(settings.training, **given))
    shapes = store.StoreRequest(request.store, request.datasets, request.made, request.left_out)
    checkpoint = yield from trainer.train_shapes(run, settings, shapes)
    if weights:
        yield from export.export_shapes(checkpoint, request.store, weights)
    return checkpoint


def train_shape_generator(
    run: Path, shape_space: Path, store: Path, given: Mapping[str, Any], weights: Path | None
) -> Task[Path]:
    """Train a generator of shapes, or continue to.

    Args:
        run: folder of the run.
        shape_space: run of the shape space whose codes are learned from.
        store: its folder of shapes.
        given: settings of ``training.shapes.generators.GeneratorTrainingConfig`` that come before
            those of the run's own ``config.json``, or before the defaults in a new run. A kind of
            ``FITTED_KINDS`` is fitted without training.
        weights: file of weights to write the part "generator" to; None for none.

    Returns:
        The checkpoint; of what is fitted the weights.

    Raises:
        DatasetError: see ``training.shapes.generators``.
        OutputError: a file cannot be written.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the network")
    from ..training import loop
    from ..training.shapes import config_file, generator_export, generators
    from ..training.shapes import store as stores

    shapes = stores.ShapeStore(store)
    checkpoint = shape_space / loop.CHECKPOINT

    # Fitted distributions need no training.
    if given.get("kind") in FITTED_KINDS:
        if weights is None:
            raise DatasetError("Give the file of weights to write (--weights)")
        fitting = generator_export.fit_run(run, given["kind"], checkpoint, shapes, weights)
        return (yield from fitting)

    own = run / "config.json"
    settings = generators.GeneratorRunConfig()
    if own.is_file():
        settings = config_file.read_settings(own, settings)
    settings = replace(settings, training=replace(settings.training, **given))
    trained = yield from generators.train_generator(run, settings, checkpoint, shapes)
    if weights:
        yield from generator_export.export_generator(run, checkpoint, shapes, weights)
    return trained


def evaluate_shape_space(
    run: Path, store: Path, split: str, limit: int | None, drawing: Path | None = None
) -> Task[str]:
    """Return a table of the shape space's scores beside its rivals'.

    Args:
        run: of the shape space.
        store: folder of shapes.
        split: "validation" or "test".
        limit: number of shapes; None for all.
        drawing: image file for rows of shapes; None for none.

    Raises:
        OutputError: the drawing cannot be written.
        DatasetError: ``run`` or ``store`` is missing or damaged.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the network")
    from ..training.shapes import reports

    return (yield from reports.shape_space_report(run, store, split, limit, drawing))


@dataclass(frozen=True)
class GeneratorEvaluation:
    """Which generators to compare.

    Attributes:
        shape_space: run of the shape space.
        store: its folder of shapes.
        runs: of generators; the fitted distributions use the codes of the first one.
        limit: reference shapes, and as many made ones.
        seeds: how often each is scored.
        drawing: image file for shapes that the first one makes; None for none.
    """

    shape_space: Path
    store: Path
    runs: Sequence[Path]
    limit: int = 400
    seeds: int = 1
    drawing: Path | None = None


def evaluate_generators(request: GeneratorEvaluation) -> Task[str]:
    """Return a table of scores of generators beside distributions that are fitted.

    Raises:
        DatasetError: a run or the store is missing or damaged.
        OutputError: the drawing cannot be written.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the network")
    from ..training.shapes import reports

    config = reports.GeneratorReportConfig(
        shape_space=request.shape_space,
        store=request.store,
        runs=request.runs,
        limit=request.limit,
        seeds=request.seeds,
        drawing=request.drawing,
    )
    return (yield from reports.generator_report(config))
