"""Train the model on the user's training sets in a separate process, and use the new weights."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty
from bpy.types import Context

from ..core.dataset import splits
from ..core.errors import DatasetError, MaquetteError
from ..core.jobs import dependencies
from ..core.jobs.task import Task
from ..core.jobs.training_process import (
    SETTINGS,
    TrainingProcess,
    discard_empty_run,
    steps_of,
    write_settings,
)
from ..core.model.jobs import reconstruct as reconstruct_job  # without torch, until it runs
from . import _compute
from ._results import absolute_path
from ._task_operator import TaskOperator
from .properties.training import RUN_FOLDER, TRAINING_SET, TrainingProperties

CHECKPOINT = "checkpoint.pt"  # in the folder of a run
_PACKAGE = __package__.rpartition(".")[0]
_REDRAW_SECONDS = 1.0
_VALIDATIONS = 10  # in a run, and not more often than every so many steps
_MAX_WARMUP = 100  # steps; a tenth of a short run

# One training at a time. Several operators and the panel use it, and it outlives the operator that
# began it.
_process: TrainingProcess | None = None
_is_new_run = False  # whether it began in a folder without a run


class RunState(Enum):
    """What there is to do with the folder of a run."""

    NEW = "new"
    PAUSED = "paused"
    FINISHED = "finished"


def run_state(run: Path | None) -> RunState:
    """Return the state of the folder ``run``, if no process trains it; None is a new run."""
    if run is None or not (run / SETTINGS).is_file():
        return RunState.NEW
    done, wanted = steps_of(run)  # both are 0 before the first step
    return RunState.FINISHED if 0 < wanted <= done else RunState.PAUSED


def current_process() -> TrainingProcess | None:
    """Return the process that trains, or the last one that did."""
    return _process


def is_training() -> bool:
    """Return whether a process trains."""
    return _process is not None and _process.is_running()


def run_folder(dataset: str, run: str) -> Path:
    """Return the folder of a run.

    Args:
        dataset: folder of the training set.
        run: folder of the run; empty to place it next to the training set.
    """
    if run:
        return absolute_path(run)
    folder = absolute_path(dataset)
    return folder.parent / f"{folder.name or 'maquette'}_run"  # the root of a disk has no name


class MAQUETTE_OT_train(TrainingProperties, bpy.types.Operator):
    """Train the model."""

    bl_idname = "maquette.train"
    bl_label = "Train"
    bl_description = (
        "Train the model on a training set in a separate process. Training can be stopped and "
        "resumed"
    )
    bl_options = {'REGISTER'}

    folder: TRAINING_SET
    run: RUN_FOLDER
    resume: BoolProperty(
        name="Resume",
        description="Continue the run in its folder with its original settings. The other options "
        "are ignored",
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if is_training():
            cls.poll_message_set("Training is already running. Stop it first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        """Train and wait for the end, as a script needs it."""
        try:
            process = self._begin_training()
            process.wait()
        except MaquetteError as error:
            return self._report_error(str(error))

        _discard_empty_run()
        failure = process.failure_text()
        if failure:
            return self._report_error(failure)
        self.report({'INFO'}, f"{process.run}: {steps_of(process.run)[0]} steps")

        return {'FINISHED'}

    def invoke(self, context: Context, event: bpy.types.Event) -> set[str]:
        """Begin training and return, while the panel shows the progress."""
        if bpy.app.background:
            return self.execute(context)
        try:
            self._begin_training()
        except MaquetteError as error:
            return self._report_error(str(error))

        bpy.app.timers.register(_redraw_panels, first_interval=_REDRAW_SECONDS, persistent=True)
        return {'FINISHED'}

    def _begin_training(self) -> TrainingProcess:
        global _process, _is_new_run
        if _compute.missing_packages():
            dependencies.require_installed(*dependencies.MODEL)
        if not (self.folder or self.run):
            raise DatasetError("Choose a training set written by Render Dataset")
        run = run_folder(self.folder, self.run)

        # The process reads its settings from the folder of the run, so that it can be resumed.
        if not self.resume:
            self._write_settings(run)
        elif not (run / SETTINGS).is_file():
            raise DatasetError(f"There is no run to resume in {run}. Start a new one")

        try:
            _process = TrainingProcess(run, _compute.model_python())
        except MaquetteError:
            if not self.resume:
                discard_empty_run(run)
            raise

        _is_new_run = not self.resume
        return _process

    def _write_settings(self, run: Path) -> None:
        """Write the settings of a new run into its folder, which the process reads."""
        datasets = [self.folder]
        if self.others:
            datasets.append(self.others)
        _check_training_sets(datasets)
        if (run / CHECKPOINT).exists():
            raise DatasetError(f"{run} already contains a run. Resume it or choose another folder")

        settings = {
            "datasets": [bpy.path.abspath(text) for text in datasets],
            "run": str(run),
            "start": self._initial_weights(),
            "training": self._training_settings(),
        }
        write_settings(run, settings)

    def _initial_weights(self) -> str:
        """Return "bundled", or the checkpoint of the earlier run."""
        if self.start != 'RUN':
            return "bundled"
        checkpoint = absolute_path(self.start_run) / CHECKPOINT
        if not checkpoint.is_file():
            raise DatasetError(
                f"There is no checkpoint in {self.start_run!r}. Choose the folder of a training run"
            )

        return str(checkpoint)

    def _training_settings(self) -> dict[str, Any]:
        """Return the fields of ``TrainingConfig`` that differ from its defaults."""
        return {
            "steps": self.steps,
            "rate": self.rate,
            "every": max(10, self.steps // _VALIDATIONS),
            "warmup": min(_MAX_WARMUP, self.steps // 10 + 1),
        }

    def _report_error(self, text: str) -> set[str]:
        self.report({'ERROR'}, f"{self.bl_label}: {text}")
        return {'CANCELLED'}


class MAQUETTE_OT_stop_training(bpy.types.Operator):
    """Stop training after the current step. It can be resumed from there"""

    bl_idname = "maquette.stop_training"
    bl_label = "Stop Training"
    bl_options = {'INTERNAL'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not is_training():
            cls.poll_message_set("No training is running")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        _request_stop()
        return {'FINISHED'}


class MAQUETTE_OT_use_trained_weights(TaskOperator, bpy.types.Operator):
    """Calibrate the run's weights, save them to a file and use them for reconstruction"""

    bl_idname = "maquette.use_trained_weights"
    bl_label = "Use Trained Weights"
    bl_options = {'REGISTER'}

    run: RUN_FOLDER

    def start(self, context: Context) -> Task[Path]:
        run = absolute_path(self.run)
        checkpoint = run / CHECKPOINT
        if not self.run or not checkpoint.is_file():
            raise DatasetError(f"There is no checkpoint in {self.run!r}. Train first")
        target = _weights_folder(run) / f"{run.name}.safetensors"

        return _compute.run_function(
            reconstruct_job.export_checkpoint, checkpoint, target, window=self.interactive
        )

    def finish(self, context: Context, result: Path) -> None:
        preferences = _compute.addon_preferences()
        if preferences:
            preferences.weights = str(result)
            context.preferences.is_dirty = True
        self.report({'INFO'}, f"Reconstruction now uses {result}")


def _check_training_sets(texts: Sequence[str]) -> None:
    """Check that folders hold training sets, and enough objects together.

    Raises:
        DatasetError: a folder holds none or a damaged one, or there are too few objects.
    """
    count = 0
    for text in texts:
        if not text or not (absolute_path(text) / "splits.json").is_file():
            raise DatasetError(
                f"There is no training set in {text!r}. Choose a folder written by Render Dataset"
            )
        names = splits.read_splits(absolute_path(text)).values()
        count += sum(split != "test" for split in names)

    if count < splits.MIN_TRAINING_OBJECTS:
        folders = [absolute_path(text) for text in texts]
        raise DatasetError(splits.too_few_text(folders, count))


def _discard_empty_run() -> None:
    """Remove a new run that has ended before its first step, so that a next one can begin."""
    if _process and _is_new_run and not _process.is_running():
        discard_empty_run(_process.run)


def _weights_folder(run: Path) -> Path:
    """Return the extension's folder for files of the user; ``run`` if this is not an extension."""
    # It survives updates of the extension; a script that imports the package has no such folder.
    try:
        return Path(bpy.utils.extension_path_user(_PACKAGE, path="weights", create=True))
    except ValueError:
        return run


def _redraw_panels() -> float | None:
    """Redraw the sidebars, which show the progress: a timer that ends with the training."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == 'VIEW_3D':
                area.tag_redraw()

    if is_training():
        return _REDRAW_SECONDS
    _discard_empty_run()
    return None


# Blender may quit without unregistering its add-ons; a process must not train on unseen.
@atexit.register
def _request_stop() -> None:
    if _process:
        _process.request_stop()
        _discard_empty_run()


register: Callable[[], None]
_unregister: Callable[[], None]
register, _unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_train, MAQUETTE_OT_stop_training, MAQUETTE_OT_use_trained_weights)
)


def unregister() -> None:
    """Stop the training after its step, so that it can be resumed, and remove the operators."""
    if bpy.app.timers.is_registered(_redraw_panels):
        bpy.app.timers.unregister(_redraw_panels)
    _request_stop()
    _unregister()
