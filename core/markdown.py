"""Markdown as HTML, for the pages of the documentation: no more of it than they use.

Headings, paragraphs, nested lists, tables, blocks of code; images, links, bold text and code in a
line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
img { max-width: 100%; }
table { border-collapse: collapse; }
th, td { border: 1px solid #8888; padding: 0.3em 0.6em; text-align: left; vertical-align: top; }
pre { overflow-x: auto; padding: 0.8em; border: 1px solid #8888; }
"""
_FENCE = "```"
_HEADING = re.compile(r"(#{1,6}) (.*)")
_ITEM = re.compile(r"( *)([-*]|\d+\.) (.*)")
_RULE = re.compile(r"\|[ :|-]+\|?")
_CODE = re.compile(r"`([^`]+)`")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_BOLD = re.compile(r"\*\*(.+?)\*\*")

Locate = Callable[[str], str]


def to_page(text: str, locate: Locate) -> str:
    """Return an HTML page.

    Args:
        text: Markdown; its first heading is the title.
        locate: Returns the address of the target of a link or image.
    """
    heading = _HEADING.search(text)
    title = html.escape(heading[2]) if heading else ""
    head = f"<meta charset=\"utf-8\"><title>{title}</title><style>{_STYLE}</style>"
    body = to_html(text, locate)
    return f"<!DOCTYPE html>\n<html><head>{head}</head>\n<body>\n{body}\n</body></html>\n"


def to_html(text: str, locate: Locate) -> str:
    """Return the HTML of the blocks of ``text``; see :func:`to_page`."""
    lines = text.splitlines()
    parts = []
    while lines:
        line = lines[0]
        heading = _HEADING.match(line)
        if not line.strip():
            lines.pop(0)
        elif line.startswith(_FENCE):
            parts.append(_take_code(lines))
        elif heading:
            lines.pop(0)
            level = len(heading[1])
            content = _inline(heading[2], locate)
            parts.append(f"<h{level} id=\"{anchor(heading[2])}\">{content}</h{level}>")
        elif line.startswith("|"):
            parts.append(_take_table(lines, locate))
        elif _ITEM.match(line):
            parts.append(_take_list(lines, locate))
        else:
            parts.append(_take_paragraph(lines, locate))

    return "\n".join(parts)


def anchor(heading: str) -> str:
    """Return the name by which links reach a heading, as code hosts make it."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def _take_code(lines: list[str]) -> str:
    """Remove a block of code from the front of ``lines``, and return its HTML."""
    lines.pop(0)
    code = []
    while lines and not lines[0].startswith(_FENCE):
        code.append(html.escape(lines.pop(0)))
    if lines:
        lines.pop(0)
    return "<pre>" + "\n".join(code) + "</pre>"


def _take_table(lines: list[str], locate: Locate) -> str:
    """Remove a table from the front of ``lines``, and return its HTML."""
    rows = []
    while lines and lines[0].startswith("|"):
        line = lines.pop(0)
        if _RULE.fullmatch(line.strip()):
            continue

        # A vertical bar within a cell has a backslash before it.
        tag = "td" if rows else "th"
        cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
        texts = [_inline(cell.replace("\\|", "|").strip(), locate) for cell in cells]
        rows.append("<tr>" + "".join(f"<{tag}>{text}</{tag}>" for text in texts) + "</tr>")

    return "<table>\n" + "\n".join(rows) + "\n</table>"


def _take_list(lines: list[str], locate: Locate) -> str:
    """Remove a list from the front of ``lines`` with the lists within it, and return its HTML."""
    first = _ITEM.match(lines[0])
    assert first is not None, "the caller has seen an item"
    indent = len(first[1])
    tag = "ol" if first[2][0].isdigit() else "ul"

    items: list[str] = []
    while lines:
        item = _ITEM.match(lines[0])
        if item and len(item[1]) > indent:
            items[-1] += _take_list(lines, locate)
        elif item and len(item[1]) == indent:
            lines[0] = item[3]
            items.append(_inline(" ".join(_take_text(lines)), locate))
        else:
            break

    return f"<{tag}>" + "".join(f"<li>{item}</li>" for item in items) + f"</{tag}>"


def _take_paragraph(lines: list[str], locate: Locate) -> str:
    """Remove a paragraph from the front of ``lines``, and return its HTML."""
    return f"<p>{_inline(' '.join(_take_text(lines)), locate)}</p>"


def _take_text(lines: list[str]) -> list[str]:
    """Remove the lines of one text from the front of ``lines``, at least one, and return them."""
    text = [lines.pop(0)]
    while lines and lines[0].strip():
        line = lines[0]
        if _ITEM.match(line) or _HEADING.match(line) or line.startswith(("|", _FENCE)):
            break
        text.append(lines.pop(0).strip())
    return text


def _inline(text: str, locate: Locate) -> str:
    """Return the HTML of a text without blocks."""
    # Nothing within code has a meaning, so it is put aside.
    codes: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        codes.append(match[1])
        return f"\0{len(codes) - 1}\0"

    text = html.escape(_CODE.sub(put_aside, text), quote=False)
    text = _IMAGE.sub(lambda match: f"<img alt=\"{match[1]}\" src=\"{locate(match[2])}\">", text)
    text = _LINK.sub(lambda match: f"<a href=\"{locate(match[2])}\">{match[1]}</a>", text)
    text = _BOLD.sub(r"<b>\1</b>", text)
    for index, code in enumerate(codes):
        text = text.replace(f"\0{index}\0", f"<code>{html.escape(code, quote=False)}</code>")
    return text
