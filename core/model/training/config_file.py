"""The configuration of a run, and its files: ``run.toml`` to start from, ``config.json``."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from ...atomic_files import write_json
from ...errors import DatasetError
from ..networks.reconstruction import NetworkConfig
from .losses import LossConfig
from .mixed_precision import PRECISIONS
from .sampling.augmentation import AugmentationConfig
from .sampling.batches import SINGLE_VIEW, SamplingConfig

T = TypeVar("T")
# Settings that a run may be resumed with changed: they do not change the steps that are done.
MAY_CHANGE = (
    "training.steps",
    "training.decay_steps",
    "training.checkpoint_seconds",
    "training.validate_every",
    "training.precision",
    "training.threads",
)
# Fields of TrainingConfig that files and the command line know by an older name.
STORED_KEYS: Mapping[str, str] = {
    "learning_rate": "rate",
    "pretrained": "imagenet",
    "backbone_lr_scale": "backbone",
    "single_view_only": "one_picture",
    "weight_decay": "decay",
    "grad_clip": "clip",
    "ema_decay": "average",
    "eval_every": "every",
    "val_objects": "validation",
}
_FIELDS = {stored: name for name, stored in STORED_KEYS.items()}
_PATHS = ("run", "start", "weights")


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how fast a run learns.

    Attributes:
        steps: number of steps; over them the learning rate falls to zero along a cosine.
        learning_rate: at the end of the warm-up.
        pretrained: whether the backbone starts from weights trained on ImageNet.
        backbone_lr_scale: learning rate of the backbone, relative: it has less to learn.
        single_view_only: train only the single-view network; the multi-view weights stay frozen.
        warmup: steps over which the learning rate rises from zero.
        weight_decay: of AdamW (arXiv:1711.05101).
        grad_clip: largest norm of the gradient.
        ema_decay: of the moving average of the weights, which is validated and exported.
        seed: of the initial weights and of all batches.
        eval_every: steps between validations and checkpoints.
        val_objects: number of unseen objects to validate on.
        precision: "automatic", "float32" or "bfloat16", see ``mixed_precision``.
    """

    steps: int = 5000
    learning_rate: float = 1.5e-3
    pretrained: bool = True
    backbone_lr_scale: float = 0.3
    single_view_only: bool = False
    warmup: int = 100
    weight_decay: float = 0.02
    grad_clip: float = 1.0
    ema_decay: float = 0.995
    seed: int = 0
    eval_every: int = 250
    val_objects: int = 96
    precision: str = "automatic"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            DatasetError: a number is out of its range, or there is no such precision. It is named
                as in files.
        """
        # Without one of these, nothing would be trained, saved or validated.
        for name in ("steps", "eval_every", "val_objects"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("warmup", "weight_decay", "backbone_lr_scale", "seed"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("learning_rate", "grad_clip"):
            self._require(name, getattr(self, name) > 0, "more than 0")
        self._require("ema_decay", 0 <= self.ema_decay < 1, "at least 0 and below 1")
        self._require("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")

    def _require(self, name: str, is_valid: bool, requirement: str) -> None:
        if not is_valid:
            stored = STORED_KEYS.get(name, name)
            raise DatasetError(f"{stored} is {getattr(self, name)}, but must be {requirement}")

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Return the configuration with ``values`` by their stored keys, else defaults."""
        return cls(**{_FIELDS.get(stored, stored): value for stored, value in values.items()})

    def to_stored(self) -> dict[str, Any]:
        """Return all values by their stored keys."""
        return {STORED_KEYS.get(name, name): value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class TrainingRecipe:
    """What is minimized, and on which samples.

    Attributes:
        losses: weights of the losses.
        sampling: how batches are drawn.
        augmentation: how samples vary.
    """

    losses: LossConfig = field(default_factory=LossConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    @classmethod
    def for_training(cls, config: TrainingConfig) -> TrainingRecipe:
        """Return the recipe of a run whose configuration names none."""
        return cls(sampling=SINGLE_VIEW) if config.single_view_only else cls()

    def with_values(self, sections: Mapping[str, Mapping[str, Any]]) -> TrainingRecipe:
        """Return the recipe with some values of its sections replaced."""
        parts = {
            name: replace(getattr(self, name), **_with_tuples(values))
            for name, values in sections.items()
        }
        return replace(self, **parts)


@dataclass(frozen=True)
class RunSettings:
    """What a file of settings holds.

    Attributes:
        training: values of :class:`TrainingConfig` by their stored keys.
        network: sizes of the network; None for those of what the run starts from.
        datasets: training sets.
        run: folder of the run.
        start: checkpoint or file of weights to start from.
        weights: file to export to.
        recipe: values of :class:`TrainingRecipe` by section.
    """

    training: Mapping[str, Any]
    network: NetworkConfig | None = None
    datasets: tuple[Path, ...] = ()
    run: Path | None = None
    start: Path | None = None
    weights: Path | None = None
    recipe: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def training_config(self) -> TrainingConfig:
        """Return the complete configuration.

        Raises:
            DatasetError: a number is out of its range.
        """
        return TrainingConfig.from_stored(self.training)

    def training_recipe(self) -> TrainingRecipe:
        """Return the complete recipe.

        Raises:
            DatasetError: a number is out of its range.
        """
        return TrainingRecipe.for_training(self.training_config()).with_values(self.recipe)


def read_settings(path: Path) -> RunSettings:
    """Read a file of settings, .toml or .json; a ``config.json`` is one, too.

    Paths in it are relative to its folder. ``start = "bundled"`` names the bundled weights.

    Raises:
        DatasetError: it is missing, damaged, or holds an unknown setting.
    """
    # No name that nobody knows: it would be a mistyped one.
    content = _read_file(path)
    sections = _recipe_kinds()
    known_keys: dict[str, type] = {"training": dict, "network": dict, "datasets": list}
    known_keys |= dict.fromkeys(_PATHS, str)
    known_keys |= dict.fromkeys(sections, dict)
    _check_keys(path, content, known_keys)

    # The sections and their values.
    training = content.get("training", {})
    _check_keys(path, training, _kinds_of(TrainingConfig().to_stored()))
    network = content.get("network")
    if network is not None:
        _check_keys(path, network, _kinds_of(NetworkConfig().as_dict()))
        network = NetworkConfig(**_with_tuples(network))
    recipe = {}

    for name, kinds in sections.items():
        if name in content:
            _check_keys(path, content[name], kinds)
            recipe[name] = content[name]

    # Paths are relative to the file.
    for name in content.get("datasets", ()):
        if not isinstance(name, str):
            raise DatasetError(f"{path}: datasets holds {name!r}, but must hold names of folders")
    folder = path.parent
    paths = {name: folder / content[name] for name in _PATHS if name in content}
    datasets = tuple(folder / name for name in content.get("datasets", ()))

    return RunSettings(
        training=training, network=network, datasets=datasets, recipe=recipe, **paths
    )


def write_config(
    run: Path, config: TrainingConfig, network: NetworkConfig, recipe: TrainingRecipe
) -> None:
    """Write ``config.json`` into the folder of a run.

    Raises:
        DatasetError: the folder holds a run of another configuration. What an older version did not
            record counts as the default.
    """
    path = run / "config.json"
    content = {
        "training": config.to_stored(),
        "network": network.as_dict(),
        **asdict(recipe),
    }
    content = _as_json(content)

    if path.exists():
        stored = read_stored_config(path, ("training", "network"))
        if _with_defaults(stored) != content:
            raise DatasetError(
                f"{run} contains a run with a different configuration. Choose another folder"
            )

    write_json(path, content)


def read_stored_config(path: Path, sections: Collection[str]) -> dict[str, Any]:
    """Return the content of the ``config.json`` in the folder of a run.

    Args:
        path: of the file.
        sections: that it must have.

    Raises:
        DatasetError: it is damaged, or is none of a run of this kind.
    """
    advice = "Choose another folder, or remove the file to go on with the present configuration"
    try:
        stored = _read_file(path)
    except DatasetError as error:
        raise DatasetError(f"{error}. {advice}") from error

    # Every section of a configuration holds names and values.
    is_complete = isinstance(stored, dict) and set(sections) <= stored.keys()
    tables = [stored[name] for name in sections] if is_complete else [None]
    if not all(isinstance(table, dict) for table in tables):
        raise DatasetError(f"{path} is not the configuration of a run of this network. {advice}")
    content: dict[str, Any] = stored

    return content


def check_run_config(
    run: Path,
    settings: Mapping[str, Any],
    defaults: Mapping[str, Any],
    may_change: Collection[str],
) -> dict[str, Any]:
    """Return the content of the ``config.json`` in a run's folder, empty if there is none.

    Args:
        run: the folder.
        settings: of the run, as JSON holds them.
        defaults: of all settings; a run from before an entry was added has its default.
        may_change: entries that may differ, such as "training.steps".

    Raises:
        DatasetError: it is damaged, or is of a run with other settings.
    """
    path = run / "config.json"
    if not path.exists():
        return {}
    known = read_stored_config(path, settings)
    complete = dict(known)
    for section, table in defaults.items():
        complete[section] = {**table, **known[section]}

    if _without(complete, may_change) != _without(settings, may_change):
        raise DatasetError(
            f"{run} contains a run with a different configuration. Choose another folder"
        )

    return known


def _without(settings: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a copy of ``settings`` without the entries ``names``; a dot leads into a section."""
    result = copy.deepcopy(dict(settings))
    for name in names:
        section, _, entry = name.rpartition(".")
        table = result[section] if section else result
        table.pop(entry, None)
    return result


def _with_defaults(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored configuration with the defaults of whatever it does not hold."""
    # What runs have recorded from the first version on, though not all of its values.
    training = TrainingConfig().to_stored() | stored["training"]
    network = NetworkConfig().as_dict() | stored["network"]

    # The recipe came later; its defaults are what older versions did.
    is_single_view = bool(training[STORED_KEYS["single_view_only"]])
    recipe = TrainingRecipe.for_training(TrainingConfig(single_view_only=is_single_view))
    recipe = recipe.with_values({"sampling": {"image_size": network["picture"]}})
    complete = {**stored, "training": training, "network": network}
    for name, values in asdict(recipe).items():
        added = stored.get(name)
        complete[name] = values | (added if isinstance(added, dict) else {})
    return _as_json(complete)


def _as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``content`` as it will be read again: tuples become lists."""
    result: dict[str, Any] = json.loads(json.dumps(content))
    return result


def _read_file(path: Path) -> Any:
    """Return the content of a .toml or .json file."""
    is_toml = path.suffix == ".toml"
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if is_toml else json.loads(text)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if is_toml else "JSON"
        raise DatasetError(f"{path} is not {kind}: {error}") from error


def _recipe_kinds() -> dict[str, dict[str, type]]:
    """Return the types of all values of a recipe, by section."""
    recipe = TrainingRecipe()
    kinds = {}
    for section in fields(recipe):
        values = getattr(recipe, section.name)
        kinds[section.name] = _kinds_of(asdict(values))
    return kinds


def _kinds_of(values: Mapping[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in values.items()}


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with tuples for the lists of JSON and TOML."""
    result = {}
    for name, value in values.items():
        result[name] = tuple(value) if isinstance(value, list) else value
    return result


def _check_keys(path: Path, values: Any, kinds: Mapping[str, type]) -> None:
    """Check names and types of settings.

    Raises:
        DatasetError: ``values`` are no settings, or one of them is not in ``kinds`` or of another
            type.
    """
    if not isinstance(values, dict):
        raise DatasetError(f"{path} contains no settings. It must be a table of names and values")
    for name, value in values.items():
        if name not in kinds:
            known = ", ".join(sorted(kinds))
            raise DatasetError(f"{path}: unknown setting {name!r}. Available settings: {known}")
        if not _has_kind(value, kinds[name]):
            kind = kinds[name].__name__
            raise DatasetError(f"{path}: {name} is {value!r}, but must be of type {kind}")


def _has_kind(value: Any, kind: type) -> bool:
    """Return whether a value of JSON or TOML may stand for one of ``kind``."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    if kind is tuple:
        return isinstance(value, list)
    return isinstance(value, kind)
