"""What a running work looks like in every panel."""

from __future__ import annotations

from bpy.types import UILayout

from ..operators import _work


def draw_progress(layout: UILayout) -> None:
    """How far the running work is, how long it still takes, and a button that stops it."""
    job = _work.running()
    row = layout.row(align=True)
    row.progress(factor=job.progress.fraction, text=job.told())
    row.operator(_work.MAQUETTE_OT_stop_work.bl_idname, text="", icon='CANCEL')
