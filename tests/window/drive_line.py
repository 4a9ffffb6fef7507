"""Queue several jobs in a Blender with a window, time the window, and quit in the middle.

    blender --python drive_line.py

Uses the functions of drive.py.
"""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bpy

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from drive import (  # noqa: E402
    NAME,
    drive,
    find_button,
    hold,
    objects,
    point_at,
    result,
    running,
    screenshot,
    view,
    watch,
    xdotool,
)

gaps: dict[str, float] = {}  # by stage: the longest that the main thread was held
_last = float("inf")


def modules():
    from bl_ext.user_default.maquette.operators import _compute, _task_operator

    return _task_operator, _compute


def tick() -> float:
    """Every 5 ms, if the main thread is free."""
    global _last
    now = time.perf_counter()
    job = running()
    stage = job.progress.stage if job else ""
    gaps[stage] = max(gaps.get(stage, 0.0), now - _last)
    _last = now
    return 0.005


def click(command: str, from_right: float = 0.5) -> Iterator[float]:
    yield from find_button(command, from_right)
    xdotool("click", 1)
    yield 0.5


def begin(operator, **options) -> None:
    """As a button does."""
    area, _ = view()
    region = next(region for region in area.regions if region.type == 'WINDOW')
    with bpy.context.temp_override(
        window=bpy.context.window_manager.windows[0], area=area, region=region
    ):
        operator('INVOKE_DEFAULT', **options)


def story() -> Iterator[float]:
    task_operator, compute = modules()
    preferences = bpy.context.preferences.addons[NAME].preferences
    preferences.weights = str(HERE / "hull.safetensors")
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    yield 1
    sidebar.active_panel_category = "Maquette"
    settings = bpy.context.scene.maquette
    settings.image = bpy.data.images.load(str(HERE / "front.png"))
    settings.resolution = 64
    settings.texture = False  # it is a job of its own
    area.tag_redraw()
    yield 1

    bpy.app.timers.register(tick, persistent=True)
    for number in range(20):  # what drawing alone costs here
        task_operator.show_progress(f"Drawing {number}")
        yield 0.1
    task_operator.show_progress(None)
    yield 0.5
    result["drawing"] = gaps[""]

    # one, in a process that is not there yet
    before = objects()
    yield from click("maquette.reconstruct(")
    yield from watch(200, lambda: not running())
    result["gaps"] = {stage: gap for stage, gap in gaps.items() if stage}
    result["made"] = [name for name in objects() if name not in before]
    result["workers"] = len(compute._workers.alive_workers())
    result["torch_in_blender"] = "torch" in sys.modules

    # three in a line, of which the second is taken out
    before = objects()
    settings.resolution = 256
    area.tag_redraw()
    yield 1
    yield from click("maquette.reconstruct(")
    go = hold()
    for _ in range(2):
        xdotool("click", 1)
        yield 0.5
    result["waiting"] = len(task_operator.queue.waiting())
    xdotool("mousemove_relative", 0, 200)
    yield 1
    screenshot("8-line")
    yield from click("stop_work(place=1", 0.87)
    go.set()
    yield from watch(400, lambda: not running())
    result["made_in_line"] = [name for name in objects() if name not in before]
    yield 1

    # Adjust Last Operation
    result["size"] = max(bpy.context.view_layer.objects.active.dimensions)
    count = len(objects())
    xdotool("mousemove", 500, 500)
    yield 1
    hud = next(region for region in area.regions if region.type == 'HUD')
    point_at(hud.x + hud.width / 2, hud.y + hud.height - 15)  # its title, which opens it
    closed = hud.height
    xdotool("click", 1)
    yield from watch(20, lambda: hud.height > closed)
    yield 1
    screenshot("9-adjust")
    began = time.perf_counter()
    point_at(hud.x + hud.width * 0.6, hud.y + hud.height - 45)  # Size
    yield 1
    xdotool("click", "--repeat", 2, "--delay", 50, 1)
    yield 1
    xdotool("key", "ctrl+a", "3", "Return")
    yield 3
    result["adjusted_size"] = max(bpy.context.view_layer.objects.active.dimensions)
    result["adjust_seconds"] = time.perf_counter() - began
    result["same_number"] = len(objects()) == count
    screenshot("10-adjusted")

    # a folder
    before, folder = objects(), HERE / "several"
    folder.mkdir(exist_ok=True)
    for name in ("front.png", "photo.png"):
        shutil.copy(HERE / name, folder)
    begin(bpy.ops.maquette.reconstruct_folder, folder=str(folder), resolution=64, assets=True)
    yield from watch(100, lambda: not running())
    result["made_of_folder"] = [name for name in objects() if name not in before]

    # the preferences
    bpy.ops.screen.userpref_show('INVOKE_DEFAULT')
    yield 2
    bpy.context.preferences.active_section = 'ADDONS'
    bpy.context.window_manager.addon_search = "Maquette"
    bpy.ops.preferences.addon_expand(module=NAME)
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.maquette.test_python('INVOKE_DEFAULT')
    yield from watch(100, lambda: not running())
    yield 3
    result["test_result"] = preferences.told
    screenshot("11-preferences")
    bpy.ops.wm.window_close() if len(bpy.context.window_manager.windows) > 1 else None
    yield 2

    # another file in the middle
    begin(bpy.ops.maquette.reconstruct, image="front.png", resolution=250)
    yield from watch(100, lambda: running().progress.fraction > 0.2)
    bpy.ops.wm.read_homefile(app_template="")
    yield 2
    result["idle_after_loading"] = running() is None and objects() == ["Camera", "Cube", "Light"]

    # the end in the middle
    begin(bpy.ops.maquette.reconstruct, filepath=str(HERE / "front.png"), resolution=254)
    yield from watch(100, lambda: running().progress.fraction > 0.2)
    result["pids"] = [worker.pid for worker in compute._workers.alive_workers()]


steps = story()
bpy.app.timers.register(lambda: drive(steps), first_interval=3, persistent=True)
