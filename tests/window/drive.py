"""Act as a user with real mouse and keys in a Blender with a window, and record what happens.

    blender --python drive.py

Reads ``front.png`` and ``hull.safetensors`` beside it; writes ``result.json`` and screenshots
``1-idle.png`` and so on.
"""

import json
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from drive_holds import measure

NAME = "bl_ext.user_default.maquette"
HERE = Path(__file__).parent
result: dict = {"freezes": {}}


def xdotool(*words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], check=True)


def screenshot(name: str) -> None:
    subprocess.run(["import", "-window", "root", str(HERE / f"{name}.png")], check=True)


def view(kind: str = 'VIEW_3D') -> tuple[bpy.types.Area, bpy.types.Region]:
    """The first area of that type and its sidebar."""
    area = next(
        area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == kind
    )
    return area, next(region for region in area.regions if region.type == 'UI')


def open_panels(*names: str) -> None:
    """Open panels that are closed by default, before the sidebar draws them for the first time."""
    for panel in (getattr(bpy.types, name) for name in names):
        bpy.utils.unregister_class(panel)
        panel.bl_options = set()
        bpy.utils.register_class(panel)


def running():
    from bl_ext.user_default.maquette.operators import _task_operator

    return _task_operator.running_task()


def hold() -> threading.Event:
    """Hold the running task until the event is set, since a fast machine may end it too early."""
    go, driver = threading.Event(), running()._driver

    def waiting(work):
        go.wait()
        return (yield from work)

    driver._work = waiting(driver._work)
    return go


def point_at(x: float, y: float) -> None:
    """The mouse to a place of the window, in Blender's pixels: y up."""
    xdotool("mousemove", round(x), round(bpy.context.window_manager.windows[0].height - 1 - y))


def find_button(command: str, from_right: float = 0.5, kind: str = 'VIEW_3D') -> Iterator[float]:
    """Move the mouse down the sidebar until it is on the button of that operator."""
    point_at(
        500, 500
    )  # away from the last button, which Blender may still take for the one under the mouse
    yield 0.5
    area, sidebar = view(kind)
    x = sidebar.x + sidebar.width * from_right
    for y in range(sidebar.y + sidebar.height - 30, sidebar.y + 20, -10):
        point_at(x, y)
        yield 0.08
        with bpy.context.temp_override(
            window=bpy.context.window_manager.windows[0], area=area, region=sidebar
        ):
            if bpy.ops.ui.copy_python_command_button.poll():  # tells of the button under the mouse
                bpy.ops.ui.copy_python_command_button()
                if command in bpy.context.window_manager.clipboard:
                    return
    raise AssertionError(f"there is no button {command} in the sidebar")


def watch(seconds: float, until) -> Iterator[float]:
    """Wait for ``until()``; record the stages, and how long the window was frozen."""
    end = last = time.monotonic()
    end += seconds
    while not until():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain; stages {result['freezes']}")
        job = running()
        stage = job.progress.stage if job else "Finishing"
        yield 0.05
        now = time.monotonic()
        result["freezes"][stage] = max(result["freezes"].get(stage, 0.0), now - last - 0.05)
        last = now


def escape() -> Iterator[float]:
    """Stop what the button that is under the mouse starts, in its middle."""
    before = objects()
    xdotool("click", 1)
    yield from watch(10, running)
    yield from watch(60, lambda: running() and running().progress.fraction > 0.1)
    screenshot("2-progress")
    xdotool("key", "Escape")
    pressed = time.monotonic()
    yield from watch(10, lambda: not running())
    result["seconds_to_stop"] = time.monotonic() - pressed
    result["unchanged_after_escape"] = objects() == before


def undo_and_redo(before: list[str]) -> Iterator[float]:
    """Undo and redo, by keys over the 3D view, what was made after ``before``."""
    xdotool("mousemove", 500, 500)
    yield 2
    screenshot("4-made")
    xdotool("key", "ctrl+z")
    yield 2
    result["after_undo"] = objects() == before
    screenshot("5-undone")
    xdotool("key", "ctrl+shift+z")
    yield 2
    result["after_redo"] = [name for name in objects() if name not in before]


def objects() -> list[str]:
    return sorted(obj.name for obj in bpy.data.objects)


def story() -> Iterator[float]:
    bpy.context.preferences.addons[NAME].preferences.weights = str(HERE / "hull.safetensors")
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    open_panels("MAQUETTE_PT_batch")
    yield 1
    sidebar.active_panel_category = "Maquette"
    settings = bpy.context.scene.maquette
    settings.image = bpy.data.images.load(str(HERE / "front.png"))
    settings.resolution = 256
    settings.texture = False  # it is a step of its own
    settings.size = 2
    bpy.context.scene.cursor.location = (2, -2, 0)
    bpy.ops.ed.undo_push(message="Set up")
    yield 1
    screenshot("1-idle")
    settings.source = 'SIDES'
    area.tag_redraw()
    yield 1
    screenshot("1-sides")
    settings.source = 'IMAGE'
    area.tag_redraw()
    yield 1
    before = objects()

    # Esc
    yield from find_button("maquette.reconstruct")
    yield from escape()
    yield 1
    screenshot("3-stopped")

    # the Stop button
    yield from find_button("maquette.reconstruct")
    xdotool("click", 1)
    yield from watch(10, running)
    go = hold()
    yield from find_button("maquette.stop_work", 0.87)
    go.set()
    xdotool("click", 1)
    yield from watch(10, lambda: not running())
    result["unchanged_after_stop"] = objects() == before
    yield 1

    # to the end
    yield from find_button("maquette.reconstruct")
    xdotool("click", 1)
    yield from watch(10, running)
    yield from watch(120, lambda: not running())
    result["made"] = [name for name in objects() if name not in before]
    result["active"] = bpy.context.view_layer.objects.active.name
    result["location"] = list(bpy.context.view_layer.objects.active.location)
    result["color_type"] = area.spaces.active.shading.color_type
    yield from undo_and_redo(before)

    # a bad picture
    bpy.context.scene.maquette.image = bpy.data.images.new("Dot", 1, 1)
    area.tag_redraw()
    yield 1
    there = objects()
    yield from find_button("maquette.reconstruct")
    xdotool("click", 1)
    yield 2
    screenshot("6-refused")
    result["unchanged_after_refusal"] = objects() == there and not running()

    # disabling it while it works
    xdotool("mousemove", 500, 700)  # away from the error's popup, which closes it
    yield 1
    xdotool("key", "Escape")
    bpy.context.scene.maquette.image = bpy.data.images["front.png"]
    area.tag_redraw()
    yield 1
    xdotool("mousemove", 500, 500)
    yield 0.5
    yield from find_button("maquette.reconstruct")
    xdotool("click", 1)
    yield from watch(10, running)
    bpy.ops.preferences.addon_disable(module=NAME)
    yield 2
    result["unchanged_after_disabling"] = objects() == there
    result["alive"] = True


def drive(steps: Iterator[float]) -> float | None:
    if "holds" not in result:
        result["holds"] = measure()
    try:
        return next(steps)
    except StopIteration:
        pass
    except BaseException:
        result["error"] = traceback.format_exc()
        screenshot("error")
    (HERE / "result.json").write_text(json.dumps(result, indent=1))
    bpy.ops.wm.quit_blender()
    return None


if __name__ == "__main__":
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
