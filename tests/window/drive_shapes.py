"""Imagine shapes by the menu of the panel, choose one by its thumbnail, and keep it.

    blender --python drive_shapes.py

Needs weights with a generator in the extension; uses the functions of drive.py and
drive_procedural.py.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import bpy

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from drive import (  # noqa: E402
    drive,
    find_button,
    objects,
    open_panels,
    result,
    running,
    screenshot,
    view,
    watch,
    xdotool,
)
from drive_procedural import alone, press  # noqa: E402


def candidates() -> list[bpy.types.Object]:
    """What may be chosen."""
    return [obj for obj in bpy.context.view_layer.objects if "maquette_candidate" in obj]


def click(command: str, from_right: float = 0.5) -> Iterator[float]:
    yield from find_button(command, from_right)
    xdotool("click", 1)


def story() -> Iterator[float]:
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    open_panels("MAQUETTE_PT_shapes")
    yield 1
    sidebar.active_panel_category = "Maquette"
    area.tag_redraw()
    yield 1
    screenshot("s1-idle")
    before = objects()

    # As the menu does
    with bpy.context.temp_override(area=area, region=area.regions[-1]):
        bpy.ops.maquette.generate_shape('INVOKE_DEFAULT', kind='SEAT', count=3, seed=3)
    yield from watch(10, running)
    screenshot("s2-imagining")
    yield from watch(300, lambda: not running())
    yield 2
    result["made"] = len(candidates())
    result["copying"] = [obj.get("maquette_copying", -1.0) for obj in candidates()]
    bpy.ops.object.select_all(action='DESELECT')
    area.tag_redraw()
    yield 2
    screenshot("s3-candidates")

    yield from click("maquette.choose_shape")
    yield 2
    result["chosen"] = [obj.name for obj in candidates() if obj.select_get()]
    screenshot("s4-chosen")

    yield from click("maquette.keep_shapes")
    yield 2
    result["left"] = [name for name in objects() if name not in before]
    screenshot("s5-kept")
    yield from press("ctrl+z")
    result["after_undo"] = len(candidates())
    screenshot("s6-undone")


if __name__ == "__main__":
    steps = alone(story(), "MAQUETTE_PT_shapes")
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
