"""Begin jobs in several panels of a window, and record which panel shows their progress.

    blender --python drive_progress.py

Reads ``front.png`` and ``hull.safetensors`` beside it; writes the same as ``drive.py``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
from drive import (
    HERE,
    NAME,
    drive,
    find_button,
    point_at,
    result,
    running,
    screenshot,
    view,
    watch,
    xdotool,
)

PATIENCE = 300  # seconds, on a busy machine


def click(name: str, command: str, kind: str = 'VIEW_3D') -> Iterator[float]:
    """Click a button, and record in which panels the jobs that it began are shown."""
    yield from find_button(command, 0.35, kind)
    xdotool("click", 1)
    yield from watch(20, running)
    panels = set()
    shots = 0
    while running():
        panels.add(running().panel)
        yield 0.05
        if shots < 3:
            screenshot(f"progress-{name}-{shots}")
            shots += 1
    result[name] = sorted(panels)
    yield 1


def story() -> Iterator[float]:
    bpy.context.preferences.addons[NAME].preferences.weights = str(HERE / "hull.safetensors")
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    settings = bpy.context.scene.maquette
    settings.resolution = 64
    yield 1
    sidebar.active_panel_category = "Maquette"
    yield 1
    yield from click("finish", "maquette.finish")

    # In the Image Editor; the texture is made by a second job.
    area.type = 'IMAGE_EDITOR'
    area.spaces.active.image = bpy.data.images.load(str(HERE / "front.png"))
    area.spaces.active.show_region_ui = True
    for _ in range(3):  # the tab is there once its panel was drawn
        yield 1
        _, sidebar = view('IMAGE_EDITOR')
        sidebar.active_panel_category = "Maquette"
        area.tag_redraw()
    yield 1
    settings.texture = True
    yield from click("image_editor", "maquette.reconstruct", 'IMAGE_EDITOR')

    # The legend of the confidence of an object from one image.
    area.type = 'VIEW_3D'
    yield 1
    bpy.ops.maquette.show_confidence()
    point_at(500, 500)
    for _ in range(4):  # panels below move down while they are drawn again
        area.tag_redraw()
        yield 0.5
    screenshot("progress-confidence")


if __name__ == "__main__":
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
