"""From the run of a generator, or from codes alone, to a generator and the file of weights."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ....errors import DatasetError
from ....jobs.task import Task
from ...inference.meaning_weights import GENERATOR, save_part
from ...inference.shapes.nearest_shapes import typical_distance
from ...inference.shapes.shape_generator import (
    ShapeGenerator,
    TrainingCodes,
    generator_part,
    new_network,
)
from ...inference.shapes.shape_space import measure_space
from ...networks.shape_generators import BOX_NUMBERS, FactorMixture, GeneratorSizes
from ..checkpoints import blame_checkpoint, read_checkpoint
from ..dense.config_file import updated
from ..loop import CHECKPOINT, lock_run
from .export import load_average
from .generators import (
    CODES,
    GeneratorRunConfig,
    prepare_codes,
    reference_shapes,
    training_shapes,
)
from .latents import CodeBasis, CodeSet, code_basis, code_names, encode_shapes, load_codes
from .statistics import fit_gaussians, fit_kernels, fit_mixture
from .store import ShapeStore

FITTED = ("gaussian", "mixture", "kernels")
_MEASURED = 60  # unseen shapes whose nearest training shapes are found


def load_run(run: Path) -> tuple[str, GeneratorSizes, ShapeGenerator]:
    """Return the generator of a run: its kind, its sizes, and the moving average of its weights.

    Raises:
        DatasetError: ``run`` is no run of a generator.
    """
    codes = run_codes(run)
    path = run / CHECKPOINT
    state = read_checkpoint(path, "cpu", ("average", "config"))

    # The sizes are those that the run was begun with.
    with blame_checkpoint(path):
        config = updated(GeneratorRunConfig(), state["config"])
        kind = config.training.kind
        network = new_network(kind, config.sizes)
        network.load_state_dict(state["average"])

    # A run does not store the basis: it follows from the codes.
    basis = code_basis(codes.codes, config.sizes.numbers)
    network = network.eval().requires_grad_(False)
    return kind, config.sizes, _with_basis(network, basis)


def fit_generator(kind: str, codes: CodeSet, numbers: int) -> ShapeGenerator:
    """Return a distribution fitted to codes.

    Args:
        kind: one of ``FITTED``.
        codes: of training shapes and their mirror images.
        numbers: coefficients of a code.
    """
    basis = code_basis(codes.codes, numbers)
    reduced = basis.reduce(codes.codes)
    known = CodeSet(reduced, codes.labels)
    mixture: FactorMixture

    if kind == "gaussian":
        mixture = fit_gaussians(known)
    elif kind == "mixture":
        mixture = fit_mixture(known)
    else:
        # The width is chosen on a tenth of the shapes, and used with all.
        is_held_out = np.arange(len(reduced)) % 10 == 0
        part = CodeSet(reduced[~is_held_out], codes.labels[~is_held_out])
        _, width = fit_kernels(part, reduced[is_held_out])
        mixture, _ = fit_kernels(known, reduced[:1])
        mixture.deviation.fill_(width)

    return _with_basis(mixture, basis)


def fit_run(
    run: Path, kind: str, shape_space: Path, store: ShapeStore, weights: Path
) -> Task[Path]:
    """Fit a distribution to the codes of a run, and write it as the part "generator" of a file.

    Args:
        run: folder for the codes.
        kind: one of ``FITTED``.
        shape_space: checkpoint of the shape space.
        store: of the shapes.
        weights: the file, whose other parts are kept.

    Returns:
        ``weights``.

    Raises:
        DatasetError: there is no such checkpoint.
        OutputError: a file cannot be written.
    """
    with lock_run(run):
        codes = yield from prepare_codes(run, shape_space, store)
    sizes = GeneratorSizes()
    generator = fit_generator(kind, codes, sizes.numbers)
    generator = yield from _with_training(generator, codes, shape_space, store)
    config, state = generator_part("mixture", asdict(sizes), generator)
    save_part(weights, GENERATOR, config, state)
    return weights


def export_generator(run: Path, shape_space: Path, store: ShapeStore, weights: Path) -> Task[None]:
    """Write the generator of a run as the part "generator" of a file.

    Args:
        run: folder of the run.
        shape_space: checkpoint of the shape space.
        store: of the shapes.
        weights: the file, whose other parts are kept.

    Raises:
        DatasetError: ``run`` is no run of a generator.
        OutputError: the file cannot be written.
    """
    kind, sizes, generator = load_run(run)
    generator = yield from _with_training(generator, run_codes(run), shape_space, store)
    config, state = generator_part(kind, asdict(sizes), generator)
    save_part(weights, GENERATOR, config, state)


def run_codes(run: Path) -> CodeSet:
    """Return the codes that a run trains on.

    Raises:
        DatasetError: there are none.
    """
    codes = load_codes(run / CODES)
    if codes is None:
        raise DatasetError(f"{run} is no run of a generator: it has no {CODES}")
    return codes


def _with_training(
    generator: ShapeGenerator, codes: CodeSet, shape_space: Path, store: ShapeStore
) -> Task[ShapeGenerator]:
    """Return a generator that knows its training shapes; as it is if the store has no others.

    Args:
        generator: in the basis of ``codes``.
        codes: of the training shapes and their mirror images.
        shape_space: checkpoint of the shape space.
        store: of the shapes.

    Raises:
        DatasetError: the codes are of other shapes than those of the store.
    """
    reference = reference_shapes(store, _MEASURED)
    if not reference:
        return generator
    names = code_names(training_shapes(store))
    if len(names) != len(codes.codes):
        raise DatasetError(
            "The codes of the run are of other shapes than those of the store. Choose another "
            "folder for the run; they are made again"
        )
    basis = code_basis(codes.codes, len(generator.components))
    known = TrainingCodes(basis.reduce(codes.codes), tuple(names), 1.0)

    # How far unseen shapes are from these tells which distance is that of a copy.
    network = load_average(shape_space)
    unseen = yield from encode_shapes(network, store, reference, mirror=False)
    space = measure_space(network, unseen.codes[:, :-BOX_NUMBERS])
    measuring = typical_distance(space, replace(generator, training=known), list(unseen.codes))
    typical = yield from measuring
    return replace(generator, training=replace(known, typical=typical))


def _with_basis(network: object, basis: CodeBasis) -> ShapeGenerator:
    """Return a generator whose coefficients are those of ``basis``."""
    # The rows of the matrix by which coefficients become codes.
    identity = np.eye(len(basis.deviation), dtype=np.float32)
    components = basis.restore(identity) - basis.mean
    return ShapeGenerator(network, basis.mean, components)  # type: ignore[arg-type]
