"""Texts that are longer than the sidebar is wide."""

from __future__ import annotations

import textwrap

from bpy.types import UILayout

_LINE_LENGTH = 34  # characters that fit into a box of the sidebar at its first width


def draw_text(layout: UILayout, text: str, icon: str = 'INFO') -> None:
    """Draw ``text`` in several lines, since a label is cut at the sidebar's edge.

    Args:
        layout: where to draw.
        text: without line breaks.
        icon: before the first line; 'NONE' for none.
    """
    column = layout.column(align=True)
    for index, line in enumerate(textwrap.wrap(text, _LINE_LENGTH)):
        has_icon = index == 0 or icon == 'NONE'
        column.label(text=line, icon=icon if has_icon else 'BLANK1')
