"""Texts that are longer than a panel is wide."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

import blf
import bpy
from bpy.types import UILayout

from ..operators._translation import translated

_CHARACTER_WIDTH = 5.8  # pixels of Blender's font, on average, at a resolution scale of 1
_MARGINS = 84  # pixels of the tabs, a panel, a box and an icon, at that scale
_MIN_LENGTH = 20  # characters
_DEFAULT_LENGTH = 34  # characters, without a region to draw in
_FONT = 0  # of the interface
# Where lines may end: after a word, or a wide character with the punctuation about it.
_WIDE = "\u3000-\u9fff\uff00-\uffef"
_CLOSING = "\u3001\u3002\u300d\uff01\uff09\uff0c\uff1a\uff1b\uff1f"
_OPENING = "\u300c\uff08"
_PARTS = re.compile(f"[{_OPENING}]*[{_WIDE}][{_CLOSING}]*\\s*|[^\\s{_WIDE}]+[{_CLOSING}]*\\s*|\\s+")


def draw_text(layout: UILayout, text: str, icon: str = 'INFO', margin: int = 0) -> None:
    """Draw ``text`` in several lines, since a label is cut at the region's edge.

    Args:
        layout: where to draw.
        text: without line breaks; translated if it is a label of ``panels.translations``.
        icon: before the first line; 'NONE' for none.
        margin: pixels that the layout is narrower than a box in the sidebar.
    """
    column = layout.column(align=True)
    column.scale_y = 0.85  # lines of one text are closer to each other than separate labels
    text_width = _drawn_width if bpy.context.region else count_columns
    lines = wrap_text(translated(text), line_length(margin), text_width)
    for index, line in enumerate(lines):
        has_icon = index == 0 or icon == 'NONE'
        column.label(text=line, icon=icon if has_icon else 'BLANK1', translate=False)


def wrap_text(text: str, length: float, text_width: Callable[[str], float]) -> list[str]:
    """Break ``text`` into lines; Chinese and Japanese is broken between any two characters.

    Args:
        text: without line breaks.
        length: of a line, in characters.
        text_width: measures a text, in characters.
    """
    lines = [""]
    for part in _text_parts(text, length, text_width):
        if lines[-1] and text_width(lines[-1] + part.rstrip()) > length:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def _text_parts(text: str, length: float, text_width: Callable[[str], float]) -> Iterator[str]:
    """Yield the parts of ``text`` that stay in one line; a path that is too long is cut."""
    for part in _PARTS.findall(text):
        rest = part
        while text_width(rest.rstrip()) > length and len(rest) > 1:
            count = len(rest) - 1
            while count > 1 and text_width(rest[:count]) > length:
                count -= 1
            yield rest[:count]
            rest = rest[count:]
        yield rest


def count_columns(text: str) -> int:
    """Return the width of ``text`` in characters of the Latin alphabet; others count twice."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def _drawn_width(text: str) -> float:
    """Return the width of ``text`` as Blender draws it, in average characters."""
    preferences = bpy.context.preferences
    scale = preferences.system.ui_scale
    blf.size(_FONT, preferences.ui_styles[0].widget.points * scale)
    width, _ = blf.dimensions(_FONT, text)
    return width / scale / _CHARACTER_WIDTH


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
