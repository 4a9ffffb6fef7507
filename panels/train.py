"""The sidebar's part for those who teach the model their own kind of thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews
from bpy.types import Context, UILayout

from ..core.jobs.training_process import SETTINGS, steps_of
from ..operators import train
from ..operators.train import (
    MAQUETTE_OT_stop_training,
    MAQUETTE_OT_train,
    MAQUETTE_OT_use_trained_weights,
)
from .preferences import draw_missing
from .sidebar import SidebarPanel
from .text import draw_text

_PICTURE_SCALE = 13.0
_PICTURES = (
    ("curve.png", "Loss and IoU"),
    ("samples.png", "Unseen objects and their shapes"),
)
_previews: Any = None


class MAQUETTE_PT_train(SidebarPanel, bpy.types.Panel):
    bl_label = "Training"
    bl_options = {'DEFAULT_CLOSED'}

    def draw_content(self, layout: UILayout, context: Context) -> None:
        settings = context.scene.maquette.training
        missing = draw_missing(layout)
        run = (
            train.run_folder(settings.dataset, settings.run)
            if settings.dataset or settings.run
            else None
        )
        begun = bool(run and (run / SETTINGS).is_file())
        column = layout.column()
        column.active = not train.is_training()
        column.prop(settings, "dataset")
        if not begun:
            column.prop(settings, "others")
            column.prop(settings, "start")
            if settings.start == 'RUN':
                column.prop(settings, "start_run")
            column.prop(settings, "steps")
            column.prop(settings, "rate")
        column.prop(settings, "run")
        process = train.current_process()
        if process and process.is_running():
            _draw_running(layout, process)
            run = process.run
        else:
            column = layout.column()
            column.enabled = bool(run) and not missing
            _draw_buttons(column, settings, run, begun)
        if process and process.failure_text():
            draw_text(layout.box(), process.failure_text() or "", 'ERROR')
        if run:
            _draw_pictures(layout, run)


def _draw_running(layout: UILayout, process: Any) -> None:
    progress = process.progress()
    row = layout.row(align=True)
    row.progress(factor=progress.fraction, text=progress.stage)
    row.operator(MAQUETTE_OT_stop_training.bl_idname, text="", icon='CANCEL')


def _draw_buttons(
    layout: UILayout, settings: bpy.types.PropertyGroup, run: Path | None, begun: bool
) -> None:
    done, wanted = steps_of(run) if run else (0, 0)
    if done < wanted or not begun:
        text = f"Resume at Step {done}" if done else "Resume" if begun else "Train"
        button = layout.operator(MAQUETTE_OT_train.bl_idname, text=text, icon='PLAY')
        button.folder = settings.dataset
        button.others = settings.others
        button.run = str(run or "")
        button.resume = begun
        button.start = settings.start
        button.start_run = settings.start_run
        button.steps = settings.steps
        button.rate = settings.rate
    if run and (run / "checkpoint.pt").is_file():
        if done >= wanted:
            layout.label(text=f"{done} steps done", icon='CHECKMARK')
        layout.operator(MAQUETTE_OT_use_trained_weights.bl_idname, icon='FILE_REFRESH').run = str(
            run
        )


def _draw_pictures(layout: UILayout, run: Path) -> None:
    for name, caption in _PICTURES:
        path = run / name
        if path.is_file():
            column = layout.column(align=True)
            column.label(text=caption)
            column.template_icon(icon_value=_preview_icon(path), scale=_PICTURE_SCALE)


def _preview_icon(path: Path) -> int:
    """The icon of the picture ``path`` as it is on disk now; one picture of each path is kept."""
    key = f"{path}:{path.stat().st_mtime_ns}"
    if key not in _previews:
        for old in [old for old in _previews if old.startswith(f"{path}:")]:
            del _previews[old]
        _previews.load(key, str(path), 'IMAGE')
    return _previews[key].icon_id


_register, _unregister = bpy.utils.register_classes_factory((MAQUETTE_PT_train,))


def register() -> None:
    global _previews
    _previews = bpy.utils.previews.new()
    _register()


def unregister() -> None:
    _unregister()
    bpy.utils.previews.remove(_previews)
