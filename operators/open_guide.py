"""Open the guide that comes with the extension, which needs no network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.types import Context

from ..core.atomic_files import write_bytes
from ..core.errors import OutputError
from ..core.markdown import to_page
from ..core.resources import DOCUMENTATION

_PACKAGE = __package__.rpartition(".")[0]
_FIRST_PAGE = "guide.html"


class MAQUETTE_OT_open_guide(bpy.types.Operator):
    """Open the guide in the web browser. It comes with Maquette and needs no network"""

    bl_idname = "maquette.open_guide"
    bl_label = "Guide"
    bl_options = {'INTERNAL'}

    def execute(self, context: Context) -> set[str]:
        try:
            folder = _pages_folder()
            write_pages(DOCUMENTATION, folder)
        except (OutputError, OSError) as error:
            self.report({'ERROR'}, f"{self.bl_label}: {error}")
            return {'CANCELLED'}
        return bpy.ops.wm.url_open(url=(folder / _FIRST_PAGE).as_uri())


def write_pages(documentation: Path, folder: Path) -> None:
    """Write the pages of the documentation as HTML, with links between them.

    Args:
        documentation: folder of Markdown files and their images, which stay there.
        folder: an existing folder.

    Raises:
        OutputError: a page cannot be written.
    """

    def locate(target: str) -> str:
        name, mark, place = target.partition("#")
        if "://" in target or not name:
            return target
        if name.endswith(".md") and "/" not in name:
            return f"{name.removesuffix('.md')}.html{mark}{place}"
        return (documentation / name).resolve().as_uri()

    for path in sorted(documentation.glob("*.md")):
        page = to_page(path.read_text(encoding="utf-8"), locate)
        write_bytes(folder / f"{path.stem}.html", page)


def _pages_folder() -> Path:
    """Return the extension's folder for the pages, which is made; a temporary one in a script."""
    try:
        return Path(bpy.utils.extension_path_user(_PACKAGE, path="guide", create=True))
    except ValueError:
        return Path(tempfile.mkdtemp(prefix="maquette-guide-"))


register: Callable[[], None]
unregister: Callable[[], None]
register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_open_guide,))
