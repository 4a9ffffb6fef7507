"""Texts that are longer than a panel is wide."""

from __future__ import annotations

import textwrap

import bpy
from bpy.types import UILayout

_CHARACTER_WIDTH = 6.0  # pixels of Blender's font, on average, at a resolution scale of 1
_MARGINS = 62  # pixels of a panel, a box and an icon, at that scale
_MIN_LENGTH = 20  # characters
_DEFAULT_LENGTH = 34  # characters, without a region to draw in


def draw_text(layout: UILayout, text: str, icon: str = 'INFO', margin: int = 0) -> None:
    """Draw ``text`` in several lines, since a label is cut at the region's edge.

    Args:
        layout: where to draw.
        text: without line breaks.
        icon: before the first line; 'NONE' for none.
        margin: pixels that the layout is narrower than a box in the sidebar.
    """
    column = layout.column(align=True)
    column.scale_y = 0.85  # lines of one text are closer to each other than separate labels
    for index, line in enumerate(textwrap.wrap(text, line_length(margin))):
        has_icon = index == 0 or icon == 'NONE'
        column.label(text=line, icon=icon if has_icon else 'BLANK1')


def line_length(margin: int = 0) -> int:
    """Return how many characters a line of the region that is drawn now can show.

    Args:
        margin: see :func:`draw_text`.
    """
    region = bpy.context.region
    if region is None:
        return _DEFAULT_LENGTH
    width = region.width / bpy.context.preferences.system.ui_scale
    return max(int((width - _MARGINS - margin) / _CHARACTER_WIDTH), _MIN_LENGTH)
