"""The panel that trains the model on the user's training sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews
from bpy.types import Context, UILayout

from ..core.jobs.training_process import TrainingProcess, steps_of
from ..operators import train
from ..operators._compute import shows_training
from ..operators.train import (
    CHECKPOINT,
    MAQUETTE_OT_stop_training,
    MAQUETTE_OT_train,
    MAQUETTE_OT_use_trained_weights,
    RunState,
)
from .dependency_notice import draw_missing
from .sidebar import SidebarPanel
from .text import draw_text

_IMAGE_SCALE = 13.0  # in heights of a button: the width of the sidebar
_RUN_IMAGES = (
    ("curve.png", "Loss and IoU"),
    ("samples.png", "Validation objects and their reconstructions"),
)
_previews: Any = None


class MAQUETTE_PT_train(SidebarPanel, bpy.types.Panel):
    bl_label = "Training"
    bl_options = {'DEFAULT_CLOSED'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return shows_training()

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette.training
        is_missing = draw_missing(layout, type(self).__name__)
        run = None
        if settings.dataset or settings.run:
            run = train.run_folder(settings.dataset, settings.run)
        state = train.run_state(run)
        _draw_settings(layout, settings, state)

        # A running process may belong to another folder than the one in the settings.
        process = train.current_process()
        if process and process.is_running():
            _draw_running(layout, process)
            run = process.run
        else:
            column = layout.column()
            column.enabled = bool(run) and not is_missing
            _draw_buttons(column, settings, run, state)

        self.draw_progress(layout)

        failure = process.failure_text() if process else None
        if failure:
            draw_text(layout.box(), failure, 'ERROR')
        if run:
            _draw_images(layout, run)


def _draw_settings(layout: UILayout, settings: bpy.types.PropertyGroup, state: RunState) -> None:
    """Draw the settings that still count: those of a run that exists are in its folder."""
    column = layout.column()
    column.active = not train.is_training()
    column.prop(settings, "dataset")

    if state == RunState.NEW:
        column.prop(settings, "others")
        column.prop(settings, "start")
        if settings.start == 'RUN':
            column.prop(settings, "start_run")
        column.prop(settings, "steps")
        column.prop(settings, "rate")

    column.prop(settings, "run")


def _draw_running(layout: UILayout, process: TrainingProcess) -> None:
    progress = process.progress()
    row = layout.row(align=True)
    row.progress(factor=progress.fraction, text=progress.stage)
    row.operator(MAQUETTE_OT_stop_training.bl_idname, text="", icon='CANCEL')


def _draw_buttons(
    layout: UILayout, settings: bpy.types.PropertyGroup, run: Path | None, state: RunState
) -> None:
    """Draw what can be done with ``run`` while no process trains."""
    done = steps_of(run)[0] if run else 0
    if state != RunState.FINISHED:
        text = _train_label(state, done)
        button = layout.operator(MAQUETTE_OT_train.bl_idname, text=text, icon='PLAY')
        settings.apply_to(button)
        button.run = str(run or "")
        button.resume = state == RunState.PAUSED

    if run and (run / CHECKPOINT).is_file():
        if state == RunState.FINISHED:
            layout.label(text=f"Finished: {done} steps", icon='CHECKMARK')
        name = MAQUETTE_OT_use_trained_weights.bl_idname
        layout.operator(name, icon='FILE_REFRESH').run = str(run)


def _train_label(state: RunState, done: int) -> str:
    if state == RunState.NEW:
        return "Train"
    return f"Resume at Step {done}" if done else "Resume"


def _draw_images(layout: UILayout, run: Path) -> None:
    """Draw the images of the folder ``run`` that there are."""
    for name, caption in _RUN_IMAGES:
        path = run / name
        if path.is_file():
            column = layout.column(align=True)
            column.label(text=caption)
            column.template_icon(icon_value=_preview_icon(path), scale=_IMAGE_SCALE)


def _preview_icon(path: Path) -> int:
    """Return the icon of the image ``path`` as it is on disk now; older ones are dropped."""
    key = f"{path}:{path.stat().st_mtime_ns}"
    if key not in _previews:
        for old_key in [other for other in _previews if other.startswith(f"{path}:")]:
            del _previews[old_key]
        _previews.load(key, str(path), 'IMAGE')
    return _previews[key].icon_id


_register, _unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_train,))


def register() -> None:
    """Register the panel, and the previews of its images."""
    global _previews
    _previews = bpy.utils.previews.new()
    _register()


def unregister() -> None:
    """Remove both."""
    _unregister()
    bpy.utils.previews.remove(_previews)
