"""Trains the model on the user's own training sets, in a process beside Blender, and takes its weights into use."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context

from ..core.errors import DatasetError, MaquetteError
from ..core.jobs import dependencies
from ..core.jobs.task import Task
from ..core.jobs.training_process import SETTINGS, TrainingProcess, steps_of, write_settings
from ..core.model.jobs import reconstruct  # without torch, until it runs
from ..core.scene.compat import PATH_OPTIONS
from . import _compute
from ._task_operator import TaskOperator

_PACKAGE = __package__.rpartition(".")[0]
_REDRAW_SECONDS = 1.0
_process: TrainingProcess | None = None

DATASET = {
    "name": "Training Set",
    "description": "Folder of the training set to learn from, as Render Dataset writes it",
    "subtype": 'DIR_PATH',
    "options": set(PATH_OPTIONS),
}
OTHERS = {
    "name": "Keep",
    "description": "Folder of a training set of other things (some 100 procedural objects, say), which are learned "
    "from as well, so that they are not forgotten. Empty: none, and the model gets worse at other things",
    "subtype": 'DIR_PATH',
    "options": set(PATH_OPTIONS),
}
RUN = {
    "name": "Run",
    "description": "Folder of the run: log, pictures and checkpoint. Empty: beside the training set",
    "subtype": 'DIR_PATH',
    "options": set(PATH_OPTIONS),
}
START = {
    "name": "Start From",
    "description": "What the model knows to begin with",
    "items": (
        (
            'BUNDLED',
            "Bundled Weights",
            "What came with Maquette: learns a new kind of thing in some hundred steps",
        ),
        ('RUN', "Another Run", "What an earlier run of training has learned"),
    ),
}
START_RUN = {
    "name": "From Run",
    "description": "Folder of the earlier run whose checkpoint to begin with",
    "subtype": 'DIR_PATH',
    "options": set(PATH_OPTIONS),
}
STEPS = {
    "name": "Steps",
    "description": "How many batches of 8 to 16 objects to learn from. More learn more of this kind of thing and "
    "forget more of others; each takes seconds on a CPU",
    "default": 200,
    "min": 1,
    "soft_max": 5000,
    "max": 1000000,
}
RATE = {
    "name": "Learning Rate",
    "description": "Highest learning rate. Higher learns faster and forgets more of what was known",
    "default": 3e-4,
    "min": 1e-6,
    "max": 1e-2,
    "precision": 5,
}


def current_process() -> TrainingProcess | None:
    """The process that trains, or the last one that did."""
    return _process


def is_training() -> bool:
    return _process is not None and _process.is_running()


def run_folder(dataset: str, run: str) -> Path:
    """Where the run of these settings lies: ``run``, or beside ``dataset``."""
    if run:
        return Path(bpy.path.abspath(run))
    folder = Path(bpy.path.abspath(dataset))
    return folder.parent / f"{folder.name or 'maquette'}_run"  # a whole disk has no name


class MAQUETTE_OT_train(bpy.types.Operator):
    """Teach the model the objects of a training set, in a process beside Blender. It can be stopped and gone on with"""

    bl_idname = "maquette.train"
    bl_label = "Train"
    bl_options = {'REGISTER'}

    folder: StringProperty(**DATASET)
    others: StringProperty(**OTHERS)
    run: StringProperty(**RUN)
    start: EnumProperty(**START)
    start_run: StringProperty(**START_RUN)
    steps: IntProperty(**STEPS)
    rate: FloatProperty(**RATE)
    resume: BoolProperty(
        name="Resume",
        description="Go on with the run in its folder, as it was begun: the other settings are not asked",
        options={'SKIP_SAVE'},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if is_training():
            cls.poll_message_set("A training is running: stop it first")
            return False
        return True

    def execute(self, context: Context) -> set[str]:
        """Wait for its end, as a script wants it."""
        try:
            process = self._begin_training()
            process.wait()
        except MaquetteError as error:
            return self._report_error(str(error))
        if process.failure_text():
            return self._report_error(process.failure_text() or "")
        self.report({'INFO'}, f"{process.run}: {steps_of(process.run)[0]} steps")
        return {'FINISHED'}

    def invoke(self, context: Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        try:
            self._begin_training()
        except MaquetteError as error:
            return self._report_error(str(error))
        bpy.app.timers.register(_redraw_panels, first_interval=_REDRAW_SECONDS, persistent=True)
        return {'FINISHED'}

    def _begin_training(self) -> TrainingProcess:
        global _process
        python = _compute.named_python()
        if not python:
            dependencies.require_packages(*dependencies.MODEL)
        if not (self.folder or self.run):
            raise DatasetError("Choose a training set: a folder that Render Dataset wrote")
        run = run_folder(self.folder, self.run)
        if not self.resume:
            self._write_settings(run)
        elif not (run / SETTINGS).is_file():
            raise DatasetError(f"There is no run in {run} to go on with: begin one")
        _process = TrainingProcess(run, python)
        return _process

    def _write_settings(self, run: Path) -> None:
        datasets = [self.folder, self.others] if self.others else [self.folder]
        for text in datasets:
            if not text or not (Path(bpy.path.abspath(text)) / "splits.json").is_file():
                raise DatasetError(
                    f"There is no training set in {text!r}: choose a folder that Render Dataset wrote"
                )
        if (run / "checkpoint.pt").exists():
            raise DatasetError(f"{run} holds a run already: resume it, or choose another folder")
        start = "bundled"
        if self.start == 'RUN':
            start = str(Path(bpy.path.abspath(self.start_run)) / "checkpoint.pt")
            if not Path(start).is_file():
                raise DatasetError(
                    f"There is no checkpoint in {self.start_run!r}: choose the folder of a run"
                )
        every = max(10, self.steps // 10)
        own = {
            "steps": self.steps,
            "rate": self.rate,
            "every": every,
            "warmup": min(100, self.steps // 10 + 1),
        }
        write_settings(
            run,
            {
                "datasets": [bpy.path.abspath(text) for text in datasets],
                "run": str(run),
                "start": start,
                "training": own,
            },
        )

    def _report_error(self, text: str) -> set[str]:
        self.report({'ERROR'}, f"{self.bl_label}: {text}")
        return {'CANCELLED'}


class MAQUETTE_OT_stop_training(bpy.types.Operator):
    """Let the training end after its present step. Resume goes on from there"""

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
        _stop_timer()
        return {'FINISHED'}


class MAQUETTE_OT_use_trained_weights(TaskOperator, bpy.types.Operator):
    """Calibrate what a run has learned, keep it as a file of weights, and reconstruct with it from now on"""

    bl_idname = "maquette.use_trained_weights"
    bl_label = "Use the New Weights"
    bl_options = {'REGISTER'}

    run: StringProperty(**RUN)

    def start(self, context: Context) -> Task[Path]:
        run = Path(bpy.path.abspath(self.run))
        if not self.run or not (run / "checkpoint.pt").is_file():
            raise DatasetError(f"There is no checkpoint in {self.run!r}: train first")
        target = _weights_folder(run) / f"{run.name}.safetensors"
        return _compute.run_function(
            reconstruct.export_checkpoint, run / "checkpoint.pt", target, window=self.interactive
        )

    def finish(self, context: Context, result: Path) -> None:
        ours = _compute.addon_preferences()
        if ours:
            ours.weights = str(result)
            context.preferences.is_dirty = True
        self.report({'INFO'}, f"Reconstructs with {result} from now on")


def _weights_folder(run: Path) -> Path:
    """The extension's own folder for what users make; the run's where we are no extension."""
    try:
        return Path(bpy.utils.extension_path_user(_PACKAGE, path="weights", create=True))
    except ValueError:
        return run


def _redraw_panels() -> float | None:
    """Let the sidebars draw how far the training is."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == 'VIEW_3D':
                area.tag_redraw()
    return _REDRAW_SECONDS if is_training() else None


@atexit.register
def _stop_timer() -> None:
    if _process:
        _process.request_stop()


_register: Callable[[], None]
_unregister: Callable[[], None]
_register, _unregister = bpy.utils.register_classes_factory(
    (MAQUETTE_OT_train, MAQUETTE_OT_stop_training, MAQUETTE_OT_use_trained_weights)
)


def register() -> None:
    _register()


def unregister() -> None:
    """Blender is left, or the add-on disabled: the training ends after its step, and may be resumed."""
    if bpy.app.timers.is_registered(_redraw_panels):
        bpy.app.timers.unregister(_redraw_panels)
    _stop_timer()
    _unregister()
