"""From a new profile to the first textured mesh, counting clicks and seconds.

    blender --python drive_first_minutes.py

The extension is installed, and nothing of it or of Blender is set up: the splash screen is there.
Writes the same as ``drive.py``.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
from drive import (
    drive,
    find_button,
    objects,
    point_at,
    result,
    running,
    screenshot,
    view,
    watch,
    xdotool,
)
from drive_images import PATIENCE, texture_of

_TAB_SPACING = 15  # pixels: less than the height of a tab


def press(key: str) -> None:
    """Press a key, which counts as a click."""
    xdotool("key", key)
    result["clicks"] += 1


def click_tab(name: str) -> Iterator[float]:
    """Click the tab of the sidebar; it counts as one click, wherever the tab is."""
    _, sidebar = view()
    x = sidebar.x + sidebar.width - 10
    for y in range(sidebar.y + sidebar.height - 40, sidebar.y + 40, -_TAB_SPACING):
        point_at(x, y)
        yield 0.1
        xdotool("click", 1)
        yield 0.3
        if sidebar.active_panel_category == name:
            result["clicks"] += 1
            return
    raise AssertionError(f"the sidebar has no tab {name}")


def story() -> Iterator[float]:
    result["clicks"] = 0
    yield 1
    screenshot("first-1-splash")
    press("Escape")  # the splash screen
    point_at(500, 500)
    yield 1

    began = time.monotonic()
    press("n")
    yield 1
    yield from click_tab("Maquette")
    screenshot("first-2-sidebar")

    before = objects()
    yield from find_button("maquette.try_example")
    found = time.monotonic()
    xdotool("click", 1)
    result["clicks"] += 1
    yield from watch(20, running)
    yield from watch(PATIENCE, lambda: not running())
    result["seconds_to_mesh"] = time.monotonic() - found
    result["seconds_to_find_the_button"] = found - began
    yield 1
    result["made"] = [name for name in objects() if name not in before]
    result["texture"] = texture_of(bpy.context.object)
    result["shading"] = view()[0].spaces.active.shading.color_type
    screenshot("first-3-mesh")


if __name__ == "__main__":
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
