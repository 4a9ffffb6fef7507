"""Install PyTorch by the button in the sidebar, in a Blender that has none, and remove it again.

    PIP_NO_INDEX=1 blender --python drive_install.py

Takes the wheels from the folder ``wheels_without_torch`` beside it, then from ``wheels``; writes
the same as ``drive.py``.
"""

import os
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

PATIENCE = 120  # seconds, on a busy machine
SCREEN_HEIGHT = 1000
PACKAGES = ("torch", "PIL", "pycolmap")


def hide_packages() -> None:
    """Let this Blender's Python lack the packages, which a system's Blender may find."""
    for name in PACKAGES:
        sys.modules[name] = None


def missing() -> list[str]:
    from bl_ext.user_default.maquette.operators import _compute

    return _compute.missing_packages()


def panels_with_progress() -> list[str]:
    from bl_ext.user_default.maquette.operators import _task_operator

    return [task.panel for task in _task_operator.queue._tasks]


def preferences_window() -> bpy.types.Window | None:
    windows = bpy.context.window_manager.windows
    return next((each for each in windows if each.screen.areas[0].type == 'PREFERENCES'), None)


def redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


def find_in_preferences(command: str) -> Iterator[float]:
    """Move the mouse over the window of the preferences until it is on that operator's button."""
    window = preferences_window()
    area = window.screen.areas[0]
    region = next(each for each in area.regions if each.type == 'WINDOW')
    for y in range(region.y + region.height - 10, region.y + 10, -10):
        for share in (0.2, 0.4, 0.6, 0.8, 0.93):
            x = region.x + region.width * share
            xdotool("mousemove", round(window.x + x), round(SCREEN_HEIGHT - 1 - window.y - y))
            yield 0.06
            with bpy.context.temp_override(window=window, area=area, region=region):
                if bpy.ops.ui.copy_python_command_button.poll():
                    bpy.ops.ui.copy_python_command_button()
                    if command in bpy.context.window_manager.clipboard:
                        return
    raise AssertionError(f"there is no button {command} in the preferences")


def install(prefix: str) -> Iterator[float]:
    """Click the install button in the sidebar, and wait for the end."""
    yield from find_button("maquette.install_packages")
    screenshot(f"install-{prefix}-1-before")
    xdotool("click", 1)
    yield from watch(20, running)
    result[f"{prefix}_shown_in"] = panels_with_progress()
    yield 0.3
    screenshot(f"install-{prefix}-2-progress")
    result[f"{prefix}_stages"] = []
    while running():
        text = running().status_text()
        if text not in result[f"{prefix}_stages"]:
            result[f"{prefix}_stages"].append(text)
        yield 0.05
    yield 1
    screenshot(f"install-{prefix}-3-after")


def story() -> Iterator[float]:
    hide_packages()
    preferences = bpy.context.preferences
    preferences.system.use_online_access = True
    ours = preferences.addons[NAME].preferences
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    yield 1
    sidebar.active_panel_category = "Maquette"
    redraw()
    yield 1
    result["missing_at_first"] = missing()

    # A folder without a wheel of torch: the reason is shown, and copied as a whole.
    os.environ["PIP_FIND_LINKS"] = str(HERE / "wheels_without_torch")
    yield from install("failing")
    point_at(500, 500)
    xdotool("key", "Escape")  # the report's popup
    yield 1
    result["problem"] = ours.told
    yield from find_button("maquette.copy_problem")
    xdotool("click", 1)
    yield 1
    result["copied"] = bpy.context.window_manager.clipboard
    screenshot("install-failing-4-copied")

    # The whole set.
    os.environ["PIP_FIND_LINKS"] = str(HERE / "wheels")
    yield from install("working")
    result["missing_at_the_end"] = missing()
    result["found"] = ours.told
    result["torch_in_blender"] = sys.modules["torch"] is not None

    # What was installed is told and removed in the preferences.
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.preferences.addon_show('INVOKE_DEFAULT', module=NAME)
    yield 2
    screenshot("install-working-4-preferences")
    yield from find_in_preferences("maquette.remove_packages")
    xdotool("click", 1)
    yield 1
    screenshot("install-working-5-confirm")
    xdotool("key", "Return")
    yield from watch(20, missing)
    result["missing_when_removed"] = missing()
    redraw()
    yield 1
    screenshot("install-working-6-removed")

    # The box of the sidebar opens the preferences, at this add-on.
    with bpy.context.temp_override(window=preferences_window()):
        bpy.ops.wm.window_close()
    bpy.context.window_manager.addon_search = ""
    redraw()
    yield 1
    yield from find_button("preferences.addon_show")
    xdotool("click", 1)
    yield from watch(10, preferences_window)
    yield 1
    result["shown_add_on"] = bpy.context.window_manager.addon_search
    screenshot("install-working-7-opened")

    # A Python whose path is longer than its field, and which is not there.
    ours.python = str(HERE / "a folder with a long name" / "another one" / "bin" / "python3.11")
    redraw()
    yield 1
    yield from find_in_preferences("maquette.test_python")
    xdotool("click", 1)
    yield from watch(30, lambda: ours.failed)
    redraw()
    yield 1
    result["tested"] = ours.told
    screenshot("install-working-8-tested")


if __name__ == "__main__":
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
