"""Drag a slider of a procedural object in a Blender with a window, undo it, and discard edits.

    blender --python drive_procedural.py

Uses the functions of drive.py; needs no other file.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import bpy

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from drive import drive, find_button, point_at, result, screenshot, view, xdotool  # noqa: E402

NAME = "table_000003"


def state() -> list | None:
    """The recipe and the size of the table; None if there is none."""
    obj = bpy.data.objects.get(NAME)
    bpy.context.view_layer.update()
    return obj and [obj["maquette_recipe"], [round(side, 4) for side in obj.dimensions]]


def find_slider(percent: float) -> Iterator[float]:
    """Move the mouse down the sidebar until it is on the slider of that value, which it copies."""
    _, sidebar = view()
    manager = bpy.context.window_manager
    for y in range(sidebar.y + sidebar.height - 30, sidebar.y + 20, -8):
        point_at(sidebar.x + sidebar.width * 0.75, y)
        yield 0.1
        manager.clipboard = ""
        xdotool("key", "ctrl+c")
        yield 0.1
        try:
            copied = float(manager.clipboard)
        except ValueError:
            continue
        if abs(copied - percent) < 0.01:
            return
    raise AssertionError(f"there is no slider of {percent} in the sidebar")


def drag(distance: int) -> Iterator[float]:
    """Drag what is under the mouse to the left, in steps."""
    xdotool("mousedown", 1)
    for _ in range(distance // 6):
        yield 0.08
        xdotool("mousemove_relative", "--", -6, 0)
    yield 0.2
    xdotool("mouseup", 1)
    yield 1


def press(keys: str) -> Iterator[float]:
    """Press keys over the 3D view."""
    xdotool("mousemove", 500, 500)
    yield 0.5
    xdotool("key", keys)
    yield 1.5


def story() -> Iterator[float]:
    from bl_ext.user_default.maquette.core.scene.procedural import building

    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    yield 1
    region = next(region for region in area.regions if region.type == 'WINDOW')
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.maquette.add_procedural('EXEC_DEFAULT', True, family="table", seed=3)
    yield 2
    sidebar.active_panel_category = "Maquette"
    yield 1
    screenshot("p1-added")
    result["added"] = state()

    yield from find_slider(bpy.data.objects[NAME].maquette_procedural.percent_0)
    yield from drag(72)
    screenshot("p2-dragged")
    result["dragged"] = state()
    yield from press("ctrl+z")
    result["undone"] = state()
    yield from press("ctrl+shift+z")
    result["redone"] = state()

    # Edited by hand, and asked before that is lost.
    obj = bpy.data.objects[NAME]
    obj.data.vertices[0].co.x += 0.3
    obj.data.update()
    area.tag_redraw()
    yield 1
    yield from find_button("maquette.rebuild_procedural")
    xdotool("click", 1)
    yield 1.5
    screenshot("p3-asked")
    result["edited_while_asked"] = building.has_hand_edits(bpy.data.objects[NAME])
    xdotool("key", "Return")
    yield 1.5
    result["edited"] = building.has_hand_edits(bpy.data.objects[NAME])
    result["rebuilt"] = state()


def alone(steps: Iterator[float], shown: str = "MAQUETTE_PT_procedural") -> Iterator[float]:
    """Go through ``steps`` without the other panels, so that all of the panel ``shown`` is seen."""
    names = [name for name in dir(bpy.types) if name.startswith("MAQUETTE_PT_")]
    panels = [getattr(bpy.types, name) for name in names if name != shown]
    for panel in panels:
        bpy.utils.unregister_class(panel)
    try:
        yield from steps
    finally:
        for panel in sorted(panels, key=lambda panel: hasattr(panel, "bl_parent_id")):
            bpy.utils.register_class(panel)


if __name__ == "__main__":
    steps = alone(story())
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
