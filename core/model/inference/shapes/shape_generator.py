"""New shapes of a class: codes that a generator makes, and their closed meshes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....errors import WeightsError
from ....geometry.shape_cube.box import ShapeBox
from ...networks.shape_autoencoder import LATENT_SIDE
from ...networks.shape_generators import (
    BOX_NUMBERS,
    NOISE,
    CodeFlow,
    CodeGenerator,
    FactorMixture,
    GeneratorSizes,
)
from ..meaning_weights import GENERATOR, load_network
from .shape_space import ShapeCode

_BASIS = "basis."  # of the codes, in the tensors of the part
_NETWORK = "network."
_TRAINING = "training.codes"
_LARGEST_LOG_SIDE = 0.0  # of the longest side, which is 1
_SMALLEST_LOG_SIDE = float(np.log(0.25))


@dataclass(frozen=True)
class TrainingCodes:
    """The shapes that a generator was trained on, with which made ones are compared.

    Attributes:
        coefficients: (T, K) of their codes.
        names: Of their objects, T.
        typical: Mean distance of unseen shapes to the nearest of them, see ``nearest_shapes``.
    """

    coefficients: NDArray[np.float32]
    names: tuple[str, ...]
    typical: float


@dataclass(frozen=True)
class ShapeGenerator:
    """Makes codes.

    Attributes:
        network: "flow", an adversarial generator, or a mixture.
        mean: (N,) of codes. components: (K, N) by which coefficients become codes.
        training: What it was trained on; None in weights of earlier versions.
    """

    network: nn.Module
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    training: TrainingCodes | None = None

    def coefficients(self, label: int, count: int, seed: int) -> NDArray[np.float32]:
        """Return coefficients (count, K) of new codes.

        Args:
            label: index of the class, see ``shape_classes``.
            count: number of codes. The first ones are the same for any count.
            seed: of the random numbers.
        """
        rows = []
        for index in range(count):
            rows.append(self._one(label, (seed, index)))
        return torch.cat(rows).numpy()

    def codes(self, label: int, count: int, seed: int) -> list[ShapeCode]:
        """Return new codes, whose longest side is 1; see :meth:`coefficients`."""
        values = self.coefficients(label, count, seed) @ self.components + self.mean
        return [code_of_numbers(row) for row in values]

    @torch.no_grad()
    def _one(self, label: int, seeds: tuple[int, int]) -> Tensor:
        """Return the coefficients (1, K) of one code."""
        # Random numbers of each code by itself, whatever else is made.
        number = int(np.random.SeedSequence(seeds).generate_state(1)[0])
        generator = torch.Generator().manual_seed(number)
        labels = torch.tensor([label])
        if isinstance(self.network, FactorMixture):
            return self.network.sample(labels, generator)
        if isinstance(self.network, CodeFlow):
            noise = torch.randn(1, self.components.shape[0], generator=generator)
            return self.network.sample(noise, labels)
        made: Tensor = self.network(torch.randn(1, NOISE, generator=generator), labels)

        return made


def code_of_numbers(numbers: NDArray[np.float32]) -> ShapeCode:
    """Return the code of its numbers (N,): the flat latent and the logarithms of the sides."""
    flat_latent = numbers[:-BOX_NUMBERS]
    latent = flat_latent.reshape(-1, LATENT_SIDE, LATENT_SIDE, LATENT_SIDE)

    # Only ratios of the sides count: the longest one becomes 1.
    sides = numbers[-BOX_NUMBERS:].astype(float)
    sides = (sides - sides.max()).clip(_SMALLEST_LOG_SIDE, _LARGEST_LOG_SIDE)
    box = ShapeBox(np.zeros(3), np.exp(sides))
    return ShapeCode(latent.astype(np.float32), box)


def load_generator(path: Path | None = None) -> ShapeGenerator:
    """Return the generator of a file of weights; the last ones are kept for the next call.

    Args:
        path: the file; None for the bundled one.

    Raises:
        WeightsError: it is missing or damaged, or has no generator.
    """
    return load_network(GENERATOR, path, build_generator)


def build_generator(
    config: Mapping[str, Any], state: Mapping[str, Tensor], file: Path
) -> ShapeGenerator:
    """Return the generator of a configuration and tensors, see :func:`generator_part`.

    Raises:
        WeightsError: they do not fit each other.
    """
    weights = {
        key.removeprefix(_NETWORK): value
        for key, value in state.items()
        if key.startswith(_NETWORK)
    }
    try:
        network = new_network(config["kind"], GeneratorSizes(**config["sizes"]), config["shape"])
        network.load_state_dict(weights)
        mean = state[_BASIS + "mean"].numpy()
        components = state[_BASIS + "components"].numpy()
        training = _stored_training(config, state, network)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"The weights {file} hold another generator than this version expects. "
            "Reinstall Maquette, or train it again"
        ) from error

    return ShapeGenerator(network.eval().requires_grad_(False), mean, components, training)


def _stored_training(
    config: Mapping[str, Any], state: Mapping[str, Tensor], network: nn.Module
) -> TrainingCodes | None:
    """Return what a generator was trained on; None if the weights do not tell.

    Raises:
        KeyError, TypeError, ValueError: The weights contradict themselves.
    """
    if "training" not in config:
        return None
    names = tuple(map(str, config["training"]["names"]))
    typical = float(config["training"]["typical"])
    if _TRAINING in state:
        coefficients = state[_TRAINING].numpy()
    elif isinstance(network, FactorMixture):
        coefficients = network.means.numpy()  # a kernel for each code
    else:
        raise KeyError(_TRAINING)
    if len(names) != len(coefficients) or not typical > 0:
        raise ValueError("the training shapes do not fit their names")
    return TrainingCodes(coefficients, names, typical)


def new_network(kind: str, sizes: GeneratorSizes, shape: tuple[int, int] = (1, 0)) -> nn.Module:
    """Return a network of a kind with random weights.

    Args:
        kind: "flow", "r3gan", "wgan_gp" or "mixture".
        sizes: of the network.
        shape: of a mixture, its distributions and the rank of their covariances.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "flow":
        return CodeFlow(sizes)
    if kind in ("r3gan", "wgan_gp"):
        return CodeGenerator(sizes)
    if kind == "mixture":
        return FactorMixture(shape[0], shape[1], sizes.numbers, sizes.classes)
    raise ValueError(f"unknown kind {kind!r}")


def generator_part(
    kind: str, sizes: dict[str, int], generator: ShapeGenerator
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the configuration and the tensors of the part "generator".

    Args:
        kind: of the network.
        sizes: its ``GeneratorSizes`` as a dictionary.
        generator: to store.
    """
    # A mixture is built by its number of distributions and their rank.
    shape = [1, 0]
    if isinstance(generator.network, FactorMixture):
        shape = list(generator.network.factors.shape[:2])

    state = {}
    for key, value in generator.network.state_dict().items():
        state[_NETWORK + key] = value
    state[_BASIS + "mean"] = torch.from_numpy(generator.mean)
    state[_BASIS + "components"] = torch.from_numpy(generator.components)

    config: dict[str, Any] = {"kind": kind, "sizes": sizes, "shape": shape}
    training = generator.training
    if training is not None:
        config["training"] = {"names": list(training.names), "typical": training.typical}
        is_kernels = isinstance(generator.network, FactorMixture) and np.array_equal(
            generator.network.means.numpy(), training.coefficients
        )
        if not is_kernels:
            state[_TRAINING] = torch.from_numpy(training.coefficients)
    return config, state
