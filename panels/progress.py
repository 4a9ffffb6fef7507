"""What a running work looks like in every panel."""

from __future__ import annotations

from bpy.types import UILayout

from ..operators import _task_operator


def draw_progress(layout: UILayout) -> None:
    """How far the running work is, how long it still takes, what waits in line, and buttons that stop each."""
    job = _task_operator.running_task()
    if not job:
        return
    column = layout.column(align=True)
    row = column.row(align=True)
    row.progress(factor=job.progress.fraction, text=job.status_text())
    row.operator(_task_operator.MAQUETTE_OT_stop_work.bl_idname, text="", icon='CANCEL').place = 0
    for place, job in enumerate(_task_operator.waiting_tasks(), start=1):
        row = column.row(align=True)
        row.label(text=f"Next: {job.label}", icon='TIME')
        row.operator(
            _task_operator.MAQUETTE_OT_stop_work.bl_idname, text="", icon='CANCEL'
        ).place = place
