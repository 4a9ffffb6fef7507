"""Texts longer than the sidebar is wide."""

from __future__ import annotations

import textwrap

from bpy.types import UILayout

_CHARACTERS = 34  # that a line holds in a box of the sidebar, as wide as it is at first


def draw_text(layout: UILayout, text: str, icon: str = 'INFO') -> None:
    """``text`` in lines, since a label is cut at the sidebar's edge; ``icon`` before the first, 'NONE' for none."""
    column = layout.column(align=True)
    for index, line in enumerate(textwrap.wrap(text, _CHARACTERS)):
        column.label(text=line, icon=icon if index == 0 or icon == 'NONE' else 'BLANK1')
