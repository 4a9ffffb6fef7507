"""From the run of a generator, or from codes alone, to a generator and the file of weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from ....errors import DatasetError
from ....jobs.task import Task
from ...inference.meaning_weights import GENERATOR, save_part
from ...inference.shapes.shape_generator import ShapeGenerator, generator_part, new_network
from ...networks.shape_generators import FactorMixture, GeneratorSizes
from ..checkpoints import blame_checkpoint, read_checkpoint
from ..dense.config_file import updated
from ..loop import lock_run
from .generators import CHECKPOINT, CODES, GeneratorRunConfig, prepare_codes
from .latents import CodeBasis, CodeSet, code_basis, load_codes
from .statistics import fit_gaussians, fit_kernels, fit_mixture
from .store import ShapeStore

FITTED = ("gaussian", "mixture", "kernels")


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
    config, state = generator_part("mixture", asdict(sizes), generator)
    save_part(weights, GENERATOR, config, state)
    return weights


def export_generator(run: Path, weights: Path) -> None:
    """Write the generator of a run as the part "generator" of a file.

    Args:
        run: folder of the run.
        weights: the file, whose other parts are kept.

    Raises:
        DatasetError: ``run`` is no run of a generator.
        OutputError: the file cannot be written.
    """
    kind, sizes, generator = load_run(run)
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


def _with_basis(network: object, basis: CodeBasis) -> ShapeGenerator:
    """Return a generator whose coefficients are those of ``basis``."""
    # The rows of the matrix by which coefficients become codes.
    identity = np.eye(len(basis.deviation), dtype=np.float32)
    components = basis.restore(identity) - basis.mean
    return ShapeGenerator(network, basis.mean, components)  # type: ignore[arg-type]
