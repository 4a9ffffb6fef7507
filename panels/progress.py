"""The progress of tasks, for every panel."""

from __future__ import annotations

from bpy.types import UILayout

from ..operators import _task_operator
from ..operators.stop_work import MAQUETTE_OT_stop_work


def draw_progress(layout: UILayout) -> None:
    """Draw the progress of the running task and the waiting ones, each with a button to stop it."""
    task = _task_operator.running_task()
    if not task:
        return
    column = layout.column(align=True)
    row = column.row(align=True)
    row.progress(factor=task.progress.fraction, text=task.status_text())
    _draw_stop_button(row, 0)
    for index, waiting_task in enumerate(_task_operator.waiting_tasks(), start=1):
        row = column.row(align=True)
        row.label(text=f"Queued: {waiting_task.label}", icon='TIME')
        _draw_stop_button(row, index)


def _draw_stop_button(layout: UILayout, index: int) -> None:
    button = layout.operator(MAQUETTE_OT_stop_work.bl_idname, text="", icon='CANCEL')
    button.place = index
