"""The progress of tasks, in the panel whose button began them."""

from __future__ import annotations

from bpy.types import UILayout

from ..operators import _task_operator
from ..operators._translation import translated
from ..operators.stop_work import MAQUETTE_OT_stop_work


def mark_buttons(layout: UILayout, panel: str) -> None:
    """Let ``panel`` show the progress of what the buttons of ``layout`` begin from here on."""
    layout.context_string_set(_task_operator.PANEL_KEY, panel)


def has_progress(panel: str) -> bool:
    """Return whether ``panel`` has progress to show."""
    return bool(_task_operator.queue.shown_in(panel))


def draw_progress(layout: UILayout, panel: str) -> None:
    """Draw the running and waiting tasks of ``panel``, each with a button to stop it."""
    tasks = _task_operator.queue.shown_in(panel)
    if not tasks:
        return
    column = layout.column(align=True)

    for index, task in tasks:
        row = column.row(align=True)

        # The first one runs, the others wait.
        if index == 0:
            text = task.status_text()
            row.progress(factor=task.progress.fraction, text=text, translate=False)
        else:
            text = translated("Queued: {}").format(task.label)
            row.label(text=text, icon='TIME', translate=False)
        button = row.operator(MAQUETTE_OT_stop_work.bl_idname, text="", icon='CANCEL')
        button.place = index
