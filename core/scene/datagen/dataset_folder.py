"""The folder of a training set that is rendered: its settings, and its splits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ... import atomic_files
from ...dataset import splits
from ...dataset.object_file import read_record
from ...dataset.record_json import VERSION, read_settings
from ...errors import DatasetError, OutputError
from ...folder_lock import lock_folder
from ...jobs import dependencies
from ...synthesis import camera_rigs
from ...synthesis.camera_rigs import Rig
from ...synthesis.randomization import Randomization

# Stored only if they are set, so that older sets can be continued.
_STORED_IF_SET = ("relightable", "grid", "parts")
# Not stored: they do not change what an object looks like.
_NOT_STORED = ("most_triangles", "shard", "threads", "strict")
# Not in the settings of the oldest sets.
_ADDED = ("random", "denoise", "compact")
# In the oldest sets of whole scenes among the settings of the scene.
_MOVED = ("classes_from", "class_property")


@dataclass(frozen=True)
class DatasetSettings:
    """How to render a training set. The field names are stored in ``dataset.json``.

    Attributes:
        seed: Of cameras, light and sampled points.
        size: Of each square image, pixels; of the longer side for the scene's cameras.
        samples: Of Cycles a pixel.
        denoise: Denoise the color, not the other passes.
        cameras: See ``core.synthesis.camera_rigs``.
        points: Uniform points of ground truth, and as many near the surface.
        most_triangles: Objects with more are skipped, because their ground truth takes long; 0 for
            no limit.
        shard: (index, count): render only every count-th object, or view of a whole scene, so that
            several processes can share a set.
        threads: Of the renderer; 0 for all cores.
        hdri: Folder of HDRIs; None for those that Blender ships.
        random: What else is sampled.
        classes_from: Of objects of the scene: the argument ``by`` of ``class_labels.class_of``.
        class_property: The argument ``name`` of it.
        strict: Stop at an object that cannot be used, in place of skipping it.
        compact: Only what training reads, in the compact form; not for whole scenes.
        relightable: Each view with albedo, occlusion and, in the compact form too, its true
            normals; not for whole scenes.
        grid: Each object with a grid of the cells of a cube around it that are inside; not for
            whole scenes.
        parts: Views and surface points with their parts: "material" or "vertex group" names those
            of meshes; "" for no parts. Not for whole scenes.
    """

    seed: int = 0
    size: int = 128
    samples: int = 16
    denoise: bool = False
    cameras: tuple[Rig, ...] = camera_rigs.DEFAULT
    points: int = 16384
    most_triangles: int = 0
    shard: tuple[int, int] = (0, 1)
    threads: int = 0
    hdri: Path | None = None
    random: Randomization = field(default_factory=Randomization)
    classes_from: str = 'PROPERTY'
    class_property: str = "maquette_family"
    strict: bool = False
    compact: bool = False
    relightable: bool = False
    grid: bool = False
    parts: str = ""


@dataclass(frozen=True)
class RenderSummary:
    """Result of a run.

    Attributes:
        written: Number of objects that were written.
        found: Number of objects that an earlier run has written.
        skipped: Reasons by the names of objects that were skipped.
        notes: What the user should know about objects that were written, by their names.
    """

    written: int
    found: int
    skipped: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)


def prepare_folder(folder: Path, settings: DatasetSettings, whole: object = None) -> None:
    """Make ``folder`` ready for a training set.

    Args:
        folder: New, or with a set of the same settings to continue.
        settings: Of the set.
        whole: Dataclass with the further settings of a whole scene, if it is one.

    Raises:
        DependencyError: Pillow, which writes the images, is missing.
        OutputError: The folder cannot be written.
        DatasetError: It has a set with other settings.
    """
    dependencies.require_packages("PIL")
    stored = _settings_to_json(settings, whole)
    path = folder / "dataset.json"

    # A folder with the same settings is continued.
    try:
        (folder / "objects").mkdir(parents=True, exist_ok=True)
        atomic_files.remove_partials(folder)
        if not path.exists():
            atomic_files.write_json(path, stored)
        elif _read_settings(path) != stored:
            raise DatasetError(
                f"{folder} contains a training set with different settings. Choose another folder"
            )
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from error


@contextmanager
def lock_dataset(folder: Path, settings: DatasetSettings) -> Iterator[None]:
    """Keep other runs from writing into a set while the context is active, but not other shards.

    Raises:
        OutputError: Another process writes the set, or the same shard of it.
    """
    index, count = settings.shard
    part = f"{index}-of-{count}" if count > 1 else ""
    with lock_folder(folder, part):
        yield


def write_splits(folder: Path) -> dict[str, str]:
    """Assign every object in ``folder`` to a split and write ``splits.json``.

    Returns:
        The split of each object by name.
    """
    paths = sorted((folder / "objects").glob("*.tar"))
    records = [read_record(path) for path in paths]
    fingerprints = {record.name: record.fingerprint for record in records}
    families = {record.name: record.family for record in records}

    # Copies of one shape go into the same split.
    assigned = splits.assign_splits(fingerprints, families)
    text = json.dumps(assigned, indent=0)
    atomic_files.write_bytes(folder / "splits.json", text)
    return assigned


def _settings_to_json(settings: DatasetSettings, whole: object) -> dict[str, Any]:
    """Return the settings as ``dataset.json`` has them."""
    stored = {}
    for key, value in asdict(settings).items():
        if key in _NOT_STORED or (key in _STORED_IF_SET and not value):
            continue
        stored[key] = value

    if whole:
        stored["whole_scene"] = asdict(whole)  # type: ignore[call-overload]
    return {"version": VERSION, **_as_json(stored)}


def _read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a ``dataset.json``, completed for older sets."""
    stored = read_settings(path)

    # Moved or added since the oldest sets.
    whole = stored.get("whole_scene", {})
    if not isinstance(whole, dict):
        raise DatasetError(f"{path} is damaged: whole_scene is no dictionary")
    if whole:
        whole.setdefault("other_worlds", False)
    moved = {key: whole.pop(key) for key in _MOVED if key in whole}

    defaults = _as_json(asdict(DatasetSettings()))
    completed = {key: defaults[key] for key in (*_ADDED, *_MOVED)}
    return {**completed, **moved, **stored}


def _as_json(values: Any) -> Any:
    """Return ``values`` as they are after writing and reading them; paths become text."""
    return json.loads(json.dumps(values, default=str))
