"""Finish a dense mesh by the panel's button in a Blender with a window, and time the window.

    blender --python drive_finish.py

Uses the functions of drive.py; needs no other file.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from drive import (  # noqa: E402
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

PICTURE = 1024  # pixels of a picture that it was made from
CELLS = 96
steps_taken: list[
    tuple[float, float]
] = []  # seconds of the clock and of the processor that each of ours took
hand_over: list[
    tuple[float, float]
] = []  # so for the last step, which puts the result into the file
_inner = (0.0, 0.0)


def times() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def since(
    began: tuple[float, float], less: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float]:
    return tuple(
        now - then - without for now, then, without in zip(times(), began, less, strict=True)
    )


def measured(function: Callable, last: bool) -> Callable:
    """Return ``function`` of an operator, timed; the last step is not counted as part of a step."""

    def run(self, context, what):
        global _inner
        began, _inner = times(), (0.0, 0.0)
        try:
            return function(self, context, what)
        finally:
            taken = since(began, _inner)
            (hand_over if last else steps_taken).append(taken)
            _inner = taken if last else (0.0, 0.0)

    return run


def measure() -> None:
    from bl_ext.user_default.maquette.operators import _task_operator, finish

    for name in ("invoke", "modal"):
        setattr(
            _task_operator.TaskOperator,
            name,
            measured(getattr(_task_operator.TaskOperator, name), False),
        )
    for operator in (finish.MAQUETTE_OT_finish, finish.MAQUETTE_OT_texture):
        operator.finish = measured(operator.finish, True)


def record_measurements(name: str) -> None:
    """Write down what was measured since the last time."""
    walls, own = zip(*steps_taken, strict=True)
    result[name] = {
        "longest_step": max(own),
        "longest_step_clock": max(walls),
        "usual_step_clock": float(np.median(walls)),
        "hand_over": max(hand_over, default=None),
        "stages": dict(result["freezes"]),
    }
    steps_taken.clear()
    hand_over.clear()
    result["freezes"].clear()


def bottle() -> bpy.types.Object:
    """A body with a handle, of many quads, and its source images from front and right."""
    from bl_ext.user_default.maquette.core import cameras
    from bl_ext.user_default.maquette.core.arrays import MeshArrays, SourceView
    from bl_ext.user_default.maquette.core.geometry import surface_nets
    from bl_ext.user_default.maquette.core.imaging import image_files
    from bl_ext.user_default.maquette.core.scene import meshes, source_views

    x, y, z = np.mgrid[-1 : 1 : CELLS * 1j, -1 : 1 : CELLS * 1j, -1 : 1 : CELLS * 1j]
    body = np.where(z < 0.3, 0.5, 0.2) - np.hypot(x, y)
    handle = 0.09 - np.hypot(np.hypot(x - 0.5, z + 0.2) - 0.3, y)
    field = np.minimum(np.maximum(body, handle), 0.9 - abs(z))
    mesh = surface_nets.surface_nets(field, 0.0, np.full(3, -1.0), 2 / (CELLS - 1))
    colors = np.where(mesh.vertices[:, 2:] < 0, (0.8, 0.2, 0.1), (0.2, 0.3, 0.8)).astype(np.float32)
    noise = np.random.default_rng(0).random((PICTURE, PICTURE, 3))
    picture = np.concatenate((0.5 + 0.2 * noise, np.ones((PICTURE, PICTURE, 1))), 2).astype(
        np.float32
    )
    png = image_files.encode_png(picture)
    views = tuple(
        SourceView(png, cameras.side_camera(name, 2.0, PICTURE)) for name in ("front", "right")
    )
    obj = meshes.new_object("Bottle", MeshArrays(mesh.vertices, mesh.faces, colors))
    source_views.store_views(obj, views)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    return obj


def faces() -> int:
    return len(bpy.data.objects["Bottle"].data.polygons)


def sharp() -> int:
    mesh = bpy.data.objects["Bottle"].data
    return (
        sum(value.value for value in mesh.attributes["sharp_edge"].data)
        if "sharp_edge" in mesh.attributes
        else 0
    )


def click(place: tuple[int, int], preset: str) -> Iterator[float]:
    """Choose the preset, and then the button at ``place``."""
    xdotool(
        "mousemove", 500, 500
    )  # a button under the mouse keeps the preset that it was drawn with
    yield 1
    bpy.context.scene.maquette.finish.preset = preset
    view()[0].tag_redraw()
    yield 1.5
    xdotool("mousemove", *place)
    yield 1
    steps_taken.clear()
    xdotool("click", 1)
    yield from watch(20, running)


def finished(name: str) -> Iterator[float]:
    began = time.monotonic()
    yield from watch(100, lambda: not running())
    record_measurements(name)
    result[name]["seconds"] = time.monotonic() - began
    result["faces"].append(faces())


def story() -> Iterator[float]:
    from bl_ext.user_default.maquette.core.scene import meshes
    from bl_ext.user_default.maquette.operators import _compute, _task_operator

    bpy.data.objects.remove(bpy.data.objects["Cube"])
    obj = bottle()
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    yield 1
    sidebar.active_panel_category = "Maquette"
    bpy.ops.ed.undo_push(message="Set up")
    yield 1
    before = meshes.to_arrays(obj.data)
    result["faces"] = [faces()]
    measure()

    # Esc while Blender remeshes
    yield from find_button("maquette.finish(", 0.2)
    where = subprocess.run(
        ["xdotool", "getmouselocation", "--shell"], check=True, capture_output=True, text=True
    )
    button = tuple(int(line.partition("=")[2]) for line in where.stdout.splitlines()[:2])
    yield from click(button, 'BLOCK_OUT')
    yield from watch(60, lambda: running() and running().progress.stage == "Remeshing")
    screenshot("f1-running")
    killed = [worker.pid for worker in _compute._blenders.alive_workers()]
    xdotool("key", "Escape")
    pressed = time.monotonic()
    yield from watch(10, lambda: not running())
    result["seconds_to_stop"] = time.monotonic() - pressed
    yield from watch(
        5, lambda: not _compute._blenders.alive_workers() or len(_compute._blenders._free)
    )
    result["unchanged"] = meshes.to_arrays(bpy.data.objects["Bottle"].data).has_same_surface(before)
    result["blenders"] = [len(killed), len(_compute._blenders.alive_workers())]
    record_measurements("stopped")

    # Block-out, and Adjust Last Operation
    yield from click(button, 'BLOCK_OUT')
    yield from finished("block_out")
    xdotool("mousemove", 500, 500)
    yield 1
    screenshot("f2-block-out")
    hud = next(region for region in area.regions if region.type == 'HUD')
    if hud.height < 40:
        point_at(hud.x + hud.width / 2, hud.y + hud.height - 15)  # its title, which opens it
        xdotool("click", 1)
        yield from watch(10, lambda: hud.height > 40)
        yield 1
    point_at(hud.x + hud.width * 0.6, hud.y + hud.height - 45)  # Smooth Angle
    yield 0.5
    began = times()
    xdotool("click", "--repeat", 2, "--delay", 50, 1)
    yield 0.5
    xdotool("key", "ctrl+a", "1", "Return")
    yield from watch(20, lambda: sharp() > faces())  # most edges, then
    result["adjust"] = since(began)[1]
    result["faces"].append(faces())
    screenshot("f3-adjusted")

    # undo and redo, by the keys of a user
    xdotool("mousemove", 500, 500)
    for keys in ("ctrl+z", "ctrl+shift+z", "ctrl+z"):
        count = faces()
        xdotool("key", keys)
        yield from watch(20, lambda count=count: faces() != count)
        result["faces"].append(faces())
    result["undone"] = meshes.to_arrays(bpy.data.objects["Bottle"].data).has_same_surface(before)

    drawn = time.monotonic()
    for number in range(5):  # what drawing alone costs here
        _task_operator.show_progress(f"Drawing {number}")
        yield 0.1
    _task_operator.show_progress(None)
    result["drawing"] = (time.monotonic() - drawn) / 5 - 0.1

    # Game, and in line behind it a larger texture of that
    bpy.context.scene.maquette.finish.texture_size = '512'
    yield from click(button, 'GAME')
    region = next(region for region in area.regions if region.type == 'WINDOW')
    with bpy.context.temp_override(
        window=bpy.context.window_manager.windows[0], area=area, region=region
    ):
        bpy.ops.maquette.texture('INVOKE_DEFAULT', texture_size='1024')
    result["line"] = [
        job.label for job in (_task_operator.running_task(), *_task_operator.queue.waiting())
    ]
    yield from finished("game")
    (image,) = (image for image in bpy.data.images if image.name == "Bottle texture")
    result["texture"] = [bool(image.packed_file), *image.size]
    yield 1
    screenshot("f4-game")

    # the end in the middle
    yield from click(button, 'BLOCK_OUT')
    yield from watch(60, lambda: running() and running().progress.stage == "Remeshing")
    result["pids"] = [worker.pid for worker in _compute._blenders.alive_workers()]


steps = story()
bpy.app.timers.register(lambda: drive(steps), first_interval=3, persistent=True)
