"""Index a library, stop that and go on, find a ball and put it into the scene, by real clicks.

    blender --python drive_library.py

Reads the folder ``library`` and the image ``ball.png`` beside it; uses the functions of drive.py.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from drive import (  # noqa: E402
    drive,
    find_button,
    objects,
    result,
    running,
    screenshot,
    view,
    watch,
    xdotool,
)

INDEX = HERE / "library.npz"


def indexed() -> int:
    """How many assets the index has."""
    if not INDEX.exists():
        return 0
    with np.load(INDEX) as stored:
        return len(stored["assets"])


def click(command: str, from_right: float = 0.5) -> Iterator[float]:
    yield from find_button(command, from_right)
    xdotool("click", 1)


def story() -> Iterator[float]:
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    yield 1
    sidebar.active_panel_category = "Maquette"
    settings = bpy.context.scene.maquette
    settings.image = bpy.data.images.load(str(HERE / "ball.png"))
    settings.library.source = 'FOLDER'
    settings.library.folder = str(HERE / "library")
    settings.library.index_file = str(INDEX)
    bpy.context.scene.cursor.location = (5, 0, 0)
    bpy.ops.ed.undo_push(message="Set up")
    area.tag_redraw()
    yield 1
    screenshot("l1-idle")

    # Esc while the second file is rendered
    yield from click("maquette.index_library")
    yield from watch(10, running)
    yield from watch(300, lambda: running() and running().progress.fraction > 0.35)
    screenshot("l2-indexing")
    xdotool("key", "Escape")
    pressed = time.monotonic()
    yield from watch(10, lambda: not running())
    result["seconds_to_stop"] = time.monotonic() - pressed
    yield 3
    result["indexed_after_escape"] = indexed()

    # The rest
    yield from click("maquette.index_library")
    yield from watch(10, running)
    yield from watch(300, lambda: not running())
    result["indexed"] = indexed()

    yield from click("maquette.find_similar")
    yield from watch(10, running)
    yield from watch(200, lambda: not running())
    matches = bpy.context.window_manager.maquette_library.matches
    result["found"] = [match.name for match in matches]
    yield 2
    screenshot("l3-found")

    # The first one into the scene, and back
    before = objects()
    yield from click("maquette.append_asset", 0.2)
    yield 2
    screenshot("l4-appended")
    result["appended"] = [name for name in objects() if name not in before]
    result["location"] = list(bpy.context.object.location)
    xdotool("mousemove", 500, 500)
    yield 1
    xdotool("key", "ctrl+z")
    yield 2
    result["unchanged_after_undo"] = objects() == before


def alone(steps: Iterator[float]) -> Iterator[float]:
    """Go through ``steps`` with this panel alone, and open."""
    names = [name for name in dir(bpy.types) if name.startswith("MAQUETTE_PT_")]
    panels = [getattr(bpy.types, name) for name in names if name != "MAQUETTE_PT_library"]
    own = bpy.types.MAQUETTE_PT_library
    for panel in (*panels, own):
        bpy.utils.unregister_class(panel)
    own.bl_options = set()
    bpy.utils.register_class(own)
    try:
        yield from steps
    finally:
        for panel in sorted(panels, key=lambda panel: hasattr(panel, "bl_parent_id")):
            bpy.utils.register_class(panel)


if __name__ == "__main__":
    steps = alone(story())
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
