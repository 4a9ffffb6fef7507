"""Make a procedural object of a mesh in a Blender with a window: Esc, to the end, undo.

    blender --python drive_make_procedural.py

Uses the functions of drive.py and drive_procedural.py; needs no other file.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bpy

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from drive import (  # noqa: E402
    drive,
    find_button,
    hold,
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

NAME = "Plain"


def plain_bottle() -> bpy.types.Object:
    """A bottle as a mesh alone, without its recipe."""
    from bl_ext.user_default.maquette.core.procedural import make_object

    parts = make_object("bottle", 1003).parts
    mesh = bpy.data.meshes.new(NAME)
    vertices, faces = [], []
    for part in parts:
        first = len(vertices)
        vertices += part.mesh.vertices.tolist()
        faces += (part.mesh.faces + first).tolist()
    mesh.from_pydata(vertices, [], faces)
    obj = bpy.data.objects.new(NAME, mesh)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    return obj


def story() -> Iterator[float]:
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    open_panels("MAQUETTE_PT_make_procedural")
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    plain_bottle()
    bpy.ops.ed.undo_push(message="Set up")
    yield 1
    sidebar.active_panel_category = "Maquette"
    yield 1
    before = objects()

    # Esc in its middle
    yield from find_button("maquette.make_procedural")
    xdotool("click", 1)
    yield from watch(10, running)
    go = hold()
    screenshot("m1-search")
    xdotool("key", "Escape")
    pressed = time.monotonic()
    go.set()
    yield from watch(10, lambda: not running())
    result["seconds_to_stop"] = time.monotonic() - pressed
    result["unchanged_after_escape"] = objects() == before
    yield 1

    # To the end
    yield from find_button("maquette.make_procedural")
    xdotool("click", 1)
    yield from watch(10, running)
    yield from watch(120, lambda: not running())
    yield 1
    screenshot("m2-made")
    made = [name for name in objects() if name not in before]
    result["made"] = made
    result["recipes"] = [bpy.data.objects[name].get("maquette_recipe", "") for name in made]
    result["hidden"] = bpy.data.objects[NAME].hide_get()

    yield from press("ctrl+z")
    screenshot("m3-undone")
    result["after_undo"] = objects() == before
    result["hidden_after_undo"] = bpy.data.objects[NAME].hide_get()


if __name__ == "__main__":
    steps = alone(story(), "MAQUETTE_PT_make_procedural")
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
